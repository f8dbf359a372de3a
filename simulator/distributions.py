"""Distributions of durations: patience, talk, wrap-up, ring delay. All values are milliseconds.

`mean_ms` is exact, so that a scenario's load can be checked before a single call is simulated; a
distribution whose mean is infinite says so with `math.inf` and the scenario check decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Draws: TypeAlias = NDArray[np.float64]

NEVER_MS = 1e15
"""Longer than any run: what `Never` draws. A finite number, because instants are integers."""


class Distribution(Protocol):
    """Something durations can be drawn from."""

    @property
    def mean_ms(self) -> float:
        """The exact mean; `math.inf` if there is none."""

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Draw `count` independent durations in milliseconds."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same."""

    mean_ms: float

    def draw(self, rng: np.random.Generator, count: int) -> Draws:  # noqa: ARG002 - the protocol's argument
        """Return the same duration `count` times."""
        return np.full(count, self.mean_ms)


@dataclass(frozen=True, slots=True)
class Later:
    """Another distribution, every draw longer by the same."""

    of: Distribution
    by_ms: float

    @property
    def mean_ms(self) -> float:
        """The other's mean, longer."""
        return self.of.mean_ms + self.by_ms

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Draw from the other and add."""
        return self.of.draw(rng, count) + self.by_ms


def later(of: Distribution, by_ms: float) -> Distribution:
    """Return a distribution whose draws are longer by `by_ms`: of a fixed one another fixed one."""
    if not by_ms:
        return of
    return Fixed(of.mean_ms + by_ms) if isinstance(of, Fixed) else Later(of, by_ms)


@dataclass(frozen=True, slots=True)
class Never:
    """Patience without end."""

    @property
    def mean_ms(self) -> float:
        """There is none."""
        return math.inf

    def draw(self, rng: np.random.Generator, count: int) -> Draws:  # noqa: ARG002 - the protocol's argument
        """Return durations longer than any run."""
        return np.full(count, NEVER_MS)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Without memory: the textbook's talk and patience."""

    mean_ms: float

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Draw by the library's ziggurat."""
        return rng.exponential(self.mean_ms, count)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """What talk times look like above the short calls. `mu` belongs to milliseconds."""

    mu: float
    sigma: float

    @classmethod
    def of_mean(cls, mean_ms: float, cv: float) -> Lognormal:
        """Make one from mean and coefficient of variation."""
        sigma2 = math.log(1.0 + cv * cv)
        return cls(math.log(mean_ms) - sigma2 / 2, math.sqrt(sigma2))

    @property
    def mean_ms(self) -> float:
        """Exp(mu + sigma^2/2)."""
        return math.exp(self.mu + self.sigma**2 / 2)

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Draw from the exponential of a normal."""
        return rng.lognormal(self.mu, self.sigma, count)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything between two durations."""

    low_ms: float
    high_ms: float

    @property
    def mean_ms(self) -> float:
        """The middle."""
        return (self.low_ms + self.high_ms) / 2

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Draw uniformly."""
        return rng.uniform(self.low_ms, self.high_ms, count)


@dataclass(frozen=True, slots=True)
class Gamma:
    """Mean and shape; shape 1 is the exponential."""

    mean_ms: float
    shape: float

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Draw with scale mean/shape."""
        return rng.gamma(self.shape, self.mean_ms / self.shape, count)


@dataclass(frozen=True, slots=True)
class Pareto:
    """A heavy tail: P(X > x) = (scale/x)^index above the scale. Without a mean for index <= 1."""

    scale_ms: float
    index: float

    @property
    def mean_ms(self) -> float:
        """Scale times index/(index-1), infinite for index <= 1."""
        return self.scale_ms * self.index / (self.index - 1) if self.index > 1 else math.inf

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Draw by inversion."""
        return self.scale_ms * (1.0 - rng.random(count)) ** (-1.0 / self.index)


@dataclass(frozen=True, slots=True)
class Mixture:
    """One of several, by share: a short-call atom and a lognormal, or callers who leave at once."""

    shares: tuple[float, ...]
    parts: tuple[Distribution, ...]

    @property
    def mean_ms(self) -> float:
        """The shares' mean; a share of zero counts nothing even when its part has no mean."""
        pairs = zip(self.shares, self.parts, strict=True)
        return sum(share * part.mean_ms for share, part in pairs if share > 0)

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Choose the part of every draw, then draw part by part in their order."""
        edges = np.cumsum(self.shares)[:-1]
        chosen = np.searchsorted(edges, rng.random(count), side="right")
        drawn = np.empty(count)
        for number, part in enumerate(self.parts):
            where = np.flatnonzero(chosen == number)
            drawn[where] = part.draw(rng, len(where))
        return drawn


@dataclass(frozen=True, slots=True)
class Survival:
    """A measured curve: the share still there after each duration (Kaplan-Meier), exponential beyond.

    `at_ms` rises from above 0, `share` falls from at most 1. Between points the hazard is constant; after the last
    point it stays at the mean hazard of the whole curve, because data say nothing there.
    """

    at_ms: tuple[float, ...]
    share: tuple[float, ...]

    def _curve(self) -> tuple[Draws, Draws]:
        at = np.concatenate(([0.0], np.asarray(self.at_ms)))
        return at, -np.log(np.concatenate(([1.0], np.asarray(self.share))))

    @property
    def tail_hazard(self) -> float:
        """Hazard per millisecond beyond the last point; 0 when nobody has left by then."""
        return -math.log(self.share[-1]) / self.at_ms[-1]

    @property
    def mean_ms(self) -> float:
        """The area under the curve; infinite when nobody ever leaves."""
        if self.tail_hazard <= 0:
            return math.inf
        at, load = self._curve()
        step, rise = np.diff(at), np.diff(load)
        with np.errstate(divide="ignore", invalid="ignore"):
            area = np.where(
                rise > 0, np.exp(-load[:-1]) * -np.expm1(-rise) * step / rise, np.exp(-load[:-1]) * step
            )
        return float(area.sum() + math.exp(-load[-1]) / self.tail_hazard)

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        """Invert the cumulative hazard of a unit exponential."""
        at, load = self._curve()
        target = rng.exponential(1.0, count)
        inside = np.interp(target, load, at)
        hazard = self.tail_hazard
        beyond = at[-1] + (target - load[-1]) / hazard if hazard > 0 else np.full(count, NEVER_MS)
        return np.where(target > load[-1], beyond, inside)
