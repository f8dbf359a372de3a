"""Cards rebuilt from the journal: to check that both say the same, and to write what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from acd.adapters.store import cards, journal_store
from acd.cards import fold as cardfold

if TYPE_CHECKING:
    import aiosqlite

    from acd.core.card import CallCard
    from acd.core.instant import Instant


@dataclass(slots=True)
class RebuildReport:
    """What a check of all cards against the journal found."""

    calls: int = 0
    """Ended calls in the journal."""
    equal: int = 0
    unfinished: int = 0
    missing: list[str] = field(default_factory=list)
    """In the journal, but without a card."""
    fresh: list[str] = field(default_factory=list)
    """As missing, but ended so lately that the agent's wrap-up may go on: the card is stored when that is over."""
    extra: list[str] = field(default_factory=list)
    """A card, but not one row in the journal."""
    different: dict[str, list[str]] = field(default_factory=dict)
    """Call id to the fields that differ."""

    @property
    def ok(self) -> bool:
        """Return whether journal and cards say the same."""
        return not (self.missing or self.extra or self.different)


async def fold_call(db: aiosqlite.Connection, call: str, *, lost: bool = False) -> CallCard | None:
    """Return the card the journal gives for this call, or None while it has not ended.

    `lost`: the call is known to be gone, so a missing end is a failure of the switch; its moment and
    cause come from CEL if it has them, else the last note counts.
    """
    rows = await journal_store.rows_of(db, call)
    card = cardfold.fold(rows)
    if card is not None or not lost or not rows:
        return card
    end = await journal_store.channel_end(db, call)
    last = max(row.ms for row in rows)
    card = cardfold.fold(rows, pbx_failed_at=last if end is None else end[0])
    return card if card is None or end is None else replace(card, cause=end[1])


async def check(
    db: aiosqlite.Connection, since: Instant = 0, fresh_from: Instant | None = None
) -> RebuildReport:
    """Fold every call of the journal and compare it with its card, field by field.

    `fresh_from`: who ended from then on may still be without a card; None: nobody may.
    """
    report = RebuildReport()
    seen = await journal_store.calls(db, since)
    for call in seen:
        stored = await cards.get(db, call=call)
        folded = await fold_call(db, call, lost=stored is not None)
        if folded is None:
            report.unfinished += 1
            continue
        report.calls += 1
        if stored is None:
            fresh = fresh_from is not None and (folded.ended_at or 0) >= fresh_from
            (report.fresh if fresh else report.missing).append(call)
            continue
        lines = cardfold.differences(folded, stored.card)
        if lines:
            report.different[call] = lines
        else:
            report.equal += 1
    known = set(seen)
    rows = await db.execute_fetchall(
        "SELECT call FROM cards WHERE entered_at >= ? ORDER BY entered_at", (since,)
    )
    report.extra = [row[0] for row in rows if row[0] not in known]
    return report


async def rebuilt(db: aiosqlite.Connection, since: Instant = 0) -> list[CallCard]:
    """Return the cards that must be written so that the cards say what the journal says."""
    report = await check(db, since)
    found = []
    for call in (*report.missing, *report.different):
        stored = await cards.get(db, call=call)
        folded = await fold_call(db, call, lost=stored is not None)
        if folded is not None:
            found.append(cardfold.completed(folded, None if stored is None else stored.card))
    return found
