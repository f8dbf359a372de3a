"""The runner decides, then delegates: order of wishes, failures that come back as facts, one timer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from acd import factlog as fl
from acd.core import effects as wish
from acd.core.events import DeadlinePassed, Fact, LinkLost, WishFailed
from acd.ports import PortError
from acd.runner import INTENTS_UNDER_WAY, Outbox, Runner
from tests.fakes.ports import FakePops, FakeStore, FakeSwitch

OFFER = wish.OfferCall(1, "c1", "a1", 1, 12_000)
POP = wish.ShowPop(1, "c1", "a1", 1, "q", "s", "100", "200", "17", 500)


class ScriptedEngine:
    """Answers each fact with the wishes the test prepared."""

    def __init__(self) -> None:
        self.seen: list[Fact] = []
        self.answers: list[tuple[Any, ...]] = []
        self.deadline: int | None = None
        self.defect: Exception | None = None

    def step(self, fact: Fact, now: int) -> tuple[Any, ...]:
        if self.defect:
            raise self.defect
        self.seen.append(fact)
        if isinstance(fact, DeadlinePassed):
            self.deadline = None
        return self.answers.pop(0) if self.answers else ()

    def next_deadline(self) -> int | None:
        return self.deadline


class LoopClock:
    """The loop's own clock in milliseconds: what call_later counts by."""

    def now(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)


class House:
    def __init__(self, log: Path | None = None) -> None:
        self.engine = ScriptedEngine()
        self.switch, self.pops, self.store = FakeSwitch(), FakePops(), FakeStore()
        self.runner = Runner(
            self.engine,  # type: ignore[arg-type]
            LoopClock(),
            fl.FactLog(log),
            switch=self.switch,
            pops=self.pops,
            store=self.store,
            dossier=lambda w: {"card": w.card_number},
        )


@contextlib.asynccontextmanager
async def running(house: House) -> AsyncIterator[House]:
    task = asyncio.create_task(house.runner.run())
    try:
        yield house
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ExceptionGroup):
            await task
        house.runner.close()


async def test_no_redirect_waits_for_the_disk_and_the_intent_is_stored_all_the_same() -> None:
    """Decision 0110: the dialplan's AcdDial is the durable word; the intent row explains decisions."""
    order: list[str] = []
    house = House()
    store_intent = house.store.intend

    async def intend(w: Any, at: int) -> None:
        await asyncio.sleep(0.01)
        await store_intent(w, at)
        order.append("intent")

    async def offer(w: Any) -> None:
        order.append("redirect")

    house.store.intend = intend  # type: ignore[method-assign]
    house.switch.offer = offer  # type: ignore[method-assign]
    house.engine.answers = [(POP, OFFER)]
    async with running(house):
        house.runner.tell(LinkLost())
        assert await house.runner.settle(2)
    assert order == ["redirect", "intent"]
    assert house.store.intents == [OFFER]
    assert house.pops.dossiers == [{"card": "17"}]


async def test_routing_goes_on_when_the_database_refuses() -> None:
    """call-control.md: routing goes on if the database refuses writes."""
    house = House()
    house.store.refuse = True
    house.engine.answers = [(OFFER,)]
    async with running(house):
        house.runner.tell(LinkLost())
        assert await house.runner.settle(2)
    assert house.switch.sent == [OFFER]
    assert house.runner.counters["intents_not_stored"] == 1


async def test_a_stalled_disk_delays_no_offer_and_its_rows_do_not_pile_up() -> None:
    house = House()
    disk = asyncio.Event()

    async def stall(w: Any, at: int) -> None:
        await disk.wait()

    house.store.intend = stall  # type: ignore[method-assign]
    house.engine.answers = [(OFFER,)] * (INTENTS_UNDER_WAY + 3)
    async with running(house):
        for _ in range(INTENTS_UNDER_WAY + 3):
            house.runner.tell(LinkLost())
        await asyncio.sleep(0.05)
        assert house.switch.sent == [OFFER] * (INTENTS_UNDER_WAY + 3)
        assert house.runner.unfinished == INTENTS_UNDER_WAY
        assert house.runner.counters["intents_not_stored"] == 3
        disk.set()
        assert await house.runner.settle(2)


