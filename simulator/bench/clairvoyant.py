"""The clairvoyant bound: the largest on-time share anybody could reach who knew the future.

Each call may be given to one capable agent. If it is on time it surely occupies that agent from
arrival + threshold until arrival + talk; no agent can be in two such talks. The linear relaxation of
that packing problem is an upper bound on the number of calls on time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from simulator.bench.floor import Calls, Centre


def on_time_bound(centre: Centre, calls: Calls) -> float:
    """Return the bound as a share of all calls. Needs scipy (the test extra)."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix

    queues = centre.policy.queues
    by_agent: list[list[tuple[int, int, int]]] = []
    owner: list[int] = []
    for agent in centre.policy.agents:
        skills = dict(agent.skills)
        spans = []
        for call, at in enumerate(calls.at):
            queue = queues[calls.queue[call]]
            level = min(skills.get(need.skill, 0) for need in queue.needs)
            if level:
                talk = int(calls.talk[call] * centre.slower[min(level, 3)])
                spans.append((at + queue.promise.threshold_ms, at + talk, len(owner)))
                owner.append(call)
        by_agent.append(spans)
    rows: list[int] = []
    cols: list[int] = []
    height = len(calls.at)
    for variable, call in enumerate(owner):
        rows.append(call)
        cols.append(variable)
    for spans in by_agent:
        for start, end, _ in spans:
            if end <= start:
                continue
            covered = [v for s, e, v in spans if s <= start < e]
            rows.extend([height] * len(covered))
            cols.extend(covered)
            height += 1
    matrix = csr_matrix((np.ones(len(rows)), (rows, cols)), shape=(height, len(owner)))
    solved = linprog(-np.ones(len(owner)), A_ub=matrix, b_ub=np.ones(height), bounds=(0, 1), method="highs")
    return float(-solved.fun / len(calls.at))
