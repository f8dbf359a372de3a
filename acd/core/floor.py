"""The floor: everything the engine knows, and the small moves that every kind of fact needs.

Calls, agents, queue lines, deadlines, counters and the wishes of the step in progress live here. The
modules `calls`, `agents`, `offers` and `sync` each understand some facts; `engine` dispatches and
assigns.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from acd.core import names
from acd.core.agent import Agent, AgentStatus
from acd.core.call import Call, CallState
from acd.core.deadlines import Deadlines
from acd.core.effects import KeepAgentStatus
from acd.core.errors import PolicyError
from acd.core.ids import AgentId, CallId, EffectId, QueueId, SubscriberId
from acd.core.matcher import Matcher, Waiting
from acd.core.policy import AgentPolicy, Policy, QueuePolicy
from acd.core.tally import QueueTally, Way

if TYPE_CHECKING:
    from acd.core.candidates import Candidates
    from acd.core.effects import Effect
    from acd.core.instant import Instant
    from acd.core.rulebook import Rulebook

HISTORY_LIMIT = 200
"""Transitions kept per call: a call bounced for hours must not eat the memory."""
EXPLANATION_LIMIT = 50
NOBODY = SubscriberId("")


class Dated(Protocol):
    """Any fact."""

    @property
    def at(self) -> Instant | None:
        """When the switch says it happened."""


def happened(fact: Dated, now: Instant) -> Instant:
    """When the fact happened: the switch's word, unless it speaks of the future."""
    at = fact.at
    return now if at is None or at > now else at


class Line:
    """One queue at run time."""

    __slots__ = ("open", "policy", "tally")

    def __init__(self, policy: QueuePolicy) -> None:
        self.policy = policy
        self.open = True
        self.tally = QueueTally()


