"""The checker sees what it must see: each invariant is broken by hand once."""

import pytest

from acd.core import events as ev
from acd.core.agent import AgentState
from acd.core.call import CallState
from acd.core.errors import InvariantBroken
from tests.core.telling import Telling


def busy() -> Telling:
    t = Telling("anna", "boris", "clara")
    t.talking(0, "c1")
    t.queued(1, "c2")
    t.talking(2, "c3", "clara")
    t.tell(3, ev.CallEnded("c3"))
    t.queued(4, "c4")
    return t


def close(t):
    t.tell(5, ev.CallEnded("c4"))
    return t.call("c4")


BREAKS = {
    "is CallState.TALKING": lambda t: setattr(close(t), "state", CallState.TALKING),
    "still has an agent": lambda t: setattr(close(t), "leg", t.call("c1").leg),
    "has no card": lambda t: setattr(close(t), "card", None),
    "offered 5": lambda t: setattr(t.floor.lines["desk"].tally, "offered", 5),
    "in the past": lambda t: t.floor.deadlines.set(("rest", "anna"), 1),
    "among the live ones": lambda t: setattr(t.call("c4"), "state", CallState.ENDED),
    "with leg": lambda t: setattr(t.call("c4"), "state", CallState.TALKING),
    "disagree": lambda t: setattr(t.floor.agents["anna"], "leg", None),
    "agent not so": lambda t: setattr(t.floor.agents["anna"], "state", AgentState.RINGING),
    "waits without an end": lambda t: t.floor.deadlines.cancel(("max_wait", "c4")),
    "two open legs": lambda t: t.call("c4").legs.extend(t.call("c1").legs * 2),
    "not his": lambda t: setattr(t.floor.agents["anna"], "call", "c4"),
    "wraps up for ever": lambda t: t.floor.deadlines.cancel(("wrap", "clara")),
    "with a call": lambda t: setattr(t.floor.agents["clara"], "state", AgentState.IDLE),
    "reserved for ever": lambda t: t.floor.deadlines.cancel(("offer", "boris")),
    "disagree on readiness": lambda t: setattr(t.floor.agents["anna"], "offered_ready", True),
    "rests for ever": lambda t: setattr(t.floor.agents["anna"], "resting", True),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_each_broken_invariant_is_named(broken):
    t = busy()
    BREAKS[broken](t)
    with pytest.raises(InvariantBroken, match=broken):
        t.engine.check(5)


def test_an_agent_busy_elsewhere_needs_an_own_call():
    t = Telling("anna")
    t.tell(1, ev.OwnCallStarted("anna"))
    t.floor.agents["anna"].in_own_call = False
    with pytest.raises(InvariantBroken, match="without an own call"):
        t.engine.check(1)


def test_a_sound_floor_passes():
    busy().engine.check(5)
