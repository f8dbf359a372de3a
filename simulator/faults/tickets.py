"""A ticket system of one page: takes cards over HTTP, knows them by their idempotency key, fails on command."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from enum import StrEnum

HEAD_LIMIT = 65_536
BODY_LIMIT = 4 * 1024 * 1024


class Mood(StrEnum):
    """How it behaves."""

    GOOD = "takes and says so"
    BROKEN = "answers 500"
    FORGETFUL = "takes it and loses the reply"


class TicketStub:
    """Counts what arrives. `taken` is what a real system would hold: one entry per idempotency key."""

    def __init__(self) -> None:
        self.mood = Mood.GOOD
        self.taken: dict[str, dict[str, object]] = {}
        """Payload by idempotency key."""
        self.deliveries: Counter[str] = Counter()
        """How often each key came and was taken."""
        self.changed: list[str] = []
        """Keys that came again with another content: must stay empty."""
        self.refused = 0
        self.bad = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen; return the URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=HEAD_LIMIT)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/cards"

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.bad += 1
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; return whether the connection stays."""
        if reader.at_eof():
            return False
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            if not end.partial:
                return False
            raise
        lines = head.decode("latin-1").split("\r\n")[1:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if length > BODY_LIMIT:
            raise ValueError("a card of such a size")
        body = await reader.readexactly(length)
        if self.mood is Mood.BROKEN:
            self.refused += 1
            writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return True
        self._take(headers["idempotency-key"], json.loads(body))
        if self.mood is Mood.FORGETFUL:
            writer.transport.abort()
            return False
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        return True

    def _take(self, key: str, payload: dict[str, object]) -> None:
        self.deliveries[key] += 1
        if self.taken.setdefault(key, payload) != payload:
            self.changed.append(key)
