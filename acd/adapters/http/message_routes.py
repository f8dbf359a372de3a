"""The written message of a call: preview while talking, save, and the caller's identity confirmed.

Preview and save render by the same function on the same facts: what the agent saw is what the card keeps.
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from acd import topics
from acd.adapters.http import views
from acd.adapters.http.auth import AgentOrSupervisor, OnlyAgent
from acd.adapters.http.routes import CallPath, audited, fill, own_call, services_of
from acd.adapters.http.services import HttpServices
from acd.core.ids import AgentId, CallId
from acd.credentials import Principal
from acd.desk.forms import MESSAGE, MESSAGE_SUBJECT, PLAIN_FORM
from acd.desk.message import Message, tidy
from acd.ports import PortError

router = APIRouter(prefix="/api/v1")

_MAX_FIELDS, _MAX_NAME, _MAX_TEXT, _MAX_HOW = 40, 40, 4_000, 200


class MessageFields(BaseModel):
    """What the agent typed, by field name, and `disposition`."""

    model_config = ConfigDict(extra="forbid")
    fields: dict[str, str] = Field(max_length=_MAX_FIELDS)

    @field_validator("fields")
    @classmethod
    def _bounded(cls, fields: dict[str, str]) -> dict[str, str]:
        if any(len(name) > _MAX_NAME or len(text) > _MAX_TEXT for name, text in fields.items()):
            raise ValueError(f"a field holds at most {_MAX_TEXT} characters")
        return {topics.clean(name): topics.clean(text) for name, text in fields.items()}


class Identity(BaseModel):
    """How the agent made sure who calls."""

    model_config = ConfigDict(extra="forbid")
    how: str = Field(default="", max_length=_MAX_HOW)


async def _compose(
    services: HttpServices, who: Principal, call: CallId, body: MessageFields
) -> tuple[Message, AgentId | None, str]:
    agent = await own_call(services, who, call)
    try:
        message, form = await services.desk.message(agent, call, body.fields)
    except PortError:
        raise HTTPException(503, "the card store does not answer") from None
    return message, agent, form


@router.post("/calls/{call}/message/preview")
async def preview(request: Request, call: CallPath, body: MessageFields, who: AgentOrSupervisor) -> Response:
    """The message exactly as it will be kept, and what is still missing."""
    message, _, _ = await _compose(services_of(request), who, CallId(call), body)
    return views.answer(views.message(message))


@router.put("/calls/{call}/message")
async def save(request: Request, call: CallPath, body: MessageFields, who: AgentOrSupervisor) -> Response:
    """Keep fields and rendered message on the call's card; 422 with the problems while it is not ready.

    An urgent message leaves now (`sent`), another with its card, when the wrap-up is over.
    """
    services = services_of(request)
    message, agent, form = await _compose(services, who, CallId(call), body)
    if not message.ready:
        return views.answer(views.message(message) | {"detail": "the message is not complete"}, 422)
    kept = (
        *message.fields,
        ("form", form),
        (MESSAGE, message.text),
        (MESSAGE_SUBJECT, message.subject),
        (PLAIN_FORM, message.plain),
    )
    durable = await fill(services, CallId(call), agent, kept)
    # a store that could not keep the fields cannot keep the message either: it leaves with its card
    sent = durable and await services.desk.send_now(agent, CallId(call), kept)
    return views.answer(views.message(message) | {"accepted": True, "kept": durable, "sent": sent}, 202)


@router.post("/calls/{call}/identity")
async def confirm_identity(request: Request, call: CallPath, body: Identity, who: OnlyAgent) -> Response:
    """The agent made sure who calls: open the sensitive part of the dossier, and note it on the card."""
    services = services_of(request)
    agent = await own_call(services, who, CallId(call))
    shown = services.pops.identify(AgentId(who.name), CallId(call))
    if shown is None:
        raise HTTPException(404, "this call is not on your screen")
    await audited(services, who, "identity confirmed", f"call {call}")
    await fill(services, CallId(call), agent, (("identity_confirmed", tidy(body.how) or "yes"),))
    return views.answer(views.pop(shown))
