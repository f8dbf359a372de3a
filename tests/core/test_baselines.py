"""The rules of others choose as their names say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acd.core.baselines import RULES
from acd.core.ids import AgentId, CallId
from tests.core.routing_cases import agent, matcher, pairs, queue, waiting

# --- the rules of others ---------------------------------------------------------------------------

_FIRST = {
    "fifo": ("old", "idle"),
    "level_first": ("strict", "best"),
    "strict_tier": ("strict", "idle"),
    "delay_ratio": ("strict", "idle"),
    "earliest_deadline": ("strict", "idle"),
    "leastrecent": ("old", "best"),
    "fewestcalls": ("old", "best"),
    "rrmemory": ("old", "best"),
    "random": ("old", "best"),
    "linear": ("old", "best"),
    "ringall": ("old", "best"),
}


@pytest.mark.parametrize("rule", sorted(_FIRST))
def test_each_rule_of_others_chooses_as_its_name_says(rule):
    call, person = _FIRST[rule]
    queues = (queue("loose", 0.8, 60), queue("tight", 0.95, 15))
    m = matcher(queues, (agent("idle", loose=1, tight=1), agent("best", loose=2, tight=3)), policy=rule)
    m.add_call(waiting("old", "loose", 0, 0))
    m.add_call(waiting("strict", "tight", 2_000, 1))
    only = AgentId("best")
    m.add_agent(only, 9_000)
    assert pairs(m.assign(10_000))[0] == (call, "best")
    m.remove_call(CallId("old"))
    m.remove_call(CallId("strict"))
    m.add_agent(AgentId("best"), 20_000)
    m.add_agent(AgentId("idle"), 11_000)
    m.add_call(waiting("next", "tight", 20_000, 5))
    assert pairs(m.assign(20_000)) == [("next", person)]
    assert set(RULES) == {*_FIRST, "wrandom"}


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        (r, "heavy")
        for r in ("leastrecent", "fewestcalls", "rrmemory", "random", "linear", "ringall", "wrandom")
    ]
    + [("fifo", "light")],
)
def test_a_strategy_of_app_queue_serves_the_weightier_queue_first(rule, first):
    """Weights as app_queue has them, whole numbers; fifo knows none (003-18)."""
    queues = (queue("light"), replace(queue("heavy"), priority=2.0), replace(queue("hardly"), priority=1.2))
    m = matcher(queues, (agent("one", light=3, heavy=3, hardly=3),), policy=rule)
    m.add_call(waiting("light", "light", 0, 0))
    m.add_call(waiting("hardly", "hardly", 1_000, 1))
    m.add_call(waiting("heavy", "heavy", 2_000, 2))
    order = []
    for moment in (10_000, 20_000, 30_000):
        m.add_agent(AgentId("one"), moment)
        order += [call for call, _ in pairs(m.assign(moment))]
    assert order[0] == first
    assert order.index("light") < order.index("hardly"), "1.2 is no greater weight than 1"


def test_round_robin_remembers_where_it_was_and_fewest_calls_counts():
    for rule, expected in (("rrmemory", ["a", "b", "c", "a"]), ("fewestcalls", ["a", "b", "c", "a"])):
        m = matcher((queue("x"),), tuple(agent(n, x=3) for n in "abc"), policy=rule)
        for n in "abc":
            m.add_agent(AgentId(n), 0)
        got = []
        for i in range(4):
            m.add_call(waiting(f"c{i}", "x", i * 1000, i))
            (made,) = m.assign(i * 1000)
            got.append(made.agent)
            m.add_agent(made.agent, 0)
        assert got == expected


def test_weighted_random_prefers_low_penalties_but_not_always():
    m = matcher((queue("x"),), (agent("good", x=5), agent("weak", x=1)), policy="wrandom")
    got = []
    for i in range(200):
        for n in ("good", "weak"):
            m.add_agent(AgentId(n), 0)
        m.add_call(waiting(f"c{i}", "x", i, i))
        got.append(m.assign(i)[0].agent)
    assert 150 < got.count("good") < 200
