"""Bounces and answers fetched from a mailbox by IMAP, with IMAPClient in a worker thread.

A mail is marked as seen only after what it says was done and stored. Nothing is deleted: that is the mailbox owner's.
The server is not trusted with our memory or our threads: a look has limits of bytes and of time.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from acd import unhurried
from acd.ports import PortError

if TYPE_CHECKING:
    import imaplib

    from imapclient import IMAPClient

MAX_MAIL_BYTES: Final = 1_048_576
BATCH: Final = 50
TIMEOUT_S: Final = 30.0
"""Without a single byte."""
LOOK_S: Final = 180.0
"""One look in all: else a server that drips bytes would hold a thread for ever."""
LOOK_BYTES: Final = (BATCH + 2) * MAX_MAIL_BYTES


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """Which mailbox."""

    host: str
    port: int = 993
    encryption: Literal["none", "starttls", "tls"] = "tls"
    user: str = ""
    password: str = field(default="", repr=False)
    folder: str = "INBOX"
    poll_s: float = 30.0


class Mailbox:
    """One mailbox of our own. `last_error` in plain words, empty while it works."""

    def __init__(self, settings: ImapSettings, take: Callable[[bytes], Awaitable[str]]) -> None:
        self._settings, self._take = settings, take
        self.last_error = ""

    async def run(self) -> None:
        """Look again and again until cancelled; a mailbox that does not answer is asked again."""
        while True:
            try:
                await self.look()
                self.last_error = ""
            except PortError as error:
                self.last_error = str(error)
            await asyncio.sleep(self._settings.poll_s)

    async def look(self) -> int:
        """Take every unseen mail, one by one; return how many. Raises PortError."""
        line = _Line()
        clock = asyncio.get_running_loop().call_later(LOOK_S, line.cut)
        try:
            return await self._look(line)
        finally:
            clock.cancel()

    async def _look(self, line: _Line) -> int:
        client = await _work(self._open, line)
        try:
            wanted: list[int] = (await _work(client.search, ["UNSEEN"]))[:BATCH]
            for uid in wanted:
                raw = await _work(_fetch, client, uid)
                await self._take(raw)  # a store that refuses ends the look: this mail stays unseen
                await _work(client.add_flags, [uid], [rb"\Seen"])
            return len(wanted)
        finally:
            await unhurried.in_thread(_leave, client)

    def _open(self, line: _Line) -> IMAPClient:
        s = self._settings
        context = None if s.encryption == "none" else ssl.create_default_context()
        client = _client(line)(
            s.host, s.port, ssl=s.encryption == "tls", ssl_context=context, timeout=TIMEOUT_S, use_uid=True
        )
        try:
            if s.encryption == "starttls":
                client.starttls(context)
            client.login(s.user, s.password)
            client.select_folder(s.folder)
        except BaseException:
            client.shutdown()
            raise
        return client


class _Line:
    """What one look has read so far, and how to end it from outside its thread."""

    def __init__(self) -> None:
        self.imap: imaplib.IMAP4 | None = None
        self._spent = 0

    def spend(self, count: int) -> None:
        """Count bytes before they are read. Raises OSError beyond the limit."""
        self._spent += count
        if self._spent > LOOK_BYTES:
            raise OSError(f"the server sends more than {LOOK_BYTES} bytes: cut")

    def cut(self) -> None:
        """Hang up, whatever the thread is waiting for."""
        if self.imap is not None:
            with contextlib.suppress(OSError):
                self.imap.sock.shutdown(socket.SHUT_RDWR)


def _client(line: _Line) -> type[IMAPClient]:
    """Return IMAPClient on a connection that keeps to the limits of `line`."""
    from imapclient import IMAPClient, imap4, tls

    class Limits:
        def open(self, *args: Any, **kwargs: Any) -> None:
            super().open(*args, **kwargs)  # type: ignore[misc]  # imaplib's
            line.imap = self  # type: ignore[assignment]

        def read(self, size: int) -> bytes:
            line.spend(size)
            return super().read(size)  # type: ignore[misc,no-any-return]

        def readline(self) -> bytes:
            found: bytes = super().readline()  # type: ignore[misc]
            line.spend(len(found))
            return found

    class Plain(Limits, imap4.IMAP4WithTimeout):  # type: ignore[misc]  # untyped library
        pass

    class Encrypted(Limits, tls.IMAP4_TLS):  # type: ignore[misc]
        pass

    class Client(IMAPClient):  # type: ignore[misc]
        def _create_IMAP4(self) -> imaplib.IMAP4:  # noqa: N802 - IMAPClient's name
            if self.ssl:
                return Encrypted(self.host, self.port, self.ssl_context, TIMEOUT_S)
            return Plain(self.host, self.port, TIMEOUT_S)

    return Client


def _fetch(client: IMAPClient, uid: int) -> bytes:
    """Return one mail; nothing when the server has none, or something else, under this number."""
    part = f"BODY.PEEK[]<0.{MAX_MAIL_BYTES}>"
    answer: dict[bytes, Any] = client.fetch([uid], [part]).get(uid, {})
    raw = next((value for key, value in answer.items() if key.startswith(b"BODY[")), b"")
    return raw if isinstance(raw, bytes) else b""  # NIL, a number, a list


def _leave(client: IMAPClient) -> None:
    """Say goodbye, and close the socket also when nobody is there any more."""
    for step in (client.logout, client.shutdown):
        with contextlib.suppress(Exception):
            step()


async def _work(call: Callable[..., Any], *arguments: Any) -> Any:
    """Run one IMAP step in a thread. Raises PortError, always retryable: the mail is still there."""
    try:
        return await unhurried.in_thread(call, *arguments)
    except ImportError as error:
        raise PortError(
            "IMAPClient is not installed: pip install 'acd-router[inbox]'", retryable=True
        ) from error
    except Exception as error:  # IMAPClient's errors are imaplib's, socket's and its own
        text = " ".join(str(error).split())[:200]
        raise PortError(f"{type(error).__name__}: {text}", retryable=True) from error
