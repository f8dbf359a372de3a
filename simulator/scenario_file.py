"""Scenario files: YAML with a fixed vocabulary, read strictly, every mistake at once with its place.

`load` gives a `Scenario` and the warnings; mistakes raise one `ConfigError`. The page for those who
write such files is simulator/README.md.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from acd.config.strict_yaml import (
    ConfigError,
    Document,
    Flag,
    Number,
    Problem,
    Section,
    Whole,
    check,
    read,
    salvage,
)
from simulator import scenario as sc
from simulator.distributions import later
from simulator.file_durations import (
    DAYS,
    Count,
    Duration,
    DurationSection,
    GroupName,
    Name,
    NotNegative,
    Positive,
    Share,
    TimeOfDay,
    Weekday,
    ms,
    parse_date,
)
from simulator.file_queues import QueueSection
from simulator.file_rules import check_rules
from simulator.policies import known_policies
from simulator.scenario_checks import Finding, find_errors, find_warnings

if TYPE_CHECKING:
    from pathlib import Path

ALL_DAYS: list[Weekday] = list(DAYS)  # type: ignore[arg-type]  # the same seven words


def _days(names: list[Weekday]) -> tuple[int, ...]:
    return tuple(DAYS.index(name) for name in names)


class ShiftSection(Section):
    """At work from, until (beyond 24:00 is the next day), on these days."""

    starts: TimeOfDay
    ends: TimeOfDay
    days: list[Weekday] = ALL_DAYS


class BreakSection(Section):
    """Away from the phone; each next agent of the group goes `stagger_s` later."""

    starts: TimeOfDay
    length_s: Positive
    stagger_s: NotNegative = 0.0


class StaffSection(Section):
    """A head count by step."""

    starts: TimeOfDay = 0
    step_s: Positive = 3600.0
    counts: Annotated[list[Count], Field(min_length=1)]
    stays: Flag = True
    days: list[Weekday] = ALL_DAYS


PRESS_S = 3.0
"""The prompt lasts 4.8 s in Russian, 5.6 s in English; who hears it daily presses before its end."""


class GroupSection(Section):
    """Agents alike; called name1, name2 and so on."""

    name: GroupName
    count: Annotated[Whole, Field(ge=1, le=20_000)] | None = None
    skills: dict[Name, Annotated[Whole, Field(ge=1, le=5)]] = Field(default_factory=dict)
    shifts: list[ShiftSection] = Field(default_factory=list)
    breaks: list[BreakSection] = Field(default_factory=list)
    staff: StaffSection | None = None
    ring: Duration = DurationSection(fixed_s=0.0)
    no_answer: Share = 0.0
    refuse: Share = 0.0
    back_after_s: Positive = 300.0
    rna_limit: Annotated[Whole, Field(ge=1)] = 1
    talk_factor: Positive = 1.0
    reserve: Annotated[Whole, Field(ge=0, le=2)] = 0
    line: Literal["office", "home", "pstn"] = "office"
    press_s: Annotated[Number, Field(ge=0, le=60)] | None = None
    prefers: dict[Name, Number] = Field(default_factory=dict)

    def build(self) -> sc.Group:
        """Return the group."""
        press_ms = ms(PRESS_S if self.press_s is None else self.press_s) if self.line == sc.PSTN else 0
        staff = None
        if self.staff is not None:
            given = self.staff
            staff = sc.Staff(
                given.starts, ms(given.step_s), tuple(given.counts), stays=given.stays, days=_days(given.days)
            )
        return sc.Group(
            name=self.name,
            count=max(staff.counts) if staff else self.count or 0,
            skills=tuple(self.skills.items()),
            shifts=tuple(sc.Shift(s.starts, s.ends, _days(s.days)) for s in self.shifts),
            breaks=tuple(sc.Break(b.starts, ms(b.length_s), ms(b.stagger_s)) for b in self.breaks),
            staff=staff,
            ring=later(self.ring.build(), press_ms),
            no_answer=self.no_answer,
            refuse=self.refuse,
            back_after_ms=ms(self.back_after_s),
            rna_limit=self.rna_limit,
            talk_factor=self.talk_factor,
            reserve=self.reserve,
            line=self.line,
            press_ms=press_ms,
            prefers=tuple(self.prefers.items()),
        )


class PeriodsSection(Section):
    """Parts of the day."""

    starts: TimeOfDay = 0
    length_s: Positive
    count: Annotated[Whole, Field(ge=1, le=10_000)]


class DayFactorSection(Section):
    """The gamma day factor."""

    gamma_shape: Positive


class ClosingSection(Section):
    """Callers still waiting at this time of day are disconnected; who comes later waits, or is turned away."""

    clears_at: TimeOfDay
    turns_away: Flag = False


class FaultSection(Section):
    """What breaks when: in virtual time phones alone; `bin/load` and `bin/faults` break real processes."""

    kind: Literal["kill_router", "freeze_router", "cut_link", "kill_switch", "phone_gone", "slow_disk"]
    at_s: NotNegative
    target: str = ""
    for_s: NotNegative = 0.0


class ExpectSection(Section):
    """A published value."""

    metric: str
    value: Number
    half_width: NotNegative = 0.0
    level: Annotated[Number, Field(gt=0.5, lt=1)] = 0.95
    queue: str = ""
    group: str = ""
    period: Annotated[Whole, Field(ge=0)] | None = None


class CheckSection(Section):
    """How many runs reproduce the published values, in full and in the quick test."""

    runs: Annotated[Whole, Field(ge=2)] = 200
    quick_runs: Annotated[Whole, Field(ge=2)] = 20


class ScenarioFile(Section):
    """The whole file."""

    name: str
    about: str = ""
    source: str = ""
    days: Annotated[Whole, Field(ge=1, le=3660)] = 1
    first_day: Annotated[dt.date, BeforeValidator(parse_date)] = dt.date(2026, 3, 2)
    day_factor: DayFactorSection | None = None
    periods: PeriodsSection | None = None
    warm_up_s: NotNegative = 0.0
    lines: Annotated[Whole, Field(ge=1)] | None = None
    queues: Annotated[list[QueueSection], Field(min_length=1)]
    agents: Annotated[list[GroupSection], Field(min_length=1)]
    policy: str = "fifo"
    policies: list[str] = Field(default_factory=list)
    weights: dict[str, Number] = Field(default_factory=dict)
    pick: Literal["in_order", "uniform"] = "in_order"
    level_talk_factor: dict[Literal["1", "2", "3", "4", "5"], Positive] = Field(default_factory=dict)
    closing: ClosingSection | None = None
    service_level: Literal["sl_of_offered", "sl_of_answered", "sl_less_short", "sl_late", "sl_asterisk2"] = (
        "sl_of_offered"
    )
    expected_calls: Positive | None = None
    faults: list[FaultSection] = Field(default_factory=list)
    runs: Annotated[Whole, Field(ge=2)] = 10
    check: CheckSection = CheckSection()
    expect: list[ExpectSection] = Field(default_factory=list)

    def build(self) -> sc.Scenario:
        """Return the scenario."""
        queues = tuple(made for section in self.queues for made in section.build())
        periods = sc.Periods(0, sc.DAY_MS, 1)
        if self.periods is not None:
            periods = sc.Periods(self.periods.starts, ms(self.periods.length_s), self.periods.count)
        return sc.Scenario(
            name=self.name,
            about=self.about,
            source=self.source,
            days=self.days,
            first_day=self.first_day,
            day_shape=self.day_factor.gamma_shape if self.day_factor else None,
            periods=periods,
            warm_up_ms=ms(self.warm_up_s),
            lines=self.lines,
            queues=queues,
            groups=tuple(section.build() for section in self.agents),
            policy=self.policy,
            policies=tuple(self.policies),
            weights=tuple(self.weights.items()),
            pick=self.pick,
            level_talk_factor=tuple((int(level), factor) for level, factor in self.level_talk_factor.items()),
            closing=sc.Closing(self.closing.clears_at, self.closing.turns_away) if self.closing else None,
            service_level=self.service_level,
            expected_calls=self.expected_calls,
            faults=tuple(sc.Fault(f.kind, f.at_s, f.target, f.for_s) for f in self.faults),
            runs=self.check.runs if self.expect else self.runs,
            quick_runs=self.check.quick_runs,
            expect=tuple(
                sc.Expectation(e.metric, e.value, e.half_width, e.level, e.queue, e.group, e.period)
                for e in self.expect
            ),
        )


def load(path: Path) -> tuple[sc.Scenario, tuple[Problem, ...]]:
    """Read a scenario file.

    Returns:
        The scenario, and warnings: what would happen to this centre, each with its place.

    Raises:
        ConfigError: every mistake of the file, each with file, line and column.
    """
    return from_document(read(path))


def from_document(document: Document) -> tuple[sc.Scenario, tuple[Problem, ...]]:
    """Check a parsed document; see `load`."""
    made, problems = check(ScenarioFile, document)
    if made is None:
        raise ConfigError(_in_order([*problems, *_also(document)]))
    findings = list(find_errors(made, known_policies()))
    problems += [document.problem(found.location, found.message) for found in findings]
    rules = check_rules(made, document)
    problems += rules.errors
    if problems:
        raise ConfigError(_in_order(problems))
    scenario = made.build()
    warnings = [
        document.problem(found.location, found.message) for found in find_warnings(scenario, _places(made))
    ]
    return scenario, (*warnings, *rules.warnings)


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Sort by place; what speaks of the file as a whole comes last."""
    return sorted(problems, key=lambda p: (p.file, p.line or 10**9, p.column))


