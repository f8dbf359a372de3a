"""Facts about calls: first times, copies, late ones and contradictions."""

import pytest

from acd.core import effects as ef
from acd.core import events as ev
from tests.core.telling import Telling

CALLER, AGENT = ev.EndedBy.CALLER, ev.EndedBy.AGENT


def kinds(wishes):
    return [type(w).__name__ for w in wishes]


def test_a_call_is_known_from_the_door_and_a_copy_changes_nothing():
    t = Telling()
    t.tell(1_000, ev.CallEntered("c1", "100", "200", at=990), ev.CallEntered("c1", "999", "999"))
    assert (t.state(), t.call().entered_at, t.call().did) == ("new", 990, "100")


def test_a_time_in_the_future_is_not_believed():
    t = Telling()
    t.tell(1_000, ev.CallEntered("c1", "100", "200", at=5_000))
    t.queued(1_000, "c2", entered_at=9_000)
    assert (t.call("c1").entered_at, t.call("c2").entered_at) == (1_000, 1_000)


def test_a_queued_call_waits_at_the_place_of_its_entry():
    t = Telling()
    t.queued(10, "c1", entered_at=9)
    t.queued(20, "c2", entered_at=5)
    assert [t.floor.matcher.position(c) for c in ("c1", "c2")] == [2, 1]


def test_wait_counts_from_the_queue_not_from_the_door():
    t = Telling("anna")
    t.tell(0, ev.CallEntered("c1", "100", "200", at=0))
    t.queued(5_000, entered_at=0, at=5_000)
    t.tell(5_000, ev.CallAnswered("c1", "anna", 1, at=7_000))
    t.tell(9_000, ev.CallAnswered("c1", "anna", 1, at=7_000))
    assert t.queue().sum_wait_answered_ms == 0  # 7 000 was the future at 5 000
    assert t.queue().answered == 1


def test_the_pop_says_the_time_since_the_door_and_the_card_the_wait_in_the_queue():
    """They differed by the two seconds of a greeting, and nothing said why."""
    t = Telling("anna")
    t.tell(0, ev.CallEntered("c1", "100", "200", at=0))
    wishes = t.queued(2_000, entered_at=0, at=2_000)
    [pop] = [w for w in wishes if isinstance(w, ef.ShowPop)]
    assert pop.waited_ms == 2_000
    t.tell(2_500, ev.OfferConfirmed("c1", "anna", 1), ev.CallAnswered("c1", "anna", 1))
    t.tell(9_000, ev.CallEnded("c1"))
    t.tell(9_001, ev.WrapUpDone("anna"))
    assert t.cards()[-1].wait_ms == 500


def test_a_return_note_before_the_present_offer_is_history():
    t = Telling("anna", "boris")
    t.queued(0, at=0)
    t.tell(1, ev.OfferConfirmed("c1", "anna", 1, at=1))
    t.tell(12, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.NO_ANSWER, at=12))
    assert t.call().leg.agent == "boris"
    assert t.queued(13, entered_at=0, why=ev.QueuedWhy.RETURNED, at=12) == []
    t.tell(14, ev.OfferConfirmed("c1", "boris", 2, at=14))
    assert t.queued(15, entered_at=0, why=ev.QueuedWhy.RETURNED, at=13) == []
    assert (t.state(), t.agent("boris")) == ("offering", "ringing")


def test_a_return_note_during_a_confirmed_offer_means_its_end_was_lost():
    t = Telling("anna")
    t.queued(0, at=0)
    t.tell(1, ev.OfferConfirmed("c1", "anna", 1, at=1))
    wishes = t.queued(12, entered_at=0, why=ev.QueuedWhy.RETURNED, at=12)
    assert kinds(wishes) == ["WithdrawPop", "OfferCall", "ShowPop"]
    assert t.counter("lost_offer_ends") == 1
    assert t.call().attempt == 2


def test_waiting_again_during_a_talk_means_its_end_was_lost_and_the_head_of_the_line():
    t = Telling("anna")
    t.talking(0, at=0)
    t.queued(5, "c2", at=5)
    t.queued(9, entered_at=0, why=ev.QueuedWhy.HEAD, at=9)
    assert t.state() == "waiting"
    assert t.counter("lost_talk_ends") == 1
    assert t.floor.matcher.position("c1") == 1
    assert t.agent() == "wrap_up"


def test_a_late_copy_of_the_queue_note_does_not_end_a_talk():
    t = Telling("anna")
    t.talking(5)
    t.queued(20, entered_at=5, at=4)
    assert t.state() == "talking"


def test_a_waiting_call_that_names_another_queue_moves_there():
    t = Telling()
    t.queued(0)
    t.queued(5, queue="law", entered_at=0)
    assert t.floor.matcher.position("c1") == 1
    assert t.call().queue == "law"
    assert (t.queue("desk").offered, t.queue("desk").left_otherwise) == (1, 1)
    assert (t.queue("law").offered, t.queue("law").waiting) == (1, 1)


