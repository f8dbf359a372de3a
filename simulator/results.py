"""What one run leaves behind: counts by queue and period, times by group, and the single calls if wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acd.core.instant import Instant

COUNTS = (
    "arrivals",
    "first_calls",
    "retries",
    "transferred_in",
    "served",
    "abandoned",
    "abandoned_short",
    "abandoned_late",
    "blocked",
    "cleared",
    "overflowed",
    "callbacks",
    "called_back",
    "waited",
    "in_target",
    "within_target",
    "wait_served_ms",
    "wait_all_ms",
    "talk_ms",
    "wrap_ms",
)
"""`in_target`: served within the threshold. `within_target`: served or given up within it."""


@dataclass(slots=True)
class Tally:
    """Counters of one queue in one period. Every stay in the queue adds to `arrivals` once."""

    arrivals: int = 0
    first_calls: int = 0
    retries: int = 0
    transferred_in: int = 0
    served: int = 0
    abandoned: int = 0
    abandoned_short: int = 0
    abandoned_late: int = 0
    blocked: int = 0
    cleared: int = 0
    overflowed: int = 0
    callbacks: int = 0
    called_back: int = 0
    waited: int = 0
    in_target: int = 0
    within_target: int = 0
    wait_served_ms: int = 0
    wait_all_ms: int = 0
    talk_ms: int = 0
    wrap_ms: int = 0

    def add(self, other: Tally) -> None:
        """Add another queue's or period's counts."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def offered(self) -> int:
        """Calls that entered the queue: all but those the lines could not carry."""
        return self.arrivals - self.blocked

    @property
    def accounted(self) -> int:
        """Sum over all ways out; equals `arrivals` once the run is over."""
        return self.served + self.abandoned + self.blocked + self.cleared + self.overflowed + self.callbacks


@dataclass(slots=True)
class GroupTimes:
    """Agent time of one group, in milliseconds."""

    busy_ms: int = 0
    """Ringing, talking and wrapping up."""
    staffed_ms: int = 0
    """Logged in and not on a break, and finishing the last call after that."""
    planned_ms: int = 0
    offers: int = 0
    unanswered: int = 0
    handled: dict[int, int] = field(default_factory=dict)
    """Calls served by queue number."""
    wait_ms: dict[int, int] = field(default_factory=dict)
    """Sum of their waits by queue number."""

    def minus(self, earlier: GroupTimes) -> GroupTimes:
        """Return what came after an earlier state of these times; the plan stays."""
        return GroupTimes(
            self.busy_ms - earlier.busy_ms,
            self.staffed_ms - earlier.staffed_ms,
            self.planned_ms,
            self.offers - earlier.offers,
            self.unanswered - earlier.unanswered,
            self.handled,
            self.wait_ms,
        )


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One stay in one queue, for plots and for learning; house word: one visit, one record."""

    call: str
    queue: int
    period: int
    entered_at: Instant
    wait_ms: int
    outcome: str
    """served, abandoned, blocked, cleared, overflowed or callbacks."""
    agent: str
    talk_ms: int
    wrap_ms: int
    in_target: bool
    left_at: Instant
    """When the stay ended: the caller gone, or the talk over."""


@dataclass(slots=True)
class RunResult:
    """One run of one scenario with one seed."""

    seed: int
    policy: str
    tallies: list[list[Tally]]
    """By queue, then period."""
    groups: list[GroupTimes]
    waits: list[list[int]]
    """Waits of served calls by queue, milliseconds."""
    day_factors: list[float]
    horizon_ms: int
    """Counted time: from the end of the warm-up to the last caller's end."""
    counters: dict[str, int]
    """The engine's anomalies by name; empty in a sound run."""
    steps: int
    digest: str = ""
    """Of all wishes, if asked for: two runs are the same, byte for byte, when these are equal."""
    calls: list[CallRecord] = field(default_factory=list)

    def tally(self, queue: int | None = None, period: int | None = None) -> Tally:
        """Return the counts of a queue and a period, or of all."""
        total = Tally()
        for number, row in enumerate(self.tallies):
            if queue is None or number == queue:
                for index, part in enumerate(row):
                    if period is None or index == period:
                        total.add(part)
        return total
