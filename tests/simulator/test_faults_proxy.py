"""The proxy between daemon and switch: passes all, or fails exactly as told."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from simulator.faults.proxy import TcpProxy


@pytest.fixture
async def far():
    """A server that says what it is told to say; `said` is what it heard."""
    server = Far()
    await server.start()
    yield server
    await server.stop()


class Far:
    def __init__(self) -> None:
        self.heard = bytearray()
        self.writers = []

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()[:2]

    async def _serve(self, reader, writer):
        self.writers.append(writer)
        with contextlib.suppress(OSError):
            while data := await reader.read(100):
                self.heard += data
        await end(writer)

    async def say(self, data):
        async with asyncio.timeout(5):
            while not self.writers:
                await asyncio.sleep(0.005)
        self.writers[-1].write(data)

    async def stop(self):
        self.server.close()
        for writer in self.writers:
            await end(writer)


async def end(writer):
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.fixture
async def proxy(far):
    made = TcpProxy(far.address, frames=True, seed=1)
    await made.start()
    made.clients = []
    yield made
    for writer in made.clients:
        await end(writer)
    await made.stop()


async def connect(proxy):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.clients.append(writer)
    return reader, writer


async def test_bytes_pass_both_ways(proxy, far):
    reader, writer = await connect(proxy)
    writer.write(b"Action: Ping\r\n\r\n")
    await far.say(b"Response: Success\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"Response: Success\r\n\r\n"
    assert bytes(far.heard) == b"Action: Ping\r\n\r\n"


async def test_a_cut_ends_both_sides_and_refusing_keeps_new_ones_out(proxy, far):
    reader, _ = await connect(proxy)
    await far.say(b"x")
    await reader.read(1)
    proxy.refuse = True
    proxy.cut()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    again, _ = await connect(proxy)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await again.readexactly(1)
    proxy.heal()
    _, writer = await connect(proxy)
    writer.write(b"hello")
    async with asyncio.timeout(5):
        while bytes(far.heard) != b"hello":
            await asyncio.sleep(0.005)


async def test_a_black_hole_tells_nobody_and_what_was_held_comes_late(proxy, far):
    reader, _ = await connect(proxy)
    await far.say(b"1")
    await reader.read(1)
    proxy.black_hole()
    await far.say(b"2")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.read(1)
    proxy.heal()
    async with asyncio.timeout(5):
        assert await reader.read(1) == b"2"


async def test_only_events_are_dropped_never_answers_and_never_halves(proxy, far):
    reader, _ = await connect(proxy)
    proxy.drop_share = 1.0
    frames = b"Event: Hangup\r\nA: b\r\n\r\n" * 5
    answer = b"Response: Success\r\nActionID: 1\r\n\r\n"
    item = b"Event: Status\r\nActionID: 1\r\n\r\n"
    await far.say(frames[:30])
    await far.say(frames[30:] + answer + item + b"Event: Half")
    async with asyncio.timeout(5):
        assert await reader.readexactly(len(answer + item)) == answer + item
    assert proxy.dropped == 5
    proxy.heal()
    await far.say(b"way\r\n\r\n")
    async with asyncio.timeout(5):
        assert await reader.readuntil(b"\r\n\r\n") == b"Event: Halfway\r\n\r\n"
