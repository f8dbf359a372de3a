"""Bounces and answers as a mail server hands them over: LMTP on loopback (RFC 2033), by aiosmtpd.

A mail is answered 250 only after what it says was done and stored; else 451, and the mail server keeps it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from acd.ports import PortError

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope

MAX_MAIL_BYTES: Final = 1_048_576
MAX_LINKS: Final = 20
IDLE_S: Final = 60.0
HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class MailDoor:
    """Listens on loopback only: who may connect is this machine's own mail server."""

    def __init__(self, host: str, port: int, take: Callable[[bytes], Awaitable[str]]) -> None:
        if host not in HERE:
            raise ValueError("the mail listener has no login: it listens on loopback only")
        self._host, self._port, self._take = host, port, take
        self._open = 0
        self.last_error = ""

    async def run(self) -> None:
        """Listen until cancelled. A port that is taken is asked for again: mail is never a reason to stop calls."""
        while True:
            try:
                server = await asyncio.get_running_loop().create_server(self._peer, self._host, self._port)
            except OSError as error:
                self.last_error = f"cannot listen on {self._host}:{self._port}: {error}"
                await asyncio.sleep(5.0)
                continue
            self.last_error = ""
            async with server:
                await server.serve_forever()

    def _peer(self) -> asyncio.Protocol:
        from aiosmtpd.lmtp import LMTP

        door = self

        class Peer(LMTP):
            """One connection; more than MAX_LINKS at once are turned away."""

            def connection_made(self, transport: Any) -> None:
                door._open += 1
                super().connection_made(transport)
                if door._open > MAX_LINKS:
                    transport.abort()

            def connection_lost(self, error: Exception | None) -> None:
                door._open -= 1
                super().connection_lost(error)

        return Peer(self, data_size_limit=MAX_MAIL_BYTES, timeout=IDLE_S, hostname="localhost", ident="desk")

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take one mail."""
        raw = envelope.content
        if not isinstance(raw, bytes):
            return "554 no mail"
        try:
            await self._take(raw)
        except PortError:
            return "451 4.3.0 please come again: it could not be stored"
        return "250 2.0.0 taken"
