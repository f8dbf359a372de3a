"""The broker that comes along: amqtt in our own loop, behind a front door of ours.

amqtt decides about sessions before it asks who is there: an unknown peer that names another's client id
would end that client's connection, empty its queue or receive its messages. So the door here reads the
CONNECT itself (with amqtt's codec), checks who it is, that the client id begins with `<user>-`, that the
last will goes to an allowed topic (amqtt does not check that one at all), ends an older connection of the
same client id, and only then hands the connection, CONNECT included, to amqtt. Limits on size, rate, idle
time, unread and unacknowledged messages are enforced in the same place. For about 200 agents; larger
sites set mqtt.url to a broker of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from amqtt.adapters import ReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import AMQTTError, CodecError, MQTTError, NoDataError
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.connect import ConnectPacket
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin

from acd import listening
from acd.credentials import BusyError, PasswordCheck, Principal, Role
from acd.ports import PortError
from acd.rights import Rights

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from amqtt.session import Session

_ACCEPTED_PROTOCOL = 4  # MQTT 3.1.1
_BAD_PROTOCOL, _UNAVAILABLE, _BAD_PASSWORD, _NOT_AUTHORIZED = 1, 3, 4, 5
_MAX_CONNECT_BYTES = 4_096
_MAX_AGENT_BYTES = 4_096
_MAX_CLIENT_ID = 64
_TAKEOVER_LIMIT_S = 2.0
_MESSAGES_WAITING = 100
"""Messages of all clients waiting to be handed out; who sends more is not read until there is room."""
_ACCEPTS_PER_TURN, _BACKLOG = 32, 512
_READS_PER_TURN = 24
"""A packet takes three reads."""
# What amqtt's codec makes of bytes that are not MQTT, and of a stream that ends early.
_BAD_BYTES = (
    AMQTTError, CodecError, MQTTError, NoDataError, OSError, EOFError, ValueError, TimeoutError, TypeError,
    LookupError, AttributeError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Limits of the embedded broker. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 1883
    max_connections: int = 500
    max_knocking: int = 250
    """Connections that have not shown who they are."""
    clients_per_agent: int = 8
    """Desks, terminals and their sessions of the last minute."""
    connect_deadline_s: float = 2.0
    max_message_bytes: int = 262_144
    """For services; agents may send 4 096 bytes, and 8 000 bytes a second."""
    agent_bytes_per_s: int = 8_000
    unread_bytes: int = 1_000_000
    """A client that leaves more than this unread is cut."""
    unacknowledged: int = 200
    offline_messages: int = 100
    session_expiry_s: int = 60
    """A client gone for longer loses its queue: a pop of a minute ago helps nobody."""
    max_idle_s: float = 120.0
    tls: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(slots=True)
class BrokerCounters:
    """What the door turned away and what the limits cut."""

    accepted: int = 0
    turned_away: int = 0
    """Too many connections."""
    not_mqtt: int = 0
    """No well-formed CONNECT in time."""
    refused: int = 0
    """Wrong password, unknown user, foreign client id, forbidden last will."""
    forbidden: int = 0
    """Subscriptions and messages outside a client's rights."""
    takeovers: int = 0
    cut: int = 0
    """Cut for size, idleness, unread or unacknowledged messages."""
    faults: int = 0
    """Exceptions out of amqtt; the connection was closed."""


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """The broker in plain words and figures."""

    listening: bool
    text: str
    connections: int
    counters: Mapping[str, int]


