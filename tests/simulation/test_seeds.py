"""Twenty seeds of awkward centres with every checker on after every step; a failure names the seed to repeat."""

import dataclasses
from pathlib import Path

import pytest

from acd.core.instant import HOUR_MS, MINUTE_MS
from simulator.checkers import Checkers
from simulator.distributions import Exponential, Fixed, Lognormal, Uniform
from simulator.scenario import (
    Arrivals,
    Break,
    Callback,
    Group,
    Queue,
    Retry,
    Scenario,
    Shift,
    Staff,
    Transfer,
)
from simulator.scenario_file import load
from simulator.world import World

SCENARIOS = Path(__file__).parents[2] / "simulator" / "scenarios"
SKILLS = "abc"


def awkward() -> Scenario:
    """Return a small centre in which everything happens: overload, refusals, breaks, retries, transfers."""
    queues = tuple(
        Queue(
            name=skill,
            subscriber=skill,
            arrivals=Arrivals(8 * HOUR_MS, HOUR_MS, (45.0, 30.0, 60.0)),
            talk=Lognormal.of_mean(150_000, 1.0),
            patience=Exponential(200_000),
            wrap_up=Exponential(50_000),
            needs=((skill, 1),),
            retry=Retry(0.5, Fixed(300_000), same_patience=False, same_talk=False),
            callback=Callback(60_000, 0.4, Fixed(10_000)),
            transfers=(Transfer(SKILLS[(number + 1) % 3], 0.1),),
            max_waiting=6,
            max_wait_ms=4 * MINUTE_MS,
            wrap_up_limit_ms=MINUTE_MS,
        )
        for number, skill in enumerate(SKILLS)
    )
    groups = tuple(
        Group(
            name=f"team{skill}",
            count=2,
            skills=((skill, 3), (SKILLS[(number + 1) % 3], 2)),
            shifts=(Shift(8 * HOUR_MS, 11 * HOUR_MS),),
            breaks=(Break(9 * HOUR_MS, 15 * MINUTE_MS, 20 * MINUTE_MS),),
            ring=Uniform(1_000, 14_000),
            no_answer=0.05,
            refuse=0.03,
            back_after_ms=2 * MINUTE_MS,
        )
        for number, skill in enumerate(SKILLS)
    )
    temporary = Group(
        "temp",
        3,
        skills=tuple((s, 1) for s in SKILLS),
        staff=Staff(8 * HOUR_MS, HOUR_MS, (1, 3, 1), stays=True),
    )
    return Scenario("awkward", queues, (*groups, temporary), lines=18)


def check(scenario: Scenario, policy: str, seed: int) -> None:
    checkers = Checkers()
    world = World(scenario, policy, seed, watchers=(checkers,), keep_calls=True)
    world.run()
    checkers.finish(world)


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 20))]
)
def test_everything_holds_after_every_step(seed: int) -> None:
    check(awkward(), ("recommended", "fifo", "groups", "rrmemory")[seed % 4], seed)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_ready_scenario_is_sound(path: Path) -> None:
    scenario, _ = load(path)
    check(dataclasses.replace(scenario, days=1), scenario.policy, 7)
