"""Cut a stretch out of a scenario's day and run it faster: one smaller scenario for all engines.

Every duration is divided by the time scale, so that hours fit into minutes; the loads in erlang, the shares
and the draws of a seed stay as they are. What cannot shrink, because the dialplan counts whole seconds
(the ring time-out, at least 2 s), stays long for every engine alike. Results are stretched back, so reports
speak of the scenario's own seconds.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from acd.core.instant import HOUR_MS, SECOND_MS
from acd.core.policy import RoutingWeights
from agi_scripts.enter_queue import TURN_S
from simulator.distributions import Distribution, Fixed, Never, later
from simulator.load.breaking import LIVE
from simulator.results import CallRecord, GroupTimes, RunResult
from simulator.scenario import (
    DAY_MS,
    PHONE_GONE,
    PSTN,
    Arrivals,
    Callback,
    Closing,
    Fault,
    Group,
    Periods,
    Queue,
    Scenario,
    Shift,
    Staff,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from simulator.distributions import Draws

LEAST_RING_MS = 2 * SECOND_MS
"""The least ring time-out that daemon and dialplan know."""
TURN_MS = round(TURN_S * SECOND_MS)
LEAST_PRESS_MS = 300
"""Nobody presses 1 sooner after lifting the phone: the PBX must be asking, and the key itself is held 0.1 s."""
SEARCH_STEP_MS = HOUR_MS // 4
WEIGHTS_IN_MS = tuple(field.name for field in fields(RoutingWeights) if field.name.endswith("_ms"))
"""Weights of the routing score that are durations, so they shrink too."""
TIMES = ("wait_served_ms", "wait_all_ms", "talk_ms", "wrap_ms")


class CannotRunError(ValueError):
    """The scenario, or the wanted stretch of it, cannot be run on real processes."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """Another distribution, every draw divided by `by`."""

    of: Distribution
    by: float

    @property
    def mean_ms(self) -> float:
        """The other's mean, divided."""
        return self.of.mean_ms / self.by

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Draw from the other and divide."""
        return self.of.draw(rng, count) / self.by


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of a scenario to run. `start_ms` counts from midnight of day number `day`."""

    day: int
    start_ms: int
    length_ms: int
    scale: float = 1.0

    @property
    def wall_s(self) -> float:
        """How long callers arrive, in real seconds."""
        return self.length_ms / self.scale / SECOND_MS

    def __str__(self) -> str:
        start, end = (f"{t // HOUR_MS:02d}:{t % HOUR_MS // 60_000:02d}" for t in self._ends())
        return (
            f"day {self.day + 1}, {start} to {end}, {self.scale:g} times faster: {self.wall_s:.0f} s of calls"
        )

    def _ends(self) -> tuple[int, int]:
        return self.start_ms, self.start_ms + self.length_ms


def expected_in(scenario: Scenario, day: int, start_ms: int, end_ms: int) -> float:
    """Return the expected first calls between two times of one day."""
    date, total = scenario.date(day), 0.0
    for queue in scenario.queues:
        plan = queue.arrivals
        for step, rate in enumerate(plan.per_hour):
            begin = plan.start_ms + step * plan.step_ms
            inside = min(begin + plan.step_ms, end_ms) - max(begin, start_ms)
            total += rate * max(inside, 0) / HOUR_MS * plan.factor(date)
    return total


