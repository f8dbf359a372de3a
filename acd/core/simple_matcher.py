"""A plain assignment pass: required skills, sticky agent, level, longest idle; longest wait, priority.

The bar that the recommended policy has to beat, and enough to run a small office. A pass looks only at
pairs with something new in them: a fresh call or a fresh agent.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

from acd.core.deadlines import Deadlines
from acd.core.ids import CallId
from acd.core.matcher import Assignment, Demand, Matcher, Waiting

if TYPE_CHECKING:
    from acd.core.ids import AgentId, QueueId, SkillId
    from acd.core.instant import Duration, Instant
    from acd.core.policy import Policy, QueuePolicy


def place(call: Waiting) -> tuple[bool, Instant, int]:
    """Sort key inside one queue: the head first, then the moment of entry, then the serial."""
    return (call.order >= 0, call.entered_at, call.order)


class SimpleMatcher(Matcher):
    """Implements `acd.core.matcher.Matcher`."""

    def __init__(self) -> None:
        self._queues: dict[QueueId, QueuePolicy] = {}
        self._skills: dict[AgentId, dict[SkillId, int]] = {}
        self._calls: dict[CallId, Waiting] = {}
        self._lines: dict[QueueId, list[Waiting]] = {}
        self._agents: dict[AgentId, Instant] = {}
        self._fresh_calls: dict[CallId, None] = {}
        self._fresh_agents: dict[AgentId, None] = {}
        self._relax = Deadlines()

    # --- what changed ---------------------------------------------------------------------------

    def set_policy(self, policy: Policy) -> None:
        """Start or reload; everything is tested again."""
        self._queues = {q.id: q for q in policy.queues}
        self._skills = {a.id: dict(a.skills) for a in policy.agents}
        self._fresh_calls = dict.fromkeys(self._calls)

    def add_call(self, call: Waiting) -> None:
        """A call starts (or again starts) to wait."""
        self.remove_call(call.call)
        self._calls[call.call] = call
        insort(self._lines.setdefault(call.queue, []), call, key=place)
        self._fresh_calls[call.call] = None
        self._plan_relaxation(call, call.entered_at - 1)

    def _plan_relaxation(self, call: Waiting, after: Instant) -> None:
        """Wake up at the next instant at which a requirement of this call is relaxed."""
        queue = self._queues.get(call.queue)
        if queue is None:
            return
        steps = [
            call.entered_at + need.relax_after_ms
            for need in queue.needs
            if need.relax_after_ms is not None and call.entered_at + need.relax_after_ms > after
        ]
        if steps:
            self._relax.set(("relax", call.call), min(steps))

    def remove_call(self, call: CallId) -> None:
        """It no longer waits. Unknown ids are harmless."""
        waiting = self._calls.pop(call, None)
        if waiting is not None:
            self._lines[waiting.queue].remove(waiting)
            self._fresh_calls.pop(call, None)
            self._relax.cancel(("relax", call))

    def add_agent(self, agent: AgentId, idle_since: Instant) -> None:
        """The agent is ready."""
        self._agents[agent] = idle_since
        self._fresh_agents[agent] = None

    def remove_agent(self, agent: AgentId) -> None:
        """Not ready any more. Unknown ids are harmless."""
        self._agents.pop(agent, None)
        self._fresh_agents.pop(agent, None)

    def record_outcome(self, queue: QueueId, waited_ms: Duration, *, answered: bool) -> None:
        """This pass has no memory."""

    def record_talk(self, queue: QueueId, agent: AgentId, busy_ms: Duration) -> None:
        """This pass has no memory."""

    # --- the pass -------------------------------------------------------------------------------

    def assign(self, now: Instant) -> tuple[Assignment, ...]:
        """Decide. The assigned calls and agents are removed from the indexes."""
        for _, call_id in self._relax.pop_due(now):
            call = self._calls[CallId(call_id)]
            self._fresh_calls[call.call] = None
            self._plan_relaxation(call, now)
        if not self._agents or not self._calls:
            self._fresh_calls.clear()
            self._fresh_agents.clear()
            return ()
        made: list[Assignment] = []
        if self._fresh_agents:
            # a free agent may serve anybody who waits, fresh calls included
            candidates = list(self._calls.values())
        else:
            candidates = [self._calls[c] for c in self._fresh_calls]
        if len(candidates) > 1:
            candidates.sort(key=lambda c: self._urgency(c, now))
        for call in candidates:
            agent = self._best_agent(call, now)
            if agent is not None:
                made.append(Assignment(call.call, agent, self._why(call, agent, now)))
                self.remove_call(call.call)
                self.remove_agent(agent)
                if not self._agents:
                    break
        self._fresh_calls.clear()
        self._fresh_agents.clear()
        return tuple(made)

    def _urgency(self, call: Waiting, now: Instant) -> tuple[bool, float, int]:
        """Sort key over all queues: head first, then wait times priority, then the serial."""
        queue = self._queues.get(call.queue)
        weight = call.priority * (queue.priority if queue is not None else 1.0)
        return (call.order >= 0, -(now - call.entered_at + 1) * weight, call.order)

    def _best_agent(self, call: Waiting, now: Instant) -> AgentId | None:
        """Sticky agent first, then the highest level, then the longest idle, then the name.

        Agents who let this very call ring come after all others.
        """
        best: tuple[bool, bool, int, Instant, AgentId] | None = None
        for agent, idle_since in self._agents.items():
            level = self._level(call, agent, now)
            if level is None:
                continue
            rank = (agent in call.skip, agent != call.sticky, -level, idle_since, agent)
            if best is None or rank < best:
                best = rank
        return None if best is None else best[4]

    def _level(self, call: Waiting, agent: AgentId, now: Instant) -> int | None:
        """Sum of the agent's levels in the required skills; None if one requirement is not met."""
        skills = self._skills.get(agent, {})
        queue = self._queues.get(call.queue)
        eased = dict(call.eased)
        total = 0
        for skill, least in call.needs:
            level = skills.get(skill, 0)
            if level < min(least, eased.get(skill, least)):
                return None
            total += level
        for need in queue.needs if queue is not None else ():
            relaxed = need.relax_after_ms is not None and now - call.entered_at >= need.relax_after_ms
            least = need.relaxed_level if relaxed else need.min_level
            level = skills.get(need.skill, 0)
            if level < min(least, eased.get(need.skill, least)):
                return None
            total += level
        return total

    def _why(self, call: Waiting, agent: AgentId, now: Instant) -> str:
        """One line for the record."""
        kind = "sticky agent" if agent == call.sticky else "best level, longest idle"
        return f"{agent}: {kind}; call waited {now - call.entered_at} ms, agent idle {now - self._agents[agent]} ms"

    def next_check(self, now: Instant) -> Instant | None:  # noqa: ARG002
        """When the next requirement is relaxed."""
        return self._relax.next()

    # --- questions ------------------------------------------------------------------------------

    def explain(self, call: CallId, now: Instant) -> tuple[str, ...]:
        """Why this call waits: one line per ready agent."""
        waiting = self._calls.get(call)
        if waiting is None:
            return ()
        lines = [f"place {self.position(call)} in {waiting.queue}, {len(self._agents)} agents ready"]
        for agent in self._agents:
            if self._level(waiting, agent, now) is None:
                lines.append(f"{agent}: lacks a required skill")
            elif agent in waiting.skip:
                lines.append(f"{agent}: let this call ring already, others come first")
            else:
                lines.append(f"{agent}: could take it")
        return tuple(lines)

    def position(self, call: CallId) -> int:
        """Place of the call in its own queue, 1 is next; 0 when it does not wait."""
        waiting = self._calls.get(call)
        return 0 if waiting is None else self._lines[waiting.queue].index(waiting) + 1

    def open_reserve(self, queue: QueueId, upto: int, now: Instant) -> None:
        """This matcher knows no reserves: everybody is in the front line."""

    def reserve_open(self, queue: QueueId) -> int:  # noqa: ARG002
        """No class is closed here."""
        return 0

    def demand(self, agent: AgentId) -> Demand:  # noqa: ARG002
        """This matcher prices nobody."""
        return Demand()

    def explain_reserve(self, queue: QueueId) -> str:  # noqa: ARG002
        """Nothing opens or closes here."""
        return ""

    def expected_wait_ms(self, queue: QueueId, place: int) -> Duration | None:  # noqa: ARG002
        """None: this matcher keeps no rates to estimate from."""
        return None
