"""How long files are kept: rotated fact logs and recordings, which hold callers' numbers and voices.

Only plain files with our own names, directly inside the configured folders, are ever removed: no link is
followed, no other folder entered. The age of a file is the time since it was last written.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd import unhurried
from acd.core.instant import HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from acd.core.instant import Instant
    from acd.ports import Clock

FACT_LOGS = re.compile(r"facts\.jsonl\.[0-9]{1,4}")
"""Rotated fact logs. The one being written is not among them: it is rotated by age (`FactLog`)."""
RECORDINGS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.wav")
"""Named by the call's id alone, as the dialplan names them."""
_DAY_MS = 24 * HOUR_MS
_MS_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """Files of one kind: where they are, their names, and for how many days they are kept."""

    folder: Path
    names: re.Pattern[str]
    days: int


@dataclass(slots=True)
class FileCounters:
    """What happened since start."""

    removed: int = 0
    trouble: str = ""
    """What could not be removed at the last look, in plain words; empty when all is well."""


def overdue(kept: KeptFiles, folder: int, now: Instant) -> list[str]:
    """Return the names of files to be removed from an opened folder. Raises OSError."""
    before_ns = (now - kept.days * _DAY_MS) * _MS_NS
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not kept.names.fullmatch(entry.name):
                continue
            about = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(about.st_mode) and about.st_mtime_ns < before_ns:
                found.append(entry.name)
    return found


def expire(kept: KeptFiles, now: Instant) -> tuple[int, str]:
    """Remove what is overdue; return how many files and what went wrong, empty when nothing did.

    A folder that does not exist has nothing to remove.
    """
    try:
        folder = os.open(kept.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0, ""
    except OSError as error:
        return 0, f"{kept.folder} cannot be looked into: {error.strerror}"
    removed, trouble = 0, ""
    try:
        for name in overdue(kept, folder, now):
            try:
                os.unlink(name, dir_fd=folder)
                removed += 1
            except FileNotFoundError:
                continue
            except OSError as error:
                trouble = f"overdue files in {kept.folder} cannot be removed: {error.strerror}"
    except OSError as error:
        trouble = f"{kept.folder} cannot be looked into: {error.strerror}"
    finally:
        os.close(folder)
    return removed, trouble


async def run_daily(
    kept: Callable[[], Sequence[KeptFiles]],
    clock: Clock,
    counters: FileCounters,
    every_s: float = _DAY_MS / 1000,
) -> None:
    """Remove what is overdue, now and then every day, until cancelled. `kept` is asked anew each time."""
    while True:
        troubles = []
        for one in kept():
            removed, trouble = await unhurried.in_thread(expire, one, clock.now())
            counters.removed += removed
            if trouble:
                troubles.append(trouble)
        counters.trouble = "; ".join(troubles)
        await asyncio.sleep(every_s)
