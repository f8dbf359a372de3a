"""The ScreenPop port over MQTT 3.1.1: pops out, agents' commands in.

Pops are hints (failure mode 29): every method of the port only writes into a bounded outbox and returns,
so that a dead broker never delays a call. One publisher empties the outbox, at most ten messages in
flight; what waited longer than a minute is dropped and counted as "no pop". aiomqtt does not reconnect
by itself, so the loop with jittered back-off is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import logging
import random
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiomqtt

from acd import topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acd.core.effects import CloseWrapUp, ConfirmPop, OpenWrapUp, ShowPop, WithdrawPop
    from acd.core.ids import AgentId
    from acd.core.instant import Duration, Instant
    from acd.core.snapshot import Snapshot
    from acd.pops import PopBook
    from acd.ports import Clock, Inbox
    from acd.topics import Message

_LOG = logging.getLogger(__name__)
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_STOP_LIMIT_S = 3.0
_INCOMING_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Where the broker is. Raises ValueError for a URL or a privacy it does not know."""

    url: str = "mqtt://127.0.0.1:1883"
    user: str = "router"
    password: str = field(default="", repr=False)
    ca_file: str = ""
    """PEM file with the authority of the broker's certificate; empty: the system's."""
    cert_file: str = ""
    key_file: str = ""
    privacy: str = "minimal"
    """minimal: a pop names call, firm, queue and token. full: also ani, did and dossier."""
    pop_life_ms: Duration = 60_000
    outbox_limit: int = 1_000
    in_flight: int = 10
    timeout_s: float = 5.0
    keepalive_s: int = 15
    backoff_min_s: float = 0.2
    backoff_max_s: float = 10.0

    def __post_init__(self) -> None:
        where = urlsplit(self.url)
        if where.scheme not in _PORTS or not where.hostname or where.username:
            raise ValueError("mqtt.url must be mqtt://host[:port] or mqtts://host[:port], user set apart")
        if self.privacy not in ("minimal", "full"):
            raise ValueError("pop.privacy is minimal or full")
        if not 1 <= self.in_flight <= 10:  # noqa: PLR2004 - aiomqtt warns on every publish above ten
            raise ValueError("mqtt.in_flight is 1 to 10")

    @property
    def host(self) -> str:
        """Return the broker's host."""
        return str(urlsplit(self.url).hostname)

    @property
    def port(self) -> int:
        """Return the broker's port."""
        where = urlsplit(self.url)
        return where.port or _PORTS[where.scheme]

    @property
    def tls(self) -> bool:
        """Tell whether the link is encrypted."""
        return urlsplit(self.url).scheme == "mqtts"


@dataclass(slots=True)
class MqttCounters:
    """What happened, for status and metrics."""

    published: int = 0
    no_pop: int = 0
    """Offers whose pop never left: too old, or pushed out of a full outbox."""
    dropped: int = 0
    expired: int = 0
    commands: int = 0
    malformed: int = 0
    connects: int = 0


@dataclass(frozen=True, slots=True)
class MqttStatus:
    """The link in plain words and figures."""

    connected: bool
    text: str
    waiting: int
    desks_online: int
    counters: Mapping[str, int]


class Outbox:
    """Messages to publish: pops in order and bounded, state as only the newest per topic."""

    def __init__(self, limit: int, counters: MqttCounters) -> None:
        self._limit = limit
        self._counters = counters
        self._serials = itertools.count()
        self._pops: list[tuple[int, Message]] = []
        self._state: dict[str, tuple[int, Message]] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._pops) + len(self._state)

    def put(self, message: Message) -> None:
        """Add; a full outbox loses its oldest pop, which is counted."""
        self._keep(next(self._serials), message)
        while len(self._pops) > self._limit:
            self._counters.dropped += 1
            self._count_no_pop(heapq.heappop(self._pops)[1])

    def give_back(self, serial: int, message: Message) -> None:
        """Return a message that was not acknowledged to its old place, unless newer state replaced it."""
        if message.expires_at is not None or message.topic not in self._state:
            self._keep(serial, message)

    def take(self, now: Instant) -> tuple[int, Message] | None:
        """Return the next message still worth sending: pops first, then state."""
        self.expire(now)
        if self._pops:
            return heapq.heappop(self._pops)
        for topic in self._state:
            return self._state.pop(topic)
        self._filled.clear()
        return None

    def expire(self, now: Instant) -> None:
        """Drop and count what is too old to help anybody."""
        while self._pops and (self._pops[0][1].expires_at or 0) <= now:
            self._counters.expired += 1
            self._count_no_pop(heapq.heappop(self._pops)[1])

    async def wait(self) -> None:
        """Wait until there is something to take."""
        await self._filled.wait()

    def _keep(self, serial: int, message: Message) -> None:
        if message.expires_at is None:
            self._state[message.topic] = (serial, message)
        else:
            heapq.heappush(self._pops, (serial, message))
        self._filled.set()

    def _count_no_pop(self, message: Message) -> None:
        self._counters.no_pop += message.kind == "show"


