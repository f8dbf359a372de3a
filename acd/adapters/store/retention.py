"""What is kept for how long, and what is known of one number: the daily job, erasure, export.

Erasure reaches cards, history, fields, outbox, journal rows, ledger and spill file. It does not reach
Asterisk's own files (queue_log, CEL, recordings), backups made before, nor what others were sent: the
outbox tells each destination to erase too.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from acd.adapters.store import audit, cards, desk_store, drafts, ledger_store, outbox
from acd.cards import card_json as cardjson
from acd.core.ids import Ani
from acd.core.instant import HOUR_MS
from acd.ports import PortError

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.writer import Writer
    from acd.core.instant import Duration, Instant
    from acd.ports import Clock

DAY_MS: Duration = 24 * HOUR_MS
BATCH = 500
"""Cards removed per transaction, so that the daily job never holds up a live card."""
YIELD_S = 0.05
"""Between two batches: live cards go first."""
RETRY_S = 60.0
NATIONAL_DIGITS = 10
SHORTEST = 5
BETWEEN_DIGITS = " -().\u00a0\u2011\u2013\u2009\u202f"
"""Blanks (also those that do not break a line), hyphens, dashes, brackets, dots."""
_OVERDUE = "SELECT call FROM cards WHERE entered_at < ? ORDER BY entered_at, call LIMIT ?"


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """Days; longer needs a reason (152-FZ, GDPR)."""

    cards_days: int = 1_095
    journal_days: int = 30
    sent_days: int = 30
    intents_days: int = 2


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure touched."""

    cards: int
    journal_rows: int
    tasks: int


async def expire(db: aiosqlite.Connection, rules: RetentionRules, now: Instant) -> int:
    """Remove one batch of what is overdue; call again until it returns 0. Unsent messages and open tasks stay."""

    def before(days: int) -> int:
        return now - days * DAY_MS

    jobs: tuple[tuple[str, tuple[object, ...]], ...] = (
        (  # before the cards, or those cards would be made again from their journal rows
            f"DELETE FROM journal_rows WHERE call IN ({_OVERDUE})",  # noqa: S608 - a constant
            (before(rules.cards_days), BATCH),
        ),
        (
            f"DELETE FROM cards WHERE call IN ({_OVERDUE})",  # noqa: S608 - a constant
            (before(rules.cards_days), BATCH),
        ),
        (
            (
                "DELETE FROM missed_tasks WHERE id IN"
                " (SELECT id FROM missed_tasks WHERE closed_at IS NOT NULL AND closed_at < ? LIMIT ?)"
            ),
            (before(rules.cards_days), BATCH),
        ),
        (
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE state = 'sent' AND done_at < ? LIMIT ?)",
            (before(rules.sent_days), BATCH),
        ),
        (
            (  # a call without a card is still needed to make that card
                "DELETE FROM journal_rows WHERE id IN (SELECT id FROM journal_rows AS r WHERE ms < ? AND (call = ''"
                " OR EXISTS (SELECT 1 FROM cards AS c WHERE c.call = r.call) OR ms < ?) LIMIT ?)"
            ),
            (before(rules.journal_days), before(rules.cards_days), 10 * BATCH),
        ),
        (
            (
                "DELETE FROM intents WHERE (call, attempt, agent) IN"
                " (SELECT call, attempt, agent FROM intents WHERE at < ? LIMIT ?)"
            ),
            (before(rules.intents_days), 10 * BATCH),
        ),
    )
    removed = 0
    for sql, values in jobs:
        removed += (await db.execute(sql, values)).rowcount
    return removed + await drafts.expire(db, before(rules.intents_days), before(rules.cards_days), 10 * BATCH)


async def run_daily(
    writer: Writer, rules: RetentionRules, clock: Clock, every_s: float = DAY_MS / 1000
) -> None:
    """Remove what is overdue, now and then every day, until cancelled. A refusing database is asked again."""
    while True:
        pause_s = every_s
        try:
            while await writer.do(lambda db: expire(db, rules, clock.now())):  # noqa: ASYNC110 - one batch a turn
                await asyncio.sleep(YIELD_S)
        except PortError:
            pause_s = RETRY_S
        await asyncio.sleep(pause_s)


def needle(number: str) -> str:
    """Return the digits by which a number is recognised in every spelling. Raises ValueError when too short."""
    digits = re.sub(r"\D", "", number, flags=re.ASCII)[-NATIONAL_DIGITS:]
    if len(digits) < SHORTEST:
        raise ValueError(f"at least {SHORTEST} digits are needed to find a number")
    return digits


