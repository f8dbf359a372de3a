"""How calls end, fall back and are told late: whatever comes, one card and no agent lost."""

from acd.core import effects as ef
from acd.core import events as ev
from tests.core.telling import Telling

CALLER, AGENT = ev.EndedBy.CALLER, ev.EndedBy.AGENT


def kinds(wishes):
    return [type(w).__name__ for w in wishes]


def test_fallback_takes_the_call_from_offer_and_from_talk():
    t = Telling("anna")
    t.queued(0)
    wishes = t.tell(1, ev.CallLeftToFallback("c1", "heartbeat"))
    assert [w.reason for w in wishes] == ["caller_gone"]
    assert (t.state(), t.agent()) == ("fallback", "idle")
    t.talking(2, "c2")
    t.tell(3, ev.CallLeftToFallback("c2", "heartbeat"))
    assert (t.state("c2"), t.agent()) == ("fallback", "wrap_up")


def test_a_fallback_note_from_before_the_present_wait_is_history():
    t = Telling()
    t.queued(10, at=10)
    t.tell(11, ev.CallLeftToFallback("c1", "heartbeat", at=5))
    assert t.state() == "waiting"


def test_callback_frees_the_agent_and_is_illegal_in_a_talk():
    t = Telling("anna")
    t.queued(0)
    t.tell(1, ev.CallbackChosen("c1", "200"), ev.CallbackChosen("c1", "200"))
    assert (t.state(), t.agent()) == ("done", "idle")
    t.talking(2, "c2")
    t.tell(3, ev.CallbackChosen("c2", "200"))
    assert t.counter("illegal_call_talking_callback") == 1
    t.queued(4, "c3")
    t.tell(5, ev.CallLeftToFallback("c3", "max_wait"))
    t.tell(6, ev.CallbackChosen("c3", "200"))  # the fallback captured a number
    t.tell(9, ev.CallEnded("c3"))
    card = t.cards("c3")[0]
    assert (card.end_reason, card.wait_ms) == (ev.EndReason.CALLBACK, 1)


def test_who_hung_up_is_taken_from_the_talk_and_not_overwritten_by_nobody():
    t = Telling("anna")
    t.talking(0)
    t.tell(5, ev.TalkEnded("c1", "anna", 1, AGENT), ev.CallEnded("c1", 16))
    t.tell(5, ev.WrapUpDone("anna"))
    assert t.cards()[0].ended_by is AGENT
    t.talking(10, "c2")
    t.tell(15, ev.TalkEnded("c2", "anna", 1, AGENT), ev.CallEnded("c2", 16, CALLER))
    t.tell(15, ev.WrapUpDone("anna"))
    assert t.cards("c2")[0].ended_by is CALLER


def test_the_switch_may_know_the_reason_better():
    t = Telling()
    t.queued(0)
    t.tell(5, ev.CallEnded("c1", reason=ev.EndReason.OVERFLOWED))
    assert t.cards()[0].end_reason is ev.EndReason.OVERFLOWED
    assert t.queue().left_otherwise == 1


def test_an_agent_hung_up_on_by_a_caller_who_is_gone_is_not_blamed():
    t = Telling("anna", "boris")
    t.queued(0)
    t.tell(1, ev.OfferConfirmed("c1", "anna", 1))
    t.tell(2, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.CALLER_GONE))
    assert (t.state(), t.agent()) == ("done", "idle")
    assert t.floor.agents["anna"].rna == 0
    t.tell(3, ev.CallEnded("c1"))
    card = t.cards()[0]
    assert (card.end_reason, card.wait_ms) == (ev.EndReason.ABANDONED, 2)


def test_a_skip_lapses_while_waiting_and_while_fallback_is_wished():
    t = Telling("anna")
    t.queued(0)
    t.tell(0, ev.OfferConfirmed("c1", "anna", 1))
    t.tell(1_000, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.NO_ANSWER))
    assert t.call().skip == ("anna",)
    t.wake(11_000)
    assert t.call().skip == ()
    assert t.floor.matcher.position("c1") == 1


def test_a_failed_wish_for_fallback_is_uttered_again_and_strange_numbers_are_harmless():
    t = Telling()
    t.queued(0)
    wish = t.wake(600_000)[0]
    t.tell(600_001, ev.WishFailed(wish.effect, "link down"), ev.WishFailed(12_345, "?"))
    assert t.counter("wishes_failed") == 2
    assert isinstance(t.wake(605_000)[0], ef.SendToFallback)
    assert any("link down" in line for line in t.engine.explain("c1", 605_000))


