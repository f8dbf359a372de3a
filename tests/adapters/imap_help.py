"""A mailbox on loopback that speaks as much IMAP4rev1 as a mailbox owner needs (RFC 3501)."""

from __future__ import annotations

import asyncio
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

    async def start(self) -> ImapServer:
        self._server = await asyncio.start_server(self._peer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self._server.close()
        await asyncio.sleep(0)

    async def _peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
        while line := await reader.readline():
            tag, _, command = line.decode().strip().partition(" ")
            if self.drop_at and command.upper().startswith(self.drop_at):
                break
            lines, result = self._answer(command)
            for one in lines:
                writer.write(one + b"\r\n")
            writer.write(f"{tag} {result}\r\n".encode())
            if command.upper() == "LOGOUT":
                break
        writer.close()

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
