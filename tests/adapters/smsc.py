"""A message centre on loopback that speaks SMPP 3.4 by its own reading of the specification, and can misbehave."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field

BIND_TRANSMITTER, SUBMIT_SM, UNBIND, ENQUIRE_LINK, RESP = 0x02, 0x04, 0x06, 0x15, 0x80000000
BIND_FAILED = 0x0D


@dataclass(frozen=True)
class Submitted:
    source: str
    to: str
    esm_class: int
    coding: int
    body: bytes

    @property
    def text(self) -> str:
        body = self.body[6:] if self.esm_class & 0x40 else self.body
        return body.decode("utf-16-be" if self.coding == 8 else "ascii")

    @property
    def part(self) -> tuple[int, int, int]:
        """(reference, of how many, which)."""
        assert self.body[:3] == b"\x05\x00\x03"
        return self.body[3], self.body[4], self.body[5]


@dataclass
class Smsc:
    password: str = "pw"
    taken: list[Submitted] = field(default_factory=list)
    moods: list[str] = field(default_factory=list)
    """For the next parts: a status in hexadecimal, `drop` (taken, no answer), or `ask` (an enquire_link first)."""
    port: int = 0
    binds: int = 0

    async def start(self) -> Smsc:
        self._server = await asyncio.start_server(self._peer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self._server.close()
        await asyncio.sleep(0)

    async def _peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length, command, _, sequence = struct.unpack(">IIII", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                answer = self._answer(command, body, writer)
                if answer is None:
                    break
                status, payload = answer
                writer.write(
                    struct.pack(">IIII", 16 + len(payload), RESP | command, status, sequence) + payload
                )
                if command == UNBIND:
                    await writer.drain()
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def _answer(self, command: int, body: bytes, writer: asyncio.StreamWriter) -> tuple[int, bytes] | None:
        if command == BIND_TRANSMITTER:
            self.binds += 1
            good = body.split(b"\0")[1] == self.password.encode()
            return (0 if good else BIND_FAILED), b"centre\0"
        if command != SUBMIT_SM:
            return 0, b""
        mood = self.moods.pop(0) if self.moods else ""
        if mood.startswith("0x"):
            return int(mood, 16), b""
        self.taken.append(self._submitted(body))
        if mood == "ask":
            writer.write(struct.pack(">IIII", 16, ENQUIRE_LINK, 0, 77))
        return None if mood == "drop" else (0, f"id{len(self.taken)}\0".encode())

    @staticmethod
    def _submitted(body: bytes) -> Submitted:
        _service, rest = body.split(b"\0", 1)
        source, rest = rest[2:].split(b"\0", 1)
        to, rest = rest[2:].split(b"\0", 1)
        esm_class = rest[0]
        _schedule, _validity, rest = rest[3:].split(b"\0", 2)
        coding, length = rest[2], rest[4]
        return Submitted(source.decode(), to.decode(), esm_class, coding, rest[5 : 5 + length])
