"""The phone in the page: the agent's own SIP user and password, over the page's session and nowhere else."""

from __future__ import annotations

import logging

from fastapi import APIRouter, HTTPException, Request, Response

from acd.adapters.http import sip_pipe, views
from acd.adapters.http.auth import OnlyAgent
from acd.adapters.http.routes import AgentPath, services_of
from acd.core.ids import AgentId

router = APIRouter(prefix="/api/v1")
log = logging.getLogger("acd.http")


@router.get("/agents/{agent}/phone")
async def phone(request: Request, agent: AgentPath, who: OnlyAgent) -> Response:
    """SIP user and password of the agent's browser phone; only his own, 404 when he has none."""
    if who.name != agent:
        log.warning("refused to %s: phone of another agent", who.name)
        raise HTTPException(403, "an agent may act only on itself")
    phones = services_of(request).phones
    password = None if phones is None else phones.password(AgentId(agent))
    if phones is None or password is None:
        raise HTTPException(404, "no phone in the page for this agent: agents.ID.webphone")
    log.info("phone credentials handed to %s", who.name)
    user = phones.endpoint(AgentId(agent))
    return views.answer(
        {"v": 1, "user": user, "password": password, "ticket": sip_pipe.ticket(AgentId(agent), password)}
    )
