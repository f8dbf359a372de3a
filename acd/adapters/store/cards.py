"""Cards in SQL: write one with everything that belongs to it, find them again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING

from acd.adapters.store import numbers
from acd.cards import card_json as cardjson
from acd.cards import number as cardnumber
from acd.core.card import CallCard, Segment
from acd.core.ids import Ani, Did, QueueId, SubscriberId

if TYPE_CHECKING:
    import aiosqlite

    from acd.core.instant import Instant

LIST_LIMIT = 10_000
SHORTEST_PREFIX = 4
_SEGMENT = tuple(item.name for item in dataclass_fields(Segment))


@dataclass(frozen=True, slots=True)
class StoredCard:
    """A card as stored. `version` counts the changes of its content, 1 is the first."""

    card: CallCard
    version: int
    stored_at: Instant


@dataclass(frozen=True, slots=True)
class CardFilter:
    """Which cards to list; every empty part means any. Newest first."""

    since: Instant | None = None
    until: Instant | None = None
    """Entered at or after `since` and before `until`."""
    subscriber: str = ""
    queue: str = ""
    agent: str = ""
    ani: str = ""
    reason: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one write: the card as it now stands, and whether anything changed."""

    card: CallCard
    version: int
    changed: bool
    renumbered: bool = False


def clean(text: str) -> str:
    """Return text SQLite and UTF-8 can hold: lone surrogates and NUL become a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")


def _cleaned(card: CallCard) -> CallCard:
    return replace(
        card,
        subscriber=SubscriberId(clean(card.subscriber)),
        queue=QueueId(clean(card.queue)),
        did=Did(clean(card.did)),
        ani=Ani(clean(card.ani)),
        fields=tuple((clean(name), clean(value)) for name, value in card.fields),
        history=tuple((at, clean(state), clean(detail)) for at, state, detail in card.history),
        explanation=tuple(clean(str(line)) for line in card.explanation),
    )


def merged_fields(
    old: tuple[tuple[str, str], ...], new: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Return both, the newer value winning: a card told again after our restart must not erase the desk's work."""
    values = dict(old)
    values.update(new)
    return tuple(values.items())


async def calls_beginning(db: aiosqlite.Connection, prefix: str, most: int = 5) -> list[str]:
    """Return ids of calls with a card that begin so, the newest first; none for less than SHORTEST_PREFIX characters."""
    if len(prefix) < SHORTEST_PREFIX:
        return []
    rows = await db.execute_fetchall(
        "SELECT call FROM cards WHERE substr(call, 1, ?) = ? ORDER BY entered_at DESC LIMIT ?",
        (len(prefix), prefix.lower(), most),
    )
    return [str(row[0]) for row in rows]


async def write(db: aiosqlite.Connection, card: CallCard, caller: str, now: Instant) -> Written:
    """Insert or replace the card of this call inside the caller's transaction.

    `caller` is the ANI in its normal form. The number once stored stays. A card without a number gets one; a number that belongs to another
    card is replaced. The same content again changes nothing and keeps its version.
    """
    card = _cleaned(card)
    rows = list(
        await db.execute_fetchall("SELECT number, version, digest FROM cards WHERE call = ?", (card.call,))
    )
    stored = rows[0] if rows else None
    renumbered = False
    if stored is not None:
        fields = merged_fields(await _fields(db, card.call), card.fields)
        card = replace(card, number=str(stored["number"]), fields=fields)
    else:
        number = clean(card.number) or await _fresh_number(db)
        while await db.execute_fetchall("SELECT 1 FROM cards WHERE number = ?", (number,)):
            number, renumbered = await _fresh_number(db), True
        card = replace(card, number=number, fields=merged_fields((), card.fields))
    digest = cardjson.digest(card)
    if stored is not None and stored["digest"] == digest:
        return Written(card, int(stored["version"]), changed=False)
    version = 1 if stored is None else int(stored["version"]) + 1
    await _write_row(db, card, (version, digest, caller, now))
    await _write_parts(db, card)
    return Written(card, version, changed=True, renumbered=renumbered)


async def _fresh_number(db: aiosqlite.Connection) -> str:
    return cardnumber.from_sequence((await numbers.reserve(db, 1))[0])


async def _write_row(db: aiosqlite.Connection, card: CallCard, stamp: tuple[int, str, str, Instant]) -> None:
    version, digest, caller, now = stamp
    await db.execute(
        "INSERT INTO cards (call, number, version, digest, subscriber, queue, did, ani, caller, entered_at, answered_at,"
        " ended_at, end_reason, ended_by, cause, wait_ms, talk_ms, hold_ms, acw_ms, agent, explanation, stored_at)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (call) DO UPDATE SET version=excluded.version, digest=excluded.digest,"
        " subscriber=excluded.subscriber, queue=excluded.queue, did=excluded.did, ani=excluded.ani, caller=excluded.caller,"
        " entered_at=excluded.entered_at, answered_at=excluded.answered_at, ended_at=excluded.ended_at,"
        " end_reason=excluded.end_reason, ended_by=excluded.ended_by, cause=excluded.cause,"
        " wait_ms=excluded.wait_ms, talk_ms=excluded.talk_ms, hold_ms=excluded.hold_ms, acw_ms=excluded.acw_ms,"
        " agent=excluded.agent, explanation=excluded.explanation, stored_at=excluded.stored_at",
        (
            card.call,
            card.number,
            version,
            digest,
            card.subscriber,
            card.queue,
            card.did,
            card.ani,
            caller,
            card.entered_at,
            card.answered_at,
            card.ended_at,
            card.end_reason.value,
            card.ended_by.value,
            card.cause,
            card.wait_ms,
            card.talk_ms,
            card.hold_ms,
            card.acw_ms,
            card.agent,
            json.dumps(card.explanation, ensure_ascii=False),
            now,
        ),
    )


