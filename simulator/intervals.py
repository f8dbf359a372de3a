"""Means with their intervals. A figure without its interval is not printed by this house.

A run is one observation: calls within a run depend on each other, runs with different seeds do not. So
all intervals are Student's over runs, ratios are ratios of means with the delta method, and controls
with a known mean (the day factor, the number of first calls) take out what chance put into the input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the half width of its confidence interval."""

    value: float
    half_width: float
    level: float = LEVEL
    runs: int = 0

    def __str__(self) -> str:
        if not math.isfinite(self.half_width):
            return shown(self.value, self.half_width)  # one run has no interval
        return f"{shown(self.value, self.half_width)} ±{shown(self.half_width, self.half_width)}"

    @property
    def standard_error(self) -> float:
        """The half width divided by the quantile of the normal law."""
        return self.half_width / normal_quantile(self.level)

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero: the difference is no accident at this level."""
        return abs(self.value) > self.half_width


def shown(value: float, half_width: float) -> str:
    """Write a value with the digits that its half width justifies."""
    if not math.isfinite(value):
        return "n/a"
    if not half_width or not math.isfinite(half_width):
        return f"{value:.4g}"
    digits = min(max(0, 1 - math.floor(math.log10(half_width))), 6)
    return f"{value:.{digits}f}"


def normal_quantile(level: float) -> float:
    """Return z so that a normal deviate lies within plus or minus z with this probability."""
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + level) / 2)


def student_quantile(level: float, freedom: int) -> float:
    """Return t so that Student's deviate lies within plus or minus t with this probability.

    Bisection on the exact distribution: for whole degrees of freedom it is a finite sum (Abramowitz and
    Stegun 26.7.3 and 26.7.4).
    """
    if freedom < 1:
        return math.inf
    if freedom > 2000:
        return normal_quantile(level)
    low, high = 0.0, 1e6
    while high - low > 1e-10 * max(1.0, high):
        middle = (low + high) / 2
        if _student_within(middle, freedom) < level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _student_within(t: float, freedom: int) -> float:
    """Return P(-t < T < t) for whole degrees of freedom."""
    angle = math.atan2(t, math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    if freedom % 2:
        term, total = cosine, 0.0
        for step in range(1, freedom, 2):
            total += term
            term *= cosine * cosine * (step + 1) / (step + 2)
        return 2 / math.pi * (angle + sine * total)
    term, total = 1.0, 0.0
    for step in range(0, freedom, 2):
        total += term
        term *= cosine * cosine * (step + 1) / (step + 2)
    return sine * total


def ratio(
    numerator: ArrayLike,
    denominator: ArrayLike | None = None,
    controls: NDArray[np.float64] | None = None,
    level: float = LEVEL,
) -> Estimate:
    """Estimate mean(numerator) / mean(denominator) from independent runs.

    Args:
        numerator: one value per run.
        denominator: one value per run; None estimates a plain mean.
        controls: columns with a known mean of zero, one row per run; used when there are enough runs.
        level: confidence.
    """
    top = np.asarray(numerator, dtype=float)
    runs = len(top)
    bottom = np.ones(runs) if denominator is None else np.asarray(denominator, dtype=float)
    used = 0
    if controls is not None and controls.shape[1]:
        keep = controls[:, controls.std(axis=0) > 0]
        if runs >= 5 * (keep.shape[1] + 1):
            used = keep.shape[1]
            top, bottom = _controlled(top, keep), _controlled(bottom, keep)
    mean = bottom.mean() if runs else 0.0
    if not mean:
        return Estimate(math.nan, math.inf, level, runs)
    value = top.mean() / mean
    freedom = runs - 1 - used
    if freedom < 1:
        return Estimate(float(value), math.inf, level, runs)
    rest = (top - value * bottom) / mean
    error = math.sqrt(float((rest**2).sum()) / freedom / runs)
    return Estimate(float(value), student_quantile(level, freedom) * error, level, runs)


def _controlled(values: NDArray[np.float64], controls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out of each value what the controls explain by least squares."""
    centred = controls - controls.mean(axis=0)
    slope, *_ = np.linalg.lstsq(centred, values - values.mean(), rcond=None)
    adjusted: NDArray[np.float64] = values - controls @ slope
    return adjusted


def difference(first: ArrayLike, second: ArrayLike, level: float = LEVEL) -> Estimate:
    """Estimate mean(second - first) from runs paired by seed."""
    return ratio(np.asarray(second, dtype=float) - np.asarray(first, dtype=float), level=level)


def ratio_difference(
    first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike], level: float = LEVEL
) -> Estimate:
    """Estimate the second ratio of means minus the first, both from the same seeds."""
    rests, values = [], []
    for top, bottom in (first, second):
        x, y = np.asarray(top, dtype=float), np.asarray(bottom, dtype=float)
        if not y.mean():
            return Estimate(math.nan, math.inf, level, len(x))
        values.append(x.mean() / y.mean())
        rests.append((x - values[-1] * y) / y.mean())
    runs = len(rests[0])
    if runs < 2:
        return Estimate(float(values[1] - values[0]), math.inf, level, runs)
    error = float((rests[1] - rests[0]).std(ddof=1)) / math.sqrt(runs)
    return Estimate(float(values[1] - values[0]), student_quantile(level, runs - 1) * error, level, runs)


def batch_means(series: Sequence[float], batches: int = 20, level: float = LEVEL) -> Estimate:
    """Estimate the mean of one long dependent series from the means of its consecutive batches.

    Raises:
        ValueError: with fewer than two values per batch.
    """
    size = len(series) // batches
    if size < 2:
        raise ValueError(f"{len(series)} values are too few for {batches} batches")
    values = np.asarray(series[: size * batches], dtype=float).reshape(batches, size)
    return ratio(values.mean(axis=1), level=level)
