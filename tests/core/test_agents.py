"""Facts about agents."""

import pytest

from acd.core import effects as ef
from acd.core import events as ev
from acd.core.policy import Policy
from tests.core.telling import POLICY, Telling


@pytest.mark.parametrize(
    "fact",
    [
        ev.AgentLoggedIn("nobody"),
        ev.AgentLoggedOut("nobody"),
        ev.AgentPaused("nobody", "tea"),
        ev.AgentResumed("nobody"),
        ev.WrapUpDone("nobody"),
        ev.WrapUpExtended("nobody", 5),
        ev.OwnCallStarted("nobody"),
        ev.OwnCallEnded("nobody"),
        ev.DeviceReachable("nobody"),
        ev.DeviceUnreachable("nobody"),
    ],
    ids=lambda f: type(f).__name__,
)
def test_a_fact_about_an_unknown_agent_is_counted(fact):
    t = Telling()
    assert t.tell(1, fact) == []
    assert t.counter("unknown_agents") == 1


def test_every_choice_is_remembered_once():
    t = Telling()
    assert t.tell(5, ev.AgentLoggedIn("anna", "PJSIP/7"))[0] == ef.KeepAgentStatus(
        1, "anna", True, "", "PJSIP/7", 5
    )
    assert t.tell(6, ev.AgentPaused("anna", "tea"))[0].paused_reason == "tea"
    assert t.tell(7, ev.AgentPaused("anna", "tea")) == []
    assert t.tell(8, ev.AgentPaused("anna", "lunch"))[0].since == 8
    assert t.tell(9, ev.AgentResumed("anna"))[0].paused_reason == ""
    assert t.tell(9, ev.AgentResumed("anna")) == []
    assert t.tell(10, ev.AgentLoggedOut("anna"))[0].logged_in is False
    assert t.tell(10, ev.AgentLoggedOut("anna")) == []


def test_pause_and_resume_need_a_login():
    t = Telling()
    t.tell(1, ev.AgentPaused("anna", "tea"), ev.AgentResumed("anna"))
    assert t.counter("illegal_agent_idle_paused_logged_out") == 1
    assert t.counter("illegal_agent_idle_resumed_logged_out") == 1


def test_one_removed_from_the_policy_cannot_log_in_while_still_talking():
    t = Telling("anna")
    t.talking(0)
    t.tell(1, ev.PolicyChanged(Policy(queues=POLICY.queues)))
    assert t.tell(2, ev.AgentLoggedIn("anna")) == []
    t.tell(3, ev.TalkEnded("c1", "anna", 1, ev.EndedBy.CALLER), ev.CallEnded("c1"))
    assert "anna" not in t.floor.agents
    assert t.cards()[0].agent == "anna"


def test_resuming_clears_the_count_of_missed_rings():
    t = Telling("boris")
    for n in (1, 2):
        t.queued(n, f"c{n}")
        t.tell(n, ev.OfferConfirmed(f"c{n}", "boris", 1))
        t.tell(n, ev.AgentPaused("boris", "tea"))
        t.tell(n, ev.OfferEnded(f"c{n}", "boris", 1, ev.OfferOutcome.NO_ANSWER))
        t.tell(n, ev.CallEnded(f"c{n}"), ev.AgentResumed("boris"))
    agent = t.floor.agents["boris"]
    assert (agent.rna, agent.rna_streak, agent.pause_reason) == (2, 0, "")


def test_rna_limit_zero_never_pauses():
    t = Telling("clara")
    t.queued(0)
    t.tell(0, ev.OfferConfirmed("c1", "clara", 1))
    t.tell(5, ev.OfferEnded("c1", "clara", 1, ev.OfferOutcome.NO_ANSWER))
    assert t.floor.agents["clara"].status.value == "available"


def test_wrap_up_done_without_one_and_twice():
    t = Telling("anna")
    t.tell(1, ev.WrapUpDone("anna"), ev.WrapUpExtended("anna", 5))
    assert t.counter("wrap_ups_done_without_one") == 1
    assert t.counter("illegal_agent_idle_wrap_up_extended") == 1
    t.talking(2)
    t.tell(3, ev.CallEnded("c1"), ev.WrapUpDone("anna"), ev.WrapUpDone("anna"))
    assert len(t.cards()) == 1


def test_an_extension_is_never_negative_and_never_endless():
    t = Telling("anna")
    t.talking(0)
    t.tell(1_000, ev.CallEnded("c1"))
    assert t.tell(1_000, ev.WrapUpExtended("anna", -500))[0].deadline == 11_000
    assert t.tell(1_000, ev.WrapUpExtended("anna", 10**12))[0].deadline == 11_000 + 3_600_000


def test_an_own_call_keeps_offers_away_and_is_remembered_through_ours():
    t = Telling("anna")
    t.tell(1, ev.OwnCallStarted("anna"), ev.OwnCallStarted("anna"))
    t.queued(2)
    assert (t.agent(), t.state()) == ("busy_elsewhere", "waiting")
    t.tell(3, ev.OwnCallEnded("anna"), ev.OwnCallEnded("anna"))
    assert t.agent() == "reserved"
    t.tell(4, ev.OwnCallStarted("anna"), ev.OfferConfirmed("c1", "anna", 1))
    t.tell(5, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.BUSY))
    assert t.agent() == "busy_elsewhere"
    t.tell(5_005, ev.DeadlinePassed())
    t.tell(5_006, ev.OwnCallEnded("anna"))
    assert t.agent() == "reserved"


def test_an_own_call_that_ends_during_our_talk_is_forgotten():
    t = Telling("anna")
    t.talking(0)
    t.tell(1, ev.OwnCallStarted("anna"), ev.OwnCallEnded("anna"))
    assert (t.agent(), t.floor.agents["anna"].in_own_call) == ("talking", False)


def test_an_unreachable_phone_is_not_offered():
    t = Telling("anna")
    t.tell(1, ev.DeviceUnreachable("anna"), ev.DeviceUnreachable("anna"))
    t.queued(2)
    assert t.state() == "waiting"
    t.tell(3, ev.DeviceReachable("anna"))
    assert t.state() == "offering"


def test_logging_out_ends_the_wrap_up_and_an_own_call_does_too():
    for fact, by in ((ev.AgentLoggedOut("anna"), "logout"), (ev.OwnCallStarted("anna"), "own call")):
        t = Telling("anna")
        t.talking(0)
        t.tell(1, ev.CallEnded("c1"))
        closing = [w for w in t.tell(2, fact) if isinstance(w, ef.CloseWrapUp)]
        assert [w.by for w in closing] == [by]


def test_each_deadline_of_an_agent_frees_the_agent():
    t = Telling("anna")
    t.queued(0)
    t.wake(2_000)  # unconfirmed: given up and offered again
    t.tell(2_001, ev.OfferEnded("c1", "anna", 2, ev.OfferOutcome.FAILED))
    t.wake(7_001)  # the phone has rested
    assert t.call().attempt == 3
    t.tell(7_002, ev.CallAnswered("c1", "anna", 3))
    t.tell(8_000, ev.CallEnded("c1"))
    closing = [w for w in t.wake(18_000) if isinstance(w, ef.CloseWrapUp)]
    assert [w.by for w in closing] == ["deadline"]
    assert t.agent() == "idle"
