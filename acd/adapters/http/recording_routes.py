"""Pausing the recording of one's own talk while a caller reads out a card number (security 22)."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict

from acd.adapters.http import views
from acd.adapters.http.auth import OnlyAgent
from acd.adapters.http.routes import CallPath, services_of
from acd.core.ids import AgentId, CallId
from acd.ports import NotRecordedError, PortError, RefusedError

router = APIRouter(prefix="/api/v1")


class Pause(BaseModel):
    """Body of a pause: on, or off again."""

    model_config = ConfigDict(extra="forbid")
    paused: bool


@router.post("/calls/{call}/recording")
async def recording(request: Request, call: CallPath, body: Pause, who: OnlyAgent) -> Response:
    """Pause the recording of the agent's talk, or let it go on.

    Answers 200 once Asterisk has done it: `until_ms` is when it goes on by itself. Else `reason` says what is recorded:
    `not_recorded` (409) nothing at all; `refused` (409) as before; `switch_silent` (503) nobody knows, and the talk
    must be taken for recorded.
    """
    desk = services_of(request).recording
    if desk is None:
        raise HTTPException(404, "no recordings here")
    try:
        until = await desk.pause(AgentId(who.name), CallId(call), on=body.paused)
    except NotRecordedError as none:
        return _failed(409, "not_recorded", none)
    except (ValueError, RefusedError) as refused:
        return _failed(409, "refused", refused)
    except PortError as silent:
        return _failed(503, "switch_silent", silent)
    return views.answer({"v": 1, "paused": until is not None, "until_ms": until})


def _failed(status: int, reason: str, why: Exception) -> Response:
    return views.answer({"detail": str(why), "reason": reason}, status)
