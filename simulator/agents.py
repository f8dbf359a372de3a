"""The people at the phones: who is at work when, and how long the work took.

A `Person` follows a shift with breaks; a `Crew` with a head count by step grows and shrinks as the
plan says: who is idle leaves at once, and for the rest whoever finishes first leaves first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.results import GroupTimes
from simulator.scenario import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acd.core.ids import AgentId
    from acd.core.instant import Instant
    from simulator.callers import Caller
    from simulator.scenario import Group, Scenario


class Person:
    """One agent as the world sees the body at the desk."""

    __slots__ = (
        "_since",
        "away_until",
        "caller",
        "crew",
        "gone",
        "id",
        "on_break",
        "on_duty",
        "wrap_serial",
        "wrapping",
    )

    def __init__(self, agent: AgentId, crew: Crew) -> None:
        self.id = agent
        self.crew = crew
        self.on_duty = False
        self.on_break = False
        self.gone = 0
        """So many faults keep the phone away now: 0, it can be rung."""
        self.caller: Caller | None = None
        """Ringing or talking."""
        self.wrapping = False
        self.wrap_serial = 0
        """Number of the running wrap-up, so that an early end makes the planned one void."""
        self.away_until: Instant = 0
        self._since: Instant = 0

    @property
    def busy(self) -> bool:
        """Has a call or its paper work in hand."""
        return self.caller is not None or self.wrapping

    @property
    def away(self) -> bool:
        """Cannot be rung: off duty, on a break, or the phone is gone."""
        return not self.on_duty or self.on_break or self.gone > 0

    @property
    def counted(self) -> bool:
        """Whether this moment counts as staffed: on duty and not away, or finishing a call."""
        return (self.on_duty and not self.on_break) or self.busy

    def account(self, now: Instant) -> None:
        """Add the time since the last change to the group's times. Call before every change."""
        spent = now - self._since
        self._since = now
        if spent and self.counted:
            times = self.crew.times
            times.staffed_ms += spent
            if self.busy:
                times.busy_ms += spent


class Crew:
    """A group at run time."""

    __slots__ = ("by_level", "excess", "group", "index", "people", "plain_ms", "times")

    def __init__(self, index: int, group: Group, first_ids: list[AgentId]) -> None:
        self.index = index
        self.group = group
        self.times = GroupTimes()
        self.people = [Person(agent, self) for agent in first_ids]
        self.plain_ms = round(group.ring.mean_ms) if group.answers_at_once else None
        """How long the phone rings when there is nothing to draw."""
        self.excess = 0
        """So many must still leave when they finish their call."""

    @property
    def on_duty(self) -> int:
        """People logged in, those about to leave not counted."""
        return sum(person.on_duty for person in self.people) - self.excess

    def leaving(self, target: int) -> list[Person]:
        """Shrink to `target`: return the idle ones who leave now, remember how many follow."""
        surplus = self.on_duty - target
        idle = [p for p in reversed(self.people) if p.on_duty and not p.busy][: max(surplus, 0)]
        self.excess += max(surplus - len(idle), 0)
        return idle

    def coming(self, target: int) -> list[Person]:
        """Grow to `target`: keep those who were about to leave, return those who come."""
        missing = target - self.on_duty
        kept = min(self.excess, max(missing, 0))
        self.excess -= kept
        return [p for p in self.people if not p.on_duty and not p.busy][: max(missing - kept, 0)]


def agent_ids(group: Group) -> list[AgentId]:
    """Return the names of a group's agents: the group's name and a number."""
    return [f"{group.name}{number + 1}" for number in range(group.count)]  # type: ignore[misc]  # NewType


def staff_plan(scenario: Scenario, group: Group) -> Iterator[tuple[Instant, int]]:
    """Yield (instant, head count) for a group with a plan by step."""
    staff = group.staff
    if staff is None:
        return
    for day in range(scenario.days):
        if scenario.date(day).weekday() not in staff.days:
            continue
        start = day * DAY_MS + staff.start_ms
        for step, count in enumerate(staff.counts):
            yield start + step * staff.step_ms, count
        if not staff.stays:
            yield start + len(staff.counts) * staff.step_ms, 0


def shift_plan(scenario: Scenario, group: Group) -> Iterator[tuple[Instant, int, str, int]]:
    """Yield (instant, agent's number, what, length) for a group with shifts.

    `what` is `in`, `out` or `break`; without shifts everybody is there from the first moment on.
    """
    if group.staff is not None:
        return
    numbers = range(group.count)
    if not group.shifts:
        yield from ((0, number, "in", 0) for number in numbers)
    for day in range(-1, scenario.days):
        midnight = day * DAY_MS
        weekday = scenario.date(day).weekday()
        for shift in group.shifts:
            if weekday not in shift.days or midnight + shift.end_ms <= 0:
                continue
            for number in numbers:
                yield max(midnight + shift.start_ms, 0), number, "in", 0
                yield midnight + shift.end_ms, number, "out", 0
        if day < 0:
            continue
        for pause in group.breaks:
            for number in numbers:
                yield midnight + pause.start_ms + number * pause.stagger_ms, number, "break", pause.length_ms
