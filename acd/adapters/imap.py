"""Bounces and answers fetched from a mailbox by IMAP, with IMAPClient in a worker thread.

A mail is marked as seen only after what it says was done and stored. Nothing is deleted: that is the mailbox owner's.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from acd.ports import PortError

if TYPE_CHECKING:
    from imapclient import IMAPClient

MAX_MAIL_BYTES: Final = 1_048_576
BATCH: Final = 50
TIMEOUT_S: Final = 30.0


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
        client = await _work(self._open)
        try:
            wanted: list[int] = (await _work(client.search, ["UNSEEN"]))[:BATCH]
            for uid in wanted:
                part = f"BODY.PEEK[]<0.{MAX_MAIL_BYTES}>"
                answer: dict[bytes, Any] = (await _work(client.fetch, [uid], [part])).get(uid, {})
                raw = next((value for key, value in answer.items() if key.startswith(b"BODY[")), b"")
                await self._take(bytes(raw))  # a store that refuses ends the look: this mail stays unseen
                await _work(client.add_flags, [uid], [rb"\Seen"])
            return len(wanted)
        finally:
            await asyncio.to_thread(_leave, client)

    def _open(self) -> IMAPClient:
        from imapclient import IMAPClient

        s = self._settings
        context = None if s.encryption == "none" else ssl.create_default_context()
        client = IMAPClient(
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


def _leave(client: IMAPClient) -> None:
    """Say goodbye, and close the socket also when nobody is there any more."""
    for step in (client.logout, client.shutdown):
        with contextlib.suppress(Exception):
            step()


async def _work(call: Callable[..., Any], *arguments: Any) -> Any:
    """Run one IMAP step in a thread. Raises PortError, always retryable: the mail is still there."""
    try:
        return await asyncio.to_thread(call, *arguments)
    except ImportError as error:
        raise PortError(
            "IMAPClient is not installed: pip install 'acd-router[inbox]'", retryable=True
        ) from error
    except Exception as error:  # IMAPClient's errors are imaplib's, socket's and its own
        text = " ".join(str(error).split())[:200]
        raise PortError(f"{type(error).__name__}: {text}", retryable=True) from error
