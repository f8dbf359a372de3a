"""The gate between live feed and journal: each note is told once, and only what was told counts as heard."""

from __future__ import annotations

from acd.notegate import NoteGate
from acd.wire.ami import AmiFrame


def event(**headers: str) -> AmiFrame:
    named = {"Event": "UserEvent", "UserEvent": "AcdEnd", "Call": "c1", "Agent": "NONE", "Ms": "5", **headers}
    return AmiFrame("Event", "UserEvent", named)


ROW = {"call": "c1", "agent": "", "ms": "5"}


def test_a_row_is_new_until_the_live_feed_told_it() -> None:
    gate = NoteGate()
    gate.mark_event(event())
    assert gate.first_of_row("AcdEnd", ROW) is False
    assert gate.repeated == 1


def test_a_row_the_live_feed_never_brought_is_told_once() -> None:
    gate = NoteGate()
    assert gate.first_of_row("AcdEnd", ROW) is True
    assert gate.first_of_row("AcdEnd", ROW) is False


def test_notes_of_another_moment_agent_or_kind_are_other_notes() -> None:
    gate = NoteGate()
    gate.mark_event(event())
    assert gate.first_of_row("AcdEnd", {**ROW, "ms": "6"})
    assert gate.first_of_row("AcdEnd", {**ROW, "agent": "a1"})
    assert gate.first_of_row("AcdDial", ROW)


def test_foreign_events_are_no_notes() -> None:
    gate = NoteGate()
    gate.mark_event(event(UserEvent="Other"))
    gate.mark_event(AmiFrame("Event", "Hangup", {"Event": "Hangup"}))
    assert gate.first_of_row("Other", ROW)


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    gate = NoteGate(limit=2)
    for ms in ("1", "2", "3"):
        gate.first("AcdEnd", "c1", "", ms)
    assert gate.first("AcdEnd", "c1", "", "1") is True
    assert gate.first("AcdEnd", "c1", "", "3") is False
