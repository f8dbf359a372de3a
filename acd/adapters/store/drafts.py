"""Fields of a card before the card is written: an agent's words, durable from the moment they were accepted.

The core keeps fields in memory until it writes the card. Killed in between it forgets them, and the card made
from the journal has none. So each accepted field is a row first, and every write of the card takes in what
it lacks. The card's own word counts where both have one: it is never older. Words for a card that was stored
already, accepted just before we died, are taken in by the next start.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from acd.adapters.store import cards
from acd.core.cards import FIELDS_LIMIT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import aiosqlite

    from acd.core.card import CallCard
    from acd.core.instant import Instant


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


async def take_in(
    db: aiosqlite.Connection, store: Callable[[aiosqlite.Connection, CallCard], Awaitable[None]]
) -> None:
    """Store anew each card that lacks an accepted word which came after it: we died in between."""
    rows = await db.execute_fetchall(
        "SELECT DISTINCT d.call FROM card_drafts AS d JOIN cards AS c ON c.call = d.call"
        " LEFT JOIN card_fields AS f ON f.call = d.call AND f.name = d.name"
        " WHERE f.name IS NULL OR (d.at >= c.stored_at AND f.value <> d.value)"
    )
    for row in rows:
        stored = await cards.get(db, call=str(row[0]))
        if stored is not None:
            await store(db, replace(stored.card, fields=()))


async def forget(db: aiosqlite.Connection, call: str) -> None:
    """Erase the drafts of one call."""
    await db.execute("DELETE FROM card_drafts WHERE call = ?", (call,))
