"""A mailbox on loopback that speaks as much IMAP4rev1 as a mailbox owner needs (RFC 3501)."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field


@dataclass
class ImapServer:
    password: str = "pw"
    mails: dict[int, bytes] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    port: int = 0
    drop_at: str = ""
    """The connection breaks when this command comes."""
    says_for_body: bytes = b""
    """Instead of the mail."""
    torments: tuple[str, str] = ("", "")
    """At this command: `endless` answers, a `drip` of bytes, or a `giant` mail is announced."""

    async def start(self) -> ImapServer:
        self._peers: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._peer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self._server.close()
        for peer in self._peers:
            peer.cancel()
        await asyncio.gather(*self._peers, return_exceptions=True)
        await asyncio.sleep(0)

    async def _peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._peers.add(task)
        try:
            await self._talk(reader, writer)
        finally:
            self._peers.discard(task)
            if self.torments[0]:
                writer.transport.abort()  # what nobody reads any more would keep it open
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
        while line := await reader.readline():
            tag, _, command = line.decode().strip().partition(" ")
            if self.drop_at and command.upper().startswith(self.drop_at):
                return
            if self.torments[0] and command.upper().startswith(self.torments[0]):
                await self._torment(writer, self.torments[1])
                return
            lines, result = self._answer(command)
            for one in lines:
                writer.write(one + b"\r\n")
            writer.write(f"{tag} {result}\r\n".encode())
            if command.upper() == "LOGOUT":
                return

    async def _torment(self, writer: asyncio.StreamWriter, how: str) -> None:
        with contextlib.suppress(OSError):
            if how == "giant":
                writer.write(b"* 7 FETCH (UID 7 BODY[]<0> {99999999999}\r\n")
            for _ in range(1_000):
                writer.write(b"* 1 EXISTS\r\n" * 1_000 if how == "endless" else b"*")
                await writer.drain()
                await asyncio.sleep(0.0 if how == "endless" else 0.05)

    def _answer(self, command: str) -> tuple[list[bytes], str]:  # noqa: PLR0911 - one per command
        words = command.upper().split()
        if words[0] == "CAPABILITY":
            return [b"* CAPABILITY IMAP4rev1"], "OK done"
        if words[0] == "LOGIN":
            return [], "OK in" if self.password in command else "NO [AUTHENTICATIONFAILED] wrong"
        if words[0] == "SELECT":
            return [
                f"* {len(self.mails)} EXISTS".encode(),
                b"* OK [UIDVALIDITY 1] ids",
            ], "OK [READ-WRITE] open"
        if words[:2] == ["UID", "SEARCH"]:
            unseen = " ".join(str(uid) for uid in self.mails if uid not in self.seen)
            return [f"* SEARCH {unseen}".rstrip().encode()], "OK found"
        if words[:2] == ["UID", "FETCH"]:
            uid = int(words[2])
            if self.says_for_body:
                return [
                    f"* {uid} FETCH (UID {uid} BODY[]<0> ".encode() + self.says_for_body + b")"
                ], "OK fetched"
            part = re.search(r"<0\.(\d+)>", command)
            assert part is not None
            body = self.mails[uid][: int(part[1])]
            head = f"* {uid} FETCH (UID {uid} BODY[]<0> {{{len(body)}}}".encode()
            return [head, body + b")"], "OK fetched"
        if words[:2] == ["UID", "STORE"]:
            assert words[3] in {"+FLAGS", "+FLAGS.SILENT"}
            self.seen.add(int(words[2]))
            return [], "OK stored"
        return ([b"* BYE"] if words[0] == "LOGOUT" else []), "OK"
