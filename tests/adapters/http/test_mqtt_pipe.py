"""MQTT over WebSocket on the HTTP port, with a real MQTT client."""

from __future__ import annotations

import asyncio

import aiomqtt
import pytest
import websockets

from acd.adapters.http.mqtt_pipe import accepted
from acd.adapters.http.piping import MAX_LOGIN_BYTES
from tests.adapters.edges_help import embedded, until
from tests.adapters.http.http_help import World, serving

pytestmark = pytest.mark.e2e


def over_websocket(port: int, user: str, password: str = "") -> aiomqtt.Client:
    return aiomqtt.Client(
        "127.0.0.1", port, username=user, password=password or f"{user}-secret", identifier=f"{user}-web",
        transport="websockets", websocket_path="/mqtt", timeout=5,
    )  # fmt: skip


async def test_browser_needs_only_the_http_port_for_its_pops():
    async with embedded("ann", "bob") as broker:
        world = World(open_broker=lambda: asyncio.open_connection("127.0.0.1", broker.port))
        async with serving(world) as server:
            async with (
                over_websocket(server.port, "ann") as desk,
                over_websocket(server.port, "router") as router,
            ):
                await desk.subscribe("acd/v1/agent/ann/pop", qos=1)
                await router.publish("acd/v1/agent/ann/pop", b"x" * 20_000, qos=1)
                message = await asyncio.wait_for(anext(aiter(desk.messages)), 5)
                assert len(message.payload) == 20_000
                assert (server.counters.mqtt.open, server.counters.mqtt.strangers) == (2, 0)
            await until(lambda: server.counters.mqtt.open == 0, "pipes end with their clients")
            with pytest.raises(aiomqtt.MqttError):
                await over_websocket(server.port, "ann", "wrong").__aenter__()


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [(None, True), ("http://127.0.0.1:{port}", True), ("https://desk.example", True),
     ("http://evil.example", False), ("null", False), ("http://[", False)],
)  # fmt: skip
async def test_foreign_page_cannot_open_the_pipe(origin, allowed):
    async with embedded("ann") as broker:
        world = World(open_broker=lambda: asyncio.open_connection("127.0.0.1", broker.port))
        async with serving(world, allowed_origins=("https://desk.example",)) as server:
            wanted = origin.format(port=server.port) if origin else None
            url = f"ws://127.0.0.1:{server.port}/mqtt"
            if allowed:
                async with websockets.connect(url, subprotocols=["mqtt"], origin=wanted) as socket:
                    assert socket.subprotocol == "mqtt"
            else:
                with pytest.raises(websockets.InvalidStatus, match="403"):
                    await websockets.connect(url, subprotocols=["mqtt"], origin=wanted)


async def test_pipe_without_subprotocol_or_broker_is_refused_and_counted():
    async def nobody_home():
        raise ConnectionRefusedError

    async with serving(World(open_broker=nobody_home)) as server:
        url = f"ws://127.0.0.1:{server.port}/mqtt"
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(url)
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(url, subprotocols=["mqtt"])
        assert (server.counters.mqtt.refused, server.counters.mqtt.open) == (2, 0)


async def test_text_frames_end_the_pipe():
    async with embedded("ann") as broker:
        world = World(open_broker=lambda: asyncio.open_connection("127.0.0.1", broker.port))
        async with serving(world) as server:
            url = f"ws://127.0.0.1:{server.port}/mqtt"
            async with websockets.connect(url, subprotocols=["mqtt"]) as socket:
                await socket.send("not mqtt")
                with pytest.raises(websockets.ConnectionClosed):
                    await asyncio.wait_for(socket.recv(), 5)


async def test_strangers_are_few_say_little_and_have_seconds():
    """/mqtt is open to whoever reaches the port: without a login nobody may keep agents out (security 23)."""
    async with embedded("ann") as broker:
        world = World(open_broker=lambda: asyncio.open_connection("127.0.0.1", broker.port))
        async with serving(world, max_strangers=2, login_limit_s=1.0) as server:
            url = f"ws://127.0.0.1:{server.port}/mqtt"
            async with over_websocket(server.port, "ann") as desk:
                strangers = [await websockets.connect(url, subprotocols=["mqtt"]) for _ in range(2)]
                with pytest.raises(websockets.InvalidStatus, match="403"):
                    await websockets.connect(url, subprotocols=["mqtt"])
                for stranger in strangers:
                    with pytest.raises(websockets.ConnectionClosed):
                        await asyncio.wait_for(stranger.recv(), 5)
                assert (server.counters.mqtt.late, server.counters.mqtt.open) == (2, 1)
                await desk.publish("acd/v1/agent/ann/status", b"x")
                async with websockets.connect(url, subprotocols=["mqtt"]) as talker:
                    await talker.send(b"\x10" + b"\xff" * MAX_LOGIN_BYTES)
                    with pytest.raises(websockets.ConnectionClosed):
                        await asyncio.wait_for(talker.recv(), 0.8)


@pytest.mark.parametrize(
    ("head", "yes"),
    [
        (b"\x20\x02\x00\x00", True), (b"\x20\x02\x00\x05", False), (b"\x20\x03\x00\x00\x00", True),
        (b"\x20\x82\x01\x00\x00", True), (b"\x20\x82\x01\x00\x86", False), (b"\x20\x02\x00", False),
        (b"\x30\x02\x00\x00", False), (b"", False), (b"\x20\xff\xff\xff\xff\x00\x00", False),
    ],
)  # fmt: skip
def test_a_login_is_what_the_broker_took(head, yes):
    assert accepted(head) is yes