def test_a_queue_note_after_our_wish_for_fallback_keeps_the_caller_in_line():
    t = Telling()
    t.queued(0)
    t.wake(600_000)
    assert t.floor.matcher.position("c1") == 0
    t.queued(600_001, entered_at=0)
    assert t.floor.matcher.position("c1") == 1
    assert isinstance(t.wake(600_001)[0], ef.SendToFallback)


def test_a_call_comes_back_from_fallback_into_the_same_stay():
    t = Telling("anna")
    t.tell(0, ev.AgentPaused("anna", "tea"))
    t.queued(0)
    t.tell(5, ev.CallLeftToFallback("c1", "heartbeat"), ev.CallLeftToFallback("c1", "heartbeat"))
    t.queued(8, entered_at=0)
    assert t.state() == "waiting"
    assert t.queue().offered == 1


def test_refused_while_waiting_and_refused_too_late():
    t = Telling("anna")
    t.talking(0)
    t.queued(1, "c2")
    t.tell(2, ev.CallRefused("c2", "full"), ev.CallRefused("c2", "full"), ev.CallRefused("c1", "full"))
    assert (t.state("c2"), t.state("c1")) == ("done", "talking")
    assert t.counter("illegal_call_talking_refused") == 1
    t.tell(3, ev.CallEnded("c2"))
    assert t.cards("c2")[0].end_reason is ev.EndReason.REFUSED
    assert t.queue().left_otherwise == 1
    t.tell(4, ev.CallRefused("c2", "full"), ev.CallRefused("c9", "full"))
    assert (t.counter("late_notes"), t.counter("unknown_calls")) == (1, 1)


@pytest.mark.parametrize(
    "fact",
    [
        ev.OfferConfirmed("c9", "anna", 1),
        ev.AgentRinging("c9", "anna", 1),
        ev.CallAnswered("c9", "anna", 1),
        ev.OfferEnded("c9", "anna", 1, ev.OfferOutcome.BUSY),
        ev.TalkEnded("c9", "anna", 1, CALLER),
        ev.CallTransferred("c9", "anna", "x"),
        ev.CallLeftToFallback("c9", "x"),
        ev.CallbackChosen("c9", "200"),
        ev.CardFilled("c9", None, ()),
    ],
    ids=lambda f: type(f).__name__,
)
def test_a_fact_about_an_unknown_call_is_counted(fact):
    t = Telling("anna")
    assert t.tell(1, fact) == []
    assert t.counter("unknown_calls") == 1


def test_ringing_alone_confirms_the_offer_and_twice_is_once():
    t = Telling("anna")
    t.queued(0)
    t.tell(5, ev.AgentRinging("c1", "anna", 1))
    due = t.engine.next_deadline()
    t.tell(9, ev.AgentRinging("c1", "anna", 1), ev.OfferConfirmed("c1", "anna", 1))
    assert t.agent() == "ringing"
    assert t.engine.next_deadline() == due == 5 + 12_000 + 2_000


def test_an_offer_we_never_made_is_believed_if_it_is_newer():
    t = Telling("anna")
    t.tell(0, ev.AgentPaused("anna", "tea"))
    t.queued(0, at=0)
    t.tell(5, ev.OfferConfirmed("c1", "anna", 4))
    assert (t.state(), t.agent(), t.call().attempt) == ("offering", "ringing", 4)
    assert t.counter("offers_taken_up_again") == 1


@pytest.mark.parametrize("agent", ["anna", "boris"])
def test_an_old_or_foreign_offer_is_only_recorded(agent):
    t = Telling("anna")
    t.queued(0, at=0)
    t.tell(1, ev.OfferConfirmed("c1", "anna", 1))
    t.tell(2, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.NO_ANSWER))
    t.tell(3, ev.AgentRinging("c1", agent, 1))
    assert t.state() == "waiting"
    t.tell(4, ev.AgentResumed("anna"))
    t.tell(4, ev.OfferConfirmed("c1", "anna", 2))
    t.tell(5, ev.OfferConfirmed("c1", "boris", 7))  # somebody rings already: not believed
    assert t.call().leg.attempt == 2
    t.tell(6, ev.CallAnswered("c1", "anna", 2))
    t.tell(7, ev.OfferConfirmed("c1", "boris", 8))
    assert t.call().leg.agent == "anna"
    t.tell(9, ev.TalkEnded("c1", "anna", 2, CALLER), ev.OfferConfirmed("c1", "boris", 9))
    assert t.state() == "done"
    t.tell(9, ev.CallEnded("c1"), ev.OfferConfirmed("c1", "boris", 10))
    assert t.state() == "ended"