def choose_stretch(
    scenario: Scenario,
    *,
    minutes: float | None = None,
    calls: int | None = None,
    scale: float = 1.0,
    day: int = 0,
    start_ms: int | None = None,
) -> Stretch:
    """Choose what to run: so many real minutes, or so many expected calls, of the busiest part of a day.

    Args:
        scenario: the whole one.
        minutes: how long callers arrive, real time.
        calls: instead, how many are expected; taken from the start of the stretch on.
        scale: how many times faster than the scenario's own time.
        day: which day of the scenario.
        start_ms: time of day; None takes the start with the most calls.

    Raises:
        CannotRunError: the scale is no positive number, the day does not exist, nobody calls, or too few do.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise CannotRunError(f"a time scale is a positive number, not {scale}")
    if not 0 <= day < scenario.days:
        raise CannotRunError(f"the scenario has days 1 to {scenario.days}, not {day + 1}")
    if calls is not None:
        length = _length_for(scenario, day, start_ms, calls)
    else:
        length = min(round((minutes or 1.0) * 60 * SECOND_MS * scale), DAY_MS)
    if start_ms is None:
        starts = range(0, max(DAY_MS - length, 0) + 1, SEARCH_STEP_MS)
        start_ms = max(starts, key=lambda s: expected_in(scenario, day, s, s + length))
    length = min(length, DAY_MS - start_ms)
    if length <= 0 or not expected_in(scenario, day, start_ms, start_ms + length):
        raise CannotRunError("nobody calls in this stretch of the scenario")
    return Stretch(day, start_ms, length, scale)


def _length_for(scenario: Scenario, day: int, start_ms: int | None, calls: int) -> int:
    """Return the shortest stretch with so many expected calls, in steps of a minute."""
    low, high = 1, DAY_MS // 60_000
    starts = [start_ms] if start_ms is not None else list(range(0, DAY_MS, SEARCH_STEP_MS))

    def enough(length: int) -> bool:
        spans = ((s, min(s + length * 60_000, DAY_MS)) for s in starts)
        return max(expected_in(scenario, day, *span) for span in spans) >= calls

    if not enough(high):
        most = expected_in(scenario, day, start_ms or 0, DAY_MS)
        raise CannotRunError(f"the day has {most:.0f} expected calls, fewer than the {calls} wanted")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low * 60_000


def compress(scenario: Scenario, part: Stretch) -> tuple[Scenario, list[str]]:
    """Return the stretch as a scenario of its own in real time, and what had to be left out or changed."""
    notes = []
    if any(queue.callback is not None for queue in scenario.queues):
        notes.append(
            f"a call-back is offered after whole turns of {TURN_MS // SECOND_MS} real seconds, in every engine"
        )
    closing = _closing(scenario.closing, part)
    if closing is not None and not (scenario.closing and scenario.closing.turns_away):
        notes.append("who calls after closing time is turned away, in every engine: so the router does it")
    if any(queue.rules for queue in scenario.queues):
        notes.append("rules of the queues hold in virtual time only: the daemon is not given them")
    faults, told = _faults(scenario.faults, part)
    notes += told
    shortest = min(queue.ring_timeout_ms for queue in scenario.queues) / part.scale
    if shortest < LEAST_RING_MS:
        notes.append(
            f"a phone nobody answers rings 2 s, not {shortest / SECOND_MS:.2g} s: the least there is"
        )
    notes += _line_notes(scenario, part)
    short = dataclasses.replace(
        scenario,
        queues=tuple(_queue(queue, scenario, part) for queue in scenario.queues),
        groups=tuple(_group(group, scenario, part) for group in scenario.groups),
        days=1,
        first_day=scenario.date(part.day),
        periods=Periods(0, DAY_MS, 1),
        weights=_weights(scenario, part),
        warm_up_ms=0,
        closing=closing,
        expected_calls=None,
        expect=(),
        faults=faults,
    )
    return short, notes


def _line_notes(scenario: Scenario, part: Stretch) -> list[str]:
    quick = [
        group
        for group in scenario.groups
        if group.line == PSTN and group.press_ms / part.scale < LEAST_PRESS_MS
    ]
    return [
        f"{group.name} listens {LEAST_PRESS_MS / SECOND_MS:g} s before pressing 1, not"
        f" {group.press_ms / part.scale / SECOND_MS:.2g} s: the least there is"
        for group in quick
    ]


def _faults(faults: Sequence[Fault], part: Stretch) -> tuple[tuple[Fault, ...], list[str]]:
    """Return the faults inside the stretch, in its own time, and what is said of the others."""
    kept, notes = [], []
    start_s = (part.day * DAY_MS + part.start_ms) / SECOND_MS
    for fault in faults:
        at_s = (fault.at_s - start_s) / part.scale
        if fault.kind not in LIVE:
            notes.append(f"{fault.kind} has no effect here: see bin/faults")
        elif not 0 <= at_s < part.wall_s:
            notes.append(f"{fault.kind} at {fault.at_s:g} s lies outside this stretch")
        else:
            kept.append(dataclasses.replace(fault, at_s=at_s, for_s=fault.for_s / part.scale))
            if fault.kind != PHONE_GONE:
                notes.append(f"{fault.kind} breaks the real router; in virtual time nothing happens")
    return tuple(kept), notes


def _closing(closing: Closing | None, part: Stretch) -> Closing | None:
    """Return closing time in the stretch's own time; it always turns away, for a closed line of the router does.

    Raises:
        CannotRunError: the line is closed before the stretch begins.
    """
    if closing is None:
        return None
    if closing.at_ms <= part.start_ms:
        raise CannotRunError("the stretch begins after closing time: nobody would be served")
    return Closing(round((closing.at_ms - part.start_ms) / part.scale), turns_away=True)


def _weights(scenario: Scenario, part: Stretch) -> tuple[tuple[str, float], ...]:
    usual = RoutingWeights()
    given = {name: getattr(usual, name) for name in WEIGHTS_IN_MS} | dict(scenario.weights)
    for name in WEIGHTS_IN_MS:
        given[name] = max(1, round(given[name] / part.scale))
    return tuple(given.items())


def _scaled(distribution: Distribution, by: float) -> Distribution:
    if isinstance(distribution, Never):
        return distribution
    if isinstance(distribution, Fixed):
        return Fixed(distribution.mean_ms / by)
    return Scaled(distribution, by)


def _queue(queue: Queue, scenario: Scenario, part: Stretch) -> Queue:
    by, factor = part.scale, queue.arrivals.factor(scenario.date(part.day))
    index = scenario.periods.index(part.start_ms)
    talk, patience = queue.talk, queue.patience
    if queue.talk_by_period:
        talk = queue.talk_by_period[min(index, len(queue.talk_by_period) - 1)]
    if queue.patience_by_period:
        patience = queue.patience_by_period[min(index, len(queue.patience_by_period) - 1)]
    retry = queue.retry and dataclasses.replace(queue.retry, after=_scaled(queue.retry.after, by))
    return dataclasses.replace(
        queue,
        arrivals=_arrivals(queue.arrivals, factor, part),
        talk=_scaled(talk, by),
        patience=_scaled(patience, by),
        wrap_up=_scaled(queue.wrap_up, by),
        talk_by_group=tuple((group, _scaled(own, by)) for group, own in queue.talk_by_group),
        talk_by_period=(),
        patience_by_period=(),
        retry=retry,
        callback=queue.callback and _callback(queue.callback, by),
        threshold_ms=max(1, round(queue.threshold_ms / by)),
        ring_timeout_ms=max(LEAST_RING_MS, math.ceil(queue.ring_timeout_ms / by / SECOND_MS) * SECOND_MS),
        wrap_up_limit_ms=max(1, round(queue.wrap_up_limit_ms / by)),
        max_wait_ms=max(2 * LEAST_RING_MS, round(queue.max_wait_ms / by)),
        max_waiting=max(1, queue.max_waiting),
        short_abandon_ms=round(queue.short_abandon_ms / by),
    )


def _callback(callback: Callback, by: float) -> Callback:
    """Return the offer in the stretch's own time: the dialplan looks once a turn."""
    turns = max(1, math.ceil(callback.after_ms / by / TURN_MS))
    return Callback(turns * TURN_MS, callback.accept, _scaled(callback.dial, by))


