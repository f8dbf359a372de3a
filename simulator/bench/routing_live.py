"""The production matcher as it runs, default weights and debt, on the two-class cases of `bin/bench routing-bound`.

Simulated, with an interval, on calls drawn as the chain's own: Poisson arrivals, exponential talk and patience. Every
rule meets the same calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from acd.core.ids import AgentId, SkillId, SubscriberId
from acd.core.policy import AgentPolicy, Policy, Promise, QueuePolicy, RoutingWeights, SkillNeed
from simulator.bench.floor import Calls, Centre, Floor, queue_ids
from simulator.intervals import ratio

if TYPE_CHECKING:
    from acd.planning.bound import TwoClasses

RUNS, CALLS, WARM = 10, 40_000, 2_000


@dataclass(frozen=True)
class LiveSize:
    """How much to simulate."""

    runs: int = RUNS
    calls: int = CALLS


def centre_of(case: TwoClasses, weights: RoutingWeights) -> Centre:
    """Return the case as a centre: one pool, every agent at top level for both classes."""
    skill = SkillId("pool")
    queues = tuple(
        QueuePolicy(
            q,
            SubscriberId(q),
            Promise(share, round(threshold * 1000)),
            (SkillNeed(skill),),
            expected_calls_per_s=rate,
            expected_talk_ms=round(case.talk_s * 1000),
        )
        for q, share, threshold, rate in zip(
            queue_ids(2), case.shares, case.thresholds_s, case.rates, strict=True
        )
    )
    agents = tuple(AgentPolicy(AgentId(f"a{i:03d}"), ((skill, 3),)) for i in range(case.agents))
    total = sum(case.rates)
    shares = tuple(rate / total for rate in case.rates)
    return Centre(Policy(queues, agents, weights), shares, total, case.talk_s, 1.0, case.patience_s)


def drawn(base: Centre, seed: int, count: int) -> Calls:
    """Draw calls with exponential talk."""
    talk = np.random.default_rng([seed, 77]).exponential(base.talk_s * 1000.0, count)
    return replace(base.draw(seed, count), talk=talk.astype(int).tolist())


def _misses(base: Centre, calls: Calls, warm: int) -> list[float]:
    """Return miss / allowance of each class after the warm-up; who gave up has missed."""
    out = Floor(base).run(calls, keep_waits=True)
    result = []
    for place, queue in enumerate(base.policy.queues):
        mine = [(waited, answered) for call, q, waited, answered in out.waits if q == place and call >= warm]
        missed = sum(not answered or waited > queue.promise.threshold_ms for waited, answered in mine)
        result.append(missed / max(1, len(mine)) / (1.0 - queue.promise.share))
    return result


def measure(case: TwoClasses, bound: float, size: LiveSize | None = None) -> dict[str, Any]:
    """Return R of the live matcher, and of FIFO and of itself without hold-back for comparison, beside the bound."""
    size = size or LiveSize()
    usual = RoutingWeights()
    rules = {
        "recommended": usual,
        "never_held_back": replace(usual, hold_back=0.0),
        "fifo": replace(usual, policy="fifo"),
    }
    found: dict[str, Any] = {"runs": size.runs, "calls_per_run": size.calls, "weights": "defaults"}
    for name, weights in rules.items():
        base = centre_of(case, weights)
        warm = min(WARM, size.calls // 10)
        runs = np.array([_misses(base, drawn(base, 500 + run, size.calls), warm) for run in range(size.runs)])
        worst = int(runs.mean(axis=0).argmax())
        miss = ratio(runs[:, worst])
        found[name] = {
            "worst": miss.value,
            "half": miss.half_width,
            "ratio": miss.value / bound,
            "ratio_half": miss.half_width / bound,
            "miss_over_allowance": [float(x) for x in runs.mean(axis=0)],
        }
    return found
