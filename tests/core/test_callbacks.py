"""Call-backs in the core: they wait for an agent like a call, and count in no queue's service level.

Requirements 003-24, 004-05, 004-16; failure modes 19, 35, 38.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.core import effects as ef
from acd.core import events as ev
from acd.core.callback_events import CallbackBegun, NumberCalled, NumberResult
from acd.core.engine import Engine
from acd.core.policy import AgentPolicy, Policy, QueuePolicy
from acd.core.transfer_facts import TransferAsked, TransferHow
from acd.core.weighted import WeightedMatcher
from tests.core.telling import Telling

R = NumberResult


def begun(t: Telling, now: int, call: str = "b1", *, entered_at: int | None = None, **more: object) -> None:
    t.tell(now, ev.CallEntered(call, "100", "79160000001"), CallbackBegun(call, "m1"))
    t.queued(now, call, entered_at=now if entered_at is None else entered_at, **more)


def talk(t: Telling, now: int, *results: NumberResult, call: str = "b1") -> None:
    """The agent takes it, the number does what it does, everybody hangs up."""
    t.tell(now, ev.OfferConfirmed(call, "anna", 1), ev.CallAnswered(call, "anna", 1))
    t.tell(now + 1_000, *[NumberCalled(call, result) for result in results])
    t.tell(now + 5_000, ev.TalkEnded(call, "anna", 1, ev.EndedBy.CALLER), ev.CallEnded(call, 16))
    t.tell(now + 5_001, ev.WrapUpDone("anna"))


@pytest.mark.parametrize(
    ("results", "reason", "result"),
    [
        ((R.DIALLED, R.ANSWERED, R.ANSWERED), ev.EndReason.HANDLED, "answered"),
        ((R.ANSWERED, R.DIALLED), ev.EndReason.HANDLED, "answered"),
        ((R.DIALLED, R.NO_ANSWER), ev.EndReason.NOT_REACHED, "no_answer"),
        ((R.DIALLED, R.BUSY), ev.EndReason.NOT_REACHED, "busy"),
        ((R.NO_ANSWER, R.DIALLED), ev.EndReason.NOT_REACHED, "no_answer"),
        ((), ev.EndReason.NOT_REACHED, None),
    ],
)
def test_a_callback_is_handled_only_when_the_number_answered(results, reason, result):
    """Failure mode 19: the agent's answer alone is no talk."""
    t = Telling("anna")
    begun(t, 0)
    talk(t, 10, *results)
    card = t.cards("b1")[-1]
    fields = dict(card.fields)
    assert (card.end_reason, fields.get("callback_result")) == (reason, result)
    assert (fields["direction"], fields["callback_of"], card.agent) == ("outbound", "m1", "anna")


def test_an_answer_told_after_the_end_corrects_the_card():
    t = Telling("anna")
    begun(t, 0)
    talk(t, 10, R.DIALLED)
    t.tell(9_000, NumberCalled("b1", R.ANSWERED))
    assert [card.end_reason for card in t.cards("b1")] == [ev.EndReason.NOT_REACHED, ev.EndReason.HANDLED]


def test_a_callback_counts_nowhere_in_the_queues_figures():
    """004-05: the promise is about callers; nobody waits on a call-back's line."""
    t = Telling("anna")
    before = t.queue()
    begun(t, 0)
    assert t.queue() == before
    assert t.engine.waiting("desk") == 0
    talk(t, 10, R.DIALLED, R.ANSWERED)
    after = t.queue()
    assert (after.offered, after.answered, after.handled, after.left_otherwise) == (0, 0, 0, 0)


def test_the_longest_wait_of_a_callback_counts_from_its_own_queueing():
    """A kept place may be older than the longest wait of the queue."""
    t = Telling()
    limit = t.floor.lines["desk"].policy.max_wait_ms
    begun(t, 10_000_000, entered_at=10_000_000 - 2 * limit)
    assert not [w for w in t.wishes if isinstance(w, ef.SendToFallback)]
    assert isinstance(t.wake(10_000_000 + limit)[0], ef.SendToFallback)


def test_an_agent_in_a_callback_is_nobody_elses():
    t = Telling("anna")
    begun(t, 0)
    t.tell(1, ev.OfferConfirmed("b1", "anna", 1), ev.CallAnswered("b1", "anna", 1))
    t.queued(2, "c1")
    assert (t.state("b1"), t.state("c1"), t.agent("anna")) == ("talking", "waiting", "talking")


def test_a_place_kept_in_line_neither_jumps_ahead_nor_falls_back():
    """A caller who chose to be called back stands where he stood: by his first entry."""
    t = Telling()
    t.queued(1_000, "before")
    t.queued(2_000, "chooser")
    t.queued(3_000, "after")
    t.tell(4_000, ev.CallbackChosen("chooser", "200"), ev.CallEnded("chooser", 16))
    begun(t, 5_000, entered_at=2_000)
    assert [t.floor.matcher.position(c) for c in ("before", "b1", "after")] == [1, 2, 3]


def test_a_resync_adopts_a_callback_as_one():
    live = ev.LiveCall("b1", "wait", "desk", "firm", "100", "7916", 50, missed="m1")
    t = Telling(synced=False)
    t.tell(100, ev.WorldSynced((live,)))
    assert (t.call("b1").outbound, t.state("b1"), t.queue().offered) == (True, "waiting", 0)
    assert t.engine.snapshot(100).calls[0].outbound
    t.tell(200, ev.WorldSynced(audit=True))
    t.tell(300, ev.WorldSynced(audit=True))
    assert t.cards("b1")[-1].end_reason is ev.EndReason.PBX_FAILED


