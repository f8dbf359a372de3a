"""Expected wait and arrival rates."""

from __future__ import annotations

import pytest

from acd.core.ewt import METHODS, ArrivalRate, WaitModel


def test_the_arrival_rate_finds_a_steady_stream():
    rate = ArrivalRate()
    for i in range(2000):
        rate.add(i * 20_000, i)
    assert rate.per_s == pytest.approx(1 / 20, rel=0.05)


def test_a_call_that_returns_to_its_place_is_not_counted_again():
    rate = ArrivalRate()
    assert rate.add(1000, 7)
    before = rate.per_s
    assert not rate.add(1000, 7)
    assert not rate.add(500, -3)
    assert rate.per_s == before


def test_a_silent_queue_keeps_a_small_claim():
    rate = ArrivalRate()
    rate.add(0, 1)
    rate.add(100 * 3_600_000, 2)
    assert 0 < rate.per_s < 1 / 600


def test_the_free_rate_method_is_place_over_rate():
    assert WaitModel().estimate_s(3, 0.1, "free_rate") == pytest.approx(30.0)


def test_calibration_learns_that_waits_are_twice_what_the_rate_says():
    model = WaitModel()
    for _ in range(2000):
        model.answered(20_000, 10.0)
    assert model.estimate_s(1, 0.1, "calibrated") == pytest.approx(20.0, rel=0.05)
    assert model.estimate_s(1, 0.1, "last_wait") == 20.0
    assert model.estimate_s(1, 0.1, "mean_wait") == pytest.approx(20.0)


def test_every_method_has_a_name_and_unknown_names_are_refused():
    """000-08, 002-05: an announced wait names its method."""
    model = WaitModel()
    assert all(model.estimate_s(1, 0.1, method) >= 0 for method in METHODS)
    with pytest.raises(KeyError):
        model.estimate_s(1, 0.1, "crystal_ball")