def test_hang_up_against_answer_is_decided_by_the_switchs_times():
    t = Telling("anna")
    t.queued(0, at=0)
    t.tell(5, ev.CallEnded("c1", at=5))
    stray = t.tell(6, ev.CallAnswered("c1", "anna", 1, at=6))
    assert kinds(stray) == ["HangUpStrayLeg"]
    assert kinds(t.tell(6, ev.CallAnswered("c1", "anna", 1))) == ["HangUpStrayLeg"]
    assert t.counter("answers_after_end") == 2
    assert t.tell(7, ev.CallAnswered("c1", "anna", 1, at=4))[0].card.end_reason is ev.EndReason.HANDLED


def test_a_hang_up_reported_twice_is_one_end():
    t = Telling()
    t.queued(0)
    t.tell(5, ev.CallEnded("c1", 16, CALLER), ev.CallEnded("c1", 16, CALLER))
    assert len(t.cards()) == 1


def test_a_stone_is_kept_for_a_call_of_which_only_the_end_was_heard():
    t = Telling("anna")
    t.tell(5, ev.CallEnded("c1", 16, CALLER))
    assert (t.counter("unknown_calls_ended"), t.cards()) == (1, [])
    t.tell(6, ev.CallEntered("c1", "100", "200"))
    t.queued(7)
    assert (t.state(), t.agent()) == ("ended", "idle")


def test_the_outcome_of_a_wish_we_had_given_up_is_only_recorded():
    t = Telling("anna")
    t.queued(0)
    t.wake(2_000)
    t.tell(2_001, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.NO_ANSWER))
    assert (t.state(), t.agent(), t.call().leg.attempt) == ("offering", "reserved", 2)
    t.tell(2_002, ev.TalkEnded("c1", "anna", 1, CALLER))
    assert t.state() == "offering"


def test_the_end_of_a_talk_whose_answer_was_lost_still_is_a_talk():
    t = Telling("anna")
    t.queued(0)
    t.tell(5, ev.TalkEnded("c1", "anna", 1, CALLER))
    assert (t.state(), t.agent(), t.counter("lost_answers")) == ("done", "wrap_up", 1)


def test_the_head_of_the_line_is_kept_when_the_talk_broke_off():
    t = Telling("anna")
    t.talking(10)
    t.queued(11, "c2", entered_at=0)
    t.tell(12, ev.TalkEnded("c1", "anna", 1, AGENT, caller_stays=True))
    t.queued(13, entered_at=10, why=ev.QueuedWhy.HEAD)
    assert [t.floor.matcher.position(c) for c in ("c1", "c2")] == [1, 2]
    t.tell(14, ev.CallLeftToFallback("c1", "x"))
    t.queued(15, entered_at=10, why=ev.QueuedWhy.HEAD)
    assert t.floor.matcher.position("c1") == 1


def test_a_transfer_ends_the_talk_and_names_the_end():
    t = Telling("anna")
    t.talking(0)
    t.tell(5, ev.CallTransferred("c1", "anna", "outside"), ev.TalkEnded("c1", "anna", 1, AGENT))
    t.tell(6, ev.CallEnded("c1"), ev.CallTransferred("c1", "anna", "outside"), ev.WrapUpDone("anna"))
    card = t.cards()[0]
    assert (card.end_reason, card.talk_ms, card.ended_by) == (ev.EndReason.TRANSFERRED, 5, AGENT)


def test_card_fields_reach_the_card():
    t = Telling()
    t.queued(0)
    t.tell(1, ev.CardFilled("c1", None, (("subject", "deed"),)), ev.CallEnded("c1"))
    assert t.cards()[0].fields == (("subject", "deed"),)


def test_a_refused_offer_wish_shortens_the_wait_for_the_dialplans_word():
    t = Telling("anna")
    offer = t.queued(0)[0]
    t.tell(100, ev.WishFailed(offer.effect, "channel not up"))
    t.wake(600)
    assert t.call().attempt == 2
    t.tell(601, ev.WishFailed(offer.effect, "again"))
    assert t.engine.next_deadline() == 2_600


def test_a_skip_that_lapses_during_a_wish_for_fallback_does_not_put_the_call_back():
    t = Telling("anna")
    t.queued(0)
    t.tell(0, ev.OfferConfirmed("c1", "anna", 1))
    t.tell(595_000, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.NO_ANSWER))
    t.wake(600_000)
    assert t.floor.matcher.position("c1") == 0
    t.tell(605_000, ev.DeadlinePassed())
    assert t.floor.matcher.position("c1") == 0


def test_a_call_found_done_is_left_alone_from_waiting_and_after_a_talk():
    t = Telling("anna")
    t.talking(0, "c1")
    t.queued(1, "c2")
    for call in ("c1", "c2"):
        t.engine._calls.finish(t.call(call), "found done", 2, 2)
        assert t.state(call) == "done"
    assert t.agent() == "wrap_up"
    assert t.call("c2").history[-1] == (2, "done", "found done")


