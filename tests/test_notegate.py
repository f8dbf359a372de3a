"""Each note passes once, whichever way it came first."""

from __future__ import annotations

from acd.notegate import NoteGate
from acd.wire.ami import AmiFrame


def event(kind, agent="anna", ms="1000"):
    return AmiFrame("Event", "UserEvent", {"UserEvent": kind, "Call": "c1", "Agent": agent, "Ms": ms})


def test_what_the_live_feed_brought_is_not_told_again_from_the_journal():
    gate = NoteGate()
    fields = {"call": "c1", "agent": "anna", "ms": "1000"}
    gate.mark_event(event("AcdAnswer"))
    assert not gate.first_of_row("AcdAnswer", fields)
    assert gate.first_of_row("AcdTalkEnd", fields)
    assert not gate.first_of_row("AcdTalkEnd", fields)
    assert gate.repeated == 2


def test_none_and_nothing_are_the_same_agent():
    gate = NoteGate()
    gate.mark_event(event("AcdEnter", agent="NONE"))
    assert not gate.first_of_row("AcdEnter", {"call": "c1", "agent": "", "ms": "1000"})


def test_what_is_no_note_is_not_remembered():
    gate = NoteGate()
    gate.mark_event(AmiFrame("Event", "Hangup", {"Uniqueid": "1.1"}))
    gate.mark_event(event("SomethingElse"))
    assert not gate._seen


def test_memory_is_bounded():
    gate = NoteGate(limit=10)
    for ms in range(100):
        gate.first("AcdEnter", "c", "", str(ms))
    assert len(gate._seen) == 10
    assert gate.first("AcdEnter", "c", "", "0"), "forgotten long ago"
