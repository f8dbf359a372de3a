"""Handing a call on: asked for by the agent, carried out by the dialplan, followed here.

The dialplan owns every step and each has a way back (dialplan/35-transfer.conf); these handlers keep the
books: whose talk it is, since when the caller hears music, who gets no credit any more (row 23). What was
asked for and what happened are separate facts: an agent's phone may hand a call on without asking us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.call import CONSULT_STATES, CallSignal, CallState, TransferSignal, TransferState
from acd.core.effects import TransferCall
from acd.core.events import EndedBy, EndReason
from acd.core.floor import happened
from acd.core.ids import AgentId
from acd.core.transfer_facts import TransferHow

if TYPE_CHECKING:
    from acd.core.call import Call, Leg
    from acd.core.events import CallTransferred, HoldEnded, HoldStarted
    from acd.core.floor import Floor
    from acd.core.ids import CallId, EffectId
    from acd.core.instant import Instant
    from acd.core.late import Late
    from acd.core.offers import Offers
    from acd.core.transfer_facts import (
        ConsultAnswered,
        ConsultEnded,
        ConsultStarted,
        TransferAsked,
        TransferEnded,
    )

ASKED_MS = 8_000
"""So long a wish may be on its way to the switch; then it is lost, and the agent may wish again."""

JOIN_MS = 500
"""The dialplan notes an answer just before it joins the legs; a Redirect in between would lose one of them."""


class Transfers:
    """Handlers of facts about holding and handing on."""

    __slots__ = ("floor", "late", "offers")

    def __init__(self, floor: Floor, offers: Offers, late: Late) -> None:
        self.floor = floor
        self.offers = offers
        self.late = late

    # --- the agent's wish -----------------------------------------------------------------------

    def asked(self, fact: TransferAsked, now: Instant) -> None:
        """The agent at the desk wants the call handed on, somebody asked, or the caller back."""
        floor = self.floor
        call = floor.calls.get(fact.call)
        leg = None if call is None else call.leg
        if call is None or call.state is not CallState.TALKING or leg is None or leg.agent != fact.agent:
            floor.count("transfers_without_talk")
            return
        if leg.answered_at is not None and now - max(leg.answered_at, leg.consult_over_at) < JOIN_MS:
            floor.count("transfers_too_soon")
            floor.explain(call, f"transfer {fact.how.value} refused: the legs are just being joined")
            return
        begins = fact.how in {TransferHow.BLIND, TransferHow.CONSULT}
        fits = call.transfer is TransferState.NONE if begins else call.transfer in CONSULT_STATES
        if not fits or (begins and not self._may_take(fact)):
            floor.count("transfers_refused")
            floor.explain(
                call, f"transfer {fact.how.value} to {fact.to} refused: {call.transfer.value or 'busy'}"
            )
            return
        floor.forget_transfer(call)
        effect = floor.effect()
        floor.by_effect[effect] = call.id
        call.transfer_effect = effect
        if begins:
            call.hand(TransferSignal.ASKED)
            call.transfer_to = fact.to
            floor.deadlines.set(("transfer", call.id), now + ASKED_MS)
        floor.explain(call, f"{fact.agent} asked: {fact.how.value} {fact.to}".strip())
        floor.out.append(TransferCall(effect, call.id, fact.agent, fact.how, fact.to))

    def _may_take(self, fact: TransferAsked) -> bool:
        """A colleague must be at work, free and not the same person; other targets the switch knows."""
        kind, _, name = fact.to.partition("_")
        if kind != "agent":
            return True
        found = self.floor.agents.get(AgentId(name))
        return found is not None and found.id != fact.agent and found.ready

    def wish_failed(self, call: Call, effect: EffectId) -> None:
        """The switch surely did nothing: the talk goes on as it was."""
        if call.transfer_effect == effect:
            self.floor.forget_transfer(call)
            call.hand(TransferSignal.REFUSED)

    def overdue(self, call_id: CallId, now: Instant) -> None:  # noqa: ARG002 - the same shape as all deadlines
        """Neither a refusal nor the dialplan's note was heard: should it come yet, it is taken up again."""
        call = self.floor.calls.get(call_id)
        if call is not None and call.transfer is TransferState.ASKED:
            self.floor.count("transfers_unanswered")
            self.floor.explain(call, f"nothing was heard of the transfer to {call.transfer_to}")
            self.floor.forget_transfer(call)
            call.hand(TransferSignal.REFUSED)

    # --- what happened --------------------------------------------------------------------------

    def consult_started(self, fact: ConsultStarted, now: Instant) -> None:
        """The caller hears music while the agent rings the target."""
        call, leg = self._talk(fact.call, fact.agent)
        when = happened(fact, now)
        if call is None or leg is None:
            return
        if when < leg.consult_over_at or not call.hand(TransferSignal.CONSULT):
            self.floor.count("late_consults")
            return
        call.transfer_to = fact.to
        if leg.hold_since is None:
            leg.hold_since = when
        self.floor.note(call, when, f"{fact.agent} asks {fact.to}")

    def consult_answered(self, fact: ConsultAnswered, now: Instant) -> None:
        """The target speaks with the agent. The note is written on the target's channel, so it may name him."""
        call = self.floor.calls.get(fact.call)
        if call is None or call.leg is None:
            self.floor.count("holds_without_talk")
            return
        if call.hand(TransferSignal.ANSWERED):
            self.floor.note(call, happened(fact, now), f"{fact.to} answered {call.leg.agent}")
        else:
            self.floor.count("late_consults")

    def consult_ended(self, fact: ConsultEnded, now: Instant) -> None:
        """Agent and caller are joined again."""
        call, leg = self._talk(fact.call, fact.agent)
        if call is None or leg is None:
            return
        when = happened(fact, now)
        leg.stop_hold(when)
        leg.consult_over_at = when
        if call.hand(TransferSignal.RETURNED):
            self.floor.note(call, when, f"{fact.agent} back from {fact.to}: {fact.outcome}")
        else:
            self.floor.count("late_consults")

    def transferred(self, fact: CallTransferred, now: Instant) -> None:
        """The agent handed the caller on: from now on no talk is credited to this agent (row 23)."""
        call = self.floor.find_call(fact.call)
        if call is None:
            self.floor.count("unknown_calls")
            return
        when = happened(fact, now)
        if call.state is CallState.TALKING and call.leg is not None and call.leg.agent == fact.agent:
            self.offers.talk_over(call, CallSignal.TALK_OVER, EndedBy.AGENT, when, now)
            call.hand(TransferSignal.HANDED)
        elif call.state is CallState.ENDED:
            self.late.transferred(call, when, fact.to)
            return
        elif call.state is not CallState.DONE or not call.was_answered:
            self.floor.count(f"illegal_call_{call.state.value}_transferred")
            return
        elif call.transfer is TransferState.NONE:
            call.hand(TransferSignal.HANDED)  # the phone's own hang-up was told first (decision 0111)
        call.final = EndReason.TRANSFERRED
        self.floor.note(call, when, f"transferred to {fact.to}")

    def ended(self, fact: TransferEnded, now: Instant) -> None:
        """The target failed and the agent is rung again, or the talk with an outside person is over."""
        call = self.floor.calls.get(fact.call)
        if call is None:
            self.floor.count("late_notes")
            return
        self.floor.note(call, happened(fact, now), f"{fact.to}: {fact.outcome}")

    # --- hold -----------------------------------------------------------------------------------

    def hold_started(self, fact: HoldStarted, now: Instant) -> None:
        """The caller hears music, not the agent."""
        _, leg = self._talk(fact.call, fact.agent)
        if leg is not None and leg.hold_since is None:
            leg.hold_since = happened(fact, now)

    def hold_ended(self, fact: HoldEnded, now: Instant) -> None:
        """They speak again."""
        call, leg = self._talk(fact.call, fact.agent)
        if call is not None and leg is not None and call.transfer not in CONSULT_STATES:
            leg.stop_hold(happened(fact, now))

    def _talk(self, call_id: CallId, agent: AgentId) -> tuple[Call | None, Leg | None]:
        call = self.floor.calls.get(call_id)
        leg = None if call is None else call.leg
        if leg is None or leg.agent != agent or leg.answered_at is None:
            self.floor.count("holds_without_talk")
            return None, None
        return call, leg
