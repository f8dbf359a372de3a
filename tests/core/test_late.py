"""Late news correct cards and counts and move nobody (failure modes 12 and 20)."""

from acd.core import events as ev
from tests.core.telling import Telling

CALLER = ev.EndedBy.CALLER


def abandoned() -> Telling:
    """c1 entered at 1 000 and hung up at 9 000 as far as we know; anna was offered and rang."""
    t = Telling("anna")
    t.queued(1_000, at=1_000)
    t.tell(1_000, ev.OfferConfirmed("c1", "anna", 1, at=1_000))
    t.tell(9_000, ev.CallEnded("c1", 0, at=9_000))
    return t


def test_a_late_answer_makes_a_lost_call_a_handled_one():
    t = abandoned()
    assert t.queue().abandoned == 1
    t.tell(9_500, ev.CallAnswered("c1", "anna", 1, at=4_000))
    card = t.cards()[-1]
    assert (card.end_reason, card.agent, card.wait_ms, card.talk_ms) == (
        ev.EndReason.HANDLED,
        "anna",
        3_000,
        5_000,
    )
    assert (t.queue().abandoned, t.queue().answered, t.queue().answered_in_target) == (0, 1, 1)
    assert t.agent() == "idle"


def test_a_late_answer_by_an_offer_we_never_knew_adds_its_segment():
    t = abandoned()
    t.tell(9_500, ev.CallAnswered("c1", "boris", 2, at=4_000))
    t.tell(9_600, ev.TalkEnded("c1", "boris", 2, CALLER, at=8_000))
    card = t.cards()[-1]
    assert [s.agent for s in card.segments] == ["anna", "boris"]
    assert (card.talk_ms, card.ended_by) == (4_000, CALLER)


def test_a_reason_given_by_the_switch_is_not_corrected():
    t = Telling()
    t.queued(0, at=0)
    t.tell(5, ev.CallEnded("c1", reason=ev.EndReason.ABANDONED, at=5))
    t.tell(6, ev.CallAnswered("c1", "anna", 1, at=3), ev.CallEnded("c1", reason=ev.EndReason.HANDLED, at=5))
    assert t.cards()[-1].end_reason is ev.EndReason.ABANDONED


def test_counts_of_a_closed_interval_stay_as_published():
    t = abandoned()
    t.tell(9_100, ev.IntervalStarted())
    t.tell(9_500, ev.CallAnswered("c1", "anna", 1, at=4_000))
    assert t.queue().answered == 0
    assert t.cards()[-1].end_reason is ev.EndReason.HANDLED


def test_a_better_time_of_a_known_answer_corrects_wait_and_talk():
    t = Telling("anna")
    t.queued(0, at=0)
    t.tell(5_000, ev.CallAnswered("c1", "anna", 1))
    t.tell(6_000, ev.CallAnswered("c1", "anna", 1, at=4_000))
    assert t.queue().sum_wait_answered_ms == 4_000
    t.tell(7_000, ev.CallAnswered("c1", "anna", 1, at=6_500), ev.CallAnswered("c1", "anna", 1))
    assert t.call().answered_at == 4_000


def test_a_better_time_of_a_second_answer_leaves_the_first_alone():
    t = Telling("anna", "boris")
    t.talking(0, at=0)
    t.tell(10, ev.TalkEnded("c1", "anna", 1, ev.EndedBy.AGENT, caller_stays=True))
    t.tell(30, ev.CallAnswered("c1", "boris", 2))
    t.tell(40, ev.CallAnswered("c1", "boris", 2, at=20))
    assert (t.call().answered_at, t.call().leg.answered_at) == (0, 20)


def test_a_late_offer_is_recorded_once():
    t = abandoned()
    t.tell(9_500, ev.OfferConfirmed("c1", "boris", 2, at=3_000), ev.AgentRinging("c1", "boris", 2, at=3_100))
    card = t.cards()[-1]
    assert [(s.agent, s.outcome) for s in card.segments] == [("anna", "caller_gone"), ("boris", "unknown")]


def test_late_outcomes_correct_the_segment_once():
    t = Telling("anna")
    t.queued(0, at=0)
    t.tell(1, ev.AgentPaused("anna", "tea"))
    t.wake(2_000)
    late = ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.BUSY)
    t.tell(2_100, late, late)
    assert t.call().legs[0].outcome == "busy"
    assert t.counter("late_outcomes") == 1
    t.tell(2_200, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.FAILED, at=1_500))
    assert (t.call().legs[0].outcome, t.call().legs[0].ended_at) == ("failed", 1_500)
    t.tell(2_300, ev.OfferEnded("c1", "boris", 1, ev.OfferOutcome.FAILED))
    assert t.counter("late_outcomes_unknown") == 1


