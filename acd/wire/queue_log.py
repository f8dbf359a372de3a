"""Asterisk's queue_log: one line of bytes to one journal row. No files, no clock.

A line of ours reads `time|call|queue|agent|ACDDIAL|ms=1700000000123|attempt=3`. The same file carries
app_queue's own lines; those are valid and not ours. Anything else is garbage, reported in one way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LINE_LIMIT = 8_192
"""Bytes; Asterisk writes far shorter lines, longer ones are garbage."""

_PREFIX = "ACD"
_NOTE = re.compile(rb"\d{10}\|[^|]*\|[^|]*\|[^|]*\|ACD[A-Z]+\|ms=\d{13}(?:\||$)")
_EVENT = re.compile(rb"[A-Z]+")
_NONE = "NONE"
_COLUMNS = 5


class JournalLineError(ValueError):
    """The line is not one that Asterisk writes; the message quotes none of its content."""


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One note of the dialplan. `kind` is the event in capitals; `call`, `queue`, `agent` may be empty."""

    kind: str
    call: str
    queue: str
    agent: str
    ms: int
    """Epoch milliseconds, as the dialplan took them."""
    fields: dict[str, str] = field(default_factory=dict)


def parse_line(line: bytes) -> JournalRow | None:
    """Return the row, or None for a valid line that is not one of our notes.

    `line` comes without its line end. A note that Asterisk wrote behind the half line of its former life (a full disk, a
    power cut) is found in it. Raises JournalLineError for garbage: cut lines, foreign bytes.
    """
    try:
        row = _parse(line)
    except JournalLineError:
        second = _behind_half_a_line(line)
        if second is None:
            raise
        return _parse(second)
    if row is None and (second := _behind_half_a_line(line)) is not None:
        return _parse(second)
    return row


def _behind_half_a_line(line: bytes) -> bytes | None:
    """Return the last note in a line whose event is none; app_queue's lines hold callers' texts, and stay what they are."""
    parts = line.split(b"|", _COLUMNS)
    event = parts[_COLUMNS - 1] if len(parts) >= _COLUMNS else b""
    if len(line) > LINE_LIMIT or (_EVENT.fullmatch(event) and not event.startswith(_PREFIX.encode())):
        return None
    found = list(_NOTE.finditer(line, 1))
    return line[found[-1].start() :] if found else None


def _parse(line: bytes) -> JournalRow | None:
    if len(line) > LINE_LIMIT:
        raise JournalLineError("the line is too long")
    try:
        text = line.decode("ascii") if line.isascii() else line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JournalLineError("the line is not text") from error
    parts = text.split("|")
    if len(parts) < _COLUMNS:
        raise JournalLineError("the line has too few columns")
    when, call, queue, agent, kind = parts[:_COLUMNS]
    seconds = _seconds(when)
    if not kind.startswith(_PREFIX):
        if not kind or not kind.isascii():
            raise JournalLineError("the line has no event")
        return None
    if not kind.isascii() or not kind.isalpha() or not kind.isupper():
        raise JournalLineError("the event's name is malformed")
    fields = _fields(parts[_COLUMNS:])
    ms = fields.pop("ms", "")
    if not (ms.isascii() and ms.isdigit()) or len(ms) > len("9999999999999"):
        raise JournalLineError("the note has no time in milliseconds")
    if abs(int(ms) // 1000 - seconds) > 24 * 3600:
        raise JournalLineError("the note's two times do not fit together")
    return JournalRow(kind, _value(call), _value(queue), _value(agent), int(ms), fields)


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > len("9999999999"):
        raise JournalLineError("the line does not begin with a time")
    return int(text)


def _value(text: str) -> str:
    return "" if text == _NONE else text


def _fields(parts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not part:
            continue  # Asterisk ends some lines with a bar
        if not equals or not name:
            raise JournalLineError("a field has no name")
        found.setdefault(name, value)  # the first wins: a forged second one changes nothing
    return found
