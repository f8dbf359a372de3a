"""The audit chain: one changed byte is found (security row 21)."""

from __future__ import annotations

import sqlite3

import pytest

from acd.adapters.store import audit
from tests.adapters.store.support import T0, opened


async def fill(store, count=5):
    for turn in range(count):
        await store.writer.do(
            lambda db, turn=turn: audit.append(db, T0 + turn, "olga", "open", f"card {turn}")
        )


async def test_an_untouched_chain_verifies_and_an_empty_one_too(tmp_path):
    async with opened(tmp_path / "acd.db") as store:
        assert await store.writer.do(audit.verify) == audit.AuditReport(0, audit.GENESIS)
        await fill(store)
        report = await store.writer.do(audit.verify)
        assert (report.ok, report.rows) == (True, 5)


@pytest.mark.parametrize(
    ("tamper", "first_bad"),
    [
        ("UPDATE audit SET what = 'opeN' WHERE id = 3", 3),
        ("UPDATE audit SET at = at + 1 WHERE id = 1", 1),
        ("UPDATE audit SET digest = replace(digest, substr(digest, 1, 1), 'x') WHERE id = 5", 5),
        ("DELETE FROM audit WHERE id = 2", 3),
        ("DELETE FROM audit WHERE id = 1", 2),
        ("INSERT INTO audit VALUES (6, 1, 'a', 'b', 'c', 'd')", 6),
    ],
)
async def test_any_change_is_found_at_its_row(tmp_path, tamper, first_bad):
    async with opened(tmp_path / "acd.db") as store:
        await fill(store)
    database = sqlite3.connect(tmp_path / "acd.db")
    database.execute(tamper)
    database.commit()
    database.close()
    async with opened(tmp_path / "acd.db") as store:
        report = await store.writer.do(audit.verify)
        assert (report.ok, report.first_bad) == (False, first_bad)


async def test_rows_cut_off_at_the_end_change_the_head(tmp_path):
    async with opened(tmp_path / "acd.db") as store:
        await fill(store)
        head = (await store.writer.do(audit.verify)).head
        await store.writer.do(lambda db: db.execute("DELETE FROM audit WHERE id = 5"))
        report = await store.writer.do(audit.verify)
        assert report.ok
        assert report.head != head
