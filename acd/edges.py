"""What people and other programs reach us by: HTTP, the broker that comes along, the web hook.

No call needs them, and their libraries are over half of what a start costs (decision 0230): so the ports are taken
at once, and the rest is made when calls are being routed. Part of the composition root, as acd.house, whose part it is.
"""

from __future__ import annotations

import importlib
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

from acd import assembly, listening, unhurried
from acd.adapters.store import audit
from acd.adapters.store import outbox as outbox_rows

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Coroutine

    import aiosqlite

    from acd.adapters.broker import EmbeddedBroker
    from acd.adapters.http.server import HttpServer
    from acd.adapters.http.services import HttpServices
    from acd.adapters.store.sqlite import SqliteStore
    from acd.adapters.webhook import WebhookWorker
    from acd.config.loading import Config
    from acd.core.card import CallCard
    from acd.credentials import Principal
    from acd.ports import Clock
    from acd.sidework import SideWork

LATE: Final = (
    "acd.adapters.broker",
    "acd.adapters.webhook",
    "acd.adapters.http.server",
    "acd.config.project_files",
    "holidays",
)
"""Loaded once calls are routed, wanted or not: one that cannot be loaded ends the start, not a reload in the night."""


def load_late() -> None:
    """Import everything a start leaves out. Raises what the import raises."""
    for name in LATE:
        importlib.import_module(name)


class Edges:
    """`take_ports()` at the start; `open()` once calls are routed, then the tasks it returns; the three `stop...()`."""

    def __init__(self, config: Config, store: SqliteStore, clock: Clock) -> None:
        """Read every secret. Raises ConfigError for one that cannot be read."""
        self.http: HttpServer | None = None
        self.broker: EmbeddedBroker | None = None
        self.webhook: WebhookWorker | None = None
        self._store, self._clock = store, clock
        self._http_settings = assembly.http_settings(config)
        self._make_broker = assembly.broker_maker(config)
        self._make_webhook = assembly.webhook_maker(config, store, clock)
        self._people = self._http_settings.principals
        mqtt = config.tree.mqtt
        self._broker_at = None if self._make_broker is None else (mqtt.host, mqtt.port)
        self._ports: dict[str, socket.socket] = {}
        self._early: list[CallCard] = []
        """Cards that were finished before there were metrics to count them."""

    def take_ports(self) -> None:
        """Take the ports. Raises PortError when one is taken."""
        if self._broker_at is not None:
            self._ports["broker"] = listening.take("embedded broker", *self._broker_at)
        self._ports["http"] = listening.take("HTTP", self._http_settings.host, self._http_settings.port)

    async def open(
        self, services: HttpServices, side: SideWork, broker_up: asyncio.Event
    ) -> dict[str, Coroutine[object, object, None]]:
        """Load the libraries and make everything; return the tasks to keep.

        Args:
            services: what HTTP needs of us.
            side: keeps the web hook at work.
            broker_up: set as soon as there is a broker to speak to.

        Raises:
            ImportError: something is not installed as it should be.
            PortError: a port is taken.
        """
        await unhurried.in_thread(load_late)  # in the loop, callers would wait a third of a second
        if self._make_broker is not None:
            self.broker = self._make_broker(self._people)
            await self.broker.start(self._ports.pop("broker", None))
        broker_up.set()
        self.http = await unhurried.in_thread(self._http_server, services)
        self.http.replace_principals(self._people)  # a reload may have brought others meanwhile
        self.http.bind(self._ports.pop("http", None))
        early, self._early = self._early, []
        for card in early:
            self.http.metrics.call_finished(card)
        tasks: dict[str, Coroutine[object, object, None]] = {"http": self.http.run()}
        if self._make_webhook is not None:
            self.webhook = self._make_webhook()
            tasks["webhook"] = side.keep("webhook", self.webhook.run)
        return tasks

    def _http_server(self, services: HttpServices) -> HttpServer:
        from acd.adapters.http.server import HttpServer

        return HttpServer(services, replace(self._http_settings, principals=self._people))

    def call_finished(self, card: CallCard) -> None:
        """Count a finished call in the metrics."""
        if self.http is None:
            self._early.append(card)
        else:
            self.http.metrics.call_finished(card)

    def replace_principals(self, people: tuple[Principal, ...]) -> None:
        """Take new people at a reload."""
        self._people = people
        for edge in (self.broker, self.http):
            if edge is not None:
                edge.replace_principals(people)

    @property
    def trouble(self) -> str:
        """Say why the web hook's receiver does not take cards, and how many were given up; empty when all is well."""
        if self.webhook is None:
            return ""
        wrong, dead = self.webhook.counters.last_error, self.webhook.counters.dead
        parts = [f"downstream does not take cards: {wrong}"] if wrong else []
        if dead:
            parts.append(
                f"{dead} cards were not taken in time and are kept: `acd outbox revive` sends them again"
            )
        return "; ".join(parts)

    async def outbox(self) -> dict[str, int | None]:
        """Return how the cards for the web hook's receiver stand. Raises PortError."""
        return asdict(await self._store.read(outbox_rows.counts))

    async def revive(self, who: str) -> int:
        """Send again what was given up, by a person's word; return how many. Audited. Raises PortError."""
        now = self._clock.now()

        async def job(db: aiosqlite.Connection) -> int:
            found = await outbox_rows.revive(db, now)
            await audit.append(db, now, who, "outbox revive", f"{found} messages")
            return found

        revived = await self._store.write(job)
        if self.webhook is not None:
            self.webhook.counters.dead = 0
        return revived

    def stop_webhook(self) -> None:
        """Let the web hook finish what it has begun; nothing new."""
        if self.webhook is not None:
            self.webhook.stop()

    async def stop_http(self) -> None:
        """Let running requests end; ports nobody came to serve are given back."""
        for sock in self._ports.values():
            sock.close()
        self._ports.clear()
        if self.http is not None:
            await self.http.stop()

    async def stop_broker(self) -> None:
        """Close the broker, after everybody who speaks to it."""
        if self.broker is not None:
            await self.broker.stop()
