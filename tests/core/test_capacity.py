"""What may be given to one agent beside calls, and why not."""

from __future__ import annotations

import pytest

from acd.core import events as ev
from acd.core.capacity import Capacity
from acd.core.engine import Engine
from acd.core.policy import AgentPolicy, Policy, Promise, QueuePolicy, RoutingWeights
from acd.core.weighted import WeightedMatcher


def centre(agents: int, *, reserve: int = 0, written: int = 2) -> Engine:
    people = tuple(
        AgentPolicy(f"a{i}", reserve=reserve, capacity=Capacity(written=written)) for i in range(agents)
    )
    desk = QueuePolicy("desk", "firm", Promise(), expected_calls_per_s=0.02, wrap_up_ms=0)
    engine = Engine(Policy((desk,), people), WeightedMatcher())
    engine.step(ev.WorldSynced(), 0)
    for one in people:
        engine.step(ev.AgentLoggedIn(one.id), 0)
    return engine


def queued(engine: Engine, now: int, call: str = "c1") -> None:
    engine.step(ev.CallQueued(call, "desk", "firm", "1", "2", now), now)


def test_written_work_goes_to_who_can_be_spared_and_not_to_the_last_ones():
    """001-07, 001-08: shared volume by a clear rule, the threshold on the opportunity cost."""
    assert centre(6).room_for("a0", "written").allowed
    last = centre(1).room_for("a0", "written")
    assert not last.allowed
    assert last.why.startswith("needed on the phones: opportunity cost ")


def test_the_number_in_hand_is_a_limit_and_a_call_still_comes_first():
    engine = centre(6)
    engine.step(ev.WorkTaken("a0", "mail-1"), 1)
    engine.step(ev.WorkTaken("a0", "mail-1"), 2)
    assert engine.room_for("a0", "written").allowed
    engine.step(ev.WorkTaken("a0", "mail-2"), 3)
    assert engine.room_for("a0", "written").why == "full: 2 of 2 in hand"
    assert engine.room_for("a0", "calls").allowed, "written work keeps no call away"
    assert engine.snapshot(4).agents[0].written == 2
    engine.step(ev.WorkDone("a0", "mail-1"), 5)
    engine.step(ev.WorkDone("a0", "mail-1"), 6)
    assert engine.room_for("a0", "written").allowed


def test_voice_is_exclusive():
    engine = centre(1)
    queued(engine, 10)
    for channel in ("calls", "written"):
        assert engine.room_for("a0", channel).why == "voice is exclusive: reserved"
    engine.step(ev.CallAnswered("c1", "a0", 1), 20)
    assert engine.room_for("a0", "written").why == "voice is exclusive: talking"


def test_the_back_office_writes_until_a_queue_calls():
    engine = centre(1, reserve=1)
    assert engine.room_for("a0", "written").allowed
    assert engine.room_for("a0", "calls").why == "reserve 1 is not called upon"
    engine.step(ev.AgentPaused("a0", "x"), 5)
    queued(engine, 10)
    engine.step(ev.DeadlinePassed(), 10_010)
    engine.step(ev.AgentResumed("a0"), 10_020)
    assert engine.snapshot(10_020).queues[0].reserve_open == 1
    assert engine.snapshot(10_020).agents[0].called
    engine.step(ev.CallEnded("c1"), 10_030)
    engine.step(ev.OfferEnded("c1", "a0", 1, ev.OfferOutcome.CALLER_GONE), 10_040)
    assert engine.room_for("a0", "written").why == "called to the phones by desk"
    assert engine.room_for("a0", "calls").allowed


def test_who_is_not_there_gets_nothing_and_a_channel_must_exist():
    engine = centre(2)
    engine.step(ev.AgentPaused("a0", "lunch"), 1)
    engine.step(ev.DeviceUnreachable("a1"), 1)
    assert engine.room_for("a0", "written").why == "paused"
    assert engine.room_for("a1", "calls").why == "the phone is not reachable or rests"
    assert engine.room_for("nobody", "calls").why == "unknown agent"
    with pytest.raises(ValueError, match="unknown channel 'fax'; known: calls, written"):
        engine.room_for("a1", "fax")


def test_more_in_hand_than_agreed_is_counted_not_lost():
    engine = centre(2, written=0)
    engine.step(ev.WorkTaken("a0", "mail"), 1)
    assert dict(engine.snapshot(1).counters) == {"written_work_beyond_capacity": 1}
    assert engine.room_for("a0", "written").why == "full: 1 of 0 in hand"


def test_the_threshold_is_a_weight():
    policy = Policy(
        (QueuePolicy("desk", "firm", Promise(), expected_calls_per_s=0.02),),
        (AgentPolicy("a0"),),
        RoutingWeights(blend=1e6),
    )
    engine = Engine(policy, WeightedMatcher())
    engine.step(ev.WorldSynced(), 0)
    engine.step(ev.AgentLoggedIn("a0"), 0)
    assert engine.room_for("a0", "written").allowed
