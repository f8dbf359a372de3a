"""Fields of a card before the card is written: an agent's words, durable from the moment they were accepted.

The core keeps fields in memory until it writes the card. Killed in between it forgets them, and the card made
from the journal has none. So each accepted field is a row first, and every write of the card takes in what
it lacks. The card's own word counts where both have one: it is never older. Words for a card that was stored
already, accepted just before we died, are taken in by the next start, or as soon as the disk takes them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog

from acd.adapters.store import cards
from acd.core.cards import FIELDS_LIMIT
from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import aiosqlite

    from acd.adapters.store.writer import Writer
    from acd.core.card import CallCard
    from acd.core.instant import Instant

Store: TypeAlias = "Callable[[aiosqlite.Connection, CallCard], Awaitable[None]]"

log = structlog.get_logger("acd.store")

_WITH_CARD: Final = (
    "card_drafts AS d JOIN cards AS c ON c.call = d.call"
    " LEFT JOIN card_fields AS f ON f.call = d.call AND f.name = d.name"
)
_LACKED: Final = "(f.name IS NULL OR (d.at >= c.stored_at AND f.value <> d.value))"
"""The card does not have this word, and has none that came after it."""


async def put(db: aiosqlite.Connection, call: str, fields: Iterable[tuple[str, str]], at: Instant) -> bool:
    """Keep fields; the last word of a name counts. False: over FIELDS_LIMIT names of one call, and none is kept."""
    new = {cards.clean(name): cards.clean(value) for name, value in fields}
    rows = await db.execute_fetchall(
        "SELECT name FROM card_drafts WHERE call = ?1 UNION SELECT name FROM card_fields WHERE call = ?1",
        (call,),
    )
    if len({str(row[0]) for row in rows} | new.keys()) > FIELDS_LIMIT:
        return False
    await db.executemany(
        "INSERT INTO card_drafts (call, name, value, at) VALUES (?,?,?,?)"
        " ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at",
        [(call, name, value, at) for name, value in new.items()],
    )
    return True


async def completed(db: aiosqlite.Connection, card: CallCard) -> CallCard:
    """Return the card with the fields that only their draft remembers, or that it knows later than the stored card."""
    rows = await db.execute_fetchall(
        "SELECT d.name, d.value FROM card_drafts AS d LEFT JOIN cards AS c ON c.call = d.call"
        " LEFT JOIN card_fields AS f ON f.call = d.call AND f.name = d.name"
        " WHERE d.call = ? AND (f.name IS NULL OR d.at >= c.stored_at) ORDER BY d.at, d.name",
        (card.call,),
    )
    known = {name for name, _ in card.fields}
    missing = [(str(row[0]), str(row[1])) for row in rows if row[0] not in known]
    if not missing:
        return card
    return replace(card, fields=(*card.fields, *missing)[:FIELDS_LIMIT])


async def take_in(writer: Writer, store: Store) -> None:
    """Store anew each card that lacks an accepted word which came after it: we died in between.

    Raises PortError when the database refuses for the moment. A card that can never be written holds up no other: its
    words stay drafts.
    """
    for call in await writer.do(_behind):
        try:
            await writer.do(partial(_take_in_one, call=call, store=store))
        except PortError as error:
            if error.retryable:
                raise
            log.exception("draft_not_taken_in", call=call)


async def _behind(db: aiosqlite.Connection) -> list[str]:
    rows = await db.execute_fetchall(f"SELECT DISTINCT d.call FROM {_WITH_CARD} WHERE {_LACKED}")  # noqa: S608
    return [str(row[0]) for row in rows]


async def _take_in_one(db: aiosqlite.Connection, call: str, store: Store) -> None:
    stored = await cards.get(db, call=call)
    if stored is not None:
        await store(db, replace(stored.card, fields=()))


async def expire(db: aiosqlite.Connection, taken_in: Instant, before: Instant, limit: int) -> int:
    """Remove at most `limit` drafts per rule; return how many.

    Those from before `taken_in` whose word their card has, and all from before `before`. The others are the only
    memory of an accepted word (000-06): their card may still be made from the journal, or the disk was full.
    """
    jobs = (
        (f"SELECT d.call, d.name FROM {_WITH_CARD} WHERE d.at < ? AND NOT {_LACKED} LIMIT ?", taken_in),  # noqa: S608
        ("SELECT call, name FROM card_drafts WHERE at < ? LIMIT ?", before),
    )
    removed = 0
    for which, at in jobs:
        sql = f"DELETE FROM card_drafts WHERE (call, name) IN ({which})"  # noqa: S608 - constants
        removed += (await db.execute(sql, (at, limit))).rowcount
    return removed


async def forget(db: aiosqlite.Connection, call: str) -> None:
    """Erase the drafts of one call."""
    await db.execute("DELETE FROM card_drafts WHERE call = ?", (call,))
