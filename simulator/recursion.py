"""The oracle of one line and one pool: first come, first served, by a recursion instead of events.

For arrivals in order, a caller is answered when the earliest agent becomes free, unless patience ends
before. No events, no engine, some hundred nanoseconds per call: an independent answer to check the whole
virtual centre against, call by call, and a quick look at M/G/n+G staffing. Kiefer and Wolfowitz (1955),
with callers who give up.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def first_come_first_served(
    arrivals_ms: Sequence[int], patience_ms: Iterable[int], busy_ms: Iterable[int], agents: int
) -> list[int]:
    """Return each caller's wait in milliseconds; negative for those who gave up after so long, minus one.

    Args:
        arrivals_ms: in order.
        patience_ms: one per caller.
        busy_ms: ring, talk and wrap-up an answered caller costs, one per caller.
        agents: size of the pool, all there from the beginning.

    Raises:
        ValueError: without agents.
    """
    if agents < 1:
        raise ValueError("a pool needs at least one agent")
    free = [0] * agents
    waits = []
    replace = heapq.heapreplace
    for arrival, patience, busy in zip(arrivals_ms, patience_ms, busy_ms, strict=True):
        start = max(free[0], arrival)
        wait = start - arrival
        if wait > patience:
            waits.append(-patience - 1)
        else:
            replace(free, start + busy)
            waits.append(wait)
    return waits
