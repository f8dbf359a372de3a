"""The same seed gives the same plan, and every kind of fault is in it."""

from __future__ import annotations

import itertools

import pytest

from simulator.faults.deeds import DEEDS
from simulator.faults.plan import HOLD_S, Kind, dense_mix, kills, mix

KINDS = tuple(kind for kind in Kind if kind is not Kind.CANCELS)


def test_a_seed_repeats_a_plan_and_another_seed_does_not():
    assert kills(40, 120, 7) == kills(40, 120, 7)
    assert kills(40, 120, 7) != kills(40, 120, 8)
    assert mix(KINDS, 600, 7) == mix(KINDS, 600, 7)


def test_kills_are_as_many_as_asked_in_order_and_once_nobody_comes_back():
    plan = kills(40, 120, 1)
    assert [fault.kind for fault in plan].count(Kind.KILL) == 40
    assert [fault.kind for fault in plan].count(Kind.DEAD) == 1
    assert plan == sorted(plan, key=lambda fault: fault.at_s)
    assert all(0 <= fault.at_s <= 120 for fault in plan)
    assert all(0.1 <= fault.hold_s <= 1.5 for fault in plan if fault.kind is Kind.KILL)
    assert kills(0, 120, 1) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_long_mix_meets_every_kind_and_faults_do_not_overlap(seed):
    plan = mix(KINDS, 1_200, seed)
    assert {fault.kind for fault in plan} == set(KINDS)
    for one, two in itertools.pairwise(plan):
        assert two.at_s > one.at_s + one.hold_s


def test_a_dense_mix_has_twice_the_faults_and_a_dead_daemon_stays_dead_long_enough_for_the_fallback():
    thin, dense = mix(KINDS, 2_400, 3), dense_mix(KINDS, 2_400, 3)
    assert len(dense) > 1.6 * len(thin)
    assert all(fault.hold_s >= 13 for fault in dense if fault.kind is Kind.DEAD)
    assert {fault.kind for fault in dense} == set(KINDS)


def test_every_kind_has_a_duration_and_a_deed():
    assert set(HOLD_S) == set(Kind)
    assert set(DEEDS) == set(KINDS), "cancels are drawn with the calls"
