"""The audit log: who listened, opened, exported, erased. No content, and each row's digest covers the one before.

A changed, removed or inserted row breaks the chain. Rows cut off at the end cannot be seen from inside:
keep the head digest that `verify` reports somewhere else, and compare.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiosqlite

    from acd.core.instant import Instant

GENESIS = "0" * 64
ROWS_AT_ONCE = 1_000
LENGTH_LIMIT = 200


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a check of the chain found. `first_bad` is the id of the first row that does not fit."""

    rows: int
    head: str
    first_bad: int | None = None

    @property
    def ok(self) -> bool:
        """Return whether every row fits."""
        return self.first_bad is None


async def append(db: aiosqlite.Connection, at: Instant, who: str, what: str, obj: str) -> str:
    """Add a row inside the caller's transaction and return the new head digest.

    `obj` names what was touched by card number, call or task id; never a caller's number.
    """
    rows = list(await db.execute_fetchall("SELECT id, digest FROM audit ORDER BY id DESC LIMIT 1"))
    row_id, before = (rows[0][0] + 1, rows[0][1]) if rows else (1, GENESIS)
    who, what, obj = (text.encode("utf-8", "replace").decode()[:LENGTH_LIMIT] for text in (who, what, obj))
    digest = _digest(before, (row_id, at, who, what, obj))
    await db.execute(
        "INSERT INTO audit (id, at, who, what, object, digest) VALUES (?,?,?,?,?,?)",
        (row_id, at, who, what, obj, digest),
    )
    return digest


async def rows(db: aiosqlite.Connection, since: Instant, limit: int) -> list[tuple[int, str, str, str]]:
    """Return the newest rows from `since` on, as (at, who, what, object), oldest first."""
    found = await db.execute_fetchall(
        "SELECT at, who, what, object FROM audit WHERE at >= ? ORDER BY id DESC LIMIT ?", (since, limit)
    )
    return [(row[0], row[1], row[2], row[3]) for row in found][::-1]


async def verify(db: aiosqlite.Connection) -> AuditReport:
    """Check every row against the one before."""
    before, expected, count, last = GENESIS, 1, 0, -1
    while rows := list(
        await db.execute_fetchall(
            "SELECT id, at, who, what, object, digest FROM audit WHERE id > ? ORDER BY id LIMIT ?",
            (last, ROWS_AT_ONCE),
        )
    ):
        for row in rows:
            content = (row[0], row[1], row[2], row[3], row[4])
            if row[0] != expected or _digest(before, content) != row[5]:
                return AuditReport(count, before, int(row[0]))
            before, expected, count = str(row[5]), expected + 1, count + 1
        last = int(rows[-1][0])
    return AuditReport(count, before)


def _digest(before: str, content: tuple[object, ...]) -> str:
    text = json.dumps([before, *content], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
