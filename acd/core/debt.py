"""Service-level debt: how much each queue is owed, as the price of one more missed promise.

Each finished call moves its queue's debt by `step * (missed - allowance)`: it drifts to nowhere
exactly at the promise. The price is `1 + debt` while the queue is behind and falls toward
`exp(-floor)` while it is ahead. This is the dual variable of "keep every promise": a price that is
never negative, added to a common cost of one. In overload all prices meet at the cap, so that
everybody is equal again and no separate switch is needed (decision 0101).
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acd.core.ids import QueueId
    from acd.core.policy import QueuePolicy, RoutingWeights


class Debts:
    """The debt of every queue; survives a reload for queues that stay."""

    __slots__ = ("_allowance", "_cap", "_debt", "_floor", "_memory", "_step")

    def __init__(self) -> None:
        self._debt: dict[QueueId, float] = {}
        self._allowance: dict[QueueId, float] = {}
        self._step = self._cap = self._floor = self._memory = 0.0

    def set_policy(self, queues: tuple[QueuePolicy, ...], weights: RoutingWeights) -> None:
        """Take promises and steps; debts of queues that stay are kept, those of others dropped."""
        self._step = weights.debt_step
        self._cap = weights.debt_cap
        self._floor = weights.debt_floor
        self._memory = weights.debt_memory
        tighter = 1.0 - weights.promise_margin
        self._allowance = {q.id: q.promise.allowance * tighter for q in queues}
        self._debt = {q.id: self._debt.get(q.id, 0.0) for q in queues}

    def record(self, queue: QueueId, *, missed: bool) -> float:
        """Book one finished call and return the queue's new price. Unknown queues cost 1."""
        old = self._debt.get(queue)
        if old is None:
            return 1.0
        debt = old + self._step * (missed - self._allowance[queue])
        debt = min(self._cap, max(-self._memory, debt))
        self._debt[queue] = debt
        return self._price(debt)

    def price(self, queue: QueueId) -> float:
        """Return what one more miss of this queue costs; 1 is neutral."""
        return self._price(self._debt.get(queue, 0.0))

    def debt(self, queue: QueueId) -> float:
        """Return the raw debt: positive is behind the promise."""
        return self._debt.get(queue, 0.0)

    def _price(self, debt: float) -> float:
        return 1.0 + debt if debt > 0.0 else exp(max(debt, -self._floor))
