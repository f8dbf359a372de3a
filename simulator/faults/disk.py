"""A small disk that can be filled: a tmpfs of its own for the daemon's state. Needs root; without, none."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

SIZE_MIB = 96
MIB_PER_CALL = 0.03
"""Card, rows, facts and outbox of one call, and room to spare: a long run must not fill its disk by itself."""
CHUNK = b"\0" * 65_536


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A mounted tmpfs."""

    where: Path

    @classmethod
    def make(cls, where: Path, calls: int = 0) -> SmallDisk | None:
        """Mount one for so many calls at this folder; None when we may not."""
        where.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0:
            return None
        command = [
            "mount",
            "-t",
            "tmpfs",
            "-o",
            f"size={SIZE_MIB + round(calls * MIB_PER_CALL)}m,mode=0700",
            "acd-faults",
            str(where),
        ]
        done = subprocess.run(command, capture_output=True, check=False, timeout=10)
        return None if done.returncode else cls(where)

    @property
    def ballast(self) -> Path:
        """The file that fills it."""
        return self.where / "ballast-of-the-fault"

    def fill(self) -> None:
        """Write until there is no space left."""
        with self.ballast.open("wb", buffering=0) as file:
            for step in (len(CHUNK), 512):
                try:
                    while file.write(CHUNK[:step]) == step:
                        pass
                except OSError as full:
                    if full.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        """Give the space back."""
        with contextlib.suppress(FileNotFoundError):
            self.ballast.unlink()

    def remove(self) -> None:
        """Unmount it; what it held is gone."""
        subprocess.run(["umount", "-l", str(self.where)], capture_output=True, check=False, timeout=10)
