"""Who opened, exported, restored, logged in: into the audit log, also from commands beside the daemon.

Only one process may write to the database (connection.py says why), and whoever only reads is not it. So a command
leaves a small file beside the database, complete or not at all, and whoever writes next puts it into the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from acd import durable
from acd.adapters.store import audit
from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import aiosqlite

    from acd.adapters.store.writer import Writer
    from acd.core.instant import Instant
    from acd.ports import Clock

Note: TypeAlias = tuple[int, str, str, str]
"""When, who, what, to which object."""

EVERY_S = 5.0
NOTES_AT_ONCE = 500
NOTE_BYTES = 4_096


def folder_of(database: Path) -> Path:
    """Where notes about this database wait."""
    return database.with_name(database.name + ".audit")


def leave(database: Path, at: Instant, who: str, what: str, obj: str) -> None:
    """Leave a note, durably, for the next writer.

    Raises PortError when it cannot be written: what nobody may know of is not shown either.
    """
    folder = folder_of(database)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        durable.write(folder / f"{at:015d}-{uuid.uuid4().hex}.json", json.dumps([at, who, what, obj]))
    except OSError as error:
        raise PortError(
            f"what is opened is noted in {folder}, which refuses: {error.strerror or error}", retryable=True
        ) from error


def waiting(database: Path) -> list[Path]:
    """Return the notes not yet in the log, oldest first."""
    folder = folder_of(database)
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


async def collect(writer: Writer, database: Path) -> int:
    """Put waiting notes into the log and remove them; return how many. A note is never put in twice.

    Raises PortError when the database refuses; the notes stay.
    """
    found = await asyncio.to_thread(_readable, database)
    if not found:
        return 0

    async def job(db: aiosqlite.Connection) -> None:
        for note in found.values():
            known = "SELECT 1 FROM audit WHERE at = ? AND who = ? AND what = ? AND object = ? LIMIT 1"
            if not list(await db.execute_fetchall(known, note)):
                await audit.append(db, *note)

    await writer.do(job)
    await asyncio.to_thread(_remove, found)
    return len(found)


def _readable(database: Path) -> dict[Path, Note]:
    """Return what waits, oldest first; what cannot be read stays for a person to look at."""
    read = {path: _read(path) for path in waiting(database)[:NOTES_AT_ONCE]}
    return {path: note for path, note in read.items() if note is not None}


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _read(path: Path) -> Note | None:
    try:
        at, who, what, obj = json.loads(path.read_bytes()[:NOTE_BYTES])
        return int(at), str(who), str(what), str(obj)
    except (OSError, ValueError, TypeError):
        return None


class AuditNotes:
    """The daemon's side: its own notes at once, those of commands every few seconds."""

    def __init__(self, writer: Writer, database: Path, clock: Clock) -> None:
        self._writer, self._database, self._clock = writer, database, clock

    async def __call__(self, who: str, what: str, obj: str) -> None:
        """Note what somebody did; while the database refuses, in a file. Raises PortError when neither can be."""
        now = self._clock.now()
        try:
            await self._writer.do(lambda db: audit.append(db, now, who, what, obj))
        except PortError:
            await asyncio.to_thread(leave, self._database, now, who, what, obj)

    async def run(self) -> None:
        """Collect until cancelled."""
        while True:
            with contextlib.suppress(PortError):  # the store's own trouble says so; the notes wait
                await collect(self._writer, self._database)
            await asyncio.sleep(EVERY_S)
