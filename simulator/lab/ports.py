"""Ports of the loopback that nobody takes between choosing and using them.

Asking the kernel for any free port and letting it go again is a race: another laboratory, or an outgoing
connection, may be given the same one. These ports lie below the range the kernel gives to connections
(32768 and up on Linux by default), and every process that chooses among them holds a record lock per port in one file: the
locks end with the process, whatever ends it. See fcntl(2), "Advisory record locking".
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

FIRST, LAST = 10_000, 19_999
RTP_FIRST, RTP_LAST = 20_000, 31_999
MORE_RTP_FIRST, MORE_RTP_LAST = 36_000, 59_999
"""When the first range is full: connections may have some of these, and Asterisk passes over a media port that is taken."""
_HOST = "127.0.0.1"


class PortsError(RuntimeError):
    """Every port is taken; the message says of which range."""


class Lease:
    """One range of ports, gone through in a circle from a random start."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self._next = random.SystemRandom().randrange(first, last + 1)

    def take(self, count: int) -> int:
        """Lease so many neighbours and return the first of them. Raises PortsError."""
        tried = 0
        step = max(1, count // 16)  # small beside a wide range: others' short leases lie scattered
        while tried <= self.last - self.first:
            start = self._next
            if start + count - 1 > self.last:
                tried += self.last - start + 1
                self._next = self.first
                continue
            free = _mine().isdisjoint(range(start, start + count)) and _locked(start, count)
            if free and all(_bindable(port) for port in range(start, start + min(count, 2))):
                self._next = start + count
                _mine().update(range(start, start + count))
                return start
            self._next, tried = start + step, tried + step
        raise PortsError(f"no {count} free ports between {self.first} and {self.last} of {_HOST}")


_SINGLE = Lease(FIRST, LAST)
_RTP = Lease(RTP_FIRST, RTP_LAST)
_MORE_RTP = Lease(MORE_RTP_FIRST, MORE_RTP_LAST)
_files: dict[int, int] = {}
"""Process id -> descriptor of the lock file: a fork has its own, for it does not inherit the locks."""


_leased: dict[int, set[int]] = {}
"""Process id -> its ports: its own locks do not stop it when the circle comes round to them again."""


def _mine() -> set[int]:
    return _leased.setdefault(os.getpid(), set())


def free_port() -> int:
    """Return a port of 127.0.0.1, for TCP or UDP, that is this process's until it ends. Raises PortsError."""
    return _SINGLE.take(1)


def free_ports(count: int) -> int:
    """Return the first of a few neighbours, leased like `free_port`. Raises PortsError."""
    return _SINGLE.take(count)


def free_rtp_ports(count: int) -> int:
    """Return the first of `count` neighbours for media, leased like `free_port`. Raises PortsError."""
    try:
        return _RTP.take(count)
    except PortsError:
        return _MORE_RTP.take(count)


def give_back(first: int, count: int) -> None:
    """Let go of ports before this process ends: a process that starts many laboratories would lease them all."""
    if os.getpid() in _files:
        fcntl.lockf(_files[os.getpid()], fcntl.LOCK_UN, count, first)
        _mine().difference_update(range(first, first + count))


def _locked(first: int, count: int) -> bool:
    pid = os.getpid()
    if pid not in _files:
        path = Path(tempfile.gettempdir()) / f"acd-ports-{os.getuid()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        _files[pid] = os.open(path, flags, 0o600)
    try:
        fcntl.lockf(_files[pid], fcntl.LOCK_EX | fcntl.LOCK_NB, count, first)
    except OSError:
        return False
    return True


def _bindable(port: int) -> bool:
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind((_HOST, port))
    except OSError:
        return False
    return True