async def calls_about(db: aiosqlite.Connection, number: str) -> list[str]:
    """Return the ids of all calls in which this number occurs, in any spelling, in any part."""
    digits = needle(number)
    like = f"%{digits}%"
    # of a shorter number the joined digits of a date or a sum could be taken for it
    bare = _bare if len(digits) == NATIONAL_DIGITS else str
    rows = await db.execute_fetchall(
        "SELECT call FROM cards WHERE ani LIKE :like OR caller LIKE :like"  # noqa: S608 - names of columns
        f" OR {bare('explanation')} LIKE :like"
        f" UNION SELECT call FROM card_fields WHERE {bare('value')} LIKE :like OR name LIKE :like"
        f" UNION SELECT call FROM card_drafts WHERE {bare('value')} LIKE :like OR name LIKE :like"
        f" UNION SELECT call FROM card_history WHERE {bare('detail')} LIKE :like"
        " UNION SELECT call FROM journal_rows WHERE call <> '' AND fields LIKE :like"
        f" UNION SELECT call FROM outbox WHERE {bare('payload')} LIKE :like"
        " UNION SELECT m.call FROM missed_calls AS m JOIN missed_tasks AS t ON t.id = m.task"
        " WHERE t.number LIKE :like ORDER BY 1",
        {"like": like},
    )
    return [row[0] for row in rows]


def _bare(column: str) -> str:
    """Return SQL for a text without what people write between the digits of a number."""
    for mark in BETWEEN_DIGITS:
        column = f"replace({column}, char({ord(mark)}), '')"
    return column


async def erase(db: aiosqlite.Connection, number: str, now: Instant, who: str) -> Erased:
    """Remove the person behind a number from everything we keep; the counts and times of the calls stay."""
    like = f"%{needle(number)}%"
    calls = await calls_about(db, number)
    rows_touched = 0
    for call in calls:
        await _erase_card(db, call, now)
        cursor = await db.execute(
            "UPDATE journal_rows SET fields = json_remove(fields, '$.ani', '$.number', '$.to',"
            " '$.file') WHERE call = ?",
            (call,),
        )
        rows_touched += cursor.rowcount
    tasks = await db.execute(
        "UPDATE missed_tasks SET number = '', closed_at = coalesce(closed_at, ?),"
        " state = CASE WHEN closed_at IS NULL THEN 'closed' ELSE state END,"
        " closed_by = CASE WHEN closed_at IS NULL THEN 'erasure' ELSE closed_by END,"
        " close_reason = CASE WHEN closed_at IS NULL THEN 'erased on request' ELSE close_reason END"
        " WHERE number LIKE ?",
        (now, like),
    )
    await desk_store.erase(db, calls, like)
    await audit.append(db, now, who, "erase", f"{len(calls)} calls")
    return Erased(len(calls), rows_touched, tasks.rowcount)


async def _erase_card(db: aiosqlite.Connection, call: str, now: Instant) -> None:
    stored = await cards.get(db, call=call)
    await db.execute("DELETE FROM card_fields WHERE call = ?", (call,))
    await drafts.forget(db, call)
    if stored is not None:
        bare = replace(
            stored.card,
            ani=Ani(""),
            fields=(),
            history=tuple((at, state, "") for at, state, _ in stored.card.history),
            explanation=(),
        )
        await cards.write(db, bare, "", now)
    destinations = list(
        await db.execute_fetchall("SELECT DISTINCT destination FROM outbox WHERE call = ?", (call,))
    )
    # an unsent message would carry what was erased; the receiver hears of the erasure instead
    await db.execute(
        "UPDATE outbox SET payload = '{}', state = 'sent', done_at = coalesce(done_at, ?) WHERE call = ?",
        (now, call),
    )
    for row in destinations:
        payload = json.dumps({"v": cardjson.SCHEMA_VERSION, "call": call, "erased_at": now})
        await outbox.put(
            db,
            kind="erased",
            destination=row[0],
            key=f"{call}:erased:{now}",
            call=call,
            payload=payload,
            now=now,
        )


async def about(db: aiosqlite.Connection, number: str) -> dict[str, Any]:
    """Return everything we keep about a number, as JSON-able data."""
    calls = await calls_about(db, number)
    found = [await cards.get(db, call=call) for call in calls]
    rows = await db.execute_fetchall(
        "SELECT kind, call, queue, agent, ms, fields FROM journal_rows"
        " WHERE call IN (SELECT value FROM json_each(?)) ORDER BY id",
        (json.dumps(calls),),
    )
    everything = await ledger_store.find(db, ledger_store.TaskFilter(only_open=False, limit=1_000_000))
    digits = needle(number)
    return {
        "number": number,
        "cards": [cardjson.to_data(item.card) for item in found if item is not None],
        "journal": [{**dict(row), "fields": json.loads(row["fields"])} for row in rows],
        "missed": [
            {"number": task.number, "subscriber": task.subscriber, "state": task.state.value,
             "opened_at": task.opened_at, "missed": task.missed, "close_reason": task.close_reason}
            for task in everything
            if digits in re.sub(r"\D", "", task.number, flags=re.ASCII)
        ],
    }  # fmt: skip
