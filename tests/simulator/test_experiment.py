"""Experiments know only paired seeds."""

import pytest

from simulator.experiment import run_experiment
from simulator.intervals import Estimate
from simulator.published import Agreement, agrees, reproduce
from simulator.scenario import Expectation, single_pool

POOL = single_pool(per_hour=120, agents=5, talk_s=120, patience_s=60, hours=2)


def test_policies_meet_the_same_callers_and_differences_are_paired() -> None:
    ticks: list[int] = []
    found = run_experiment(POOL, ["fifo", "random"], [1, 2, 3], progress=lambda: ticks.append(1))
    assert len(ticks) == 6
    first, second = (found.runs[name] for name in found.policies)
    assert [r.tally().first_calls for r in first] == [r.tally().first_calls for r in second]
    gain = found.gain("random", "sl_of_offered")
    assert gain.value == pytest.approx(
        sum(r.tally().in_target for r in second) / sum(r.tally().offered for r in second)
        - sum(r.tally().in_target for r in first) / sum(r.tally().offered for r in first)
    )
    assert gain.half_width < found.estimate("fifo", "sl_of_offered").half_width


def test_the_headlines_begin_with_the_scenarios_own_service_level() -> None:
    found = run_experiment(POOL, ["fifo"], [1, 2])
    assert found.headlines[0] == "sl_of_offered"
    assert len(set(found.headlines)) == len(found.headlines)


@pytest.mark.slow
def test_other_processes_give_the_same_runs() -> None:
    alone = run_experiment(POOL, ["fifo"], [1, 2])
    helped = run_experiment(POOL, ["fifo"], [1, 2], jobs=2)
    assert [r.waits for r in alone.runs["fifo"]] == [r.waits for r in helped.runs["fifo"]]


@pytest.mark.parametrize("seeds", [[], [1], [1, 1]])
def test_one_run_proves_nothing_and_is_refused(seeds: list[int]) -> None:
    with pytest.raises(ValueError, match="at least two different seeds"):
        run_experiment(POOL, ["fifo"], seeds)


def test_a_policy_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        run_experiment(POOL, ["fifo", "fifo"], [1, 2])


def agreement(*scores: float) -> list[Agreement]:
    return [Agreement(Expectation("served", 1.0), Estimate(1.0, 1.0), z) for z in scores]


def test_agreement_is_every_value_within_three_and_most_within_two() -> None:
    assert agrees(agreement(0.1, -1.9, 2.5))
    assert not agrees(agreement(0.1, 3.1))
    assert not agrees(agreement(0.1, 2.1, -2.2))
    assert agrees(agreement(*[0.0] * 38, 2.1, 2.2))
    assert not agrees(agreement(*[0.0] * 37, 2.1, 2.2, 2.3))
    assert not agrees([])


def test_a_published_value_that_is_wrong_is_noticed() -> None:
    import dataclasses

    wrong = dataclasses.replace(POOL, expect=(Expectation("occupancy", 0.5, 0.01),))
    assert not agrees(reproduce(wrong, 8))
