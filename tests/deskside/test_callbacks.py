"""The call-back dialler against the real store: who is dialled, who is held, and what a crash leaves behind.

Requirements 003-24, 004-16; failure modes 19, 38; security row 9.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from acd import numberfacts
from acd.adapters.asterisk.link import NoAnswer
from acd.adapters.store import audit, ledger_store, sqlite
from acd.config.callbacks import ledger_rules
from acd.core.events import EndReason
from acd.core.ids import Ani
from acd.desk.ledger import BY_RULE, TaskState
from acd.deskside import callbacks
from acd.deskside.callbacks import GRACE_MS, LOOK_MS, CallbackDialler
from acd.ports import PortError
from tests.adapters.store.support import StandingClock, make_card, opened, standing_still
from tests.config_help import loaded

NOON = 1_700_038_800_000  # 2023-11-15 12:00 in Moscow
SECTION = "callbacks: {do_not_call: [+79160000009], at_once: 2}\n"
ACD = "state_dir: state\ncentre: {name: Test, time_zone: Europe/Moscow}\n"
READY = SimpleNamespace(status="available", state="idle", reachable=True)


class FakeLine:
    """Live calls by hand."""

    def __init__(self) -> None:
        self.live: dict[str, str] = {}
        self.known: set[str] = set()
        self.up: set[str] = set()
        self.waiting = 0
        self.agents = [READY]
        self.cancelled: list[str] = []
        self.calls: list[Any] = []
        """Live calls of callers: ani, state, outbound."""
        self.wrapping: list[Any] = []
        """Ended ones whose card waits for the wrap-up."""

    def knows(self, call: str) -> bool:
        return call in self.known or call in self.live

    def call_view(self, call: str) -> Any:
        return SimpleNamespace(state=self.live[call]) if call in self.live else None

    def snapshot(self) -> Any:
        queues = [SimpleNamespace(waiting=self.waiting)]
        return SimpleNamespace(queues=queues, agents=self.agents, calls=self.calls)

    def wrapping_up(self) -> Any:
        return tuple(self.wrapping)

    async def is_up(self, call: str) -> bool:
        return call in self.up

    async def cancel(self, call: str) -> None:
        self.cancelled.append(call)


class FakeCaller:
    def __init__(self) -> None:
        self.orders: list[Any] = []
        self.fails: Exception | None = None

    async def dial(self, order: Any) -> None:
        if self.fails is not None:
            raise self.fails
        self.orders.append(order)


class Desk:
    """Store, clock, fakes and the dialler."""

    def __init__(self, store: Any, config: Any, clock: StandingClock) -> None:
        self.store, self.config, self.clock = store, config, clock
        self.line, self.caller = FakeLine(), FakeCaller()
        released = asyncio.Event()
        released.set()
        self.dialler = CallbackDialler(lambda: config, store, clock, self.line, released, self.caller)

    async def missed(self, call: str, ani: str = "+79160000001", **changes: Any) -> None:
        card = make_card(call, answered_at=None, agent=None, segments=(), end_reason=EndReason.ABANDONED)
        values = {"queue": "sales", "subscriber": "shop", "did": "+74951230001", "wait_ms": 20_000}
        at = {"entered_at": NOON - 60_000, "ended_at": NOON - 30_000}
        await self.store.write_card(replace(card, ani=Ani(ani), **{**values, **at, **changes}))

    async def tick(self, after_ms: int = 0) -> list[str]:
        """Let time pass, look once; return the numbers dialled by now."""
        self.clock.at += after_ms
        await self.dialler.tick()
        return [order.number for order in self.caller.orders]

    async def tasks(self) -> list[Any]:
        wanted = ledger_store.TaskFilter(only_open=False, limit=5_000)
        return await self.store.writer.do(lambda db: ledger_store.find(db, wanted))


@asynccontextmanager
async def desk(tmp_path: Any, acd: str = ACD + SECTION, **files: str) -> Any:
    config = loaded(tmp_path, acd=acd, **files)
    clock = StandingClock(NOON)
    rules = ledger_rules(config.tree.callbacks, "RU")
    async with opened(
        tmp_path / "acd.db", clock=clock, normalise=numberfacts.normalise, ledger_rules=rules
    ) as store:
        yield Desk(store, config, clock)


async def test_a_missed_call_is_claimed_then_dialled_with_the_firms_number(tmp_path):
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        assert await d.tick() == ["+79160000001"]
        (order,) = d.caller.orders
        assert (order.did, order.queue, order.subscriber, order.missed) == (
            "+74951230001",
            "sales",
            "shop",
            "c-1",
        )
        assert (order.place_at, order.priority, order.approved) == (None, 0.01, False)
        (task,) = await d.tasks()
        assert (task.state, task.attempts) == (TaskState.DIALLING, 1)
        (claim,) = await d.store.writer.do(ledger_store.dialling)
        assert claim.call == order.call
        assert await d.tick() == ["+79160000001"], "once"


@pytest.mark.slow
async def test_a_thousand_one_ring_calls_from_premium_ranges_dial_nobody(tmp_path):
    """Security row 9: 1,000 one-ring calls from premium ranges: 0 dialled; each waits for a person once."""
    async with desk(tmp_path) as d:
        for n in range(1_000):
            prefix = ("+7809", "+882", "+1900", "+44909")[n % 4]
            await d.missed(f"c-{n}", f"{prefix}{1_000_000 + n}", wait_ms=900)
        for _ in range(25):
            assert await d.tick(1_000) == []
        tasks = await d.tasks()
        assert len(tasks) == 1_000
        assert {task.state for task in tasks} == {TaskState.HELD}
        assert all(task.why for task in tasks)


@pytest.mark.slow
async def test_fifty_missed_calls_of_one_number_are_one_task_and_one_call(tmp_path):
    """Failure mode 38."""
    async with desk(tmp_path) as d:
        for n in range(50):
            await d.missed(f"c-{n}")
        assert await d.tick() == ["+79160000001"]
        assert await d.tick(1_000) == ["+79160000001"]
        assert len(await d.tasks()) == 1


@pytest.mark.parametrize(
    ("ani", "changes", "why"),
    [
        ("+380441234567", {}, "outside the allowed countries (UA)"),
        ("+79160000001", {"wait_ms": 4_999}, "it rang less than 5 s"),
        ("112", {}, "short numbers"),
        ("+79160000001", {"queue": "", "did": "999"}, "nobody knows which queue"),
    ],
)
async def test_doubtful_ones_wait_for_a_person(tmp_path, ani, changes, why):
    async with desk(tmp_path) as d:
        await d.missed("c-1", ani, **changes)
        assert await d.tick() == []
        (task,) = await d.tasks()
        assert task.state is TaskState.HELD
        assert why in task.why


async def test_a_number_on_the_do_not_call_list_is_closed_by_rule(tmp_path):
    async with desk(tmp_path) as d:
        await d.missed("c-1", "+79160000009")
        assert await d.tick() == []
        (task,) = await d.tasks()
        assert (task.state, task.closed_by) == (TaskState.CLOSED, BY_RULE)


async def test_callers_come_first_and_somebody_must_be_free(tmp_path):
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        d.line.waiting = 1
        assert await d.tick() == []
        d.line.waiting, d.line.agents = 0, []
        assert await d.tick() == []
        d.line.agents = [READY]
        assert await d.tick() == ["+79160000001"]


async def test_only_so_many_at_once(tmp_path):
    async with desk(tmp_path) as d:
        for n in range(4):
            await d.missed(f"c-{n}", f"+7916000000{n}")
        assert len(await d.tick()) == 2


@pytest.mark.parametrize("hour", [8, 21])
async def test_nobody_is_called_back_outside_the_hours(tmp_path, hour):
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        d.clock.at = NOON + (hour - 12) * 3_600_000
        assert await d.tick() == []
        (task,) = await d.tasks()
        assert task.state is TaskState.OPEN
        if d.clock.at >= task.last_missed_at:
            assert "calling hours" in task.why
            assert task.next_try_at == d.clock.at + LOOK_MS


async def test_a_closed_firm_is_not_called_back_for(tmp_path):
    queues = "queues:\n  sales: {subscriber: shop, display_name: Shop, opening: {week: {mon: 09:00-18:00}}}\n"  # NOON is a Wednesday
    async with desk(tmp_path, queues=queues) as d:
        await d.missed("c-1")
        assert await d.tick() == []
        assert "opening hours" in (await d.tasks())[0].why


async def test_who_chose_to_be_called_back_stands_where_he_stood_whatever_the_hour(tmp_path):
    async with desk(tmp_path) as d:
        d.clock.at = NOON + 10 * 3_600_000  # 22:00
        d.line.waiting, d.line.agents = 7, []
        left = {"entered_at": d.clock.at - 120_000, "ended_at": d.clock.at - 1_000}
        await d.missed("c-1", end_reason=EndReason.CALLBACK, **left)
        assert await d.tick() == ["+79160000001"]
        (order,) = d.caller.orders
        assert (order.place_at, order.priority) == (d.clock.at - 120_000, 1.0)


async def test_a_place_is_not_kept_for_ever(tmp_path):
    async with desk(tmp_path) as d:
        left = {"entered_at": NOON - 9_000_000, "ended_at": NOON - 4_000_000}
        await d.missed("c-1", end_reason=EndReason.CALLBACK, **left)
        await d.tick()
        assert d.caller.orders[0].place_at is None


async def test_a_subscriber_may_have_its_callers_called_back_by_hand(tmp_path):
    queues = "queues:\n  sales: {subscriber: shop, display_name: Shop, callbacks: false}\n"
    async with desk(tmp_path, queues=queues) as d:
        await d.missed("c-1")
        assert await d.tick() == []
        assert "by hand" in (await d.tasks())[0].why


async def test_a_refused_command_gives_the_claim_back_and_says_so(tmp_path):
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        d.caller.fails = PortError("Asterisk refuses to originate: Permission denied", retryable=False)
        await d.tick()
        (task,) = await d.tasks()
        assert (task.state, task.attempts) == (TaskState.OPEN, 0)
        assert "Permission denied" in d.dialler.trouble
        d.caller.fails = None
        assert await d.tick(61_000) == ["+79160000001"]
        assert d.dialler.trouble == ""


async def test_a_doubt_that_came_to_a_talk_is_no_trouble_for_the_rest_of_the_night(tmp_path):
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        d.caller.fails = NoAnswer("no answer in time")
        await d.tick()
        (claim,) = await d.store.writer.do(ledger_store.dialling)
        d.line.up.add(claim.call)  # the command had arrived
        await d.tick(60_000)
        assert d.dialler.trouble == "call-backs: no answer in time"
        await d.tick(61_000)
        assert d.dialler.trouble == ""


async def test_in_doubt_the_switch_is_asked_before_anybody_is_dialled_again(tmp_path):
    """Kill -9, a cut link: the claim stands until journal, core and switch know nothing of its call."""
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        d.caller.fails = NoAnswer("no answer in time")
        await d.tick()
        d.caller.fails = None
        (claim,) = await d.store.writer.do(ledger_store.dialling)
        await d.tick(GRACE_MS - 1)
        assert len(await d.store.writer.do(ledger_store.dialling)) == 1, "it may still be on its way"
        d.line.up.add(claim.call)
        await d.tick(GRACE_MS)
        d.line.up.clear()
        d.line.known.add(claim.call)
        await d.tick(GRACE_MS)
        assert (await d.tasks())[0].state is TaskState.DIALLING
        d.line.known.clear()
        await d.tick()
        assert (await d.tasks())[0].state is TaskState.OPEN
        assert await d.tick(61_000) == ["+79160000001"]


async def test_a_waiting_callback_nobody_needs_any_more_is_hung_up(tmp_path):
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        await d.tick()
        call = d.caller.orders[0].call
        talk = make_card(
            "c-2", queue="sales", subscriber="shop", entered_at=NOON, answered_at=NOON, ended_at=NOON
        )
        await d.store.write_card(talk)
        d.line.live[call] = "talking"
        await d.tick()
        assert d.line.cancelled == [], "never in a talk"
        for state in ("waiting", "offering"):
            d.line.cancelled.clear()
            d.line.live[call] = state
            await d.tick()
            assert d.line.cancelled == [call], "an agent's phone need not ring on for it either"


async def test_without_a_section_nobody_is_dialled_and_what_is_owed_is_counted(tmp_path):
    async with desk(tmp_path, acd=ACD) as d:
        await d.missed("c-1")
        assert await d.tick() == []
        assert d.dialler.owed == {"open": 1, "held": 0, "dialling": 0, "due": 1}


async def test_a_person_approves_retries_and_closes_and_the_audit_log_knows(tmp_path):
    async with desk(tmp_path) as d:
        await d.missed("c-1", "+380441234567")
        await d.tick()
        (held,) = await d.dialler.tasks(held=True)
        assert await d.dialler.act(held["id"], "retry", "boss") == "a task that is held cannot be tried now"
        assert await d.dialler.act(held["id"], "approve", "boss") is None
        assert await d.tick() == ["+380441234567"]
        assert d.caller.orders[0].approved
        assert await d.dialler.act(99, "close", "boss", "gone") == ""
        assert await d.dialler.act(held["id"], "close", "boss", " ") is not None
        assert await d.dialler.act(held["id"], "close", "boss", "settled by mail") is None
        rows = await d.store.writer.do(lambda db: db.execute_fetchall("SELECT who, what, object FROM audit"))
        assert [tuple(row) for row in rows] == [
            ("boss", "callback approve", "task 1"),
            ("boss", "callback close", "task 1"),
        ]
        assert (await d.store.writer.do(audit.verify)).ok
        assert await d.dialler.tasks() == []


@pytest.mark.slow
async def test_the_loop_survives_a_database_that_refuses(tmp_path):
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        real, d.dialler._store = d.dialler._store, SimpleNamespace(write=refuse)
        running = asyncio.create_task(d.dialler.run())
        while not d.dialler.counters["failed_ticks"]:
            await asyncio.sleep(0.01)
        assert "no room" in d.dialler.trouble
        d.dialler._store = real
        while not d.caller.orders:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_disk_that_stands_still_holds_neither_the_dialler_nor_a_person(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database neither answers nor refuses: both waited for ever, and nothing said why."""
    monkeypatch.setattr(sqlite, "CARD_LIMIT_S", 0.1)
    monkeypatch.setattr(callbacks, "TICK_S", 0.01)
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        async with standing_still(d.store), asyncio.timeout(5):
            with pytest.raises(PortError):
                await d.dialler.tick()
            with pytest.raises(PortError):
                await d.dialler.tasks()
            running = asyncio.create_task(d.dialler.run())
            while not d.dialler.trouble:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(10):
            while not d.caller.orders:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert len(d.caller.orders) == 1


