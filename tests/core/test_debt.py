"""Service-level debt: who is owed what."""

from __future__ import annotations

from math import exp

import pytest

from acd.core.debt import Debts
from acd.core.ids import QueueId, SubscriberId
from acd.core.policy import Promise, QueuePolicy, RoutingWeights

A, B = QueueId("a"), QueueId("b")
WEIGHTS = RoutingWeights(debt_step=0.1, debt_cap=5.0, debt_floor=2.0, debt_memory=3.0, promise_margin=0.0)


def _debts(weights: RoutingWeights = WEIGHTS) -> Debts:
    debts = Debts()
    debts.set_policy(tuple(QueuePolicy(q, SubscriberId("s"), Promise(0.8)) for q in (A, B)), weights)
    return debts


def test_nobody_owes_anything_at_the_start():
    assert _debts().price(A) == 1.0


def test_exactly_the_allowed_misses_leave_the_debt_where_it_was():
    """000-07: zero drift exactly at the promise, one miss in five for 80 %."""
    debts = _debts()
    for _ in range(20):
        debts.record(A, missed=True)
        for _ in range(4):
            debts.record(A, missed=False)
    assert debts.debt(A) == pytest.approx(0.0, abs=1e-9)


def test_misses_raise_the_price_of_their_queue_only():
    debts = _debts()
    price = debts.record(A, missed=True)
    assert price == pytest.approx(1.08)
    assert debts.price(B) == 1.0


def test_a_debt_stops_at_the_cap_so_that_overload_makes_everybody_equal():
    debts = _debts()
    for _ in range(500):
        debts.record(A, missed=True)
        debts.record(B, missed=True)
    assert debts.price(A) == debts.price(B) == 6.0


def test_being_ahead_is_remembered_up_to_a_limit_and_cheapens_down_to_the_floor():
    debts = _debts()
    for _ in range(1000):
        debts.record(A, missed=False)
    assert debts.debt(A) == -3.0
    assert debts.price(A) == pytest.approx(exp(-2.0))


def test_the_margin_aims_at_a_little_less_than_the_allowance():
    debts = _debts(RoutingWeights(debt_step=0.1, promise_margin=0.5))
    for _ in range(10):
        debts.record(A, missed=True)
        for _ in range(4):
            debts.record(A, missed=False)
    assert debts.debt(A) == pytest.approx(10 * 0.1 * (1 - 5 * 0.1))


def test_a_reload_keeps_debts_of_queues_that_stay_and_drops_the_others():
    debts = _debts()
    debts.record(A, missed=True)
    debts.record(B, missed=True)
    debts.set_policy((QueuePolicy(A, SubscriberId("s")),), WEIGHTS)
    assert debts.debt(A) > 0
    assert debts.debt(B) == 0.0


def test_an_unknown_queue_costs_one_and_books_nothing():
    debts = _debts()
    assert debts.record(QueueId("nowhere"), missed=True) == 1.0
    assert debts.price(QueueId("nowhere")) == 1.0
