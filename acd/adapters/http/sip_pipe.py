"""SIP for browsers: a WebSocket of ours whose messages go to Asterisk's own and back.

So one port and one certificate serve page, REST, MQTT and the phone, the page's content policy stays `'self'`, and
Asterisk's HTTP server listens on loopback only. The password is handed out by `GET /agents/{agent}/phone`, to that agent
alone, and with it the ticket that opens this door: Asterisk sees every page as 127.0.0.1, so its own bans by address could
not stop somebody who guesses. The ticket follows from the password, so a page may connect again after a break or our
restart, and a changed password ends it. One agent has few pipes, and each must register within seconds (piping.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from acd.adapters.http.piping import (
    OPEN_LIMIT_S,
    POLICY,
    TRY_LATER,
    admissible,
    counted,
    has_room,
    pump,
    refuse,
)
from acd.core.ids import AgentId

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from acd.adapters.http.guard import HttpCounters
    from acd.adapters.http.piping import Holders, Pipe
    from acd.adapters.http.services import HttpServices, HttpSettings, Phones

MAX_MESSAGE = 65_536
_REGISTERED = re.compile(
    r"SIP/2\.0 2\d\d [^\n]*\n(?:[^\n]*\n)*?CSeq:[ \t]*\d+[ \t]+REGISTER\b", re.ASCII | re.IGNORECASE
)
"""Asterisk's yes to a REGISTER."""


def ticket(agent: AgentId, password: str) -> str:
    """Return what opens the pipe for this agent's phone; it proves the SIP password and does not tell it."""
    return hmac.new(password.encode(), f"acd phone {agent}".encode(), hashlib.sha256).hexdigest()


def _admitted(websocket: WebSocket, phones: Phones, agent: AgentId) -> bool:
    password = phones.password(agent)
    shown = websocket.query_params.get("ticket", "")
    return password is not None and hmac.compare_digest(ticket(agent, password).encode(), shown.encode())


async def sip(websocket: WebSocket) -> None:
    """Serve /sip?agent=ID&ticket=T. Needs sub-protocol `sip`, the ticket, and from a browser an origin of ours."""
    state = websocket.app.state
    services: HttpServices = state.services
    settings: HttpSettings = state.settings
    counters: HttpCounters = state.counters
    agent = AgentId(websocket.query_params.get("agent", ""))
    if not admissible(websocket, "sip", settings):
        await refuse(websocket, counters.sip, POLICY)
        return
    if services.phones is None or not has_room(counters.sip, settings):
        await refuse(websocket, counters.sip, TRY_LATER)
        return
    if not _admitted(websocket, services.phones, agent):
        await refuse(websocket, counters.sip, POLICY)
        return
    async with counted(websocket, counters.sip) as pipe:
        try:
            asterisk = await connect(
                services.phones.websocket, subprotocols=[Subprotocol("sip")], max_size=MAX_MESSAGE,
                open_timeout=OPEN_LIMIT_S, compression=None, proxy=None,
            )  # fmt: skip
        except (OSError, TimeoutError, websockets.WebSocketException):
            await refuse(websocket, counters.sip, TRY_LATER)
            return
        holders: Holders = state.sip_holders
        holders.add(agent, pipe)
        try:
            await websocket.accept(subprotocol="sip")
            await pump(pipe, _up(pipe, asterisk), _down(pipe, asterisk), settings.login_limit_s)
        finally:
            holders.remove(agent, pipe)
            with contextlib.suppress(Exception):
                await asterisk.close()


async def _up(pipe: Pipe, asterisk: ClientConnection) -> None:
    """Browser to Asterisk: SIP is text; anything else, and what is too long, ends the phone."""
    while True:
        message = await pipe.websocket.receive()
        text = message.get("text")
        if message["type"] != "websocket.receive" or text is None or len(text) > MAX_MESSAGE:
            return
        if not pipe.may_say(len(text)):
            return
        await asterisk.send(text)


async def _down(pipe: Pipe, asterisk: ClientConnection) -> None:
    async for data in asterisk:
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        if not pipe.login.is_set() and _REGISTERED.match(text):
            pipe.logged_in()
        await pipe.websocket.send_text(text)
