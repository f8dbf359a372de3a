"""A bare call floor for benchmarks: the production matcher on virtual time, nothing else.

Calls, agents, talk and patience only; no ringing, no wrap-up, no switch. `simulator.world` drives the
whole engine; this loop is for tuning and for comparisons over millions of calls. Every draw belongs to
its call, so two policies meet the same calls (paired seeds).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from acd.core.ids import AgentId, CallId, QueueId
from acd.core.matcher import Waiting
from acd.core.weighted import WeightedMatcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from acd.core.policy import Policy

_FINISH, _GIVE_UP = 0, 1
_NEVER = 1 << 62


@dataclass(frozen=True)
class Calls:
    """The calls of one run: everything random about them, drawn before any policy sees them."""

    at: list[int]
    queue: list[int]
    patience: list[int]
    talk: list[int]


@dataclass(frozen=True)
class Centre:
    """Who calls whom: policy of the core plus what only the simulator knows."""

    policy: Policy
    shares: tuple[float, ...]
    """Share of calls by queue, in the policy's order."""
    calls_per_s: float
    talk_s: float = 150.0
    talk_cv: float = 0.8
    patience_s: float = 120.0
    slower: tuple[float, ...] = (1.25, 1.25, 1.1, 1.0)
    """Talk time multiplier by the agent's level for the call, index = level."""

    def draw(self, seed: int, count: int) -> Calls:
        """Draw the calls of one run: Poisson arrivals, lognormal talk, exponential patience."""
        streams = [np.random.default_rng([seed, purpose]) for purpose in range(4)]
        gaps = streams[0].exponential(1000.0 / self.calls_per_s, count)
        sigma = sqrt(log(1 + self.talk_cv**2))
        talk = streams[1].lognormal(log(self.talk_s * 1000.0) - sigma**2 / 2, sigma, count)
        return Calls(
            np.cumsum(gaps).astype(int).tolist(),
            streams[2].choice(len(self.shares), count, p=np.array(self.shares)).tolist(),
            streams[3].exponential(self.patience_s * 1000.0, count).astype(int).tolist(),
            talk.astype(int).tolist(),
        )


@dataclass
class Outcome:
    """Counters of one run, by queue."""

    offered: list[int]
    on_time: list[int]
    lost: list[int]
    busy_ms: dict[AgentId, int]
    span_ms: int = 0
    decisions: int = 0
    max_wait_ms: int = 0
    keep_waits: bool = False
    waits: list[tuple[int, int, int, bool]] = field(default_factory=list)
    """(call, queue, waited_ms, answered), only when asked for."""

    def note(self, call: int, queue: int, waited: int, *, answered: bool) -> None:
        """Keep the wait of a call that was answered or gave up."""
        self.max_wait_ms = max(self.max_wait_ms, waited)
        if self.keep_waits:
            self.waits.append((call, queue, waited, answered))


class Floor:
    """One run of one policy over drawn calls; use it once."""

    def __init__(self, centre: Centre, policy: Policy | None = None) -> None:
        self.centre = centre
        self.policy = policy or centre.policy
        self.matcher = WeightedMatcher(self.policy)
        self._ids = [q.id for q in self.policy.queues]
        self._threshold = [q.promise.threshold_ms for q in self.policy.queues]
        self._slower: list[dict[AgentId, float]] = []
        for queue in self.policy.queues:
            needs = {n.skill for n in queue.needs}
            levels = [min((n for s, n in a.skills if s in needs), default=3) for a in self.policy.agents]
            factors = [centre.slower[min(level, 3)] for level in levels]
            self._slower.append({a.id: f for a, f in zip(self.policy.agents, factors, strict=True)})
        self._heap: list[tuple[int, int, int, AgentId | None]] = []
        self._waiting: set[int] = set()
        self._taken: dict[AgentId, int] = {}

    def run(
        self, calls: Calls, *, keep_waits: bool = False, on_arrival: Callable[[int, int], None] | None = None
    ) -> Outcome:
        """Play all calls to their end; `on_arrival(call, queue)` is told of callers who have to wait."""
        matcher, heap = self.matcher, self._heap
        n = len(self._ids)
        out = Outcome([0] * n, [0] * n, [0] * n, {a.id: 0 for a in self.policy.agents})
        out.keep_waits = keep_waits
        for agent in self.policy.agents:
            matcher.add_agent(agent.id, 0)
        index, count, retest, now = 0, len(calls.at), _NEVER, 0
        while True:
            arrival = calls.at[index] if index < count else _NEVER
            now = min(arrival, heap[0][0] if heap else _NEVER, retest)
            if now == _NEVER:
                return out
            arrived = now == arrival and retest >= now
            if arrived:
                self._arrive(calls, index, out)
                index += 1
            elif retest > now and not self._event(calls, now, out):
                continue
            for made in matcher.assign(now):
                self._answer(calls, int(made.call), made.agent, now, out)
            if arrived and on_arrival is not None and index - 1 in self._waiting:
                on_arrival(index - 1, calls.queue[index - 1])
            check = matcher.next_check(now)
            retest = _NEVER if check is None else max(check, now + 1)
            out.span_ms = now

    def _arrive(self, calls: Calls, call: int, out: Outcome) -> None:
        at, queue = calls.at[call], calls.queue[call]
        out.offered[queue] += 1
        self._waiting.add(call)
        self.matcher.add_call(Waiting(CallId(str(call)), self._ids[queue], at, call))
        heappush(self._heap, (at + calls.patience[call], _GIVE_UP, call, None))

    def _event(self, calls: Calls, now: int, out: Outcome) -> bool:
        """Finish a talk or let a caller give up; False when that caller was answered before."""
        _, _, call, agent = heappop(self._heap)
        queue = calls.queue[call]
        if agent is not None:
            self.matcher.record_talk(self._ids[queue], agent, now - self._taken[agent])
            self.matcher.add_agent(agent, now)
            return True
        if call not in self._waiting:
            return False
        self._waiting.remove(call)
        self.matcher.remove_call(CallId(str(call)))
        self.matcher.record_outcome(self._ids[queue], now - calls.at[call], answered=False)
        out.lost[queue] += 1
        out.note(call, queue, now - calls.at[call], answered=False)
        return True

    def _answer(self, calls: Calls, call: int, agent: AgentId, now: int, out: Outcome) -> None:
        queue = calls.queue[call]
        self._waiting.remove(call)
        waited = now - calls.at[call]
        busy = int(calls.talk[call] * self._slower[queue][agent])
        out.busy_ms[agent] += busy
        out.decisions += 1
        out.on_time[queue] += waited <= self._threshold[queue]
        out.note(call, queue, waited, answered=True)
        heappush(self._heap, (now + busy, _FINISH, call, agent))
        self.matcher.record_outcome(self._ids[queue], waited, answered=True)
        self._taken[agent] = now


def queue_ids(count: int) -> list[QueueId]:
    """Return q00, q01, ..."""
    return [QueueId(f"q{i:02d}") for i in range(count)]
