"""From the journal into core and cards: nothing that stands there may be missed (000-06)."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest

from acd.adapters.asterisk.journal import TailCounters
from acd.core import events as ev
from acd.core.engine import Engine
from acd.core.policy import AgentPolicy, Policy, QueuePolicy
from acd.journalfeed import JournalFeed
from acd.notegate import NoteGate
from acd.wire.ami import AmiFrame
from acd.wire.queue_log import JournalRow
from tests.fakes.ports import FakeClock

T0 = 1_000_000


class Rows:
    """A tailer that gives what the test wrote."""

    counters = SimpleNamespace(unreadable="")

    def __init__(self) -> None:
        self.new = []

    def read(self):
        """What reading the file changes elsewhere."""

    async def poll(self):
        self.read()
        rows, self.new = self.new, []
        return rows

    def close(self):
        pass


class Cards:
    """A store that says for whom it was asked to write."""

    def __init__(self) -> None:
        self.missing = []
        self.lost = []
        self.unfinished = ["old"]
        """Calls without an end in the rows read so far."""
        self.written = []
        self.heard = []

    async def keep_heard(self, rows):
        self.heard += rows

    async def write_missing_cards(self, before, live=()):
        self.missing.append((before, live))
        return 0

    async def write_lost_calls(self, before, live):
        self.lost.append((before, live))
        lost = [call for call in self.unfinished if call not in live]
        self.written += lost
        return len(lost)


class Feed:
    def __init__(self) -> None:
        self.clock, self.rows, self.cards = FakeClock(T0), Rows(), Cards()
        self.engine = Engine(Policy((QueuePolicy("desk", "firm"),), (AgentPolicy("anna"),)))
        self.facts, self.resyncs = [], 0
        self.feed = JournalFeed(
            (self.rows,), NoteGate(), self.engine, self.clock,
            inbox=self.tell, store=self.cards, resync=self.resync, keep_heard=self.cards.keep_heard,
        )  # fmt: skip
        self.engine.step(ev.WorldSynced(), T0)

    def tell(self, fact):
        self.facts.append(fact)
        self.engine.step(fact, self.clock.now())

    def resync(self):
        self.resyncs += 1

    async def sync(self):
        await self.feed.catch_up_calls()
        await self.feed.catch_up()

    async def settle_at(self, now):
        """Settle at this moment, five seconds of the loop's time or more after the sync."""
        self.clock.time = now
        self.feed._lost_due = 0.0
        await self.feed._settle()


@pytest.fixture
def feed():
    return Feed()


async def test_calls_from_just_before_a_sync_are_looked_at_once_their_end_had_time_to_be_read(feed):
    """Found by simulation: one look right after the sync missed the calls of the last five seconds."""
    await feed.sync()
    feed.clock.time = T0 + 100
    await feed.feed._settle()
    assert feed.cards.lost == [], "too early: an end may still be on its way"
    await feed.settle_at(T0 + 9_000)
    await feed.settle_at(T0 + 14_000)
    asked = [before for before, _ in feed.cards.lost]
    assert asked == [T0, T0], "all up to the sync and none from after it: those may be alive"


async def test_call_backs_wait_for_the_first_look_at_what_ended_before_a_sync(feed):
    """And whoever sets Asterisk's clock back meanwhile does not make them wait for that hour."""
    assert not feed.feed.settled
    feed.rows.new = [JournalRow("ACDEND", "c-0", "desk", "", T0 + 3_600_000, {})]  # its clock is ahead
    await feed.sync()
    await feed.settle_at(T0 + 100)
    assert not feed.feed.settled
    feed.feed._settled_due = 0.0  # five seconds of the loop's time later
    feed.rows.new = [JournalRow("ACDEND", "c-1", "desk", "", T0 + 5_000, {})]  # it was set right
    await feed.feed._poll()
    await feed.settle_at(T0 + 5_100)
    assert feed.feed.settled
    await feed.sync()
    assert not feed.feed.settled, "while we were deaf others ended"
    due = feed.feed._settled_due
    await feed.sync()
    assert feed.feed._settled_due == due, "not put off"


def note(kind, call, ms, **headers: str):
    named = {
        "Event": "UserEvent",
        "UserEvent": kind,
        "Call": call,
        "Queue": "desk",
        "Agent": "anna",
        "Ms": str(ms),
    }
    return AmiFrame("Event", "UserEvent", {**named, **headers})


