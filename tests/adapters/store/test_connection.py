"""Opening the database: versions, migrations, who may write."""

from __future__ import annotations

import sqlite3

import pytest

from acd.adapters.store import connection
from acd.ports import PortError
from tests.adapters.store.support import make_card, opened, rows


@pytest.mark.parametrize(
    ("version", "warned"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 54, 0), False),
        ((3, 6, 0), False),
    ],
)
def test_versions_with_the_wal_reset_bug_are_named(version, warned):
    assert bool(connection.wal_reset_warning(version)) is warned


def test_migrations_are_numbered_without_a_gap():
    assert [number for number, _ in connection.migrations()] == list(
        range(1, len(connection.migrations()) + 1)
    )


def test_statements_are_split_with_their_comments_and_triggers():
    script = "-- a; b\nCREATE TABLE t (x); -- c\nCREATE TRIGGER g AFTER INSERT ON t BEGIN\n SELECT 1;\nEND;\n"
    assert len(connection.split_statements(script)) == 2
    with pytest.raises(PortError, match="inside a statement"):
        connection.split_statements("CREATE TABLE t (x)")


async def test_a_failing_step_undoes_all_steps_and_the_version(tmp_path):
    path = tmp_path / "x.db"
    database = await connection._connect(path, "rwc")
    try:
        steps = [(1, "CREATE TABLE a (x);\n"), (2, "CREATE TABLE b (x);\nCREATE TABLE a (x);\n")]
        with pytest.raises(sqlite3.OperationalError):
            await connection._migrate(database, steps)
        assert await connection.user_version(database) == 0
        assert await database.execute_fetchall("SELECT name FROM sqlite_master") == []
        await connection._migrate(database, steps[:1])
        await connection._migrate(database, [steps[0], (2, "CREATE TABLE b (x);\n")])
        assert await connection.user_version(database) == 2
    finally:
        await database.close()


async def test_pragmas_and_strict_tables_are_as_promised(tmp_path):
    async with opened(tmp_path / "acd.db") as store:

        async def ask(name):
            return await store.writer.do(lambda db: db.execute_fetchall(f"PRAGMA {name}"))

        expected = {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "trusted_schema": 0,
            "busy_timeout": connection.BUSY_TIMEOUT_MS,
        }
        for name, value in expected.items():
            assert (await ask(name))[0][0] == value
        tables = await ask("table_list")
        ours = [row for row in tables if row["type"] == "table" and not row["name"].startswith("sqlite_")]
        assert ours
        assert all(row["strict"] for row in ours)


async def test_readers_cannot_write_and_see_what_is_committed(tmp_path):
    path = tmp_path / "acd.db"
    async with opened(path) as store:
        await store.write_card(make_card("c-1"))
        with pytest.raises(PortError, match="read-only"):  # noqa: PT012 - the read must work, the write must not
            async with connection.reader(path) as reading:
                assert [row[0] for row in await reading.execute_fetchall("SELECT call FROM cards")] == ["c-1"]
                await reading.execute("DELETE FROM cards")
    assert rows(path, "SELECT count(*) FROM cards") == [(1,)]


async def test_no_file_is_a_port_error_and_no_file_is_made(tmp_path):
    with pytest.raises(PortError):
        async with connection.reader(tmp_path / "none.db"):
            pass
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (sqlite3.OperationalError("x"), True),
        (sqlite3.IntegrityError("x"), False),
        (sqlite3.ProgrammingError("x"), False),
        (OSError(28, "No space left on device"), True),
        (ValueError("x"), False),
    ],
)
def test_errors_become_port_errors_with_the_right_hope(error, retryable):
    assert connection.as_port_error(error).retryable is retryable