@pytest.mark.parametrize("failure", [PortError("no such channel", retryable=False), ValueError("defect")])
async def test_a_wish_that_cannot_be_sent_comes_back_as_a_fact(failure: Exception) -> None:
    house = House()
    if isinstance(failure, PortError):
        house.switch.refuse = failure
    else:
        house.switch.defect = failure
    house.engine.answers = [(OFFER,)]
    async with running(house):
        house.runner.tell(LinkLost())
        assert await house.runner.settle(2)
    failed = house.engine.seen[-1]
    assert isinstance(failed, WishFailed)
    assert failed.effect == 1


@pytest.mark.slow
async def test_an_agents_status_the_database_refused_is_kept_as_soon_as_it_takes_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who logged out while the database was locked must not be rung after the next start."""
    monkeypatch.setattr("acd.runner.KEEP_AGAIN_S", 0.05)
    house = House()
    out = wish.KeepAgentStatus(1, "a1", logged_in=True, paused_reason="", device="", since=1)
    newer = wish.KeepAgentStatus(2, "a1", logged_in=False, paused_reason="", device="", since=2)
    kept: list[Any] = []
    refusing = [True]

    async def keep(w: Any) -> None:
        if refusing[0]:
            raise PortError("database is locked", retryable=True)
        kept.append(w)

    house.store.keep_agent = keep  # type: ignore[method-assign]
    house.engine.answers = [(out,), (newer,)]
    async with running(house):
        house.runner.tell(LinkLost())
        house.runner.tell(LinkLost())
        await asyncio.sleep(0.2)
        refusing[0] = False
        async with asyncio.timeout(2):
            while not kept:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
    assert kept == [newer]


async def test_after_the_first_rung_of_shutdown_no_offer_leaves() -> None:
    house = House()
    house.runner.offering = False
    house.engine.answers = [(OFFER,)]
    async with running(house):
        house.runner.tell(LinkLost())
        assert await house.runner.settle(2)
    assert house.switch.sent == []
    assert isinstance(house.engine.seen[-1], WishFailed)


async def test_a_dead_broker_costs_pops_never_calls() -> None:
    """Failure mode 29."""
    house = House()
    house.pops.fail = True
    house.engine.answers = [(OFFER, POP)]
    async with running(house):
        house.runner.tell(LinkLost())
        assert await house.runner.settle(2)
        await asyncio.sleep(0)
    assert house.switch.sent == [OFFER]
    assert house.runner.counters["pops_failed"] == 1


async def test_the_deadline_is_a_fact_and_comes_once() -> None:
    house = House()
    async with running(house):
        house.engine.deadline = LoopClock().now() + 30
        house.runner.tell(LinkLost())
        async with asyncio.timeout(2):
            while len(house.engine.seen) < 2:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
    assert [type(f) for f in house.engine.seen] == [LinkLost, DeadlinePassed]


async def test_a_broken_invariant_stops_the_process_with_the_position_in_the_log() -> None:
    house = House()
    house.engine.defect = AssertionError("agent with two calls")
    task = asyncio.create_task(house.runner.run())
    house.runner.tell(LinkLost())
    with pytest.raises(ExceptionGroup) as stopped:
        await asyncio.wait_for(task, 2)
    assert "core stopped at fact 1" in str(stopped.value.exceptions[0])


async def test_full_outbox_drops_the_oldest_and_counts() -> None:
    outbox = Outbox("pops", 2)
    done: list[int] = []

    def work(n: int) -> Any:
        async def act() -> None:
            done.append(n)

        return act

    for n in range(5):
        outbox.put(work(n))
    task = asyncio.create_task(outbox.run(lambda _n, _e: None))
    async with asyncio.timeout(2):
        while len(done) < 2:
            await asyncio.sleep(0.001)
    task.cancel()
    assert done == [3, 4]
    assert outbox.dropped == 3


async def test_every_fact_is_in_the_log_before_its_wishes_leave(tmp_path: Path) -> None:
    house = House(tmp_path / "facts.jsonl")
    house.engine.answers = [(OFFER,)]
    async with running(house):
        house.runner.tell(LinkLost())
        assert await house.runner.settle(2)
    assert [fact for _, _, fact in fl.read(tmp_path / "facts.jsonl")] == [LinkLost()]


async def test_every_wish_of_the_core_has_somebody_who_carries_it_out() -> None:
    """A wish nobody knows would stop the daemon at the worst moment."""
    import typing

    house = House()
    assert set(house.runner._acts) == set(typing.get_args(wish.Effect))