def _arrivals(plan: Arrivals, factor: float, part: Stretch) -> Arrivals:
    """Return the rates inside the stretch on a grid that holds both the plan's steps and the stretch."""
    grid = math.gcd(plan.step_ms, plan.start_ms, part.start_ms, part.length_ms)
    rates = tuple(
        plan.rate_at(part.start_ms + at) * factor * part.scale for at in range(0, part.length_ms, grid)
    )
    if grid / part.scale != round(grid / part.scale):  # steps are whole milliseconds: keep the total exact
        whole = max(1, round(grid / part.scale))
        rates = tuple(rate * grid / part.scale / whole for rate in rates)
        return Arrivals(0, whole, rates)
    return Arrivals(0, round(grid / part.scale), rates)


def _group(group: Group, scenario: Scenario, part: Stretch) -> Group:
    by, start = part.scale, part.start_ms
    press_ms = max(LEAST_PRESS_MS, round(group.press_ms / by)) if group.line == PSTN else 0
    weekday = scenario.date(part.day).weekday()

    def wall(ms: float) -> int:
        return round((ms - start) / by)

    shifts = [
        Shift(max(0, wall(shift.start_ms + shift_day)), min(wall(shift.end_ms + shift_day), DAY_MS))
        for shift in group.shifts
        for shift_day, day in ((0, weekday), (-DAY_MS, (weekday - 1) % 7))
        if day in shift.days and shift.end_ms + shift_day > start
    ]
    breaks = tuple(
        dataclasses.replace(
            pause, start_ms=wall(pause.start_ms), length_ms=wall(start + pause.length_ms),
            stagger_ms=wall(start + pause.stagger_ms),
        )
        for pause in group.breaks
        if pause.start_ms >= start
    )  # fmt: skip
    return dataclasses.replace(
        group,
        shifts=tuple(shifts) or ((Shift(DAY_MS - 1, DAY_MS),) if group.shifts else ()),
        breaks=breaks,
        staff=_staff(group.staff, weekday, part) if group.staff else None,
        ring=later(_scaled(group.ring, by), press_ms - round(group.press_ms / by)),
        press_ms=press_ms,
        back_after_ms=max(1, round(group.back_after_ms / by)),
    )


