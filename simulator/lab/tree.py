"""Where Asterisk itself comes from: an installed one of the right version, else Debian unstable in a folder.

Debian 12 and 13 have no asterisk package; unstable has. The tree is made once (about a minute, 600 MB) in
a cache folder outside the repository and shared by all labs of this machine.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOOR = (22, 10, 1)
"""Oldest Asterisk we work with: it has the Redirect fixes and the June 2026 security release."""

PACKAGES = ("asterisk", "asterisk-core-sounds-en-gsm", "asterisk-core-sounds-ru-gsm")
_READY = "acd-lab-ready"
_VERSION = re.compile(r"Asterisk (?:certified/)?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Tree:
    """An Asterisk to run. `root` is None for the installed one, else the folder to chroot into."""

    root: Path | None
    version: tuple[int, ...]
    modules: str
    data: str = "/usr/share/asterisk"

    def path(self, absolute: str) -> Path:
        """Where a path inside the tree is found from outside."""
        return Path(absolute) if self.root is None else self.root / absolute.lstrip("/")


def lab_folder() -> Path:
    """The cache folder: ACD_LAB_DIR, else ~/.cache/acd-lab."""
    return Path(os.environ.get("ACD_LAB_DIR") or Path.home() / ".cache" / "acd-lab").resolve()


def parse_version(text: str) -> tuple[int, ...]:
    """`asterisk -V` output to numbers; empty when it is not understood."""
    found = _VERSION.search(text)
    return tuple(int(part) for part in found.groups()) if found else ()


@contextmanager
def locked(folder: Path, name: str = "lock") -> Iterator[None]:
    """Hold the machine-wide lock of the cache folder: two concurrent `up` calls take turns."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def find_tree(folder: Path) -> Tree:
    """Return an Asterisk to run, making it if needed. Raises LabError with what is missing."""
    installed = _installed()
    if installed:
        return installed
    root = folder / "tree"
    if not (root / _READY).exists():
        _need_root_and_debian()
        with locked(folder, "build.lock"):
            if not (root / _READY).exists():  # another call may have built it while we waited
                _build(folder, root)
    else:
        _need_root_and_debian()
    _name_service(root)
    version = parse_version((root / _READY).read_text(encoding="utf-8"))
    if version < FLOOR:
        raise LabError(
            f"{root} holds Asterisk {version}, older than {FLOOR}: remove the folder and run again"
        )
    return Tree(root, version, _modules(root))


def _installed() -> Tree | None:
    binary = shutil.which("asterisk")
    if not binary:
        return None
    text = subprocess.run([binary, "-V"], capture_output=True, text=True, check=False, timeout=10).stdout
    version = parse_version(text)
    if version < FLOOR or version[0] != FLOOR[0]:
        return None
    return Tree(None, version, _modules(Path("/")))


def _modules(root: Path) -> str:
    for pattern in ("usr/lib/*/asterisk/modules", "usr/lib/asterisk/modules", "usr/lib64/asterisk/modules"):
        for folder in sorted(root.glob(pattern)):
            if (folder / "app_dial.so").exists():
                return "/" + str(folder.relative_to(root))
    raise LabError(f"no Asterisk modules below {root}: install the package asterisk-modules")


def _need_root_and_debian() -> None:
    missing = []
    if os.geteuid() != 0:
        missing.append("root rights (chroot and mount need them): run it with sudo")
    if not Path("/usr/bin/apt-get").exists():
        missing.append("a Debian or Ubuntu machine (apt-get)")
    if not shutil.which("unshare"):
        missing.append("the program unshare (package util-linux)")
    if missing:
        floor = ".".join(map(str, FLOOR))
        raise LabError(
            f"No installed Asterisk {floor} or later of the 22 series was found, and it cannot be set up here. "
            f"Missing: {'; '.join(missing)}. Or install Asterisk {floor} yourself and run again."
        )


def _build(folder: Path, root: Path) -> None:
    work = folder / "tree.building"
    if work.exists():
        shutil.rmtree(work)
    if not shutil.which("debootstrap"):
        _say("installing debootstrap")
        _run(["apt-get", "update", "-q"], folder)
        _run(["apt-get", "install", "-y", "-q", "--no-install-recommends", "debootstrap"], folder)
    _say("1/3 Debian unstable, minimal (about 30 s)")
    _run(["debootstrap", "--variant=minbase", "sid", str(work)], folder)
    _say("2/3 package lists")
    # the machine's own way to the archive (proxy, clock tolerance) holds inside too
    settings = subprocess.run(
        ["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    (work / "etc/apt/apt.conf.d/90-from-the-machine").write_text(settings, encoding="utf-8")
    refuse = work / "usr/sbin/policy-rc.d"  # the package must not start its own Asterisk
    refuse.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    refuse.chmod(0o755)
    if Path("/etc/resolv.conf").exists():
        shutil.copyfile("/etc/resolv.conf", work / "etc/resolv.conf")
    _run(["chroot", str(work), "apt-get", "update", "-q"], folder)
    _say("3/3 Asterisk and the English and Russian prompts (about 15 s)")
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    _run(["chroot", str(work), *install], folder)
    _run(["chroot", str(work), "apt-get", "clean"], folder)
    version = subprocess.run(
        ["chroot", str(work), "asterisk", "-V"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    (work / _READY).write_text(version, encoding="utf-8")
    work.rename(root)
    _say(version.strip())


def _name_service(root: Path) -> None:
    """Without these two files every INVITE waits seconds for a name server."""
    hosts = f"127.0.0.1 localhost {socket.gethostname()} A.ROOT-SERVERS.NET\n"
    for path, text in ((root / "etc/hosts", hosts), (root / "etc/nsswitch.conf", "hosts: files\n")):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _run(command: list[str], folder: Path) -> None:
    """Run one step of the build; its output goes to build.log, whose end is shown on failure."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    log = folder / "build.log"
    with log.open("ab") as out:
        try:
            code = subprocess.run(
                command,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                check=False,
                timeout=900,
                env=environment,
            ).returncode
        except subprocess.TimeoutExpired:
            raise LabError(f"{command[0]} took more than 15 minutes; see {log}") from None
    if code:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        raise LabError(f"{' '.join(command[:4])} failed ({code}); {log} ends:\n" + "\n".join(tail))


def _say(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr, flush=True)
