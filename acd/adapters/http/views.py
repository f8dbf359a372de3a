"""JSON forms of snapshot, card and pop, and who may see which number. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Any

from fastapi import Response

from acd import topics
from acd.credentials import Principal, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acd.adapters.http.services import StoredCard
    from acd.core.snapshot import Snapshot
    from acd.pops import Pop


def answer(body: Mapping[str, Any], status: int = 200) -> Response:
    """Return a JSON answer; text that UTF-8 cannot carry never becomes an error."""
    return Response(topics.encode(body), status, media_type="application/json")


def snapshot(view: Snapshot, who: Principal) -> dict[str, Any]:
    """Return the snapshot in the form of acd/v1/snapshot, plus the numbers this principal may see.

    A supervisor sees every caller's number, an agent that of its own call, a wallboard none.
    """
    body: dict[str, Any] = json.loads(topics.snapshot(view).payload)
    for call, shown in zip(view.calls, body["calls"], strict=True):
        if who.role is Role.SUPERVISOR or (who.role is Role.AGENT and call.agent == who.name):
            shown |= {"ani": call.ani, "did": call.did}
    return body


def card(stored: StoredCard) -> dict[str, Any]:
    """Return a card as JSON: instants in milliseconds, enums by value, fields as an object."""
    body = _plain(asdict(stored.card))
    body["fields"] = dict(stored.card.fields)
    body["history"] = [
        {"at": at, "state": state, "detail": detail} for at, state, detail in stored.card.history
    ]
    return dict(body) | {"version": stored.version}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def pop(shown: Pop) -> dict[str, Any]:
    """Return what the agent's screen shows. The caller's number is a hint, never proof (row 10)."""
    wish = shown.wish
    return {
        "v": topics.VERSION,
        "call": shown.call,
        "agent": shown.agent,
        "phase": shown.phase,
        "deadline_ms": shown.deadline,
        "effect": wish.effect,
        "attempt": wish.attempt,
        "queue": wish.queue,
        "subscriber": wish.subscriber,
        "did": wish.did,
        "ani": wish.ani,
        "ani_verified": False,
        "card": wish.card_number,
        "waited_ms": wish.waited_ms,
        "dossier": topics.tidy_dossier(shown.dossier),
    }
