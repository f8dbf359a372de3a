"""The one writer task: a bounded queue of jobs, many jobs per commit, answers only after the commit."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import structlog

from acd.adapters.store.connection import DISK_FULL, WriterLock, as_port_error, open_writer
from acd.adapters.store.direct import as_connection, finish
from acd.adapters.store.rescue import Home, StrayedError, again
from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

    import aiosqlite

    from acd.adapters.store.connection import StoreConnection

    Job = Callable[[aiosqlite.Connection], Coroutine[Any, Any, Any]]

QUEUE_LIMIT = 10_000
BATCH_LIMIT = 200
BATCH_WINDOW_S = 0.010
REOPEN_AFTER_S = 1.0
CLOSE_LIMIT_S = 10.0
CHECKPOINT_TRIES = 100
REOPEN_TRIES = 20

STRAYED = (
    "the database's file was deleted or replaced while we run, and it could not be written back: what is written now is"
    " gone after a restart; calls are routed all the same. It is tried again every few seconds: make room on the disk"
)

log = structlog.get_logger("acd.store")

T = TypeVar("T")

_JOBS_OWN_FAULT = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)


@dataclass(slots=True)
class _Item:
    job: Job
    urgent: bool
    done: asyncio.Future[Any]


_Answers: TypeAlias = "list[tuple[_Item, Any, PortError | None]]"


def _transaction(batch: list[_Item], home: Home, raw: sqlite3.Connection) -> _Answers:
    """Run the jobs of a batch and commit; in the database's thread, in one trip. All or nothing."""
    home.check()
    answers: _Answers = []
    raw.execute("BEGIN IMMEDIATE")
    try:
        alone = len(batch) == 1
        for item in batch:
            if not item.done.done():  # else given up while the others of the batch ran
                answers.append((item, *_one(raw, item, alone=alone)))
        raw.execute("COMMIT")
    except BaseException:
        if raw.in_transaction:  # SQLite undoes by itself on some errors, a full disk among them
            raw.execute("ROLLBACK")
        raise
    return answers


def _one(raw: sqlite3.Connection, item: _Item, *, alone: bool) -> tuple[Any, PortError | None]:
    """Run one job; undo it alone when it fails alone."""
    if not alone:
        raw.execute("SAVEPOINT job")
    try:
        answer = finish(item.job(as_connection(raw)))
    except Exception as error:
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, _JOBS_OWN_FAULT):
            raise
        if alone:
            raw.execute("ROLLBACK")
            raw.execute("BEGIN IMMEDIATE")
        else:
            raw.execute("ROLLBACK TO job")
            raw.execute("RELEASE job")
        return None, as_port_error(error)
    if not alone:
        raw.execute("RELEASE job")
    return answer, None


async def _nothing(_db: aiosqlite.Connection) -> None:
    """Be a transaction: before each the writer looks where it writes."""


