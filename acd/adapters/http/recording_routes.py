"""Pausing the recording of one's own talk while a caller reads out a card number (security 22)."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict

from acd.adapters.http import views
from acd.adapters.http.auth import OnlyAgent
from acd.adapters.http.routes import CallPath, services_of
from acd.core.ids import AgentId, CallId
from acd.ports import PortError

router = APIRouter(prefix="/api/v1")


class Pause(BaseModel):
    """Body of a pause: on, or off again."""

    model_config = ConfigDict(extra="forbid")
    paused: bool


@router.post("/calls/{call}/recording")
async def recording(request: Request, call: CallPath, body: Pause, who: OnlyAgent) -> Response:
    """Pause the recording of the agent's talk, or let it go on; 409 with a reason when it cannot be done.

    Answers 200 once Asterisk has done it: `until_ms` is when it goes on by itself.
    """
    desk = services_of(request).recording
    if desk is None:
        raise HTTPException(404, "no recordings here")
    try:
        until = await desk.pause(AgentId(who.name), CallId(call), on=body.paused)
    except (ValueError, PortError) as refused:
        raise HTTPException(409, str(refused)) from None
    return views.answer({"v": 1, "paused": until is not None, "until_ms": until})
