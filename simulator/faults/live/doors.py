"""Throwing junk at the live daemon: a manager that garbles, and clients at the other three doors. Loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable, Iterator

from simulator.faults.live.junk import FRAME_END, ami_frame, mqtt_connect, mqtt_message

READ = 65_536
CLIENTS = 12
ANSWER_S = 0.05
"""How long an attacker waits for an answer before it hangs up."""
HANG_SHARE = 0.002
HANG_S = 2.5
"""A few say nothing more and stay: longer than the deadlines of the doors."""
BURST, BURST_EVERY_S = 50, 0.012
SESSION_PACKETS = 400
KILL_WITH_RESET = struct.pack("ii", 1, 0)

Advance = Callable[[int], None]


class GarblingManager:
    """Stands between daemon and switch, passes every good frame whole and puts broken ones between them."""

    def __init__(self, upstream: tuple[str, int], system_name: str, seed: int) -> None:
        self.port = 0
        self.links = 0
        self._upstream, self._system_name = upstream, system_name
        self._chance = random.Random(f"{seed} ami")
        self._server: asyncio.Server | None = None
        self._daemon: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        """Cut everything."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def attack(self, count: int, advance: Advance) -> None:
        """Send `count` broken frames into the daemon's link, in bursts; waits while there is no link."""
        sent = 0
        while sent < count:
            await asyncio.sleep(BURST_EVERY_S)
            writer = self._daemon
            if writer is None or writer.is_closing():
                continue
            burst = min(BURST, count - sent)
            writer.write(b"".join(ami_frame(self._chance, self._system_name) for _ in range(burst)))
            with contextlib.suppress(OSError):
                await writer.drain()
            sent += burst
            advance(burst)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs us as one
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        far_reader, far_writer = await asyncio.open_connection(*self._upstream)
        self.links += 1
        try:
            await asyncio.gather(self._up(reader, far_writer), self._down(far_reader, writer))
        except OSError:
            pass
        finally:
            if self._daemon is writer:
                self._daemon = None
            writer.transport.abort()
            far_writer.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(READ):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())  # the greeting is no frame
        while True:
            try:
                frame = await reader.readuntil(FRAME_END)
            except asyncio.IncompleteReadError:
                return
            writer.write(frame)
            self._daemon = writer  # from the first good frame on: it is at a border of frames now
            await writer.drain()


async def throw(
    port: int, count: int, make: Callable[[random.Random], bytes], seed: str, advance: Advance
) -> None:
    """Send `count` broken messages, each over a connection of its own, from a dozen clients."""
    left = iter(range(count))

    async def client(name: int) -> None:
        chance = random.Random(f"{seed} {name}")
        for _ in left:
            await _one(port, make(chance), chance)
            advance(1)

    await asyncio.gather(*(client(name) for name in range(CLIENTS)))


async def _one(port: int, data: bytes, chance: random.Random) -> None:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return  # refused for number: the door's right
    # a reset leaves no TIME_WAIT: a hundred thousand of them would use up the ports of the machine
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, KILL_WITH_RESET)
    try:
        cut = chance.randint(0, len(data)) if chance.random() < 0.3 else len(data)
        writer.write(data[:cut])
        if cut < len(data):
            await writer.drain()
            writer.write(data[cut:])
        if chance.random() < 0.5:
            writer.write_eof()
        wait_s = HANG_S if chance.random() < HANG_SHARE else ANSWER_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await reader.read(READ)
    except OSError:
        pass
    finally:
        writer.transport.abort()


async def chatter(
    port: int, count: int, users: list[str], password: str, seed: str, advance: Advance
) -> None:
    """Send `count` packets with broken payloads as users who are let in, each over one long connection."""
    left = iter(range(count))

    async def client(user: str) -> None:
        chance = random.Random(f"{seed} {user}")
        while await _session(port, user, password, chance, left, advance):
            pass

    await asyncio.gather(*(client(user) for user in users))


async def _session(
    port: int, user: str, password: str, chance: random.Random, left: Iterator[int], advance: Advance
) -> bool:
    """Log in and send; return whether anything was left to send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(mqtt_connect(f"{user}-fuzz", user, password))
        await asyncio.wait_for(reader.readexactly(4), 10.0)
        for _ in range(SESSION_PACKETS):
            if next(left, None) is None:
                return False
            writer.write(mqtt_message(chance, user))
            await writer.drain()
            advance(1)
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        pass  # cut, as it deserves: come again
    finally:
        writer.transport.abort()
    return True
