"""What is wrong with a scenario beyond its form, and what would happen to a centre that is possible.

Errors are contradictions: names nobody has, means that do not exist. Warnings name a consequence:
the line that grows without end, the callers nobody could answer.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.core.instant import HOUR_MS, MINUTE_MS
from acd.core.policy import RoutingWeights
from simulator.agents import agent_ids
from simulator.bounds import BOUNDS
from simulator.scenario import DAY_MS, PHONE_GONE, PSTN, Group, Queue, Scenario, can_serve

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from simulator.file_queues import QueueSection
    from simulator.scenario_file import FaultSection, GroupSection, ScenarioFile

    Place = tuple[str | int, ...]

QUARTER_MS = 15 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to tell the author, and where it stands in the file."""

    location: tuple[str | int, ...]
    message: str


def find_errors(file: ScenarioFile, policies: Collection[str]) -> Iterator[Finding]:
    """Yield every contradiction of a file whose form is right."""
    yield from _policy_errors(file, policies)
    yield from _name_errors(file)
    skills = {skill for group in file.agents for skill in group.skills}
    groups = {group.name for group in file.agents}
    names = {queue.name for section in file.queues for queue in section.build()}
    for number, section in enumerate(file.queues):
        yield from _queue_errors(section, ("queues", number), skills, groups, names, file)
    for number, group in enumerate(file.agents):
        yield from _group_errors(group, ("agents", number), names)
    yield from _expect_errors(file, names, groups)
    for number, fault in enumerate(file.faults):
        if fault.kind == PHONE_GONE:
            yield from _fault_errors(fault, ("faults", number), file)


def _fault_errors(fault: FaultSection, place: Place, file: ScenarioFile) -> Iterator[Finding]:
    people = {agent for group in file.agents for agent in agent_ids(group.build())}
    if fault.target and fault.target not in people | {group.name for group in file.agents}:
        yield Finding((*place, "target"), f"there is no group and no agent {fault.target!r}")
    if not fault.for_s:
        yield Finding((*place, "for_s"), "for how many seconds is the phone gone?")


def _group_errors(group: GroupSection, place: Place, names: set[str]) -> Iterator[Finding]:
    if (group.count is None) == (group.staff is None):
        yield Finding(place, "needs either count (with shifts) or staff (a head count by step)")
    if group.staff is not None and (group.shifts or group.breaks):
        yield Finding(place, "staff is a head count: shifts and breaks belong to groups with count")
    if group.no_answer + group.refuse > 1:
        yield Finding((*place, "no_answer"), "no_answer and refuse together exceed 1")
    if group.press_s is not None and group.line != PSTN:
        yield Finding((*place, "press_s"), f"only who is on a line: {PSTN} presses 1")
    for queue in group.prefers:
        if queue not in names:
            yield Finding((*place, "prefers", queue), f"there is no queue {queue!r}")
    if not math.isfinite(group.ring.build().mean_ms):
        yield Finding((*place, "ring"), "the mean is infinite: the phone would ring for ever")
    for step, shift in enumerate(group.shifts):
        if shift.ends <= shift.starts:
            yield Finding(
                (*place, "shifts", step, "ends"), "ends before it starts; a night shift ends at 32:00, say"
            )


def _policy_errors(file: ScenarioFile, policies: Collection[str]) -> Iterator[Finding]:
    known = ", ".join(sorted(policies))
    for place, name in [
        (("policy",), file.policy),
        *((("policies", n), p) for n, p in enumerate(file.policies)),
    ]:
        if place == ("policy",) and name in BOUNDS:
            yield Finding(place, f"{name} is a bound to compare with, not a rule: name it under policies")
        if name not in policies:
            yield Finding(place, f"there is no policy {name!r}; known: {known}")
    weights = {field.name for field in dataclasses.fields(RoutingWeights)} - {"policy"}
    for name in file.weights:
        if name not in weights:
            yield Finding(
                ("weights", name), f"there is no weight {name!r}; known: {', '.join(sorted(weights))}"
            )


def _name_errors(file: ScenarioFile) -> Iterator[Finding]:
    seen: Counter[str] = Counter()
    for number, section in enumerate(file.queues):
        for queue in section.build():
            seen[queue.name] += 1
            if seen[queue.name] == 2:
                yield Finding(("queues", number, "name"), f"the name {queue.name!r} is taken")
    groups: Counter[str] = Counter()
    for number, group in enumerate(file.agents):
        groups[group.name] += 1
        if groups[group.name] == 2:
            yield Finding(("agents", number, "name"), f"the name {group.name!r} is taken")
        elif group.name[-1].isdigit():
            yield Finding(
                ("agents", number, "name"), "must not end with a digit: agents are numbered after it"
            )


def _queue_errors(
    section: QueueSection,
    place: Place,
    skills: set[str],
    groups: set[str],
    names: set[str],
    file: ScenarioFile,
) -> Iterator[Finding]:
    for skill, level in section.needs.items():
        if skill not in skills:
            yield Finding((*place, "needs", skill), f"no agent has the skill {skill!r}: nobody could answer")
        elif all(group.skills.get(skill, 0) < level for group in file.agents):
            yield Finding(
                (*place, "needs", skill), f"no agent has {skill!r} at level {level}: nobody could answer"
            )
    for number, group in enumerate(section.served_by):
        if group not in groups:
            yield Finding((*place, "served_by", number), f"there is no group {group!r}")
    yield from _queue_part_errors(section, place, groups, names, file)
    yield from _mean_errors(section, place)


