"""Arrival times: rates by step, factors of weekday and month, the day's own busyness."""

import dataclasses
import datetime as dt

import numpy as np
import pytest

from acd.core.instant import HOUR_MS
from simulator.arrivals import arrival_times, day_factor
from simulator.scenario import DAY_MS, Arrivals, single_pool
from simulator.streams import Streams

MONDAY = dt.date(2026, 3, 2)
RATES = Arrivals(8 * HOUR_MS, HOUR_MS, (100.0, 0.0, 50.0), weekday=(1, 1, 1, 1, 1, 0.5, 0))


def test_each_step_gets_its_rate_and_an_empty_step_gets_nobody() -> None:
    counts = np.zeros(24)
    for seed in range(300):
        times = arrival_times(RATES, MONDAY, 1.0, np.random.default_rng(seed))
        assert (np.diff(times) >= 0).all()
        counts += np.bincount(times // HOUR_MS, minlength=24)
    assert counts[8] / 300 == pytest.approx(100, abs=4 * (100 / 300) ** 0.5)
    assert counts[10] / 300 == pytest.approx(50, abs=4 * (50 / 300) ** 0.5)
    assert counts.sum() == counts[8] + counts[10]


def test_weekday_and_month_factors_multiply() -> None:
    season = (1.0,) * 2 + (1.5,) + (1.0,) * 9
    rates = dataclasses.replace(RATES, season=season)
    saturday = dt.date(2026, 3, 7)
    assert rates.expected(MONDAY) == pytest.approx(225)
    assert rates.expected(saturday) == pytest.approx(112.5)
    assert rates.expected(dt.date(2026, 4, 5)) == 0
    assert not len(arrival_times(rates, dt.date(2026, 4, 5), 1.0, np.random.default_rng(1)))


def test_rate_outside_the_steps_is_zero() -> None:
    assert RATES.rate_at(8 * HOUR_MS) == 100
    assert RATES.rate_at(11 * HOUR_MS) == 0
    assert RATES.rate_at(7 * HOUR_MS) == 0
    assert RATES.rate_at(DAY_MS - 1) == 0


def test_day_factor_has_mean_one_and_the_variance_of_its_shape() -> None:
    scenario = dataclasses.replace(single_pool(per_hour=1, agents=1, talk_s=1), day_shape=10.0)
    factors = np.array([day_factor(scenario, Streams(seed), day) for seed in range(40) for day in range(50)])
    assert factors.mean() == pytest.approx(1.0, abs=0.03)
    assert factors.var() == pytest.approx(0.1, abs=0.015)


def test_without_a_shape_every_day_is_alike() -> None:
    assert day_factor(single_pool(per_hour=1, agents=1, talk_s=1), Streams(1), 0) == 1.0
