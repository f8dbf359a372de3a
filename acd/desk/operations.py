"""Service levels for every operation, not only answering (000-07, 003-20, 003-23).

A clock starts with an operation, runs in calendar or in working time, warns before its target and is met
or broken. The share met is by subscriber and operation, of everything that is met or past its target.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from acd.core.instant import HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from acd.desk.hours import Hours


class Operation(Enum):
    """What is promised a time for."""

    ANSWER = "answer"
    CARD_FILLED = "card_filled"
    MESSAGE_DELIVERED = "message_delivered"
    MESSAGE_ACKNOWLEDGED = "message_acknowledged"
    FIRST_REPLY = "first_reply"
    CALLBACK_MADE = "callback_made"
    TICKET_RESOLVED = "ticket_resolved"


@dataclass(frozen=True, slots=True)
class Target:
    """Within which time, and in which kind of time."""

    within_ms: Duration
    working_time: bool = False
    share: float = 0.95


DEFAULT_TARGETS: Final[dict[Operation, Target]] = {
    Operation.ANSWER: Target(20 * SECOND_MS, share=0.80),
    Operation.CARD_FILLED: Target(2 * MINUTE_MS),
    Operation.MESSAGE_DELIVERED: Target(5 * MINUTE_MS),
    Operation.MESSAGE_ACKNOWLEDGED: Target(15 * MINUTE_MS),
    Operation.FIRST_REPLY: Target(2 * HOUR_MS, working_time=True),
    Operation.CALLBACK_MADE: Target(HOUR_MS, working_time=True),
    Operation.TICKET_RESOLVED: Target(24 * HOUR_MS, working_time=True),
}
WARN_SHARE: Final = 0.8
"""The warning comes when this share of the time is used up."""


@dataclass(frozen=True, slots=True)
class Clock:
    """One running or stopped clock about one thing (a call, a message, a case)."""

    project: str
    operation: Operation
    object: str
    started_at: Instant
    due_at: Instant
    warn_at: Instant
    stopped_at: Instant | None = None

    def met(self, now: Instant) -> bool | None:
        """Return whether the target was met; None while the clock runs and the target is ahead."""
        if self.stopped_at is not None:
            return self.stopped_at <= self.due_at
        return False if now > self.due_at else None

    def warns(self, now: Instant) -> bool:
        """Tell whether it runs and is about to break."""
        return self.stopped_at is None and self.warn_at <= now <= self.due_at


def start(
    project: str, operation: Operation, thing: str, at: Instant, target: Target, hours: Hours | None = None
) -> Clock:
    """Start a clock. In working time it stands still while the subscriber is closed."""

    def after(share: float) -> Instant:
        length = round(target.within_ms * share)
        if target.working_time and hours is not None:
            due = hours.add_working(at, length)
            if due is not None:
                return due
        return at + length

    return Clock(project, operation, thing, at, after(1.0), after(WARN_SHARE))


@dataclass(frozen=True, slots=True)
class Level:
    """How one operation stands for one subscriber. `share` = met / (met + broken); None before the first."""

    project: str
    operation: Operation
    met: int
    broken: int
    running: int
    warnings: int
    target: Target

    @property
    def share(self) -> float | None:
        """Return the share met."""
        return self.met / (self.met + self.broken) if self.met + self.broken else None

    @property
    def kept(self) -> bool | None:
        """Tell whether the promise is kept so far."""
        return None if self.share is None else self.share >= self.target.share


def levels(
    clocks: Iterable[Clock], now: Instant, targets: dict[str, dict[Operation, Target]]
) -> tuple[Level, ...]:
    """Return one level per subscriber and operation that has a clock, in a fixed order."""
    groups: dict[tuple[str, Operation], list[Clock]] = {}
    for clock in clocks:
        groups.setdefault((clock.project, clock.operation), []).append(clock)
    order = list(Operation)
    found = []
    for project, operation in sorted(groups, key=lambda key: (key[0], order.index(key[1]))):
        held = groups[project, operation]
        results = [clock.met(now) for clock in held]
        found.append(
            Level(
                project,
                operation,
                results.count(True),
                results.count(False),
                results.count(None),
                sum(clock.warns(now) for clock in held),
                targets.get(project, {}).get(operation, DEFAULT_TARGETS[operation]),
            )
        )
    return tuple(found)
