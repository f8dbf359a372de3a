"""Published models, reproduced: each is an ordinary scenario file with an `expect:` list.

A published value and ours are both uncertain; z is their difference over the combined standard error.
Agreement: every z within 3, and at least 95 % of them within 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.experiment import run_experiment
from simulator.metrics import compare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.intervals import Estimate
    from simulator.scenario import Expectation, Scenario

Z_EACH = 3.0
Z_MOST = 2.0
SHARE_MOST = 0.95


@dataclass(frozen=True, slots=True)
class Agreement:
    """One published value beside ours."""

    item: Expectation
    ours: Estimate
    z: float


def reproduce(
    scenario: Scenario,
    runs: int,
    *,
    first_seed: int = 1,
    jobs: int = 1,
    progress: Callable[[], None] | None = None,
) -> list[Agreement]:
    """Run a published scenario and compare every value it states."""
    seeds = range(first_seed, first_seed + runs)
    experiment = run_experiment(scenario, [scenario.policy], seeds, jobs=jobs, progress=progress)
    done = experiment.runs[scenario.policy]
    return [Agreement(item, *compare(scenario, done, item)) for item in scenario.expect]


def agrees(found: Sequence[Agreement]) -> bool:
    """Return whether our values are those published, within chance.

    With fewer than 20 values, one between 2 and 3 is within chance and passes.
    """
    if not found or any(abs(one.z) > Z_EACH for one in found):
        return False
    beyond = sum(abs(one.z) > Z_MOST for one in found)
    return beyond <= max(1, (1 - SHARE_MOST) * len(found))
