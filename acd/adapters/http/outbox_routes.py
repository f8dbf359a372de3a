"""Cards on their way to the downstream system: how many wait, and a new life for those that were given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException, Request, Response

from acd.adapters.http import views
from acd.adapters.http.auth import OnlySupervisor
from acd.ports import PortError

if TYPE_CHECKING:
    from acd.adapters.http.services import Downstream

router = APIRouter(prefix="/api/v1")


def _downstream(request: Request) -> Downstream:
    found: Downstream | None = request.app.state.services.downstream
    if found is None:
        raise HTTPException(404, "no webhook is configured")
    return found


@router.get("/outbox")
async def outbox(request: Request, _who: OnlySupervisor) -> Response:
    """Count the cards that wait, were sent, and were given up; `oldest_waiting_at` in milliseconds since 1970."""
    try:
        found = await _downstream(request).outbox()
    except PortError:
        raise HTTPException(503, "the store does not answer") from None
    return views.answer({"v": 1, **found})


@router.post("/outbox/revive")
async def revive(request: Request, who: OnlySupervisor) -> Response:
    """Send again what was given up, with the keys it had; the receiver was mended."""
    try:
        revived = await _downstream(request).revive(who.name)
    except PortError:
        raise HTTPException(503, "the store does not answer") from None
    return views.answer({"v": 1, "revived": revived})
