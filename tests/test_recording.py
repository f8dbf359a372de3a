"""Recording gives way first when the disk fills, cards last (failure mode 31), and is paused for card numbers (row 22)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from acd import recording
from acd.adapters.store import audit
from acd.adapters.store.writer import Writer
from acd.config.system import Recording
from acd.ports import CallGoneError, NotRecordedError, PortError, RefusedError
from acd.recording import NotYoursError, RecordingWatch, Room, free_percent, room
from tests.fakes.ports import FakeClock

ANN, BOB = "a101", "a102"


class FakeRecorder:
    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.on = True
        self.unrecorded: set[str] = set()
        self.silent = False
        self.fails: dict[str, PortError] = {}

    async def is_on(self) -> bool:
        return self.on

    async def allow(self, *, new: bool) -> None:
        if self.silent:
            raise PortError("Asterisk does not answer", retryable=True)
        self.told.append(("allow", new))

    async def end(self, call: str) -> None:
        self._known(call)
        self.told.append(("end", call))

    async def mute(self, call: str, *, on: bool) -> None:
        self._known(call)
        self.told.append(("mute", call, on))

    def _known(self, call: str) -> None:
        if self.silent:
            raise PortError("Asterisk does not answer", retryable=False)
        if call in self.fails:
            raise self.fails[call]
        if call in self.unrecorded:
            raise NotRecordedError("this call is not recorded")


class Bench:
    """A watch on a disk in our hands."""

    def __init__(self, writer: Writer) -> None:
        self.recorder, self.clock, self.writer = FakeRecorder(), FakeClock(), writer
        self.percent: float | None = 50.0
        self.settings = Recording()
        self.calls = [
            SimpleNamespace(call="c1", agent=ANN, state="talking"),
            SimpleNamespace(call="c2", agent=None, state="waiting"),
        ]
        self.released = asyncio.Event()
        self.watch = RecordingWatch(
            lambda: self.settings,
            lambda: self.settings.directory,
            self.recorder,
            lambda: self.calls,
            self.released,
            self.clock,
            writer,
            free=lambda _where: self.percent,
        )

    async def look(self, percent: float | None) -> list[tuple[object, ...]]:
        self.percent, self.recorder.told = percent, []
        await self.watch.look()
        return self.recorder.told

    async def audited(self) -> list[tuple[str, str, str]]:
        async def job(db):
            return await db.execute_fetchall("SELECT who, what, object FROM audit ORDER BY id")

        return [tuple(row) for row in await self.writer.do(job)]


@pytest.fixture
async def bench(tmp_path):
    writer = Writer(tmp_path / "acd.db")
    await writer.open()
    yield Bench(writer)
    await writer.close()


async def test_first_no_new_recordings_then_none_at_all_and_the_words_say_so(bench):
    assert await bench.look(50) == [("allow", True)]
    assert bench.watch.trouble == ""
    assert await bench.look(9.9) == [("allow", False)]
    assert bench.watch.trouble.startswith("new calls are not recorded: 10 % of the recordings' disk is free")
    assert await bench.look(4.9) == [("allow", False), ("end", "c1"), ("end", "c2")]
    assert "running recordings were ended" in bench.watch.trouble
    assert bench.watch.counters["ended"] == 2


async def test_a_recording_is_ended_once_and_one_that_begins_in_the_last_moment_too(bench):
    await bench.look(4)
    assert await bench.look(4) == [("allow", False)]
    bench.calls.append(SimpleNamespace(call="c3", agent=BOB, state="talking"))
    bench.recorder.unrecorded.add("c3")
    assert await bench.look(4) == [("allow", False)]
    assert bench.watch.counters["not_recorded"] == 1


async def test_recording_comes_back_with_some_slack_and_is_told_each_time(bench):
    await bench.look(4)
    assert await bench.look(6.5) == [("allow", False)]
    assert bench.watch.room is Room.NONE
    await bench.look(7.5)
    assert bench.watch.room is Room.NO_NEW
    assert await bench.look(11) == [("allow", False)]
    assert await bench.look(12.5) == [("allow", True)]
    assert bench.watch.trouble == ""
    assert await bench.look(50) == [("allow", True)], "a new Asterisk must hear it again"


async def test_where_nothing_is_recorded_nothing_is_wrong(bench):
    bench.recorder.on = False
    await bench.look(1)
    assert bench.watch.trouble == ""
    assert ("end", "c1") not in bench.recorder.told
    assert await bench.look(None) == [("allow", True)], "no such folder on this machine"


def test_thresholds_of_zero_never_stop_anything():
    never = Recording(no_new_below_percent=0, stop_below_percent=0)
    assert room(0.0, Room.ALL, never) is Room.ALL
    assert room(0.5, Room.NONE, never) is Room.ALL


def test_running_recordings_never_end_before_new_ones_are_refused():
    with pytest.raises(ValueError, match="stop_below_percent"):
        Recording(no_new_below_percent=5, stop_below_percent=6)


def test_shares_of_the_disk_are_numbers_as_all_others_of_the_configuration():
    for odd in ("3", True):
        with pytest.raises(ValueError, match="stop_below_percent"):
            Recording.model_validate({"stop_below_percent": odd})


def test_a_folder_has_a_share_of_its_disk_and_a_missing_one_has_none(tmp_path):
    assert 0 < free_percent(tmp_path) <= 100
    assert free_percent(tmp_path / "missing") is None


async def test_a_daemon_that_stands_by_commands_nothing_and_a_silent_switch_ends_nothing(bench):
    bench.recorder.silent = True
    task = asyncio.create_task(bench.watch.run())
    await asyncio.sleep(0.01)
    assert bench.watch.counters["unanswered"] == 0
    bench.released.set()
    while not bench.watch.counters["unanswered"]:
        await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()


async def test_an_agent_pauses_the_recording_of_his_own_talk_and_it_is_audited(bench):
    until = await bench.watch.pause(ANN, "c1", on=True)
    assert until == bench.clock.time + 120_000
    assert await bench.watch.pause(ANN, "c1", on=False) is None
    assert bench.recorder.told == [("mute", "c1", True), ("mute", "c1", False)]
    assert await bench.audited() == [
        (ANN, "recording paused", "call c1"),
        (ANN, "recording goes on", "call c1"),
    ]
    assert (await bench.writer.do(audit.verify)).ok


@pytest.mark.parametrize(("agent", "call"), [(BOB, "c1"), (ANN, "c2"), (ANN, "gone")])
async def test_nobody_pauses_the_recording_of_a_talk_that_is_not_his(bench, agent, call):
    with pytest.raises(NotYoursError):
        await bench.watch.pause(agent, call, on=True)
    assert bench.recorder.told == []
    assert await bench.audited() == []


async def test_a_talk_that_is_not_recorded_is_no_silent_success(bench):
    bench.recorder.unrecorded.add("c1")
    with pytest.raises(NotRecordedError):
        await bench.watch.pause(ANN, "c1", on=True)
    assert await bench.audited() == []


async def test_a_forgotten_pause_ends_by_itself_and_with_the_talk(bench):
    await bench.watch.pause(ANN, "c1", on=True)
    await bench.watch.resume_overdue()
    assert bench.recorder.told == [("mute", "c1", True)]
    bench.clock.time += 120_000
    await bench.watch.resume_overdue()
    assert bench.recorder.told[-1] == ("mute", "c1", False)
    assert (await bench.audited())[-1] == ("acd", "recording goes on", "call c1")
    await bench.watch.pause(ANN, "c1", on=True)
    bench.calls[0].state = "waiting"  # handed on: the colleague's talk is recorded
    await bench.watch.resume_overdue()
    assert bench.recorder.told[-1] == ("mute", "c1", False)
    bench.recorder.told = []
    await bench.watch.resume_overdue()
    assert bench.recorder.told == []


async def test_a_pause_whose_answer_is_lost_is_undone_for_the_agent_was_told_that_it_failed(bench):
    bench.recorder.silent = True
    with pytest.raises(PortError):
        await bench.watch.pause(ANN, "c1", on=True)
    bench.recorder.silent = False
    await bench.watch.resume_overdue()
    assert bench.recorder.told == [("mute", "c1", False)]


async def test_a_refused_pause_leaves_what_was(bench):
    bench.recorder.fails["c1"] = RefusedError("Permission denied")
    with pytest.raises(RefusedError):
        await bench.watch.pause(ANN, "c1", on=True)
    bench.recorder.fails.clear()
    await bench.watch.resume_overdue()
    assert bench.recorder.told == []


async def test_a_talk_that_could_not_go_on_at_once_is_let_go_on_each_second(bench):
    await bench.watch.pause(ANN, "c1", on=True)
    bench.recorder.silent = True
    with pytest.raises(PortError):
        await bench.watch.pause(ANN, "c1", on=False)
    bench.recorder.silent = False
    await bench.watch.resume_overdue()
    assert bench.recorder.told[-1] == ("mute", "c1", False)


async def test_a_silent_switch_in_the_second_a_pause_ends_does_not_leave_the_talk_muted(bench):
    await bench.watch.pause(ANN, "c1", on=True)
    bench.clock.time += 120_000
    bench.recorder.silent = True
    await bench.watch.resume_overdue()
    await bench.watch.resume_overdue()
    assert bench.watch.counters["pauses_overdue"] == 0
    bench.recorder.silent = False
    await bench.watch.resume_overdue()
    assert bench.recorder.told[-1] == ("mute", "c1", False)
    assert bench.watch.counters["pauses_overdue"] == 1


async def test_a_pause_is_forgotten_only_with_its_call(bench):
    await bench.watch.pause(ANN, "c1", on=True)
    bench.clock.time += 120_000
    bench.recorder.fails["c1"] = CallGoneError("gone")
    await bench.watch.resume_overdue()
    bench.recorder.fails.clear()
    await bench.watch.resume_overdue()
    assert bench.recorder.told[-1] == ("mute", "c1", False), "the channel was unknown for a moment only"
    await bench.watch.pause(ANN, "c1", on=True)
    bench.calls.clear()
    bench.recorder.fails["c1"] = CallGoneError("gone")
    await bench.watch.resume_overdue()
    bench.recorder.fails.clear()
    bench.recorder.told = []
    await bench.watch.resume_overdue()
    assert bench.recorder.told == []


async def test_a_pause_ends_when_the_talk_goes_to_another_agent_without_a_gap(bench):
    await bench.watch.pause(ANN, "c1", on=True)
    bench.calls[0].agent = BOB
    await bench.watch.resume_overdue()
    assert bench.recorder.told[-1] == ("mute", "c1", False)


async def test_a_new_pause_is_not_undone_by_the_end_of_the_one_before(bench):
    await bench.watch.pause(ANN, "c1", on=True)
    bench.clock.time += 120_000
    asked, answer = asyncio.Event(), asyncio.Event()
    plain = bench.recorder.mute

    async def slow(call, *, on):
        await plain(call, on=on)
        if not on:
            asked.set()
            await answer.wait()

    bench.recorder.mute = slow
    ending = asyncio.create_task(bench.watch.resume_overdue())
    await asked.wait()
    await bench.watch.pause(ANN, "c1", on=True)
    answer.set()
    await ending
    bench.clock.time += 120_000
    await bench.watch.resume_overdue()
    assert bench.recorder.told == [
        ("mute", "c1", True),
        ("mute", "c1", False),
        ("mute", "c1", True),
        ("mute", "c1", False),
    ]


async def test_no_calls_are_looked_through_while_nothing_is_paused(bench):
    looked = []
    bench.watch._calls = lambda: looked.append(1) or bench.calls
    await bench.watch.resume_overdue()
    assert looked == []


@pytest.mark.parametrize("how", ["refuses", "hangs"])
async def test_a_pause_stands_while_the_audit_log_cannot_be_written_and_is_noted_later(
    bench, monkeypatch, how
):
    monkeypatch.setattr(recording, "NOTE_WAIT_S", 0.02, raising=False)
    plain, free = bench.writer.do, asyncio.Event()

    async def broken(job):
        if how == "refuses" and not free.is_set():
            raise PortError("the disk is full", retryable=True)
        await free.wait()
        return await plain(job)

    monkeypatch.setattr(bench.writer, "do", broken)
    async with asyncio.timeout(2):
        assert await bench.watch.pause(ANN, "c1", on=True) == bench.clock.time + 120_000
    bench.released.set()
    free.set()
    task = asyncio.create_task(bench.watch.run())
    async with asyncio.timeout(3):
        while not await bench.audited():
            await asyncio.sleep(0.01)
    task.cancel()
    assert await bench.audited() == [(ANN, "recording paused", "call c1")]


async def test_a_recording_that_could_not_be_ended_is_ended_at_the_next_look(bench):
    bench.recorder.fails["c1"] = PortError("Asterisk does not answer", retryable=False)
    with pytest.raises(PortError):
        await bench.look(4)
    bench.recorder.fails["c1"] = RefusedError("Permission denied")
    assert await bench.look(4) == [("allow", False), ("end", "c2")]
    bench.recorder.fails.clear()
    assert await bench.look(4) == [("allow", False), ("end", "c1")]
