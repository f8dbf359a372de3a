"""The exact two-class bound, against formulas and published figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from acd.planning.bound import Chain, TwoClasses
from acd.planning.erlang import ErlangA

V1 = TwoClasses.at_load(0.75, (40, 60), 12, talk_s=120, patience_s=120, promises=((0.93, 15), (0.80, 20)))
SMALL = replace(
    TwoClasses.at_load(0.8, (40, 60), 4, talk_s=60, patience_s=60, promises=((0.9, 10), (0.8, 20))), phases=30
)


def _fifo(chain):
    return chain.rule(lambda _, wait: wait)


def _tier(chain):
    return chain.rule(lambda c, wait: wait + 1e6 * (c == 0))


@pytest.mark.slow
def test_one_busy_class_alone_is_erlang_a():
    """With the other class almost absent the chain is M/M/n+M; the phases cost about a point."""
    total = sum(SMALL.rates)
    case = replace(SMALL, rates=(total - 1e-9, 1e-9), phase_s=1.0, phases=60, thresholds_s=(10, 20))
    chain = Chain(case)
    exact = ErlangA(4, total, 60, 60).sl_of_offered(10)
    on_time = chain.solve((1.0, 0.0), _fifo(chain))[0] / case.rates[0]
    assert on_time == pytest.approx(exact, abs=0.012)


@pytest.mark.slow
def test_no_rule_is_better_than_the_bound():
    chain = Chain(SMALL)
    bound, q = chain.bound(steps=8)
    assert 0.0 <= q <= 1.0
    rng = np.random.default_rng(1)
    size = SMALL.phases + 1
    rules = [_fifo(chain), _tier(chain), *(rng.integers(0, 2, (size, size)).astype(float) for _ in range(3))]
    assert all(chain.worst(rule) >= bound * (1 - 1e-6) for rule in rules)


@pytest.mark.slow
def test_the_best_rule_for_the_best_multiplier_comes_close_to_the_bound():
    chain = Chain(SMALL)
    bound, q = chain.bound(steps=10)
    gains = tuple(w / (1 - s) / r for w, s, r in zip((q, 1 - q), SMALL.shares, SMALL.rates, strict=True))
    _, rule = chain.solve(gains)
    total = sum(w * m / (1 - s) for w, m, s in zip((q, 1 - q), chain.misses(rule), SMALL.shares, strict=True))
    assert total == pytest.approx(bound, rel=1e-3)


@pytest.mark.slow
def test_the_published_simplification_gives_the_published_figures_of_v1():
    """R of FIFO 1.61 x 1.309 and of the strict tier 1.004 x 1.309 (routing design 3.2)."""
    chain = Chain(replace(V1, thin=False))
    assert chain.worst(_fifo(chain)) == pytest.approx(1.61 * 1.309, rel=0.02)
    assert chain.worst(_tier(chain)) == pytest.approx(1.004 * 1.309, rel=0.02)


@pytest.mark.slow
def test_callers_behind_the_first_who_give_up_make_room():
    chain, simple = Chain(SMALL), Chain(replace(SMALL, thin=False))
    assert chain.worst(_fifo(chain)) < simple.worst(_fifo(simple))
