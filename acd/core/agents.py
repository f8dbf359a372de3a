"""What the core does when told something about an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.agent import AgentSignal, AgentState, AgentStatus
from acd.core.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPaused,
    AgentResumed,
    DeviceReachable,
    DeviceUnreachable,
    OwnCallEnded,
    OwnCallStarted,
    WorkDone,
    WorkTaken,
    WrapUpDone,
    WrapUpExtended,
)
from acd.core.floor import happened

if TYPE_CHECKING:
    from acd.core.agent import Agent
    from acd.core.floor import Floor
    from acd.core.ids import AgentId
    from acd.core.instant import Instant
    from acd.core.offers import Offers


class AgentFacts:
    """Handlers of facts about agents."""

    __slots__ = ("floor", "offers")

    def __init__(self, floor: Floor, offers: Offers) -> None:
        self.floor = floor
        self.offers = offers

    def _agent(self, id: AgentId) -> Agent | None:  # noqa: A002
        agent = self.floor.agents.get(id)
        if agent is None:
            self.floor.count("unknown_agents")
        return agent

    def _illegal(self, agent: Agent, what: str) -> None:
        self.floor.count(f"illegal_agent_{agent.state.value}_{what}")

    # --- status: the person's choice ------------------------------------------------------------

    def logged_in(self, fact: AgentLoggedIn, now: Instant) -> None:
        """At work and available. Logging in again is how an agent moves to another phone."""
        agent = self._agent(fact.agent)
        if agent is None or agent.retired:
            return
        agent.device = fact.device
        agent.rna_streak = 0
        self.floor.choose(agent, AgentStatus.AVAILABLE, "", now)

    def logged_out(self, fact: AgentLoggedOut, now: Instant) -> None:
        """No further offers. An offer or a talk in progress goes on and is credited."""
        agent = self._agent(fact.agent)
        if agent is None:
            return
        agent.status_known = True  # before the first sync too: the store's older word must not undo it
        if agent.status is AgentStatus.LOGGED_OUT:
            return
        self.floor.choose(agent, AgentStatus.LOGGED_OUT, "", now)
        if agent.state is AgentState.WRAP_UP:
            self.offers.wrap_up_over(agent, "logout", happened(fact, now), now)

    def paused(self, fact: AgentPaused, now: Instant) -> None:
        """No further offers, for a reason. An offer in progress goes on; if answered, it counts.

        Before the first sync we do not know who is logged in, so a pause is taken at its word.
        """
        agent = self._agent(fact.agent)
        if agent is None:
            return
        unread = not agent.status_known and not self.floor.synced and not agent.retired
        if agent.status is AgentStatus.LOGGED_OUT and not unread:
            self._illegal(agent, "paused_logged_out")
            return
        if agent.status is AgentStatus.PAUSED and agent.pause_reason == fact.reason:
            return
        self.floor.choose(agent, AgentStatus.PAUSED, fact.reason, now)

    def resumed(self, fact: AgentResumed, now: Instant) -> None:
        """Takes calls again."""
        agent = self._agent(fact.agent)
        if agent is None or agent.status is AgentStatus.AVAILABLE:
            return
        if agent.status is AgentStatus.LOGGED_OUT:
            self._illegal(agent, "resumed_logged_out")
            return
        agent.rna_streak = 0
        self.floor.choose(agent, AgentStatus.AVAILABLE, "", now)

    # --- wrap-up --------------------------------------------------------------------------------

    def wrap_up_done(self, fact: WrapUpDone, now: Instant) -> None:
        """The card is saved. Pressed twice, or after the deadline, it changes nothing."""
        agent = self._agent(fact.agent)
        if agent is None:
            return
        if agent.state is AgentState.WRAP_UP:
            self.offers.wrap_up_over(agent, "done", happened(fact, now), now)
        else:
            self.floor.count("wrap_ups_done_without_one")

    def wrap_up_extended(self, fact: WrapUpExtended, now: Instant) -> None:
        """Longer for the card."""
        agent = self._agent(fact.agent)
        if agent is None:
            return
        if agent.state is AgentState.WRAP_UP:
            self.offers.extend_wrap_up(agent, fact.by_ms, now)
        else:
            self._illegal(agent, "wrap_up_extended")

    # --- written work ---------------------------------------------------------------------------

    def work_taken(self, fact: WorkTaken, now: Instant) -> None:
        """A piece of written work is in hand; a call may still come and goes first."""
        agent = self._agent(fact.agent)
        if agent is None:
            return
        if fact.work not in agent.written and len(agent.written) >= agent.policy.capacity.written:
            self.floor.count("written_work_beyond_capacity")
        agent.written.setdefault(fact.work, happened(fact, now))

    def work_done(self, fact: WorkDone, now: Instant) -> None:  # noqa: ARG002  same shape as all
        """The piece is finished; told twice it changes nothing."""
        agent = self._agent(fact.agent)
        if agent is not None:
            agent.written.pop(fact.work, None)

    # --- the phone ------------------------------------------------------------------------------

    def own_call_started(self, fact: OwnCallStarted, now: Instant) -> None:
        """The phone is in a call that is not ours. During an offer or talk this is kept for later."""
        agent = self._agent(fact.agent)
        if agent is None or agent.in_own_call:
            return
        agent.in_own_call = True
        if agent.state is AgentState.WRAP_UP:
            self.offers.wrap_up_over(agent, "own call", happened(fact, now), now)
        else:
            self.floor.settle(agent, now)

    def own_call_ended(self, fact: OwnCallEnded, now: Instant) -> None:
        """The phone is free of other calls."""
        agent = self._agent(fact.agent)
        if agent is None or not agent.in_own_call:
            return
        agent.in_own_call = False
        if agent.state is AgentState.BUSY_ELSEWHERE:
            agent.apply(AgentSignal.OWN_CALL_OVER, now)
        self.floor.settle(agent, now)

    def reachable(self, fact: DeviceReachable, now: Instant) -> None:
        """The phone is there."""
        self._set_reachable(fact.agent, now, reachable=True)

    def unreachable(self, fact: DeviceUnreachable, now: Instant) -> None:
        """No offers until the phone returns. One in progress is ended by the dialplan, not by us."""
        self._set_reachable(fact.agent, now, reachable=False)

    def _set_reachable(self, id: AgentId, now: Instant, *, reachable: bool) -> None:  # noqa: A002
        agent = self._agent(id)
        if agent is not None and agent.reachable is not reachable:
            agent.account(now)
            agent.reachable = reachable
            self.floor.refresh(agent)

    # --- deadlines ------------------------------------------------------------------------------

    def wrap_up_deadline(self, id: AgentId, now: Instant) -> None:  # noqa: A002
        """The time for the card is over; the card takes fields later too."""
        self.offers.wrap_up_over(self.floor.agents[id], "deadline", now, now)

    def offer_deadline(self, id: AgentId, now: Instant) -> None:  # noqa: A002
        """No confirmation, or no end of ringing, was reported in time."""
        agent = self.floor.agents[id]
        if agent.call is not None:
            self.offers.overdue(self.floor.calls[agent.call], now)

    def rested(self, id: AgentId, now: Instant) -> None:  # noqa: A002
        """The phone may be tried again."""
        agent = self.floor.agents[id]
        agent.resting = False
        self.floor.settle(agent, now)