class Gate(BaseAuthPlugin, BaseTopicPlugin):  # type: ignore[misc]  # amqtt ships no types
    """amqtt's questions about users and topics, answered from Rights."""

    @dataclass
    class Config:
        """Handed through amqtt's plugin loader."""

        rights: Any = None
        counters: Any = None

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._rights: Rights = context.config.rights
        self._counters: BrokerCounters = context.config.counters

    async def authenticate(self, *, session: Session) -> bool:
        """The door has verified the password already; an unknown name can only mean a defect."""
        return self._rights.role(session.username) is not None

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Allow or refuse one subscription, publication or delivery."""
        if session is None or topic is None:
            return False
        ask = self._rights.may_write if action is Action.PUBLISH else self._rights.may_read
        allowed = ask(session.username, topic)
        self._counters.forbidden += not allowed
        return allowed


class _SteadyDict(dict[str, Any]):
    """amqtt awaits while it walks its subscriptions; a walk must survive a change in between."""

    def __iter__(self) -> Any:
        return iter(list(super().keys()))

    def items(self) -> Any:
        return list(super().items())


class _GuardedBroker(Broker):  # type: ignore[misc]  # amqtt ships no types
    """amqtt with three repairs, each held by a test of ours."""

    def __init__(self, config: BrokerConfig) -> None:
        super().__init__(config)
        self._subscriptions = _SteadyDict()
        # unlimited, it kept every sender's session, 26 KiB, for as long as its message waited for its turn
        self._broadcast_queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_MESSAGES_WAITING)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        """Retained messages only for filters this session has itself.

        On connect amqtt calls this with every filter of every client, which would hand anybody what the
        most privileged client subscribed to.
        """
        held = self._subscriptions.get(subscription[0], ())
        if any(s.client_id == session.client_id for s, _ in held):
            await super()._publish_retained_messages_for_subscription(subscription, session)


class EmbeddedBroker:
    """Start, stop and watch the broker. Principals: agents, the router, wallboards."""

    def __init__(self, settings: BrokerSettings, principals: tuple[Principal, ...]) -> None:
        self._settings = settings
        self.counters = BrokerCounters()
        self._rights = Rights(principals)
        self._server: asyncio.Server | None = None
        self._broker: _GuardedBroker | None = None
        self._links: dict[str, _Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._knocking = 0
        self._watch: asyncio.Task[None] | None = None
        self._passwords = PasswordCheck(principals)

    @property
    def port(self) -> int:
        """Return the port in use; 0 while stopped."""
        return self._server.sockets[0].getsockname()[1] if self._server and self._server.sockets else 0

    def replace_principals(self, principals: tuple[Principal, ...]) -> None:
        """Take new users at a reload; who is no longer known is cut."""
        self._rights.principals = {p.name: p for p in principals}
        self._passwords.replace(principals)
        for client_id, link in list(self._links.items()):
            if self._rights.role(client_id.split("-")[0]) is None:
                link.cut()

    def status(self) -> BrokerStatus:
        """Return the broker in plain words."""
        figures = {name: getattr(self.counters, name) for name in self.counters.__slots__}
        listening = self._server is not None
        where = f"{self._settings.host}:{self.port}"
        text = f"embedded broker at {where}, {len(self._links)} clients" if listening else "stopped"
        return BrokerStatus(listening, text, len(self._links), figures)

    async def start(self, taken: socket.socket | None = None) -> None:
        """Listen, on a port bound before or on the configured one. Raises PortError (retryable) when it is taken."""
        # Peers' nonsense is counted here; amqtt would log each piece of it, with client ids, at will.
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        logging.getLogger("transitions").setLevel(logging.WARNING)
        config = BrokerConfig(
            listeners={"default": ListenerConfig(type=ListenerType.EXTERNAL, bind=self._settings.host)},
            plugins={f"{__name__}.Gate": {"rights": self._rights, "counters": self.counters}},
            session_expiry_interval=self._settings.session_expiry_s,
            # amqtt's keep-alive timer ends nothing but may cancel a half-read packet; ours does the work.
            timeout_disconnect_delay=86_400,
        )
        self._broker = _GuardedBroker(config)
        await self._broker.start()
        try:
            sock = taken or listening.take("embedded broker", self._settings.host, self._settings.port)
        except PortError:
            await self._broker.shutdown()
            raise
        # asyncio accepts as many connections in one turn of the loop as its backlog says; a flood must
        # not make that turn long. The kernel's queue is set apart, for a hundred agents at once.
        self._server = await asyncio.start_server(
            self._accept, sock=sock, ssl=self._settings.tls, backlog=_ACCEPTS_PER_TURN
        )
        sock.listen(_BACKLOG)
        self._watch = asyncio.create_task(self._watch_clients(), name="broker-watch")

    async def stop(self) -> None:
        """Close the door, then every connection, then amqtt; within a few seconds."""
        if self._server is not None:
            self._server.close()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        for link in list(self._links.values()):
            link.cut()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_TAKEOVER_LIMIT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._broker is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    await self._broker.shutdown()
        self._server = None

    # --- the door ------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or (
            self._knocking >= self._settings.max_knocking
            or len(self._links) + self._knocking >= self._settings.max_connections
        ):
            self.counters.turned_away += 1
            writer.transport.abort()
            return
        self._tasks.add(task)
        link = _Link(reader, writer, self._settings, self.counters)
        try:
            if await self._knock(link):
                await self._hand_over(link)
        except (OSError, asyncio.IncompleteReadError):
            self.counters.cut += 1
        except Exception:  # noqa: BLE001 - whatever amqtt makes of a peer's bytes, the loop goes on
            self.counters.faults += 1
        finally:
            writer.transport.abort()
            if self._links.get(link.client_id) is link:
                del self._links[link.client_id]
            link.ended.set()
            self._tasks.discard(task)

    async def _knock(self, link: _Link) -> bool:
        """Read the CONNECT and decide; an answer is sent when the peer spoke MQTT."""
        self._knocking += 1
        try:
            async with asyncio.timeout(self._settings.connect_deadline_s):
                connect = await ConnectPacket.from_stream(link.reader)
            if connect.variable_header is None or connect.payload is None or connect.proto_name != "MQTT":
                self.counters.not_mqtt += 1
                return False
        except _BAD_BYTES:
            self.counters.not_mqtt += 1
            return False
        else:
            refusal = await self._judge(connect)
            if refusal:
                self.counters.refused += 1
                await self._answer(link, refusal)
                return False
            link.admit(connect, self._rights.role(connect.username))
            return True
        finally:
            self._knocking -= 1

    async def _judge(self, connect: ConnectPacket) -> int:
        """Return 0 to admit, else the CONNACK code."""
        if connect.proto_level != _ACCEPTED_PROTOCOL:
            return _BAD_PROTOCOL
        user, password, client_id = connect.username, connect.password, connect.client_id
        if not user or not password or not client_id:
            return _BAD_PASSWORD
        if not client_id.startswith(f"{user}-") or len(client_id) > _MAX_CLIENT_ID:
            return _NOT_AUTHORIZED
        if connect.will_flag and not self._rights.may_write(user, str(connect.will_topic)):
            return _NOT_AUTHORIZED
        wrong = await self._password(user, password)
        return wrong or (_UNAVAILABLE if self._has_too_many(user, client_id) else 0)

    async def _password(self, user: str, password: str) -> int:
        try:
            return 0 if await self._passwords.who(user, password) else _BAD_PASSWORD
        except BusyError:
            return _UNAVAILABLE

    def _has_too_many(self, user: str, client_id: str) -> bool:
        """Tell whether one more client would be too many for an agent; each may leave a queue behind."""
        if self._broker is None or self._rights.role(user) is not Role.AGENT:
            return False
        held = {*self._links, *self._broker.sessions}
        own = sum(other.startswith(f"{user}-") for other in held)
        return client_id not in held and own >= self._settings.clients_per_agent

    async def _answer(self, link: _Link, code: int) -> None:
        with contextlib.suppress(*_BAD_BYTES):
            async with asyncio.timeout(1.0):
                await ConnackPacket.build(0, code).to_stream(link.writer)
                await link.writer.close()

    async def _hand_over(self, link: _Link) -> None:
        older = self._links.get(link.client_id)
        if older is not None:
            self.counters.takeovers += 1
            older.cut()
            try:
                async with asyncio.timeout(_TAKEOVER_LIMIT_S):
                    await older.ended.wait()
            except TimeoutError:
                await self._answer(link, _UNAVAILABLE)
                return
            if link.client_id in self._links:  # a third one was quicker
                await self._answer(link, _UNAVAILABLE)
                return
        self._links[link.client_id] = link
        self.counters.accepted += 1
        if self._broker is not None:
            await self._broker.external_connected(link.reader, link.writer, "default")

    # --- limits over time ----------------------------------------------------------------------

    async def _watch_clients(self) -> None:
        """Once a second: bound what a slow, silent or absent client makes us keep."""
        while True:
            await asyncio.sleep(1.0)
            if self._broker is None:
                continue
            for client_id, (session, _) in list(self._broker.sessions.items()):
                while session.retained_messages.qsize() > self._settings.offline_messages:
                    session.retained_messages.get_nowait()
                link = self._links.get(client_id)
                if link is None:
                    continue
                unread = link.stream.transport.get_write_buffer_size()
                if (
                    session.inflight_out_count > self._settings.unacknowledged
                    or unread > self._settings.unread_bytes
                ):
                    self.counters.cut += 1
                    session.inflight_out.clear()
                    link.cut()


class _Link:
    """One client's connection as the door sees it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        settings: BrokerSettings,
        counters: BrokerCounters,
    ) -> None:
        self.stream = writer
        self.reader = _Reader(reader, settings, counters)
        self.writer = _Writer(writer)
        self.client_id = ""
        self.ended = asyncio.Event()
        sock = writer.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def admit(self, connect: ConnectPacket, role: Role | None) -> None:
        """From now on amqtt reads, CONNECT first, under the limits of the role."""
        self.client_id = str(connect.client_id)
        self.reader.admit(connect.keep_alive, agent=role is not Role.ROUTER)

    def cut(self) -> None:
        """End the connection now; what amqtt still writes goes nowhere."""
        self.stream.transport.abort()