async def test_a_note_that_asterisk_could_not_write_is_kept_with_the_journals_rows(feed):
    """Its log disk was full: of a served caller the journal said that he left in vain."""
    answer = JournalRow("ACDANSWER", "c-1", "desk", "anna", T0 + 1, {"attempt": "1"})
    feed.feed.hear(note("AcdAnswer", "c-1", T0 + 1, Attempt="1"))
    feed.feed.hear(note("AcdDialEnd", "c-1", T0 + 2, Attempt="1", Status="BUSY"))
    feed.feed.hear(note("AcdFeature", "NONE", T0 + 2, Action="login"))
    feed.rows.new = [
        JournalRow("ACDDIALEND", "c-1", "desk", "anna", T0 + 2, {"attempt": "1", "status": "BUSY"})
    ]
    await feed.feed._poll()
    await feed.feed._keep_heard()
    assert feed.cards.heard == [], "the next reading may find it"
    feed.clock.time += 500
    await feed.feed._keep_heard()
    await feed.feed._keep_heard()
    assert feed.cards.heard == [answer]
    assert feed.feed.counters["heard_only"] == 1


@pytest.mark.parametrize("ms", ["", "1=790", "-1", "9" * 40, "١٢٣"])
async def test_a_note_without_a_time_is_nobodys_row(feed, ms):
    """The dialplan always says when. Found by broken frames at the manager's port."""
    feed.feed.hear(note("AcdAnswer", "c-1", ms, Attempt="1"))
    feed.clock.time += 10_000
    await feed.feed._keep_heard()
    assert feed.cards.heard == []


async def test_a_note_that_was_read_before_it_was_heard_is_no_second_row(feed):
    feed.rows.new = [JournalRow("ACDANSWER", "c-1", "desk", "anna", T0 + 1, {"attempt": "1"})]
    await feed.feed._poll()
    feed.feed.hear(note("AcdAnswer", "c-1", T0 + 1, Attempt="1"))
    feed.clock.time += 10_000
    await feed.feed._keep_heard()
    assert feed.cards.heard == []


async def test_only_calls_that_are_up_are_spared_when_looking_for_lost_ones(feed):
    feed.tell(ev.CallEntered("alive", "1", "2"))
    feed.tell(ev.CallEntered("guessed", "1", "2"))
    feed.tell(ev.CallEnded("guessed"))
    await feed.sync()
    feed.cards.unfinished = ["alive", "guessed"]
    await feed.settle_at(T0 + 10)
    assert feed.cards.written == ["guessed"], "the core only guessed its end: the journal decides"


async def test_a_call_that_ended_a_moment_ago_is_not_taken_for_lost_before_its_end_was_read(feed):
    """Found by kills on real Asterisk: its end stood in the journal's file, not read yet, and it got a task."""
    feed.tell(ev.CallEntered("just over", "1", "2"))
    await feed.sync()
    feed.tell(ev.CallEnded("just over"))
    feed.cards.unfinished = ["just over"]
    feed.rows.read = feed.cards.unfinished.clear  # reading the file finds the end
    await feed.settle_at(T0 + 10)
    assert feed.cards.written == []


async def test_a_call_of_which_only_the_end_was_heard_gets_its_card_from_the_journal(feed):
    """Found by simulation: the core writes no card for it, and the journal's writer left it to the core."""
    feed.tell(ev.CallEnded("stone"))
    feed.tell(ev.CallEntered("known", "1", "2"))
    await feed.sync()
    await feed.settle_at(T0 + 10)
    known = feed.cards.missing[0][1]
    assert "stone" not in known
    assert "known" in known


async def test_a_note_the_live_feed_missed_is_told_after_two_seconds_and_not_before(feed):
    feed.tell(ev.CallEntered("c-1", "1", "2"))
    feed.rows.new = [JournalRow("ACDREFUSED", "c-1", "desk", "", T0, {"why": "closed"})]
    await feed.feed._poll()
    feed.feed._tell_missed()
    assert feed.facts[1:] == []
    feed.clock.time = T0 + 2_000
    feed.feed._tell_missed()
    assert [type(fact) for fact in feed.facts[1:]] == [ev.CallRefused]


async def test_a_note_of_a_call_nobody_knows_asks_for_a_resync_at_most_every_five_seconds(feed):
    await feed.sync()
    for at in (0, 100, 6_000):
        feed.rows.new = [JournalRow("ACDQUEUED", f"c-{at}", "desk", "", T0 + at, {})]
        feed.clock.time = T0 + at
        await feed.feed._poll()
        feed.clock.time += 2_000
        feed.feed._tell_missed()
    assert feed.resyncs == 2


async def test_running_it_reads_settles_and_can_be_stopped(feed):
    await feed.sync()
    task = asyncio.create_task(feed.feed.run())
    async with asyncio.timeout(5):
        while not feed.cards.missing:
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    feed.feed.close()
    assert feed.feed.trouble == ""


def test_what_the_files_were_like_is_in_the_figures():
    """A file that was gone before it was read to its end is counted where somebody looks (metrics)."""
    f = Feed()
    f.feed.counters["rescued"] = 2
    read, gone = TailCounters(rows=3, garbage=1), TailCounters(rows=4, gaps=1)
    f.feed._tailers = (SimpleNamespace(counters=read), SimpleNamespace(counters=gone))
    told = f.feed.figures()
    assert (told["rescued"], told["files_rows"], told["files_garbage"], told["files_gaps"]) == (2, 7, 1, 1)
