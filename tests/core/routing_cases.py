"""Short ways to write queues, agents and calls in routing tests."""

from __future__ import annotations

from acd.core.ids import AgentId, CallId, QueueId, SkillId, SubscriberId
from acd.core.matcher import Assignment, Waiting
from acd.core.policy import AgentPolicy, Policy, Promise, QueuePolicy, RoutingWeights, SkillNeed
from acd.core.weighted import WeightedMatcher


def queue(name: str, share: float = 0.8, threshold_s: float = 20, **more: object) -> QueuePolicy:
    needs = more.pop("needs", (SkillNeed(SkillId(name)),))
    promise = Promise(share, int(threshold_s * 1000))
    return QueuePolicy(QueueId(name), SubscriberId(name), promise, needs, expected_calls_per_s=0.02, **more)


def agent(name: str, reserve: int = 0, **levels: int) -> AgentPolicy:
    return AgentPolicy(AgentId(name), tuple((SkillId(s), n) for s, n in levels.items()), reserve=reserve)


def matcher(queues: tuple, agents: tuple, **weights: object) -> WeightedMatcher:
    return WeightedMatcher(Policy(queues, agents, RoutingWeights(**weights)))


def waiting(call: str, line: str, at: int = 0, order: int = 0, **more: object) -> Waiting:
    return Waiting(CallId(call), QueueId(line), at, order, **more)


def pairs(made: tuple[Assignment, ...]) -> list[tuple[str, str]]:
    return [(a.call, a.agent) for a in made]
