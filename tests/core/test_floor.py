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
    assert set(t.floor.lines) == {"desk", "fresh"}
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


def test_leaving_the_line_forgets_what_runs_only_while_waiting():
    t = Telling("anna")
    t.queued(0)
    t.tell(0, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.NO_ANSWER))
    t.tell(1, ev.CallLeftToFallback("c1", "x"))
    assert len(t.floor.deadlines) == 0
    t.queued(2, "c2")
    t.wake(600_002)
    assert len(t.floor.by_effect) == 1
    t.tell(600_003, ev.CallEnded("c2"))
    assert not t.floor.by_effect


def test_a_stay_is_counted_once_and_recounted_only_if_counted():
    t = Telling("anna")
    t.tell(0, ev.CallEntered("c1", "1", "2", at=0))
    t.tell(5, ev.CallEnded("c1"), ev.CallAnswered("c1", "anna", 1, at=3))
    assert t.queue().answered == 0
    t.talking(6, "c2")
    t.tell(7, ev.TalkEnded("c2", "anna", 1, ev.EndedBy.AGENT, caller_stays=True))
    t.tell(8, ev.CallEnded("c2"))
    assert (t.queue().answered, t.queue().abandoned) == (1, 0)
    t.queued(9, "c3", at=9)
    t.tell(20, ev.CallEnded("c3", at=20), ev.CallAnswered("c3", "anna", 1, at=15))
    assert (t.queue().answered, t.queue().abandoned, t.queue().sum_wait_answered_ms) == (2, 0, 6)


def test_a_guest_and_an_agent_in_an_own_call_settle():
    t = Telling("anna")
    t.tell(1, ev.OwnCallStarted("anna"))
    assert t.agent() == "busy_elsewhere"
    t.queued(2)
    t.tell(3, ev.OfferConfirmed("c1", "stranger", 1))
    t.tell(4, ev.OfferEnded("c1", "stranger", 1, ev.OfferOutcome.NO_ANSWER))
    assert "stranger" not in t.floor.agents


WITHOUT_DESK = Policy(queues=(QueuePolicy("law", "firm"),), agents=POLICY.agents)


def queues(t: Telling) -> list[str]:
    return [q.queue for q in t.engine.snapshot(0).queues]


def test_a_removed_queue_without_calls_is_gone_at_once():
    t = Telling("anna")
    t.tell(1, ev.PolicyChanged(WITHOUT_DESK))
    assert queues(t) == ["law"]


def test_a_removed_queue_goes_with_its_last_call_and_wrap_up():
    t = Telling("anna")
    t.talking(0)
    t.queued(1, "c2")
    t.tell(2, ev.PolicyChanged(WITHOUT_DESK))
    assert t.state("c2") == "waiting"
    t.tell(3, ev.CallEnded("c2"))
    assert queues(t) == ["desk", "law"]
    t.tell(4, ev.CallEnded("c1"))
    assert (queues(t), t.agent()) == (["desk", "law"], "wrap_up")
    t.tell(5, ev.WrapUpDone("anna"))
    assert queues(t) == ["law"]
    assert t.counter("unknown_queues") == 0


def test_late_news_of_a_removed_queue_correct_the_card_and_no_figures_even_if_it_is_back():
    t = Telling("anna")
    t.queued(0)
    t.tell(1, ev.LinkLost(), ev.WorldSynced())
    t.tell(2, ev.PolicyChanged(WITHOUT_DESK))
    t.tell(3, ev.CallEnded("c1", at=1))
    t.tell(4, ev.PolicyChanged(POLICY), ev.CallAnswered("c1", "anna", 1, at=1))
    assert t.cards()[-1].end_reason.value == "handled"
    assert (t.queue().offered, t.queue().answered) == (0, 0)


def test_a_removed_queue_that_returns_before_its_last_call_left_keeps_its_line():
    t = Telling()
    t.queued(0)
    t.tell(1, ev.PolicyChanged(WITHOUT_DESK), ev.PolicyChanged(POLICY), ev.CallEnded("c1"))
    assert (t.queue().offered, t.queue().abandoned) == (1, 1)
