"""The terms of the score, one by one."""

from __future__ import annotations

from math import exp

import pytest

from acd.core.ids import QueueId, SubscriberId
from acd.core.policy import Promise, QueuePolicy, RoutingWeights
from acd.core.scoring import Score


def _queue(share: float = 0.8) -> QueuePolicy:
    return QueuePolicy(QueueId("q"), SubscriberId("s"), Promise(share, 20_000))


def test_urgency_rises_toward_the_threshold_and_falls_once_the_promise_is_broken():
    score = Score(RoutingWeights())
    waits = [score.urgency(w, 20.0, 0.05) for w in (0.0, 10.0, 20.0)]
    assert waits == sorted(waits)
    assert score.urgency(20.1, 20.0, 0.05) < score.urgency(20.0, 20.0, 0.05)


def test_urgency_is_the_sum_of_the_three_published_terms():
    weights = RoutingWeights(urgency_hard=0.5, urgency_age=0.1, hard_limit_ms=40_000)
    expected = exp(0.05 * (10 - 20)) + 0.5 * exp(0.05 * (10 - 40)) + 0.1 * 10 / 20
    assert Score(weights).urgency(10.0, 20.0, 0.05) == pytest.approx(expected)


def test_a_late_call_keeps_the_pull_of_the_hard_limit_then_that_of_plain_age():
    """000-08: 40 s is the limit for everybody, whatever the promise."""
    score = Score(RoutingWeights(urgency_hard=0.5, urgency_age=0.0))
    assert score.urgency(39.0, 20.0, 0.05) > 0.4
    assert score.urgency(41.0, 20.0, 0.05) == 0.0
    aging = Score(RoutingWeights(urgency_hard=0.0, urgency_age=0.1))
    assert aging.urgency(300.0, 20.0, 0.05) > aging.urgency(200.0, 20.0, 0.05) > 0


def test_the_next_ready_agent_is_dear_only_when_few_are_ready():
    score = Score(RoutingWeights(opportunity_decay=0.3))
    assert score.decay(0) == 0.0
    assert score.decay(1) == 1.0
    assert score.decay(3) == pytest.approx(0.09)
    assert score.decay(10_000) == 0.0


def test_a_scarce_allowance_raises_urgency_and_price():
    score = Score(RoutingWeights(urgency_allowance=0.5, opportunity_allowance=1.0))
    assert score.pull(_queue(0.95)) == pytest.approx(0.05**-0.5)
    assert score.scale(_queue(0.95)) / score.scale(_queue(0.80)) == pytest.approx(4.0)
    assert score.scale(_queue(1.0)) < 1e4


def test_the_cost_of_losing_a_caller_grows_with_the_time_until_an_agent_is_free():
    score = Score(RoutingWeights(lost_cost=0.5, patience_ms=120_000))
    assert score.lost(0.05) == pytest.approx(0.5 * 20 / 120)


def test_levels_above_the_top_cost_nothing_and_each_below_costs_more():
    score = Score(RoutingWeights(level=1.0, level_low=3.0))
    assert [score.level_cost(level) for level in (5, 3, 2, 1)] == [0.0, 0.0, 1.0, 3.0]
