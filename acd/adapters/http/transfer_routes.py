"""Handing the call in hand on: whom it may go to, and the agent's wish. A wish is a fact; the core decides."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from acd.adapters.http import views
from acd.adapters.http.auth import OnlyAgent
from acd.adapters.http.routes import CallPath, fill, services_of
from acd.core.ids import AgentId, CallId
from acd.core.transfer_facts import TransferAsked, TransferHow
from acd.desk.forms import HANDED_TO

if TYPE_CHECKING:
    from acd.adapters.http.services import TransferAnswers

log = logging.getLogger("acd.http")

router = APIRouter(prefix="/api/v1")


class Wish(BaseModel):
    """Body of a transfer. `kind` and `id` name the target; complete and back need none."""

    model_config = ConfigDict(extra="forbid")
    how: Literal["blind", "consult", "complete", "back"]
    kind: Literal["agent", "queue", "person", "number", ""] = ""
    id: str = Field(default="", max_length=64)


def _transfers(request: Request) -> TransferAnswers:
    found: TransferAnswers | None = services_of(request).transfers
    if found is None:
        raise HTTPException(404, "no transfers here")
    return found


@router.get("/calls/{call}/targets")
async def targets(request: Request, call: CallPath, who: OnlyAgent) -> Response:
    """Whom the agent's call may be handed to now; 409 when it is not in talk with this agent."""
    try:
        found = await _transfers(request).choices(AgentId(who.name), CallId(call))
    except ValueError as refused:
        raise HTTPException(409, str(refused)) from None
    return views.answer({"v": 1, "targets": found})


@router.post("/calls/{call}/transfer")
async def transfer(request: Request, call: CallPath, body: Wish, who: OnlyAgent) -> Response:
    """Hand on (blind), ask first (consult), let the target have the caller (complete), or take him back.

    409 with a reason when it is not allowed now; 202: seen in the agent's state.
    """
    services, agent = services_of(request), AgentId(who.name)
    how = TransferHow(body.how)
    begins = how in {TransferHow.BLIND, TransferHow.CONSULT}
    if how is TransferHow.CONSULT and body.kind == "queue":
        raise HTTPException(409, "a waiting line cannot be asked: hand the call on at once")
    desk = _transfers(request)
    try:
        to = await desk.target(agent, CallId(call), body.kind, body.id) if begins else ""
        if not begins:
            desk.ending(agent, CallId(call))
    except ValueError as refused:
        raise HTTPException(409, str(refused)) from None
    services.inbox(TransferAsked(CallId(call), agent, how, to, at=services.clock.now()))
    if begins and body.kind == "person":
        # the case goes along (002-08): what is written goes to this person too, also when nobody picks up
        try:
            await fill(services, CallId(call), agent, ((HANDED_TO, body.id),))
        except HTTPException as failed:
            # the caller is on his way already: an error would make the agent hand him on a second time. Who is rung
            # gets the message all the same, by the switch's own notes (acd.deskside.cards)
            log.warning("%s of call %s is not on its card: %s", HANDED_TO, call, failed.detail)
    return views.answer({"accepted": True}, 202)
