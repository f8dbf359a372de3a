"""The outbox: what others must be told, committed together with what happened, sent until taken.

A message is never deleted before it was taken. Messages about one call leave in the order they were
written. The receiver removes doubles by the idempotency key: at least once here, exactly once there.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.core.instant import HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.writer import Writer

DEAD_AFTER_MS: Duration = 24 * HOUR_MS
FIRST_RETRY_MS: Duration = SECOND_MS
LONGEST_RETRY_MS: Duration = 10 * MINUTE_MS
_DOUBLINGS = 12


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One message to one destination. `key` is the idempotency key; `attempts` counts former tries."""

    id: int
    kind: str
    destination: str
    key: str
    call: str
    payload: str
    attempts: int
    created_at: Instant


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """How the outbox stands: waiting, sent, dead (given up as too old; an alarm), oldest waiting."""

    waiting: int
    sent: int
    dead: int
    oldest_waiting_at: Instant | None


async def put(
    db: aiosqlite.Connection, *, kind: str, destination: str, key: str, call: str, payload: str, now: Instant
) -> None:
    """Add a message inside the caller's transaction; the same key again is the same message."""
    await db.execute(
        "INSERT INTO outbox (kind, destination, idempotency_key, call, payload, created_at, next_try_at, state)"
        " VALUES (?,?,?,?,?,?,?,'waiting') ON CONFLICT (destination, idempotency_key) DO NOTHING",
        (kind, destination, key, call, payload, now, now),
    )


async def due(db: aiosqlite.Connection, destination: str, now: Instant, limit: int) -> list[OutboxMessage]:
    """Return messages whose time has come, oldest first: of each call only its oldest unsent one."""
    rows = await db.execute_fetchall(
        "SELECT id, kind, destination, idempotency_key, call, payload, attempts, created_at FROM outbox AS o"
        " WHERE destination = ? AND state = 'waiting' AND next_try_at <= ?"
        " AND NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.destination = o.destination AND e.call = o.call"
        " AND e.state = 'waiting' AND e.id < o.id)"
        " ORDER BY id LIMIT ?",
        (destination, now, limit),
    )
    return [OutboxMessage(*row) for row in rows]


async def make_due(db: aiosqlite.Connection, destination: str, now: Instant) -> None:
    """Let nothing wait for a time that another clock meant.

    A clock that was an hour ahead and was put right (we anchor our timeline at the start, so that shows after a restart)
    has left messages that are due in an hour. Nor would a message that a former life retried have to wait on.
    """
    await db.execute(
        "UPDATE outbox SET next_try_at = ?, created_at = min(created_at, ?)"
        " WHERE destination = ? AND state = 'waiting' AND next_try_at > ?",
        (now, now, destination, now),
    )


async def mark_sent(db: aiosqlite.Connection, message: int, now: Instant) -> None:
    """The receiver took it."""
    await db.execute(
        "UPDATE outbox SET state = 'sent', attempts = attempts + 1, done_at = ?, last_error = '' WHERE id = ?",
        (now, message),
    )


async def mark_failed(
    db: aiosqlite.Connection,
    message: OutboxMessage,
    error: str,
    now: Instant,
    wait_ms: Duration,
    dead_after_ms: Duration = DEAD_AFTER_MS,
) -> bool:
    """Try again after `wait_ms`, or give up when the message is too old; return whether it was given up."""
    dead = now - message.created_at >= dead_after_ms
    await db.execute(
        "UPDATE outbox SET attempts = attempts + 1, last_error = ?, next_try_at = ?, state = ?, done_at = ?"
        " WHERE id = ? AND state = 'waiting'",
        (error[:500], now + wait_ms, "dead" if dead else "waiting", now if dead else None, message.id),
    )
    return dead


async def revive(db: aiosqlite.Connection, now: Instant) -> int:
    """Give dead messages a new life (a person repaired the receiver); return how many."""
    cursor = await db.execute(
        "UPDATE outbox SET state = 'waiting', created_at = ?, next_try_at = ?, done_at = NULL WHERE state = 'dead'",
        (now, now),
    )
    return cursor.rowcount


async def counts(db: aiosqlite.Connection) -> OutboxCounts:
    """Return how the outbox stands."""
    rows = list(
        await db.execute_fetchall(
            "SELECT coalesce(sum(state = 'waiting'), 0), coalesce(sum(state = 'sent'), 0),"
            " coalesce(sum(state = 'dead'), 0), min(CASE WHEN state = 'waiting' THEN created_at END) FROM outbox"
        )
    )
    return OutboxCounts(*rows[0])


def retry_wait_ms(attempts: int, draw: random.Random, at_least_ms: Duration = 0) -> Duration:
    """Return how long to wait after the n-th failure: doubling, capped, each between half and whole.

    The jitter keeps a hundred messages that failed together from coming back together.
    """
    ceiling = min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** min(attempts, _DOUBLINGS))
    return max(at_least_ms, draw.randint(ceiling // 2, ceiling))


class Outbox:
    """The worker's view: what is due, and what became of it. Every call is one committed transaction."""

    def __init__(
        self, writer: Writer, draw: random.Random | None = None, *, dead_after_ms: Duration = DEAD_AFTER_MS
    ) -> None:
        self._writer, self._dead_after_ms = writer, dead_after_ms
        self._draw = draw or random.Random()  # noqa: S311 - jitter, not a secret
        self._begun: set[str] = set()
        """Destinations asked about in this life."""

    async def due(self, destination: str, now: Instant, limit: int) -> list[OutboxMessage]:
        """Return messages whose time has come; the first time in our life every waiting one is due."""

        async def job(db: aiosqlite.Connection) -> list[OutboxMessage]:
            if destination not in self._begun:
                await make_due(db, destination, now)
            return await due(db, destination, now, limit)

        found = await self._writer.do(job)
        self._begun.add(destination)
        return found

    async def sent(self, message: OutboxMessage, now: Instant) -> None:
        """The receiver took it."""
        await self._writer.do(lambda db: mark_sent(db, message.id, now))

    async def failed(
        self, message: OutboxMessage, error: str, now: Instant, *, retry_after_ms: Duration = 0
    ) -> bool:
        """It was not taken; return whether it was given up."""
        wait_ms = retry_wait_ms(message.attempts, self._draw, retry_after_ms)
        return await self._writer.do(
            lambda db: mark_failed(db, message, error, now, wait_ms, self._dead_after_ms)
        )

    async def counts(self) -> OutboxCounts:
        """Return how the outbox stands."""
        return await self._writer.do(counts)
