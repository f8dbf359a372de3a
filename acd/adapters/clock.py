"""The one timeline of the process: a wall-clock anchor plus the monotonic clock."""

from __future__ import annotations

import time

from acd.core.instant import Instant


class SystemClock:
    """Milliseconds since the Unix epoch as anchored at construction.

    The wall clock is read once; afterwards only the monotonic clock counts, so a step of the wall
    clock (DST by hand, NTP, an operator) moves no timer (failure mode 33).
    """

    def __init__(self) -> None:
        self._anchor_ms = time.time_ns() // 1_000_000 - time.monotonic_ns() // 1_000_000

    def now(self) -> Instant:
        """Return the present instant; never steps back."""
        return self._anchor_ms + time.monotonic_ns() // 1_000_000

    def wall_drift_ms(self) -> int:
        """Return how far the wall clock has moved from our timeline; large after a clock jump."""
        return time.time_ns() // 1_000_000 - self.now()
