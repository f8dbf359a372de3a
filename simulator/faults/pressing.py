"""Callers on real Asterisk who press 1 when they are offered a call-back.

SIPp cannot answer a question at the moment it is asked, so the digits are played into the caller's channel over a
manager link of our own (PlayDTMF), only while that channel stands where it is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from simulator.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Container

    from simulator.lab.instance import Lab

LOOK_S = 0.6
ASKED_IN = frozenset({"acd-callback", "acd-number"})
"""Contexts of dialplan/40-callback.conf in which a caller is asked for a digit."""
ANSWER_S = 3.0


class Presser:
    """Presses 1 for these callers, until cancelled; survives Asterisk's death."""

    def __init__(self, lab: Lab, callers: Container[str]) -> None:
        self._lab, self._callers = lab, callers
        self.pressed = 0

    async def run(self) -> None:
        """Look and press for ever."""
        while True:
            with contextlib.suppress(OSError, LabError, TimeoutError, EOFError):
                # has the manager's PlayDTMF; no sample loads it
                await asyncio.to_thread(self._lab.console, "module load app_senddtmf.so")
                await self._session()
            await asyncio.sleep(1.0)

    async def _session(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._lab.ports.ami, limit=2**20)
        try:
            await reader.readline()
            await self._send(
                writer,
                Action="Login",
                Username=self._lab.router_user,
                Secret=self._lab.router_secret,
                Events="off",
            )
            while True:
                await self._send(writer, Action="Status")
                for channel in await self._waiting(reader):
                    await self._send(writer, Action="PlayDTMF", Channel=channel, Digit="1", Receive="true")
                    self.pressed += 1
                await asyncio.sleep(LOOK_S)
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, **headers: str) -> None:
        writer.write(("".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode())
        await writer.drain()

    async def _waiting(self, reader: asyncio.StreamReader) -> list[str]:
        """Read one answer to Status; return the channels that are being asked and belong to our callers."""
        found: list[str] = []
        async with asyncio.timeout(ANSWER_S):
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
                frame = dict(line.split(": ", 1) for line in text.split("\r\n") if ": " in line)
                if frame.get("Event") == "StatusComplete":
                    return found
                asked = frame.get("Context") in ASKED_IN and frame.get("CallerIDNum") in self._callers
                if frame.get("Event") == "Status" and asked:
                    found.append(frame["Channel"])
