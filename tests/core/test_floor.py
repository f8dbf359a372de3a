"""The floor's small services."""

import pytest

from acd.core import events as ev
from acd.core import floor as floor_module
from acd.core.engine import Engine
from acd.core.errors import PolicyError
from acd.core.floor import happened
from acd.core.policy import AgentPolicy, Policy, QueuePolicy
from tests.core.telling import POLICY, Telling


def test_the_switch_says_when_unless_it_does_not_know_or_speaks_of_the_future():
    assert [happened(ev.LinkLost(at), 10) for at in (None, 5, 10, 11)] == [10, 5, 10, 10]


def test_an_id_that_stands_twice_is_refused():
    with pytest.raises(PolicyError, match="queue"):
        Engine(Policy(queues=(QueuePolicy("a", "x"), QueuePolicy("a", "x"))))
    with pytest.raises(PolicyError, match="agent"):
        Engine(Policy(agents=(AgentPolicy("a"), AgentPolicy("a"))))


def test_a_new_policy_changes_queues_and_agents_and_keeps_calls():
    t = Telling("anna", "boris")
    t.tell(0, ev.AgentPaused("boris", "tea"))
    t.queued(0, "c1")
    t.queued(1, "c2")
    new = Policy(
        queues=(QueuePolicy("desk", "firm", wrap_up_ms=0), QueuePolicy("fresh", "firm")),
        agents=(AgentPolicy("anna"), AgentPolicy("dora")),
    )
    wishes = t.tell(2, ev.PolicyChanged(new))
    assert [(w.agent, w.logged_in) for w in wishes] == [("boris", False)]
    assert set(t.floor.agents) == {"anna", "dora"}
    assert set(t.floor.lines) == {"desk", "law", "fresh"}
    assert t.floor.lines["desk"].policy.wrap_up_ms == 0
    t.tell(3, ev.AgentLoggedIn("dora"))
    assert t.state("c2") == "offering"


def test_an_agent_taken_out_and_put_back_stays():
    t = Telling("anna")
    t.talking(0)
    t.tell(1, ev.PolicyChanged(Policy(queues=POLICY.queues)))
    assert t.agent() == "talking"
    t.tell(2, ev.PolicyChanged(POLICY), ev.CallEnded("c1"))
    assert "anna" in t.floor.agents


def test_an_unknown_queue_gets_defaults_and_is_counted_once():
    t = Telling("anna")
    t.queued(0, queue="nowhere")
    t.queued(0, "c2", queue="nowhere")
    assert t.counter("unknown_queues") == 1
    assert t.state() == "offering"


def test_history_and_explanations_have_limits(monkeypatch):
    monkeypatch.setattr(floor_module, "HISTORY_LIMIT", 3)
    monkeypatch.setattr(floor_module, "EXPLANATION_LIMIT", 1)
    t = Telling("anna")
    t.queued(0)
    for n in range(1, 4):
        t.wake(2_000 * n)
    assert len(t.call().history) == 3
    assert len(t.call().explanation) == 1


def test_a_place_long_past_its_longest_wait_is_due_at_once_not_in_the_past():
    t = Telling()
    t.queued(5_000_000, entered_at=0)
    assert t.engine.next_deadline() == 5_000_000


def test_a_retired_agent_who_rested_leaves_nothing_behind():
    t = Telling("anna")
    t.queued(0)
    t.tell(
        1,
        ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.BUSY),
        ev.PolicyChanged(Policy(queues=POLICY.queues)),
    )
    assert not t.floor.agents
    assert t.floor.deadlines.due(("rest", "anna")) is None
