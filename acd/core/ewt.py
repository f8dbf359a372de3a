"""Rates and expected waits, named by method."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acd.core.instant import Duration, Instant

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


class WaitModel:
    """Expected wait of one queue by several methods; each learns from calls that were answered.

    `free_rate` is place / rate at which agents for this queue become free; `calibrated` corrects it by
    what such estimates turned out to be worth (other queues compete for the same agents); `last_wait`
    and `mean_wait` look at past callers only, as app_queue's hold time does.
    """

    __slots__ = ("_answered", "_said_s", "_waited_s", "last_s", "mean_s")

    def __init__(self) -> None:
        self.last_s = 0.0
        self.mean_s = 0.0
        self._answered = 0
        # Until callers say otherwise the free rate tells the truth, with the weight of ten callers.
        self._said_s = self._waited_s = 200.0

    @property
    def factor(self) -> float:
        """What `free_rate` has to be multiplied with."""
        return self._waited_s / self._said_s

    def answered(self, waited_ms: Duration, raw_s: float) -> None:
        """Learn from a call that had to wait and was answered; `raw_s` is what `free_rate` said at entry."""
        waited = waited_ms / 1000.0
        self.last_s = waited
        self._answered = min(self._answered + 1, _WINDOW)
        self.mean_s += (waited - self.mean_s) / self._answered
        keep = 1.0 - 1.0 / _WINDOW
        self._said_s = self._said_s * keep + raw_s
        self._waited_s = self._waited_s * keep + waited

    def estimate_s(self, place: int, free_per_s: float, method: str = "calibrated") -> float:
        """Return the expected wait in seconds of the caller at this place (1 is next).

        Raises KeyError for an unknown method.
        """
        raw = place / free_per_s
        return {
            "calibrated": raw * self.factor,
            "free_rate": raw,
            "last_wait": self.last_s,
            "mean_wait": self.mean_s,
        }[method]


METHODS = ("calibrated", "free_rate", "mean_wait", "last_wait")
"""Best first, by root mean square error on virtual days."""
_WINDOW = 400
