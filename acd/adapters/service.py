"""What the operating system gives a service: one instance only, and a watchdog that turns a hang into a kill."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import platform
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class AlreadyRunningError(Exception):
    """Another daemon holds the lock file."""


class InstanceLock:
    """A lock file held as long as the process lives (failure mode 35: two daemons by mistake).

    The kernel frees it with the process, so a `kill -9` leaves nothing to clean up.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as busy:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise AlreadyRunningError(
                f"another daemon (process {holder or 'unknown'}) runs with {self._path}; "
                "stop it first, or give this one its own state directory"
            ) from busy
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def notify(state: str) -> None:
    """Tell systemd (sd_notify protocol); silent when nobody supervises us. Never waits: it is told from the loop."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
        link.settimeout(0)
        try:
            link.sendto(state.encode(), address)
        except OSError:
            return  # a supervisor that does not listen, or whose queue is full, is no reason to stop


_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""The number of the system call; the C library has no name for it."""
_SLICE_NS = 100_000
"""The shortest the kernel grants."""


class Promptness:
    """How soon the loop's thread runs once it is woken; callers wait for it, and others want the cores too.

    Without any right: short slices (Linux 6.12 and later). A busy machine else lets a running program finish its slice
    of 1 to 3 ms before one that was just woken; a thread with shorter slices comes earlier and gets no more in all.

    Asked for by name (ACD_LOOP_PRIORITY=N in the service's unit, with LimitRTPRIO=N): real-time priority for the loop.
    Asterisk as Debian's service runs it has real-time priority 10 (`asterisk -p`), so at N = 11 a decision of half a
    millisecond comes before the rest of what a hang-up makes Asterisk do. Threads get priority 1, behind Asterisk and
    before the rest, when they do short work every other moment and hold Python's lock meanwhile: those of the store
    that are there when the house is open, and those of `asyncio.to_thread` (`beside`). Who works long for no caller
    (acd/unhurried.py: a reload, strangers' mail, mail servers, retention) and the passwords' thread put it off first
    thing, whoever made them; threads and processes the loop starts later are reset by the kernel.
    """

    def __init__(self, wish: str) -> None:
        """Take the wish: a number, or empty for none. Raises ValueError for anything else."""
        self.priority = int(wish or 0)
        if not 0 <= self.priority <= os.sched_get_priority_max(os.SCHED_RR):
            raise ValueError(f"ACD_LOOP_PRIORITY={wish}: no real-time priority")

    def prepare(self) -> None:
        """Call in the loop's thread before the house is opened: threads made from now on inherit.

        Raises PermissionError when the priority asked for is not granted.
        """
        if self.priority:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(self.priority))  # refused now or never
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        else:
            ask_for_short_slices()

    def begin(self) -> None:
        """Call in the loop's thread once the house is open."""
        if self.priority:
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(self.priority))

    def beside(self) -> None:
        """Call first in a thread the loop waits for."""
        if self.priority:
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def ask_for_short_slices() -> bool:
    """Ask the kernel for the shortest slices for this thread; return whether it knows such a thing.

    sched(7), sched_setattr(2): `sched_runtime` of SCHED_OTHER. Threads made later inherit it.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    size, policy, flags, priority, deadline, period = 48, os.SCHED_OTHER, 0, 0, 0, 0
    attributes = struct.pack("=IIQiIQQQ", size, policy, flags, nice, priority, _SLICE_NS, deadline, period)
    return bool(ctypes.CDLL(None).syscall(number, 0, attributes, 0) == 0)


class LoopWatch:
    """Feels the event loop's pulse: the largest lag, the watchdog's keep-alive, and long sleeps.

    A loop that slept longer than `slept_s` (suspend, SIGSTOP, a blocking call) may hold stale beliefs;
    `on_slept` lets the daemon resync before it acts (call-control.md, restart and resync).
    """

    TICK_S = 0.25

    def __init__(self, on_slept: Callable[[], None] | None = None, slept_s: float = 2.0) -> None:
        self.max_lag_s = 0.0
        self.lag_s = 0.0
        self.slept = 0
        self._on_slept = on_slept
        self._slept_s = slept_s

    async def run(self) -> None:
        """Tick for ever."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(self.TICK_S)
            self.lag_s = max(0.0, loop.time() - before - self.TICK_S)
            self.max_lag_s = max(self.max_lag_s, self.lag_s)
            notify("WATCHDOG=1")
            if self.lag_s > self._slept_s:
                self.slept += 1
                if self._on_slept is not None:
                    self._on_slept()
