"""FastAGI server: the dialplan's short questions, answered by agi_scripts in the daemon.

Own code on asyncio streams, because the library's server can be stopped for good by a peer that connects and
closes. Bound to the loopback; every session has a deadline for its headers, a deadline for its answer and size
caps; a session that fails in any way ends without a verdict, which the dialplan takes as "daemon did not
answer" and goes its default branch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from acd.core.events import Fact
from acd.ports import Inbox
from acd.wire.agi import (
    DEAD_CHANNEL,
    AgiHangup,
    AgiReply,
    AgiReplyParser,
    AgiRequest,
    AgiRequestParser,
    encode_command,
)
from acd.wire.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from agi_scripts._session import CallerGone

HEADER_DEADLINE_S: Final = 2.0
ANSWER_DEADLINE_S: Final = 0.25
MAX_CONNECTIONS: Final = 200
CLOSE_DEADLINE_S: Final = 1.0
_CHUNK: Final = 4_096
_MSET_SPECIAL: Final = frozenset(",\\\"'`;^$[]{}()=|")
_MSET_MOST: Final = 1_500

log = logging.getLogger("acd.fastagi")


class FastAgiSession:
    """`agi_scripts._session.AgiSession` over a socket."""

    def __init__(
        self,
        request: AgiRequest,
        leftover: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        inbox: Inbox,
    ) -> None:
        self.request: Mapping[str, str] = request.trusted()
        self.hung_up = False
        """Asterisk said HANGUP; commands may still be answered, nobody hears them."""
        self._reader, self._writer, self._inbox = reader, writer, inbox
        self._parser = AgiReplyParser()
        self._replies: deque[AgiReply] = deque()
        if leftover:
            self._take(leftover)

    def _take(self, data: bytes) -> None:
        for item in self._parser.feed(data):
            if isinstance(item, AgiHangup):
                self.hung_up = True
            else:
                self._replies.append(item)

    async def _command(self, keyword: str, *arguments: str | int) -> AgiReply:
        line = encode_command(keyword, *arguments)
        self._take(b"")  # raises if the talk went wrong after the last good reply
        if self._replies:
            raise RemoteProtocolError("a reply to no command")
        self._writer.write(line)
        await self._writer.drain()
        while not self._replies:
            data = await self._reader.read(_CHUNK)
            if not data:
                raise CallerGone("Asterisk closed the session")
            self._take(data)
        reply = self._replies.popleft()
        if reply.code == DEAD_CHANNEL or reply.data == "hangup":
            raise CallerGone("the channel is gone")
        return reply

    async def get(self, name: str) -> str:
        """Return a channel variable, empty when unset."""
        return (await self._command("GET VARIABLE", name)).data or ""

    async def set(self, name: str, value: str) -> None:
        """Set a channel variable.

        Raises:
            RemoteProtocolError: Asterisk did not take it, so no verdict may follow.
        """
        reply = await self._command("SET VARIABLE", name, value)
        if reply.result != "1":
            raise RemoteProtocolError(f"SET VARIABLE {name}: {reply.text[:80]}")

    async def set_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Set several variables in one command: one round trip instead of one each.

        They are set in order and all or none. A value that MSet would take apart goes the long way.

        Raises:
            RemoteProtocolError: Asterisk did not take it, so no verdict may follow.
        """
        line = ",".join(f"{name}={value}" for name, value in pairs)
        if (
            any(character in _MSET_SPECIAL for _, value in pairs for character in value)
            or len(line) > _MSET_MOST
        ):
            for name, value in pairs:
                await self.set(name, value)
            return
        reply = await self._command("EXEC", "MSet", line)
        if reply.result != "0":
            raise RemoteProtocolError(f"MSet: {reply.text[:80]}")

    async def stream(self, file: str, digits: str = "") -> str:
        """Play a sound; return the digit that interrupted it, else empty."""
        reply = await self._command("STREAM FILE", file, digits)
        if reply.result == "-1":
            raise CallerGone("hung up during a prompt")
        return _digit(reply)

    async def say_date(self, at_s: int, form: str, zone: str, digits: str = "") -> str:
        """Say a moment, in seconds since the epoch; return the digit that interrupted it, else empty.

        Asterisk says -1 both for a hang-up and for a prompt it has not got: the next command tells which.
        """
        reply = await self._command("SAY DATETIME", at_s, digits, form, *((zone,) if zone else ()))
        return _digit(reply)

    async def read_digits(self, file: str, *, most: int, timeout_ms: int) -> str:
        """Play a sound and collect digits; return what was keyed."""
        reply = await self._command("GET DATA", file, timeout_ms, most)
        if reply.result == "-1":
            raise CallerGone("hung up during a prompt")
        return reply.result

    def report(self, fact: Fact) -> None:
        """Tell the daemon at once."""
        self._inbox(fact)


