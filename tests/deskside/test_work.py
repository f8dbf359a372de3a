"""Written work in hand: the core hears of every way a case comes and goes (001-07, 001-08)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from acd.adapters.store import case_store
from acd.adapters.store.sqlite import SqliteStore
from acd.core import events as ev
from acd.core.capacity import Capacity
from acd.core.engine import Engine
from acd.core.policy import AgentPolicy, Policy, Promise, QueuePolicy, SkillNeed
from acd.core.weighted import WeightedMatcher
from acd.desk.case import Case, Event, State
from acd.desk.project import Project
from acd.deskside.cases import CaseDesk
from acd.deskside.work import WorkDesk, works_for
from tests.fakes.ports import FakeClock

AGENTS = tuple(f"a{i}" for i in range(6))


class Rig:
    def __init__(self, store: SqliteStore, clock: FakeClock) -> None:
        self.store, self.clock = store, clock
        self.start()

    def start(self) -> None:
        """A daemon's life: a core that knows nothing of written work."""
        people = tuple(AgentPolicy(one, capacity=Capacity(written=1)) for one in AGENTS)
        queue = QueuePolicy("desk", "firm", Promise(), expected_calls_per_s=0.02, wrap_up_ms=0)
        self.engine = Engine(Policy((queue,), people), WeightedMatcher())
        self.tell(ev.WorldSynced())
        for one in AGENTS:
            self.tell(ev.AgentLoggedIn(one))
        self.cases = CaseDesk(self.store, self.clock, {}, lambda _name: 60_000)
        self.work = WorkDesk(
            self.store, self.cases, self.tell, self.engine.room_for, lambda: AGENTS, lambda _agent: ["servis"]
        )

    def tell(self, fact: Any) -> None:
        self.engine.step(fact, self.clock.now())

    async def open(self, number: str, *, owner: str = "", deadline: int | None = None) -> None:
        case = Case(number, "servis", self.clock.now(), deadline, "Broken", owner=owner)
        await self.store.writer.do(lambda db: case_store.open_case(db, case, "", 0))

    async def state(self, number: str) -> State:
        found = await self.store.writer.do(lambda db: case_store.case(db, number))
        assert found is not None
        return found.state

    def in_hand(self) -> dict[str, int]:
        return {a.agent: a.written for a in self.engine.snapshot(self.clock.now()).agents if a.written}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock = FakeClock()
    store = SqliteStore(tmp_path / "acd.db", clock)
    await store.open()
    yield Rig(store, clock)
    await store.close()


@pytest.mark.parametrize("end", [Event.RESOLVED, Event.RELEASED, Event.ASKED_CLIENT])
async def test_a_case_is_in_hand_from_taken_to_its_end(rig: Rig, end: Event) -> None:
    await rig.open("100001")
    await rig.cases.change("100001", Event.TAKEN, "a0")
    assert rig.in_hand() == {"a0": 1}
    await rig.cases.change("100001", end, "a0")
    assert rig.in_hand() == {}


async def test_a_case_handed_over_changes_hands_and_a_help_desk_has_none(rig: Rig) -> None:
    await rig.open("100001")
    await rig.cases.change("100001", Event.TAKEN, "a0")
    await rig.cases.change("100001", Event.TAKEN, "a1")
    assert rig.in_hand() == {"a1": 1}
    await rig.cases.change("100001", Event.TAKEN, "zammad")
    assert rig.in_hand() == {}
    assert not rig.engine.snapshot(0).counters or "unknown_agents" not in dict(
        rig.engine.snapshot(0).counters
    )


async def test_the_next_piece_is_ones_own_then_the_soonest_due_up_to_the_capacity(rig: Rig) -> None:
    await rig.open("100001")
    await rig.open("100002", deadline=5)
    await rig.open("100003", owner="a0")
    first, second = await asyncio.gather(rig.work.next("a0"), rig.work.next("a0"))
    assert first["work"]["number"] == "100003"
    assert (second["work"], second["code"]) == (None, "full"), "pressed twice, given once"
    assert [one["number"] for one in second["in_hand"]] == ["100003"]
    assert (await rig.work.next("a1"))["work"]["number"] == "100002"
    assert (await rig.work.next("a2"))["work"]["number"] == "100001"
    assert (await rig.work.next("a3"))["code"] == "none"


