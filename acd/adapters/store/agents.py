"""Agents' status over restarts, in SQL. Every function works inside the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.adapters.store.cards import clean
from acd.core.events import LiveAgent
from acd.core.ids import AgentId

if TYPE_CHECKING:
    import aiosqlite

    from acd.core.effects import KeepAgentStatus


async def keep(db: aiosqlite.Connection, wish: KeepAgentStatus) -> None:
    """Remember an agent's status; the last one counts."""
    await db.execute(
        "INSERT INTO agents (agent, logged_in, paused_reason, device, since, wrap_up_until)"
        " VALUES (?,?,?,?,?,?) ON CONFLICT (agent) DO UPDATE SET logged_in = excluded.logged_in,"
        " paused_reason = excluded.paused_reason, device = excluded.device, since = excluded.since,"
        " wrap_up_until = excluded.wrap_up_until",
        (
            *(wish.agent, int(wish.logged_in), clean(wish.paused_reason), clean(wish.device)),
            *(wish.since, wish.wrap_up_until),
        ),
    )


async def load(db: aiosqlite.Connection) -> tuple[LiveAgent, ...]:
    """Return the status of every agent ever kept, phones unknown."""
    rows = await db.execute_fetchall("SELECT * FROM agents ORDER BY agent")
    return tuple(
        LiveAgent(
            agent=AgentId(row["agent"]),
            logged_in=bool(row["logged_in"]),
            paused_reason=row["paused_reason"],
            device=row["device"],
            wrap_up_until=row["wrap_up_until"],
        )
        for row in rows
    )
