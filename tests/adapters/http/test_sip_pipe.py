"""SIP over WebSocket on our own port: our page only, text only, and an end with either side."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import websockets
from websockets.asyncio.server import ServerConnection, serve

from acd.adapters.http.piping import MAX_LOGIN_BYTES
from acd.adapters.http.services import HttpSettings
from acd.adapters.http.sip_pipe import ticket
from acd.core.ids import AgentId
from tests.adapters.edges_help import until
from tests.adapters.http.http_help import World, serving

pytestmark = pytest.mark.e2e


YES = "SIP/2.0 200 OK\r\nVia: SIP/2.0/WS x\r\nCSeq: 2 REGISTER\r\nContact: <sip:a101@x>\r\n\r\n"
SECRETS = {AgentId("a101"): "s3cret"}


def phones_at(address: str) -> SimpleNamespace:
    return SimpleNamespace(websocket=address, password=SECRETS.get)


def door(port: int, agent: str = "a101", password: str = "s3cret") -> str:
    return f"ws://127.0.0.1:{port}/sip?agent={agent}&ticket={ticket(AgentId(agent), password)}"


@contextlib.asynccontextmanager
async def asterisk():
    """A WebSocket server that speaks `sip`, echoes, and takes any REGISTER."""

    async def echo(link: ServerConnection) -> None:
        async for message in link:
            if message == "BYE":
                return
            await link.send(YES if message.startswith("REGISTER ") else f"200 {message}")

    async with serve(echo, "127.0.0.1", 0, subprotocols=["sip"]) as server:
        port = server.sockets[0].getsockname()[1]
        yield phones_at(f"ws://127.0.0.1:{port}/ws")


async def test_messages_go_both_ways_and_either_side_ends_it():
    async with asterisk() as phones, serving(World(phones=phones)) as server:
        url = door(server.port)
        async with websockets.connect(url, subprotocols=["sip"]) as page:
            assert page.subprotocol == "sip"
            await page.send("INFO Иван")
            assert await page.recv() == "200 INFO Иван"
            assert server.counters.sip.open == 1
            await page.send("BYE")
            with pytest.raises(websockets.ConnectionClosed):
                await page.recv()
        await until(lambda: server.counters.sip.open == 0, "the pipe ends with Asterisk's side")
        async with websockets.connect(url, subprotocols=["sip"]) as page:
            await page.send(b"\x00\x01")
            with pytest.raises(websockets.ConnectionClosed):
                await page.recv()
        await until(lambda: server.counters.sip.open == 0, "what is not text ends it")


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
        assert (server.counters.sip.open, server.counters.sip.refused) == (0, 1)


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
        assert (server.counters.sip.open, server.counters.sip.refused) == (0, 2)


async def registered(port: int) -> websockets.ClientConnection:
    page = await websockets.connect(door(port), subprotocols=["sip"])
    await page.send("REGISTER sip:x SIP/2.0")
    assert await page.recv() == YES
    return page


async def test_a_pipe_in_which_nobody_registers_is_closed_and_one_registered_stays():
    async with asterisk() as phones, serving(World(phones=phones), login_limit_s=0.3) as server:
        stays = await registered(server.port)
        silent = await websockets.connect(door(server.port), subprotocols=["sip"])
        assert (server.counters.sip.open, server.counters.sip.strangers) == (2, 1)
        with pytest.raises(websockets.ConnectionClosed):
            await asyncio.wait_for(silent.recv(), 3)
        await until(lambda: server.counters.sip.open == 1, "the silent one is gone")
        assert (server.counters.sip.strangers, server.counters.sip.late) == (0, 1)
        await stays.send("OPTIONS")
        assert await stays.recv() == "200 OPTIONS"
        await stays.close()


async def test_an_agent_has_few_pipes_and_the_newest_win():
    """A page that lost its network comes back before the old pipe is known to be dead."""
    async with asterisk() as phones, serving(World(phones=phones), max_phones=2) as server:
        pages = [await registered(server.port) for _ in range(3)]
        with pytest.raises(websockets.ConnectionClosed):
            await asyncio.wait_for(pages[0].recv(), 3)
        await until(lambda: server.counters.sip.open == 2, "two stay")
        assert server.counters.sip.replaced == 1
        for page in pages[1:]:
            await page.send("OPTIONS")
            assert await page.recv() == "200 OPTIONS"
            await page.close()
        await until(lambda: not server.counters.sip.open, "all closed")
        again = await registered(server.port)
        await again.close()


async def test_what_is_said_before_the_login_is_little():
    async with asterisk() as phones, serving(World(phones=phones)) as server:
        async with websockets.connect(door(server.port), subprotocols=["sip"]) as page:
            await page.send("x" * (MAX_LOGIN_BYTES + 1))
            with pytest.raises(websockets.ConnectionClosed):
                await page.recv()
        page = await registered(server.port)
        await page.send("x" * (MAX_LOGIN_BYTES + 1))
        assert len(await page.recv()) > MAX_LOGIN_BYTES
        await page.close()


def test_the_sample_lets_asterisk_bear_as_many_phones_as_we_let_in():
    """A page over the daemon's limit must be told to try later by us, not be cut by Asterisk."""
    sample = (Path(__file__).resolve().parents[3] / "config/asterisk/http.conf").read_text(encoding="utf-8")
    limit = re.search(r"^sessionlimit *= *(\d+)", sample, re.MULTILINE)
    assert limit is not None
    assert int(limit[1]) > HttpSettings().max_pipes
