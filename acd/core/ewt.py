"""Rates and expected waits, named by method."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acd.core.instant import Instant

_MEMORY_S = 1800.0
_PRIOR_PER_S = 1 / 3600.0


class ArrivalRate:
    """Calls per second of one queue, forgetting exponentially over half an hour.

    Starts from one call an hour, so that a silent queue still has a claim.
    """

    __slots__ = ("_last", "_order", "per_s")

    def __init__(self) -> None:
        self.per_s = _PRIOR_PER_S
        self._last: Instant | None = None
        self._order: int | None = None

    def add(self, at: Instant, order: int) -> bool:
        """Count a call that came at `at`; False when it is a call that returns to its place."""
        if self._order is not None and order <= self._order:
            return False
        self._order = order
        last = self._last
        if last is not None and at > last:
            self.per_s *= exp((last - at) / 1000.0 / _MEMORY_S)
        self._last = at if last is None else max(last, at)
        self.per_s = max(self.per_s + 1.0 / _MEMORY_S, _PRIOR_PER_S)
        return True
