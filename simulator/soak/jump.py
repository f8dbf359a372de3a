"""The clock that jumps: installed over `time` before anything else is imported, moved by the event loop."""

from __future__ import annotations

import asyncio
import select
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

GRACE_S = 0.0004
"""Real seconds in which bytes that were sent arrive over the loopback, the kernel being busy."""
THREAD_S = 0.02
"""Real seconds between two looks while a thread works for us."""


class JumpClock:
    """Seconds since the Unix epoch and since an arbitrary start, both moved only by `jump`."""

    def __init__(self) -> None:
        self.start_ns = time.time_ns()
        self.passed_ns = 0

    def jump(self, seconds: float) -> None:
        """Let this much time pass at once."""
        self.passed_ns += round(seconds * 1e9)

    def install(self) -> None:
        """Replace the wall clock and the monotonic clock of this process."""
        time.time = lambda: (self.start_ns + self.passed_ns) / 1e9
        time.time_ns = lambda: self.start_ns + self.passed_ns
        time.monotonic = lambda: self.passed_ns / 1e9
        time.monotonic_ns = lambda: self.passed_ns


class Busy:
    """How many pieces of work other threads have taken from the loop and not given back."""

    def __init__(self) -> None:
        self.count = 0

    def watch_threads(self) -> None:
        """Count what aiosqlite's thread, the web framework's and our own threads of long work do."""
        import anyio.to_thread
        from aiosqlite.core import Connection

        from acd import unhurried

        self._watch_one(Connection, "_execute")  # the one door to its thread
        self._watch_one(anyio.to_thread, "run_sync")
        self._watch_one(unhurried, "in_thread")

    def _watch_one(self, owner: Any, name: str) -> None:
        plain = getattr(owner, name)

        async def counted(*args: Any, **options: Any) -> Any:
            self.count += 1
            try:
                return await plain(*args, **options)
            finally:
                self.count -= 1

        setattr(owner, name, counted)

    def add(self, future: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """Count one piece of work until it is done."""
        self.count += 1
        future.add_done_callback(lambda _done: self._less())
        return future

    def _less(self) -> None:
        self.count -= 1


class SentBytes:
    """Whether anything was sent since the last quiet moment: only then may something be under way."""

    def __init__(self) -> None:
        self.some = False

    def watch(self) -> None:
        """Notice every send and every connection made."""
        for name in ("send", "sendmsg", "connect"):
            self._watch_one(name, getattr(socket.socket, name))

    def _watch_one(self, name: str, plain: Callable[..., Any]) -> None:
        def watched(*args: Any) -> Any:
            self.some = True
            return plain(*args)

        setattr(socket.socket, name, watched)


class JumpSelector(selectors.EpollSelector):
    """Waits for bytes only while somebody may send some; else lets time jump."""

    def __init__(self, clock: JumpClock, busy: Busy, sent: SentBytes) -> None:
        super().__init__()
        self._clock, self._busy, self._sent = clock, busy, sent

    def select(self, timeout: float | None = None) -> Any:
        """Return ready files, or nothing when `timeout` virtual seconds have passed."""
        found = super().select(0)
        if found or timeout == 0:
            return found
        while self._busy.count and not found:
            found = super().select(THREAD_S)
        if not found and self._sent.some:
            self._sent.some = False
            select.select((self.fileno(),), (), (), GRACE_S)
            found = super().select(0)
        if not found and timeout is None:
            found = super().select(None)
        elif not found and timeout is not None:
            self._clock.jump(timeout)
        return found


class JumpLoop(asyncio.SelectorEventLoop):
    """An ordinary event loop on that selector."""

    def __init__(self, clock: JumpClock, busy: Busy) -> None:
        self._jump_clock, self._busy = clock, busy
        sent = SentBytes()
        sent.watch()
        super().__init__(JumpSelector(clock, busy, sent))

    def time(self) -> float:
        """Return the jumping monotonic clock."""
        return self._jump_clock.passed_ns / 1e9

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """Run in a thread, and let no time pass meanwhile."""
        return self._busy.add(super().run_in_executor(executor, func, *args))
