"""The multi-skill scenario: many subscribers, one pool, every policy on the same calls."""

from __future__ import annotations
from dataclasses import replace
import numpy as np
from acd.core.ids import AgentId, SkillId, SubscriberId
from acd.core.policy import AgentPolicy, Policy, Promise, QueuePolicy, RoutingWeights, SkillNeed
from simulator.bench.floor import Centre, Floor, queue_ids

PROMISES = [(0.93, 15)] * 2 + [(0.80, 20)] * 6 + [(0.95, 40)] * 4


def centre(matrix: int, load: float, weights: RoutingWeights, agents: int = 24) -> Centre:
    rng = np.random.default_rng([4711, matrix])
    n = len(PROMISES)
    shares = rng.uniform(0.5, 1.5, n)
    shares /= shares.sum()
    lev = deal(rng, shares, agents)
    ids = queue_ids(n)
    rate = load * agents / 150.0
    queues = tuple(
        QueuePolicy(
            q,
            SubscriberId(q),
            Promise(p[0], p[1] * 1000),
            (SkillNeed(SkillId(q)),),
            expected_calls_per_s=float(rate * s),
        )
        for q, p, s in zip(ids, PROMISES, shares, strict=True)
    )
    ag = tuple(
        AgentPolicy(AgentId(f"a{i:02d}"), tuple((SkillId(ids[s]), l) for s, l in sorted(lev[i].items())))
        for i in range(agents)
    )
    return Centre(Policy(queues, ag, weights), tuple(float(s) for s in shares), rate)


def deal(rng, shares, agents):
    while True:
        have = [{} for _ in range(agents)]
        ok = True
        for level, per in ((3, 1), (2, 1), (1, 2)):
            total = agents * per
            edges = np.floor(np.cumsum(shares) * total + rng.uniform()).astype(int)
            edges[-1] = total
            slots = np.repeat(np.arange(len(shares)), np.diff(np.concatenate([[0], edges])))
            slots = rng.permutation(slots)
            for i, s in enumerate(slots):
                a = have[i % agents]
                if s in a:
                    sw = [j for j in range(i + 1, total) if slots[j] not in a]
                    if not sw:
                        ok = False
                        break
                    slots[i], slots[sw[0]] = slots[sw[0]], slots[i]
                    s = slots[i]
                a[int(s)] = level
            if not ok:
                break
        if ok:
            return have


def measure(c, out):
    off = np.array(out.offered)
    hit = np.array(out.on_time)
    lost = np.array(out.lost)
    share = hit / off
    target = np.array([q.promise.share for q in c.policy.queues])
    busy = np.array(list(out.busy_ms.values())) / out.span_ms
    return dict(
        on_time=hit.sum() / off.sum(),
        lost=lost.sum() / off.sum(),
        worst=((1 - share) / (1 - target)).max(),
        shortfall=(np.maximum(target - share, 0) * off).sum() / off.sum(),
        met=(share >= target).sum(),
        occ_sd=busy.std(),
        max_wait=out.max_wait_ms / 1000,
    )


if __name__ == "__main__":
    import time, sys
    from acd.core.policy import RoutingWeights as W

    for load in (0.6, 0.7, 0.8):
        for pol in ("fifo", "level_first", "recommended"):
            r = []
            t = time.perf_counter()
            for m in range(2):
                c = centre(m, load, W(policy=pol))
                calls = c.draw(m + 10, 10000)
                r.append(list(measure(c, Floor(c).run(calls)).values()))
            print(load, pol, np.round(np.mean(r, 0), 4), (time.perf_counter() - t) / 20000 * 1e6)
