"""The last hour of a call: its end, its card, and the late news that still change the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core import names
from acd.core.card import fold
from acd.core.effects import WriteCallCard
from acd.core.events import EndReason
from acd.core.tally import Way

if TYPE_CHECKING:
    from acd.core.call import Call
    from acd.core.floor import Floor
    from acd.core.instant import Instant

CLOSED_LIMIT = 10_000
"""Ended calls kept for late fields; older ones leave memory whatever the hour."""

FIELDS_LIMIT = 100
FIELD_LENGTH_LIMIT = 20_000

_WAYS = {
    EndReason.ABANDONED: Way.ABANDONED,
    EndReason.OVERFLOWED: Way.OVERFLOWED,
    EndReason.FALLBACK: Way.FALLBACK,
    EndReason.REFUSED: Way.REFUSED,
    EndReason.SELF_SERVED: Way.REFUSED,  # for completeness: he never was in the line
    EndReason.CALLBACK: Way.CALLBACK,
    EndReason.PBX_FAILED: Way.PBX_FAILED,
    EndReason.TRANSFERRED: Way.ANSWERED,
    EndReason.HANDLED: Way.ANSWERED,
    EndReason.NOT_REACHED: Way.CALLBACK,  # for the table's completeness: call-backs stay uncounted
}


def reason_by_state(call: Call) -> EndReason:
    """Name the end of a call whose channel goes now, from what happened to it before.

    Abandoned is only who never spoke to an agent, whether he waited or a phone rang for him; who hangs
    up after a transfer was handled. The second queue's figures still call that stay abandoned.
    """
    if call.final is not None:
        return call.final
    if call.outbound:
        return names.END_HANDLED if call.reached else names.END_NOT_REACHED
    if call.state is names.CALL_FALLBACK:
        return names.END_FALLBACK
    return names.END_HANDLED if call.was_answered else names.END_ABANDONED


class Cards:
    """Ends calls and writes their cards: one closed card per ended call."""

    __slots__ = ("_due", "floor")

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self._due: Instant = 0
        """When the oldest closed card leaves memory, or earlier."""

    def end(self, call: Call, reason: EndReason, when: Instant, now: Instant) -> None:
        """Move a call without a running offer or talk to its one terminal state."""
        floor = self.floor
        call.from_fallback = call.state is names.CALL_FALLBACK
        call.apply(names.CALL_ON_ENDED)
        call.ended_at = when
        call.reason = reason
        floor.left_line(call, self.way(call), when if call.left_at is None else call.left_at)
        floor.note(call, when, reason.word)
        if call.id in floor.calls:
            del floor.calls[call.id]
        call.close_due = now + floor.policy.card_close_ms
        floor.closed[call.id] = call
        floor.closing.append(call)
        self.forget_old(now)
        self.write_if_due(call)

    def way(self, call: Call) -> Way:
        """Under which heading the queue counts the end of a stay in it that no answer ended.

        Answered in fallback is not answered by us; a talk before this stay was counted where it was.
        """
        if call.from_fallback or call.reason is None:
            return names.WAY_FALLBACK
        way = _WAYS[call.reason]
        return names.WAY_ABANDONED if way is names.WAY_ANSWERED and call.was_answered else way

    def write_if_due(self, call: Call) -> None:
        """Write the card of an ended, wrapped-up call, unless it is already written just so."""
        if call.state is not names.CALL_ENDED or call.wrapping > 0 or not call.known:
            return
        card = fold(call)
        if card != call.card:
            call.card = card
            self.floor.out.append(WriteCallCard(self.floor.effect(), card))

    def forget_old(self, now: Instant) -> None:
        """Let calls leave memory whose cards are closed: by age, and by number."""
        closed, closing = self.floor.closed, self.floor.closing
        if self._due > now and len(closed) <= CLOSED_LIMIT:
            return
        while closing:
            oldest = closing[0]
            if oldest.close_due > now and len(closed) <= CLOSED_LIMIT:
                self._due = oldest.close_due
                return
            closing.popleft()
            del closed[oldest.id]
            if oldest.wrapping > 0:
                oldest.wrapping = 0  # the card is due now or never
                self.write_if_due(oldest)

    def fill(self, call: Call, fields: tuple[tuple[str, str], ...]) -> None:
        """Set fields of the card; the last word counts."""
        for name, value in fields:
            if name not in call.fields and len(call.fields) >= FIELDS_LIMIT:
                self.floor.count("card_fields_refused")
                continue
            if len(value) > FIELD_LENGTH_LIMIT:
                self.floor.count("card_fields_cut")
            call.fields[name] = value[:FIELD_LENGTH_LIMIT]
        self.write_if_due(call)
