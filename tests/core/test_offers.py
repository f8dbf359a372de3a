"""One offer from reservation to card."""

import pytest

from acd.core import effects as ef
from acd.core import events as ev
from acd.core.call import Call, CallSignal
from acd.core.errors import InvariantBroken
from acd.core.matcher import Assignment
from tests.core.telling import POLICY, Telling


def test_offer_and_pop_carry_the_same_number_and_so_do_their_ends():
    t = Telling("anna")
    offer, pop = t.queued(5, entered_at=2)
    assert (offer.effect, offer.ring_timeout_ms) == (pop.effect, 12_000)
    assert (pop.waited_ms, pop.did, pop.ani) == (3, "100", "200")
    t.tell(6, ev.OfferConfirmed("c1", "anna", 1))
    confirm = t.tell(7, ev.CallAnswered("c1", "anna", 1))[0]
    assert confirm == ef.ConfirmPop(offer.effect, "c1", "anna")


def test_a_matcher_that_assigns_what_is_not_there_breaks_an_invariant():
    t = Telling("anna")
    for call, agent in (("c9", "anna"), ("c9", "nobody")):
        with pytest.raises(InvariantBroken, match="not waiting or not there"):
            t.engine._offers.begin(Assignment(call, agent, "?"), 1)
    t.talking(0)
    with pytest.raises(InvariantBroken, match="not waiting"):
        t.engine._offers.begin(Assignment("c1", "boris", "?"), 1)
    t.queued(5, "c2")
    with pytest.raises(InvariantBroken, match="not ready"):
        t.engine._offers.begin(Assignment("c2", "boris", "?"), 6)


def test_an_offer_without_a_leg_cannot_be_dropped_nor_a_talk_without_one_ended():
    t = Telling()
    call = Call("c1", "1", "2", 0, 1)
    with pytest.raises(InvariantBroken):
        t.engine._offers.drop(call, "x", 0, 0)
    with pytest.raises(InvariantBroken):
        t.engine._offers.talk_over(call, CallSignal.TALK_OVER, ev.EndedBy.CALLER, 0, 0)


def test_an_unconfirmed_offer_is_given_up_after_the_shorter_of_both_patiences():
    t = Telling("anna")
    t.queued(0)
    assert t.engine.next_deadline() == POLICY.offer_confirm_ms
    wishes = t.wake(2_000)
    assert [type(w).__name__ for w in wishes] == ["WithdrawPop", "OfferCall", "ShowPop"]
    assert wishes[1].attempt == 2
    assert t.counter("offers_given_up") == 1
    assert t.floor.agents["anna"].rna == 0


def test_a_bad_phone_rests_and_a_double_booking_is_counted():
    for outcome in (
        ev.OfferOutcome.BUSY,
        ev.OfferOutcome.UNREACHABLE,
        ev.OfferOutcome.FAILED,
        ev.OfferOutcome.DOUBLE_BOOKED,
    ):
        t = Telling("anna")
        t.queued(0)
        t.tell(1, ev.OfferEnded("c1", "anna", 1, outcome))
        assert t.state() == "waiting"
        assert t.counter("double_booked") == (outcome is ev.OfferOutcome.DOUBLE_BOOKED)
        t.wake(5_001)
        assert t.state() == "offering"


def test_the_switch_is_asked_once_about_a_silent_phone_and_not_while_deaf():
    t = Telling("anna")
    t.queued(0)
    t.tell(0, ev.OfferConfirmed("c1", "anna", 1))
    assert isinstance(t.wake(14_000)[0], ef.AskForSync)
    assert isinstance(t.wake(19_000)[0], ef.WithdrawPop)
    t2 = Telling("anna")
    t2.queued(0)
    t2.tell(0, ev.OfferConfirmed("c1", "anna", 1), ev.LinkLost())
    assert isinstance(t2.wake(14_000)[0], ef.WithdrawPop)


def test_an_audit_that_says_still_dialling_gives_the_silent_phone_its_time():
    t = Telling("anna")
    t.queued(0)
    t.tell(0, ev.OfferConfirmed("c1", "anna", 1))
    t.wake(14_000)
    live = ev.LiveCall("c1", "dial", "desk", "firm", "1", "2", 0, agent="anna", attempt=1)
    t.tell(14_100, ev.WorldSynced((live,), audit=True))
    assert (t.agent(), t.counter("drift")) == ("ringing", 0)
    t.wake(19_000)
    assert t.agent() == "reserved"


def test_answering_clears_the_streak_of_missed_rings():
    t = Telling("boris")
    t.queued(0)
    t.tell(0, ev.OfferConfirmed("c1", "boris", 1))
    t.tell(5, ev.OfferEnded("c1", "boris", 1, ev.OfferOutcome.REFUSED))
    t.tell(6, ev.CallAnswered("c1", "boris", 2))
    assert (t.floor.agents["boris"].rna, t.floor.agents["boris"].rna_streak) == (1, 0)


def test_wrap_up_of_zero_goes_straight_to_idle_and_the_card():
    t = Telling("anna")
    t.talking(0, queue="law")
    wishes = t.tell(50, ev.CallEnded("c1"))
    assert [type(w).__name__ for w in wishes] == ["WriteCallCard"]
    assert t.agent() == "idle"


