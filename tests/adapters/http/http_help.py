"""The HTTP edge with fakes behind it, without and with a socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from dataclasses import dataclass, field
from typing import Any

import httpx

from acd.adapters.http.app import create_app
from acd.adapters.http.server import HttpServer
from acd.adapters.http.services import HttpServices, HttpSettings
from acd.core.card import CallCard
from acd.core.events import EndedBy, EndReason
from acd.core.ids import Ani, Did, QueueId, SubscriberId
from acd.pops import PopBook
from acd.ports import PortError
from tests.adapters.edges_help import ANI, ANN, CALL, DID, FakeClock, snapshot, until, users


@dataclass(frozen=True)
class Stored:
    card: CallCard
    version: int = 1


def card(**changes: Any) -> CallCard:
    now = 1_700_000_000_000
    values: dict[str, Any] = {
        "call": CALL, "number": "1042-7", "subscriber": SubscriberId("acme"), "queue": QueueId("sales"),
        "did": Did(DID), "ani": Ani(ANI), "entered_at": now, "answered_at": now + 4_000, "ended_at": now + 90_000,
        "end_reason": EndReason.HANDLED, "ended_by": EndedBy.CALLER, "cause": 16, "wait_ms": 4_000,
        "talk_ms": 86_000, "hold_ms": 0, "acw_ms": 0, "agent": ANN, "fields": (("subject", "Счёт"),),
        "history": ((now, "waiting", ""),), "explanation": ("longest idle",),
    }  # fmt: skip
    return CallCard(**(values | changes))


@dataclass
class FakeCards:
    stored: list[Stored] = field(default_factory=lambda: [Stored(card())])
    asked: list[dict[str, Any]] = field(default_factory=list)
    broken: bool = False

    async def get(self, *, call: str = "", number: str = "") -> Stored | None:
        if self.broken:
            raise PortError("database is locked", retryable=True)
        return next((s for s in self.stored if s.card.call == call or s.card.number == number), None)

    async def find(self, **wanted: Any) -> list[Stored]:
        if self.broken:
            raise PortError("database is locked", retryable=True)
        self.asked.append(wanted)
        return self.stored[: wanted["limit"]]


@dataclass
class World:
    """Everything behind the edge, and the facts it told."""

    facts: list[Any] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)
    pops: PopBook = field(default_factory=PopBook)
    cards: FakeCards = field(default_factory=FakeCards)
    view: Any = field(default_factory=snapshot)
    troubles: dict[str, str] = field(default_factory=dict)
    open_broker: Any = None
    callbacks: Any = None
    downstream: Any = None
    phones: Any = None
    audit: list[tuple[str, str, str]] = field(default_factory=list)
    audit_refuses: bool = False

    async def note(self, who: str, what: str, obj: str) -> None:
        if self.audit_refuses:
            raise PortError("full", retryable=True)
        self.audit.append((who, what, obj))

    def services(self) -> HttpServices:
        return HttpServices(
            clock=self.clock,
            inbox=self.facts.append,
            snapshot=lambda: self.view,
            explain=lambda call: ["longest idle: ann"] if call == CALL else None,
            call_of_channel=lambda uniqueid: CALL if uniqueid == "17.42" else None,
            pops=self.pops,
            cards=self.cards,
            open_broker=self.open_broker,
            callbacks=self.callbacks,
            downstream=self.downstream,
            phones=self.phones,
            troubles=lambda: self.troubles,
            audit=self.note,
            gauges=lambda: {"loop_lag_seconds": 0.001, "ami up": 1.0},
        )


def auth(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name}-secret"}


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def caller(world: World, **settings: Any) -> httpx.AsyncClient:
    """Requests straight into the application, no socket."""
    settings.setdefault("principals", users("ann", "bob"))
    app = create_app(world.services(), HttpSettings(**settings))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://acd")


@contextlib.asynccontextmanager
async def serving(world: World, **settings: Any):
    """The real server on a free port."""
    settings.setdefault("principals", users("ann", "bob"))
    server = HttpServer(world.services(), HttpSettings(port=0, **settings))
    server.bind()
    task = asyncio.create_task(server.run())
    try:
        await until(lambda: server.listening, "listening")
        yield server
    finally:
        await server.stop()
        await asyncio.wait_for(task, 5)