class Writer:
    """Runs jobs (coroutines that use the connection) inside shared transactions, one at a time.

    A transaction runs in the database's own thread (acd.adapters.store.direct), so a job must wait for
    nothing but the database and touch nothing that the event loop changes meanwhile.


    A job that fails alone (a broken rule of the schema, a bug) is undone alone; the others of its batch
    commit. When the database itself refuses, the whole batch is undone and every job of it gets
    PortError(retryable=True).
    """

    def __init__(self, path: Path, *, queue_limit: int = QUEUE_LIMIT, locking: bool = True) -> None:
        self._path = path
        self._lock = WriterLock(path) if locking else None
        self._queue: asyncio.Queue[_Item | None] = asyncio.Queue(queue_limit)
        self._connection: StoreConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._home = Home(path)
        self._next_open = 0.0
        self._closing = False
        self.trouble: str = ""
        """Why the database refuses, in plain words; empty while it works."""
        self.commits = 0
        self.jobs = 0
        self.refused = 0
        self.committed: list[Callable[[], None]] = []
        """Told in the event loop after each commit, before its jobs are answered; must not raise."""
        self.disk_full = 0
        """Batches that a full disk refused."""
        self.rescued = 0
        """How often the database was written back after somebody deleted or replaced its file."""
        self.moved: list[Callable[[], Awaitable[None]]] = []
        """Asked, after the database was written back, to look at the new file; must not raise."""

    async def open(self) -> None:
        """Start. A database that refuses for the moment is retried at every job; a hopeless one raises."""
        if self._lock is not None:
            try:
                self._lock.acquire()
            except PortError as error:
                if not error.retryable:
                    raise
        try:
            await self._connected()
        except PortError as error:
            self.trouble = str(error)
            if not error.retryable:
                if self._lock is not None:
                    self._lock.release()
                raise
        self._task = asyncio.create_task(self._run(), name="store-writer")

    async def close(self) -> None:
        """Finish what was asked, then close; at the latest after CLOSE_LIMIT_S."""
        self._closing = True
        try:
            if self._task is not None:
                with contextlib.suppress(asyncio.QueueFull):
                    self._queue.put_nowait(None)
                done, _ = await asyncio.wait({self._task}, timeout=CLOSE_LIMIT_S)
                if not done:
                    self._task.cancel()
                    await asyncio.wait({self._task}, timeout=1.0)
        finally:
            self._fail_queued()
            if self._connection is not None:
                connection, self._connection = self._connection, None
                await connection.close()
            if self._lock is not None:
                self._lock.release()

    async def do(
        self,
        job: Callable[[aiosqlite.Connection], Coroutine[Any, Any, T]],
        *,
        urgent: bool = False,
    ) -> T:
        """Run one job in a transaction and return its answer once that is committed.

        `urgent` closes the batch at once and goes before what is not urgent. Raises PortError: retryable when
        the database or our queue refuses, final when the job itself is wrong.
        """
        if self._closing or self._task is None or self._task.done():
            raise PortError("the store is closed", retryable=False)
        item = _Item(job, urgent, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull as error:
            self.refused += 1
            raise PortError("the store's queue is full", retryable=True) from error
        answer: T = await item.done
        return answer

    async def checkpoint(self) -> bool:
        """Move the log into the file and empty it; return whether that was done (a busy moment may refuse)."""
        for _ in range(CHECKPOINT_TRIES):
            connection = self._connection
            if connection is None:
                return False
            with contextlib.suppress(sqlite3.OperationalError):  # in the middle of a commit
                rows = list(await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)"))
                if rows and rows[0][0] == 0:
                    return True
            await asyncio.sleep(BATCH_WINDOW_S)
        return False

    async def _run(self) -> None:
        while True:
            batch, last = await self._next_batch()
            for part in ([i for i in batch if i.urgent], [i for i in batch if not i.urgent]):
                if part:
                    await self._commit(part)
            if last or (self._closing and self._queue.empty()):
                return

    async def _next_batch(self) -> tuple[list[_Item], bool]:
        """Wait for one item, then take what is there or comes within the window."""
        first = await self._queue.get()
        if first is None:
            return [], True
        batch = [first]
        until = time.monotonic() + BATCH_WINDOW_S
        while len(batch) < BATCH_LIMIT:
            try:
                item = self._queue.get_nowait()
            except asyncio.QueueEmpty:
                left = until - time.monotonic()
                if left <= 0 or self._closing or any(item.urgent for item in batch):
                    break
                try:
                    async with asyncio.timeout(left):
                        item = await self._queue.get()
                except TimeoutError:
                    break
            if item is None:
                return batch, True
            batch.append(item)
        return batch, False

    async def _commit(self, batch: list[_Item]) -> None:
        batch = [item for item in batch if not item.done.done()]  # nobody waits for the others any more
        try:
            answers = await self._committed(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, every waiting caller must hear of it
            await self._refuse(batch, as_port_error(error))
            return
        except asyncio.CancelledError:
            await self._refuse(batch, PortError("the store was closed", retryable=True))
            raise
        self.trouble = ""
        self.commits += 1
        self.jobs += len(batch)
        for told in self.committed:
            told()
        for item, answer, failure in answers:
            if item.done.done():
                continue
            if failure is None:
                item.done.set_result(answer)
            else:
                item.done.set_exception(failure)

    async def _committed(self, batch: list[_Item]) -> _Answers:
        connection = await self._connected()
        try:
            return await connection.in_thread(functools.partial(_transaction, batch, self._home))
        except StrayedError:
            await self._write_back(connection)
        connection = await self._connected()
        try:
            return await connection.in_thread(functools.partial(_transaction, batch, self._home))
        except StrayedError:
            raise PortError("the database's file was deleted once more", retryable=True) from None

    async def _write_back(self, connection: StoreConnection) -> None:
        """Save the database whose name is gone; what fails is tried again, and meanwhile we write where we wrote."""
        try:
            if self._lock is not None:
                self._lock.renew()  # its file goes with the others; who holds the new one writes under that name
            held = await connection.in_thread(self._home.write_back)
        except (PortError, sqlite3.Error, OSError) as error:
            self._home.put_off()
            log.error("database_not_written_back", database=str(self._path), reason=str(as_port_error(error)))  # noqa: TRY400 - of the disk, not of ours
            return
        self.rescued += 1
        log.error("database_written_back", database=str(self._path), why="its file was deleted or replaced")
        for look_again in self.moved:
            await look_again()
        # the old one is closed before the new one is open: it takes its log's name away with it
        self._connection, self._next_open = None, 0.0
        with contextlib.suppress(sqlite3.Error):
            await connection.close()
        os.close(await self._open_again(held))

    async def _open_again(self, held: int) -> int:
        """Open the new file, and never an empty one in its place: its name may be deleted once more meanwhile."""
        for _ in range(REOPEN_TRIES):
            try:
                self._connection = await open_writer(self._path, create=False)
            except PortError:
                with contextlib.suppress(OSError):
                    held = await asyncio.to_thread(again, held, self._path)
                continue
            self._home = Home(self._path, os.fstat(held))
            break
        return held

    async def look(self) -> None:
        """Look whether the database's name still leads to what we write to; if not, write it back."""
        connection = self._connection
        if connection is None:
            return
        with contextlib.suppress(sqlite3.Error, ValueError):  # closed meanwhile
            await connection.in_thread(lambda _raw: self._home.look())
        if self.strayed:
            await self.do(_nothing, urgent=True)

    async def _refuse(self, batch: list[_Item], error: PortError) -> None:
        self.trouble = str(error)
        self.refused += len(batch)
        self.disk_full += self.trouble == DISK_FULL
        for item in batch:
            if not item.done.done():
                item.done.set_exception(PortError(str(error), retryable=error.retryable))
        if error.retryable and self._connection is not None and self._home.look():
            # start afresh: after an I/O error the connection's view of the file cannot be trusted
            connection, self._connection = self._connection, None
            self._next_open = time.monotonic() + REOPEN_AFTER_S
            with contextlib.suppress(Exception):
                await connection.close()

    async def _connected(self) -> StoreConnection:
        if self._connection is None:
            if time.monotonic() < self._next_open:
                raise PortError(self.trouble or "the database is being reopened", retryable=True)
            self._next_open = time.monotonic() + REOPEN_AFTER_S
            if self._lock is not None:
                self._lock.acquire()
            self._connection = await open_writer(self._path)
            self._home = Home(self._path)
        return self._connection

    @property
    def strayed(self) -> str:
        """What is wrong, in plain words, when the file we write to stood no longer under its name; else empty."""
        return STRAYED if self._connection is not None and self._home.strayed else ""

    def _fail_queued(self) -> None:
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if item is not None and not item.done.done():
                item.done.set_exception(PortError("the store is closed", retryable=True))