def test_wrap_up_kept_over_a_restart_ends_at_its_deadline():
    t = Telling(synced=False)
    t.tell(0, ev.WorldSynced(agents=(ev.LiveAgent("anna", True, wrap_up_until=500),)))
    assert t.agent() == "wrap_up"
    t.queued(100)
    assert t.state() == "waiting"
    t.tell(200, ev.WrapUpExtended("anna", 1_000))
    wishes = t.wake(1_500)
    assert [type(w).__name__ for w in wishes] == ["KeepAgentStatus", "OfferCall", "ShowPop"]
    assert t.floor.agents["anna"].handled == 0


def test_a_wrap_up_in_the_past_or_of_a_busy_agent_is_not_taken_up():
    t = Telling(synced=False)
    t.tell(
        600,
        ev.WorldSynced(
            agents=(
                ev.LiveAgent("anna", True, wrap_up_until=500),
                ev.LiveAgent("boris", True, in_own_call=True, wrap_up_until=900),
            )
        ),
    )
    assert t.agent("anna") == "idle"
    assert t.agent("boris") == "wrap_up"
    t.tell(700, ev.WorldSynced(agents=(ev.LiveAgent("boris", True, in_own_call=True, wrap_up_until=900),)))
    assert t.agent("boris") == "wrap_up"
    t.wake(900)
    assert t.agent("boris") == "busy_elsewhere"


def test_a_guest_agent_stays_only_as_long_as_busy():
    t = Telling()
    t.queued(0)
    t.tell(1, ev.CallAnswered("c1", "stranger", 1))
    assert t.agent("stranger") == "talking"
    assert t.counter("unknown_agents") == 1
    t.tell(2, ev.CallEnded("c1"))  # not logged in: no wrap-up
    assert "stranger" not in t.floor.agents
    assert t.cards()[0].agent == "stranger"


def test_acw_and_talk_are_told_to_the_matcher_by_the_queue_of_the_talk():
    t = Telling("anna")
    told = []
    t.floor.matcher.record_talk = lambda *args: told.append(args)
    t.talking(0)
    t.tell(1_000, ev.CallTransferred("c1", "anna", "law"))
    t.queued(1_000, queue="law", entered_at=0)
    t.tell(1_500, ev.WrapUpDone("anna"))
    assert told == [("desk", "anna", 1_500)]


def test_ring_no_answer_pauses_at_the_limit():
    t = Telling("anna")
    t.queued(0)
    wishes = t.tell(5, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.NO_ANSWER))
    assert [w.paused_reason for w in wishes if isinstance(w, ef.KeepAgentStatus)] == ["RNA"]
    assert t.call().skip == ("anna",)


def test_a_caller_gone_frees_the_agent_and_waits_for_the_hang_up():
    t = Telling("anna")
    t.queued(0)
    t.tell(5, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.CALLER_GONE))
    assert (t.state(), t.agent()) == ("done", "idle")


def test_a_lost_return_puts_the_caller_back_without_blame():
    t = Telling("anna")
    t.queued(0)
    t.tell(1, ev.OfferConfirmed("c1", "anna", 1))
    t.queued(9, entered_at=0, why=ev.QueuedWhy.RETURNED)
    assert (t.call().attempt, t.floor.agents["anna"].rna) == (2, 0)


def test_taking_up_what_the_switch_says_frees_everybody_else():
    t = Telling("anna", "boris")
    t.talking(0, "c1")
    t.queued(1, "c2")  # boris is reserved
    t.tell(2, ev.CallAnswered("c2", "anna", 7))  # but anna took it
    assert (t.state("c1"), t.agent("boris"), t.call("c2").leg.agent) == ("done", "idle", "anna")
    t.queued(3, "c3")
    t.tell(4, ev.CallAnswered("c2", "boris", 9))  # and then boris, for whom c3 was meant
    assert (t.agent("anna"), t.state("c3"), t.call("c2").leg.agent) == ("wrap_up", "waiting", "boris")
    t.tell(5, ev.CallAnswered("c3", "anna", 4))
    assert t.agent("anna") == "talking"


def test_a_given_up_offer_is_joined_again_not_doubled():
    t = Telling("anna")
    t.queued(0)
    t.tell(1, ev.AgentPaused("anna", "tea"))
    t.wake(2_000)
    t.tell(2_100, ev.OfferConfirmed("c1", "anna", 1))
    assert len(t.call().legs) == 1
    assert t.agent() == "ringing"


def test_a_call_in_fallback_that_is_answered_by_an_agent_of_ours_is_ours():
    t = Telling("anna")
    t.tell(0, ev.AgentPaused("anna", "tea"))
    t.queued(0)
    t.tell(1, ev.CallLeftToFallback("c1", "x"), ev.CallAnswered("c1", "anna", 1))
    assert (t.state(), t.queue().answered) == ("talking", 1)


def test_the_note_of_the_dialling_that_comes_after_the_answer_starts_no_ring_deadline():
    """Found by simulation: the deadline outlived the call and broke the core when it came."""
    t = Telling("anna")
    t.queued(0)
    t.tell(1, ev.CallAnswered("c1", "anna", 1))
    t.tell(2_000, ev.OfferConfirmed("c1", "anna", 1, at=0))
    t.tell(3_000, ev.TalkEnded("c1", "anna", 1, ev.EndedBy.AGENT), ev.CallEnded("c1"))
    t.wake(13_000)  # the wrap-up's end, and nothing before it
    assert t.agent() == "idle"


def test_a_deadline_of_an_offer_without_an_offer_is_a_broken_invariant():
    t = Telling("anna")
    t.floor.deadlines.set(("offer", "anna"), 10)
    with pytest.raises(InvariantBroken, match="not offered"):
        t.engine.check(0)
