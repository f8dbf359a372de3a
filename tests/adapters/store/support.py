"""Cards, clocks and stores for the tests of the store."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from acd.adapters.store.sqlite import SqliteStore
from acd.core.card import CallCard, Segment
from acd.core.events import EndedBy, EndReason
from acd.core.ids import AgentId, Ani, CallId, Did, QueueId, SubscriberId

T0 = 1_700_000_000_000


class StandingClock:
    def __init__(self, at: int = T0) -> None:
        self.at = at

    def now(self):
        return self.at


def make_card(call: str = "", **changes: Any) -> CallCard:
    card = CallCard(
        call=CallId(call or str(uuid.uuid4())),
        number="",
        subscriber=SubscriberId("acme"),
        queue=QueueId("acme"),
        did=Did("+74950000001"),
        ani=Ani("+79160000001"),
        entered_at=T0,
        answered_at=T0 + 4_000,
        ended_at=T0 + 64_000,
        end_reason=EndReason.HANDLED,
        ended_by=EndedBy.CALLER,
        cause=16,
        wait_ms=4_000,
        talk_ms=60_000,
        hold_ms=0,
        acw_ms=12_000,
        agent=AgentId("anna"),
        segments=(
            Segment(AgentId("boris"), 1, T0 + 100, None, T0 + 1_000, "no_answer"),
            Segment(AgentId("anna"), 2, T0 + 1_100, T0 + 4_000, T0 + 64_000, "answered", 0, 12_000),
        ),
        fields=(("subject", "Счёт №5"), ("answer", "оплачен")),
        history=((T0, "waiting", "new"), (T0 + 4_000, "talking", "anna")),
        explanation=("anna: longest idle",),
    )
    return replace(card, **changes)


@asynccontextmanager
async def opened(path, **options: Any):
    store = SqliteStore(path, options.pop("clock", StandingClock()), spill_bytes=1 << 20, **options)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def rows(path, sql, *values: Any):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return database.execute(sql, values).fetchall()
    finally:
        database.close()


@asynccontextmanager
async def refusing(path):
    """Another program holds the write lock, as a backup tool or a person with the shell would."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def until(condition):
    """Wait for something another task does; it has no event to offer."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def standing_still(store: SqliteStore):
    """The disk neither answers nor refuses: the database's thread hangs in its transaction."""
    goes_on, hangs = threading.Event(), threading.Event()

    async def hang(_db) -> None:  # in the thread of the database
        hangs.set()
        goes_on.wait(20)

    hanging = asyncio.create_task(store.writer.do(hang, urgent=True))
    try:
        while not hangs.is_set():
            await asyncio.sleep(0.005)
        yield
    finally:
        goes_on.set()
        await hanging
