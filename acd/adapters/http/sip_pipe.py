"""SIP for browsers: a WebSocket of ours whose messages go to Asterisk's own and back.

So one port and one certificate serve page, REST, MQTT and the phone, the page's content policy stays `'self'`, and
Asterisk's HTTP server listens on loopback only. The password is handed out by `GET /agents/{agent}/phone`, to that agent
alone, and with it the ticket that opens this door: Asterisk sees every page as 127.0.0.1, so its own bans by address could
not stop somebody who guesses. The ticket follows from the password, so a page may connect again after a break or our
restart, and a changed password ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from typing import TYPE_CHECKING

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from acd.adapters.http.pipe import POLICY, TRY_LATER, own_origin
from acd.core.ids import AgentId

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from acd.adapters.http.guard import HttpCounters
    from acd.adapters.http.services import HttpServices, HttpSettings, Phones

MAX_MESSAGE = 65_536
OPEN_LIMIT_S = 3.0


def ticket(agent: AgentId, password: str) -> str:
    """Return what opens the pipe for this agent's phone; it proves the SIP password and does not tell it."""
    return hmac.new(password.encode(), f"acd phone {agent}".encode(), hashlib.sha256).hexdigest()


def _admitted(websocket: WebSocket, phones: Phones) -> bool:
    agent = AgentId(websocket.query_params.get("agent", ""))
    password = phones.password(agent)
    shown = websocket.query_params.get("ticket", "")
    return password is not None and hmac.compare_digest(ticket(agent, password).encode(), shown.encode())


async def sip(websocket: WebSocket) -> None:
    """Serve /sip?agent=ID&ticket=T. Needs sub-protocol `sip`, the ticket, and from a browser an origin of ours."""
    state = websocket.app.state
    services: HttpServices = state.services
    settings: HttpSettings = state.settings
    counters: HttpCounters = state.counters
    if "sip" not in websocket.scope.get("subprotocols", ()) or not own_origin(websocket, settings):
        counters.sip_refused += 1
        await websocket.close(POLICY)
        return
    if services.phones is None or counters.sip_pipes >= settings.max_mqtt_pipes:
        counters.sip_refused += 1
        await websocket.close(TRY_LATER)
        return
    if not _admitted(websocket, services.phones):
        counters.sip_refused += 1
        await websocket.close(POLICY)
        return
    counters.sip_pipes += 1
    try:
        asterisk = await connect(
            services.phones.websocket, subprotocols=[Subprotocol("sip")], max_size=MAX_MESSAGE,
            open_timeout=OPEN_LIMIT_S, compression=None, proxy=None,
        )  # fmt: skip
    except (OSError, TimeoutError, websockets.WebSocketException):
        counters.sip_refused += 1
        counters.sip_pipes -= 1
        await websocket.close(TRY_LATER)
        return
    try:
        await websocket.accept(subprotocol="sip")
        await _both_ways(websocket, asterisk)
    finally:
        counters.sip_pipes -= 1
        with contextlib.suppress(Exception):
            await asterisk.close()


async def _both_ways(websocket: WebSocket, asterisk: ClientConnection) -> None:
    tasks = [asyncio.create_task(_up(websocket, asterisk)), asyncio.create_task(_down(websocket, asterisk))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(RuntimeError, OSError):
            await websocket.close()


async def _up(websocket: WebSocket, asterisk: ClientConnection) -> None:
    """Browser to Asterisk: SIP is text; anything else, and what is too long, ends the phone."""
    while True:
        message = await websocket.receive()
        text = message.get("text")
        if message["type"] != "websocket.receive" or text is None or len(text) > MAX_MESSAGE:
            return
        await asterisk.send(text)


async def _down(websocket: WebSocket, asterisk: ClientConnection) -> None:
    async for data in asterisk:
        await websocket.send_text(data if isinstance(data, str) else data.decode("utf-8", "replace"))