def _staff(staff: Staff, weekday: int, part: Stretch) -> Staff:
    """Return the head counts inside the stretch; the last one holds until the last caller is served."""
    grid = math.gcd(staff.step_ms, staff.start_ms, part.start_ms, part.length_ms)
    counts = []
    for at in range(part.start_ms, part.start_ms + part.length_ms, grid):
        step = (at - staff.start_ms) // staff.step_ms
        last = len(staff.counts) - 1
        present = weekday in staff.days and step >= 0 and (step <= last or staff.stays)
        counts.append(staff.counts[min(step, last)] if present else 0)
    return Staff(0, max(1, round(grid / part.scale)), tuple(counts))


def stretch_back(run: RunResult, scale: float) -> RunResult:
    """Return a run's results in the scenario's own time. The tallies are changed in place."""

    def longer(ms: float) -> int:
        return round(ms * scale)

    for row in run.tallies:
        for tally in row:
            for name in TIMES:
                setattr(tally, name, longer(getattr(tally, name)))
    groups = [
        GroupTimes(
            longer(g.busy_ms), longer(g.staffed_ms), longer(g.planned_ms), g.offers, g.unanswered,
            g.handled, {queue: longer(ms) for queue, ms in g.wait_ms.items()},
        )
        for g in run.groups
    ]  # fmt: skip
    calls = [_call_back_in_time(call, longer) for call in run.calls]
    return dataclasses.replace(
        run,
        groups=groups,
        waits=[[longer(ms) for ms in row] for row in run.waits],
        horizon_ms=longer(run.horizon_ms),
        calls=calls,
    )


def _call_back_in_time(call: CallRecord, longer: Callable[[float], int]) -> CallRecord:
    return dataclasses.replace(
        call,
        entered_at=longer(call.entered_at),
        wait_ms=longer(call.wait_ms),
        talk_ms=longer(call.talk_ms),
        wrap_ms=longer(call.wrap_ms),
        left_at=longer(call.left_at),
    )
