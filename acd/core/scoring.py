"""The recommended score: what a waiting call costs, and what using up an agent costs the others.

Everything is in units of one missed promise of a subscriber who is exactly at his promise.

    urgency   u(w) = [w <= tau] exp(-k (tau - w)) + h [w <= H] exp(-k (H - w)) + b w / tau
    call      p A a^-x u(w) + lost / (k patience)          how much it costs to let the head wait on
    price     A a^-y (lambda / k) d^(n - 1)                 of one of the n ready agents of a queue
    agent     -level cost + c_i idle - c_o * prices of the *other* queues the agent serves + sticky
    hold back when the call costs less than theta * c_o * those prices

w wait, tau threshold, a allowance, H hard limit, A price of a miss (acd.core.debt), k rate at which
agents for this queue become free, lambda rate of its calls, n its ready agents. The family is the
weight-based one of Chan, Koole and L'Ecuyer (2014); where it differs from the first plan and what
each part earned is in decision 0102.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

from acd.core.skills import MAX_LEVEL, TOP_LEVEL

if TYPE_CHECKING:
    from acd.core.policy import QueuePolicy, RoutingWeights

_TABLE = 64
"""Powers of d kept; beyond so many ready agents the price is nil."""

IDLE_SCALE_MS = 300_000
"""Idle time counts up to five minutes."""


class Score:
    """The weights, prepared for speed."""

    __slots__ = (
        "_hard_s",
        "_lost_s",
        "_patience_s",
        "_powers",
        "_u_age",
        "_u_hard",
        "hold_back",
        "idle",
        "level_costs",
        "opportunity",
        "pickup",
        "weights",
    )

    def __init__(self, weights: RoutingWeights) -> None:
        self.weights = weights
        self._u_hard = weights.urgency_hard
        self._u_age = weights.urgency_age
        self._hard_s = weights.hard_limit_ms / 1000.0
        self._lost_s = weights.lost_cost / max(weights.patience_ms / 1000.0, 1e-3)
        self.opportunity = weights.opportunity
        self.hold_back = weights.hold_back * weights.opportunity
        self.idle = weights.idle / IDLE_SCALE_MS
        self.pickup = tuple(1.0 + weights.level_pickup * (level - 1) for level in range(MAX_LEVEL + 1))
        self.level_costs = tuple(self.level_cost(level) for level in range(MAX_LEVEL + 1))
        self._powers = tuple(weights.opportunity_decay**n for n in range(_TABLE))

    def urgency(self, wait_s: float, threshold_s: float, rate: float) -> float:
        """Return u(w): how likely the promise is broken if the call waits for the next free agent."""
        age = self._u_age * wait_s / threshold_s
        if wait_s <= threshold_s:
            age += exp(rate * (wait_s - threshold_s))
        if wait_s <= self._hard_s:
            age += self._u_hard * exp(rate * (wait_s - self._hard_s))
        return age

    def lost(self, rate: float) -> float:
        """Return the cost of losing the caller while he waits for the next free agent."""
        return self._lost_s / rate

    def level_cost(self, level: int) -> float:
        """Return what an agent of this level costs against one of the top level."""
        if level >= TOP_LEVEL:
            return 0.0
        return self.weights.level if level == TOP_LEVEL - 1 else self.weights.level_low

    def decay(self, ready: int) -> float:
        """Return d^(n-1), nil when nobody is ready: nothing is left to be taken away."""
        if 0 < ready <= _TABLE:
            return self._powers[ready - 1]
        return 0.0

    def pull(self, queue: QueuePolicy) -> float:
        """Return the constant part of a queue's urgency: a^-x."""
        return float(max(queue.promise.allowance, 1e-3) ** -self.weights.urgency_allowance)

    def scale(self, queue: QueuePolicy) -> float:
        """Return the constant part of a queue's price: a^-y."""
        return float(max(queue.promise.allowance, 1e-3) ** -self.weights.opportunity_allowance)
