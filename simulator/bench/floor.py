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
    waits: list[tuple[int, int, int, bool]] = field(default_factory=list)
    """(call, queue, waited_ms, answered), only when asked for."""


class Floor:
    """One run of one policy over drawn calls."""

    def __init__(self, centre: Centre, policy: Policy | None = None) -> None:
        self.centre = centre
        self.policy = policy or centre.policy
        self.matcher = WeightedMatcher(self.policy)
        self._level: list[dict[AgentId, int]] = []
        for queue in self.policy.queues:
            needs = {n.skill for n in queue.needs}
            self._level.append(
                {
                    a.id: min((level for skill, level in a.skills if skill in needs), default=3)
                    for a in self.policy.agents
                }
            )

    def run(  # noqa: C901, PLR0912, PLR0915 -- one event loop, kept in one piece for speed
        self, calls: Calls, *, keep_waits: bool = False, on_arrival: Callable[[int, int], None] | None = None
    ) -> Outcome:
        """Play all calls to their end; `on_arrival(call, queue)` is told of callers who have to wait."""
        matcher, queues = self.matcher, self.policy.queues
        ids = [q.id for q in queues]
        slower, level = self.centre.slower, self._level
        n = len(ids)
        out = Outcome([0] * n, [0] * n, [0] * n, {a.id: 0 for a in self.policy.agents})
        threshold = [q.promise.threshold_ms for q in queues]
        heap: list[tuple[int, int, int, AgentId | None]] = []
        waiting: set[int] = set()
        taken: dict[AgentId, int] = {}
        for agent in self.policy.agents:
            matcher.add_agent(agent.id, 0)
        index, count, retest = 0, len(calls.at), -1
        never = 1 << 62
        while True:
            arrival = calls.at[index] if index < count else never
            event = heap[0][0] if heap else never
            now = min(arrival, event)
            if 0 <= retest < now:
                now = retest
            elif now == never:
                break
            elif arrival <= event:
                queue = calls.queue[index]
                out.offered[queue] += 1
                waiting.add(index)
                matcher.add_call(Waiting(CallId(str(index)), ids[queue], now, index))
                heappush(heap, (now + calls.patience[index], _GIVE_UP, index, None))
                index += 1
            else:
                _, kind, call, agent_id = heappop(heap)
                if kind == _FINISH and agent_id is not None:
                    matcher.record_talk(ids[calls.queue[call]], agent_id, now - taken[agent_id])
                    matcher.add_agent(agent_id, now)
                elif call in waiting:
                    waiting.remove(call)
                    queue = calls.queue[call]
                    matcher.remove_call(CallId(str(call)))
                    matcher.record_outcome(ids[queue], now - calls.at[call], answered=False)
                    out.lost[queue] += 1
                    out.max_wait_ms = max(out.max_wait_ms, now - calls.at[call])
                    if keep_waits:
                        out.waits.append((call, queue, now - calls.at[call], False))
                else:
                    continue
            for made in matcher.assign(now):
                call = int(made.call)
                queue = calls.queue[call]
                waiting.remove(call)
                waited = now - calls.at[call]
                busy = int(calls.talk[call] * slower[min(level[queue][made.agent], 3)])
                out.busy_ms[made.agent] += busy
                out.decisions += 1
                out.on_time[queue] += waited <= threshold[queue]
                out.max_wait_ms = max(out.max_wait_ms, waited)
                if keep_waits:
                    out.waits.append((call, queue, waited, True))
                heappush(heap, (now + busy, _FINISH, call, made.agent))
                matcher.record_outcome(ids[queue], waited, answered=True)
                taken[made.agent] = now
            if on_arrival is not None and now == arrival and index - 1 in waiting:
                on_arrival(index - 1, calls.queue[index - 1])
            check = matcher.next_check(now)
            retest = -1 if check is None else max(check, now + 1)
            out.span_ms = now
        return out


def queue_ids(count: int) -> list[QueueId]:
    """Return q00, q01, ..."""
    return [QueueId(f"q{i:02d}") for i in range(count)]
