"""The figures a run can give, each with its formula: numerator and denominator, summed over runs apart.

House rule: a percentage names its formula. All ratios are ratios of means over runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from acd.core.instant import SECOND_MS
from simulator.intervals import LEVEL, Estimate, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from simulator.results import GroupTimes, RunResult, Tally
    from simulator.scenario import Expectation, Scenario


@dataclass(frozen=True, slots=True)
class View:
    """What a metric sees of one run: the counts of its queue and period, the times of its group."""

    tally: Tally
    times: GroupTimes
    expected: float
    """Expected first calls of this queue (or of all)."""
    horizon_ms: int
    waits: Sequence[int]


@dataclass(frozen=True, slots=True)
class Metric:
    """A named figure."""

    meaning: str
    top: Callable[[View], float]
    bottom: Callable[[View], float] | None = None
    unit: str = ""


def _tail(view: View, share: float) -> float:
    return float(np.quantile(view.waits, share)) / SECOND_MS if len(view.waits) else 0.0


def _count(name: str, meaning: str) -> Metric:
    return Metric(meaning, lambda view: getattr(view.tally, name))


METRICS: dict[str, Metric] = {
    "arrivals": _count("arrivals", "calls that came, retries included"),
    "first_calls": _count("first_calls", "calls that came for the first time"),
    "retries": _count("retries", "calls that came again after giving up"),
    "served": _count("served", "calls answered"),
    "abandoned": _count("abandoned", "callers who gave up"),
    "blocked": _count("blocked", "calls that found all lines taken or the queue full"),
    "cleared": _count("cleared", "callers disconnected at closing"),
    "overflowed": _count("overflowed", "callers sent to the fallback after the longest wait"),
    "callbacks": _count("callbacks", "callers who chose to be called back"),
    "in_target": _count("in_target", "calls answered within the threshold"),
    "sl_of_offered": Metric(
        "answered within the threshold / offered", lambda v: v.tally.in_target, lambda v: v.tally.offered
    ),
    "sl_of_answered": Metric(
        "answered within the threshold / answered", lambda v: v.tally.in_target, lambda v: v.tally.served
    ),
    "sl_less_short": Metric(
        "answered within the threshold / (offered - given up within the short limit)",
        lambda v: v.tally.in_target,
        lambda v: v.tally.offered - v.tally.abandoned_short,
    ),
    "sl_late": Metric(
        "answered within the threshold / (answered + given up after it)",
        lambda v: v.tally.in_target,
        lambda v: v.tally.served + v.tally.abandoned_late,
    ),
    "sl_asterisk2": Metric(
        "(answered or given up within the threshold) / (answered + given up)",
        lambda v: v.tally.within_target,
        lambda v: v.tally.served + v.tally.abandoned,
    ),
    "in_target_per_expected": Metric(
        "answered within the threshold / expected first calls",
        lambda v: v.tally.in_target,
        lambda v: v.expected,
    ),
    "within_target_per_expected": Metric(
        "answered or given up within the threshold / expected first calls",
        lambda v: v.tally.within_target,
        lambda v: v.expected,
    ),
    "wait_per_expected_s": Metric(
        "sum of all waits / expected first calls",
        lambda v: v.tally.wait_all_ms / SECOND_MS,
        lambda v: v.expected,
        "s",
    ),
    "abandoned_per_expected": Metric(
        "callers who gave up / expected first calls", lambda v: v.tally.abandoned, lambda v: v.expected
    ),
    "abandoned_share": Metric(
        "callers who gave up / calls that came", lambda v: v.tally.abandoned, lambda v: v.tally.arrivals
    ),
    "lost_share": Metric(
        "not answered and not called back / calls that came",
        lambda v: v.tally.arrivals - v.tally.served - v.tally.callbacks,
        lambda v: v.tally.arrivals,
    ),
    "blocked_share": Metric(
        "calls that found no line / calls that came", lambda v: v.tally.blocked, lambda v: v.tally.arrivals
    ),
    "wait_share": Metric(
        "calls that waited / calls that came", lambda v: v.tally.waited, lambda v: v.tally.arrivals
    ),
    "asa_s": Metric(
        "mean wait of answered calls",
        lambda v: v.tally.wait_served_ms / SECOND_MS,
        lambda v: v.tally.served,
        "s",
    ),
    "wait_s": Metric(
        "mean wait of all calls", lambda v: v.tally.wait_all_ms / SECOND_MS, lambda v: v.tally.arrivals, "s"
    ),
    "wait_p90_s": Metric(
        "wait that 90 % of answered calls of a run do not exceed", lambda v: _tail(v, 0.9), unit="s"
    ),
    "queue_length": Metric("mean number waiting", lambda v: v.tally.wait_all_ms / v.horizon_ms),
    "occupancy": Metric(
        "busy / (staffed, overtime included)", lambda v: v.times.busy_ms, lambda v: v.times.staffed_ms
    ),
    "occupancy_of_plan": Metric("busy / planned", lambda v: v.times.busy_ms, lambda v: v.times.planned_ms),
    "offers_unanswered_share": Metric(
        "offers that were not answered / offers", lambda v: v.times.unanswered, lambda v: v.times.offers
    ),
}


def view_of(
    scenario: Scenario, run: RunResult, queue: str = "", group: str = "", period: int | None = None
) -> View:
    """Return what a metric of this queue, group and period sees of a run."""
    from simulator.results import GroupTimes

    number = next((n for n, q in enumerate(scenario.queues) if q.name == queue), None) if queue else None
    times = GroupTimes()
    for one, found in zip(scenario.groups, run.groups, strict=True):
        if not group or one.name == group:
            times.busy_ms += found.busy_ms
            times.staffed_ms += found.staffed_ms
            times.planned_ms += found.planned_ms
            times.offers += found.offers
            times.unanswered += found.unanswered
    dates = [scenario.date(day) for day in range(scenario.days)]
    queues = scenario.queues if number is None else (scenario.queues[number],)
    expected = sum(q.arrivals.expected(date) for q in queues for date in dates)
    if number is None and scenario.expected_calls is not None:
        expected = scenario.expected_calls
    waits = [w for row in run.waits for w in row] if number is None else run.waits[number]
    return View(run.tally(number, period), times, expected, run.horizon_ms, waits)


def controls_of(scenario: Scenario, runs: Sequence[RunResult], queue: str = "") -> NDArray[np.float64]:
    """Return one row per run of quantities whose means are known: zero, all of them.

    The day factor and its square, and the number of first calls less its expectation, of all queues and of
    the one in question. With a warm-up the number of counted first calls is not known beforehand, so it is
    left out.
    """
    columns = []
    shape = scenario.day_shape
    if shape is not None:
        factors = np.array([run.day_factors for run in runs]) - 1.0
        columns += [factors.sum(axis=1), (factors**2 - 1.0 / shape).sum(axis=1)]
    if not scenario.warm_up_ms:
        came = np.array([run.tally().first_calls for run in runs], dtype=float)
        columns.append(came - scenario.expected_first_calls)
        if queue and len(scenario.queues) > 1:
            views = [view_of(scenario, run, queue) for run in runs]
            columns.append(np.array([view.tally.first_calls - view.expected for view in views]))
    return np.column_stack(columns) if columns else np.zeros((len(runs), 0))


def measure(
    scenario: Scenario,
    runs: Sequence[RunResult],
    metric: str,
    *,
    queue: str = "",
    group: str = "",
    period: int | None = None,
    controls: NDArray[np.float64] | None = None,
    level: float = LEVEL,
) -> Estimate:
    """Estimate one figure from runs with different seeds."""
    top, bottom = parts(scenario, runs, metric, queue=queue, group=group, period=period)
    return ratio(top, bottom, controls, level)


def parts(
    scenario: Scenario,
    runs: Sequence[RunResult],
    metric: str,
    *,
    queue: str = "",
    group: str = "",
    period: int | None = None,
) -> tuple[list[float], list[float]]:
    """Return numerators and denominators of a figure, run by run."""
    formula = METRICS[metric]
    views = [view_of(scenario, run, queue, group, period) for run in runs]
    top = [float(formula.top(view)) for view in views]
    bottom = [1.0 if formula.bottom is None else float(formula.bottom(view)) for view in views]
    return top, bottom


def compare(scenario: Scenario, runs: Sequence[RunResult], item: Expectation) -> tuple[Estimate, float]:
    """Return our estimate of a published value, and z: the difference over the combined standard error."""
    ours = measure(
        scenario,
        runs,
        item.metric,
        queue=item.queue,
        group=item.group,
        period=item.period,
        controls=controls_of(scenario, runs, item.queue),
    )
    theirs = Estimate(item.value, item.half_width, item.level)
    error = float(np.hypot(ours.standard_error, theirs.standard_error))
    return ours, (ours.value - item.value) / error if error else 0.0
