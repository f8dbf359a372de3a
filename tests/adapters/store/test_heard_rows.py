"""Rows that only the live feed brought: they stand where their time puts them, and the file's own line later changes nothing."""

from __future__ import annotations

from acd.adapters.store import ledger_store, rebuild
from acd.adapters.store.journal_store import HEARD
from acd.core.events import EndReason
from acd.desk import ledger
from acd.wire.queue_log import JournalRow
from tests.adapters.store.support import T0, opened
from tests.adapters.store.test_rebuild import end, enter, queued


async def test_a_late_row_that_was_only_heard_stands_at_its_time(tmp_path):
    def talk(kind, ms, **fields: str):
        return JournalRow(kind, "c-1", "sales", "anna", T0 + ms, {"attempt": "1", **fields})

    heard = [talk("ACDDIAL", 200), talk("ACDANSWER", 400), talk("ACDTALKEND", 900, by="caller", stays="0")]
    async with opened(tmp_path / "acd.db") as store:
        await store.commit_rows("queue_log", [enter("c-1"), queued("c-1"), end("c-1", 1_000)], (7, 1, b"x"))
        assert await store.write_missing_cards(T0 + 60_000) == 1
        assert (await store.get(call="c-1")).card.end_reason is EndReason.ABANDONED
        await store.commit_rows(HEARD, heard, None)
        for _ in range(2):
            card = (await store.get(call="c-1")).card
            assert (card.end_reason, card.agent) == (EndReason.HANDLED, "anna")
            assert card.answered_at == T0 + 400
            assert (await store.writer.do(rebuild.check)).ok
            await store.commit_rows("queue_log", heard, (7, 2, b"y"))  # it could be written in the end


async def test_the_files_own_line_of_a_wish_does_not_open_again_what_a_person_closed(tmp_path):
    """It comes when the disk has room again, hours later perhaps; the caller was called back twice."""
    wish = [JournalRow("ACDCALLBACK", "c-1", "sales", "", T0 + 400, {"number": "+79160000001"})]
    async with opened(tmp_path / "acd.db") as store:
        await store.commit_rows("queue_log", [enter("c-1"), queued("c-1"), end("c-1", 1_000)], (7, 1, b"x"))
        await store.commit_rows(HEARD, wish, None)
        assert await store.write_missing_cards(T0 + 60_000) == 1

        async def close(db):
            (task,) = await ledger_store.find(db, ledger_store.TaskFilter())
            await ledger_store.save(db, ledger.closed(task, T0 + 70_000, "olga", "she called him herself"))

        await store.writer.do(close)
        await store.commit_rows("queue_log", wish, (7, 2, b"y"))
        tasks = await store.writer.do(
            lambda db: ledger_store.find(db, ledger_store.TaskFilter(only_open=False))
        )
        assert [(task.closed_by, task.missed) for task in tasks] == [("olga", 1)]
