"""Ends, cards and forgetting."""

import pytest

from acd.core import cards as cards_module
from acd.core import events as ev
from acd.core.call import Call, CallState
from acd.core.cards import reason_by_state
from tests.core.telling import Telling


def call_in(state: CallState, **more: object) -> Call:
    call = Call("c1", "1", "2", 0, 1)
    call.state = state
    for name, value in more.items():
        setattr(call, name, value)
    return call


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (call_in(CallState.NEW), "abandoned"),
        (call_in(CallState.WAITING), "abandoned"),
        (call_in(CallState.WAITING, answered_at=5), "handled"),
        (call_in(CallState.OFFERING, answered_at=5), "handled"),
        (call_in(CallState.FALLBACK, answered_at=5), "fallback"),
        (call_in(CallState.OFFERING), "abandoned"),
        (call_in(CallState.TALKING, answered_at=5), "handled"),
        (call_in(CallState.FALLBACK), "fallback"),
        (call_in(CallState.DONE), "abandoned"),
        (call_in(CallState.DONE, answered_at=5), "handled"),
        (call_in(CallState.DONE, final=ev.EndReason.TRANSFERRED), "transferred"),
    ],
)
def test_the_state_names_the_end(call, reason):
    assert reason_by_state(call).value == reason


@pytest.mark.parametrize(
    ("reason", "figure"),
    [
        (ev.EndReason.ABANDONED, "abandoned"),
        (ev.EndReason.FALLBACK, "fallback"),
        (ev.EndReason.HANDLED, "answered"),
        (ev.EndReason.TRANSFERRED, "answered"),
        (ev.EndReason.OVERFLOWED, "left_otherwise"),
        (ev.EndReason.REFUSED, "left_otherwise"),
        (ev.EndReason.CALLBACK, "left_otherwise"),
        (ev.EndReason.PBX_FAILED, "left_otherwise"),
    ],
)
def test_every_end_is_counted_under_one_heading(reason, figure):
    t = Telling()
    t.queued(0)
    t.tell(5, ev.CallEnded("c1", reason=reason))
    view = t.queue()
    assert getattr(view, figure) == 1
    assert view.offered == view.answered + view.abandoned + view.fallback + view.left_otherwise


def test_the_card_waits_for_every_open_wrap_up():
    t = Telling("anna", "boris")
    t.talking(0)
    t.tell(10, ev.TalkEnded("c1", "anna", 1, ev.EndedBy.AGENT, caller_stays=True))
    t.tell(11, ev.CallAnswered("c1", "boris", 2))
    t.tell(20, ev.CallEnded("c1"), ev.WrapUpDone("boris"))
    assert t.cards() == []
    t.tell(30, ev.WrapUpDone("anna"))
    assert [s.acw_ms for s in t.cards()[0].segments] == [20, 0]


def test_a_talk_whose_card_waits_for_the_wrap_up_can_be_seen():
    """The call-back dialler asks for it: nobody else knows yet that this caller was served (003-24)."""
    t = Telling("anna")
    t.talking(1_000)
    assert t.engine.wrapping_up(2_000) == ()
    t.tell(
        3_000, ev.TalkEnded("c1", "anna", 1, ev.EndedBy.CALLER, caller_stays=False), ev.CallEnded("c1", 16)
    )
    (view,) = t.engine.wrapping_up(3_000)
    assert (view.call, view.ani, view.state) == ("c1", "200", "ended")
    t.wake(13_000)
    assert t.engine.wrapping_up(13_000) == ()
    assert len(t.cards()) == 1


def test_fields_before_and_after_the_end_and_the_last_word_counts():
    t = Telling()
    t.queued(0)
    t.tell(1, ev.CardFilled("c1", "anna", (("subject", "deed"), ("note", "x"))))
    t.tell(2, ev.CallEnded("c1"))
    t.tell(3, ev.CardFilled("c1", None, (("note", "y"),)), ev.CardFilled("c1", None, (("note", "y"),)))
    assert [c.fields for c in t.cards()] == [
        (("subject", "deed"), ("note", "x")),
        (("subject", "deed"), ("note", "y")),
    ]


def test_fields_have_limits_that_are_counted():
    t = Telling()
    t.queued(0)
    many = tuple((f"f{n}", "v") for n in range(cards_module.FIELDS_LIMIT + 3))
    t.tell(1, ev.CardFilled("c1", None, many))
    t.tell(1, ev.CardFilled("c1", None, (("f0", "x" * (cards_module.FIELD_LENGTH_LIMIT + 1)),)))
    assert len(t.call().fields) == cards_module.FIELDS_LIMIT
    assert len(t.call().fields["f0"]) == cards_module.FIELD_LENGTH_LIMIT
    assert (t.counter("card_fields_refused"), t.counter("card_fields_cut")) == (3, 1)


def test_ended_calls_leave_memory_by_age():
    t = Telling()
    t.queued(0, "c1")
    t.queued(0, "c2")
    t.tell(0, ev.CallEnded("c1"))
    t.tell(3_599_999, ev.CallEnded("c2"))
    assert t.call("c1") is not None
    t.tell(3_600_000, ev.DeadlinePassed())
    assert t.call("c1") is None
    assert t.call("c2") is not None


def test_ended_calls_leave_memory_by_number_and_an_open_wrap_up_does_not_lose_the_card(monkeypatch):
    monkeypatch.setattr(cards_module, "CLOSED_LIMIT", 2)
    t = Telling("anna")
    t.talking(0, "c0")
    t.tell(1, ev.CallEnded("c0"))
    for n in (1, 2):
        t.queued(2, f"c{n}")
        t.tell(3, ev.CallEnded(f"c{n}"))
    assert t.call("c0") is None
    assert len(t.cards("c0")) == 1
    t.tell(9, ev.WrapUpDone("anna"))
    assert len(t.cards("c0")) == 1
    assert len(t.floor.closed) == 2
