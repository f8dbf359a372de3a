"""How good can any rule be: the exact bound of a pool with two classes of callers.

The state is how long the first caller of each class has waited, in phases (method of Koole, Nielsen
and Nielsen, first-in-line waiting time), or how many agents are busy when nobody waits. Arrivals are
Poisson, talk and patience exponential; callers of a class are served in order and nobody idles while
a call waits. Callers behind the first give up too: those of age t are a Poisson stream of rate
lambda exp(-theta t), so the process stays exact up to the phases.

For any multipliers q >= 0 that sum to one, the least of q1 miss1/a1 + q2 miss2/a2 over all rules is a
lower bound on the worst miss over allowance; the best q gives the bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class TwoClasses:
    """A pool of equal agents and two classes of callers; seconds and calls per second."""

    agents: int
    rates: tuple[float, float]
    talk_s: float
    patience_s: float
    shares: tuple[float, float]
    """Promised shares, 0.93."""
    thresholds_s: tuple[float, float]
    phase_s: float = 2.0
    phases: int = 60
    thin: bool = True
    """Callers behind the first give up too; False repeats the published simplification."""

    @staticmethod
    def at_load(
        load: float,
        mix: tuple[float, float],
        agents: int,
        *,
        talk_s: float,
        patience_s: float,
        promises: tuple[tuple[float, float], tuple[float, float]],
    ) -> TwoClasses:
        """Build a case from its load per agent, shares of calls and ((share, threshold_s), ...)."""
        total = load * agents / talk_s
        parts = sum(mix)
        return TwoClasses(
            agents,
            (total * mix[0] / parts, total * mix[1] / parts),
            talk_s,
            patience_s,
            (promises[0][0], promises[1][0]),
            (promises[0][1], promises[1][1]),
        )


class Chain:
    """The decision process of one case, uniformised."""

    def __init__(self, case: TwoClasses) -> None:
        self.case = case
        size = case.phases + 1
        tick = 1.0 / case.phase_s
        self._mu = 1.0 / case.talk_s
        self._theta = 1.0 / case.patience_s
        self._tick = tick
        self._next = [self._next_first(rate, size) for rate in case.rates]
        self._clock = sum(case.rates) + case.agents * self._mu + 2 * (tick + self._theta)
        waits = np.arange(size)
        self.on_time = [
            (waits <= threshold / case.phase_s + 1e-9).astype(float) for threshold in case.thresholds_s
        ]
        self.waits_s = waits * case.phase_s
        self._warm: dict[tuple[float, float] | None, tuple[Array, Array]] = {}

    def _next_first(self, rate: float, size: int) -> Array:
        """Return P(next first caller is in phase k' | the first left in phase k)."""
        age = np.arange(size) * self.case.phase_s
        alive = rate * np.exp(-self._theta * age * self.case.thin)
        found = alive / (alive + self._tick)
        matrix = np.zeros((size, size))
        for k in range(1, size):
            none_yet = 1.0
            for to in range(k, 0, -1):
                matrix[k, to] = none_yet * found[to]
                none_yet *= 1.0 - found[to]
            matrix[k, 0] = none_yet
        matrix[0, 0] = 1.0
        return matrix

    def _sweep(
        self, free: Array, grid: Array, gains: tuple[float, float], serve_first: Array | None
    ) -> tuple[Array, Array, Array]:
        """Do one step of value iteration; `serve_first` fixes the rule (1 serves class 0), None optimises.

        `free[x]` is the value with x busy and nobody waiting (x = agents is grid[0, 0]).
        """
        case, mu = self.case, self._mu
        n, total = case.agents, self._clock
        after = (self._next[0] @ grid, grid @ self._next[1].T)
        first = after[0] + (gains[0] * self.on_time[0])[:, None]
        second = after[1] + (gains[1] * self.on_time[1])[None, :]
        if serve_first is None:
            served = np.maximum(first, second)
        else:
            served = serve_first * first + (1 - serve_first) * second
        served[1:, 0] = first[1:, 0]
        served[0, 1:] = second[0, 1:]
        served[0, 0] = free[n - 1]
        rest = total - n * mu
        new = n * mu * served
        for axis in (0, 1):
            rate = case.rates[axis]
            line = np.moveaxis(grid, axis, 0)
            out = np.moveaxis(new, axis, 0)
            gone = np.moveaxis(after[axis], axis, 0)
            out[0] += rate * line[1]
            out[1:-1] += self._tick * line[2:]
            out[-1] += self._tick * line[-1]
            out[1:] += self._theta * gone[1:]
        waiting = np.ones_like(grid)
        waiting[1:, :] = self._tick + self._theta
        waiting[0, :] = case.rates[0]
        other = np.ones_like(grid)
        other[:, 1:] = self._tick + self._theta
        other[:, 0] = case.rates[1]
        new += (rest - waiting - other) * grid
        busy = np.arange(n)
        up = np.append(free[1:], grid[0, 0])
        arrivals = sum(r * (g + up) for r, g in zip(case.rates, gains, strict=True))
        down = busy * mu * np.append(free[0], free[:-1])
        freed = arrivals + down + (total - sum(case.rates) - busy * mu) * free
        return freed / total, new / total, served

    def solve(
        self, gains: tuple[float, float], serve_first: Array | None = None, tolerance: float = 1e-7
    ) -> tuple[float, Array]:
        """Return (reward per second, rule as grid: 1 where class 0 is served)."""
        # Start from the values of the last problem of this kind: they differ little, convergence is quicker.
        kind = None if serve_first is None else gains
        free, grid = self._warm.get(kind, (np.zeros(self.case.agents), np.zeros((self.case.phases + 1,) * 2)))
        for _ in range(200_000):
            old_free, old_grid = free, grid
            free, grid, _ = self._sweep(old_free, old_grid, gains, serve_first)
            diff_free, diff_grid = free - old_free, grid - old_grid
            low = min(diff_free.min(), diff_grid.min())
            high = max(diff_free.max(), diff_grid.max())
            if high - low < tolerance * max(abs(high), 1e-12):
                break
            base = grid[0, 0]
            free, grid = free - base, grid - base
        self._warm[kind] = (free, grid)
        first = (self._next[0] @ grid) + (gains[0] * self.on_time[0])[:, None]
        second = (grid @ self._next[1].T) + (gains[1] * self.on_time[1])[None, :]
        return float((high + low) / 2 * self._clock), (first >= second).astype(float)

    def misses(self, serve_first: Array) -> tuple[float, float]:
        """Return the share of each class that misses its promise under a fixed rule (exact)."""
        on_time = [self.solve(g, serve_first)[0] for g in ((1.0, 0.0), (0.0, 1.0))]
        return (1.0 - on_time[0] / self.case.rates[0], 1.0 - on_time[1] / self.case.rates[1])

    def worst(self, serve_first: Array) -> float:
        """Return R = max miss / allowance under a fixed rule."""
        return max(m / (1.0 - s) for m, s in zip(self.misses(serve_first), self.case.shares, strict=True))

    def bound(self, steps: int = 14) -> tuple[float, float]:
        """Return (lower bound on R over all rules, the multiplier q of class 0 that gives it)."""

        def value(q: float) -> float:
            weights = [w / (1.0 - s) for w, s in zip((q, 1 - q), self.case.shares, strict=True)]
            gains = tuple(w / r for w, r in zip(weights, self.case.rates, strict=True))
            reward, _ = self.solve((gains[0], gains[1]))
            return sum(weights) - reward

        low, high = 0.0, 1.0
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        fa, fb = value(a), value(b)
        for _ in range(steps):
            if fa > fb:
                high, b, fb = b, a, fa
                a = high - _GOLDEN * (high - low)
                fa = value(a)
            else:
                low, a, fa = a, b, fb
                b = low + _GOLDEN * (high - low)
                fb = value(b)
        return max((fa, a), (fb, b))

    def rule(self, index: Callable[[int, float], float]) -> Array:
        """Return the grid of an index rule: class with the larger index(class, wait_s) is served."""
        first = np.array([index(0, w) for w in self.waits_s])
        second = np.array([index(1, w) for w in self.waits_s])
        return (first[:, None] >= second[None, :]).astype(float)