async def _write_parts(db: aiosqlite.Connection, card: CallCard) -> None:
    for table in ("card_segments", "card_history", "card_fields"):
        await db.execute(f"DELETE FROM {table} WHERE call = ?", (card.call,))  # noqa: S608 - constants above
    if card.segments:
        await db.executemany(
            "INSERT INTO card_segments VALUES (?,?,?,?,?,?,?,?,?,?)",
            [
                (
                    card.call,
                    ordinal,
                    part.agent,
                    part.attempt,
                    part.offered_at,
                    part.answered_at,
                    part.ended_at,
                    part.outcome,
                    part.hold_ms,
                    part.acw_ms,
                )
                for ordinal, part in enumerate(card.segments)
            ],
        )
    if card.history:
        await db.executemany(
            "INSERT INTO card_history VALUES (?,?,?,?,?)",
            [(card.call, ordinal, *entry) for ordinal, entry in enumerate(card.history)],
        )
    if card.fields:
        await db.executemany(
            "INSERT INTO card_fields VALUES (?,?,?,?)",
            [(card.call, ordinal, *pair) for ordinal, pair in enumerate(card.fields)],
        )


async def _fields(db: aiosqlite.Connection, call: str) -> tuple[tuple[str, str], ...]:
    rows = await db.execute_fetchall(
        "SELECT name, value FROM card_fields WHERE call = ? ORDER BY ordinal", (call,)
    )
    return tuple((str(row[0]), str(row[1])) for row in rows)


async def get(db: aiosqlite.Connection, *, call: str = "", number: str = "") -> StoredCard | None:
    """Return the card of a call id or of a bare card number, or None."""
    column, value = ("call", call) if call else ("number", number)
    rows = list(await db.execute_fetchall(f"SELECT * FROM cards WHERE {column} = ?", (value,)))  # noqa: S608
    found = await _assemble(db, rows)
    return found[0] if found else None


async def find(db: aiosqlite.Connection, wanted: CardFilter) -> list[StoredCard]:
    """Return the cards that match, newest first, at most `wanted.limit`."""
    conditions: list[str] = ["1"]
    values: list[object] = []
    tests = (
        ("entered_at >= ?", wanted.since),
        ("entered_at < ?", wanted.until),
        ("subscriber = ?", wanted.subscriber or None),
        ("queue = ?", wanted.queue or None),
        ("agent = ?", wanted.agent or None),
        ("end_reason = ?", wanted.reason or None),
    )
    for condition, value in tests:
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if wanted.ani:
        conditions.append("(ani = ? OR caller = ?)")
        values += [wanted.ani, wanted.ani]
    sql = f"SELECT * FROM cards WHERE {' AND '.join(conditions)} ORDER BY entered_at DESC, call LIMIT ?"  # noqa: S608
    limit = max(1, min(wanted.limit, LIST_LIMIT))
    return await _assemble(db, list(await db.execute_fetchall(sql, (*values, limit))))


async def _assemble(db: aiosqlite.Connection, rows: list[aiosqlite.Row]) -> list[StoredCard]:
    """Read the parts of many cards with one question each, not three per card."""
    if not rows:
        return []
    calls = json.dumps([row["call"] for row in rows])
    parts: dict[str, dict[str, list[aiosqlite.Row]]] = {}
    for table in ("card_segments", "card_history", "card_fields"):
        by_call: dict[str, list[aiosqlite.Row]] = {}
        for part in await db.execute_fetchall(
            f"SELECT * FROM {table} WHERE call IN (SELECT value FROM json_each(?)) ORDER BY call, ordinal",  # noqa: S608
            (calls,),
        ):
            by_call.setdefault(part["call"], []).append(part)
        parts[table] = by_call
    return [
        StoredCard(
            _card(
                row,
                parts["card_segments"].get(row["call"], []),
                parts["card_history"].get(row["call"], []),
                parts["card_fields"].get(row["call"], []),
            ),
            row["version"],
            row["stored_at"],
        )
        for row in rows
    ]


def _card(
    row: aiosqlite.Row,
    segments: list[aiosqlite.Row],
    history: list[aiosqlite.Row],
    fields: list[aiosqlite.Row],
) -> CallCard:
    """One reading of a card (acd.cards.card_json) for the database, the spill file and the wire."""
    data = dict(row) | {
        "v": cardjson.SCHEMA_VERSION,
        "segments": [{name: part[name] for name in _SEGMENT} for part in segments],
        "fields": [(part["name"], part["value"]) for part in fields],
        "history": [(part["at"], part["state"], part["detail"]) for part in history],
        "explanation": json.loads(row["explanation"]),
    }
    return cardjson.from_data(data)