class MqttScreenPop:
    """Implements acd.ports.ScreenPop. `run()` is the connection's task; everything else returns at once."""

    def __init__(self, settings: MqttSettings, clock: Clock, inbox: Inbox, book: PopBook) -> None:
        self._settings = settings
        self._clock = clock
        self._inbox = inbox
        self._book = book
        self.counters = MqttCounters()
        self._outbox = Outbox(settings.outbox_limit, self.counters)
        self._state: dict[str, Message] = {}
        self._online: set[AgentId] = set()
        self._connected = False
        self._up = asyncio.Event()
        self._text = "not started"
        self._stopping = asyncio.Event()
        self._stopped = asyncio.Event()
        """Not set only while `run()` is at work."""
        self._stopped.set()
        self._tls: ssl.SSLContext | None = None

    # --- the port ------------------------------------------------------------------------------

    async def show(self, wish: ShowPop, dossier: Mapping[str, object]) -> None:
        """Publish the pop of an offer."""
        now = self._clock.now()
        pop = self._book.show(wish, dossier, now)
        told = dossier if self._settings.privacy == "full" else None
        self._outbox.put(topics.show(wish, pop.token, now, self._end(now), told))

    async def confirm(self, wish: ConfirmPop) -> None:
        """Publish that the call is in hand."""
        now = self._clock.now()
        self._book.confirm(wish, now)
        self._outbox.put(topics.confirm(wish, now, self._end(now)))

    async def withdraw(self, wish: WithdrawPop) -> None:
        """Publish that the pop is to go."""
        now = self._clock.now()
        self._book.withdraw(wish)
        self._outbox.put(topics.withdraw(wish, now, self._end(now)))

    async def open_wrap_up(self, wish: OpenWrapUp) -> None:
        """Publish that the card is to be filled in."""
        now = self._clock.now()
        self._book.open_wrap_up(wish)
        self._outbox.put(topics.open_wrap_up(wish, now, self._end(now)))

    async def close_wrap_up(self, wish: CloseWrapUp) -> None:
        """Publish that the card's time is over."""
        now = self._clock.now()
        self._book.close_wrap_up(wish)
        self._outbox.put(topics.close_wrap_up(wish, now, self._end(now)))

    async def publish_snapshot(self, snapshot: Snapshot) -> None:
        """Publish the retained snapshot, and the state of each agent that changed."""
        self._keep_state(topics.snapshot(snapshot))
        for view in snapshot.agents:
            self._keep_state(topics.agent_state(view))

    def _keep_state(self, message: Message) -> None:
        if self._state.get(message.topic) != message:
            self._state[message.topic] = message
            self._outbox.put(message)

    def _end(self, now: Instant) -> Instant:
        return now + self._settings.pop_life_ms

    # --- the link ------------------------------------------------------------------------------

    def status(self) -> MqttStatus:
        """Return the link in plain words."""
        figures = {name: getattr(self.counters, name) for name in self.counters.__slots__}
        return MqttStatus(self._connected, self._text, len(self._outbox), len(self._online), figures)

    async def wait_connected(self, limit_s: float) -> bool:
        """Wait for the link, at most so long; return whether it is there."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._up.wait()
        return self._connected

    async def run(self) -> None:
        """Keep the link until `stop()`, reconnecting with jittered back-off. Ends only by stop or cancel."""
        self._stopped.clear()
        backoff_s = self._settings.backoff_min_s
        try:
            while not self._stopping.is_set():
                before = self.counters.published
                problem = await self._one_connection()
                if self._stopping.is_set():
                    return
                if self.counters.published > before:
                    backoff_s = self._settings.backoff_min_s
                self._note_lost(problem, backoff_s)
                await self._pause(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                backoff_s = min(backoff_s * 2, self._settings.backoff_max_s)
        finally:
            self._connected = False
            self._stopped.set()

    async def stop(self) -> None:
        """Say goodbye on the status topic and end `run()`, within three seconds."""
        self._text = "stopped"
        self._stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_LIMIT_S):
                await self._stopped.wait()

    async def _pause(self, seconds: float) -> None:
        """Wait out the back-off, or end early because of `stop()`; old pops are counted meanwhile."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0 and not self._stopping.is_set():
            self._outbox.expire(self._clock.now())
            with contextlib.suppress(TimeoutError):
                # not wait_for: before Python 3.12 it can swallow the cancellation of run()
                async with asyncio.timeout(min(left, 1.0)):
                    await self._stopping.wait()

    def _note_lost(self, problem: str, backoff_s: float) -> None:
        where = f"{self._settings.host}:{self._settings.port}"
        if self._connected or self._text == "not started":
            _LOG.warning("mqtt_link_down broker=%s why=%s", where, problem)
        self._connected = False
        self._up.clear()
        self._online.clear()
        self._text = f"no connection to the broker at {where}: {problem}; next try within {backoff_s:.1f} s"

    async def _client(self) -> aiomqtt.Client:
        settings = self._settings
        if settings.tls and self._tls is None:
            self._tls = await asyncio.to_thread(_tls_context, settings)
        goodbye = topics.status("down", "the router's connection was lost", None)
        return aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.user or None,
            password=settings.password or None,
            identifier=f"{settings.user or 'acd'}-router",
            clean_session=True,
            keepalive=settings.keepalive_s,
            timeout=settings.timeout_s,
            max_queued_incoming_messages=_INCOMING_LIMIT,
            will=aiomqtt.Will(goodbye.topic, goodbye.payload, qos=1, retain=True),
            tls_context=self._tls,
        )

    async def _one_connection(self) -> str:
        """Live through one connection; return why it ended."""
        try:
            client = await self._client()
        except (OSError, ssl.SSLError, ValueError) as problem:
            return f"TLS files: {problem}"
        try:
            async with client:
                return await self._serve(client)
        except aiomqtt.MqttError as problem:
            _release(client)
            return str(problem) or type(problem).__name__
        except asyncio.CancelledError:
            _release(client)  # told to stop while connecting: the late answer would meet a cancelled future
            raise

    async def _serve(self, client: aiomqtt.Client) -> str:
        await client.subscribe([(topics.ALL_COMMANDS, 1), (topics.ALL_PRESENCE, 1)])
        self.counters.connects += 1
        self._connected = True
        self._up.set()
        self._text = f"connected to the broker at {self._settings.host}:{self._settings.port}"
        _LOG.info("mqtt_link_up broker=%s:%d", self._settings.host, self._settings.port)
        # A restarted broker has forgotten what it retained.
        for message in self._state.values():
            self._outbox.put(message)
        self._outbox.put(topics.status("up", "the router is at work", self._clock.now()))
        tasks = [
            asyncio.create_task(self._publish(client), name="mqtt-publish"),
            asyncio.create_task(self._listen(client), name="mqtt-listen"),
            asyncio.create_task(self._stopping.wait(), name="mqtt-stop"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._stopping.is_set():
            await self._say_goodbye(client)
            return "stopped"
        problem = next((task.exception() for task in done if task.exception()), None)
        if problem is not None and not isinstance(problem, aiomqtt.MqttError):
            raise problem  # a defect of ours, not of the link
        return str(problem) if problem else "the connection ended"

    async def _say_goodbye(self, client: aiomqtt.Client) -> None:
        message = topics.status("down", "the router was stopped", self._clock.now())
        with contextlib.suppress(aiomqtt.MqttError):
            await client.publish(message.topic, message.payload, qos=1, retain=True, timeout=1.0)

    async def _publish(self, client: aiomqtt.Client) -> None:
        """Empty the outbox; raises the first MqttError, with everything unacknowledged given back."""
        flying: set[asyncio.Task[None]] = set()
        try:
            while True:
                if len(flying) >= self._settings.in_flight:
                    await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in flying if task.done()]:
                    flying.discard(task)
                    task.result()
                item = self._outbox.take(self._clock.now())
                if item is not None:
                    flying.add(asyncio.create_task(self._send(client, *item)))
                    continue
                filled = asyncio.create_task(self._outbox.wait())
                try:
                    await asyncio.wait({filled, *flying}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    filled.cancel()
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)

    async def _send(self, client: aiomqtt.Client, serial: int, message: Message) -> None:
        acknowledged = False
        try:
            await client.publish(message.topic, message.payload, qos=1, retain=message.retain)
            acknowledged = True
            self.counters.published += 1
        finally:
            if not acknowledged:
                self._outbox.give_back(serial, message)

    # --- agents' commands ----------------------------------------------------------------------

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            self.receive(str(message.topic), message.payload, retained=bool(message.retain))

    def receive(self, topic: str, payload: object, *, retained: bool = False) -> None:
        """Turn one message of an agent into a fact; nonsense is counted, never raised."""
        data = bytes(payload) if isinstance(payload, bytes | bytearray) else b""
        place = topics.split_agent_topic(topic)
        try:
            if place is not None and place[1] == "presence":
                agent, online = topics.read_presence(topic, data)
                (self._online.add if online else self._online.discard)(agent)
                return
            fact = topics.read_command(topic, data, self._clock.now(), retained=retained)
        except topics.MalformedMessage as problem:
            self.counters.malformed += 1
            _LOG.info("mqtt_malformed why=%s", problem)
            return
        self.counters.commands += 1
        self._inbox(fact)


def _tls_context(settings: MqttSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file or None)
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file or None)
    return context


def _release(client: aiomqtt.Client) -> None:
    """Close the socket of a connection that never came up: a broker that stays silent, or our own stop.

    aiomqtt leaves that socket registered with the loop until the keep-alive ends.
    """
    inner = client._client  # noqa: SLF001 - aiomqtt is pinned below 3 and has no public way
    sock = inner.socket()
    if sock is not None and not isinstance(sock, str):
        with contextlib.suppress(Exception):
            inner._sock_close()  # noqa: SLF001 - as above