def _queue_part_errors(
    section: QueueSection, place: Place, groups: set[str], names: set[str], file: ScenarioFile
) -> Iterator[Finding]:
    for group in section.talk_by_group:
        if group not in groups:
            yield Finding((*place, "talk_by_group", group), f"there is no group {group!r}")
    for number, transfer in enumerate(section.transfers):
        if transfer.to not in names:
            yield Finding((*place, "transfers", number, "to"), f"there is no queue {transfer.to!r}")
    if sum(transfer.probability for transfer in section.transfers) > 1:
        yield Finding((*place, "transfers"), "the probabilities exceed 1")
    periods = file.periods.count if file.periods else 1
    for key in ("talk_by_period", "patience_by_period"):
        if (count := len(getattr(section, key))) not in (0, periods):
            yield Finding((*place, key), f"has {count} entries for {periods} periods")


def _mean_errors(section: QueueSection, place: Place) -> Iterator[Finding]:
    durations = [("talk", section.talk), ("wrap_up", section.wrap_up)]
    durations += [("talk_by_group", part) for part in section.talk_by_group.values()]
    durations += [("talk_by_period", part) for part in section.talk_by_period]
    if section.retry:
        durations.append(("retry", section.retry.after))
    for key, duration in durations:
        if duration is not None and not math.isfinite(duration.build().mean_ms):
            yield Finding(
                (*place, key), "the mean is infinite: no staff could carry the load, no average exists"
            )


def _expect_errors(file: ScenarioFile, names: set[str], groups: set[str]) -> Iterator[Finding]:
    from simulator.metrics import METRICS

    for number, item in enumerate(file.expect):
        place = ("expect", number)
        if item.metric not in METRICS:
            yield Finding(
                (*place, "metric"), f"there is no metric {item.metric!r}; known: {', '.join(METRICS)}"
            )
        if item.queue and item.queue not in names:
            yield Finding((*place, "queue"), f"there is no queue {item.queue!r}")
        if item.group and item.group not in groups:
            yield Finding((*place, "group"), f"there is no group {item.group!r}")
        if item.period is not None and item.period >= (file.periods.count if file.periods else 1):
            yield Finding((*place, "period"), "there is no such period; the first is 0")


# --- consequences ----------------------------------------------------------------------------------


def on_duty(group: Group, ms_of_day: int, weekday: int) -> int:
    """Return how many of the group are planned at a time of day, breaks not considered."""
    if group.staff is not None:
        staff = group.staff
        if weekday not in staff.days or ms_of_day < staff.start_ms:
            return 0
        step = (ms_of_day - staff.start_ms) // staff.step_ms
        if step < len(staff.counts):
            return staff.counts[step]
        return staff.counts[-1] if staff.stays else 0
    if not group.shifts:
        return group.count
    here = any(
        (weekday - late) % 7 in shift.days and shift.start_ms <= ms_of_day + late * DAY_MS < shift.end_ms
        for shift in group.shifts
        for late in (0, 1)
    )
    return group.count if here else 0


def find_warnings(scenario: Scenario, places: Mapping[str, Place]) -> Iterator[Finding]:
    """Yield what this centre cannot do, with the consequence."""
    for number, fault in enumerate(scenario.faults):
        if fault.kind != PHONE_GONE:
            yield Finding(
                ("faults", number, "kind"),
                f"{fault.kind} needs real processes: virtual time runs as if it did not happen; see bin/load, bin/faults",
            )
    weekday = scenario.first_day.weekday()
    pools: dict[tuple[str, ...], list[Queue]] = {}
    for queue in scenario.queues:
        able = tuple(group.name for group in scenario.groups if can_serve(group, queue))
        pools.setdefault(able, []).append(queue)
        yield from _alone(scenario, queue, able, weekday, places[queue.name])
    for able, queues in pools.items():
        yield from _overload(scenario, queues, able, weekday, places[queues[0].name])


def _heads(scenario: Scenario, able: tuple[str, ...], at: int, weekday: int) -> int:
    return sum(on_duty(group, at, weekday) for group in scenario.groups if group.name in able)


def _alone(
    scenario: Scenario, queue: Queue, able: tuple[str, ...], weekday: int, place: Place
) -> Iterator[Finding]:
    factor = queue.arrivals.factor(scenario.first_day)
    lost = sum(
        queue.arrivals.rate_at(at) * factor * QUARTER_MS / HOUR_MS
        for at in range(0, DAY_MS, QUARTER_MS)
        if not _heads(scenario, able, at, weekday)
    )
    if lost >= 0.5:
        yield Finding(
            place,
            f"{queue.name}: about {lost:.0f} calls on the first day come while nobody who may take them is at"
            " work: they will wait until somebody comes, give up or go to the fallback",
        )


def _overload(
    scenario: Scenario, queues: list[Queue], able: tuple[str, ...], weekday: int, place: Place
) -> Iterator[Finding]:
    worst, when, heads = 0.0, 0, 0
    for at in range(0, DAY_MS, QUARTER_MS):
        load = sum(
            q.arrivals.rate_at(at) * q.arrivals.factor(scenario.first_day) * q.work_ms / HOUR_MS
            for q in queues
        )
        here = _heads(scenario, able, at, weekday)
        if here and load / here > worst:
            worst, when, heads = load / here, at, here
    if worst < 1:
        return
    time = f"{when // HOUR_MS:02d}:{when % HOUR_MS // MINUTE_MS:02d}"
    names = ", ".join(queue.name for queue in queues[:3]) + (" and others" if len(queues) > 3 else "")
    text = f"{names}: at {time} the callers bring {worst * heads:.1f} erlang for {heads} agents:"
    if any(not math.isfinite(queue.patience.mean_ms) for queue in queues):
        yield Finding(place, f"{text} these callers never give up, so the line grows as long as that lasts")
    else:
        yield Finding(place, f"{text} at least {1 - 1 / worst:.0%} of them will be lost at that time")