@given(
    callers=st.lists(st.integers(0, 240_000), min_size=1, max_size=12),
    place=st.integers(0, 240_000),
    free_at=st.integers(240_001, 300_000),
)
def test_never_ahead_of_an_earlier_caller_of_equal_promise(callers, place, free_at):
    """Agents become free one after the other: whoever entered before the kept place is served before it."""
    queue = QueuePolicy("desk", "firm", wrap_up_ms=0, max_wait_ms=3_600_000)
    names = [f"a{n}" for n in range(len(callers) + 1)]
    engine = Engine(Policy((queue,), tuple(AgentPolicy(name) for name in names)), WeightedMatcher())
    engine.step(ev.WorldSynced(), 0)
    for n, entered in enumerate(sorted(callers)):
        fact = ev.CallQueued(f"c{n}", "desk", "firm", "100", f"20{n}", entered)
        engine.step(fact, 240_000)
    for fact in (
        ev.CallEntered("b1", "100", "7916"),
        CallbackBegun("b1", "m1"),
        ev.CallQueued("b1", "desk", "firm", "100", "7916", place),
    ):
        engine.step(fact, 240_000)
    order = []
    for n, name in enumerate(names):
        wishes = engine.step(ev.AgentLoggedIn(name), free_at + n)
        order += [w.call for w in wishes if isinstance(w, ef.OfferCall)]
    assert len(order) == len(names)
    earlier = sum(entered < place for entered in callers)
    assert order.index("b1") >= earlier
    assert order.index("b1") <= sum(entered <= place for entered in callers)


@given(
    waits=st.lists(st.integers(0, 110_000), min_size=1, max_size=8),
    ages=st.lists(st.integers(0, 110_000), min_size=1, max_size=8),
)
def test_background_callbacks_come_after_every_caller(waits, ages):
    """Incoming promises come first: the ledger's call-backs have the least priority and a short stay in line."""
    now = 120_000
    queue = QueuePolicy("desk", "firm", wrap_up_ms=0)
    names = [f"a{n}" for n in range(len(waits))]
    engine = Engine(Policy((queue,), tuple(AgentPolicy(name) for name in names)), WeightedMatcher())
    engine.step(ev.WorldSynced(), 0)
    for n, age in enumerate(ages):
        engine.step(ev.CallEntered(f"b{n}", "100", "7916"), now - age)
        engine.step(CallbackBegun(f"b{n}", ""), now - age)
        back = ev.CallQueued(f"b{n}", "desk", "firm", "100", "7916", now - age, priority=0.01)
        engine.step(back, now - age)
    for n, wait in enumerate(waits):
        engine.step(ev.CallQueued(f"c{n}", "desk", "firm", "100", f"20{n}", now - wait), now)
    served = []
    for n, name in enumerate(names):
        wishes = engine.step(ev.AgentLoggedIn(name), now + n)
        served += [w.call for w in wishes if isinstance(w, ef.OfferCall)]
    assert sorted(served) == sorted(f"c{n}" for n in range(len(waits)))


def test_a_callback_is_handed_on_like_any_call():
    """002-08: each agent has his own talk, the card is one, and the number answered once."""
    t = Telling("anna", "boris")
    begun(t, 0)
    t.tell(
        10,
        ev.OfferConfirmed("b1", "anna", 1),
        ev.CallAnswered("b1", "anna", 1),
        NumberCalled("b1", R.ANSWERED),
    )
    wishes = t.tell(1_000, TransferAsked("b1", "anna", TransferHow.BLIND, "agent_boris"))
    assert [w.to for w in wishes if isinstance(w, ef.TransferCall)] == ["agent_boris"]
    t.tell(1_100, ev.CallTransferred("b1", "anna", "agent_boris"), ev.OfferConfirmed("b1", "boris", 2))
    t.tell(1_200, ev.CallAnswered("b1", "boris", 2))
    t.tell(5_000, ev.TalkEnded("b1", "boris", 2, ev.EndedBy.AGENT), ev.CallEnded("b1"))
    t.tell(5_001, ev.WrapUpDone("anna"), ev.WrapUpDone("boris"))
    card = t.cards("b1")[-1]
    assert ([s.agent for s in card.segments], card.end_reason) == (["anna", "boris"], ev.EndReason.HANDLED)
    assert t.queue().offered == 0


def test_a_client_reached_whose_agent_is_lost_waits_at_the_head_and_may_fall_back():
    """The PBX serves who is on the line; the task is kept by the talk he had."""
    t = Telling("anna")
    begun(t, 0)
    t.tell(
        10,
        ev.OfferConfirmed("b1", "anna", 1),
        ev.CallAnswered("b1", "anna", 1),
        NumberCalled("b1", R.ANSWERED),
    )
    t.tell(1_000, ev.TalkEnded("b1", "anna", 1, ev.EndedBy.AGENT, caller_stays=True))
    t.tell(1_001, ev.AgentLoggedOut("anna"), ev.WrapUpDone("anna"))
    assert t.state("b1") == "waiting"
    t.tell(1_500, ev.CallLeftToFallback("b1", "heartbeat"))
    assert t.state("b1") == "fallback"
    t.tell(20_000, ev.CallEnded("b1"))
    card = t.cards("b1")[-1]
    assert (card.end_reason, dict(card.fields)["callback_result"]) == (ev.EndReason.HANDLED, "answered")
    assert t.queue().offered == 0
