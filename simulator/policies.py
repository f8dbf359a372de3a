"""Names of policies and the assignment pass behind each: the production's own, and the textbook's.

`groups` is the routing by groups that published models use (simulator.group_router); the names of simulator.bounds
are rows of comparison that no real rule can reach; every other name is handed to the production matcher as `RoutingWeights.policy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.baselines import RULES
from acd.core.ids import AgentId, QueueId, SkillId, SubscriberId
from acd.core.instant import SECOND_MS
from acd.core.policy import AgentPolicy, Policy, Promise, QueuePolicy, RoutingWeights, SkillNeed
from acd.core.weighted import WeightedMatcher
from simulator.agents import agent_ids
from simulator.bounds import BOUNDS, POOLED
from simulator.group_router import GroupRouter

if TYPE_CHECKING:
    from acd.core.matcher import Matcher
    from simulator.scenario import Queue, Scenario
    from simulator.streams import Streams

GROUPS = "groups"


PRODUCTION = ("recommended", *RULES)
"""What the production matcher knows: the recommended rule and those it is compared with."""


def known_policies() -> tuple[str, ...]:
    """Return the names that a scenario may give."""
    return (GROUPS, *PRODUCTION, *BOUNDS)


def runnable_policies() -> tuple[str, ...]:
    """Return the names that a single run may have: not the bound that is calculated."""
    return (GROUPS, *PRODUCTION, POOLED)


def build_matcher(name: str, scenario: Scenario, streams: Streams, *, explain: bool = True) -> Matcher:
    """Return the assignment pass of that name; it says why for each decision, or only decides.

    Raises:
        ValueError: for an unknown name.
    """
    if name == GROUPS:
        return GroupRouter(scenario, streams.single("router"))
    if name not in PRODUCTION and name != POOLED:
        raise ValueError(f"there is no policy {name!r}; known: {', '.join(runnable_policies())}")
    return WeightedMatcher(explain=explain)


def own_skill(queue: str) -> SkillId:
    """Return the skill that stands for "this group serves that queue"."""
    return SkillId(f"serves.{queue}")


def build_policy(name: str, scenario: Scenario) -> Policy:
    """Return the production's policy for this scenario."""
    agents = []
    for group in scenario.groups:
        skills = [(SkillId(skill), level) for skill, level in group.skills]
        skills += [(own_skill(q.name), 1) for q in scenario.queues if group.name in q.served_by]
        agents += [
            AgentPolicy(
                id=AgentId(agent), skills=tuple(skills), rna_limit=group.rna_limit, reserve=group.reserve
            )
            for agent in agent_ids(group)
        ]
    rule = {GROUPS: PRODUCTION[0], POOLED: "earliest_deadline"}.get(name, name)
    weights = RoutingWeights(policy=rule, **dict(scenario.weights))  # type: ignore[arg-type]  # checked names
    return Policy(
        queues=tuple(_queue_policy(queue) for queue in scenario.queues),
        agents=tuple(agents),
        weights=weights,
        card_close_ms=60 * SECOND_MS,
    )


def _queue_policy(queue: Queue) -> QueuePolicy:
    needs = [SkillNeed(SkillId(skill), level) for skill, level in queue.needs]
    if queue.served_by:
        needs.append(SkillNeed(own_skill(queue.name)))
    return QueuePolicy(
        id=QueueId(queue.name),
        subscriber=SubscriberId(queue.subscriber),
        promise=Promise(queue.share, queue.threshold_ms),
        needs=tuple(needs),
        priority=queue.priority,
        ring_timeout_ms=queue.ring_timeout_ms,
        wrap_up_ms=queue.wrap_up_limit_ms if queue.wrap_up.mean_ms > 0 else 0,
        max_wait_ms=queue.max_wait_ms,
        max_waiting=queue.max_waiting,
        short_abandon_ms=queue.short_abandon_ms,
        expected_talk_ms=round(queue.talk.mean_ms),
        rules=queue.rules,
    )
