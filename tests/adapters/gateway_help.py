"""A real HTTP gateway on loopback that misbehaves as told: answers 500, or takes a message and drops the reply."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from simulator.lab.ports import free_port


class Gateway:
    """Takes POSTs. `taken`: what it accepted, repeats included; by key it is what a person got."""

    def __init__(self) -> None:
        self.port = free_port()
        self.mood = ""
        """Until changed: `500`, `drop` (takes it, and hangs up without a word), or empty (200)."""
        self.asked: list[str] = []
        """The keys of every POST that came in whole."""
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.answered: list[str] = []
        """Keys whose sender was told that they are taken."""
        self._server: asyncio.Server | None = None

    async def start(self) -> Gateway:
        """Listen."""
        self._server = await asyncio.start_server(self._peer, "127.0.0.1", self.port)
        return self

    async def stop(self) -> None:
        """Go away."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
        body = json.loads(await reader.readexactly(int(fields["content-length"])))
        key, mood = fields["idempotency-key"], self.mood
        self.asked.append(key)
        if mood == "500":
            writer.write(b"HTTP/1.1 500 Trouble\r\nContent-Length: 0\r\n\r\n")
            return True
        self.taken.append((key, body))
        if mood == "drop":
            writer.transport.abort()
            return False
        self.answered.append(key)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True
