"""A TCP proxy that fails on command: cut, black hole, refuse, drop frames. Loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Final

READ: Final = 65_536
FRAME_END: Final = b"\r\n\r\n"


class TcpProxy:
    """Listens on a port of its own and passes bytes to `upstream` until told otherwise.

    `frames`: the upstream's bytes are cut into AMI frames, and `drop_share` of the *events* among them are
    dropped while it is above zero; answers to actions always pass, as in a reader that was too slow.
    """

    def __init__(self, upstream: tuple[str, int], *, frames: bool = False, seed: int = 0) -> None:
        self.upstream = upstream
        self.port = 0
        self.drop_share = 0.0
        self.dropped = 0
        self.connections = 0
        self.refuse = False
        """New connections are closed at once, as by a server that is not there."""
        self._open = asyncio.Event()
        self._open.set()
        self._frames = frames
        self._draw = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        """Cut everything and stop listening."""
        self.heal()
        if self._server is not None:
            self._server.close()
        self.cut()
        if self._links:
            await asyncio.wait(self._links, timeout=5)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def black_hole(self) -> None:
        """Pass nothing either way, and tell nobody: a cable that was pulled."""
        self._open.clear()

    def heal(self) -> None:
        """Pass again: what was held back arrives late, as after a network fault; new connections too."""
        self.refuse = False
        self.drop_share = 0.0
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs us as one
        self._links.add(task)
        task.add_done_callback(self._links.discard)
        self.connections += 1
        if self.refuse:
            writer.transport.abort()
            return
        await self._open.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.upstream)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        keep = self._keep_frames() if self._frames else _keep_all
        ways = (self._pass(reader, far_writer, _keep_all), self._pass(far_reader, writer, keep))
        try:
            await asyncio.gather(*ways)
        finally:
            self._writers -= {writer, far_writer}

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keep: Callable[[bytes], bytes]
    ) -> None:
        try:
            while data := await reader.read(READ):
                await self._open.wait()
                kept = keep(data)
                if kept:
                    writer.write(kept)
                    await writer.drain()
            writer.close()
        except OSError:
            writer.transport.abort()
        finally:
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _keep_frames(self) -> Callable[[bytes], bytes]:
        buffer = bytearray()

        def keep(data: bytes) -> bytes:
            buffer.extend(data)
            if not self.drop_share:
                whole = bytes(buffer)
                buffer.clear()
                return whole
            end = buffer.rfind(FRAME_END)
            if end < 0:
                return b""
            frames = bytes(buffer[: end + 4]).split(FRAME_END)[:-1]
            del buffer[: end + 4]
            kept = [frame for frame in frames if not self._drops(frame)]
            self.dropped += len(frames) - len(kept)
            return b"".join(frame + FRAME_END for frame in kept)

        return keep

    def _drops(self, frame: bytes) -> bool:
        listed = b"\r\nActionID:" in frame  # a member of an answered list is part of the answer
        return frame.startswith(b"Event:") and not listed and self._draw.random() < self.drop_share


def _keep_all(data: bytes) -> bytes:
    return data
