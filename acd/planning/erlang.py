"""Erlang B, C and A, exact; staffing for a promise; load that varies with time.

Erlang C holds callers who never give up, Erlang A those with exponential patience: staff by A, because
with C the same promise costs agents that nobody needs. Formulas of A after the virtual wait of M/M/n+M
(Mandelbaum and Zeltyn): its density is proportional to exp(-n mu x + lambda/theta (1 - exp(-theta x))).

Units: calls per second, seconds, erlang. `sl_of_offered` counts a caller who gave up as a miss.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_AGENTS = 100_000


def erlang_b(agents: int, offered_erlang: float) -> float:
    """Return the share of calls blocked with no waiting place. Raises ValueError on nonsense."""
    if agents < 0 or offered_erlang < 0:
        raise ValueError("agents and offered load must not be negative")
    blocking = 1.0
    for n in range(1, agents + 1):
        blocking = offered_erlang * blocking / (n + offered_erlang * blocking)
    return blocking


@dataclass(frozen=True, slots=True)
class ErlangC:
    """A pool whose callers never give up. With as much load as agents nobody is ever answered."""

    agents: int
    calls_per_s: float
    talk_s: float

    @property
    def offered_erlang(self) -> float:
        """Calls per second times talk."""
        return self.calls_per_s * self.talk_s

    @property
    def occupancy(self) -> float:
        """Share of time an agent talks."""
        return min(1.0, self.offered_erlang / self.agents) if self.agents else 1.0

    @property
    def wait_probability(self) -> float:
        """P(wait > 0)."""
        load = self.offered_erlang
        if load >= self.agents:
            return 1.0
        blocking = erlang_b(self.agents, load)
        return self.agents * blocking / (self.agents - load * (1.0 - blocking))

    def _drain(self) -> float:
        return (self.agents - self.offered_erlang) / self.talk_s

    @property
    def asa_s(self) -> float:
        """Average wait."""
        return self.wait_probability / self._drain() if self._drain() > 0 else inf

    @property
    def queue_length(self) -> float:
        """Average number waiting."""
        return self.calls_per_s * self.asa_s

    def sl_of_offered(self, threshold_s: float) -> float:
        """Share answered within the threshold."""
        if self._drain() <= 0:
            return 0.0
        return 1.0 - self.wait_probability * exp(-self._drain() * threshold_s)

    def wait_percentile_s(self, share: float) -> float:
        """Return the wait not exceeded by this share of callers."""
        if self._drain() <= 0:
            return inf
        waiting = self.wait_probability
        return 0.0 if 1.0 - share >= waiting else log(waiting / (1.0 - share)) / self._drain()


class ErlangA:
    """A pool whose callers have exponential patience."""

    def __init__(self, agents: int, calls_per_s: float, talk_s: float, patience_s: float) -> None:
        if agents < 1 or min(calls_per_s, talk_s, patience_s) <= 0:
            raise ValueError("agents, rate, talk and patience must be positive")
        self.agents = agents
        self.calls_per_s = calls_per_s
        self.talk_s = talk_s
        self.patience_s = patience_s
        rate, theta = calls_per_s, 1.0 / patience_s
        # Past its peak the density falls at least like a normal tail; 60 standard deviations of either kind
        peak = max(0.0, log(rate * talk_s / agents) * patience_s)
        spread = max((talk_s / rate / agents) ** 0.5 * 8, talk_s / agents)
        reach = peak + 40.0 * max(spread, (patience_s * talk_s / agents) ** 0.5)
        nodes, weights = np.polynomial.legendre.leggauss(64)
        edges = np.linspace(0.0, reach, 401)
        half = (edges[1:] - edges[:-1])[:, None] / 2
        self._x = (edges[:-1, None] + half * (nodes + 1)).ravel()
        power = -agents / talk_s * self._x + rate / theta * -np.expm1(-theta * self._x)
        shift = max(0.0, float(power.max()))
        density = rate * np.exp(power - shift) * (half * weights).ravel()
        free = exp(-shift) / erlang_b(agents - 1, self.offered_erlang)
        total = free + float(density.sum())
        self._free = free / total
        self._mass = density / total

    @property
    def offered_erlang(self) -> float:
        """Calls per second times talk."""
        return self.calls_per_s * self.talk_s

    @property
    def wait_probability(self) -> float:
        """P(an arriving caller finds everybody busy)."""
        return 1.0 - self._free

    @property
    def abandon_share(self) -> float:
        """Share of callers who give up."""
        return float((self._mass * -np.expm1(-self._x / self.patience_s)).sum())

    @property
    def mean_wait_s(self) -> float:
        """Average wait of all callers, answered or not."""
        return self.abandon_share * self.patience_s

    @property
    def queue_length(self) -> float:
        """Average number waiting."""
        return self.calls_per_s * self.mean_wait_s

    @property
    def occupancy(self) -> float:
        """Share of time an agent talks."""
        return self.offered_erlang * (1.0 - self.abandon_share) / self.agents

    def sl_of_offered(self, threshold_s: float) -> float:
        """Share of callers answered within the threshold."""
        # The panel holding the threshold is cut by interpolating the cumulated mass.
        served = self._mass * np.exp(-self._x / self.patience_s)
        cumulated = np.concatenate([[0.0], np.cumsum(served)])
        middle = np.concatenate([[0.0], (self._x[1:] + self._x[:-1]) / 2, [self._x[-1]]])
        return self._free + float(np.interp(threshold_s, middle, cumulated))


def agents_for(
    share: float, threshold_s: float, calls_per_s: float, talk_s: float, patience_s: float = inf
) -> int:
    """Return the fewest agents that keep "share within threshold"; endless patience means Erlang C.

    Raises ValueError for a promise no staffing keeps (share outside 0..1).
    """
    if not 0.0 <= share < 1.0:
        raise ValueError(f"no staffing keeps a share of {share}")
    if calls_per_s <= 0:
        return 0

    def keeps(agents: int) -> bool:
        if patience_s == inf:
            return ErlangC(agents, calls_per_s, talk_s).sl_of_offered(threshold_s) >= share
        return ErlangA(agents, calls_per_s, talk_s, patience_s).sl_of_offered(threshold_s) >= share

    low, high = 0, 1
    while not keeps(high):
        low, high = high, high * 2
        if high > _MAX_AGENTS:
            raise ValueError("more agents than any centre has")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return high


def modified_offered_load(calls_per_s: Sequence[float], step_s: float, talk_s: float) -> list[float]:
    """Return m(t) in erlang at the end of each step for a rate that varies with time.

    m' = rate - m / talk, started at the first rate's own load; exact for rates constant within a step.
    """
    load = calls_per_s[0] * talk_s if calls_per_s else 0.0
    keep = exp(-step_s / talk_s)
    out = []
    for rate in calls_per_s:
        load = load * keep + rate * talk_s * (1.0 - keep)
        out.append(load)
    return out


def agents_for_delay(load_erlang: float, delay_probability: float) -> int:
    """Return the fewest agents so that P(Poisson(load) >= agents) is at most the delay probability.

    Exact when patience has the mean of talk, whatever the staffing did before; a good rule otherwise.
    """
    if not 0.0 < delay_probability < 1.0:
        raise ValueError("delay probability must lie between 0 and 1")
    log_term, below, agents = -load_erlang, 0.0, 0
    while 1.0 - below > delay_probability and agents < _MAX_AGENTS:
        below += exp(log_term)
        agents += 1
        log_term += log(load_erlang / agents) if load_erlang > 0 else -inf
    return agents
