"""A CallCard as plain JSON data and back: the one form used by spill file, outbox, export and HTTP."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields as dataclass_fields
from typing import Any

from acd.core.card import CallCard, Segment
from acd.core.events import EndedBy, EndReason
from acd.core.ids import AgentId, Ani, CallId, Did, QueueId, SubscriberId

SCHEMA_VERSION = 1


class CardFormatError(ValueError):
    """The data are not a card of a version we know."""


def to_data(card: CallCard) -> dict[str, Any]:
    """Return JSON-able data; `v` is the version of this form."""
    data: dict[str, Any] = {"v": SCHEMA_VERSION}
    for item in dataclass_fields(card):
        data[item.name] = getattr(card, item.name)
    data["end_reason"] = card.end_reason.value
    data["ended_by"] = card.ended_by.value
    data["segments"] = [segment_to_data(segment) for segment in card.segments]
    data["fields"] = [list(pair) for pair in card.fields]
    data["history"] = [list(entry) for entry in card.history]
    data["explanation"] = [str(line) for line in card.explanation]
    return data


def segment_to_data(segment: Segment) -> dict[str, Any]:
    """Return one segment as JSON-able data."""
    return {item.name: getattr(segment, item.name) for item in dataclass_fields(segment)}


def from_data(data: dict[str, Any]) -> CallCard:
    """Return the card. Raises CardFormatError when a part is missing or of the wrong kind."""
    try:
        if data["v"] != SCHEMA_VERSION:
            raise CardFormatError(f"card form version {data['v']!r} is not known")
        return CallCard(
            call=CallId(data["call"]),
            number=data["number"],
            subscriber=SubscriberId(data["subscriber"]),
            queue=QueueId(data["queue"]),
            did=Did(data["did"]),
            ani=Ani(data["ani"]),
            entered_at=data["entered_at"],
            answered_at=data["answered_at"],
            ended_at=data["ended_at"],
            end_reason=EndReason(data["end_reason"]),
            ended_by=EndedBy(data["ended_by"]),
            cause=data["cause"],
            wait_ms=data["wait_ms"],
            talk_ms=data["talk_ms"],
            hold_ms=data["hold_ms"],
            acw_ms=data["acw_ms"],
            agent=None if data["agent"] is None else AgentId(data["agent"]),
            segments=tuple(Segment(**segment) for segment in data["segments"]),
            fields=tuple((name, value) for name, value in data["fields"]),
            history=tuple((at, state, detail) for at, state, detail in data["history"]),
            explanation=tuple(data["explanation"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, CardFormatError):
            raise
        raise CardFormatError(f"not a card: {error!r}") from error


def dumps(card: CallCard) -> str:
    """Return one line of JSON, the same text for the same card."""
    return json.dumps(to_data(card), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def loads(text: str) -> CallCard:
    """Return the card of `dumps`. Raises CardFormatError."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise CardFormatError(f"not JSON: {error}") from error
    if not isinstance(data, dict):
        raise CardFormatError("not a JSON object")
    return from_data(data)


def digest(card: CallCard) -> str:
    """Return a digest of the content, to recognise a repeated write. Lone surrogates are tolerated."""
    return hashlib.sha256(dumps(card).encode("utf-8", "surrogatepass")).hexdigest()
