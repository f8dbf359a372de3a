"""MQTT for browsers: a WebSocket whose bytes go to the broker's TCP port and back.

So one port and one certificate serve page, REST and MQTT, and the browser need not care which broker
runs. Who may do what is the broker's business: the MQTT CONNECT inside carries name and password.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.websockets import WebSocket, WebSocketDisconnect

if TYPE_CHECKING:
    from acd.adapters.http.guard import HttpCounters
    from acd.adapters.http.services import HttpServices, HttpSettings

_CHUNK = 16_384
_OPEN_LIMIT_S = 3.0
POLICY, TRY_LATER = 1008, 1013


async def mqtt(websocket: WebSocket) -> None:
    """Serve /mqtt. Needs sub-protocol `mqtt`, and from a browser an origin of ours."""
    state = websocket.app.state
    services: HttpServices = state.services
    settings: HttpSettings = state.settings
    counters: HttpCounters = state.counters
    if "mqtt" not in websocket.scope.get("subprotocols", ()) or not own_origin(websocket, settings):
        counters.mqtt_refused += 1
        await websocket.close(POLICY)
        return
    if services.open_broker is None or counters.mqtt_pipes >= settings.max_mqtt_pipes:
        counters.mqtt_refused += 1
        await websocket.close(TRY_LATER)
        return
    counters.mqtt_pipes += 1
    try:
        async with asyncio.timeout(_OPEN_LIMIT_S):
            reader, writer = await services.open_broker()
    except (OSError, TimeoutError):
        counters.mqtt_refused += 1
        counters.mqtt_pipes -= 1
        await websocket.close(TRY_LATER)
        return
    try:
        await websocket.accept(subprotocol="mqtt")
        await _both_ways(websocket, reader, writer)
    finally:
        counters.mqtt_pipes -= 1
        writer.transport.abort()


def own_origin(websocket: WebSocket, settings: HttpSettings) -> bool:
    """A foreign page must not talk to us with the visitor's reach; programs send no origin."""
    origin = websocket.headers.get("origin")
    if origin is None or origin in settings.allowed_origins:
        return True
    try:
        return urlsplit(origin).netloc.lower() == websocket.headers.get("host", "").lower() != ""
    except ValueError:
        return False


async def _both_ways(
    websocket: WebSocket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    tasks = [asyncio.create_task(_up(websocket, writer)), asyncio.create_task(_down(websocket, reader))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(RuntimeError, OSError, WebSocketDisconnect):
            await websocket.close()


async def _up(websocket: WebSocket, writer: asyncio.StreamWriter) -> None:
    """Browser to broker; waiting for the broker to take it is the back-pressure."""
    while True:
        message = await websocket.receive()
        data = message.get("bytes")
        if message["type"] != "websocket.receive" or data is None:
            return  # gone, or text, which is not MQTT
        writer.write(data)
        await writer.drain()


async def _down(websocket: WebSocket, reader: asyncio.StreamReader) -> None:
    while data := await reader.read(_CHUNK):
        await websocket.send_bytes(data)