class _Reader(ReaderAdapter):  # type: ignore[misc]  # amqtt ships no types
    """Reads for amqtt: records and replays the CONNECT, limits size and rate, ends idle connections."""

    def __init__(
        self, stream: asyncio.StreamReader, settings: BrokerSettings, counters: BrokerCounters
    ) -> None:
        self._stream = stream
        self._settings = settings
        self._counters = counters
        self._recorded = bytearray()
        self._recording = True
        self._closed = False
        self._max_bytes = _MAX_CONNECT_BYTES
        self._idle_s: float | None = None
        self._rate: int | None = None
        self._allowance = 0.0
        self._counted_at = 0.0
        self._reads = 0

    def admit(self, keep_alive_s: int, *, agent: bool) -> None:
        """Switch from recording to replaying."""
        self._recording = False
        self._max_bytes = _MAX_AGENT_BYTES if agent else self._settings.max_message_bytes
        # amqtt never enforces the keep-alive; 1.5 times is the standard's own figure (MQTT-3.1.2-24).
        self._idle_s = min(keep_alive_s * 1.5 if keep_alive_s else self._settings.max_idle_s, 3_600.0)
        self._rate = self._settings.agent_bytes_per_s if agent else None
        self._allowance = float(self._rate or 0) * 4
        self._counted_at = asyncio.get_running_loop().time()

    async def read(self, n: int = -1) -> bytes:
        """Return exactly n bytes; IncompleteReadError, as at the end of a stream, when a limit is broken."""
        if self._closed or n < 0 or n > self._max_bytes:
            self._counters.cut += not self._closed and not self._recording
            self._closed = True
            raise asyncio.IncompleteReadError(b"", n)
        if self._recording:
            data = await self._stream.readexactly(n)
            self._recorded += data
            if len(self._recorded) > _MAX_CONNECT_BYTES:
                raise asyncio.IncompleteReadError(b"", n)
            return data
        if self._recorded:
            data = bytes(self._recorded[:n])
            del self._recorded[:n]
            return data
        await self._slow_down(n)
        await self._let_others()
        try:
            async with asyncio.timeout(self._idle_s):
                return await self._stream.readexactly(n)
        except TimeoutError:
            self._counters.cut += 1
            self._closed = True
            raise asyncio.IncompleteReadError(b"", n) from None

    async def _let_others(self) -> None:
        """Give way after a few packets: what is buffered is read without waiting, hundreds of packets in one turn."""
        self._reads += 1
        if self._reads % _READS_PER_TURN == 0:
            await asyncio.sleep(0)

    async def _slow_down(self, n: int) -> None:
        if self._rate is None:
            return
        now = asyncio.get_running_loop().time()
        self._allowance = min(self._allowance + (now - self._counted_at) * self._rate, self._rate * 4.0)
        self._counted_at = now
        self._allowance -= n
        if self._allowance < 0:
            await asyncio.sleep(min(-self._allowance / self._rate, 5.0))

    def feed_eof(self) -> None:
        """Part of the adapter's interface."""
        self._closed = True


class _Writer(StreamWriterAdapter):  # type: ignore[misc]  # amqtt ships no types
    """Writes for amqtt; a closed or stuck peer must not hold up amqtt's own shutdown."""

    async def close(self) -> None:
        """Close politely for a second, then abort."""
        try:
            async with asyncio.timeout(1.0):
                await super().close()
        except (OSError, TimeoutError):
            self._writer.transport.abort()
