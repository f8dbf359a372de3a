"""What the tests of delivery share: a firm, its desk over a real database, a real mail server, and time as an argument."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from acd.adapters.smtp import SmtpCourier, SmtpSettings
from acd.adapters.store import desk_store
from acd.adapters.store.sqlite import SqliteStore
from acd.core.card import CallCard
from acd.core.events import EndedBy, EndReason
from acd.desk.delivery import Rule
from acd.desk.operations import Operation
from acd.desk.project import Form, FormField, Project
from acd.deskside.cards import DeskCards
from acd.deskside.delivery import DeliveryWorker
from acd.deskside.links import Links
from tests.adapters.mail_help import MailServer
from tests.desk.test_hours import at
from tests.desk.test_project import LAW
from tests.fakes.ports import FakeClock

NOON = at("2026-11-25T12:00")
FORM = Form((FormField("subject", "Subject"), FormField("note", "Message", "lines", required=True)))
FIRM = replace(
    LAW, id="law", language="en", form=FORM, deliver=(Rule("office@law.example"),),
    routing=(), rotations=LAW.rotations,
)  # fmt: skip
DUTY = replace(FIRM, deliver=(Rule("on_call:duty", acknowledge_ms=60_000, rounds=1),))


@dataclass
class Rig:
    store: SqliteStore
    clock: FakeClock
    mail: MailServer
    links: Links = field(default_factory=lambda: Links(b"k" * 32, "https://desk.example"))
    project: Project = FIRM
    good: dict[str, Project] = field(default_factory=dict)
    couriers: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = SmtpSettings(port=self.mail.port, sender="desk@centre.example", timeout_s=3)
        self.couriers.setdefault("email", SmtpCourier(settings, self.clock))
        self.cards = DeskCards(lambda: self, self.links)  # type: ignore[arg-type, return-value]
        self.worker = DeliveryWorker(lambda: self, self.store, self.clock, self.couriers, self.links)  # type: ignore[arg-type, return-value]
        self.cards.attach(self.store)
        self.use(self.project)

    def use(self, project: Project | None) -> None:
        self.good = {} if project is None else {project.id: project}

    def of_queue(self, queue: str) -> Project | None:
        return self.good.get(queue)

    of_subscriber = of_queue

    async def write(self, call: str = "c1", **fields: str) -> None:
        await self.store.write_card(
            card(call, **({"note": f"Please call back, {call}", "subject": "Help"} | fields))
        )

    async def turn(self, ahead_ms: int = 0) -> None:
        self.clock.time += ahead_ms
        await self.worker.turn()
        await self.worker.idle()

    async def states(self, call: str = "c1") -> list[str]:
        found = await self.store.writer.do(lambda db: desk_store.of_call(db, call))
        return [one.state.value for one in found]

    async def clocks(self) -> dict[Operation, bool | None]:
        found = await self.store.writer.do(lambda db: desk_store.clocks(db, 0))
        return {clock.operation: clock.met(self.clock.now()) for clock in found}


def card(call: str, **fields: str) -> CallCard:
    return CallCard(
        call=call, number="", subscriber="law", queue="law", did="7011", ani="+79160000001", entered_at=NOON,  # type: ignore[arg-type]
        answered_at=NOON + 5_000, ended_at=NOON + 60_000, end_reason=EndReason.HANDLED, ended_by=EndedBy.CALLER,
        cause=16, wait_ms=5_000, talk_ms=55_000, hold_ms=0, acw_ms=10_000, agent="a101",  # type: ignore[arg-type]
        fields=tuple(fields.items()),
    )  # fmt: skip


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock = FakeClock(NOON + 70_000)
    store = SqliteStore(tmp_path / "acd.db", clock)
    await store.open()
    mail = await MailServer().start()
    yield Rig(store, clock, mail)
    await mail.stop()
    await store.close()
