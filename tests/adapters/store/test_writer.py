"""The one writer task: limits, batches, urgency, its end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from acd.adapters.store.writer import BATCH_LIMIT, Writer
from acd.ports import PortError


@pytest.fixture
async def writer(tmp_path):
    made = Writer(tmp_path / "w.db", queue_limit=500)
    await made.open()
    try:
        await made.do(lambda db: db.execute("CREATE TABLE t (x INTEGER UNIQUE) STRICT"))
        yield made
    finally:
        await made.close()


def insert(value):
    return lambda db: db.execute("INSERT INTO t VALUES (?)", (value,))


async def count(writer):
    return (await writer.do(lambda db: db.execute_fetchall("SELECT count(*) FROM t")))[0][0]


async def test_many_jobs_share_a_commit_and_never_more_than_the_limit(writer):
    before = writer.commits
    await asyncio.gather(*(writer.do(insert(value)) for value in range(2 * BATCH_LIMIT)))
    assert writer.commits - before == 2
    assert await count(writer) == 2 * BATCH_LIMIT


async def test_a_full_queue_refuses_at_once_and_says_it_may_be_tried_again(writer):
    results = await asyncio.gather(
        *(writer.do(insert(value)) for value in range(600)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, PortError)]
    assert len(refused) == 100
    assert all(error.retryable for error in refused)
    assert await count(writer) == 500


async def test_an_answer_comes_after_the_commit_not_before(writer, tmp_path):
    import sqlite3

    seen = sqlite3.connect(tmp_path / "w.db")
    try:
        for value in range(20):
            await writer.do(insert(value), urgent=True)
            assert seen.execute("SELECT count(*) FROM t").fetchone() == (value + 1,)
    finally:
        seen.close()


async def test_a_job_that_fails_alone_leaves_nothing_half_done(writer):
    async def half(db):
        await db.execute("INSERT INTO t VALUES (1)")
        raise KeyError("a bug in the job")

    with pytest.raises(PortError, match="KeyError"):
        await writer.do(half)
    assert await count(writer) == 0
    assert writer.trouble == ""


async def test_a_caller_that_gave_up_disturbs_nobody(writer):
    task = asyncio.create_task(writer.do(insert(1)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await writer.do(insert(2))
    assert await count(writer) in {1, 2}


async def test_closing_finishes_what_was_asked_and_refuses_what_comes_later(tmp_path):
    writer = Writer(tmp_path / "w.db")
    await writer.open()
    await writer.do(lambda db: db.execute("CREATE TABLE t (x INTEGER) STRICT"))
    tasks = [asyncio.create_task(writer.do(insert(value))) for value in range(50)]
    await asyncio.sleep(0)
    await writer.close()
    await asyncio.gather(*tasks)
    with pytest.raises(PortError, match="closed"):
        await writer.do(insert(99))
    again = Writer(tmp_path / "w.db")
    await again.open()
    try:
        assert await count(again) == 50
        assert await again.checkpoint()
    finally:
        await again.close()


async def test_a_job_that_waits_for_anything_but_the_database_is_refused_and_undone(writer):
    async def waits(db):
        await db.execute("INSERT INTO t VALUES (7)")
        await asyncio.sleep(0)

    with pytest.raises(PortError, match="waited for something") as refused:
        await writer.do(waits)
    assert not refused.value.retryable
    assert await count(writer) == 0


async def test_the_lock_frees_itself_when_the_writer_closes(tmp_path):
    for _ in range(3):
        writer = Writer(tmp_path / "w.db")
        await writer.open()
        await writer.close()


async def test_a_job_given_up_before_its_turn_is_never_done(writer):
    """Who gave up asks again: done late it would happen twice."""
    started, hold = threading.Event(), threading.Event()

    async def slow(_db):  # in the database's own thread
        started.set()
        hold.wait(5)

    first = asyncio.create_task(writer.do(slow))
    second = asyncio.create_task(writer.do(insert(1)))  # in the same batch
    await asyncio.to_thread(started.wait, 5)
    third = asyncio.create_task(writer.do(insert(2)))  # in the next one
    await asyncio.sleep(0)
    second.cancel()
    third.cancel()
    await asyncio.gather(second, third, return_exceptions=True)
    hold.set()
    await first
    assert await count(writer) == 0
