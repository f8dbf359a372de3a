"""Is a figure flat? Its slope by regression over hourly means, with its interval. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.intervals import student_quantile

LEVEL = 0.95
LEAST_HOURS = 4


@dataclass(frozen=True, slots=True)
class Slope:
    """Change per hour with the half width of its interval at 95 %."""

    per_hour: float
    half_width: float

    @property
    def upper(self) -> float:
        """The steepest growth that the samples allow."""
        return self.per_hour + self.half_width


def slope(hours: Sequence[float], values: Sequence[float]) -> Slope:
    """Fit a line to hourly means: samples within an hour depend on each other, hours hardly do.

    Raises:
        ValueError: fewer than four hours.
    """
    at = np.asarray(hours, dtype=float)
    of = np.asarray(values, dtype=float)
    bins = np.floor(at).astype(int)
    names = sorted(set(bins.tolist()))
    if len(names) < LEAST_HOURS:
        raise ValueError("a slope wants four hours of samples")
    x = np.array([at[bins == name].mean() for name in names])
    y = np.array([of[bins == name].mean() for name in names])
    centred = x - x.mean()
    per_hour = float((centred * (y - y.mean())).sum() / (centred**2).sum())
    rest = y - y.mean() - per_hour * centred
    freedom = len(names) - 2
    error = float(np.sqrt((rest**2).sum() / freedom / (centred**2).sum()))
    return Slope(per_hour, student_quantile(LEVEL, freedom) * error)
