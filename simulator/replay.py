"""A recorded day once more, through another policy: what would it have looked like?

`bin/simulate replay --csv day.csv --scenario centre.yaml --policies fifo,recommended`. Arrivals, and the
talk times of answered calls, are the recorded ones. What the record cannot know is drawn, with a new seed
each time: how long an answered caller would have waited (given that he waited at least so long), and how
long those who gave up would have talked. The interval shows how much that matters.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from acd.config.strict_yaml import ConfigError
from acd.core.instant import SECOND_MS
from simulator.callers import Caller
from simulator.distributions import NEVER_MS, Fixed
from simulator.experiment import Experiment
from simulator.learn import add_sources, read_source, safe_name
from simulator.policies import runnable_policies
from simulator.report import write_figure
from simulator.scenario import DAY_MS, Periods
from simulator.scenario_file import load
from simulator.streams import Streams
from simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.distributions import Distribution
    from simulator.records import Recording, Stay
    from simulator.scenario import Scenario

TRIES = 64
"""Draws for a patience beyond the recorded wait, before the wait is simply extended by one draw."""


def patience_beyond(distribution: Distribution, waited_ms: float, rng: np.random.Generator) -> float:
    """Return a patience drawn under the condition that it exceeds `waited_ms`."""
    drawn = distribution.draw(rng, TRIES)
    beyond = drawn[drawn > waited_ms]
    return float(beyond[0]) if len(beyond) else min(waited_ms + float(drawn[0]), NEVER_MS)


def recorded_callers(recording: Recording, scenario: Scenario, seed: int) -> list[list[Caller]]:
    """Return the recorded callers by day, with what the record does not know drawn by `seed`.

    Raises:
        ValueError: the record speaks of a queue that the scenario does not have.
    """
    streams = Streams(seed)
    numbers = {queue.name: number for number, queue in enumerate(scenario.queues)}
    first = recording.stays[0].arrival.date()
    days: list[list[Caller]] = [[] for _ in range((recording.stays[-1].arrival.date() - first).days + 1)]
    for serial, stay in enumerate(recording.stays):
        number = numbers.get(safe_name(stay.queue, stay.queue))
        if number is None:
            raise ValueError(f"the scenario has no queue {stay.queue!r}; it has {', '.join(numbers)}")
        day = (stay.arrival.date() - first).days
        days[day].append(_caller(stay, serial, number, day, scenario, streams))
    return days


def _caller(stay: Stay, serial: int, number: int, day: int, scenario: Scenario, streams: Streams) -> Caller:
    queue = scenario.queues[number]
    rng = streams.vector("replay", serial)
    local = stay.arrival
    since = (local.hour * 3600 + local.minute * 60 + local.second) * SECOND_MS + local.microsecond // 1000
    waited = stay.wait_s * SECOND_MS
    patience = waited if stay.outcome == "abandoned" else patience_beyond(queue.patience, waited, rng)
    known = stay.outcome == "served" and stay.talk_s > 0
    talk = stay.talk_s * SECOND_MS if known else float(queue.talk.draw(rng, 1)[0])
    wrap = stay.wrap_s * SECOND_MS if stay.wrap_s > 0 else float(queue.wrap_up.draw(rng, 1)[0])
    return Caller(
        f"r{serial}",
        number,
        day * DAY_MS + since,
        scenario.periods.index(since),
        round(patience),
        round(talk),
        round(wrap),
    )


def replay(
    recording: Recording, scenario: Scenario, policies: Sequence[str], seeds: Sequence[int]
) -> Experiment:
    """Run the recorded days through each policy.

    Raises:
        ValueError: an empty record, one that does not fit the scenario, an unknown policy.
    """
    if not recording.stays:
        raise ValueError("the record is empty")
    unknown = sorted(set(policies) - set(runnable_policies()))
    if unknown:
        raise ValueError(f"there is no policy {unknown[0]!r}; known: {', '.join(runnable_policies())}")
    days = (recording.stays[-1].arrival.date() - recording.stays[0].arrival.date()).days + 1
    wraps = {safe_name(stay.queue, stay.queue) for stay in recording.stays if stay.wrap_s > 0}
    same = dataclasses.replace(
        scenario,
        days=days,
        first_day=recording.stays[0].arrival.date(),
        day_shape=None,
        warm_up_ms=0,
        periods=Periods(0, DAY_MS, 1),
        queues=tuple(
            dataclasses.replace(queue, wrap_up=Fixed(1.0))
            if queue.name in wraps and not queue.wrap_up.mean_ms
            else queue
            for queue in scenario.queues
        ),
    )
    runs = {}
    for policy in policies:
        runs[policy] = [
            World(same, policy, seed, callers=recorded_callers(recording, same, seed).__getitem__).run()
            for seed in seeds
        ]
    return Experiment(same, tuple(seeds), runs)


def main(argv: Sequence[str]) -> int:
    """Replay a record; 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="bin/simulate replay", description="A recorded day through another policy, or on other staff."
    )
    add_sources(parser)
    parser.add_argument(
        "--scenario", type=Path, required=True, help="agents, promises and what the record cannot know"
    )
    parser.add_argument("--policies", default="", help=f"comma-separated: {', '.join(runnable_policies())}")
    parser.add_argument("--seeds", type=int, default=10, help="how often the unknown is drawn")
    options = parser.parse_args(list(argv))
    try:
        scenario, _ = load(options.scenario)
        policies = (
            [p for p in options.policies.split(",") if p] or list(scenario.policies) or [scenario.policy]
        )
        recording = read_source(options)
        experiment = replay(recording, scenario, policies, range(1, max(2, options.seeds) + 1))
    except (ValueError, OSError, ConfigError) as error:
        print(f"simulate replay: {error}", file=sys.stderr)
        return 2
    for problem in recording.problems:
        print(f"not understood: {problem}", file=sys.stderr)
    _print(recording, experiment)
    return 0


def recorded_figures(recording: Recording, scenario: Scenario) -> tuple[float, float]:
    """Return (sl_of_offered, mean wait of answered calls in seconds) as they were recorded."""
    limits = {queue.name: queue.threshold_ms / SECOND_MS for queue in scenario.queues}
    served = [stay for stay in recording.stays if stay.outcome == "served"]
    good = sum(stay.wait_s <= limits.get(safe_name(stay.queue, stay.queue), 0.0) for stay in served)
    wait = sum(stay.wait_s for stay in served) / len(served) if served else 0.0
    return good / len(recording.stays), wait


def _print(recording: Recording, experiment: Experiment) -> None:
    names = ("sl_of_offered", "asa_s", "abandoned_share", "occupancy")
    table = Table(
        title=f"{len(recording.stays)} recorded calls, {len(experiment.seeds)} draws of what is unknown"
    )
    for name in ("policy", *names):
        table.add_column(name)
    good, wait = recorded_figures(recording, experiment.scenario)
    lost = sum(stay.outcome == "abandoned" for stay in recording.stays) / len(recording.stays)
    table.add_row("as recorded", f"{good:.1%}", f"{wait:.1f} s", f"{lost:.1%}", "not recorded")
    for policy in experiment.policies:
        table.add_row(policy, *(write_figure(name, experiment.estimate(policy, name)) for name in names))
    Console(width=None if sys.stdout.isatty() else 140).print(table)
