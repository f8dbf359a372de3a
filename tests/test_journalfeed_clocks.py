"""What the live feed missed comes from the journal, by whatever clock Asterisk has (rows 20, 26, 33)."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from acd import journalfeed
from acd.core import events as ev
from acd.journalfeed import JournalFeed
from acd.notegate import NoteGate
from acd.ports import PortError
from acd.wire.queue_log import JournalRow
from tests.fakes.ports import FakeClock

HOUR = 3_600_000
NOW = 10_000_000_000


class Tailer:
    def __init__(self) -> None:
        self.rows = []
        self.fail = False
        self.counters = type("Counters", (), {"unreadable": ""})()

    async def poll(self):
        if self.fail:
            raise PortError("the disk is full", retryable=True)
        rows, self.rows = self.rows, []
        return rows

    def close(self):
        self.closed = True


class Engine:
    def __init__(self, *known: str) -> None:
        self.known = set(known)

    def knows(self, call):
        return call in self.known

    keeps_card = is_live = knows


class Store:
    def __init__(self) -> None:
        self.missing = []
        self.lost = []
        self.knew = []

    async def write_missing_cards(self, before, live=()):
        self.missing.append(before)
        self.knew = ["c1" in live, "stranger" in live]
        return 0

    async def write_lost_calls(self, before, live):
        self.lost.append(before)
        return 1


@pytest.fixture
def rig(monkeypatch):
    monkeypatch.setattr(journalfeed, "POLL_S", 0.001)
    return Rig()


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.tailer, self.store, self.engine = Tailer(), Store(), Engine("c1")
        self.told, self.resyncs = [], 0
        self.gate = NoteGate()
        self.feed = JournalFeed(
            (self.tailer,),
            self.gate,
            self.engine,
            self.clock,
            inbox=self.told.append,
            store=self.store,
            resync=self._resync,
        )

    def _resync(self):
        self.resyncs += 1

    def row(self, kind="ACDEND", call="c1", ms=NOW, agent="", **fields: str):
        self.tailer.rows.append(JournalRow(kind, call, "q", agent, ms, {"cause": "16", **fields}))

    @contextlib.asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.feed.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until(self, what):
        async with asyncio.timeout(5):
            while not what():
                await asyncio.sleep(0.002)


@pytest.mark.parametrize("skew", [0, HOUR, -HOUR])
async def test_a_missed_note_is_told_after_two_seconds_by_whatever_clock_asterisk_has(rig, skew):
    await rig.feed.catch_up()
    async with rig.running():
        rig.row(ms=NOW + skew)
        await rig.until(lambda: not rig.tailer.rows)
        await asyncio.sleep(0.01)
        assert rig.told == [], "the live feed gets its time"
        rig.clock.time += journalfeed.PATIENCE_MS
        await rig.until(lambda: rig.told)
    assert isinstance(rig.told[0], ev.CallEnded)
    assert rig.told[0].call == "c1"
    assert rig.feed.counters["rescued"] == 1


async def test_a_note_the_live_feed_brought_is_not_told_again(rig):
    rig.gate.first("AcdEnd", "c1", "", str(NOW))
    rig.row()
    await rig.feed.catch_up()
    assert rig.told == []


@pytest.mark.parametrize(("kind", "asked"), [("ACDDIAL", 1), ("ACDEND", 0)])
async def test_a_living_call_nobody_told_us_of_makes_us_look(rig, kind, asked):
    await rig.feed.catch_up()
    async with rig.running():
        rig.row(kind, call="stranger", agent="anna", attempt="1")
        await rig.until(lambda: not rig.tailer.rows)
        rig.clock.time += journalfeed.PATIENCE_MS
        await rig.until(lambda: rig.feed.counters["unknown_calls"])
    assert rig.resyncs == asked


async def test_calls_are_told_before_the_world_and_feature_codes_after_it(rig):
    rig.row("ACDFEATURE", call="", agent="anna", action="login")
    rig.row()
    await rig.feed.catch_up_calls()
    assert [type(one).__name__ for one in rig.told] == ["CallEnded"]
    await rig.feed.catch_up()
    assert [type(one).__name__ for one in rig.told] == ["CallEnded", "AgentLoggedIn"]


async def test_a_refusing_database_is_a_trouble_and_goes_away(rig):
    rig.tailer.fail = True
    await rig.feed.catch_up()
    assert "journal rows cannot be stored: the disk is full" in rig.feed.trouble
    rig.tailer.fail = False
    await rig.feed.catch_up()
    assert rig.feed.trouble == ""


@pytest.mark.parametrize("skew", [0, 5, HOUR])
async def test_cards_of_ends_we_did_not_see_are_due_by_asterisks_clock(rig, skew, monkeypatch):
    """A clock an hour ahead must not keep a card from being written for an hour."""
    monkeypatch.setattr(journalfeed, "SETTLE_EVERY_S", 0.001)
    rig.row(ms=NOW + skew)
    await rig.feed.catch_up()
    rig.clock.time += 7_000
    async with rig.running():
        await rig.until(lambda: rig.store.missing)
    assert rig.store.missing[0] == NOW + skew + 7_000 - journalfeed.SETTLE_AFTER_MS
    assert rig.store.knew == [True, False]


async def test_a_backlog_of_old_rows_does_not_turn_the_clock_back(rig, monkeypatch):
    monkeypatch.setattr(journalfeed, "SETTLE_EVERY_S", 0.001)
    rig.row(ms=NOW - 10 * HOUR)
    await rig.feed.catch_up()
    async with rig.running():
        await rig.until(lambda: rig.store.missing)
    assert rig.store.missing[0] == NOW - journalfeed.SETTLE_AFTER_MS


async def test_calls_that_entered_just_before_the_switch_died_are_lost_calls_too(rig, monkeypatch):
    """Row 26: looked for once per sync, up to the sync, a moment after it when all gaps are closed."""
    monkeypatch.setattr(journalfeed, "SETTLE_EVERY_S", 0.001)
    monkeypatch.setattr(journalfeed, "SETTLE_AFTER_MS", 50)
    await rig.feed.catch_up()
    rig.clock.time += 500
    async with rig.running():
        await rig.until(lambda: rig.store.missing)
        assert rig.store.lost == [], "not at once"
        await rig.until(lambda: rig.store.lost)
        rounds = len(rig.store.missing)
        await rig.until(lambda: len(rig.store.missing) > rounds + 3)
    assert rig.store.lost == [NOW], "up to the moment of the sync, and once"
