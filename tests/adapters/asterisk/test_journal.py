"""Reading a file that Asterisk writes, rotates and cuts while we come and go."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd.adapters.asterisk.journal import LINGER_POLLS, MISSING_POLLS, READ_BYTES, JournalTailer
from acd.adapters.store import journal_store, sqlite
from acd.ports import PortError
from acd.wire.queue_log import parse_line
from tests.adapters.store.support import opened


class MemorySink:
    """Keeps rows and cursors as the store does; refuses when told to."""

    def __init__(self) -> None:
        self.rows = []
        self.cursors = {}
        self.refuse = False

    async def load_cursors(self, path):
        return [(inode, *rest) for inode, rest in self.cursors.items()]

    async def commit_rows(self, path, rows, cursor, forget=None):
        if self.refuse:
            raise PortError("refused by the test", retryable=True)
        self.rows += rows
        if cursor is not None:
            self.cursors[cursor[0]] = cursor[1:]
        if forget is not None:
            self.cursors.pop(forget, None)

    @property
    def numbers(self):
        return [int(row.call) for row in self.rows]


def line(number):
    return f"1700000000|{number}|q|a|ACDENTER|ms=1700000000123|did=1\n".encode()


def append(path, *numbers: int):
    with path.open("ab") as file:
        file.writelines(line(number) for number in numbers)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "queue_log"


@pytest.fixture
def sink():
    return MemorySink()


def tailer(path, sink):
    return JournalTailer(path, parse_line, sink)


async def test_lines_come_once_in_order(path, sink):
    reader = tailer(path, sink)
    assert await reader.poll() == []
    append(path, 1, 2)
    await reader.poll()
    append(path, 3)
    await reader.poll()
    await reader.poll()
    assert sink.numbers == [1, 2, 3]
    reader.close()


async def test_a_torn_last_line_waits_for_its_rest(path, sink):
    reader = tailer(path, sink)
    whole = line(1)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        await reader.poll()
        assert sink.numbers == []
    path.write_bytes(whole)
    await reader.poll()
    assert (sink.numbers, reader.counters.garbage) == ([1], 0)
    reader.close()


async def test_a_restart_goes_on_where_the_stored_rows_end(path, sink):
    append(path, 1, 2)
    first = tailer(path, sink)
    await first.poll()
    first.close()
    append(path, 3)
    second = tailer(path, sink)
    await second.poll()
    second.close()
    assert sink.numbers == [1, 2, 3]


async def test_a_refused_commit_is_read_again(path, sink):
    append(path, 1)
    reader = tailer(path, sink)
    sink.refuse = True
    with pytest.raises(PortError):
        await reader.poll()
    sink.refuse = False
    await reader.poll()
    assert sink.numbers == [1]
    reader.close()


async def test_rows_committed_before_a_refusal_in_the_same_poll_are_told_by_the_next_one(path):
    class RefusesTheSecond(MemorySink):
        commits = 0

        async def commit_rows(self, path, rows, cursor, forget=None):
            self.commits += 1
            if self.commits == 2:
                raise PortError("refused by the test", retryable=True)
            await super().commit_rows(path, rows, cursor, forget)

    sink = RefusesTheSecond()
    count = READ_BYTES // len(line(1000)) + 200
    append(path, *range(1000, 1000 + count))
    reader = tailer(path, sink)
    with pytest.raises(PortError):
        await reader.poll()
    assert 0 < len(sink.rows) < count
    told = [int(row.call) for row in await reader.poll()]
    assert told == list(range(1000, 1000 + count))
    reader.close()


async def test_a_commit_that_answered_too_late_is_not_repeated(path):
    class AnswersTooLate(MemorySink):
        late = True

        async def commit_rows(self, path, rows, cursor, forget=None):
            await super().commit_rows(path, rows, cursor, forget)
            if self.late:
                self.late = False
                raise PortError("the database did not answer in time", retryable=True)

    sink = AnswersTooLate()
    append(path, 1, 2)
    reader = tailer(path, sink)
    with pytest.raises(PortError):
        await reader.poll()
    append(path, 3)
    told = [int(row.call) for row in await reader.poll()]
    assert (sink.numbers, told) == ([1, 2, 3], [1, 2, 3])
    reader.close()


async def test_a_slow_database_stores_each_row_once(path, tmp_path, monkeypatch):
    append(path, 1, 2)
    hold, add_rows = asyncio.Event(), journal_store.add_rows

    async def slowly(db, source, rows):
        await hold.wait()
        await add_rows(db, source, rows)

    monkeypatch.setattr(journal_store, "add_rows", slowly)
    async with opened(tmp_path / "acd.db") as store:
        reader = tailer(path, store)
        monkeypatch.setattr(sqlite, "CARD_LIMIT_S", 0.2)
        with pytest.raises(PortError):
            await reader.poll()  # the writer is in the middle of it when we give up
        monkeypatch.setattr(sqlite, "CARD_LIMIT_S", 3.0)
        hold.set()
        append(path, 3)
        told = [int(row.call) for row in await reader.poll()]
        reader.close()
        stored = await store.writer.do(
            lambda db: db.execute_fetchall("SELECT call FROM journal_rows ORDER BY id")
        )
    assert ([row[0] for row in stored], told) == (["1", "2", "3"], [1, 2, 3])


async def test_rotation_by_rename_loses_nothing_even_what_is_written_to_the_old_file_later(path, sink):
    reader = tailer(path, sink)
    append(path, 1)
    await reader.poll()
    append(path, 2)
    old = path.with_name("queue_log.1")
    path.rename(old)
    append(path, 4)
    await reader.poll()
    append(old, 3)  # Asterisk writes to the renamed file until its logger reloads
    await reader.poll()
    assert sorted(sink.numbers) == [1, 2, 3, 4]
    assert reader.counters.rotations == 1
    for _ in range(LINGER_POLLS + 1):
        await reader.poll()
    assert len(sink.cursors) == 1, "the old file is let go"
    reader.close()


async def test_rotations_while_we_were_down_lose_nothing(path, sink):
    reader = tailer(path, sink)
    append(path, 1)
    await reader.poll()
    reader.close()
    append(path, 2)
    path.rename(path.with_name("queue_log.2"))
    append(path, 3)
    path.rename(path.with_name("queue_log.1"))
    append(path, 4)
    for age, name in enumerate(("queue_log", "queue_log.1", "queue_log.2")):
        os.utime(path.with_name(name), (1_700_000_000 - age, 1_700_000_000 - age))
    reader = tailer(path, sink)
    await reader.poll()
    assert sink.numbers == [1, 2, 3, 4]
    assert reader.counters.gaps == 0
    reader.close()


async def test_a_file_that_vanished_unread_is_counted_as_a_gap(path, sink):
    reader = tailer(path, sink)
    append(path, 1)
    await reader.poll()
    append(path, 2)
    reader.close()
    keep = path.with_name("other")
    path.rename(keep)  # keeps the inode busy, so that the new file gets another one
    append(path, 3)
    keep.rename(path.parent.parent / f"away-{os.getpid()}-{path.parent.name}")
    reader = tailer(path, sink)
    await reader.poll()
    assert (sink.numbers, reader.counters.gaps) == ([1, 3], 1)
    reader.close()


async def test_copytruncate_loses_nothing(path, sink):
    reader = tailer(path, sink)
    append(path, 1)
    await reader.poll()
    append(path, 2)  # unread when the copy is made
    shutil.copy(path, path.with_name("queue_log.1"))
    os.truncate(path, 0)
    append(path, 3)
    await reader.poll()
    assert sink.numbers == [1, 2, 3]
    assert reader.counters.truncations == 1
    reader.close()


async def test_a_new_longer_content_under_the_same_inode_is_read_from_its_start(path, sink):
    reader = tailer(path, sink)
    append(path, 1)
    await reader.poll()
    os.truncate(path, 0)
    append(path, 2, 3)
    await reader.poll()
    assert sink.numbers == [1, 2, 3]
    reader.close()


async def test_garbage_is_counted_and_good_lines_around_it_are_served(path, sink):
    reader = tailer(path, sink)
    append(path, 1)
    with path.open("ab") as file:
        file.write(b"\x00\xff garbage\n\n|||\n" + b"x" * (READ_BYTES + 5_000) + b"\n")
        file.write(b"1700000000|u|q|NONE|ENTERQUEUE||1|1\n")
    append(path, 2)
    await reader.poll()
    await reader.poll()
    assert sink.numbers == [1, 2]
    assert (reader.counters.garbage, reader.counters.foreign) == (3, 1)
    reader.close()


async def test_more_than_one_read_full_comes_in_one_poll(path, sink):
    reader = tailer(path, sink)
    count = 3 * READ_BYTES // len(line(10_000))
    append(path, *range(10_000, 10_000 + count))
    await reader.poll()
    assert sink.numbers == list(range(10_000, 10_000 + count))
    reader.close()


async def test_a_journal_in_no_folder_is_told_by_its_name(tmp_path, sink):
    # `acd status` said "degraded: No such file or directory" and did not say of what
    reader = tailer(tmp_path / "nowhere" / "queue_log", sink)
    await reader.poll()
    assert (
        reader.counters.unreadable
        == f"{tmp_path}/nowhere/queue_log cannot be read: No such file or directory"
    )
    reader.close()


async def test_an_unreadable_journal_is_told_in_words_and_taken_up_again(path, sink):
    path.mkdir()
    reader = tailer(path, sink)
    await reader.poll()
    assert reader.counters.unreadable == f"{path} is not a file"
    path.rmdir()
    append(path, 1)
    await reader.poll()
    assert (sink.numbers, reader.counters.unreadable) == ([1], "")
    reader.close()


async def test_a_journal_that_comes_back_as_it_was_is_well_again(path, sink):
    # its inode is known, so nothing is opened: `acd status` said "is not a file" for ever
    append(path, 1)
    reader = tailer(path, sink)
    await reader.poll()
    path.rename(path.with_name("aside"))
    path.mkdir()
    await reader.poll()
    assert reader.counters.unreadable == f"{path} is not a file"
    path.rmdir()
    path.with_name("aside").rename(path)
    append(path, 2)
    await reader.poll()
    assert (sink.numbers, reader.counters.unreadable) == ([1, 2], "")
    reader.close()


async def test_a_journal_that_is_not_there_is_told_but_not_while_it_is_rotated(path, sink):
    # a wrong path, or Asterisk's logger without queue_log: nothing said that cards would miss what we did not hear
    reader = tailer(path, sink)
    for _ in range(MISSING_POLLS - 1):
        await reader.poll()
    assert reader.counters.unreadable == ""
    await reader.poll()
    assert (
        reader.counters.unreadable
        == f"{path} is not there: Asterisk does not write it, or has had no call yet"
    )
    append(path, 1)
    await reader.poll()
    assert (sink.numbers, reader.counters.unreadable) == ([1], "")
    path.rename(path.with_name("queue_log.1"))
    await reader.poll()
    assert reader.counters.unreadable == ""
    reader.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["write", "poll", "rotate", "restart"]), max_size=25))
async def test_no_order_of_writing_rotating_and_restarting_loses_or_doubles_a_row(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("journal") / "queue_log"
    sink = MemorySink()
    reader, written, rotations = tailer(path, sink), 0, 0
    clock = 1_600_000_000
    for step in [*steps, "poll"]:
        clock += 1
        if step == "write":
            written += 1
            append(path, written)
            os.utime(path, (clock, clock))
        elif step == "poll":
            await reader.poll()
        elif step == "rotate" and path.exists() and sink.cursors:
            rotations += 1
            path.rename(path.with_name(f"queue_log.{rotations}"))
        elif step == "restart":
            reader.close()
            reader = tailer(path, sink)
    reader.close()
    assert sorted(sink.numbers) == list(range(1, written + 1))


async def test_rows_and_offset_are_one_transaction_in_the_store(tmp_path, path):
    append(path, 1, 2)
    async with opened(tmp_path / "acd.db") as store:
        reader = tailer(path, store)
        await reader.poll()
        reader.close()
    append(path, 3)
    async with opened(tmp_path / "acd.db") as store:
        reader = tailer(path, store)
        await reader.poll()
        reader.close()
    database = sqlite3.connect(tmp_path / "acd.db")
    assert database.execute("SELECT call FROM journal_rows ORDER BY id").fetchall() == [
        ("1",),
        ("2",),
        ("3",),
    ]
    assert database.execute("SELECT offset FROM journal_cursors").fetchall() == [(path.stat().st_size,)]
    database.close()
