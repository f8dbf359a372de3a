"""Late news: notes lost on the live feed and read from the journal, after the call went on without them.

They move nobody. They correct the card (written again if it changed) and, within the same interval, the
queue's counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.call import Call, CallState, Leg
from acd.core.events import EndedBy, EndReason
from acd.core.ids import EffectId
from acd.core.tally import Way

if TYPE_CHECKING:
    from acd.core.cards import Cards
    from acd.core.events import CallEnded, CallEntered, CallQueued, OfferEnded, TalkEnded
    from acd.core.floor import Floor
    from acd.core.ids import AgentId
    from acd.core.instant import Instant


class Late:
    """Corrections."""

    __slots__ = ("cards", "floor")

    def __init__(self, floor: Floor, cards: Cards) -> None:
        self.floor = floor
        self.cards = cards

    def _corrected(self, call: Call) -> None:
        self.floor.count("late_notes")
        self.cards.write_if_due(call)

    def entered(self, call: Call, fact: CallEntered, now: Instant) -> None:
        """The beginning of a call of which only the end was known."""
        call.known = True
        call.did, call.ani = fact.did, fact.ani
        call.entered_at = call.place_at = min(now if fact.at is None else fact.at, call.entered_at)
        self._corrected(call)

    def queued(self, call: Call, fact: CallQueued, when: Instant) -> None:
        """A first entry into the queue that we missed, or a copy of one we know."""
        if call.queued_at is not None:
            self.floor.count("late_notes")
            return
        call.known = True
        call.queue, call.subscriber = fact.queue, fact.subscriber
        call.did, call.ani = fact.did, fact.ani
        call.card_number = fact.card_number or call.card_number
        if not call.outbound:
            call.entered_at = call.place_at = min(fact.entered_at, call.entered_at)
        moments = (call.answered_at, call.left_at, call.ended_at, when)
        gone = next(moment for moment in moments if moment is not None)
        call.queued_at = call.stay_at = min(when, gone)
        line = self.floor.line(fact.queue, fact.subscriber)
        for leg in call.legs:
            leg.queue = leg.queue or fact.queue
        if call.outbound:
            call.stay_at = None
            self._corrected(call)
            return
        line.tally.offered += 1
        if call.was_answered:
            self.floor.left_line(call, Way.ANSWERED, gone)
        elif call.state is CallState.ENDED:
            self.floor.left_line(call, self.cards.way(call), gone)
        self._corrected(call)

    def confirmed(self, call: Call, agent: AgentId, attempt: int, when: Instant) -> None:
        """An offer of which we learn after its end."""
        self._leg(call, agent, attempt, when)
        self._corrected(call)

    def _leg(self, call: Call, agent: AgentId, attempt: int, when: Instant) -> Leg:
        leg = call.leg_of(attempt)
        if leg is not None and leg.agent == agent:
            return leg
        leg = Leg(agent, attempt, when, EffectId(0), call.queue)
        leg.outcome = "unknown"
        leg.ended_at = when
        call.legs.append(leg)
        call.legs.sort(key=lambda x: x.attempt)
        call.attempt = max(call.attempt, attempt)
        return leg

    def answered(self, call: Call, agent: AgentId, attempt: int, when: Instant) -> None:
        """An answer of which we learn after the call went on: the talk was real."""
        leg = self._leg(call, agent, attempt, when)
        leg.answered_at = when
        if call.leg is not leg:
            if call.ended_at is not None:
                leg.ended_at = call.ended_at
            leg.ended_at = when if leg.ended_at is None else max(when, leg.ended_at)
        first = call.answered_at is None
        call.answered_at = when if call.answered_at is None else min(call.answered_at, when)
        if first:
            self.floor.recount(call, Way.ANSWERED, when)
        if not call.outbound and call.reason in (EndReason.ABANDONED, EndReason.PBX_FAILED):
            call.reason = EndReason.HANDLED if not call.reason_given else call.reason
        self._corrected(call)

    def answer_time(self, call: Call, leg: Leg, at: Instant | None) -> None:
        """A copy of an answer we know, perhaps with a better time than ours."""
        if at is None or leg.answered_at is None or at >= leg.answered_at:
            return
        if call.answered_at == leg.answered_at:
            call.answered_at = at
            if call.left is not None and call.left.way is Way.ANSWERED:
                self.floor.recount(call, Way.ANSWERED, at)
        leg.answered_at = at
        self._corrected(call)

    def outcome(self, call: Call, fact: OfferEnded) -> None:
        """How an offer ended that we had already given up, or whose end we had to guess."""
        leg = call.leg_of(fact.attempt)
        if leg is None or leg.agent != fact.agent or leg.answered_at is not None:
            self.floor.count("late_outcomes_unknown")
            return
        if leg.outcome != fact.outcome.value:
            leg.outcome = fact.outcome.value
            if fact.at is not None:
                leg.ended_at = max(leg.offered_at, fact.at)
            self.floor.count("late_outcomes")
            self.cards.write_if_due(call)

    def talk_ended(self, call: Call, fact: TalkEnded, when: Instant) -> None:
        """The end of a talk that we know by the caller's hang-up, or not at all."""
        leg = call.leg_of(fact.attempt)
        if leg is None or leg.agent != fact.agent:
            self.floor.count("late_notes")
            return
        if leg.answered_at is not None and leg.ended_at is not None and fact.at is not None:
            leg.ended_at = max(leg.answered_at, min(leg.ended_at, when))
        if call.by is EndedBy.UNKNOWN and leg is call.legs[-1]:
            call.by = fact.by
        self._corrected(call)

    def transferred(self, call: Call, when: Instant, to: str) -> None:
        """The call had been handed on before it ended."""
        if call.reason is EndReason.HANDLED and not call.reason_given:
            call.reason = EndReason.TRANSFERRED
            call.history.append((when, "done", f"transferred to {to}"))
        self._corrected(call)

    def ended(self, call: Call, fact: CallEnded, when: Instant) -> None:
        """The end again: hang-up reported twice, or the journal's word on an end we had to assume."""
        if fact.cause and not call.cause:
            call.cause = fact.cause
        if call.by is EndedBy.UNKNOWN:
            call.by = fact.by
        if fact.reason is not None and not call.reason_given:
            call.reason, call.reason_given = fact.reason, True
            self._recount_end(call)
        elif call.reason is EndReason.PBX_FAILED and not call.reason_given:
            # Missing at a sync; the journal knows an orderly end.
            call.reason = self._orderly(call)
            if fact.at is not None and call.ended_at is not None:
                call.ended_at = min(call.ended_at, when)
            self._recount_end(call)
        self._corrected(call)

    @staticmethod
    def _orderly(call: Call) -> EndReason:
        """How the call ended if it was not the PBX that failed."""
        if call.outbound:
            return EndReason.HANDLED if call.reached else EndReason.NOT_REACHED
        return EndReason.HANDLED if call.was_answered else EndReason.ABANDONED

    def _recount_end(self, call: Call) -> None:
        if call.left is not None and call.left.way is not Way.ANSWERED:
            gone = call.left_at if call.left_at is not None else call.ended_at
            if gone is not None:
                self.floor.recount(call, self.cards.way(call), gone)
