"""On-call swaps in SQL. Every function works inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.adapters.store import audit

if TYPE_CHECKING:
    import aiosqlite

    from acd.core.instant import Instant


@dataclass(frozen=True, slots=True)
class KeptSwap:
    """One swap as it is kept."""

    id: int
    project: str
    rotation: str
    person: str
    starts_at: Instant
    ends_at: Instant
    made_by: str


async def current(db: aiosqlite.Connection, now: Instant) -> list[KeptSwap]:
    """Return every swap that is not over, in the order they were made."""
    rows = await db.execute_fetchall(
        "SELECT id, project, rotation, person, starts_at, ends_at, made_by FROM oncall_swaps WHERE ends_at > ?"
        " ORDER BY id",
        (now,),
    )
    return [KeptSwap(*row) for row in rows]


async def add(db: aiosqlite.Connection, swap: KeptSwap, now: Instant) -> None:
    """Keep one more; audited."""
    await db.execute(
        "INSERT INTO oncall_swaps (project, rotation, person, starts_at, ends_at, made_at, made_by)"
        " VALUES (?,?,?,?,?,?,?)",
        (swap.project, swap.rotation, swap.person, swap.starts_at, swap.ends_at, now, swap.made_by),
    )
    thing = f"{swap.project} {swap.rotation}: {swap.person}"
    await audit.append(db, now, swap.made_by, "on-call swap", thing)


async def remove(db: aiosqlite.Connection, project: str, swap: int, who: str, now: Instant) -> bool:
    """Take one back; False when this project has no such swap."""
    cursor = await db.execute("DELETE FROM oncall_swaps WHERE id = ? AND project = ?", (swap, project))
    if cursor.rowcount:
        await audit.append(db, now, who, "on-call swap taken back", f"{project} {swap}")
    return bool(cursor.rowcount)