class Floor:
    """The whole state of the core."""

    __slots__ = (
        "agents",
        "by_effect",
        "calls",
        "closed",
        "closing",
        "counters",
        "deadlines",
        "dirty",
        "effect_serial",
        "leaving",
        "lines",
        "matcher",
        "order_serial",
        "out",
        "policy",
        "rulebook",
        "synced",
        "windows",
    )

    def __init__(self, policy: Policy, matcher: Matcher) -> None:
        self.matcher = matcher
        self.rulebook: Rulebook | None = None
        """Looks after the rules; None while no queue has any."""
        self.windows: dict[str, bool] = {}
        """Stretches of the clock that rules speak of: whether we are inside."""
        self.calls: dict[CallId, Call] = {}
        self.closed: dict[CallId, Call] = {}
        """Ended calls that still accept late facts and card fields."""
        self.closing: deque[Call] = deque()
        """The same, oldest first: a dict is slow at a front that was emptied one by one."""
        self.agents: dict[AgentId, Agent] = {}
        self.lines: dict[QueueId, Line] = {}
        self.leaving: set[QueueId] = set()
        """Lines whose queue a new policy removed; each goes with its last call."""
        self.deadlines = Deadlines()
        self.counters: dict[str, int] = {}
        self.out: list[Effect] = []
        self.by_effect: dict[EffectId, CallId] = {}
        """Wishes about calls whose outcome is still open."""
        self.synced = False
        self.dirty = False
        """Something changed that could lead to an assignment."""
        self.effect_serial = 0
        self.order_serial = 0
        self.policy = policy
        self.set_policy(policy, 0)

    def set_policy(self, policy: Policy, now: Instant) -> None:
        """Start or reload. Raises PolicyError when an id stands twice."""
        if len({q.id for q in policy.queues}) != len(policy.queues):
            raise PolicyError("a queue id stands twice in the policy")
        if len({a.id for a in policy.agents}) != len(policy.agents):
            raise PolicyError("an agent id stands twice in the policy")
        self.policy = policy
        for queue in policy.queues:
            line = self.lines.get(queue.id)
            if line is None:
                self.lines[queue.id] = Line(queue)
            else:
                line.policy = queue
        self.leaving = self.lines.keys() - {queue.id for queue in policy.queues}
        self.drop_lines()
        self.matcher.set_policy(policy)
        configured: dict[AgentId, AgentPolicy] = {a.id: a for a in policy.agents}
        for agent_policy in policy.agents:
            agent = self.agents.get(agent_policy.id)
            if agent is None:
                self.agents[agent_policy.id] = Agent(agent_policy, now)
            else:
                agent.policy = agent_policy
                agent.retired = False
                self.refresh(agent)
        for agent in [a for a in self.agents.values() if a.id not in configured]:
            agent.retired = True
            if agent.status is not AgentStatus.LOGGED_OUT:
                self.choose(agent, AgentStatus.LOGGED_OUT, "", now)
            self.settle(agent, now)
        self.dirty = True

    def drop_lines(self) -> None:
        """Let the lines of removed queues go that no live call and no wrap-up needs any more."""
        if not self.leaving:
            return
        needed = {call.queue for call in self.calls.values()}
        needed |= {agent.leg.queue for agent in self.agents.values() if agent.leg is not None}
        gone = self.leaving - needed
        if not gone:
            return
        self.leaving -= gone
        for queue in gone:
            del self.lines[queue]
        for call in self.closed.values():
            if call.queue in gone:
                call.left = None  # no figures left to correct, even if the queue comes back

    # --- small services ------------------------------------------------------------------------

    def effect(self) -> EffectId:
        """Number the next wish."""
        self.effect_serial += 1
        return self.effect_serial  # type: ignore[return-value]  # EffectId() is a call, made seven times a call

    def count(self, name: str) -> None:
        """Count an anomaly by name."""
        self.counters[name] = self.counters.get(name, 0) + 1

    def line(self, queue: QueueId, subscriber: SubscriberId = NOBODY) -> Line:
        """Return the queue's line; a queue the policy does not know gets the defaults."""
        line = self.lines.get(queue)
        if line is None:
            self.count("unknown_queues")
            line = self.lines[queue] = Line(QueuePolicy(queue, subscriber))
        return line

    def find_call(self, id: CallId) -> Call | None:  # noqa: A002
        """Return the live or recently ended call."""
        call = self.calls.get(id)
        return self.closed.get(id) if call is None else call

    def new_call(self, call: Call) -> Call:
        """Take a call into the books."""
        self.calls[call.id] = call
        return call

    def next_order(self) -> int:
        """Serial of arrival."""
        self.order_serial += 1
        return self.order_serial

    def note(self, call: Call, when: Instant, detail: str = "") -> None:
        """Write the call's present state into its history."""
        if len(call.history) < HISTORY_LIMIT:
            call.history.append((when, call.state.word, detail))

    def explain(self, call: Call, why: str | Candidates) -> None:
        """Keep one line of reason on the call; it becomes text when somebody reads it."""
        if len(call.explanation) < EXPLANATION_LIMIT:
            call.explanation.append(why)

    # --- the waiting line ----------------------------------------------------------------------

    def to_line(self, call: Call, now: Instant) -> None:
        """Put a waiting call (again) where the matcher sees it, at its own place."""
        self.show(call)
        self.limit_wait(call, now)
        if call.skip:
            self.deadlines.set(("skip", call.id), now + self.policy.skip_ms)
        if self.rulebook is not None:
            self.rulebook.waits(call)

    def show(self, call: Call) -> None:
        """Let the matcher see the call as it now is."""
        marks = call.marks
        self.matcher.add_call(
            Waiting(
                call.id,
                call.queue,
                call.place_at,
                call.order,
                call.priority if marks is None else call.priority * marks.lift,
                call.needs if marks is None else (*call.needs, *marks.needs),
                call.sticky,
                call.skip,
                () if marks is None else marks.eased,
            )
        )
        self.dirty = True

    def limit_wait(self, call: Call, now: Instant) -> None:
        """Every wait has an end. A talk before is no wait: a caller who comes back gets the whole time."""
        limit = self.lines[call.queue].policy.max_wait_ms
        self.deadlines.set(("max_wait", call.id), max(now, call.waits_from + limit))

    def from_line(self, call: Call) -> None:
        """Take the call out of the matcher's sight; harmless if it is not there."""
        self.matcher.remove_call(call.id)
        self.off_line(call)

    def unserved(self, call: Call, now: Instant) -> None:
        """Take the call out of the line without an agent, and keep where its wait went."""
        told = self.matcher.tell_wait(call.id, now)
        if told:
            self.explain(call, told)
        self.from_line(call)

    def off_line(self, call: Call) -> None:
        """Forget what runs only while the call waits."""
        self.deadlines.cancel(("max_wait", call.id))
        if call.skip:
            self.deadlines.cancel(("skip", call.id))
        if call.fallback_effect is not None:
            self.by_effect.pop(call.fallback_effect, None)
            call.fallback_effect = None
        if call.move_effect is not None:
            self.by_effect.pop(call.move_effect, None)
            self.deadlines.cancel(("move", call.id))
            call.move_effect = None
        if self.rulebook is not None:
            self.rulebook.gone(call)

    def forget_transfer(self, call: Call) -> None:
        """No refusal of the last wish to hand the call on is waited for any more."""
        if call.transfer_effect is not None:
            self.deadlines.cancel(("transfer", call.id))
            self.by_effect.pop(call.transfer_effect, None)
            call.transfer_effect = None

    def learn_queue(self, call: Call, queue: QueueId) -> None:
        """Another note than the lost one names the queue: its rules count, not those of no queue at all."""
        if not queue:
            return
        call.queue, call.subscriber = queue, self.line(queue).policy.subscriber
        for leg in call.legs:
            leg.queue = leg.queue or queue

    def left_line(self, call: Call, way: Way, when: Instant) -> None:
        """Count, once per stay, that the call left its queue."""
        if call.stay_at is None or call.left is not None:
            return
        line = self.lines[call.queue]
        wait = max(0, when - call.stay_at)
        call.left = line.tally.leave(way, wait, line.policy)
        self.matcher.record_outcome(call.queue, wait, answered=way is names.WAY_ANSWERED)
        self.dirty = True

    def recount(self, call: Call, way: Way, when: Instant) -> None:
        """Late news: the call left its queue otherwise, or at another moment, than we counted."""
        if call.left is None or call.stay_at is None:
            return
        line = self.lines[call.queue]
        if line.tally.take_back(call.left):
            call.left = line.tally.leave(way, max(0, when - call.stay_at), line.policy)

    # --- agents --------------------------------------------------------------------------------

    def guest(self, id: AgentId, now: Instant) -> Agent:  # noqa: A002
        """Return the agent; one whom the policy does not know is kept only as long as busy.

        Reality wins over configuration: the switch says this agent has a call of ours.
        """
        agent = self.agents.get(id)
        if agent is None:
            self.count("unknown_agents")
            agent = self.agents[id] = Agent(AgentPolicy(id), now)
            agent.retired = True
        return agent

    def refresh(self, agent: Agent) -> None:
        """Tell the matcher whether the agent is ready, if that changed."""
        if self.rulebook is not None:
            self.rulebook.agent_changed(agent)
        ready = agent.ready
        if ready is agent.offered_ready:
            return
        agent.offered_ready = ready
        if ready:
            self.matcher.add_agent(agent.id, max(agent.since, agent.status_since))
        else:
            self.matcher.remove_agent(agent.id)
        self.dirty = True

    def settle(self, agent: Agent, now: Instant) -> None:
        """After a change: an idle agent in an own call is busy, a retired one goes, the rest are told."""
        if agent.state is names.AGENT_IDLE:
            if agent.in_own_call:
                agent.apply(names.AGENT_ON_OWN_CALL, now)
            elif agent.retired:
                agent.offered_ready = False
                self.matcher.remove_agent(agent.id)
                self.deadlines.cancel(("rest", agent.id))
                self.agents.pop(agent.id, None)
                if self.rulebook is not None:
                    self.rulebook.agent_changed(agent)
                return
        self.refresh(agent)

    def choose(self, agent: Agent, status: AgentStatus, reason: str, now: Instant) -> None:
        """Set the agent's status and have it remembered."""
        agent.choose(status, reason, now)
        self.keep(agent)
        self.refresh(agent)

    def keep(self, agent: Agent) -> None:
        """Wish that the agent's status survives our restart."""
        self.out.append(
            KeepAgentStatus(
                self.effect(),
                agent.id,
                agent.status is not names.STATUS_LOGGED_OUT,
                agent.pause_reason,
                agent.device,
                agent.status_since,
                agent.wrap_up_until,
            )
        )

    def in_line(self, queue: QueueId) -> int:
        """Calls offered to this queue that have not left it yet."""
        return sum(
            c.queue == queue and c.stay_at is not None and c.left is None
            for c in self.calls.values()
            if c.state is not CallState.ENDED
        )
