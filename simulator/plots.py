"""Plots of an experiment: arrivals, waits, service level against promise, occupancy, staffing.

matplotlib is an optional dependency and slow to load, so it is imported here only, and only when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from acd.core.instant import HOUR_MS, MINUTE_MS, SECOND_MS
from simulator.report import Picture
from simulator.scenario import DAY_MS
from simulator.scenario_checks import on_duty

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from simulator.experiment import Experiment
    from simulator.results import CallRecord

BIN_MS = 15 * MINUTE_MS
BINS = DAY_MS // BIN_MS
SHOWN = 40
"""Subscribers in one plot; with more, the busiest."""


class PlotsMissingError(Exception):
    """matplotlib is not installed."""


def draw_all(experiment: Experiment, folder: Path) -> list[Picture]:
    """Draw every plot of an experiment whose runs kept their calls.

    Raises:
        PlotsMissingError: matplotlib is not installed.
        OSError: the folder cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise PlotsMissingError("plots need matplotlib: install the extra 'reports'") from None
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    drawings: tuple[tuple[str, str, Callable[[Experiment, Any], None]], ...] = (
        ("arrivals", "Arrivals by time of day", _arrivals),
        ("waits", "Waits of answered calls by subscriber", _waits),
        ("service-level", "Service level against the promise", _service_level),
        ("occupancy", "Occupancy by time of day", _occupancy),
        ("staffing", "Agents planned and busy by time of day", _staffing),
    )
    for name, caption, draw in drawings:
        figure = Figure(figsize=(10, 4.5), layout="constrained")
        axes = figure.subplots()
        axes.set_title(caption)
        draw(experiment, axes)
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=110)
        made.append(Picture(path, caption))
    return made


def _hours() -> NDArray[np.float64]:
    return np.arange(BINS, dtype=np.float64) * (BIN_MS / HOUR_MS)


def _time_axis(axes: Any) -> None:
    axes.set_xlabel("hour of day")
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 2))
    axes.grid(alpha=0.3)


def _calls(experiment: Experiment, policy: str) -> list[CallRecord]:
    return [call for run in experiment.runs[policy] for call in run.calls]


def _days(experiment: Experiment) -> int:
    return experiment.scenario.days * len(experiment.seeds)


def _arrivals(experiment: Experiment, axes: Any) -> None:
    came = [call.entered_at % DAY_MS // BIN_MS for call in _calls(experiment, experiment.policies[0])]
    per_hour = np.bincount(came, minlength=BINS) / _days(experiment) * HOUR_MS / BIN_MS
    axes.step(_hours(), per_hour, where="post", label="simulated")
    scenario = experiment.scenario
    dates = [scenario.date(day) for day in range(scenario.days)]
    expected = np.zeros(BINS)
    for queue in scenario.queues:
        factor = sum(queue.arrivals.factor(date) for date in dates) / len(dates)
        expected += [queue.arrivals.rate_at(int(step * BIN_MS)) * factor for step in range(BINS)]
    axes.step(_hours(), expected, where="post", linestyle="--", label="expected first calls")
    axes.set_ylabel("calls per hour")
    axes.legend()
    _time_axis(axes)


def _waits(experiment: Experiment, axes: Any) -> None:
    policy = experiment.policies[0]
    by_subscriber: dict[str, list[float]] = {}
    for call in _calls(experiment, policy):
        if call.outcome == "served":
            name = experiment.scenario.queues[call.queue].subscriber
            by_subscriber.setdefault(name, []).append(call.wait_ms / SECOND_MS)
    busiest = sorted(by_subscriber, key=lambda name: -len(by_subscriber[name]))[:SHOWN]
    place = np.arange(len(busiest))
    for share, width in ((0.95, 0.8), (0.8, 0.6), (0.5, 0.4)):
        axes.bar(
            place, [np.quantile(by_subscriber[name], share) for name in busiest], width, label=f"{share:.0%}"
        )
    axes.set_xticks(place, busiest, rotation=60, ha="right", fontsize=8)
    axes.set_ylabel("wait, s")
    axes.legend(title=f"not exceeded by, {policy}")


def _service_level(experiment: Experiment, axes: Any) -> None:
    scenario = experiment.scenario
    queues = sorted(scenario.queues, key=lambda q: -sum(q.arrivals.per_hour))[:SHOWN]
    place = np.arange(len(queues))
    for number, policy in enumerate(experiment.policies):
        found = [experiment.estimate(policy, scenario.service_level, queue=queue.name) for queue in queues]
        shift = (number - (len(experiment.policies) - 1) / 2) * 0.12
        axes.errorbar(
            place + shift,
            [100 * one.value for one in found],
            yerr=[100 * min(one.half_width, 1.0) for one in found],
            fmt="o",
            capsize=3,
            label=policy,
        )
    axes.scatter(
        place, [100 * queue.share for queue in queues], marker="_", s=400, color="black", label="promise"
    )
    axes.set_xticks(place, [queue.name for queue in queues], rotation=60, ha="right", fontsize=8)
    axes.set_ylabel(f"{scenario.service_level}, %")
    axes.grid(alpha=0.3)
    axes.legend()


def _busy(experiment: Experiment, policy: str) -> NDArray[np.float64]:
    """Return the mean number of agents talking or wrapping up, by quarter of an hour of the day."""
    served = (call for call in _calls(experiment, policy) if call.outcome == "served")
    edges = [(call.left_at - call.talk_ms, call.left_at + call.wrap_ms) for call in served]
    busy = np.zeros(BINS)
    for start, end in edges:
        step = start // BIN_MS
        while step * BIN_MS < end:
            inside = min(end, (step + 1) * BIN_MS) - max(start, step * BIN_MS)
            busy[step % BINS] += inside
            step += 1
    return busy / BIN_MS / _days(experiment)


def _planned(experiment: Experiment) -> NDArray[np.float64]:
    scenario = experiment.scenario
    heads = np.zeros(BINS)
    for day in range(scenario.days):
        weekday = scenario.date(day).weekday()
        for group in scenario.groups:
            heads += [on_duty(group, int(step * BIN_MS), weekday) for step in range(BINS)]
    return heads / scenario.days


def _occupancy(experiment: Experiment, axes: Any) -> None:
    planned = _planned(experiment)
    for policy in experiment.policies:
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(planned > 0, 100 * _busy(experiment, policy) / planned, np.nan)
        axes.step(_hours(), share, where="post", label=policy)
    axes.set_ylabel("talk and wrap-up / planned, %")
    axes.legend()
    _time_axis(axes)


def _staffing(experiment: Experiment, axes: Any) -> None:
    axes.step(_hours(), _planned(experiment), where="post", label="planned", color="black")
    for policy in experiment.policies:
        axes.step(_hours(), _busy(experiment, policy), where="post", label=f"busy, {policy}")
    axes.set_ylabel("agents")
    axes.legend()
    _time_axis(axes)
