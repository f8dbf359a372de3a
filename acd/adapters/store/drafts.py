"""Fields of a card before the card is written: an agent's words, durable from the moment they were accepted.

The core keeps fields in memory until it writes the card. Killed in between it forgets them, and the card made
from the journal has none. So each accepted field is a row first, and every write of the card takes in what
it lacks. The card's own word counts where both have one: it is never older.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from acd.adapters.store import cards
from acd.core.cards import FIELDS_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable

    import aiosqlite

    from acd.core.card import CallCard
    from acd.core.instant import Instant


async def put(db: aiosqlite.Connection, call: str, fields: Iterable[tuple[str, str]], at: Instant) -> None:
    """Keep fields; the last word of a name counts. Over FIELDS_LIMIT names of one call nothing new is kept."""
    await db.executemany(
        "INSERT INTO card_drafts (call, name, value, at) SELECT ?1, ?2, ?3, ?4"
        " WHERE (SELECT count(*) FROM card_drafts WHERE call = ?1 AND name <> ?2) < ?5"
        " ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at",
        [(call, cards.clean(name), cards.clean(value), at, FIELDS_LIMIT) for name, value in fields],
    )


async def completed(db: aiosqlite.Connection, card: CallCard) -> CallCard:
    """Return the card with the fields that only their draft remembers."""
    rows = await db.execute_fetchall(
        "SELECT name, value FROM card_drafts WHERE call = ? ORDER BY at, name", (card.call,)
    )
    known = {name for name, _ in card.fields}
    missing = [(str(row[0]), str(row[1])) for row in rows if row[0] not in known]
    if not missing:
        return card
    return replace(card, fields=(*card.fields, *missing)[:FIELDS_LIMIT])


async def forget(db: aiosqlite.Connection, call: str) -> None:
    """Erase the drafts of one call."""
    await db.execute("DELETE FROM card_drafts WHERE call = ?", (call,))
