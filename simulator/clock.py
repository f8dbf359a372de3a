"""The virtual clock: the port `acd.ports.Clock` for a world in which nobody waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acd.core.instant import Instant


class VirtualClock:
    """Time that jumps to the next due item. It never steps back."""

    __slots__ = ("_now",)

    def __init__(self, start: Instant = 0) -> None:
        self._now = start

    def now(self) -> Instant:
        """Return the current virtual instant in milliseconds."""
        return self._now

    def jump(self, instant: Instant) -> None:
        """Go to `instant`.

        Raises:
            ValueError: if it lies in the past: an item was scheduled wrongly.
        """
        if instant < self._now:
            raise ValueError(f"virtual time cannot step back from {self._now} to {instant}")
        self._now = instant
