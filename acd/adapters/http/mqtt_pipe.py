"""MQTT for browsers: a WebSocket whose bytes go to the broker's TCP port and back.

So one port and one certificate serve page, REST and MQTT, and the browser need not care which broker
runs. Who may do what is the broker's business: the MQTT CONNECT inside carries name and password. Until the
broker's CONNACK says yes, the pipe is a stranger's (piping.py).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from acd.adapters.http.guard import HttpCounters
    from acd.adapters.http.piping import Pipe
    from acd.adapters.http.services import HttpServices, HttpSettings

_CHUNK = 16_384
_CONNACK = 0x20
_HEAD = 7
"""Bytes within which a CONNACK has said its reason code: type, up to four of length, flags, code."""


async def mqtt(websocket: WebSocket) -> None:
    """Serve /mqtt. Needs sub-protocol `mqtt`, and from a browser an origin of ours."""
    state = websocket.app.state
    services: HttpServices = state.services
    settings: HttpSettings = state.settings
    counters: HttpCounters = state.counters
    if not admissible(websocket, "mqtt", settings):
        await refuse(websocket, counters.mqtt, POLICY)
        return
    if services.open_broker is None or not has_room(counters.mqtt, settings):
        await refuse(websocket, counters.mqtt, TRY_LATER)
        return
    async with counted(websocket, counters.mqtt) as pipe:
        try:
            async with asyncio.timeout(OPEN_LIMIT_S):
                reader, writer = await services.open_broker()
        except (OSError, TimeoutError):
            await refuse(websocket, counters.mqtt, TRY_LATER)
            return
        try:
            await websocket.accept(subprotocol="mqtt")
            await pump(pipe, _up(pipe, writer), _down(pipe, reader), settings.login_limit_s)
        finally:
            writer.transport.abort()


async def _up(pipe: Pipe, writer: asyncio.StreamWriter) -> None:
    """Browser to broker; waiting for the broker to take it is the back-pressure."""
    while True:
        message = await pipe.websocket.receive()
        data = message.get("bytes")
        if message["type"] != "websocket.receive" or data is None or not pipe.may_say(len(data)):
            return  # gone, or text, which is not MQTT, or a login that does not end
        writer.write(data)
        await writer.drain()


async def _down(pipe: Pipe, reader: asyncio.StreamReader) -> None:
    head = b""
    while data := await reader.read(_CHUNK):
        if not pipe.login.is_set() and len(head) < _HEAD:
            head += data[:_HEAD]
            if accepted(head):
                pipe.logged_in()
        await pipe.websocket.send_bytes(data)


def accepted(head: bytes) -> bool:
    """Tell whether the broker's first bytes are a CONNACK with reason code 0 (MQTT 3.1.1 and 5, part 3.2)."""
    length_bytes = next((n for n in range(1, 5) if len(head) > n and head[n] < 0x80), 0)  # noqa: PLR2004 - varint
    code = length_bytes + 2
    return len(head) > code > 2 and head[0] == _CONNACK and head[code] == 0  # noqa: PLR2004 - length seen
