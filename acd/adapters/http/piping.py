"""What the WebSocket pipes (/mqtt to the broker, /sip to Asterisk) share: who comes in, and how both ways end.

Whoever opens a pipe has proved nothing yet: the login is spoken inside, to the broker or to Asterisk. So a pipe
counts as a stranger's until the far side is seen to have taken the login; strangers are few, say little, and
have seconds. Whoever is logged in is never in their way: strangers have room of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.websockets import WebSocket, WebSocketDisconnect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from acd.adapters.http.services import HttpSettings

POLICY, TRY_LATER = 1008, 1013
OPEN_LIMIT_S = 3.0
"""For the far side on loopback to accept a connection."""
MAX_LOGIN_BYTES = 8_192
"""What may be sent before the login is done: a CONNECT or a REGISTER with its answer to a challenge is below 2,000."""


@dataclass(slots=True)
class PipeCounts:
    """Pipes of one kind: how many stand, and what became of the others."""

    open: int = 0
    """Logged in or not."""
    strangers: int = 0
    """Not logged in yet."""
    refused: int = 0
    late: int = 0
    """Closed because no login was done in time, or because it was too long."""
    replaced: int = 0
    """Closed because their holder opened another one."""


@dataclass(slots=True, eq=False)
class Pipe:
    """One pipe. `login` is set by whoever reads its traffic."""

    websocket: WebSocket
    counts: PipeCounts
    login: asyncio.Event = field(default_factory=asyncio.Event)
    pushed_out: asyncio.Event = field(default_factory=asyncio.Event)
    login_bytes: int = 0

    def may_say(self, size: int) -> bool:
        """Count what is said before the login; False ends the pipe."""
        if self.login.is_set():
            return True
        self.login_bytes += size
        if self.login_bytes > MAX_LOGIN_BYTES:
            self.counts.late += 1
            return False
        return True

    def logged_in(self) -> None:
        """The far side took the login."""
        if not self.login.is_set():
            self.login.set()
            self.counts.strangers -= 1


class Holders:
    """Whose pipes stand: the newest `each` of one holder, who may have lost the older ones without noticing."""

    __slots__ = ("_each", "_pipes")

    def __init__(self, each: int) -> None:
        self._each = each
        self._pipes: dict[str, deque[Pipe]] = {}

    def add(self, holder: str, pipe: Pipe) -> None:
        """The oldest goes when there are too many."""
        mine = self._pipes.setdefault(holder, deque())
        mine.append(pipe)
        if len(mine) > self._each:
            mine.popleft().pushed_out.set()

    def remove(self, holder: str, pipe: Pipe) -> None:
        """This one is closed."""
        mine = self._pipes.get(holder)
        if mine is None:
            return
        with contextlib.suppress(ValueError):
            mine.remove(pipe)
        if not mine:
            del self._pipes[holder]


async def refuse(websocket: WebSocket, counts: PipeCounts, code: int) -> None:
    """Turn somebody away before anything is opened."""
    counts.refused += 1
    await websocket.close(code)


def admissible(websocket: WebSocket, protocol: str, settings: HttpSettings) -> bool:
    """Tell whether the sub-protocol is right and the origin, if a browser names one, is ours."""
    return protocol in websocket.scope.get("subprotocols", ()) and own_origin(websocket, settings)


def has_room(counts: PipeCounts, settings: HttpSettings) -> bool:
    """Tell whether one more stranger may come in."""
    return counts.open < settings.max_pipes and counts.strangers < settings.max_strangers


def own_origin(websocket: WebSocket, settings: HttpSettings) -> bool:
    """A foreign page must not talk to us with the visitor's reach; programs send no origin."""
    origin = websocket.headers.get("origin")
    if origin is None or origin in settings.allowed_origins:
        return True
    try:
        return urlsplit(origin).netloc.lower() == websocket.headers.get("host", "").lower() != ""
    except ValueError:
        return False


@contextlib.asynccontextmanager
async def counted(websocket: WebSocket, counts: PipeCounts) -> AsyncIterator[Pipe]:
    """Hold one place in the counts."""
    pipe = Pipe(websocket, counts)
    counts.open += 1
    counts.strangers += 1
    try:
        yield pipe
    finally:
        counts.open -= 1
        if not pipe.login.is_set():
            counts.strangers -= 1


async def pump(
    pipe: Pipe, up: Coroutine[None, None, None], down: Coroutine[None, None, None], login_limit_s: float
) -> None:
    """Run both ways until one ends, the login is late, or the holder opened another pipe; then close."""
    ends = (up, down, _late(pipe, login_limit_s), _replaced(pipe))
    tasks = [asyncio.create_task(end) for end in ends]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(RuntimeError, OSError, WebSocketDisconnect):
            await pipe.websocket.close(TRY_LATER if pipe.pushed_out.is_set() else 1000)


async def _late(pipe: Pipe, limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await pipe.login.wait()
    except TimeoutError:
        pipe.counts.late += 1
        return
    await asyncio.Event().wait()  # logged in: this end never comes


async def _replaced(pipe: Pipe) -> None:
    await pipe.pushed_out.wait()
    pipe.counts.replaced += 1
