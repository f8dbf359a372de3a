"""Runs of a scenario with several policies on the same seeds, and what may be concluded from them.

Only paired seeds: every policy meets the same callers, so the difference between two policies is known far
better than either figure. The service level of a single day says nothing: at a load of 0.83 its standard
deviation is five to six points.
"""

from __future__ import annotations

from concurrent.futures import as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.bounds import CLAIRVOYANT, clairvoyant, simulated
from simulator.cores import on_cores
from simulator.intervals import LEVEL, Estimate, ratio, ratio_difference
from simulator.metrics import controls_of, measure, parts
from simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from simulator.results import RunResult
    from simulator.scenario import Scenario

HEADLINES = ("sl_of_offered", "asa_s", "wait_p90_s", "abandoned_share", "lost_share", "occupancy")
"""Figures shown for every policy, after the scenario's own service level."""


@dataclass(slots=True)
class Experiment:
    """All runs: one list per policy, in the order of the seeds."""

    scenario: Scenario
    seeds: tuple[int, ...]
    runs: dict[str, list[RunResult]]
    level: float = LEVEL
    clairvoyant: list[tuple[float, int]] = field(default_factory=list)
    """(most calls within the threshold, calls) per seed, if that bound was asked for."""

    @property
    def clairvoyant_bound(self) -> Estimate | None:
        """The largest sl_of_offered anybody could reach who knew all calls beforehand; None if not asked for."""
        if not self.clairvoyant:
            return None
        hits, calls = zip(*self.clairvoyant, strict=True)
        return ratio(hits, calls, level=self.level)

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies in the order in which they were asked for; the first is the base of comparison."""
        return tuple(self.runs)

    def estimate(
        self, policy: str, metric: str, *, queue: str = "", group: str = "", period: int | None = None
    ) -> Estimate:
        """Estimate a figure of one policy."""
        runs = self.runs[policy]
        controls = controls_of(self.scenario, runs, queue)
        return measure(
            self.scenario,
            runs,
            metric,
            queue=queue,
            group=group,
            period=period,
            controls=controls,
            level=self.level,
        )

    def gain(self, policy: str, metric: str, *, queue: str = "", group: str = "", base: str = "") -> Estimate:
        """Estimate by how much a policy's figure exceeds the base's, on the same seeds."""
        first, second = (
            parts(self.scenario, self.runs[name], metric, queue=queue, group=group)
            for name in (base or self.policies[0], policy)
        )
        return ratio_difference(first, second, self.level)

    @property
    def headlines(self) -> tuple[str, ...]:
        """The figures to show, the scenario's service level first."""
        own = self.scenario.service_level
        return (own, *(name for name in HEADLINES if name != own))


def run_one(scenario: Scenario, policy: str, seed: int, *, keep_calls: bool = False) -> RunResult:
    """Run once. A module-level function, so that other processes can be asked to do it."""
    return World(scenario, policy, seed, keep_calls=keep_calls).run()


def run_experiment(
    scenario: Scenario,
    policies: Sequence[str],
    seeds: Iterable[int],
    *,
    jobs: int = 1,
    keep_calls: bool = False,
    progress: Callable[[], None] | None = None,
) -> Experiment:
    """Run every policy with every seed.

    Args:
        scenario: the centre.
        policies: names; the first is what the others are compared with.
        seeds: the same for all.
        jobs: processes to use.
        keep_calls: keep one record per call, for plots.
        progress: called after each run.

    Raises:
        ValueError: with fewer than two seeds (no interval could be given), for a policy named twice, for a bound the
            scenario has none of.
    """
    numbers = tuple(seeds)
    if len(numbers) < 2 or len(set(numbers)) < len(numbers):
        raise ValueError("an experiment needs at least two different seeds: one run proves nothing")
    if len(set(policies)) < len(policies):
        raise ValueError("a policy stands twice in the list")
    asked, policies = CLAIRVOYANT in policies, simulated(policies)
    known = [clairvoyant(scenario, seed) for seed in numbers] if asked else []
    tasks = [(policy, seed) for seed in numbers for policy in policies]
    found: dict[tuple[str, int], RunResult] = {}
    if jobs <= 1:
        for policy, seed in tasks:
            found[policy, seed] = run_one(scenario, policy, seed, keep_calls=keep_calls)
            if progress is not None:
                progress()
    else:
        with on_cores(jobs) as pool:
            waiting = {
                pool.submit(run_one, scenario, policy, seed, keep_calls=keep_calls): (policy, seed)
                for policy, seed in tasks
            }
            for done in as_completed(waiting):
                found[waiting[done]] = done.result()
                if progress is not None:
                    progress()
    runs = {policy: [found[policy, seed] for seed in numbers] for policy in policies}
    return Experiment(scenario, numbers, runs, clairvoyant=known)
