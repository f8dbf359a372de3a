"""The fold from a call to its card."""

from acd.core.call import Call, Leg
from acd.core.card import fold
from acd.core.events import EndedBy, EndReason


def test_a_bare_call_folds_into_an_honest_card():
    card = fold(Call("c1", "100", "200", 5, 1))
    assert (card.ended_at, card.wait_ms, card.talk_ms, card.agent) == (5, 0, 0, None)
    assert (card.end_reason, card.ended_by) == (EndReason.ABANDONED, EndedBy.UNKNOWN)
    assert card.history == ((5, "new", ""),)


def test_all_talks_are_summed_and_the_last_to_talk_is_responsible():
    call = Call("c1", "100", "200", 0, 1)
    call.queued_at, call.answered_at, call.ended_at = 10, 100, 900
    call.reason, call.cause, call.by = EndReason.HANDLED, 16, EndedBy.CALLER
    for n, (agent, answered) in enumerate((("anna", 100), ("boris", 500), ("clara", None)), 1):
        leg = Leg(agent, n, answered or 50, n, "desk")
        leg.answered_at, leg.ended_at, leg.outcome = answered, (answered or 50) + 100, "no_answer"
        leg.hold_ms, leg.acw_ms = (10, 20) if answered else (0, 0)
        call.legs.append(leg)
    call.fields = {"subject": "deed"}
    call.explanation = ["anna: longest idle"]
    card = fold(call)
    assert (card.wait_ms, card.talk_ms, card.hold_ms, card.acw_ms, card.agent) == (90, 180, 20, 40, "boris")
    assert [s.outcome for s in card.segments] == ["answered", "answered", "no_answer"]
    assert (card.fields, card.explanation) == ((("subject", "deed"),), ("anna: longest idle",))
    assert fold(call) == card


def test_the_wait_of_one_who_left_ends_where_the_line_was_left():
    call = Call("c1", "100", "200", 0, 1)
    call.queued_at, call.left_at, call.ended_at = 10, 40, 90
    assert fold(call).wait_ms == 30
    call.left_at = 5
    assert fold(call).wait_ms == 0