async def test_whom_another_daemon_may_have_called_is_not_dialled_without_a_persons_yes(tmp_path):
    """A standby's ledger does not know whom the first daemon reached, nor what a person closed there (decision 0232)."""
    kept = tmp_path / "another-served"
    async with desk(tmp_path) as d:
        d.dialler.remember(kept)
        await d.missed("c-1")
        d.dialler.another_served()
        assert await d.tick() == []
        (task,) = await d.tasks()
        assert task.state is TaskState.HELD
        assert "another daemon served" in task.why
        await d.missed("c-2", "+79160000002", ended_at=NOON + 1)
        assert await d.tick(1_000) == [], "the journal may still say more"
        assert await d.tick(3_000) == ["+79160000002"], "missed since we serve"
        assert await d.dialler.act(task.id, "approve", "anna") is None
        assert await d.tick(1_000) == ["+79160000002", "+79160000001"]
    later = CallbackDialler(lambda: d.config, d.store, d.clock, d.line, d.dialler._released, d.caller)
    later.remember(kept)
    assert later._shared_until == NOON, "also after a restart: a card of then may still come from the journal"


async def test_nobody_is_dialled_while_it_cannot_be_kept_that_another_served(tmp_path):
    async with desk(tmp_path) as d:
        d.dialler.remember(tmp_path / "no folder" / "another-served")
        await d.missed("c-1", ended_at=NOON + 1)
        d.dialler.another_served()
        with pytest.raises(PortError, match="another-served"):
            await d.tick(4_000)
        assert d.caller.orders == []
        (tmp_path / "no folder").mkdir()
        assert await d.tick() == ["+79160000001"]


async def refuse(_job: Any) -> None:
    raise PortError("no room", retryable=True)


async def test_a_database_that_answers_again_is_no_trouble_any_more(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing due the old words stayed in `acd status` until somebody was to be called back."""
    monkeypatch.setattr(callbacks, "TICK_S", 0.01)
    async with desk(tmp_path) as d:
        tick, told = d.dialler.tick, []

        async def once() -> None:
            if not told:
                told.append("refused")
                raise PortError("the disk is full", retryable=True)
            told.append(d.dialler.trouble)
            await tick()

        monkeypatch.setattr(d.dialler, "tick", once)
        task = asyncio.create_task(d.dialler.run())
        async with asyncio.timeout(5):
            while len(told) < 3:
                await asyncio.sleep(0.01)
        task.cancel()
        assert told[1:3] == ["call-backs wait: the disk is full", ""]
