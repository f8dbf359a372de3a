"""The whole truth of the switch in one fact, reconciled both ways with our books.

After a start or a lost link everything the switch says is adopted silently; in an audit every difference
is drift, and the drift counter must stay 0 (call-control: restart and resync).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.agent import AgentSignal, AgentState, AgentStatus
from acd.core.call import Call, CallSignal, CallState, TransferSignal, TransferState
from acd.core.callbacks import mark_outbound
from acd.core.effects import AskForSync
from acd.core.events import CallEnded, EndedBy, EndReason, LinkLost, LiveAgent, LiveCall, WorldSynced

if TYPE_CHECKING:
    from acd.core.calls import CallFacts
    from acd.core.floor import Floor
    from acd.core.instant import Instant
    from acd.core.offers import Offers

NOTE_MS = 5_000
"""How far a note may lag behind a snapshot. A difference younger than this is no drift yet."""


class Sync:
    """Handlers of LinkLost and WorldSynced."""

    __slots__ = ("calls", "floor", "offers")

    def __init__(self, floor: Floor, offers: Offers, calls: CallFacts) -> None:
        self.floor = floor
        self.offers = offers
        self.calls = calls

    def link_lost(self, fact: LinkLost, now: Instant) -> None:  # noqa: ARG002  same shape as all handlers
        """Deaf: nothing is offered until the next sync; what rings, rings on."""
        self.floor.synced = False
        for call in self.floor.calls.values():
            call.missing_since = None  # what ends while we are deaf is no drift

    def synced(self, fact: WorldSynced, now: Instant) -> None:
        """Make our books agree with the switch."""
        floor = self.floor
        drift = 0
        for live_agent in fact.agents:
            drift += self._reconcile_agent(live_agent, now, audit=fact.audit)
        seen = {live.call for live in fact.calls}
        for call in [c for c in floor.calls.values() if c.id not in seen]:
            if fact.audit and call.missing_since is None:
                self._missing(call, now)
            else:
                self._vanished(call, now)
                drift += 1
        for live in fact.calls:
            drift += self._reconcile(live, now)
        if fact.audit and drift:
            floor.counters["drift"] = floor.counters.get("drift", 0) + drift
        floor.synced = True
        floor.dirty = True

    # --- calls ----------------------------------------------------------------------------------

    def _missing(self, call: Call, now: Instant) -> None:
        """An audit did not find the call: perhaps it ended, or began, between snapshot and telling.

        Its note comes in a moment. If it does not, a second look at the switch decides.
        """
        call.missing_since = now
        self.floor.count("calls_missing_once")
        if self.floor.deadlines.due(_LOOK_AGAIN) is None:
            self.floor.deadlines.set(_LOOK_AGAIN, now + NOTE_MS)

    def look_again(self, subject: str, now: Instant) -> None:  # noqa: ARG002  same shape as all wakers
        """Ask the switch about calls that an audit missed and whose end nobody told."""
        floor = self.floor
        missing = [c.id for c in floor.calls.values() if c.missing_since is not None]
        if missing and floor.synced:
            floor.out.append(AskForSync(floor.effect(), f"{len(missing)} calls missing, first {missing[0]}"))

    def _vanished(self, call: Call, now: Instant) -> None:
        """We knew the call and the switch has it no more.

        The journal was read before the world was told, so an end that came while we were deaf is known by
        now. A call without one was cut off by the switch's own death, waiting or in mid-talk, and must be
        called back (failure mode 26); an end in the journal, read later, corrects this.
        """
        fact = CallEnded(call.id)
        if call.state is not CallState.DONE and call.final is None:
            fact = CallEnded(call.id, reason=EndReason.PBX_FAILED)
        self.calls.end(call, fact, now, now)
        call.reason_given = False

    def _reconcile(self, live: LiveCall, now: Instant) -> int:
        """Bring one call to the stage the switch says; 1 if there was a difference."""
        floor = self.floor
        if live.call in floor.closed:
            floor.count("ended_calls_seen_alive")  # a snapshot taken just before the end
            return 0
        call = floor.calls.get(live.call)
        unknown = call is None
        fresh = unknown and now - live.entered_at < NOTE_MS  # its notes are on their way: no drift
        if call is None:
            entered = min(live.entered_at, now)
            call = floor.new_call(Call(live.call, live.did, live.ani, entered, floor.next_order()))
            call.card_number = live.card_number
            if live.missed is not None:
                mark_outbound(call, live.missed)
                call.waits_again = now  # its place may be old, its wait in line is bounded anew
            if live.queue and live.stage != "enter":
                self._adopt_place(call, live)
        call.missing_since = None
        stage = _STAGES.get(live.stage)
        if stage is None:
            floor.count("unknown_stages")
            return int(unknown and not fresh)
        changed = stage(self, call, live, now)
        call.attempt = max(call.attempt, live.attempt)
        return int((unknown or changed) and not fresh)

    def _adopt_place(self, call: Call, live: LiveCall) -> None:
        """Take over an unknown call at its original place: it counts as offered once."""
        floor = self.floor
        call.queue, call.subscriber = live.queue, live.subscriber
        call.priority, call.needs, call.sticky = live.priority, live.needs, live.sticky
        line = floor.line(live.queue, live.subscriber)
        if not call.outbound:
            call.queued_at = call.stay_at = call.entered_at
            line.tally.offered += 1

    def _enter(self, call: Call, live: LiveCall, now: Instant) -> bool:  # noqa: ARG002
        return False  # a snapshot cannot say less than the notes did

    def _wait(self, call: Call, live: LiveCall, now: Instant) -> bool:
        if call.state is CallState.WAITING:
            return False
        if call.state is CallState.OFFERING and call.leg is not None and call.leg.confirmed_at is None:
            return False  # our Redirect is on its way
        if call.state is CallState.TALKING:
            self.calls.to_head(call, EndedBy.UNKNOWN, now, now)
        elif call.state is CallState.OFFERING:
            self.offers.lost_return(call, now, now)
        else:
            call.apply(CallSignal.QUEUED)
            if call.queued_at is None:
                self._adopt_place(call, live)
            self.floor.note(call, now, "found waiting")
            self.floor.to_line(call, now)
        return True

    def _dial(self, call: Call, live: LiveCall, now: Instant) -> bool:
        leg = call.leg
        if live.agent is None or call.state is CallState.TALKING:
            return False  # the stage is written just before the answer's note
        if leg is not None and leg.agent == live.agent and leg.attempt == live.attempt:
            self.offers.dialled(call, leg, now, now)
            return False
        self._place_if_unknown(call, live)
        self.offers.adopt(call, live.agent, live.attempt, now, now)
        return True

    def _consult(self, call: Call, live: LiveCall, now: Instant) -> bool:
        changed = self._talk(call, live, now)
        if call.transfer is not TransferState.NONE or call.leg is None:
            return changed
        call.hand(TransferSignal.CONSULT)
        if call.leg.hold_since is None:
            call.leg.hold_since = now
        return True

    def _talk(self, call: Call, live: LiveCall, now: Instant) -> bool:
        if live.agent is None:
            return False
        answered_at = now if live.answered_at is None else min(live.answered_at, now)
        leg = call.leg
        same = leg is not None and leg.agent == live.agent and leg.attempt == live.attempt
        if same and call.state is CallState.TALKING:
            return False
        if leg is None or not same:
            self._place_if_unknown(call, live)
            leg = self.offers.adopt(call, live.agent, live.attempt, answered_at, now)
        self.offers.answered(call, leg, answered_at, now)
        return True

    def _place_if_unknown(self, call: Call, live: LiveCall) -> None:
        if call.queued_at is None and live.queue:
            self._adopt_place(call, live)

    def _fallback(self, call: Call, live: LiveCall, now: Instant) -> bool:  # noqa: ARG002
        if call.state is CallState.FALLBACK:
            return False
        self.calls.leave_to_fallback(call, "found in fallback", now, now)
        return True

    def _done(self, call: Call, live: LiveCall, now: Instant) -> bool:
        if call.state is CallState.DONE:
            return False
        if live.agent is not None and live.answered_at is not None and not call.was_answered:
            self._talk(call, live, now)  # the whole talk happened while we were deaf
        self.calls.finish(call, "found done", now, now)
        return True

    # --- agents ---------------------------------------------------------------------------------

    def _reconcile_agent(self, live: LiveAgent, now: Instant, *, audit: bool) -> int:
        """The phone from the switch; the status from our store, but only the first time.

        The rows were read a while ago. Once the status is known here the store is behind us, and its old
        row would undo a pause or logout told meanwhile.
        """
        floor = self.floor
        agent = floor.agents.get(live.agent)
        if agent is None:
            floor.count("unknown_agents")
            return 0
        drift = int(agent.reachable is not live.reachable) + int(agent.in_own_call is not live.in_own_call)
        agent.account(now)
        agent.reachable = live.reachable
        agent.in_own_call = live.in_own_call
        if agent.state is AgentState.BUSY_ELSEWHERE and not live.in_own_call:
            agent.apply(AgentSignal.OWN_CALL_OVER, now)
        if not audit and not agent.retired and not agent.status_known:
            agent.status_known = True
            agent.device = live.device or agent.device
            status = AgentStatus.LOGGED_OUT
            if live.logged_in:
                status = AgentStatus.PAUSED if live.paused_reason else AgentStatus.AVAILABLE
            if (status, live.paused_reason) != (agent.status, agent.pause_reason):
                agent.choose(status, live.paused_reason, now)  # told by the store: no need to keep it
            if live.wrap_up_until is not None and live.wrap_up_until > now and live.logged_in:
                # never longer than a whole one: the clock that kept it may have been an hour ahead
                longest = max((line.policy.wrap_up_ms for line in floor.lines.values()), default=0)
                self.offers.found_wrap_up(agent, min(live.wrap_up_until, now + longest), now)
        floor.settle(agent, now)
        return drift


_LOOK_AGAIN = ("look_again", "")

_STAGES = {
    "enter": Sync._enter,  # noqa: SLF001
    "wait": Sync._wait,  # noqa: SLF001
    "dial": Sync._dial,  # noqa: SLF001
    "talk": Sync._talk,  # noqa: SLF001
    "consult": Sync._consult,  # noqa: SLF001
    "handed": Sync._done,  # noqa: SLF001
    "fallback": Sync._fallback,  # noqa: SLF001
    "done": Sync._done,  # noqa: SLF001
}
"""The stages of agi_scripts.dialplan_vars."""
