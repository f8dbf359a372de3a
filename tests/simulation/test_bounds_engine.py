"""The production engine with the production score on virtual days, every checker looking on."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.checkers import Checkers
from simulator.policies import known_policies
from simulator.scenario_file import load
from simulator.world import World

pytestmark = pytest.mark.slow
SCENARIO = Path(__file__).parents[2] / "simulator" / "scenarios" / "published" / "simple-msk.yaml"


@pytest.mark.parametrize("rule", ["recommended", "wrandom"])
def test_a_day_of_two_groups_and_three_queues_breaks_no_invariant(rule):
    """Nobody is offered a call without the skill, nobody idles beside a caller without a deadline."""
    scenario, problems = load(SCENARIO)
    assert not problems
    checkers = Checkers()
    World(scenario, rule, seed=5, watchers=(checkers,)).run()
    assert checkers.steps > 10_000


def test_every_rule_can_be_named_in_a_scenario():
    assert {"recommended", "level_first", "earliest_deadline", "leastrecent"} <= set(known_policies())
