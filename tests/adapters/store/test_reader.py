"""Questions beside the writer: what is committed is seen, and no commit stands before an answer."""

from __future__ import annotations

import asyncio
import threading

import pytest

from acd.adapters.store.reader import Reader
from acd.adapters.store.writer import Writer
from acd.ports import PortError


async def _count(db):
    return (await db.execute_fetchall("SELECT count(*) FROM outbox"))[0][0]


@pytest.fixture
async def both(tmp_path):
    writer, reader = Writer(tmp_path / "acd.db"), Reader(tmp_path / "acd.db")
    await writer.open()
    yield writer, reader
    await reader.close()
    await writer.close()


async def test_an_answer_does_not_wait_for_a_transaction_under_way(both):
    writer, reader = both
    started, hold = threading.Event(), threading.Event()

    async def slow(db):
        await db.execute("DELETE FROM outbox")
        started.set()
        hold.wait(5)

    writing = asyncio.create_task(writer.do(slow))
    await asyncio.to_thread(started.wait, 5)
    async with asyncio.timeout(2):
        assert await reader.do(_count) == 0
    assert not writing.done()
    hold.set()
    await writing


async def test_what_was_committed_is_seen_at_once(both):
    writer, reader = both
    assert await reader.do(_count) == 0
    await writer.do(
        lambda db: db.execute(
            "INSERT INTO number_blocks (id, next) VALUES (1, 77) ON CONFLICT DO UPDATE SET next = 77"
        )
    )
    rows = await reader.do(lambda db: db.execute_fetchall("SELECT next FROM number_blocks"))
    assert rows[0][0] == 77


async def test_a_question_cannot_write(both):
    _, reader = both
    with pytest.raises(PortError, match=r"read-?only|readonly"):
        await reader.do(lambda db: db.execute("DELETE FROM outbox"))
    assert await reader.do(_count) == 0  # and the next one is answered


async def test_without_a_file_it_says_so_and_recovers(tmp_path):
    reader = Reader(tmp_path / "acd.db")
    with pytest.raises(PortError):
        await reader.do(_count)
    writer = Writer(tmp_path / "acd.db")
    await writer.open()
    try:
        assert await reader.do(_count) == 0
    finally:
        await reader.close()
        await writer.close()
    with pytest.raises(PortError, match="closed"):
        await reader.do(_count)
