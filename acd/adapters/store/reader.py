"""Questions with a caller waiting for the answer: a connection of their own, so that no commit stands before them.

In WAL mode a reader sees all that was committed when its question began and waits for no writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
from typing import TYPE_CHECKING, Any, TypeVar

from acd.adapters.store.connection import as_port_error, open_reader
from acd.adapters.store.direct import as_connection, finish
from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    import aiosqlite

    from acd.adapters.store.connection import StoreConnection

T = TypeVar("T")


class Reader:
    """Runs questions one after the other, each on one state of the database. Opened by the first of them at the latest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: StoreConnection | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def open(self) -> None:
        """Open now, so that its thread is there with the writer's. What refuses now the first question tries again."""
        with contextlib.suppress(PortError):
            await self._connected()

    async def do(self, job: Callable[[aiosqlite.Connection], Coroutine[Any, Any, T]]) -> T:
        """Return the answer of one job that only reads. Raises PortError; after trouble the next one starts afresh."""
        connection = await self._connected()
        try:
            return await connection.in_thread(functools.partial(_question, job))
        except Exception as error:
            if isinstance(error, sqlite3.Error) and self._connection is connection:
                self._connection = None
                await connection.close()
            raise as_port_error(error) from error

    async def _connected(self) -> StoreConnection:
        async with self._opening:
            if self._closed:
                raise as_port_error(sqlite3.ProgrammingError("the store is closed"))
            if self._connection is None:
                self._connection = await open_reader(self._path)
            return self._connection

    async def look_again(self) -> None:
        """The database stands in a new file: the next question opens that."""
        async with self._opening:
            connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                await connection.close()

    async def close(self) -> None:
        """Close; harmless twice."""
        async with self._opening:
            self._closed = True
            connection, self._connection = self._connection, None
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    await connection.close()


def _question(job: Callable[[aiosqlite.Connection], Coroutine[Any, Any, T]], raw: sqlite3.Connection) -> T:
    raw.execute("BEGIN")
    try:
        return finish(job(as_connection(raw)))
    finally:
        raw.execute("ROLLBACK")
