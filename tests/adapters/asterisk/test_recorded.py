"""Traffic recorded from Asterisk 22.10.1 → facts: one answered call, the agent hangs up (house.md 1.10).

The capture is what the router's user was sent, byte for byte, from the greeting to the end of the call. It
was taken with `LinkProtocol.data_received` writing every chunk to a file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.adapters.asterisk.channels import EVENTS, Translator
from acd.core import events as fact
from acd.core.events import EndedBy, QueuedWhy
from acd.wire.ami import AmiClientParser

CAPTURE = (Path(__file__).parent / "captures" / "answered_call.ami").read_bytes()
CALL = "66331b2e-891b-4ce4-9644-16fea4a6d885"
STORY = [
    fact.CallEntered(CALL, "74951234567", "+79121234567", at=1795326685066),
    fact.CallQueued(
        CALL,
        "q1",
        "s1",
        "74951234567",
        "+79121234567",
        1795326685065,
        why=QueuedWhy.NEW,
        card_number="100-7",
        priority=2.0,
        at=1795326685073,
    ),
    fact.OfferConfirmed(CALL, "a1", 7, at=1795326685075, queue="q1"),
    fact.AgentRinging(CALL, "a1", 7, at=1795326685080),
    fact.CallAnswered(CALL, "a1", 7, at=1795326685082, queue="q1"),
    fact.TalkEnded(CALL, "a1", 7, EndedBy.AGENT, at=1795326686157),
    fact.CallEnded(CALL, cause=16, by=EndedBy.AGENT, at=1795326686157),
]


@pytest.mark.parametrize("size", [len(CAPTURE), 1448, 61, 1])
def test_the_recorded_call_tells_its_story_in_any_chunking(size):
    parser = AmiClientParser(EVENTS)
    translator = Translator({"a1": "PJSIP/a1"})
    told = [
        one
        for at in range(0, len(CAPTURE), size)
        for frame in parser.feed(CAPTURE[at : at + size])
        for one in translator.event(frame)
    ]
    assert told == STORY
    assert parser.counters.malformed == parser.counters.odd_lines == 0
    assert translator.counters == {}
    assert translator.uniqueid_of(CALL) is None
    assert not translator._legs
