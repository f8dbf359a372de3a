"""Interval counters of one queue: offered, answered, abandoned, service level, sums for ASA and AHT.

At every instant: offered = the sum of all ways to leave + calls still in the line (or in fallback, until
they end there). An interval that starts with calls in the line starts with them as offered, so the
equation holds from its first moment. Times come from the switch's `at`: a slow daemon must not improve
its own answer times.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dataclasses import dataclass

    from acd.core.instant import Duration
    from acd.core.policy import QueuePolicy
else:
    from acd.core.record import dataclass


class Way(Enum):
    """How a stay in a queue ended."""

    __hash__ = object.__hash__  # by identity: the tables are looked up thousands of times a second

    ANSWERED = "answered"
    ABANDONED = "abandoned"
    FALLBACK = "fallback"
    OVERFLOWED = "overflowed"
    CALLBACK = "callback"
    REFUSED = "refused"
    PBX_FAILED = "pbx_failed"


_ANSWERED: Final = Way.ANSWERED
_ABANDONED: Final = Way.ABANDONED
"""By name: to read an Enum's attribute costs 100 ns and more in Python 3.11 (decision 0150)."""


@dataclass(frozen=True, slots=True)
class Left:
    """One counted leaving, kept so that late news from the journal can take it back."""

    way: Way
    wait_ms: Duration
    in_target: bool
    short: bool
    interval: int


class QueueTally:
    """Counters of one queue in the present interval."""

    __slots__ = (
        "answered_in_target",
        "handled",
        "interval",
        "offered",
        "short",
        "sum_acw_ms",
        "sum_hold_ms",
        "sum_talk_ms",
        "sum_wait_answered_ms",
        "ways",
    )

    def __init__(self) -> None:
        self.interval = 0
        self._zero(0)

    def _zero(self, in_line: int) -> None:
        self.offered = in_line
        self.ways: dict[Way, int] = dict.fromkeys(Way, 0)
        self.answered_in_target = 0
        self.short = 0
        self.handled = 0
        self.sum_wait_answered_ms: Duration = 0
        self.sum_talk_ms: Duration = 0
        self.sum_hold_ms: Duration = 0
        self.sum_acw_ms: Duration = 0

    def start_interval(self, in_line: int) -> None:
        """Begin again from zero with `in_line` calls still in the line."""
        self.interval += 1
        self._zero(in_line)

    def leave(self, way: Way, wait_ms: Duration, policy: QueuePolicy) -> Left:
        """Count one call leaving the line after `wait_ms`."""
        in_target = way is _ANSWERED and wait_ms <= policy.promise.threshold_ms
        short = way is _ABANDONED and wait_ms <= policy.short_abandon_ms
        left = Left(way, wait_ms, in_target, short, self.interval)
        self._add(left, 1)
        return left

    def take_back(self, left: Left) -> bool:
        """Undo one leaving; False if its interval is over and the figures are out."""
        if left.interval != self.interval:
            return False
        self._add(left, -1)
        return True

    def _add(self, left: Left, sign: int) -> None:
        self.ways[left.way] += sign
        self.answered_in_target += sign * left.in_target
        self.short += sign * left.short
        if left.way is _ANSWERED:
            self.sum_wait_answered_ms += sign * left.wait_ms

    def finish(self, talk_ms: Duration, hold_ms: Duration, acw_ms: Duration) -> None:
        """Count one handled talk with its wrap-up."""
        self.handled += 1
        self.sum_talk_ms += talk_ms
        self.sum_hold_ms += hold_ms
        self.sum_acw_ms += acw_ms
