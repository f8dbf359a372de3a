"""Asterisk's channel event log (CEL) as CSV: the second witness of how a caller's channel ended.

The columns are those of `config/asterisk/cel_custom.conf`. Kept are the dialplan's own AcdEnter event,
which joins our call id with the channel's unique id, and the end of a channel with its cause.
"""

from __future__ import annotations

import csv
import json
from typing import Final

from acd.wire.queue_log import LINE_LIMIT, JournalLineError, JournalRow

COLUMNS: Final = (
    "eventtype",
    "eventtime",
    "number",
    "exten",
    "context",
    "channel",
    "application",
    "uniqueid",
    "linkedid",
    "peer",
    "extra",
)
ENTER: Final = "CELENTER"
HANGUP: Final = "CELHANGUP"


def parse_line(line: bytes) -> JournalRow | None:
    """Return the row (kind CELENTER or CELHANGUP), or None for other events. Raises JournalLineError."""
    if len(line) > LINE_LIMIT:
        raise JournalLineError("the line is too long")
    try:
        cells = next(csv.reader([line.decode("utf-8", "strict")], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise JournalLineError("the line is not CSV") from error
    if len(cells) != len(COLUMNS):
        raise JournalLineError("the line has another number of columns than cel_custom.conf says")
    row = dict(zip(COLUMNS, cells, strict=True))
    ms = _milliseconds(row["eventtime"])
    extra = _extra(row["extra"])
    if row["eventtype"].lower() == "acdenter":
        return JournalRow(ENTER, extra.get("extra", ""), "", "", ms, {"uniqueid": row["uniqueid"]})
    if row["eventtype"] == "HANGUP":
        cause = extra.get("hangupcause", "0")
        return JournalRow(HANGUP, "", "", "", ms, {"uniqueid": row["uniqueid"], "cause": cause})
    if not row["eventtype"]:
        raise JournalLineError("the line has no event")
    return None


def _milliseconds(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    digits = (fraction + "000")[:3]
    if not (text.isascii() and seconds.isdigit() and digits.isdigit()) or len(seconds) > len("9999999999"):
        raise JournalLineError("the event has no time in seconds")
    return int(seconds) * 1000 + int(digits)


def _extra(text: str) -> dict[str, str]:
    """Return the last column: JSON in new versions of Asterisk, the bare value in old ones."""
    if not text.startswith("{"):
        return {"extra": text}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JournalLineError("the last column is cut") from error
    return {str(name): str(value) for name, value in data.items()}
