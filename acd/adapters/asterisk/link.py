"""One AMI link from greeting to loss: panoramisk's Manager and protocol, subclassed.

Used by `connection`, which makes a new one for each reconnect. See there for the guards.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import ssl
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager

from acd.ports import PortError
from acd.wire.ami import AmiClientParser, AmiFrame, Headers, encode_action
from acd.wire.errors import LocalProtocolError, RemoteProtocolError

ASTERISK_FLOOR: Final = (22, 10, 1)
"""Redirect fixes and the June 2026 security release (call-control.md, AMI facts)."""

MAX_PENDING: Final = 1_000
MAX_UNSENT_BYTES: Final = 1_048_576
MAX_LIST_ITEMS: Final = 20_000
AT_ONCE: Final = frozenset({"HangupRequest", "UserEvent"})
"""Events that free an agent or bring a caller: they are acted on before the rest of the same read is parsed."""
log = logging.getLogger("acd.asterisk")


class NotSent(PortError):  # noqa: N818 - a name of the trade, as its siblings in acd.ports
    """The action surely did not reach Asterisk."""


class NoAnswer(PortError):  # noqa: N818
    """The action was sent and no answer came: it may have been carried out or not."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class Refused(Exception):  # noqa: N818
    """Asterisk is reachable but must not be used: wrong secret, too old."""


@dataclass(frozen=True, slots=True)
class AmiSettings:
    """How to reach the manager. Every duration in seconds."""

    username: str
    secret: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 5038
    tls: ssl.SSLContext | None = None
    interest: frozenset[str] | None = None
    """Event names to build; None builds all. Answers to actions always come."""
    floor: tuple[int, int, int] = ASTERISK_FLOOR
    ping_every_s: float = 1.0
    silence_s: float = 3.0
    action_timeout_s: float = 5.0
    connect_timeout_s: float = 3.0
    boot_timeout_s: float = 20.0
    """Then a new link: a booted Asterisk says FullyBooted at every login, so one word that was lost costs no more."""
    retry_first_s: float = 0.1
    retry_max_s: float = 2.0
    refused_first_s: float = 5.0
    refused_max_s: float = 300.0
    event_limit: int = 50_000


@dataclass(slots=True)
class _Pending:
    """One action without its answer yet."""

    name: str
    future: asyncio.Future[list[AmiFrame]]
    as_list: bool
    frames: list[AmiFrame] = field(default_factory=list)


