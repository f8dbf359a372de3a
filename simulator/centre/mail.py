"""A real SMTP server on loopback (aiosmtpd) that can misbehave: down, refusing, dropping the reply after DATA."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from simulator.lab.ports import free_port


class MailServer:
    """aiosmtpd in our own loop. `mails` is what it took, in order; `moods` are used up one per mail."""

    def __init__(self, on_mail: Callable[[EmailMessage], None] = lambda _mail: None) -> None:
        self.port = free_port()
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.moods: list[str] = []
        """For the next mails: a reply such as `451 later`, `550 no` (to the recipient), or `drop`."""
        self._on_mail = on_mail
        self._server: asyncio.Server | None = None
        self._peers: set[SMTP] = set()

    async def start(self) -> MailServer:
        """Listen."""
        self._server = await asyncio.get_running_loop().create_server(self._peer, "127.0.0.1", self.port)
        return self

    def _peer(self) -> SMTP:
        peer = SMTP(self, enable_SMTPUTF8=True, hostname="mail.test")
        self._peers.add(peer)
        return peer

    async def stop(self) -> None:
        """Go away as a killed server does."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for peer in self._peers:
            _hang_up(peer)
        self._peers.clear()
        await asyncio.sleep(0)

    async def handle_RCPT(self, _s: Any, _session: Session, envelope: Envelope, address: str, _o: Any) -> str:  # noqa: N802
        """Take or refuse a recipient."""
        if self.moods and self.moods[0].startswith("rcpt "):
            return self.moods.pop(0).removeprefix("rcpt ")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail, or not."""
        mood = self.moods.pop(0) if self.moods else ""
        if mood and mood != "drop":
            return mood
        assert isinstance(envelope.content, bytes)  # noqa: S101 - decode_data is off
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)  # noqa: S101 - by this policy
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        if mood == "drop":  # taken, but the sender never hears of it
            _hang_up(server)
        self._on_mail(mail)
        return "250 taken"

    @property
    def ids(self) -> list[str]:
        """Message-IDs in order of arrival; a doubled mail has its old one."""
        return [str(mail["Message-ID"]) for mail in self.mails]


def _hang_up(peer: SMTP) -> None:
    if isinstance(peer.transport, asyncio.WriteTransport):
        peer.transport.abort()


async def hand_over(port: int, mails: list[bytes]) -> list[str]:
    """Hand mails to an LMTP listener as a mail server does; return its last answer to each."""
    answers = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await _answer(reader)
        await _say(reader, writer, b"LHLO mail.test")
        for raw in mails:
            for line in (b"MAIL FROM:<>", b"RCPT TO:<desk@centre.example>", b"DATA"):
                await _say(reader, writer, line)
            text = raw.replace(b"\r\n.", b"\r\n..")
            answers.append(await _say(reader, writer, text + b"\r\n."))
    finally:
        writer.close()
    return answers


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> str:
    writer.write(line + b"\r\n")
    return await _answer(reader)


async def _answer(reader: asyncio.StreamReader) -> str:
    while (line := await asyncio.wait_for(reader.readline(), 10))[3:4] == b"-":
        pass
    return line.decode("ascii", "replace").strip()


def bounce(message_id: str, recipient: str, action: str = "failed", status: str = "5.1.1") -> bytes:
    """A delivery status notification as Postfix writes it (RFC 3464)."""
    return f"""Return-Path: <>
From: MAILER-DAEMON@mail.example (Mail Delivery System)
To: desk@centre.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example
X-Postfix-Sender: rfc822; desk@centre.example
Arrival-Date: Wed, 25 Nov 2026 12:00:00 +0300 (MSK)

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.example
Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: Recipient address rejected: User unknown

--b1
Content-Type: message/rfc822

Message-ID: {message_id}
From: desk@centre.example
To: {recipient}
Subject: hidden

body
--b1--
""".replace("\n", "\r\n").encode()


def reply(message_id: str, sender: str, text: str = "Принял, перезвоню.", extra: str = "") -> bytes:
    """A person's answer with the original quoted below."""
    return f"""From: Somebody <{sender}>
To: desk@centre.example
Subject: Re: message
In-Reply-To: {message_id}
References: {message_id}
{extra}Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

{text}

On Wed, 25 Nov 2026 at 12:00, Desk wrote:
> Please call back
""".replace("\n", "\r\n").encode()
