"""When calls come: a Poisson process with piecewise constant rates, and the day's own busyness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from acd.core.instant import HOUR_MS

if TYPE_CHECKING:
    import datetime as dt

    from numpy.typing import NDArray

    from simulator.scenario import Arrivals, Scenario
    from simulator.streams import Streams


def day_factor(scenario: Scenario, streams: Streams, day: int) -> float:
    """Return the day's busyness: gamma with mean 1, common to all queues, 1 where none is given.

    Real days differ more than Poisson allows (routing design, section 5): a bank's weekdays have a
    coefficient of variation of 0.11 where chance alone gives 0.03.
    """
    shape = scenario.day_shape
    return 1.0 if shape is None else float(streams.vector("day factor", day).gamma(shape, 1.0 / shape))


def arrival_times(
    arrivals: Arrivals, date: dt.date, factor: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the day's arrivals in order, in milliseconds since midnight.

    Args:
        arrivals: rates and factors.
        date: decides the factors of weekday and month.
        factor: the day's busyness.
        rng: the stream of this queue and day.
    """
    step = arrivals.step_ms
    means = np.asarray(arrivals.per_hour, dtype=float) * (step / HOUR_MS * factor * arrivals.factor(date))
    counts = rng.poisson(means)
    starts = arrivals.start_ms + step * np.arange(len(means))
    times = np.repeat(starts, counts) + rng.random(int(counts.sum())) * step
    return np.sort(times.astype(np.int64))
