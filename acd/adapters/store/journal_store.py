"""Asterisk's journal as far as we read it: rows and cursor in one transaction, cards rebuilt from rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from acd.cards import fold as cardfold
from acd.wire.queue_log import JournalRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    import aiosqlite

    from acd.core.instant import Instant

FALLBACK_ANSWER = "ACDFALLBACKANSWER"
CALLBACK = "ACDCALLBACK"
HEARD = "heard"
"""Source of rows that only the live feed brought: Asterisk could not write them."""


async def add_rows(db: aiosqlite.Connection, source: str, rows: Iterable[JournalRow]) -> None:
    """Add rows inside the caller's transaction."""
    await db.executemany(
        "INSERT INTO journal_rows (source, kind, call, queue, agent, ms, fields) VALUES (?,?,?,?,?,?,?)",
        [
            (
                source,
                row.kind,
                row.call,
                row.queue,
                row.agent,
                row.ms,
                json.dumps(row.fields, ensure_ascii=False),
            )
            for row in rows
        ],
    )


async def cursors(db: aiosqlite.Connection, path: str) -> list[tuple[int, int, bytes]]:
    """Return (inode, offset, tail) of the files of this journal still being read."""
    rows = await db.execute_fetchall(
        "SELECT inode, offset, tail FROM journal_cursors WHERE path = ?", (path,)
    )
    return [(row[0], row[1], bytes(row[2])) for row in rows]


async def set_cursor(db: aiosqlite.Connection, path: str, inode: int, offset: int, tail: bytes) -> None:
    """Remember how far a file is read, inside the caller's transaction."""
    await db.execute(
        "INSERT INTO journal_cursors (path, inode, offset, tail) VALUES (?,?,?,?)"
        " ON CONFLICT DO UPDATE SET offset = excluded.offset, tail = excluded.tail",
        (path, inode, offset, tail),
    )


async def forget_cursor(db: aiosqlite.Connection, path: str, inode: int) -> None:
    """The file is read to its end."""
    await db.execute("DELETE FROM journal_cursors WHERE path = ? AND inode = ?", (path, inode))


async def rows_of(db: aiosqlite.Connection, call: str) -> list[JournalRow]:
    """Return the rows of one call in the order Asterisk wrote them; those it could not write by their time."""
    rows = list(await db.execute_fetchall("SELECT * FROM journal_rows WHERE call = ? ORDER BY id", (call,)))
    if any(row["source"] == HEARD for row in rows):
        rows.sort(key=lambda row: int(row["ms"]))
    return [_row(row) for row in rows]


async def calls(db: aiosqlite.Connection, since: Instant = 0) -> list[str]:
    """Return the ids of all calls that entered since, oldest first."""
    rows = await db.execute_fetchall(
        "SELECT call, min(id) AS first FROM journal_rows WHERE call <> '' AND ms >= ? GROUP BY call ORDER BY first",
        (since,),
    )
    return [row[0] for row in rows]


async def unfinished(db: aiosqlite.Connection, before: Instant) -> list[str]:
    """Return calls that entered before and have no end in the journal: live ones, or lost ones.

    A card of theirs is no end: the core may have guessed that a talk ended which died with the switch.
    """
    rows = await db.execute_fetchall(
        "SELECT DISTINCT call FROM journal_rows AS r WHERE kind = 'ACDENTER' AND ms < ? AND call <> ''"
        " AND NOT EXISTS (SELECT 1 FROM journal_rows AS e WHERE e.call = r.call"
        " AND e.kind IN ('ACDEND', 'ACDLOST')) ORDER BY r.id",
        (before,),
    )
    return [row[0] for row in rows]


async def mark_lost(db: aiosqlite.Connection, call: str) -> None:
    """Note, inside the caller's transaction, that this call is gone without an end: when and why, as far as known."""
    rows = await rows_of(db, call)
    end = await channel_end(db, call)
    ms, cause = (max(row.ms for row in rows), 0) if end is None else end
    await add_rows(db, "", [JournalRow(cardfold.LOST, call, "", "", ms, {"cause": str(cause)})])


async def without_card(db: aiosqlite.Connection, before: Instant, after_row: int) -> tuple[list[str], int]:
    """Return calls whose end is in the journal since before and which have no card, and the row to go on from.

    Only rows behind `after_row` are looked at; every earlier end has its card. Asked every few seconds, over a
    journal of a month.
    """
    (newest,) = next(iter(await db.execute_fetchall("SELECT coalesce(max(id), 0) FROM journal_rows")))
    rows = list(
        await db.execute_fetchall(
            "SELECT id, call, ms FROM journal_rows AS r WHERE id > ? AND kind = 'ACDEND' AND call <> ''"
            " AND NOT EXISTS (SELECT 1 FROM cards AS c WHERE c.call = r.call) ORDER BY id",
            (after_row,),
        )
    )
    due = dict.fromkeys(row["call"] for row in rows if row["ms"] < before)
    return list(due), int(rows[0]["id"]) - 1 if rows else int(newest)


async def channel_end(db: aiosqlite.Connection, call: str) -> tuple[Instant, int] | None:
    """Return (when, cause) of the caller's channel from CEL, for a call whose end queue_log does not have."""
    rows = list(
        await db.execute_fetchall(
            "SELECT h.ms, json_extract(h.fields, '$.cause') AS cause FROM journal_rows AS e JOIN journal_rows AS h"
            " ON h.kind = 'CELHANGUP' AND json_extract(h.fields, '$.uniqueid') = json_extract(e.fields, '$.uniqueid')"
            " WHERE e.call = ? AND e.kind = 'CELENTER' AND h.id > e.id ORDER BY h.id LIMIT 1",
            (call,),
        )
    )
    if not rows:
        return None
    cause = str(rows[0]["cause"])
    return int(rows[0]["ms"]), int(cause) if cause.isascii() and cause.isdigit() else 0


async def fallback_answered_at(db: aiosqlite.Connection, call: str) -> Instant | None:
    """Return when a member of the fallback queue answered this call, or None."""
    rows = list(
        await db.execute_fetchall(
            "SELECT ms FROM journal_rows WHERE call = ? AND kind = ? ORDER BY id LIMIT 1",
            (call, FALLBACK_ANSWER),
        )
    )
    return rows[0]["ms"] if rows else None


async def callback_number(db: aiosqlite.Connection, call: str) -> str:
    """Return the number this caller wants to be called back at, empty when none was given."""
    rows = list(
        await db.execute_fetchall(
            "SELECT json_extract(fields, '$.number') FROM journal_rows WHERE call = ? AND kind = ?"
            " ORDER BY id DESC LIMIT 1",
            (call, CALLBACK),
        )
    )
    return str(rows[0][0] or "") if rows else ""


def _row(row: aiosqlite.Row) -> JournalRow:
    return JournalRow(
        row["kind"], row["call"], row["queue"], row["agent"], row["ms"], json.loads(row["fields"])
    )
