"""The multi-skill scenario: 12 subscribers with their own promises, 24 agents with four skills each.

Random skill matrices: every subscriber gets skill places in proportion to his calls, each agent one at
level 3, one at level 2, two at level 1. Talk is lognormal (150 s, cv 0.8; 1.1 and 1.25 times longer at
levels 2 and 1), patience exponential (120 s). The defaults of `RoutingWeights` were fitted on matrices of another
generator with other seeds: every matrix here is unseen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from acd.core.ids import AgentId, SkillId, SubscriberId
from acd.core.policy import AgentPolicy, Policy, Promise, QueuePolicy, RoutingWeights, SkillNeed
from simulator.bench.floor import Centre, queue_ids

PROMISES = ((0.93, 15),) * 2 + ((0.80, 20),) * 6 + ((0.95, 40),) * 4
AGENTS = 24
TALK_S = 150.0
_DEALS = 1000
_PLACES = ((3, 1), (2, 1), (1, 2))
"""(level, how many skills of it an agent has)"""


def centre(
    matrix: int,
    load: float,
    weights: RoutingWeights | None = None,
    *,
    agents: int = AGENTS,
    promises: tuple[tuple[float, int], ...] = PROMISES,
) -> Centre:
    """Build the centre of one matrix; `load` is offered erlang per agent at the top level's talk time."""
    rng = np.random.default_rng([4711, matrix])
    shares = rng.uniform(0.5, 1.5, len(promises))
    shares /= shares.sum()
    skills = _deal(rng, shares, agents)
    ids = queue_ids(len(promises))
    rate = load * agents / TALK_S
    queues = tuple(
        QueuePolicy(
            q,
            SubscriberId(q),
            Promise(share, threshold * 1000),
            (SkillNeed(SkillId(q)),),
            expected_calls_per_s=float(rate * part),
            expected_talk_ms=int(TALK_S * 1000),
        )
        for q, (share, threshold), part in zip(ids, promises, shares, strict=True)
    )
    people = tuple(
        AgentPolicy(
            AgentId(f"a{i:03d}"), tuple((SkillId(ids[s]), level) for s, level in sorted(held.items()))
        )
        for i, held in enumerate(skills)
    )
    policy = Policy(queues, people, weights or RoutingWeights())
    return Centre(policy, tuple(float(s) for s in shares), rate, talk_s=TALK_S)


def with_policy(base: Centre, name: str) -> Centre:
    """Return the same centre routed by another rule."""
    return replace(base, policy=replace(base.policy, weights=replace(base.policy.weights, policy=name)))


def pooled(base: Centre) -> Centre:
    """Return the outer bound: everybody has every skill at top level, earliest deadline first."""
    every = tuple((need.skill, 3) for q in base.policy.queues for need in q.needs)
    people = tuple(replace(agent, skills=every) for agent in base.policy.agents)
    return with_policy(replace(base, policy=replace(base.policy, agents=people)), "earliest_deadline")


def _deal(rng: np.random.Generator, shares: np.ndarray, agents: int) -> list[dict[int, int]]:
    """Deal skill places in proportion to shares; nobody holds a skill twice. Raises ValueError if impossible."""
    for _ in range(_DEALS):
        held: list[dict[int, int]] = [{} for _ in range(agents)]
        if all(_deal_level(rng, shares, held, level, places) for level, places in _PLACES):
            return held
    raise ValueError(f"cannot deal skills to {agents} agents and {len(shares)} subscribers in proportion")


def _deal_level(
    rng: np.random.Generator, shares: np.ndarray, held: list[dict[int, int]], level: int, places: int
) -> bool:
    """Deal one level to everybody; False when the last ones cannot be dealt."""
    total = len(held) * places
    edges = np.floor(np.cumsum(shares) * total + rng.uniform()).astype(int)
    edges[-1] = total
    slots = rng.permutation(np.repeat(np.arange(len(shares)), np.diff(edges, prepend=0)))
    for i in range(total):
        hand = held[i % len(held)]
        other = next((j for j in range(i, total) if int(slots[j]) not in hand), None)
        if other is None:
            return False
        slots[i], slots[other] = slots[other], slots[i]
        hand[int(slots[i])] = level
    return True
