"""SIP over WebSocket on our own port: our page only, text only, and an end with either side."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
import websockets
from websockets.asyncio.server import ServerConnection, serve

from acd.adapters.http.sip_pipe import ticket
from acd.core.ids import AgentId
from tests.adapters.edges_help import until
from tests.adapters.http.http_help import World, serving

pytestmark = pytest.mark.e2e


SECRETS = {AgentId("a101"): "s3cret"}


def phones_at(address: str) -> SimpleNamespace:
    return SimpleNamespace(websocket=address, password=SECRETS.get)


def door(port: int, agent: str = "a101", password: str = "s3cret") -> str:
    return f"ws://127.0.0.1:{port}/sip?agent={agent}&ticket={ticket(AgentId(agent), password)}"


@contextlib.asynccontextmanager
async def asterisk():
    """A WebSocket server that speaks `sip` and echoes."""

    async def echo(link: ServerConnection) -> None:
        async for message in link:
            if message == "BYE":
                return
            await link.send(f"200 {message}")

    async with serve(echo, "127.0.0.1", 0, subprotocols=["sip"]) as server:
        port = server.sockets[0].getsockname()[1]
        yield phones_at(f"ws://127.0.0.1:{port}/ws")


async def test_messages_go_both_ways_and_either_side_ends_it():
    async with asterisk() as phones, serving(World(phones=phones)) as server:
        url = door(server.port)
        async with websockets.connect(url, subprotocols=["sip"]) as page:
            assert page.subprotocol == "sip"
            await page.send("REGISTER Иван")
            assert await page.recv() == "200 REGISTER Иван"
            assert server.counters.sip_pipes == 1
            await page.send("BYE")
            with pytest.raises(websockets.ConnectionClosed):
                await page.recv()
        await until(lambda: server.counters.sip_pipes == 0, "the pipe ends with Asterisk's side")
        async with websockets.connect(url, subprotocols=["sip"]) as page:
            await page.send(b"\x00\x01")
            with pytest.raises(websockets.ConnectionClosed):
                await page.recv()
        await until(lambda: server.counters.sip_pipes == 0, "what is not text ends it")


@pytest.mark.parametrize(
    ("origin", "protocol", "allowed"),
    [
        (None, "sip", True), ("http://127.0.0.1:{port}", "sip", True), ("http://evil.example", "sip", False),
        ("null", "sip", False), (None, "mqtt", False),
    ],
)  # fmt: skip
async def test_only_our_page_speaks_sip_here(origin, protocol, allowed):
    async with asterisk() as phones, serving(World(phones=phones)) as server:
        wanted = origin.format(port=server.port) if origin else None
        url = door(server.port)
        if allowed:
            async with websockets.connect(url, subprotocols=[protocol], origin=wanted) as page:
                assert page.subprotocol == "sip"
        else:
            with pytest.raises(websockets.InvalidStatus, match="403"):
                await websockets.connect(url, subprotocols=[protocol], origin=wanted)


@pytest.mark.parametrize("phones", [None, phones_at("ws://127.0.0.1:1/ws")])
async def test_without_asterisk_there_is_no_pipe_and_nothing_hangs(phones):
    async with serving(World(phones=phones)) as server:
        with pytest.raises(websockets.InvalidStatus, match="403"):
            await websockets.connect(door(server.port), subprotocols=["sip"])
        assert (server.counters.sip_pipes, server.counters.sip_refused) == (0, 1)


@pytest.mark.parametrize(
    "shown",
    ["", "?agent=a101", "?agent=a101&ticket=0", "?agent=a102&ticket=0", "?ticket=\u0434"],
)
async def test_without_the_ticket_of_a_logged_in_page_nobody_reaches_asterisk(shown):
    """Asterisk sees every page as 127.0.0.1: guessing must end here."""
    async with asterisk() as phones, serving(World(phones=phones)) as server:
        with pytest.raises(websockets.InvalidStatus, match="403"):
            await websockets.connect(f"ws://127.0.0.1:{server.port}/sip{shown}", subprotocols=["sip"])
        with pytest.raises(websockets.InvalidStatus, match="403"):
            await websockets.connect(door(server.port, password="guess"), subprotocols=["sip"])
        assert (server.counters.sip_pipes, server.counters.sip_refused) == (0, 2)
