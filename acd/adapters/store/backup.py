"""Backup while the daemon writes, and restore that is safe to run twice.

A backup is one file, checked before it gets its name. A restore keeps the database it replaces, and leaps
ahead with the card numbers, because numbers handed out after the backup are in people's hands. The
journal cursors go back with the backup: what Asterisk still has of the time since is read again, and
the cards of those calls come back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acd import durable, unhurried
from acd.adapters.store.connection import WriterLock, as_port_error, migrations
from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER_LEAP = 100_000
"""Numbers skipped by a restore when the replaced database cannot say how far it was."""
PART = ".part"


@dataclass(frozen=True, slots=True)
class BackupReport:
    """A finished backup."""

    path: Path
    bytes: int
    cards: int


async def backup(database: Path, folder: Path, stamp: str, *, keep: int = 0) -> BackupReport:
    """Copy the database as it is at one moment into `folder`, check the copy, then name it by `stamp`.

    Works beside a writing daemon without stopping it. `keep` > 0 removes all but that many newest backups.
    Raises PortError.
    """
    return await unhurried.in_thread(_backup, database, folder, stamp, keep)


async def restore(source: Path, database: Path, stamp: str) -> Path | None:
    """Put a backup in the database's place; return where the replaced database went, None when there was none.

    Raises PortError, and then nothing has changed: no sound backup of ours, or a daemon is running.
    """
    return await asyncio.to_thread(_restore, source, database, stamp)


def _backup(database: Path, folder: Path, stamp: str, keep: int) -> BackupReport:
    target = folder / f"acd-{stamp}.db"
    part = target.with_name(target.name + PART)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with _opened(database, "ro") as source, _opened(part, "rw") as copy:
            source.backup(copy)  # all pages in one step: one snapshot, however busy the writer
            copy.execute("PRAGMA journal_mode = DELETE")
        cards = _examine(part)
        durable.sync(part)
        part.rename(target)
        durable.sync(folder)
        if keep > 0:
            for old in sorted(folder.glob("acd-*.db"))[:-keep]:
                old.unlink()
        return BackupReport(target, target.stat().st_size, cards)
    except (sqlite3.Error, OSError) as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise as_port_error(error) from error


def _restore(source: Path, database: Path, stamp: str) -> Path | None:
    lock = WriterLock(database)
    try:
        _examine(source)
        database.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        part = database.with_name(database.name + PART)
        shutil.copyfile(source, part)
        part.chmod(0o640)
        _leap(part, database)
        durable.sync(part)
        aside = _set_aside(database, stamp)
        part.rename(database)
        durable.sync(database.parent)
    except (sqlite3.Error, OSError) as error:
        raise as_port_error(error) from error
    finally:
        lock.release()
    return aside


def _examine(path: Path) -> int:
    """Return how many cards a file holds. Raises PortError when it is not a sound database of ours."""
    if not path.is_file():
        raise PortError(f"there is no file {path}", retryable=False)
    with _opened(path, "ro") as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        newest = migrations()[-1][0]
        if not 1 <= version <= newest:
            raise PortError(
                f"the file has schema {version}, this program knows 1 to {newest}", retryable=False
            )
        verdict = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise PortError(f"the file is damaged: {verdict}", retryable=False)
        return int(database.execute("SELECT count(*) FROM cards").fetchone()[0])


def _leap(part: Path, replaced: Path) -> None:
    """Move the card numbers past every number that may have been handed out since the backup."""
    known = None
    if replaced.exists():
        with contextlib.suppress(sqlite3.Error), _opened(replaced, "ro") as old:
            known = old.execute("SELECT next FROM number_blocks").fetchone()[0]
    with _opened(part, "rw") as database:
        if known is None:
            database.execute("UPDATE number_blocks SET next = next + ?", (NUMBER_LEAP,))
        else:
            database.execute("UPDATE number_blocks SET next = max(next, ?)", (known,))
        database.execute("PRAGMA journal_mode = DELETE")


def _set_aside(database: Path, stamp: str) -> Path | None:
    """Give the database a second name, whole, so that it can be put back; the first goes to the restored one in one step.

    Killed in between we leave the old one under its name: without any, the daemon would begin with an empty one.
    """
    if not database.exists():
        return None
    aside = database.with_name(f"{database.name}.replaced-{stamp}")
    with contextlib.suppress(sqlite3.Error), _opened(database, "rw") as old:  # a damaged one keeps its log
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", ""):
        name = database.with_name(database.name + suffix)
        if name.exists():
            _name_again(name, aside.with_name(aside.name + suffix))
    for suffix in ("-wal", "-shm"):  # or they would be read into the restored database
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    return aside


def _name_again(name: Path, second: Path) -> None:
    try:
        os.link(name, second)
    except OSError:  # a file system without second names
        shutil.copy2(name, second)
        durable.sync(second)


@contextlib.contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        yield connection
    finally:
        connection.close()
