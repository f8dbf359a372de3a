"""A database whose file somebody deleted or replaced while we run: it is written back from the connection that is open.

SQLite goes on with the file without a name, all looks well, and everything is gone with the process. But as long as
we live the connection holds every row. So the writer looks before each transaction whether the names still lead to
what it writes to, and if not, copies all pages to a new file, gives it the name and goes on there (decision 0231).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from typing import TYPE_CHECKING, TypeAlias

from acd import durable

if TYPE_CHECKING:
    from pathlib import Path

    Identity: TypeAlias = tuple[int, int] | None

AGAIN_AFTER_S = 5.0
"""A copy that failed (a full disk) is not tried at every commit."""
PART = ".rescue"
LOG, INDEX = "-wal", "-shm"


def beside(path: Path, suffix: str) -> Path:
    """Return the name of a companion of the database."""
    return path.with_name(path.name + suffix)


def file_at(path: Path) -> Identity:
    """Return what a file is known by whatever its name, None when there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


def again(held: int, path: Path) -> int:
    """Give a file that lost its name before it was opened the name again; return its new descriptor. Raises OSError."""
    part = beside(path, PART)
    with open(held, "rb", closefd=False) as source, part.open("wb") as copy:
        source.seek(0)
        shutil.copyfileobj(source, copy)
    durable.sync(part)
    new = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    part.rename(path)
    os.close(held)
    return new


class StrayedError(Exception):
    """The names lead no longer to the files that are written to."""


class Home:
    """Which files a connection writes to. `look` is for its thread: a look at a disk may take long."""

    def __init__(self, path: Path, about: os.stat_result | None = None) -> None:
        self._path = path
        self._database = file_at(path) if about is None else (about.st_dev, about.st_ino)
        self._log: Identity = None
        """Of the write-ahead log, which the first transaction makes; rows are only there until a checkpoint."""
        self.strayed = False
        self._again_at = 0.0

    def look(self) -> bool:
        """Return whether the names still lead to our files."""
        log = file_at(beside(self._path, LOG))
        if self._log is None:
            self._log = log
        self.strayed = file_at(self._path) != self._database or log != self._log
        return not self.strayed

    def check(self) -> None:
        """Raise StrayedError when they do not, unless a copy failed just now."""
        if not self.look() and time.monotonic() >= self._again_at:
            raise StrayedError

    def put_off(self) -> None:
        """A copy failed: what is written goes to the files without a name for some seconds more."""
        self._again_at = time.monotonic() + AGAIN_AFTER_S

    def write_back(self, raw: sqlite3.Connection) -> int:
        """Copy all pages of the open connection to a new file and give it the database's name; in its thread.

        What somebody put in its place is kept as `<database>.replaced-SECONDS`. Afterwards the connection is to be
        closed and a new one opened. Returns a descriptor of the new file, to be closed when that one is open: should the
        name be deleted once more before, the copy is still there. Raises OSError, sqlite3.Error; then nothing has changed.
        """
        part = beside(self._path, PART)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy:
                raw.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
            durable.sync(part)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        held = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._make_room()
            part.rename(self._path)
            durable.sync(self._path.parent)
        except BaseException:
            os.close(held)
            raise
        return held

    def _make_room(self) -> None:
        """Take away an old log of ours, which would be read into the new file, and keep what is not ours."""
        log, index = beside(self._path, LOG), beside(self._path, INDEX)
        stranger = f".replaced-{time.time_ns() // 1_000_000_000}"
        foreign = file_at(self._path) not in (None, self._database)
        foreign_log = foreign and file_at(log) not in (None, self._log)
        for name in (log, index):
            if foreign_log and name.exists():
                name.rename(beside(self._path, stranger + name.name.removeprefix(self._path.name)))
            else:
                name.unlink(missing_ok=True)
        if foreign:
            self._path.rename(beside(self._path, stranger))
