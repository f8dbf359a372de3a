"""Intervals: exact quantiles, coverage, controls, pairs, batches."""

import math

import numpy as np
import pytest

from simulator.intervals import (
    Estimate,
    batch_means,
    difference,
    normal_quantile,
    ratio,
    ratio_difference,
    shown,
    student_quantile,
)


@pytest.mark.parametrize(
    ("level", "freedom", "table"),
    [
        (0.95, 1, 12.706),
        (0.95, 2, 4.303),
        (0.95, 9, 2.262),
        (0.95, 10, 2.228),
        (0.9, 30, 1.697),
        (0.99, 5, 4.032),
    ],
)
def test_student_quantiles_are_those_of_the_tables(level: float, freedom: int, table: float) -> None:
    assert student_quantile(level, freedom) == pytest.approx(table, abs=6e-4)


def test_with_many_degrees_of_freedom_student_is_normal() -> None:
    assert student_quantile(0.95, 5000) == normal_quantile(0.95) == pytest.approx(1.95996, abs=1e-5)
    assert student_quantile(0.95, 1999) == pytest.approx(1.9611, abs=1e-3)
    assert student_quantile(0.95, 0) == math.inf


@pytest.mark.slow
def test_ninety_five_percent_of_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(1000):
        calls = rng.poisson(50, 12).astype(float)
        good = rng.binomial(calls.astype(int), 0.8)
        estimate = ratio(good, calls)
        covered += abs(estimate.value - 0.8) <= estimate.half_width
    assert 925 <= covered <= 972


@pytest.mark.slow
def test_controls_with_a_known_mean_narrow_the_interval_without_bias() -> None:
    rng = np.random.default_rng(2)
    plain, controlled = [], []
    for _ in range(300):
        factor = rng.gamma(10, 0.1, 30)
        calls = rng.poisson(100 * factor)
        controls = np.column_stack((factor - 1, (factor - 1) ** 2 - 0.1))
        plain.append(ratio(calls))
        controlled.append(ratio(calls, None, controls))
    assert np.mean([e.half_width for e in controlled]) < 0.5 * np.mean([e.half_width for e in plain])
    values = [e.value for e in controlled]
    assert abs(np.mean(values) - 100) < 4 * np.std(values) / math.sqrt(300)
    assert np.mean([abs(e.value - 100) <= e.half_width for e in controlled]) > 0.91


def test_too_few_runs_use_no_controls_and_one_run_has_no_interval() -> None:
    controls = np.array([[0.1], [-0.1]])
    assert ratio([1.0, 3.0], None, controls) == ratio([1.0, 3.0])
    assert ratio([1.0]).half_width == math.inf
    assert ratio_difference(([1.0], [1.0]), ([2.0], [1.0])).half_width == math.inf


def test_a_ratio_over_nothing_is_no_number() -> None:
    assert math.isnan(ratio([1.0, 2.0], [0.0, 0.0]).value)
    assert math.isnan(ratio_difference(([1.0], [0.0]), ([1.0], [1.0])).value)
    assert shown(math.nan, 1.0) == "n/a"


def test_pairs_see_a_difference_that_single_runs_cannot() -> None:
    rng = np.random.default_rng(3)
    luck = rng.normal(0, 5, 20)
    first, second = 80 + luck, 81 + luck + rng.normal(0, 0.3, 20)
    paired = difference(first, second)
    assert paired.excludes_zero
    assert paired.half_width < 0.3 < ratio(first).half_width
    same = ratio_difference((first, np.ones(20)), (second, np.ones(20)))
    assert same.value == pytest.approx(paired.value)
    assert same.half_width == pytest.approx(paired.half_width)


def test_batch_means_of_a_dependent_series_are_wider_than_the_naive_interval() -> None:
    rng = np.random.default_rng(4)
    series = [0.0]
    for _ in range(20_000):
        series.append(0.95 * series[-1] + rng.normal())
    naive = 1.96 * np.std(series) / math.sqrt(len(series))
    batched = batch_means(series)
    assert batched.half_width > 3 * naive
    assert abs(batched.value) <= 3 * batched.half_width
    with pytest.raises(ValueError, match="too few"):
        batch_means([1.0, 2.0, 3.0])


def test_a_figure_is_written_with_its_interval_and_only_justified_digits() -> None:
    assert str(Estimate(0.93876, 0.0042)) == "0.9388 ±0.0042"
    assert str(Estimate(4297.3, 27.2)) == "4297 ±27"
    assert Estimate(1.0, 0.02, 0.95).standard_error == pytest.approx(0.0102, abs=1e-4)


def test_a_value_without_an_interval_stands_alone():
    """One run of bin/load: no `±n/a`."""
    assert str(Estimate(81.25, math.nan)) == "81.25"
    assert str(Estimate(81.25, math.inf)) == "81.25"
    assert "±" in str(Estimate(81.25, 1.0))
