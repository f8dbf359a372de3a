"""What the core does when told something about a call.

Facts of one channel come in order; across channels they do not, a note may be lost on the live feed and
come later from the journal, and every note may come twice. So each handler first asks whether the fact
is news, then whether it is late; late news correct the card and the counts and move nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core import names
from acd.core.call import Call, CallSignal, CallState
from acd.core.cards import reason_by_state
from acd.core.effects import HangUpStrayLeg, MoveToQueue, SendToFallback
from acd.core.events import (
    AgentRinging,
    CallAnswered,
    CallbackChosen,
    CallEnded,
    CallEntered,
    CallLeftToFallback,
    CallQueued,
    CallRefused,
    CallSelfServed,
    CardFilled,
    EndedBy,
    EndReason,
    OfferConfirmed,
    OfferEnded,
    TalkEnded,
)
from acd.core.floor import happened
from acd.core.ids import Ani, Did, EffectId
from acd.core.late import Late
from acd.core.offers import GIVEN_UP
from acd.core.transfers import Transfers

if TYPE_CHECKING:
    from acd.core.cards import Cards
    from acd.core.floor import Floor
    from acd.core.ids import AgentId, CallId, QueueId
    from acd.core.instant import Instant
    from acd.core.offers import Offers


class CallFacts:
    """Handlers of facts about calls."""

    __slots__ = ("cards", "floor", "late", "offers", "transfers")

    def __init__(self, floor: Floor, offers: Offers, cards: Cards) -> None:
        self.floor = floor
        self.offers = offers
        self.cards = cards
        self.late = Late(floor, cards)
        self.transfers = Transfers(floor, offers, self.late)

    # --- the door and the line ------------------------------------------------------------------

    def entered(self, fact: CallEntered, now: Instant) -> None:
        """A call came through the door."""
        call = self.floor.find_call(fact.call)
        if call is None:
            when = now if fact.at is None else happened(fact, now)
            self.floor.new_call(Call(fact.call, fact.did, fact.ani, when, self.floor.next_order()))
        elif not call.known:
            self.late.entered(call, fact, now)

    def queued(self, fact: CallQueued, now: Instant) -> None:
        """The caller is in the waiting loop, for the first time or again."""
        floor = self.floor
        when = now if fact.at is None else happened(fact, now)
        call = floor.find_call(fact.call)
        if call is None:
            call = Call(fact.call, fact.did, fact.ani, min(fact.entered_at, now), floor.next_order())
            floor.new_call(call)
        if call.state is names.CALL_ENDED or (fact.at is not None and self._is_past(call, fact.at)):
            self.late.queued(call, fact, when)
            return
        call.queued_last = when
        if call.state is names.CALL_OFFERING:
            leg = call.leg
            if _unplaced(call):
                self.late.queued(
                    call, fact, when
                )  # the offer was another daemon's, and its dialling heard first
            if leg is None or leg.confirmed_at is None or when < leg.confirmed_at:
                return  # the note of the return before this offer
            self.offers.lost_return(call, when, now)
        elif call.state is names.CALL_TALKING:
            floor.count("lost_talk_ends")
            self.to_head(call, names.BY_UNKNOWN, when, now)
        elif call.state is names.CALL_WAITING:
            if call.fallback_effect is None and call.queue == fact.queue and not _unplaced(call):
                return  # the confirmation of a return we knew from the offer's end
            floor.from_line(call)
            self._take_place(call, fact, when)
            floor.to_line(call, now)
        else:
            if call.was_answered:
                call.waits_again = when
            call.apply(names.CALL_ON_QUEUED)
            self._take_place(call, fact, when)
            floor.note(call, when, f"{fact.queue} {fact.why.word}")
            floor.to_line(call, now)

    def _is_past(self, call: Call, at: Instant) -> bool:
        """Whether a note of this moment is older than what we know from the same channel."""
        if call.queued_last is not None and at <= call.queued_last:
            return True
        return call.leg is not None and call.leg.answered_at is not None and at < call.leg.answered_at

    def _take_place(self, call: Call, fact: CallQueued, when: Instant) -> None:
        """Learn what the dialplan knows of the caller, and begin a stay in the queue if it is a new one."""
        floor = self.floor
        line = floor.line(fact.queue, fact.subscriber)
        again = call.left is not None and fact.why is names.WHY_NEW
        moved = call.queue != fact.queue or _unplaced(call) or again
        if moved:
            floor.left_line(call, names.WAY_OVERFLOWED, when)
        call.describe(fact)
        call.final = None
        call.left_at = None
        call.settle()
        if fact.why is names.WHY_HEAD:
            call.order = -abs(call.order)
        if not moved:
            return
        if call.outbound:
            call.place_at = min(fact.entered_at, call.entered_at)
            call.waits_again = when
            call.queued_at = when if call.queued_at is None else call.queued_at
            return  # nobody waits on the line: it is no offered call
        call.marks = None  # another queue, other rules
        if call.queued_at is None:
            call.queued_at = call.stay_at = when if fact.at is not None else call.entered_at
        else:
            call.stay_at = when
        call.left = None
        line.tally.offered += 1

    def to_head(self, call: Call, by: EndedBy, when: Instant, now: Instant) -> None:
        """The agent's leg died and the caller waits on, before everybody else."""
        self.offers.talk_over(call, names.CALL_ON_AGENT_LOST, by, when, now)
        call.order = -abs(call.order)
        call.waits_again = when
        self.floor.to_line(call, now)

    def refused(self, fact: CallRefused, now: Instant) -> None:
        """Closed, full, unknown or blocked: the dialplan says goodbye or takes a message."""
        call = self._live(fact.call)
        if call is None or call.final is EndReason.REFUSED:
            return
        when = happened(fact, now)
        waiting = call.state is CallState.WAITING
        if call.state not in {CallState.NEW, CallState.WAITING}:
            self._illegal(call, "refused")
            return
        if waiting:
            self.floor.from_line(call)
        call.queue, call.subscriber = fact.queue or call.queue, fact.subscriber or call.subscriber
        self._gone_soon(call, EndReason.REFUSED, f"refused {fact.reason}", when)

    def self_served(self, fact: CallSelfServed, now: Instant) -> None:
        """The caller heard his answer at the door and hangs up: he was never in the line."""
        call = self._live(fact.call)
        if call is None or call.final is EndReason.SELF_SERVED:
            return
        if call.state is not CallState.NEW:
            self._illegal(call, "self_served")
            return
        call.queue, call.subscriber = fact.queue or call.queue, fact.subscriber or call.subscriber
        self._gone_soon(call, EndReason.SELF_SERVED, "told what he wanted to know", happened(fact, now))

    def _gone_soon(self, call: Call, final: EndReason, detail: str, when: Instant) -> None:
        call.apply(CallSignal.GONE_SOON)
        call.final = final
        if call.left_at is None:
            call.left_at = when
        self.floor.note(call, when, detail)

    # --- offers ---------------------------------------------------------------------------------

    def offer_confirmed(self, fact: OfferConfirmed | AgentRinging, now: Instant) -> None:
        """The dialplan dials, or the agent's phone rings."""
        call = self._known(fact.call)
        if call is None:
            return
        when = happened(fact, now)
        if not call.queue and isinstance(fact, OfferConfirmed):
            self.floor.learn_queue(call, fact.queue)
        leg = call.leg
        if leg is not None and leg.attempt == fact.attempt and leg.agent == fact.agent:
            self.offers.dialled(call, leg, when, now)
            return
        if not self._is_reality(call, fact.agent, fact.attempt, fact.at):
            self.late.confirmed(call, fact.agent, fact.attempt, when)
        else:
            self.floor.count("offers_taken_up_again")
            self.offers.adopt(call, fact.agent, fact.attempt, when, now)

    def _is_reality(self, call: Call, agent: AgentId, attempt: int, at: Instant | None) -> bool:
        """Whether a note about an offer that is not our present one is news all the same.

        It is when we had given that offer up, or never knew of it, and the call is not with anybody.
        """
        if call.state is names.CALL_ENDED or call.state is names.CALL_TALKING:
            return False
        leg = call.leg_of(attempt)
        if leg is not None:
            if leg.agent != agent or leg.outcome != GIVEN_UP:
                return False
        elif attempt < call.attempt or (call.state is names.CALL_DONE and not _handed_on(call)):
            return False
        if call.leg is not None and call.leg.confirmed_at is not None:
            return False
        return at is None or call.queued_last is None or at >= call.queued_last

    def answered(self, fact: CallAnswered, now: Instant) -> None:
        """Agent and caller are joined."""
        call = self._known(fact.call)
        if call is None:
            return
        when = now if fact.at is None else happened(fact, now)
        if not call.queue:
            self.floor.learn_queue(call, fact.queue)
        leg = call.leg
        if leg is not None and leg.attempt == fact.attempt and leg.agent == fact.agent:
            if call.state is names.CALL_TALKING:
                self.late.answer_time(call, leg, fact.at)
            else:
                self.offers.answered(call, leg, when, now)
            return
        past = call.leg_of(fact.attempt)
        if past is not None and past.answered_at is not None:
            self.late.answer_time(call, past, fact.at)
        elif call.state is names.CALL_ENDED:
            self._answered_after_end(call, fact, when)
        elif self._answer_is_past(call, fact):
            self.late.answered(call, fact.agent, fact.attempt, when)
        else:
            self.floor.count("answers_taken_up")
            leg = self.offers.adopt(call, fact.agent, fact.attempt, when, now)
            self.offers.answered(call, leg, when, now)

    def _answer_is_past(self, call: Call, fact: CallAnswered) -> bool:
        """Whether this answer happened before what we already know of the call."""
        if call.state is CallState.TALKING or call.state is CallState.DONE:
            return fact.attempt < call.attempt or (call.state is CallState.DONE and not _handed_on(call))
        return fact.at is not None and call.queued_last is not None and fact.at < call.queued_last

    def _answered_after_end(self, call: Call, fact: CallAnswered, when: Instant) -> None:
        """Hang-up against answer: who was first decides whether there was a talk."""
        if fact.at is not None and call.ended_at is not None and fact.at <= call.ended_at:
            self.late.answered(call, fact.agent, fact.attempt, when)
            return
        self.floor.count("answers_after_end")
        self.floor.out.append(HangUpStrayLeg(self.floor.effect(), call.id, fact.agent))

    def offer_ended(self, fact: OfferEnded, now: Instant) -> None:
        """The offer ended without answer."""
        call = self._known(fact.call)
        if call is None:
            return
        leg = call.leg
        if leg is None or leg.attempt != fact.attempt or leg.agent != fact.agent:
            self.late.outcome(call, fact)
        elif call.state is CallState.OFFERING:
            self.offers.returned(call, fact.outcome, happened(fact, now), now)
        else:
            self.floor.count("outcomes_after_answer")

    # --- talk -----------------------------------------------------------------------------------

    def talk_ended(self, fact: TalkEnded, now: Instant) -> None:
        """The talk with this agent is over."""
        call = self._known(fact.call)
        if call is None:
            return
        when = now if fact.at is None else happened(fact, now)
        leg = call.leg
        if leg is None or leg.attempt != fact.attempt or leg.agent != fact.agent:
            self.late.talk_ended(call, fact, when)
            return
        if call.state is names.CALL_OFFERING:  # the note of the answer is lost; the talk was real
            self.floor.count("lost_answers")
            self.offers.answered(call, leg, when, now)
        if fact.caller_stays:
            self.to_head(call, fact.by, when, now)
        else:
            self.offers.talk_over(call, names.CALL_ON_TALK_OVER, fact.by, when, now)

    # --- leaving --------------------------------------------------------------------------------

    def left_to_fallback(self, fact: CallLeftToFallback, now: Instant) -> None:
        """The dialplan's fallback has the caller: our part is to leave the call alone."""
        call = self._live(fact.call)
        if call is None or call.state is CallState.FALLBACK:
            return
        when = happened(fact, now)
        if call.queued_last is not None and when < call.queued_last:
            self.floor.count("late_notes")
            return
        self.leave_to_fallback(call, fact.why, when, now)

    def leave_to_fallback(self, call: Call, why: str, when: Instant, now: Instant) -> None:
        """Let go of the call."""
        self._part(call, when, now)
        call.apply(CallSignal.LEFT)
        call.left_at = when
        self.floor.note(call, when, why)

    def finish(self, call: Call, detail: str, when: Instant, now: Instant) -> None:
        """Nothing more for us to do with a call whose channel is still up."""
        self._part(call, when, now)
        if call.apply(CallSignal.GONE_SOON):
            self.floor.note(call, when, detail)

    def callback_chosen(self, fact: CallbackChosen, now: Instant) -> None:
        """The caller hangs up soon and is called back."""
        call = self._live(fact.call)
        if call is None or call.final is EndReason.CALLBACK:
            return
        when = happened(fact, now)
        if call.final is EndReason.REFUSED:
            self._gone_soon(call, EndReason.CALLBACK, "callback chosen", when)  # after hours he left a number
            return
        if call.state is CallState.TALKING or call.state is CallState.DONE:
            self._illegal(call, "callback")
            return
        self._part(call, when, now)
        self._gone_soon(call, EndReason.CALLBACK, "callback chosen", when)

    def _part(self, call: Call, when: Instant, now: Instant) -> None:
        """Free whoever was meant for this caller, because the caller is going elsewhere."""
        if call.state is names.CALL_WAITING:
            self.floor.unserved(call, now)
        elif call.state is names.CALL_OFFERING:
            agent = self.offers.drop(call, "caller_gone", when, now)
            self.floor.settle(agent, now)
        elif call.state is names.CALL_TALKING:
            self.offers.talk_over(call, names.CALL_ON_TALK_OVER, names.BY_UNKNOWN, when, now)

    def ended(self, fact: CallEnded, now: Instant) -> None:
        """The caller's channel is gone."""
        call = self.floor.find_call(fact.call)
        when = now if fact.at is None else happened(fact, now)
        if call is None:
            # Only the end reached us. Keep it as a stone, so that the beginning, read later from the
            # journal, cannot wake a caller who is gone.
            call = Call(fact.call, Did(""), Ani(""), when, self.floor.next_order())
            call.known = False
            self.floor.new_call(call)
            self.floor.count("unknown_calls_ended")
        elif call.state is names.CALL_ENDED:
            self.late.ended(call, fact, when)
            return
        self.end(call, fact, when, now)

    def end(self, call: Call, fact: CallEnded, when: Instant, now: Instant) -> None:
        """Part call and agent, then close."""
        self.floor.forget_transfer(call)
        reason = fact.reason or reason_by_state(call)
        call.reason_given = fact.reason is not None
        call.cause = fact.cause
        if call.state is names.CALL_TALKING:
            self.offers.talk_over(call, names.CALL_ON_TALK_OVER, fact.by, when, now)
        else:
            self._part(call, when, now)
            if fact.by is not names.BY_UNKNOWN or not call.was_answered:
                call.by = fact.by
        self.cards.end(call, reason, when, now)

    # --- the card -------------------------------------------------------------------------------

    def card_filled(self, fact: CardFilled, now: Instant) -> None:  # noqa: ARG002  same shape as all
        """The desk set fields of the card."""
        call = self._known(fact.call)
        if call is not None:
            self.cards.fill(call, fact.fields)

    # --- deadlines and wishes -------------------------------------------------------------------

    def waited_too_long(self, call_id: CallId, now: Instant) -> None:
        """The longest wait is reached, or our wish for fallback was not confirmed: wish (again)."""
        call = self.floor.calls[call_id]
        if call.fallback_effect is not None:
            self.ask_fallback(call, call.fallback_reason, now)
            return
        self.ask_fallback(call, "max_wait", now)
        self.floor.explain(call, "longest wait reached: asked for fallback")

    def ask_fallback(self, call: Call, reason: str, now: Instant) -> None:
        """Take a waiting call from the agents' sight and wish it into the dialplan's fallback, until it is."""
        floor = self.floor
        floor.unserved(call, now)
        call.fallback_effect = floor.effect()
        call.fallback_reason = reason
        floor.by_effect[call.fallback_effect] = call.id
        floor.out.append(SendToFallback(call.fallback_effect, call.id, reason))
        floor.deadlines.set(("max_wait", call.id), now + floor.policy.fallback_retry_ms)

    def ask_move(self, call: Call, queue: QueueId, now: Instant) -> None:
        """Wish the caller into another queue; meanwhile nobody is offered the call."""
        floor = self.floor
        floor.unserved(call, now)
        call.move_effect = floor.effect()
        floor.by_effect[call.move_effect] = call.id
        floor.out.append(MoveToQueue(call.move_effect, call.id, queue))
        floor.limit_wait(call, now)
        floor.deadlines.set(("move", call.id), now + floor.policy.fallback_retry_ms)

    def not_moved(self, call_id: CallId, now: Instant) -> None:
        """The dialplan did not confirm the move in time, or refused it: the caller waits on where he is."""
        call = self.floor.calls[call_id]
        self.floor.count("moves_not_made")
        self.floor.off_line(call)
        self.floor.explain(call, "the switch did not move the caller: waits on here")
        self.floor.to_line(call, now)

    def may_be_offered_to_all(self, call_id: CallId, now: Instant) -> None:
        """Others were tried long enough: the skipped agents count again."""
        call = self.floor.calls[call_id]
        self.floor.matcher.remove_call(call.id)
        call.skip = ()
        if call.fallback_effect is None and call.move_effect is None:
            self.floor.to_line(call, now)

    def wish_failed(self, effect: EffectId, reason: str, now: Instant) -> None:
        """A wish could not be carried out. The reply is not the truth: only the dialplan's notes are.

        A refused Redirect may have been executed, so the offer is not taken back at once; the time for
        its confirmation is cut to a quarter. That also keeps a failing link from being hammered.
        """
        floor = self.floor
        floor.count("wishes_failed")
        call_id = floor.by_effect.get(effect)
        call = None if call_id is None else floor.calls.get(call_id)
        if call is None:
            return
        floor.explain(call, f"wish {effect} failed: {reason}"[:200])
        if call.leg is not None and call.leg.effect == effect:
            sooner = now + floor.policy.offer_confirm_ms // 4
            floor.deadlines.set(("offer", call.leg.agent), sooner)
        elif call.move_effect == effect:
            self.not_moved(call.id, now)
        else:
            self.transfers.wish_failed(call, effect)

    # --- helpers --------------------------------------------------------------------------------

    def _known(self, id: CallId) -> Call | None:  # noqa: A002
        call = self.floor.find_call(id)
        if call is None:
            self.floor.count("unknown_calls")
        return call

    def _live(self, id: CallId) -> Call | None:  # noqa: A002
        call = self.floor.calls.get(id)
        if call is None:
            self.floor.count("late_notes" if id in self.floor.closed else "unknown_calls")
        return call

    def _illegal(self, call: Call, what: str) -> None:
        self.floor.count(f"illegal_call_{call.state.value}_{what}")


def _unplaced(call: Call) -> bool:
    """Whether no note has told yet when the caller came into the queue, even if another named it."""
    return call.queued_at is None and not call.outbound


def _handed_on(call: Call) -> bool:
    """Whether the talk ended by a transfer: then the dialplan dials the next agent without our offer."""
    return call.final is EndReason.TRANSFERRED
