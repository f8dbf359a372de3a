"""JSON forms of snapshot, card and pop, and who may see which number. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import Response

from acd import snapshot_json, topics
from acd.cards import card_json as cardjson
from acd.credentials import Principal, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acd.adapters.http.services import StoredCard
    from acd.core.snapshot import Snapshot
    from acd.desk.message import Message
    from acd.pops import Pop
    from acd.snapshot_json import Labels


def answer(body: Mapping[str, Any], status: int = 200) -> Response:
    """Return a JSON answer; text that UTF-8 cannot carry never becomes an error."""
    return Response(topics.encode(body), status, media_type="application/json")


def snapshot(view: Snapshot, labels: Labels, who: Principal) -> dict[str, Any]:
    """Return the snapshot in the form of acd.snapshot_json, with the numbers this principal may see.

    A supervisor sees every caller's number, an agent that of its own call, a wallboard none.
    """
    if who.role is not Role.SUPERVISOR:
        view = topics.without_numbers(view, lambda call: who.role is Role.AGENT and call.agent == who.name)
    return snapshot_json.encode(view, labels)


def agent(view: Snapshot, name: str, labels: Labels) -> dict[str, Any] | None:
    """Return one agent's status and state with the time of our clock; None when unknown."""
    found = next((a for a in view.agents if a.agent == name), None)
    if found is None:
        return None
    state = {key: getattr(found, key) for key in topics.AGENT_STATE}
    return {"v": topics.VERSION, "now": view.now, "name": labels.agents.get(name, ""), "state": state}


def card(stored: StoredCard) -> dict[str, Any]:
    """Return a card in the form of acd.cards.card_json, with the `version` of its content."""
    return cardjson.to_data(stored.card) | {"version": stored.version}


def message(rendered: Message) -> dict[str, Any]:
    """Return a rendered message and what keeps it from being sent."""
    return {
        "v": topics.VERSION,
        "ready": rendered.ready,
        "subject": rendered.subject,
        "text": rendered.text,
        "plain": rendered.plain,
        "fields": dict(rendered.fields),
        "problems": [{"field": p.field, "code": p.code} for p in rendered.problems],
    }


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
        "identified": shown.identified,
        "dossier": topics.tidy_dossier(
            shown.dossier if shown.identified else topics.without_sensitive(shown.dossier)
        ),
    }
