"""A real SMTP server on loopback that can misbehave: down, refusing, dropping the reply after DATA."""

from __future__ import annotations

import asyncio
import socket
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MailServer:
    """aiosmtpd in our own loop. `mails` is what it took, in order; `moods` are used up one per mail."""

    def __init__(self) -> None:
        self.port = free_port()
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.moods: list[str] = []
        """For the next mails: a reply such as `451 later`, `550 no` (to the recipient), or `drop`."""
        self._server: asyncio.Server | None = None
        self._peers: set[SMTP] = set()

    async def start(self) -> MailServer:
        self._server = await asyncio.get_running_loop().create_server(self._peer, "127.0.0.1", self.port)
        return self

    def _peer(self) -> SMTP:
        peer = SMTP(self, enable_SMTPUTF8=True, hostname="mail.test")
        self._peers.add(peer)
        return peer

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for peer in self._peers:
            if peer.transport is not None:
                peer.transport.abort()
        self._peers.clear()
        await asyncio.sleep(0)

    async def handle_RCPT(self, _s: Any, _session: Session, envelope: Envelope, address: str, _o: Any) -> str:  # noqa: N802
        if self.moods and self.moods[0].startswith("rcpt "):
            return self.moods.pop(0).removeprefix("rcpt ")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        mood = self.moods.pop(0) if self.moods else ""
        if mood and mood != "drop":
            return mood
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        self.recipients += envelope.rcpt_tos
        if mood == "drop":  # taken, but the sender never hears of it
            server.transport.abort()
        return "250 taken"

    @property
    def ids(self) -> list[str]:
        """Message-IDs in order of arrival; a doubled mail has its old one."""
        return [str(mail["Message-ID"]) for mail in self.mails]
