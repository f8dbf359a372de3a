"""The connection as jobs see it: a whole transaction in one trip to the database's thread.

aiosqlite makes each statement a trip to its thread and back, which for a card of some twenty statements
costs more than SQLite itself and wakes the event loop as often. The writer runs a transaction in one trip;
jobs stay the coroutines they are, but nothing in them ever waits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import aiosqlite

T = TypeVar("T")
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]


class DirectCursor:
    """What a statement left behind."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    @property
    def rowcount(self) -> int:
        """Rows changed, -1 for a question."""
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The row number of the last insert."""
        return self._cursor.lastrowid

    async def fetchone(self) -> sqlite3.Row | None:
        """Return the next row."""
        return cast("sqlite3.Row | None", self._cursor.fetchone())


class Direct:
    """As much of aiosqlite's connection as jobs use. Only for the thread that owns `raw`."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    async def execute(self, sql: str, parameters: Parameters = ()) -> DirectCursor:
        """Run one statement."""
        return DirectCursor(self._raw.execute(sql, parameters))

    async def execute_fetchall(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Run one question, return its rows."""
        return self._raw.execute(sql, parameters).fetchall()

    async def executemany(self, sql: str, parameters: Iterable[Parameters]) -> DirectCursor:
        """Run one statement for each row of values."""
        return DirectCursor(self._raw.executemany(sql, parameters))


def as_connection(raw: sqlite3.Connection) -> aiosqlite.Connection:
    """Return the connection for jobs; they are written against aiosqlite's type."""
    return cast("aiosqlite.Connection", Direct(raw))


def finish(job: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing to its end.

    Raises RuntimeError for one that does wait: inside a transaction that is a defect, whatever it waits for.
    """
    try:
        job.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    job.close()
    raise RuntimeError("a job of the store waited for something that is not the database")