def _also(document: Document) -> list[Problem]:
    """Return what else is wrong in a file with mistakes of form, or say that more will be looked at.

    Nothing is said that may only follow from the absence of a part that could not be read.
    """
    later = document.problem(("",), "more is checked once these are mended")
    later = replace(later, line=0, column=0, path="")
    rest, gone = salvage(ScenarioFile, document, inside_lists=True) if document.usable else (None, [])
    if rest is None:
        return [later]
    named = any(place[0] == "agents" or place[-1] in {"name", "copies"} for place in gone if place)

    def certain(path: tuple[str | int, ...]) -> bool:
        near = any(path[: len(place)] == place or place[: len(path)] == path for place in gone)
        refers = path[0] in {"queues", "expect"} or "prefers" in path
        return not near and not (named and refers)

    found = [
        document.problem(f.location, f.message)
        for f in find_errors(rest, known_policies())
        if certain(f.location)
    ]
    if named:
        return [*found, later]
    return [*found, *check_rules(rest, document).errors]


def _places(file: ScenarioFile) -> dict[str, tuple[str | int, ...]]:
    """Return where each queue of the scenario stands in the file, copies at their original."""
    places: dict[str, tuple[str | int, ...]] = {}
    for number, section in enumerate(file.queues):
        for queue in section.build():
            places[queue.name] = ("queues", number)
    return places


__all__ = ["ConfigError", "Finding", "ScenarioFile", "from_document", "load"]
