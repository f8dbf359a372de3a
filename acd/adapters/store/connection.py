"""Opening the database: pragmas, migrations, the lock that keeps a second writer out, error mapping."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import quote

import aiosqlite

from acd import durable
from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000
ROWS_PER_TRIP = 256
MIGRATIONS = Path(__file__).parent / "migrations"

# Two connections that write or checkpoint at the same instant can lose a committed transaction
# (sqlite.org/wal.html, "the WAL reset bug"). We keep to one writer, so this is a warning, not a refusal.
_FIXED_IN = ((3, 44, 6), (3, 50, 7), (3, 51, 3))

DISK_FULL = "the disk is full"

_WORDS = {
    sqlite3.SQLITE_BUSY: "the database is locked by another program",
    sqlite3.SQLITE_LOCKED: "the database is locked by another program",
    sqlite3.SQLITE_READONLY: "the database is read-only",
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
    sqlite3.SQLITE_PERM: "access to the database file is denied",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not a database of ours",
}
_FINAL = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIMARY_CODE = 0xFF


def wal_reset_warning(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """Return one sentence for the log when this SQLite has the WAL-reset bug, else an empty string."""
    fixed = version >= _FIXED_IN[-1] or any(version[:2] == fix[:2] and version >= fix for fix in _FIXED_IN)
    if fixed or version < (3, 7, 0):
        return ""
    shown = ".".join(map(str, version))
    return (
        f"SQLite {shown} has the WAL-reset bug: never let a second program write to or checkpoint "
        "the card database (fixed in 3.44.6, 3.50.7 and 3.51.3)"
    )


def as_port_error(error: BaseException) -> PortError:
    """Map what SQLite or the file system said to PortError in plain words."""
    if isinstance(error, PortError):
        return error
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        primary = None if code is None else code & _PRIMARY_CODE
        words = _WORDS.get(primary, str(error)) if primary is not None else str(error)
        final = primary in _FINAL or isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError)
        return PortError(words, retryable=not final)
    if isinstance(error, OSError):
        return PortError(error.strerror or str(error), retryable=True)
    return PortError(f"{type(error).__name__}: {error}", retryable=False)


class WriterLock:
    """One writing process per database; the operating system frees the lock when that process dies."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".writer")
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises PortError, final when another process holds it."""
        if self._fd is not None:
            return
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise as_port_error(error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise PortError(
                f"another process (pid {holder}) writes to this database, and only one may: "
                "if it is the daemon, stop it first",
                retryable=False,
            ) from error
        with contextlib.suppress(OSError):  # a full disk must not keep us from working: the pid is a courtesy
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def renew(self) -> None:
        """Take it under its name again when somebody deleted that. Raises PortError when another was quicker."""
        if self._fd is None or durable.stands_at(self._path, self._fd):
            return
        held, self._fd = self._fd, None
        try:
            self.acquire()
        finally:
            if self._fd is None:
                self._fd = held
            else:
                os.close(held)

    def release(self) -> None:
        """Give the lock back; harmless when not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(str(path.absolute()))}?mode={mode}"


class StoreConnection(aiosqlite.Connection):
    """Remembers its stop, and runs a whole transaction in one trip to its thread.

    aiosqlite does not wait for it when opening fails, and its thread then talks to a closed event loop.
    """

    stopped: asyncio.Future[None] | None = None

    def stop(self) -> asyncio.Future[None] | None:
        """Stop the thread; the future is done when it has."""
        self.stopped = super().stop()
        return self.stopped

    async def in_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the connection's thread; given up, it still runs to its end there."""
        return cast("T", await self._execute(work, self._conn))  # type: ignore[no-untyped-call]  # aiosqlite's


async def _connect(path: Path, mode: str) -> StoreConnection:
    """Open a connection, or fail and leave no thread behind."""
    uri = _uri(path, mode)

    def connector() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)

    connection = StoreConnection(connector, iter_chunk_size=ROWS_PER_TRIP)
    try:
        await connection
        return connection  # noqa: TRY300 - the await may raise
    except BaseException:
        if connection.stopped is not None:
            await asyncio.wait({connection.stopped}, timeout=BUSY_TIMEOUT_MS / 1000)
        raise


async def open_writer(path: Path, *, create: bool = True) -> StoreConnection:
    """Open, set up and migrate the one writing connection. Raises PortError; closes on any failure."""
    connection: StoreConnection | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = await _connect(path, "rwc" if create else "rw")
        await _set_up(connection)
        await _migrate(connection)
    except BaseException as error:
        if connection is not None:
            await connection.close()
        if isinstance(error, Exception):
            raise as_port_error(error) from error
        raise
    return connection


async def open_reader(path: Path) -> StoreConnection:
    """Open a read-only connection; the caller closes it. Raises PortError, also when there is no file."""
    connection: StoreConnection | None = None
    try:
        connection = await _connect(path, "ro")
        connection.row_factory = sqlite3.Row
        await connection.execute("PRAGMA trusted_schema = OFF")
        await connection.execute("PRAGMA query_only = ON")
    except BaseException as error:
        if connection is not None:
            await connection.close()
        if isinstance(error, (sqlite3.Error, OSError)):
            raise as_port_error(error) from error
        raise
    return connection


@contextlib.asynccontextmanager
async def reader(path: Path) -> AsyncIterator[aiosqlite.Connection]:
    """Open a read-only connection and close it. Raises PortError, also when there is no file."""
    connection = await open_reader(path)
    try:
        yield connection
    except (sqlite3.Error, OSError) as error:
        raise as_port_error(error) from error
    finally:
        # a connection left open keeps its non-daemon thread, and the process never ends
        await connection.close()


async def _set_up(connection: aiosqlite.Connection) -> None:
    connection.row_factory = sqlite3.Row
    for pragma in (
        "trusted_schema = OFF",
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",  # an erased number must not stay readable in free pages
    ):
        await connection.execute(f"PRAGMA {pragma}")


def migrations() -> list[tuple[int, str]]:
    """Return (version, SQL) of every migration, in order."""
    return [(int(file.stem), file.read_text("utf-8")) for file in sorted(MIGRATIONS.glob("[0-9]*.sql"))]


def split_statements(script: str) -> list[str]:
    """Return the single statements of a script; `executescript` would commit before it starts."""
    statements, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    if pending.strip():
        raise PortError(f"migration ends inside a statement: {pending.strip()[:60]!r}", retryable=False)
    return statements


async def _migrate(connection: aiosqlite.Connection, steps: list[tuple[int, str]] | None = None) -> None:
    """Bring the schema to the newest version, everything or nothing."""
    steps = migrations() if steps is None else steps
    have = await user_version(connection)
    newest = steps[-1][0]
    if have > newest:
        raise PortError(
            f"the database has schema {have}, this program knows {newest}: use the newer program",
            retryable=False,
        )
    if have == newest:
        return
    await connection.execute("BEGIN IMMEDIATE")
    try:
        # another process may have migrated between our look and our lock
        have = await user_version(connection)
        for version, script in steps:
            if version > have:
                for statement in split_statements(script):
                    await connection.execute(statement)
                await connection.execute(f"PRAGMA user_version = {version}")
        await connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            await connection.execute("ROLLBACK")
        raise


async def user_version(connection: aiosqlite.Connection) -> int:
    """Return the schema version stored in the file."""
    rows = list(await connection.execute_fetchall("PRAGMA user_version"))
    return int(rows[0][0])
