"""The two outer bounds as rows of `bin/simulate`: no policy passes them on the same calls."""

from __future__ import annotations

import dataclasses
import json

import pytest

from simulator.__main__ import main
from simulator.bounds import CLAIRVOYANT, POOLED, NoBoundError, clairvoyant, pooled
from simulator.distributions import Exponential
from simulator.experiment import run_experiment
from simulator.scenario import Arrivals, Group, Queue, Retry, Scenario, Shift, single_pool

MINUTE = 60_000.0


def narrow(agents: int = 2) -> Scenario:
    """Two queues with a group each, and one group slower for both."""
    queues = tuple(
        Queue(
            name,
            "firm",
            Arrivals(0, 3_600_000, (30.0, 30.0)),
            Exponential(2 * MINUTE),
            patience=Exponential(MINUTE),
            needs=((name, 1),),
        )
        for name in ("a", "b")
    )
    groups = (
        Group("only-a", agents, (("a", 3),)),
        Group("only-b", agents, (("b", 3),)),
        Group("both", 1, (("a", 1), ("b", 1)), talk_factor=1.5),
    )
    return Scenario("narrow", queues, groups)


@pytest.mark.slow
def test_no_policy_passes_the_bounds_and_the_bounds_are_not_trivial():
    found = run_experiment(
        narrow(1), ("recommended", "fifo", "leastrecent", POOLED, CLAIRVOYANT), range(1, 5)
    )
    assert found.policies == ("recommended", "fifo", "leastrecent", POOLED)
    bound = found.clairvoyant_bound
    assert bound is not None
    top = found.estimate(POOLED, "sl_of_offered").value
    for policy in ("recommended", "fifo", "leastrecent"):
        reached = found.estimate(policy, "sl_of_offered").value
        assert reached <= bound.value
        assert reached <= top
    assert bound.value < 0.995, "so few agents cannot answer everybody, whatever they know"


def test_the_pooled_bound_serves_with_everybody_at_the_best_speed():
    kinder = pooled(narrow())
    assert all(dict(group.skills) == {"a": 3, "b": 3} for group in kinder.groups)
    assert {group.talk_factor for group in kinder.groups} == {1.0}
    assert [group.count for group in kinder.groups] == [2, 2, 1]


def test_a_clairvoyant_with_nobody_at_work_answers_nobody():
    """Only the hours in which somebody is on duty count."""
    scenario = narrow()
    nobody = tuple(
        dataclasses.replace(g, shifts=(Shift(20 * 3_600_000, 21 * 3_600_000),)) for g in scenario.groups
    )
    hits, calls = clairvoyant(dataclasses.replace(scenario, groups=nobody), 1)
    assert (hits, calls > 50) == (0.0, True)
    hits, _ = clairvoyant(scenario, 1)
    assert hits > 0.5 * calls


def test_with_agents_for_everybody_every_call_is_on_time():
    hits, calls = clairvoyant(single_pool(per_hour=30, agents=60, talk_s=60, hours=2), 1)
    assert hits == pytest.approx(calls)


def test_what_the_bounds_do_not_cover_is_said():
    scenario = narrow()
    again = dataclasses.replace(scenario.queues[0], retry=Retry(0.5, Exponential(MINUTE)))
    with pytest.raises(NoBoundError, match="a has retry"):
        clairvoyant(dataclasses.replace(scenario, queues=(again,)), 1)
    by_group = dataclasses.replace(scenario.queues[0], talk_by_group=(("both", Exponential(MINUTE)),))
    with pytest.raises(NoBoundError, match="talk_by_group"):
        pooled(dataclasses.replace(scenario, queues=(by_group,)))
    with pytest.raises(ValueError, match="name a policy too"):
        run_experiment(scenario, (CLAIRVOYANT,), (1, 2))


@pytest.mark.slow
def test_the_command_shows_them_as_rows(tmp_path, capsys):
    target = tmp_path / "out.json"
    words = ["secretarial-pool", "--days", "1", "--seeds", "2", "--json", str(target)]
    assert main([*words, "--policies", f"fifo,{POOLED},{CLAIRVOYANT}"]) == 0
    shown = capsys.readouterr()
    data = json.loads(target.read_text(encoding="utf-8"))
    assert list(data["policies"]) == ["fifo", POOLED]
    bound = data["bounds"][CLAIRVOYANT]["sl_of_offered"]["value"]
    assert data["policies"]["fifo"]["all"]["sl_of_offered"]["value"] <= bound
    assert "clairvoyant" in shown.out
    assert main(["bank", "--policies", CLAIRVOYANT]) == 2
    assert "name a policy too" in capsys.readouterr().err


def test_a_scenario_that_names_nothing_but_the_bound_is_told_so(tmp_path, capsys):
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: x\npolicies: [clairvoyant]\nqueues:\n  - {name: a, arrivals: {per_hour: 10}, talk: 60}\n"
        "agents:\n  - {name: home, count: 2}\n",
        encoding="utf-8",
    )
    assert main([str(path), "--seeds", "2"]) == 2
    assert "name a policy too" in capsys.readouterr().err
