"""Every distribution's exact mean against its own draws, within four standard errors."""

import math

import numpy as np
import pytest

from simulator import distributions as dist

ALL = [
    dist.Fixed(5_000.0),
    dist.Exponential(2_000.0),
    dist.Lognormal.of_mean(177_000.0, 1.23),
    dist.Lognormal(math.log(1000) + 4.784, 0.953),
    dist.Uniform(3_000.0, 7_000.0),
    dist.Gamma(9_000.0, 0.7),
    dist.Pareto(1_000.0, 4.0),
    dist.Mixture((0.1, 0.9), (dist.Fixed(0.0), dist.Exponential(1_000_000.0))),
    dist.Survival((10_000.0, 20_000.0, 60_000.0, 600_000.0), (0.962, 0.924, 0.82, 0.263)),
    dist.Survival((10_000.0, 20_000.0), (1.0, 0.5)),
]


@pytest.mark.parametrize("one", ALL, ids=lambda one: type(one).__name__)
def test_mean_of_draws_is_the_stated_mean(one: dist.Distribution) -> None:
    drawn = one.draw(np.random.default_rng(1), 200_000)
    error = drawn.std() / math.sqrt(len(drawn))
    assert drawn.min() >= 0
    assert abs(drawn.mean() - one.mean_ms) <= 4 * error + 1e-9


def test_lognormal_of_mean_has_the_asked_coefficient_of_variation() -> None:
    drawn = dist.Lognormal.of_mean(100.0, 0.5).draw(np.random.default_rng(2), 400_000)
    assert drawn.std() / drawn.mean() == pytest.approx(0.5, abs=0.01)


def test_survival_curve_is_met_at_its_points() -> None:
    """Routing design, section 5: the bank's callers."""
    curve = dist.Survival((10_000.0, 60_000.0, 600_000.0), (0.962, 0.82, 0.263))
    drawn = curve.draw(np.random.default_rng(3), 200_000)
    for at, share in zip(curve.at_ms, curve.share, strict=True):
        assert (drawn > at).mean() == pytest.approx(share, abs=0.005)


def test_a_tail_without_a_mean_says_so() -> None:
    assert dist.Pareto(1.0, 1.0).mean_ms == math.inf
    assert dist.Never().mean_ms == math.inf
    assert dist.Survival((10.0,), (1.0,)).mean_ms == math.inf
    assert dist.Mixture((0.5, 0.5), (dist.Never(), dist.Fixed(1.0))).mean_ms == math.inf
    assert dist.Mixture((0.0, 1.0), (dist.Never(), dist.Fixed(1.0))).mean_ms == 1.0


def test_who_never_gives_up_outlasts_any_run() -> None:
    drawn = dist.Never().draw(np.random.default_rng(1), 3)
    assert (drawn == dist.NEVER_MS).all()
    flat = dist.Survival((10.0,), (1.0,)).draw(np.random.default_rng(1), 3)
    assert (flat == dist.NEVER_MS).all()
