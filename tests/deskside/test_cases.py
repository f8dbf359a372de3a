"""Cases and tickets in step, both ways, over help desks that are down (003-08, 003-09, 001-22)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from acd.adapters.store import case_store, desk_store
from acd.adapters.store.sqlite import SqliteStore
from acd.desk.case import Case, CaseError, Event, State
from acd.desk.operations import DEFAULT_TARGETS, Operation, start
from acd.deskside.cases import RETRY_MS, CaseDesk
from tests.adapters.test_helpdesk import Zammad, desk
from tests.fakes.ports import FakeClock

POLL_MS = 60_000


class Rig:
    def __init__(self, store: SqliteStore, clock: FakeClock) -> None:
        self.store, self.clock, self.zammad = store, clock, Zammad()
        self.desk = CaseDesk(store, clock, {"zammad": desk(self.zammad)}, lambda _name: POLL_MS)

    async def open(self, number: str = "123459", helpdesk: str = "zammad") -> None:
        case = Case(number, "servis", self.clock.now(), None, "Broken screen", calls=("c1",))

        async def job(db) -> None:
            await case_store.open_case(db, case, helpdesk, self.clock.now())
            for operation in (Operation.TICKET_RESOLVED, Operation.FIRST_REPLY):
                clock = start("servis", operation, number, self.clock.now(), DEFAULT_TARGETS[operation])
                await desk_store.start_clock(db, clock)

        await self.store.writer.do(job)

    async def turn(self, ahead_ms: int = 0) -> None:
        self.clock.time += ahead_ms
        await self.desk.turn()

    async def case(self, number: str = "123459") -> Case:
        found = await self.store.writer.do(lambda db: case_store.case(db, number))
        assert found is not None
        return found


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock = FakeClock()
    store = SqliteStore(tmp_path / "acd.db", clock)
    await store.open()
    rig = Rig(store, clock)
    yield rig
    await rig.desk.close()
    await store.close()


async def test_a_case_is_told_and_the_second_lines_work_comes_back(rig: Rig) -> None:
    await rig.open()
    await rig.turn()
    assert (await rig.case()).ticket == "1"
    rig.zammad.tickets[1]["state"] = "open"
    await rig.turn(POLL_MS)
    assert (await rig.case()).state is State.IN_WORK
    rig.zammad.tickets[1]["state"] = "closed"
    await rig.turn(POLL_MS)
    done = await rig.case()
    assert done.state is State.CLOSED
    assert [e.event for e in done.history] == ["taken", "resolved", "closed"]
    assert all(e.who == "zammad" for e in done.history)
    clocks = await rig.store.writer.do(lambda db: desk_store.clocks(db, 0))
    assert all(clock.stopped_at is not None for clock in clocks)


async def test_what_changes_here_is_told_at_once(rig: Rig) -> None:
    await rig.open()
    await rig.turn()
    await rig.desk.change("123459", Event.TAKEN, "104")
    await rig.turn()
    assert rig.zammad.tickets[1]["state"] == "open"
    await rig.desk.change("123459", Event.RESOLVED, "104", text="replaced", public=True)
    await rig.turn()
    assert rig.zammad.tickets[1]["state"] == "closed"
    await rig.turn(POLL_MS)
    assert (await rig.case()).state is State.RESOLVED, "their closed is our resolved: nothing bounces back"


async def test_a_help_desk_that_is_down_gets_the_ticket_later_and_once(rig: Rig) -> None:
    rig.zammad.down = 3
    await rig.open()
    for _ in range(6):
        await rig.turn(RETRY_MS)
    assert len(rig.zammad.tickets) == 1
    assert (await rig.case()).ticket == "1"
    assert rig.desk.counters["failed"] == 3
    assert rig.desk.last_error["zammad"] == ""


async def test_a_lost_reply_does_not_make_a_second_ticket(rig: Rig) -> None:
    rig.zammad.lose_reply = True
    await rig.open()
    await rig.turn()
    await rig.turn(RETRY_MS)
    assert len(rig.zammad.tickets) == 1
    assert (await rig.case()).ticket == "1"


async def test_a_help_desk_nobody_configured_is_said_and_the_case_lives_on(rig: Rig) -> None:
    await rig.open(helpdesk="kayako")
    await rig.turn()
    assert "no help desk 'kayako'" in rig.desk.last_error["kayako"]
    changed = await rig.desk.change("123459", Event.TAKEN, "104")
    assert changed is not None
    assert changed.state is State.IN_WORK
    assert await rig.desk.change("999", Event.TAKEN, "104") is None
    with pytest.raises(CaseError, match="cannot be closed"):
        await rig.desk.change("123459", Event.CLOSED, "104")