def _digit(reply: AgiReply) -> str:
    """Return the key that a reply names by its code."""
    code = int(reply.result) if reply.result.isascii() and reply.result.isdigit() else 0
    return chr(code) if 0x20 < code < 0x7F else ""  # noqa: PLR2004 - printable ASCII


Script: TypeAlias = Callable[[FastAgiSession], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """One path of `agi://host/path` and how long its whole answer may take."""

    script: Script
    deadline_s: float = ANSWER_DEADLINE_S


class FastAgiServer:
    """Listens and dispatches by path.

    Args:
        routes: path (without slash) → script. Talks with prompts need a longer deadline than questions.
        inbox: where scripts report facts.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        inbox: Inbox,
        *,
        max_connections: int = MAX_CONNECTIONS,
        header_deadline_s: float = HEADER_DEADLINE_S,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.port = 0
        self._routes, self._inbox = dict(routes), inbox
        self._max, self._header_deadline_s = max_connections, header_deadline_s
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port. `host` must be a loopback address: AGI knows no password.

        Raises:
            LocalProtocolError: an address other machines could reach.
            OSError: the port is taken.
        """
        if not (host.startswith("127.") or host in ("::1", "localhost")):
            raise LocalProtocolError(f"FastAGI must listen on the loopback only, not on {host}")
        self._server = await asyncio.start_server(self._accept, host, port, limit=_CHUNK, backlog=128)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def close(self) -> None:
        """Stop listening, give running answers a second, end the rest."""
        if self._server is not None:
            self._server.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_DEADLINE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= self._max:
            self.counters["over_limit"] += 1
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._session(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counters["sessions"] += 1
        try:
            async with asyncio.timeout(self._header_deadline_s):
                request, leftover = await _read_request(reader)
            await self._answer(request, FastAgiSession(request, leftover, reader, writer, self._inbox))
        except TimeoutError:
            self.counters["header_timeouts"] += 1
        except CallerGone:
            self.counters["hangups"] += 1
        except (ProtocolError, ConnectionError) as error:
            self.counters["bad_sessions"] += 1
            log.warning("fastagi session ended: %s", error)
        finally:
            await _close(writer)

    async def _answer(self, request: AgiRequest, session: FastAgiSession) -> None:
        if request.repeated:
            self.counters["repeated_headers"] += 1
        path = request.get("agi_network_script").partition("?")[0].strip("/")
        route = self._routes.get(path)
        if route is None:
            self.counters["unknown_paths"] += 1
            log.warning("fastagi: nobody answers %r", path[:80])
            return
        try:
            async with asyncio.timeout(route.deadline_s):
                await route.script(session)
        except TimeoutError:
            self.counters["answer_timeouts"] += 1
            log.warning("fastagi %s: no answer within %g s", path, route.deadline_s)
        except (CallerGone, ProtocolError, ConnectionError):
            raise
        except Exception:
            # A defect in one script must cost one question, not the door of the house.
            self.counters["script_errors"] += 1
            log.exception("fastagi %s failed", path)
        else:
            self.counters["answered"] += 1


async def _read_request(reader: asyncio.StreamReader) -> tuple[AgiRequest, bytes]:
    parser = AgiRequestParser()
    while True:
        data = await reader.read(_CHUNK)
        if not data:
            raise CallerGone("closed before the request was complete")
        request = parser.feed(data)
        if request is not None:
            return request, parser.leftover


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    if writer.transport.get_write_buffer_size() == 0:
        return  # nothing left to send: the transport goes by itself
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(CLOSE_DEADLINE_S):
            await writer.wait_closed()
            return
    writer.transport.abort()
