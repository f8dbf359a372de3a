"""A scenario: who calls, who answers, by which rules, and what is counted. Plain data, frozen.

Durations are milliseconds, times of day are milliseconds since midnight, rates are calls per hour.
`simulator.scenario_file` reads these from YAML; tests may build them by hand.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from acd.core.instant import HOUR_MS, MINUTE_MS, SECOND_MS
from acd.core.rules import Rule
from simulator.distributions import Distribution, Exponential, Fixed, Never

DAY_MS = 24 * HOUR_MS
EVERY_DAY = (1.0,) * 7
EVERY_MONTH = (1.0,) * 12


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Piecewise constant rates over the day, times the factors of weekday and month."""

    start_ms: int = 0
    step_ms: int = HOUR_MS
    per_hour: tuple[float, ...] = ()
    weekday: tuple[float, ...] = EVERY_DAY
    """Monday first."""
    season: tuple[float, ...] = EVERY_MONTH
    """January first."""

    def factor(self, day: dt.date) -> float:
        """Return weekday factor times month factor."""
        return self.weekday[day.weekday()] * self.season[day.month - 1]

    def expected(self, day: dt.date) -> float:
        """Return the expected number of first calls of that day."""
        return sum(self.per_hour) * self.step_ms / HOUR_MS * self.factor(day)

    def rate_at(self, ms_of_day: int) -> float:
        """Return calls per hour at a time of day, before the factors."""
        step = (ms_of_day - self.start_ms) // self.step_ms
        return self.per_hour[step] if 0 <= step < len(self.per_hour) else 0.0


@dataclass(frozen=True, slots=True)
class Retry:
    """What a caller does who gave up."""

    probability: float
    after: Distribution
    same_patience: bool = True
    same_talk: bool = True
    add_waits: bool = False
    """Count the waits of all attempts together against the promise."""
    most: int = 50


@dataclass(frozen=True, slots=True)
class Callback:
    """A place kept in line instead of waiting on the phone."""

    after_ms: int
    accept: float
    dial: Distribution
    """From the agent's answer to the caller's, when called back."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A share of answered calls that goes on to another queue."""

    to: str
    probability: float


@dataclass(frozen=True, slots=True)
class Queue:
    """One waiting line of one subscriber, and its callers."""

    name: str
    subscriber: str
    arrivals: Arrivals
    talk: Distribution
    patience: Distribution = field(default_factory=Never)
    wrap_up: Distribution = field(default_factory=lambda: Fixed(0.0))
    share: float = 0.80
    threshold_ms: int = 20 * SECOND_MS
    priority: float = 1.0
    needs: tuple[tuple[str, int], ...] = ()
    served_by: tuple[str, ...] = ()
    """Groups in the order in which a new call asks them; empty: whoever has the skills."""
    talk_by_period: tuple[Distribution, ...] = ()
    patience_by_period: tuple[Distribution, ...] = ()
    talk_by_group: tuple[tuple[str, Distribution], ...] = ()
    retry: Retry | None = None
    callback: Callback | None = None
    transfers: tuple[Transfer, ...] = ()
    ring_timeout_ms: int = 12 * SECOND_MS
    wrap_up_limit_ms: int = 2 * MINUTE_MS
    max_wait_ms: int = 10 * MINUTE_MS
    max_waiting: int = 200
    short_abandon_ms: int = 5 * SECOND_MS
    rules: tuple[Rule, ...] = ()
    """What happens to waiting callers by rule."""

    @property
    def work_ms(self) -> float:
        """Mean talk and wrap-up of one call: what it costs an agent."""
        return self.talk.mean_ms + self.wrap_up.mean_ms


@dataclass(frozen=True, slots=True)
class Shift:
    """At work from, to (may lie beyond midnight), on these weekdays."""

    start_ms: int
    end_ms: int
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True)
class Break:
    """Away from the phone; begins after the call in hand. Each next agent begins `stagger_ms` later."""

    start_ms: int
    length_ms: int
    stagger_ms: int = 0


@dataclass(frozen=True, slots=True)
class Staff:
    """A head count by step, as planners write it: those above the plan leave when their call ends.

    `stays`: the last count holds after the last step until the last caller is served.
    """

    start_ms: int
    step_ms: int
    counts: tuple[int, ...]
    stays: bool = True
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)


OFFICE, HOME, PSTN = "office", "home", "pstn"
"""An agent's line: a phone in the office, one at home, an outside number where 1 must be pressed."""


