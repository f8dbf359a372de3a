"""The life of one offer: reserved, dialled, answered or returned, talked, wrapped up.

Everything here moves a call and an agent together, so that no agent has two calls and no call two
agents. The dialplan's word is the truth: an offer we had given up may still be dialled and answered,
and then it is taken up again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core import names
from acd.core.agent import AgentSignal, AgentState, AgentStatus
from acd.core.call import CallSignal, CallState, Leg, TransferState
from acd.core.effects import AskForSync, CloseWrapUp, ConfirmPop, OfferCall, OpenWrapUp, ShowPop, WithdrawPop
from acd.core.errors import InvariantBroken
from acd.core.events import EndedBy, OfferOutcome
from acd.core.instant import HOUR_MS, SECOND_MS

if TYPE_CHECKING:
    from acd.core.agent import Agent
    from acd.core.call import Call
    from acd.core.cards import Cards
    from acd.core.floor import Floor
    from acd.core.ids import AgentId, EffectId
    from acd.core.instant import Instant
    from acd.core.matcher import Assignment

RING_GRACE_MS = 2 * SECOND_MS
"""Dial() ends by itself at the ring timeout; its note may take this long to reach us."""

ANSWER_MS = 5 * SECOND_MS
"""How long the switch may take to answer AskForSync before we help ourselves."""

GIVEN_UP = "given_up"
"""Outcome of a leg whose end nobody reported: the deadline passed. It may yet turn out otherwise."""

MAX_EXTENSION_MS = HOUR_MS
"""Every wait has an end: one extension of a wrap-up is cut to this."""

_UNANSWERED = frozenset({OfferOutcome.NO_ANSWER, OfferOutcome.REFUSED})
"""Counted as ring-no-answer: the person was there to be rung and did not take the call."""

_BAD_PHONE = frozenset(
    {OfferOutcome.BUSY, OfferOutcome.UNREACHABLE, OfferOutcome.FAILED, OfferOutcome.DOUBLE_BOOKED}
)
"""The phone could not ring: the agent rests, or the same phone would be tried again at once."""


class Offers:
    """Moves that concern a call and an agent at once."""

    __slots__ = ("cards", "floor")

    def __init__(self, floor: Floor, cards: Cards) -> None:
        self.floor = floor
        self.cards = cards

    # --- beginning ------------------------------------------------------------------------------

    def begin(self, assignment: Assignment, now: Instant) -> None:
        """Carry out one decision of the matcher: reserve, wish, set the deadline."""
        floor = self.floor
        call = floor.calls.get(assignment.call)
        agent = floor.agents.get(assignment.agent)
        if call is None or agent is None or call.state is not names.CALL_WAITING:
            raise InvariantBroken(f"the matcher assigned {assignment}, which is not waiting or not there")
        if not agent.ready or agent.leg is not None:
            raise InvariantBroken(f"{agent.id} was assigned a call but is not ready")
        agent.offered_ready = False  # assign() took both out of the matcher's indexes
        floor.off_line(call)
        leg = self._new_leg(call, agent, call.attempt + 1, now)
        call.apply(names.CALL_ON_RESERVED)
        agent.apply(names.AGENT_ON_RESERVED, now)
        floor.note(call, now, f"{agent.id} {leg.attempt}")
        if assignment.why:
            floor.explain(call, assignment.why)
        if assignment.over is not None:
            floor.explain(call, assignment.over)
        ring = floor.lines[call.queue].policy.ring_timeout_ms
        floor.by_effect[leg.effect] = call.id
        floor.out.append(OfferCall(leg.effect, call.id, agent.id, leg.attempt, ring))
        self._show(call, leg, now)
        patience = min(floor.policy.offer_confirm_ms, floor.policy.reservation_ms)
        floor.deadlines.set(("offer", agent.id), now + patience)

    def _new_leg(self, call: Call, agent: Agent, attempt: int, now: Instant) -> Leg:
        """Join call and agent by a fresh leg."""
        if call.leg is not None:
            raise InvariantBroken(f"call {call.id} would get a second agent, {agent.id}")
        if agent.leg is not None:
            raise InvariantBroken(f"agent {agent.id} would get a second call, {call.id}")
        leg = Leg(agent.id, attempt, now, self.floor.effect(), call.queue)
        call.legs.append(leg)
        call.attempt = max(call.attempt, attempt)
        self._join(call, agent, leg)
        return leg

    def _join(self, call: Call, agent: Agent, leg: Leg) -> None:
        call.leg = agent.leg = leg
        agent.call = call.id

    def _show(self, call: Call, leg: Leg, now: Instant) -> None:
        """Wish the screen-pop of this offer."""
        waited = max(0, now - call.entered_at)
        self.floor.out.append(
            ShowPop(
                leg.effect,
                call.id,
                leg.agent,
                leg.attempt,
                call.queue,
                call.subscriber,
                call.did,
                call.ani,
                call.card_number,
                waited,
            )
        )

    def dialled(self, call: Call, leg: Leg, when: Instant, now: Instant) -> None:
        """The dialplan dials, or the phone rings: the offer is real."""
        if leg.confirmed_at is not None:
            return
        leg.confirmed_at = when
        if leg.answered_at is not None:
            return  # the note of the dialling comes after the answer's: the ring deadline must not start now
        floor = self.floor
        if leg.effect in floor.by_effect:
            del floor.by_effect[leg.effect]
        agent = floor.agents[leg.agent]
        agent.apply(names.AGENT_ON_RINGING, now)
        self.set_ring_deadline(call, agent, now)

    def set_ring_deadline(self, call: Call, agent: Agent, now: Instant) -> None:
        """Dial() must end by itself; if its end is not reported, we stop waiting for it."""
        ring = self.floor.line(call.queue).policy.ring_timeout_ms
        self.floor.deadlines.set(("offer", agent.id), now + ring + RING_GRACE_MS)

    # --- answer ---------------------------------------------------------------------------------

    def answered(self, call: Call, leg: Leg, when: Instant, now: Instant) -> None:
        """Agent and caller are joined."""
        floor = self.floor
        agent = floor.agents[leg.agent]
        floor.deadlines.cancel(("offer", agent.id))
        if leg.effect in floor.by_effect:
            del floor.by_effect[leg.effect]
        leg.answered_at = when
        call.apply(names.CALL_ON_ANSWERED)
        agent.apply(names.AGENT_ON_ANSWERED, now)
        agent.rna_streak = 0
        call.final = None
        call.settle()
        if call.answered_at is None:
            call.answered_at = when
        floor.note(call, when, agent.id)
        floor.left_line(call, names.WAY_ANSWERED, when)
        floor.out.append(ConfirmPop(leg.effect, call.id, agent.id))

    # --- end without answer ---------------------------------------------------------------------

    def drop(self, call: Call, outcome: str, when: Instant, now: Instant) -> Agent:
        """Part call and agent before any answer; the call's own state is the caller's business."""
        floor = self.floor
        leg = call.leg
        if leg is None:
            raise InvariantBroken("drop() needs a running offer")
        agent = floor.agents[leg.agent]
        leg.ended_at = when
        leg.outcome = outcome
        call.leg = agent.leg = agent.call = None
        floor.deadlines.cancel(("offer", agent.id))
        floor.by_effect.pop(leg.effect, None)
        agent.apply(names.AGENT_ON_RELEASED, now)
        floor.out.append(WithdrawPop(leg.effect, call.id, agent.id, outcome))
        return agent

    def returned(self, call: Call, outcome: OfferOutcome, when: Instant, now: Instant) -> None:
        """The offer ended without answer: penalties for the agent, the old place for the caller."""
        floor = self.floor
        agent = self.drop(call, outcome.word, when, now)
        if outcome in _UNANSWERED:
            self.penalise(agent, now)
        elif outcome in _BAD_PHONE:
            if outcome is names.OUTCOME_DOUBLE_BOOKED:
                floor.count("double_booked")
            agent.resting = True
            floor.deadlines.set(("rest", agent.id), now + floor.policy.phone_rest_ms)
        if outcome is names.OUTCOME_CALLER_GONE:
            call.apply(names.CALL_ON_GONE_SOON)
            call.left_at = when
            floor.note(call, when, "caller gone")
        elif call.transfer is TransferState.HANDED:
            # not to the line: the dialplan now rings whoever handed the call on
            call.settle()
            call.apply(CallSignal.GONE_SOON)
            floor.note(call, when, f"{agent.id} {outcome.value}, back to who handed it on")
        else:
            call.skip = (*[a for a in call.skip if a != agent.id], agent.id)
            self._wait_again(call, f"{agent.id} {outcome.word}", when, now)
        floor.settle(agent, now)

    def penalise(self, agent: Agent, now: Instant) -> None:
        """Count a ring-no-answer; at the limit the agent is paused until he says he is there."""
        agent.rna += 1
        agent.rna_streak += 1
        limit = agent.policy.rna_limit
        if 0 < limit <= agent.rna_streak and agent.status is AgentStatus.AVAILABLE:
            self.floor.choose(agent, AgentStatus.PAUSED, "RNA", now)

    def overdue(self, call: Call, now: Instant) -> None:
        """Nobody reported in time what became of an offer.

        A Redirect that was never confirmed is lost: offer again. But a phone that did ring and then
        fell silent most likely was answered, and its note lost: to offer again would tear the caller
        out of a talk. So the switch is asked first, and only its silence ends the offer.
        """
        floor = self.floor
        leg = call.leg
        if leg is None or leg.confirmed_at is None or leg.silent or not floor.synced:
            self.give_up(call, now)
            return
        leg.silent = True
        floor.count("silent_offers")
        floor.out.append(AskForSync(floor.effect(), f"no end of offer {call.id} to {leg.agent}"))
        floor.deadlines.set(("offer", leg.agent), now + ANSWER_MS)

    def give_up(self, call: Call, now: Instant) -> None:
        """Nobody reported the end of this offer in time: agent free, caller at his old place.

        Nobody is to blame: a lost Redirect or a lost note (failure modes 4, 5). If the dialplan says
        later that it does dial, the offer is taken up again.
        """
        agent = self.drop(call, GIVEN_UP, now, now)
        self.floor.count("offers_given_up")
        self._wait_again(call, f"{agent.id} {GIVEN_UP}", now, now)
        self.floor.settle(agent, now)

    def lost_return(self, call: Call, when: Instant, now: Instant) -> None:
        """The caller is back in the waiting loop and we missed the end of the offer."""
        agent = self.drop(call, "unknown", when, now)
        self.floor.count("lost_offer_ends")
        self._wait_again(call, f"{agent.id} unknown", when, now)
        self.floor.settle(agent, now)

    def _wait_again(self, call: Call, detail: str, when: Instant, now: Instant) -> None:
        call.apply(names.CALL_ON_RETURNED)
        self.floor.note(call, when, detail)
        self.floor.to_line(call, now)

    # --- reality against our books --------------------------------------------------------------

    def adopt(self, call: Call, agent_id: AgentId, attempt: int, when: Instant, now: Instant) -> Leg:
        """The switch rings this agent for this call, whatever we believed: make our books say so."""
        floor = self.floor
        if call.leg is not None:
            if call.state is CallState.TALKING:
                self.talk_over(call, CallSignal.AGENT_LOST, EndedBy.UNKNOWN, when, now)
            else:
                agent = self.drop(call, "superseded", when, now)
                call.apply(CallSignal.RETURNED)
                floor.settle(agent, now)
        agent = self._freed(agent_id, when, now)
        if call.state is not CallState.WAITING:
            call.apply(CallSignal.QUEUED)
        floor.from_line(call)
        floor.matcher.remove_agent(agent.id)
        agent.offered_ready = False
        leg = call.leg_of(attempt)
        if leg is not None and leg.agent == agent_id:
            leg.ended_at = None
            leg.outcome = ""
            self._join(call, agent, leg)
        else:
            leg = self._new_leg(call, agent, attempt, when)
        call.apply(CallSignal.RESERVED)
        agent.apply(AgentSignal.FOUND_RINGING, now)
        leg.confirmed_at = when
        self.set_ring_deadline(call, agent, now)
        floor.note(call, when, f"{agent.id} {attempt} found")
        self._show(call, leg, now)
        return leg

    def _freed(self, agent_id: AgentId, when: Instant, now: Instant) -> Agent:
        """Return the agent without call or wrap-up, ending whatever our books still say.

        If the agent is with another caller than we believed, that other call lost its note of an end.
        A guest leaves the floor on becoming idle, so the agent is looked up again after each move.
        """
        floor = self.floor
        agent = floor.guest(agent_id, now)
        if agent.leg is not None and agent.state is not AgentState.WRAP_UP:
            other = floor.calls[agent.call]  # type: ignore[index]  # a leg implies a call
            if other.state is CallState.TALKING:
                self.talk_over(other, CallSignal.TALK_OVER, EndedBy.UNKNOWN, when, now)
            else:
                self.drop(other, "superseded", when, now)
                self._wait_again(other, f"{agent.id} superseded", when, now)
            agent = floor.guest(agent_id, now)
        if agent.state is AgentState.WRAP_UP:
            self.wrap_up_over(agent, "next call", now, now)
            agent = floor.guest(agent_id, now)
        return agent

    # --- talk and wrap-up -----------------------------------------------------------------------

    def talk_over(self, call: Call, signal: CallSignal, by: EndedBy, when: Instant, now: Instant) -> None:
        """The talk ended; `signal` says what becomes of the call. The agent wraps up."""
        floor = self.floor
        leg = call.leg
        if leg is None:
            raise InvariantBroken("talk_over() needs a talk")
        leg.stop_hold(when)
        leg.ended_at = when
        leg.outcome = "answered"
        call.leg = None
        call.by = by
        call.settle()
        call.apply(signal)
        floor.note(call, when, f"talk with {leg.agent} over, by {by.word}")
        agent = floor.agents[leg.agent]
        agent.leg = leg
        agent.apply(names.AGENT_ON_TALK_OVER, now)
        call.wrapping += 1
        span = floor.line(call.queue).policy.wrap_up_ms
        if span <= 0 or agent.status is names.STATUS_LOGGED_OUT:
            self._finish_wrap_up(agent, now, now)
            return
        self._open_wrap_up(agent, floor.effect(), now + span)

    def _open_wrap_up(self, agent: Agent, effect: EffectId, deadline: Instant) -> None:
        floor = self.floor
        agent.wrap_up_until = deadline
        floor.deadlines.set(("wrap", agent.id), deadline)
        if agent.call is not None:
            floor.out.append(OpenWrapUp(effect, agent.call, agent.id, deadline))
        floor.keep(agent)

    def extend_wrap_up(self, agent: Agent, by_ms: int, now: Instant) -> None:
        """Move the deadline; the desktop is told the new one."""
        until = now if agent.wrap_up_until is None else agent.wrap_up_until
        longer = min(max(0, by_ms), MAX_EXTENSION_MS)
        self._open_wrap_up(agent, self.floor.effect(), max(now, until) + longer)

    def found_wrap_up(self, agent: Agent, until: Instant, now: Instant) -> None:
        """An idle agent was wrapping up when we stopped: he goes on."""
        if agent.apply(AgentSignal.FOUND_WRAP_UP, now):
            agent.wrap_up_until = until
            self.floor.deadlines.set(("wrap", agent.id), until)
            self.floor.refresh(agent)

    def wrap_up_over(self, agent: Agent, by: str, when: Instant, now: Instant) -> None:
        """Done, deadline, logout or own call: the agent is free of this call."""
        floor = self.floor
        floor.deadlines.cancel(("wrap", agent.id))
        agent.wrap_up_until = None
        if agent.call is not None:
            floor.out.append(CloseWrapUp(floor.effect(), agent.call, agent.id, by))
        floor.keep(agent)
        self._finish_wrap_up(agent, when, now)

    def _finish_wrap_up(self, agent: Agent, when: Instant, now: Instant) -> None:
        """Credit the after-call work, count the handled call, let the card go."""
        floor = self.floor
        leg, agent.leg = agent.leg, None
        call_id, agent.call = agent.call, None
        agent.apply(names.AGENT_ON_WRAP_UP_OVER, now)
        call = None if call_id is None else floor.find_call(call_id)
        if call is not None and leg is not None and leg.ended_at is not None:
            leg.acw_ms = max(0, when - leg.ended_at)
            agent.handled += 1
            call.wrapping -= 1
            if not call.outbound:
                floor.line(leg.queue).tally.finish(leg.talk_ms, leg.hold_ms, leg.acw_ms)
            busy = leg.talk_ms + leg.hold_ms + leg.acw_ms
            floor.matcher.record_talk(leg.queue, agent.id, busy)
            self.cards.write_if_due(call)
        floor.settle(agent, now)
