"""What the matcher knows, over changes of policy, unknown names and questions."""

from __future__ import annotations

import pytest

from acd.core.ids import AgentId, CallId, QueueId
from acd.core.policy import Policy
from tests.core.routing_cases import agent, matcher, pairs, queue, waiting

# --- bookkeeping -----------------------------------------------------------------------------------


def test_position_counts_all_lines_of_the_queue():
    m = matcher((queue("x"),), ())
    m.add_call(waiting("a", "x", 0, 1))
    m.add_call(waiting("b", "x", 0, 2, priority=2.0))
    m.add_call(waiting("c", "x", 0, 3))
    assert [m.position(CallId(c)) for c in ("a", "b", "c", "nobody")] == [1, 2, 3, 0]
    m.remove_call(CallId("a"))
    assert m.position(CallId("c")) == 2


def test_unknown_ids_are_harmless():
    m = matcher((queue("x"),), (agent("a", x=3),))
    m.remove_call(CallId("ghost"))
    m.remove_agent(AgentId("ghost"))
    m.add_agent(AgentId("ghost"), 0)
    m.record_outcome(QueueId("ghost"), 10, answered=True)
    m.record_talk(QueueId("ghost"), AgentId("ghost"), 10)
    assert m.assign(0) == ()
    assert m.explain(CallId("ghost"), 0) == ()
    assert m.expected_wait_ms(QueueId("ghost"), 1) is None


def test_a_call_for_a_queue_without_a_policy_still_finds_an_agent():
    m = matcher((queue("x"),), (agent("a", x=3),))
    m.add_agent(AgentId("a"), 0)
    m.add_call(waiting("c", "new"))
    assert pairs(m.assign(0)) == [("c", "a")]


def test_a_reload_keeps_waiting_calls_ready_and_busy_agents():
    m = matcher((queue("x"), queue("gone")), (agent("a", x=3), agent("b", x=3)))
    m.add_agent(AgentId("a"), 0)
    m.add_call(waiting("c0", "x", 0, 0))
    m.assign(0)
    m.add_call(waiting("c1", "x", 10, 1))
    m.add_call(waiting("c2", "gone", 10, 2))
    m.set_policy(Policy((queue("x"),), (agent("a", x=3), agent("b", x=3))))
    assert m.waiting == 2
    assert m.position(CallId("c2")) == 1
    m.add_agent(AgentId("b"), 20)
    assert pairs(m.assign(20)) == [("c1", "b")]
    m.add_agent(AgentId("a"), 30)
    assert m.assign(30) == ()


def test_an_unknown_routing_policy_is_refused_with_the_known_names():
    with pytest.raises(ValueError, match="level_first"):
        matcher((queue("x"),), (), policy="best_effort")


def test_explain_names_every_agent_and_the_reason():
    """001-21: why it waited, agent by agent."""
    m = matcher((queue("x"), queue("y")), (agent("off", x=3), agent("lacks", y=3), agent("talks", x=2)))
    m.add_agent(AgentId("talks"), 0)
    m.add_call(waiting("c0", "x", 0, 0))
    m.assign(0)
    m.add_call(waiting("c1", "x", 1_000, 1))
    m.assign(1_000)
    head, *rest = m.explain(CallId("c1"), 5_000)
    assert head.startswith("place 1 in x, waited 4000 ms of 20000 ms")
    assert rest == [
        "waited 4.0 s with nobody ready who may take it",
        "off: not ready, level 3",
        "lacks: lacks a required skill or level",
        "talks: busy with a call, level 2",
    ]


def test_expected_wait_is_zero_with_a_ready_agent_and_grows_with_the_place():
    m = matcher((queue("x"),), (agent("a", x=3),))
    m.add_agent(AgentId("a"), 0)
    assert m.expected_wait_ms(QueueId("x"), 1) == 0
    m.add_call(waiting("c", "x"))
    m.assign(0)
    first, second = m.expected_wait_ms(QueueId("x"), 1), m.expected_wait_ms(QueueId("x"), 2)
    assert first is not None
    assert second is not None
    assert second == pytest.approx(2 * first, abs=2)
    assert first > 0


def test_demand_is_priced_under_every_rule():
    """Rules that look at no prices keep none; who asks for the demand gets it all the same."""
    prices = []
    for rule in ("recommended", "fifo"):
        m = matcher((queue("x"),), (agent("a", x=3),), policy=rule)
        m.add_agent(AgentId("a"), 0)
        prices.append(m.demand(AgentId("a")).price)
    assert prices[0] == prices[1] > 0