async def test_voice_is_first(rig: Rig) -> None:
    await rig.open("100001")
    rig.tell(ev.CallQueued("c1", "desk", "firm", "1", "2", 0))
    busy = next(a.agent for a in rig.engine.snapshot(0).agents if a.state != "idle")
    refused = await rig.work.next(busy)
    assert (refused["work"], refused["code"]) == (None, "voice")
    assert await rig.state("100001") is State.OPEN
    rig.tell(ev.AgentPaused("a5", "lunch"))
    assert (await rig.work.next("a5"))["why"] == "paused"


async def test_after_a_restart_what_is_in_hand_is_told_again(rig: Rig) -> None:
    await rig.open("100001")
    await rig.work.next("a0")
    rig.start()
    assert rig.in_hand() == {}
    await rig.work.tell_again()
    assert rig.in_hand() == {"a0": 1}
    assert rig.work.room("a0")["code"] == "full"


async def test_a_certain_case_is_taken_only_while_there_is_room_in_hand(rig: Rig) -> None:
    """001-07: the same limit as for the next piece; who has the case already may say so again."""
    for number in ("100001", "100002"):
        await rig.open(number)
    taken = await rig.work.take("a0", "100001", "", public=False)
    assert isinstance(taken, dict)
    assert taken["state"] == "in_work"
    refused = await rig.work.take("a0", "100002", "", public=False)
    assert refused == "you have as much in hand as you may: finish or give back a piece first"
    assert isinstance(await rig.work.take("a0", "100001", "again", public=False), dict)
    assert await rig.work.take("a1", "999999", "", public=False) is None
    both = await asyncio.gather(*(rig.work.take("a2", "100002", "", public=False) for _ in range(2)))
    assert all(isinstance(one, dict) for one in both)
    assert rig.in_hand() == {"a0": 1, "a2": 1}
    await rig.cases.change("100001", Event.RESOLVED, "a0")
    assert isinstance(await rig.work.take("a0", "100001", "", public=False), str)  # resolved: not to be taken


async def test_who_leaves_gives_back_also_what_waits_for_its_client(rig: Rig) -> None:
    for number in ("100001", "100002"):
        await rig.open(number)
        await rig.cases.change(number, Event.TAKEN, "a0")
        await rig.cases.change(number, Event.ASKED_CLIENT, "a0")
    await rig.cases.change("100002", Event.TAKEN, "a1")
    keeping = asyncio.create_task(rig.work.run())
    rig.work.observe(ev.AgentLoggedOut("a0"), ())
    async with asyncio.timeout(5):
        while await rig.store.writer.do(lambda db: case_store.in_hand(db, "a0")):
            await asyncio.sleep(0.01)
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    await rig.cases.change("100001", Event.CLIENT_ANSWERED, "")
    assert await rig.state("100001") is State.OPEN, "for the next one, not for who went home"
    assert rig.in_hand() == {"a1": 1}


async def test_who_leaves_gives_his_cases_back_to_the_line(rig: Rig) -> None:
    for number in ("100001", "100002"):
        await rig.open(number)
    await rig.work.next("a0")
    await rig.work.next("a1")
    keeping = asyncio.create_task(rig.work.run())
    rig.tell(ev.AgentLoggedOut("a0"))
    rig.work.observe(ev.AgentLoggedOut("a0"), ())
    async with asyncio.timeout(5):
        while rig.in_hand() != {"a1": 1}:
            await asyncio.sleep(0.01)
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    assert sorted([await rig.state("100001"), await rig.state("100002")], key=str) == [
        State.IN_WORK,
        State.OPEN,
    ]


def test_one_works_for_the_firms_whose_calls_one_could_take() -> None:
    people = (AgentPolicy("a0", skills=(("law", 3),)), AgentPolicy("a1"))
    queue = QueuePolicy("law", "firm", Promise(), needs=(SkillNeed("law", 2),))
    policy = Policy((queue,), people)
    firm = Project(id="firm", name="Firm", queue="law", subscriber="firm")
    assert works_for(policy, "a0", [firm]) == ["firm"]
    assert works_for(policy, "a1", [firm]) == []
