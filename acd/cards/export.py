"""Cards as CSV for spreadsheets. A cell that a spreadsheet would take for a formula is made plain text."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from acd.core.card import CallCard
    from acd.core.instant import Instant

COLUMNS = (
    "number",
    "call",
    "subscriber",
    "queue",
    "did",
    "ani",
    "entered_at",
    "answered_at",
    "ended_at",
    "end_reason",
    "ended_by",
    "cause",
    "wait_ms",
    "talk_ms",
    "hold_ms",
    "acw_ms",
    "agent",
    "offers",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class TextSink(Protocol):
    """Where CSV goes: a file or the terminal."""

    def write(self, text: str, /) -> object:
        """Take text."""


def guarded(cell: object) -> str:
    """Return the cell's text; with an apostrophe before it if a spreadsheet would calculate it."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA_STARTS) or text[:1].isspace() else text


def iso(at: Instant | None) -> str:
    """Return a moment in UTC to the millisecond, empty for none."""
    if at is None:
        return ""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_csv(cards: Iterable[CallCard], out: TextSink) -> int:
    """Write a head line and one line per card, desk fields as columns of their own; return how many cards."""
    found = list(cards)
    names = list(dict.fromkeys(name for card in found for name, _ in card.fields))
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*COLUMNS, *(guarded(name) for name in names)])
    for card in found:
        fields = dict(card.fields)
        row = [
            card.number,
            card.call,
            card.subscriber,
            card.queue,
            card.did,
            card.ani,
            iso(card.entered_at),
            iso(card.answered_at),
            iso(card.ended_at),
            card.end_reason.value,
            card.ended_by.value,
            card.cause,
            card.wait_ms,
            card.talk_ms,
            card.hold_ms,
            card.acw_ms,
            card.agent,
            len(card.segments),
        ]
        writer.writerow([guarded(cell) for cell in (*row, *(fields.get(name, "") for name in names))])
    return len(found)
