"""Tells which notes of the journal the live feed has brought already.

The journal is complete and a moment late; the live feed is quick and may miss. Both feed the same facts,
and this gate drops the journal's copy of what was heard live. Facts are idempotent anyway; the gate keeps
an old copy from being read as something new (a call that was queued, offered, and "queued" again by a late
reader).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING

from agi_scripts.dialplan_vars import NOTES

if TYPE_CHECKING:
    from acd.wire.ami import AmiFrame

LIMIT = 50_000
"""Notes remembered: minutes of the busiest centre, far longer than the journal's delay."""


class NoteGate:
    """Remembers notes. Identity: kind, call, agent and the note's own milliseconds."""

    def __init__(self, limit: int = LIMIT) -> None:
        # a hash each, not the texts: fifty thousand notes then take a half of the room (10 MiB)
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._limit = limit
        self.repeated = 0

    def first(self, kind: str, call: str, agent: str, ms: str) -> bool:
        """Return whether this note is new, and remember it."""
        text = f"{kind}\0{call}\0{agent}\0{ms}".encode("utf-8", "surrogatepass")
        key = blake2b(text, digest_size=16).digest()
        if key in self._seen:
            self.repeated += 1
            return False
        self._seen[key] = None
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
        return True

    def mark_event(self, frame: AmiFrame) -> None:
        """Remember what the live feed brought. It always passes: only it tells who is which channel."""
        if frame.name == "UserEvent" and (kind := frame.get("UserEvent")) in NOTES:
            self.first(kind, _bare(frame.get("Call")), _bare(frame.get("Agent")), frame.get("Ms"))

    def first_of_row(self, kind: str, fields: Mapping[str, str]) -> bool:
        """The same for a journal row's fields (as note_to_facts takes them)."""
        return self.first(kind, fields.get("call", ""), fields.get("agent", ""), fields.get("ms", ""))


def _bare(value: str) -> str:
    return "" if value == "NONE" else value