def test_a_given_up_offer_confirmed_before_the_caller_waited_again_is_history():
    t = Telling("anna")
    t.queued(0, at=0)
    t.tell(1, ev.AgentPaused("anna", "tea"))
    t.wake(2_000)
    t.queued(2_100, entered_at=0, at=2_050)
    t.tell(2_200, ev.OfferConfirmed("c1", "anna", 1, at=1_900))
    assert t.state() == "waiting"


def test_an_answer_for_an_older_offer_than_the_talk_changes_nothing():
    t = Telling("anna", "boris")
    t.talking(0)
    t.tell(1, ev.TalkEnded("c1", "anna", 1, AGENT, caller_stays=True))
    assert t.call().leg.agent == "boris"
    t.tell(
        2,
        ev.CallAnswered("c1", "boris", 2),
        ev.CallAnswered("c1", "clara", 1),
        ev.CallAnswered("c1", "anna", 1),
    )
    assert t.call().leg.agent == "boris"
    assert t.agent() == "wrap_up"


def test_an_answer_for_a_newer_offer_ends_the_talk_we_believed_in():
    t = Telling("anna")
    t.talking(0)
    t.tell(5, ev.CallAnswered("c1", "clara", 3))
    assert (t.agent("anna"), t.agent("clara"), t.call().leg.agent) == ("wrap_up", "talking", "clara")
    assert t.counter("answers_taken_up") == 1


def test_an_answer_takes_the_agent_from_the_call_we_believed_in():
    t = Telling("anna")
    t.talking(0, "c1")
    t.queued(1, "c2")
    t.tell(2, ev.CallAnswered("c2", "anna", 1))
    assert (t.state("c1"), t.state("c2"), t.agent()) == ("done", "talking", "talking")
    t2 = Telling("anna")
    t2.queued(0, "c1")
    t2.queued(1, "c2")
    t2.tell(2, ev.CallAnswered("c2", "anna", 1))
    assert (t2.state("c1"), t2.state("c2"), t2.agent()) == ("waiting", "talking", "talking")


def test_an_answer_takes_the_agent_out_of_wrap_up_and_counts_the_work():
    t = Telling("anna")
    t.talking(0, "c1")
    t.tell(1_000, ev.CallEnded("c1"))
    t.queued(2_000, "c2")
    t.tell(3_000, ev.CallAnswered("c2", "anna", 1))
    assert t.agent() == "talking"
    assert t.cards("c1")[-1].acw_ms == 2_000


def test_an_answer_before_the_call_waited_again_is_history():
    t = Telling("anna")
    t.queued(0, at=0)
    t.tell(1, ev.AgentPaused("anna", "tea"))
    t.wake(2_000)
    t.queued(9_000, entered_at=0, why=ev.QueuedWhy.HEAD, at=9_000)
    t.tell(9_100, ev.CallAnswered("c1", "anna", 1, at=3_000))
    assert t.state() == "waiting"
    assert t.call().was_answered


def test_an_answer_after_the_talk_we_know_is_late():
    t = Telling("anna")
    t.talking(0)
    t.tell(5, ev.TalkEnded("c1", "anna", 1, CALLER), ev.CallAnswered("c1", "boris", 2, at=4))
    assert t.state() == "done"


def test_no_answer_after_the_answer_is_a_contradiction_and_counted():
    t = Telling("anna")
    t.talking(0)
    t.tell(1, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.NO_ANSWER))
    assert (t.state(), t.counter("outcomes_after_answer")) == ("talking", 1)


def test_hold_is_not_talk_and_needs_a_talk():
    t = Telling("anna")
    t.queued(0)
    t.tell(1, ev.HoldStarted("c1", "anna"), ev.HoldEnded("c1", "anna"), ev.HoldStarted("c9", "anna"))
    assert t.counter("holds_without_talk") == 3
    t.tell(10, ev.CallAnswered("c1", "anna", 1))
    t.tell(
        20, ev.HoldStarted("c1", "anna"), ev.HoldStarted("c1", "anna", at=15), ev.HoldStarted("c1", "boris")
    )
    t.tell(50, ev.HoldEnded("c1", "anna"))
    t.tell(60, ev.HoldStarted("c1", "anna"))
    t.tell(100, ev.TalkEnded("c1", "anna", 1, CALLER), ev.CallEnded("c1"))
    t.tell(100, ev.WrapUpDone("anna"))
    card = t.cards()[0]
    assert (card.hold_ms, card.talk_ms) == (70, 20)
    assert t.queue().sum_hold_ms == 70


def test_transfers_that_make_no_sense_are_counted():
    t = Telling("anna")
    t.queued(0)
    t.tell(1, ev.CallTransferred("c1", "anna", "x"))
    assert t.counter("illegal_call_offering_transferred") == 1
    t.tell(2, ev.CallbackChosen("c1", "200"), ev.CallTransferred("c1", "anna", "x"))
    assert t.counter("illegal_call_done_transferred") == 1
