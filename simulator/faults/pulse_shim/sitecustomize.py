"""Put on a daemon's path by the live fuzzer: it writes down every long turn of the event loop.

A turn is the time between two waits of the loop: nothing else is served meanwhile. Each turn of 50 ms or more
becomes one line in the file ACD_PULSE: `monotonic_s wall_ms waited_ms`, where `waited_ms` is how long the kernel
let the thread wait for a processor in that turn (other work on the machine; not the daemon's doing).
"""

from __future__ import annotations

import os
import selectors
import time
from typing import Any

LONG_NS = 50_000_000
_path = os.environ.get("ACD_PULSE", "")


class PulseSelector(selectors.EpollSelector):
    """The loop's selector with a stopwatch."""

    def __init__(self) -> None:
        super().__init__()
        self._schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        self._file = os.open(_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._woke_ns = time.monotonic_ns()
        self._waited_ns = self._waited()

    def _waited(self) -> int:
        return int(os.pread(self._schedstat, 64, 0).split()[1])

    def select(self, timeout: float | None = None) -> Any:
        """Wait for events; what lies between two calls is one turn."""
        wall_ns = time.monotonic_ns() - self._woke_ns
        if wall_ns >= LONG_NS:
            waited_ms = (self._waited() - self._waited_ns) / 1e6
            line = f"{time.monotonic():.3f} {wall_ns / 1e6:.1f} {waited_ms:.1f}\n"
            os.write(self._file, line.encode("ascii"))
        found = super().select(timeout)
        self._woke_ns, self._waited_ns = time.monotonic_ns(), self._waited()
        return found


if _path:
    selectors.DefaultSelector = PulseSelector  # type: ignore[misc,assignment]  # the very purpose
