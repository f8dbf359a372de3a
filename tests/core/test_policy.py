"""Policy as data: the defaults a supervisor need not touch are in range."""

from __future__ import annotations

from dataclasses import fields

import pytest

from acd.core.policy import Promise, QueuePolicy, RoutingWeights


def test_the_allowance_is_what_may_miss():
    assert Promise(0.93, 15_000).allowance == pytest.approx(0.07)


def test_every_weight_has_a_default_in_its_range():
    weights = RoutingWeights()
    for field in fields(weights):
        value = getattr(weights, field.name)
        if isinstance(value, float):
            assert value >= 0.0, field.name
    assert 0.0 < weights.opportunity_decay < 1.0
    assert weights.debt_floor <= weights.debt_memory
    assert weights.fair_wait_ms < QueuePolicy.__dataclass_fields__["max_wait_ms"].default
    assert weights.policy == "recommended"