def test_a_late_outcome_cannot_undo_an_answer():
    t = abandoned()
    t.tell(9_500, ev.CallAnswered("c1", "anna", 1, at=4_000))
    t.tell(9_600, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.NO_ANSWER, at=9_000))
    assert t.cards()[-1].segments[0].outcome == "answered"


def test_a_talk_end_after_the_hang_up_says_who_and_when():
    t = Telling("anna")
    t.talking(0, at=0)
    t.tell(100, ev.CallEnded("c1", at=100))
    t.tell(110, ev.TalkEnded("c1", "anna", 1, CALLER, at=90), ev.WrapUpDone("anna"))
    card = t.cards()[0]
    assert (card.talk_ms, card.ended_by) == (90, CALLER)
    t.tell(120, ev.TalkEnded("c1", "anna", 1, ev.EndedBy.AGENT))
    t.tell(120, ev.TalkEnded("c1", "boris", 1, ev.EndedBy.AGENT))
    assert len(t.cards()) == 1


def test_a_late_transfer_renames_the_end():
    t = Telling("anna")
    t.talking(0)
    t.tell(100, ev.CallEnded("c1"), ev.WrapUpDone("anna"))
    t.tell(101, ev.CallTransferred("c1", "anna", "outside"), ev.CallTransferred("c1", "anna", "outside"))
    assert [c.end_reason.value for c in t.cards()] == ["handled", "transferred"]


def test_a_stone_learns_its_beginning():
    t = Telling()
    t.tell(100, ev.CallEnded("c1", 16, CALLER, at=100))
    assert t.cards() == []
    t.queued(110, entered_at=20, at=30, card_number="77")
    card = t.cards()[-1]
    assert (card.entered_at, card.wait_ms, card.number, card.queue) == (20, 70, "77", "desk")
    t.tell(120, ev.CallEntered("c1", "1", "2", at=10))
    assert t.cards()[-1] == card  # already known by its queue note
    t.tell(200, ev.CallEnded("c2"), ev.CallEntered("c2", "100", "200"))
    assert t.cards("c2")[0].entered_at == 200


def test_the_queue_note_of_an_answered_call_may_come_last():
    t = Telling("anna")
    t.tell(0, ev.CallEntered("c1", "100", "200", at=0))
    t.tell(50, ev.CallAnswered("c1", "anna", 1, at=50))
    assert (t.state(), t.queue().offered) == ("talking", 0)
    t.queued(60, entered_at=0, at=10)
    assert (t.state(), t.queue().offered, t.queue().answered) == ("talking", 1, 1)
    assert t.queue().sum_wait_answered_ms == 40
    t.queued(70, entered_at=0, at=10)
    assert t.queue().offered == 1


def test_the_end_again_completes_what_was_unknown():
    t = abandoned()
    t.tell(9_900, ev.CallEnded("c1", 16, CALLER, at=9_000))
    card = t.cards()[-1]
    assert (card.cause, card.ended_by) == (16, CALLER)
    t.tell(9_950, ev.CallEnded("c1", 17, ev.EndedBy.AGENT, ev.EndReason.CALLBACK))
    card = t.cards()[-1]
    assert (card.cause, card.ended_by, card.end_reason) == (16, CALLER, ev.EndReason.CALLBACK)
    assert (t.queue().abandoned, t.queue().left_otherwise) == (0, 1)


def test_an_end_assumed_at_a_sync_is_corrected_by_the_journal():
    t = Telling()
    t.tell(0, ev.CallEntered("c0", "1", "2"))
    t.queued(0, at=0)
    t.tell(9_000, ev.WorldSynced())
    assert t.cards()[0].end_reason is ev.EndReason.PBX_FAILED
    t.tell(9_500, ev.CallEnded("c1", 16, CALLER, at=7_000), ev.CallEnded("c0", 16))
    card = t.cards()[-1]
    assert (card.end_reason, card.ended_at, card.wait_ms) == (ev.EndReason.ABANDONED, 7_000, 7_000)
    assert t.queue().abandoned == 1
    assert t.cards("c0")[-1].end_reason is ev.EndReason.ABANDONED


def test_the_journals_end_of_a_transferred_caller_missing_at_a_sync_is_handled_and_his_last_stay_abandoned():
    t = Telling("anna")
    t.talking(0)
    t.tell(5, ev.CallTransferred("c1", "anna", "law"))
    t.tell(5, ev.AgentLoggedOut("anna"))
    t.queued(5, queue="law")
    t.tell(9, ev.WorldSynced())
    assert t.cards()[-1].end_reason.value == "pbx_failed"
    t.tell(10, ev.CallEnded("c1", at=8))
    assert t.cards()[-1].end_reason.value == "handled"
    assert (t.queue("law").answered, t.queue("law").abandoned, t.queue().answered) == (0, 1, 1)