@dataclass(frozen=True, slots=True)
class Group:
    """Agents alike in skills and habits."""

    name: str
    count: int
    skills: tuple[tuple[str, int], ...] = ()
    shifts: tuple[Shift, ...] = ()
    breaks: tuple[Break, ...] = ()
    staff: Staff | None = None
    ring: Distribution = field(default_factory=lambda: Fixed(0.0))
    """From the first ring until joined with the caller, or refused."""
    no_answer: float = 0.0
    refuse: float = 0.0
    back_after_ms: int = 5 * MINUTE_MS
    """After the system paused the agent for not answering: back after this."""
    rna_limit: int = 1
    talk_factor: float = 1.0
    reserve: int = 0
    line: str = OFFICE
    """What real phones make of it: `simulator/load/lines.py`."""
    press_ms: int = 0
    """Of a pstn line: listened to the prompt so long before 1 is pressed. `ring` has it in it."""
    prefers: tuple[tuple[str, float], ...] = ()
    """Priority of queues for a freed agent (policy `groups`); the longest wait decides among equals."""

    @property
    def answers_at_once(self) -> bool:
        """Whether the phone is always picked up after the same time: nothing to draw."""
        return isinstance(self.ring, Fixed) and not self.no_answer and not self.refuse

    def planned_ms(self, day: dt.date) -> int:
        """Return agent time planned on duty for the shifts that begin that day, breaks taken off."""
        weekday = day.weekday()
        if self.staff is not None:
            return sum(self.staff.counts) * self.staff.step_ms if weekday in self.staff.days else 0
        worked = sum(s.end_ms - s.start_ms for s in self.shifts if weekday in s.days)
        away = sum(b.length_ms for b in self.breaks) if worked else 0
        return self.count * ((worked if self.shifts else DAY_MS) - away)


@dataclass(frozen=True, slots=True)
class Periods:
    """Parts of the day by which figures are shown and distributions may differ."""

    start_ms: int
    length_ms: int
    count: int

    def index(self, ms_of_day: int) -> int:
        """Return the period of a time of day; what lies outside belongs to the first or last."""
        return min(max((ms_of_day - self.start_ms) // self.length_ms, 0), self.count - 1)


@dataclass(frozen=True, slots=True)
class Closing:
    """A time of day at which those still waiting are cleared."""

    at_ms: int
    turns_away: bool = False
    """Who calls later that day is told that it is closed, and counted as blocked; else he waits until he gives up."""

    def turned_away(self, now: int) -> bool:
        """Whether a call of this instant of the run meets a closed door."""
        return self.turns_away and now % DAY_MS >= self.at_ms


PHONE_GONE = "phone_gone"
"""The phones of the target are unreachable for a while: a home line, a floor's switch."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What breaks when. Virtual time knows `PHONE_GONE`; the rest needs real processes (`bin/load`, `bin/faults`)."""

    kind: str
    at_s: float
    """Seconds from the start of the run."""
    target: str = ""
    """A group or one agent; empty: everybody."""
    for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """A published value to reproduce."""

    metric: str
    value: float
    half_width: float = 0.0
    level: float = 0.95
    queue: str = ""
    group: str = ""
    period: int | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything one run needs but the seed."""

    name: str
    queues: tuple[Queue, ...]
    groups: tuple[Group, ...]
    about: str = ""
    source: str = ""
    days: int = 1
    first_day: dt.date = dt.date(2026, 3, 2)
    day_shape: float | None = None
    """Shape of the gamma day factor with mean 1 common to all queues; None: every day alike."""
    periods: Periods = Periods(0, DAY_MS, 1)
    warm_up_ms: int = 0
    lines: int | None = None
    policy: str = "fifo"
    policies: tuple[str, ...] = ()
    weights: tuple[tuple[str, float], ...] = ()
    pick: str = "in_order"
    """Policy `groups`, new call: `in_order` asks group after group, `uniform` any idle capable agent."""
    level_talk_factor: tuple[tuple[int, float], ...] = ()
    closing: Closing | None = None
    service_level: str = "sl_of_offered"
    expected_calls: float | None = None
    runs: int = 10
    quick_runs: int = 10
    expect: tuple[Expectation, ...] = ()
    faults: tuple[Fault, ...] = ()

    def date(self, day: int) -> dt.date:
        """Return the calendar date of the run's day number, 0 is the first."""
        return self.first_day + dt.timedelta(days=day)

    @property
    def expected_first_calls(self) -> float:
        """Expected first calls of one run, from the rates."""
        dates = [self.date(day) for day in range(self.days)]
        return sum(queue.arrivals.expected(date) for queue in self.queues for date in dates)

    def planned_ms(self, group: Group) -> int:
        """Return the agent time planned for one run."""
        return sum(group.planned_ms(self.date(day)) for day in range(self.days))


def can_serve(group: Group, queue: Queue) -> bool:
    """Return whether the group's agents may take calls of the queue."""
    if queue.served_by and group.name not in queue.served_by:
        return False
    held = dict(group.skills)
    return all(held.get(skill, 0) >= level for skill, level in queue.needs)


def single_pool(
    *,
    per_hour: float,
    agents: int,
    talk_s: float,
    patience_s: float | None = None,
    hours: float = 24.0,
    threshold_s: float = 20.0,
) -> Scenario:
    """Return the textbook's one line, one pool: M/M/n, or M/M/n+M with patience.

    Args:
        per_hour: arrival rate.
        agents: n, at work around the clock.
        talk_s: mean of the exponential talk time.
        patience_s: mean of the exponential patience; None waits for ever.
        hours: length of the run.
        threshold_s: the promise's threshold.
    """
    step = round(hours * HOUR_MS)
    queue = Queue(
        name="calls",
        subscriber="calls",
        arrivals=Arrivals(0, step, (per_hour,)),
        talk=Exponential(talk_s * SECOND_MS),
        patience=Never() if patience_s is None else Exponential(patience_s * SECOND_MS),
        threshold_ms=round(threshold_s * SECOND_MS),
        max_wait_ms=365 * DAY_MS,
        max_waiting=1_000_000,
    )
    return Scenario(name="single pool", queues=(queue,), groups=(Group(name="agent", count=agents),))
