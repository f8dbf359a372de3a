"""Routing by groups, as published models define it: an assignment pass like any other.

A new call asks the queue's groups in order (or draws among all idle capable agents); a freed agent takes
the waiting call of highest preference, and among equals the longest wait. It never holds anybody back.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from acd.core.matcher import Assignment, Demand, Matcher

if TYPE_CHECKING:
    import random

    from acd.core.ids import AgentId, CallId, QueueId
    from acd.core.instant import Duration, Instant
    from acd.core.matcher import Waiting
    from acd.core.policy import Policy
    from simulator.scenario import Scenario


def _place(call: Waiting) -> tuple[bool, Instant, int]:
    """Place in line: the head first, then the moment of entry (a callback keeps it), then the serial."""
    return (call.order >= 0, call.entered_at, call.order)


class GroupRouter(Matcher):
    """See the module's text. Implements `acd.core.matcher.Matcher`."""

    def __init__(self, scenario: Scenario, rng: random.Random) -> None:
        from simulator.agents import agent_ids
        from simulator.scenario import can_serve

        self._uniform = scenario.pick == "uniform"
        self._rng = rng
        self._group_of: dict[str, str] = {}
        self._idle: dict[str, OrderedDict[AgentId, Instant]] = {}
        self._serves: dict[str, list[tuple[float, str]]] = {}
        for group in scenario.groups:
            self._group_of.update(dict.fromkeys(agent_ids(group), group.name))
            self._idle[group.name] = OrderedDict()
            prefers = dict(group.prefers)
            mine = [q.name for q in scenario.queues if can_serve(group, q)]
            self._serves[group.name] = [(-prefers.get(name, 0.0), name) for name in mine]
        self._asks: dict[str, list[str]] = {}
        for queue in scenario.queues:
            able = [group.name for group in scenario.groups if can_serve(group, queue)]
            self._asks[queue.name] = list(queue.served_by) or able
        self._lines: dict[str, deque[Waiting]] = {queue.name: deque() for queue in scenario.queues}
        self._waiting: dict[CallId, Waiting] = {}
        self._fresh: list[Waiting] = []
        self._freed: list[AgentId] = []

    def set_policy(self, policy: Policy) -> None:
        """Nothing of the production's policy matters here."""

    def add_call(self, call: Waiting) -> None:
        """Line up by arrival; a returned call finds its old place."""
        line = self._lines[call.queue]
        self._waiting[call.call] = call
        mine = _place(call)
        if not line or _place(line[-1]) < mine:
            line.append(call)
        else:
            line.insert(next(n for n, other in enumerate(line) if _place(other) >= mine), call)
        self._fresh.append(call)

    def remove_call(self, call: CallId) -> None:
        """Forget it; the line is cleaned when its head is looked at."""
        self._waiting.pop(call, None)

    def add_agent(self, agent: AgentId, idle_since: Instant) -> None:
        """Last in his group's row of idle agents."""
        self._idle[self._group_of[agent]][agent] = idle_since
        self._freed.append(agent)

    def remove_agent(self, agent: AgentId) -> None:
        """No longer idle."""
        self._idle[self._group_of[agent]].pop(agent, None)

    def record_outcome(self, queue: QueueId, waited_ms: Duration, *, answered: bool) -> None:
        """Nothing is learnt."""

    def record_talk(self, queue: QueueId, agent: AgentId, busy_ms: Duration) -> None:
        """Nothing is learnt."""

    def assign(self, now: Instant) -> tuple[Assignment, ...]:  # noqa: ARG002 - decisions need no clock
        """Serve freed agents from the lines, then new calls by idle agents."""
        made: list[Assignment] = []
        for agent in self._freed:
            idle = self._idle[self._group_of[agent]]
            if agent in idle and (call := self._next_for(self._group_of[agent], agent)):
                del idle[agent]
                del self._waiting[call.call]
                made.append(Assignment(call.call, agent, "longest wait of the group's queues"))
        for call in self._fresh:
            if self._waiting.get(call.call) is call and (found := self._agent_for(call)):
                del self._idle[self._group_of[found]][found]
                del self._waiting[call.call]
                made.append(Assignment(call.call, found, "first idle agent in the order of groups"))
        self._fresh.clear()
        self._freed.clear()
        return tuple(made)

    def _head(self, queue: str, agent: AgentId) -> Waiting | None:
        """Return the first in line whom this agent may be offered; clean the line's front."""
        line = self._lines[queue]
        while line and self._waiting.get(line[0].call) is not line[0]:
            line.popleft()
        if line and agent not in line[0].skip:
            return line[0]
        return next((c for c in line if self._waiting.get(c.call) is c and agent not in c.skip), None)

    def _next_for(self, group: str, agent: AgentId) -> Waiting | None:
        best: Waiting | None = None
        best_rank: tuple[float, bool, Instant, int] = (0.0, False, 0, 0)
        for preference, queue in self._serves[group]:
            head = self._head(queue, agent)
            if head is not None and (best is None or (preference, *_place(head)) < best_rank):
                best, best_rank = head, (preference, *_place(head))
        return best

    def _agent_for(self, call: Waiting) -> AgentId | None:
        if self._uniform:
            able = [a for group in self._asks[call.queue] for a in self._idle[group] if a not in call.skip]
            return self._rng.choice(able) if able else None
        for group in self._asks[call.queue]:
            for agent in self._idle[group]:
                if agent not in call.skip:
                    return agent
        return None

    def next_check(self, now: Instant) -> Instant | None:  # noqa: ARG002 - nobody is held back
        """Never: nobody is held back."""
        return None

    def explain(self, call: CallId, now: Instant) -> tuple[str, ...]:  # noqa: ARG002 - as the protocol says
        """One line."""
        return ("all agents of the queue's groups are busy",) if call in self._waiting else ()

    def open_reserve(self, queue: QueueId, upto: int, now: Instant) -> None:
        """Published models know no reserves."""

    def reserve_open(self, queue: QueueId) -> int:  # noqa: ARG002
        """No class is closed here."""
        return 0

    def demand(self, agent: AgentId) -> Demand:  # noqa: ARG002
        """This matcher prices nobody."""
        return Demand()

    def explain_reserve(self, queue: QueueId) -> str:  # noqa: ARG002
        """Nothing opens or closes here."""
        return ""

    def expected_wait_ms(self, queue: QueueId, place: int) -> Duration | None:  # noqa: ARG002 - published models announce nothing
        """Know none."""
        return None

    def position(self, call: CallId) -> int:
        """Count those before it in its queue."""
        mine = self._waiting.get(call)
        if mine is None:
            return 0
        line = self._lines[mine.queue]
        return 1 + sum(self._waiting.get(c.call) is c and _place(c) < _place(mine) for c in line)
