"""The configuration written for a scenario is one the daemon accepts, and copies never mix."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.config import loading as config
from simulator.__main__ import find_scenario
from simulator.centre.config import CentreSpec
from simulator.load.appqueue import _queue, wrap_up_s
from simulator.load.centre import MOST_COPIES, Centre, ani, needs_of, skills_of, write_centre
from simulator.load.compress import choose_stretch, compress
from simulator.scenario import can_serve
from simulator.scenario_file import load


def centre(name: str, copies: int = 2, scale: float = 20.0) -> Centre:
    scenario, _ = load(find_scenario(name))
    short, _ = compress(scenario, choose_stretch(scenario, minutes=2, scale=scale))
    return Centre(short, tuple(range(1, copies + 1)))


@pytest.mark.parametrize("name", ["bank", "bars-directions", "back-office-peak", "secretarial-pool"])
def test_the_daemon_accepts_every_ready_scenario(name: str, tmp_path: Path):
    made = centre(name)
    loaded = config.load(write_centre(CentreSpec(tmp_path), made))
    assert len(loaded.policy.queues) == 2 * len(made.scenario.queues)
    assert {str(agent.id) for agent in loaded.policy.agents} == set(made.devices)
    first = loaded.policy.queues[0]
    assert first.promise.share == made.scenario.queues[0].share
    assert first.promise.threshold_ms == made.scenario.queues[0].threshold_ms
    assert loaded.policy.weights.policy == "recommended"
    assert loaded.policy.weights.patience_ms == 6_000


@pytest.mark.parametrize("name", ["bank", "bars-directions", "secretarial-pool"])
def test_who_may_take_a_call_is_as_in_the_scenario_and_never_of_another_copy(name: str):
    made = centre(name)
    for number, queue in enumerate(made.scenario.queues):
        needs = needs_of(made.scenario, 0, number)
        for group in made.scenario.groups:
            for copy in (0, 1):
                held = skills_of(made.scenario, copy, group)
                able = all(held.get(skill, 0) >= level for skill, level in needs)
                assert able == (copy == 0 and can_serve(group, queue)), (queue.name, group.name, copy)


def test_every_call_has_a_number_of_its_own_that_tells_the_copy():
    numbers = {ani(copy, tries, serial) for copy in (0, 7) for tries in (0, 1) for serial in (0, 99)}
    assert len(numbers) == 8
    assert ani(7, 1, 99)[3:5] == "07"
    with pytest.raises(ValueError, match="no number left"):
        ani(0, 0, 100_000)


def test_too_many_or_doubled_seeds_are_refused():
    scenario = centre("bank").scenario
    for seeds in ((), (1, 1), tuple(range(MOST_COPIES + 1))):
        with pytest.raises(ValueError, match="different seeds"):
            Centre(scenario, seeds)


def test_app_queue_gets_the_same_agents_with_levels_as_penalties():
    made = centre("back-office-peak", copies=1)
    text = _queue(made, 0, 0, "bench0x0", "leastrecent")
    members = [line for line in text if line.startswith("member")]
    assert len(members) == 10
    assert [line.split(",")[1] for line in members] == ["0"] * 6 + ["1"] * 4
    assert all(line.endswith(",yes") for line in members), "everybody starts paused"
    assert f"wrapuptime = {wrap_up_s(made, 0)}" in text
    assert "ringinuse = no" in text