class LinkProtocol(AMIProtocol):  # type: ignore[misc]  # panoramisk ships no types
    """panoramisk's protocol with our parser, our encoder and a pending table that never replays."""

    def __init__(self, link: Link, parser: AmiClientParser) -> None:
        self.link = link
        self.parser = parser
        self.pending: dict[str, _Pending] = {}
        self.ids = itertools.count(1)

    def connection_made(self, transport: Any) -> None:
        """Called by asyncio."""
        super().connection_made(transport)
        self.link.heard()
        sock = transport.get_extra_info("socket")
        if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.link.settings.silence_s * 1000)
            )

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: parse, answer who waits, enqueue the events, then have them taken in order."""
        self.link.heard()
        try:
            for frame in self.parser.each(data):
                self._take(frame)
        except RemoteProtocolError as error:
            self.link.fail(str(error))
            return
        if self.link.events:
            self.link.wake()

    def _take(self, frame: AmiFrame) -> None:
        action_id = frame.headers.get("ActionID")
        if action_id is not None and action_id in self.pending:
            self._answer(action_id, frame)
        elif frame.kind == "Event":
            self.link.dispatch(frame)
            if frame.name in AT_ONCE:
                self.link.wake()
        else:
            self.link.counters["orphan_responses"] += 1

    def _answer(self, action_id: str, frame: AmiFrame) -> None:
        pending = self.pending[action_id]
        pending.frames.append(frame)
        if frame.kind == "Response":
            done = not pending.as_list or frame.name != "Success"
        else:
            done = frame.get("EventList") in ("Complete", "Cancelled") or frame.name.endswith("Complete")
        if len(pending.frames) > MAX_LIST_ITEMS:
            self.link.fail(f"{pending.name}: over {MAX_LIST_ITEMS} items in one list")
        elif done:
            self._take_out(action_id)
            if not pending.future.done():
                pending.future.set_result(pending.frames)

    def send(self, data: Mapping[str, str], as_list: bool | None = None) -> asyncio.Future[list[AmiFrame]]:  # noqa: FBT001 - panoramisk's signature
        """Encode and write one action; used by panoramisk for the login and by us for the rest."""
        headers = dict(data)
        name = headers.pop("Action")
        return self.submit(name, headers, as_list=bool(as_list))

    def submit(self, name: str, headers: Headers, *, as_list: bool) -> asyncio.Future[list[AmiFrame]]:
        """Write one action.

        Raises:
            NotSent: closed link, too much unanswered or unsent.
            LocalProtocolError: a value that cannot be sent.
        """
        action_id = str(next(self.ids))
        encoded = encode_action(name, headers, action_id=action_id)
        if self.closed:
            raise NotSent("the AMI link is down", retryable=True)
        if len(self.pending) >= MAX_PENDING or self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            raise NotSent("too many unanswered AMI actions", retryable=True)
        future: asyncio.Future[list[AmiFrame]] = asyncio.get_running_loop().create_future()
        pending = self.pending[action_id] = _Pending(name, future, as_list)
        self.parser.everything |= as_list
        future.add_done_callback(lambda f: self._forget(action_id, pending, f))
        self.transport.write(encoded)
        return future

    def _take_out(self, action_id: str) -> None:
        del self.pending[action_id]
        self.parser.everything = any(pending.as_list for pending in self.pending.values())

    def _forget(self, action_id: str, pending: _Pending, future: asyncio.Future[list[AmiFrame]]) -> None:
        if self.pending.get(action_id) is pending:
            self._take_out(action_id)
        if not future.cancelled():
            future.exception()  # taken, so that a caller who gave up leaves no warning behind

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self.link.fail(f"connection lost: {exc or 'closed by Asterisk'}")

    def close(self) -> None:
        """End the link now; whoever waits for an answer learns that none will come."""
        self.closed = True
        self.transport.abort()
        for pending in list(self.pending.values()):
            if not pending.future.done():
                pending.future.set_exception(NoAnswer(f"{pending.name}: link lost before the answer"))
        self.pending.clear()


class Link(Manager):  # type: ignore[misc]
    """One connection from greeting to loss. Never reconnects, never replays, never pings by itself."""

    def __init__(self, settings: AmiSettings, parser: AmiClientParser, counters: Counter[str]) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            loop=loop,
            host=settings.host,
            port=settings.port,
            ssl=settings.tls or False,
            username=settings.username,
            secret=settings.secret,
            events="on",
            protocol_factory=lambda: LinkProtocol(self, parser),
            log=log,
        )
        self.pinger: asyncio.TimerHandle | None = None
        self.settings = settings
        self.counters = counters
        self.events: deque[AmiFrame] = deque()
        self.last_heard = loop.time()
        self.logged_in: asyncio.Future[str] = loop.create_future()
        """Empty when Asterisk accepted us, else its reason."""
        self.lost: asyncio.Future[str] = loop.create_future()
        self.wake: Callable[[], None] = lambda: None

    def heard(self) -> None:
        """Note that the peer is alive."""
        self.last_heard = self.loop.time()

    def fail(self, why: str) -> None:
        """End this link once, with a reason."""
        if not self.lost.done():
            self.lost.set_result(why)
        self.close()

    def connection_made(self, f: asyncio.Task[Any]) -> None:
        """Called by panoramisk when the opening ended, well or not."""
        if f.cancelled():
            return
        error = f.exception()
        if error is not None:
            self.fail(f"cannot connect: {error}")
        elif self.lost.done():
            f.result()[0].abort()
        else:
            try:
                super().connection_made(f)  # sends the login
            except (NotSent, LocalProtocolError) as refused:
                self.fail(f"cannot log in: {refused}")

    def login(self, future: asyncio.Future[list[AmiFrame]]) -> bool:
        """Called by panoramisk with the answer to the login."""
        self.ping()
        if self.logged_in.done() or future.cancelled() or future.exception() is not None:
            return False
        answer = future.result()[0]
        self.authenticated = answer.name == "Success"
        self.logged_in.set_result("" if self.authenticated else answer.get("Message") or "login refused")
        return bool(self.authenticated)

    def ping(self) -> None:
        """Stop panoramisk's own pinger, which checks no replies; `AmiConnection` has a watchdog."""
        if self.pinger is not None:
            self.pinger.cancel()
            self.pinger = None

    def dispatch(self, event: AmiFrame) -> None:
        """Only enqueue. A queue over its limit ends the link: a resync is honest, a gap is not."""
        if self.lost.done():
            return
        if len(self.events) >= self.settings.event_limit:
            self.counters["event_overflow"] += 1
            self.fail("more events than we can take")
            return
        self.events.append(event)

    def close(self) -> None:
        """Stop everything of this link; safe to call again."""
        self.ping()
        if self.protocol is not None and not self.protocol.closed:
            self.protocol.close()