def test_the_queue_is_learnt_from_the_dialling_when_its_own_note_is_lost():
    """Another daemon offered the call: who missed the entry still wraps up and shows the pop by the queue's rules."""
    t = Telling("anna")
    t.tell(10, ev.CallEntered("c1", "100", "200"))
    (pop,) = [
        w for w in t.tell(20, ev.OfferConfirmed("c1", "anna", 1, queue="desk")) if isinstance(w, ef.ShowPop)
    ]
    assert (pop.queue, pop.subscriber) == ("desk", "firm")
    t.tell(30, ev.CallAnswered("c1", "anna", 1, queue="desk"))
    t.tell(1_030, ev.TalkEnded("c1", "anna", 1, ev.EndedBy.CALLER), ev.CallEnded("c1"))
    t.wake(11_030)
    assert t.agent() == "idle"
    assert t.cards()[0].queue == "desk"


def test_an_answer_names_the_queue_too_and_no_name_changes_nothing():
    t = Telling("anna")
    t.tell(10, ev.CallEntered("c1", "100", "200"), ev.OfferConfirmed("c1", "anna", 1))
    assert t.call().queue == ""
    t.tell(20, ev.CallAnswered("c1", "anna", 1, queue="desk"))
    assert (t.call().queue, t.call().leg.queue) == ("desk", "desk")


def test_the_entry_that_comes_after_the_dialling_is_still_the_entry():
    t = Telling("anna")
    t.tell(20, ev.CallEntered("c1", "100", "200", at=10), ev.OfferConfirmed("c1", "anna", 1, at=20))
    t.queued(30, entered_at=10, at=15, card_number="7")
    call = t.call()
    assert (call.queue, call.leg.queue, call.queued_at, call.card_number) == ("desk", "desk", 15, "7")
    assert t.state() == "offering"
    t.queued(31, entered_at=10, at=15, card_number="7")
    assert t.queue(now=31).offered == 1


def test_who_came_back_to_the_line_before_his_entry_was_heard_is_counted_once():
    t = Telling("anna")
    t.tell(20, ev.CallEntered("c1", "100", "200", at=10), ev.OfferConfirmed("c1", "anna", 1, queue="desk"))
    t.tell(40, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.BUSY, at=40))
    t.queued(50, entered_at=10, at=15)
    assert (t.state(), t.call().queued_at) == ("waiting", 15)
    t.queued(60, entered_at=10, why=ev.QueuedWhy.RETURNED, at=41)
    assert t.queue(now=60).offered == 1


def test_who_leaves_a_number_after_hours_is_called_back_and_not_just_refused():
    """Refused as closed, then his number taken: the card ends as a call-back, as the journal's fold says too."""
    t = Telling()
    t.tell(
        0, ev.CallEntered("c1", "100", "200"), ev.CallRefused("c1", "closed", queue="desk", subscriber="firm")
    )
    t.tell(10, ev.CallbackChosen("c1", "200"))
    t.tell(20, ev.CallEnded("c1"))
    assert t.cards()[-1].end_reason is ev.EndReason.CALLBACK
    assert t.counter("illegal_transitions") == 0


def test_who_heard_his_answer_at_the_door_is_neither_abandoned_nor_offered():
    """002-18: nobody is owed a call-back, no figure of the line counts him."""
    t = Telling()
    t.tell(
        0, ev.CallEntered("c1", "100", "200"), ev.CardFilled("c1", None, (("self_answer", "order ready"),))
    )
    t.tell(
        9_000,
        ev.CallSelfServed("c1", "desk", "firm"),
        ev.CallSelfServed("c1", "desk", "firm"),
        ev.CallEnded("c1"),
    )
    [card] = t.cards()
    assert (card.end_reason, card.queue, card.subscriber) == (ev.EndReason.SELF_SERVED, "desk", "firm")
    assert (card.agent, card.answered_at, dict(card.fields)) == (None, None, {"self_answer": "order ready"})
    view = next((q for q in t.engine.snapshot(9_000).queues if q.queue == "desk"), None)
    assert view is None or (view.offered, view.abandoned) == (0, 0)


def test_who_waited_for_a_person_after_all_is_a_caller_like_any_other():
    t = Telling()
    t.tell(0, ev.CallEntered("c1", "100", "200"))
    t.queued(9_000, entered_at=0)
    t.tell(20_000, ev.CallSelfServed("c1"), ev.CallEnded("c1"))
    [card] = t.cards()
    assert card.end_reason is ev.EndReason.ABANDONED, "a stray note of it changes nothing"
