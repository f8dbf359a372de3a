"""Erlang formulas against published figures (routing design 2.1) and the staffing table (1.4)."""

from __future__ import annotations

from math import inf, pi, sin

import pytest

from acd.planning.erlang import (
    ErlangA,
    ErlangC,
    agents_for,
    agents_for_delay,
    erlang_b,
    modified_offered_load,
)


def test_erlang_b_of_two_lines_and_one_erlang_is_one_fifth():
    assert erlang_b(2, 1.0) == pytest.approx(0.2)
    assert erlang_b(0, 5.0) == 1.0
    with pytest.raises(ValueError, match="negative"):
        erlang_b(-1, 1.0)


@pytest.mark.parametrize(("calls_per_h", "asa_s"), [(1400, 2), (1550, 48), (1580, 154), (1585, 214)])
def test_erlang_c_gives_the_waits_of_the_technion_lecture_table(calls_per_h, asa_s):
    """100 agents, AHT 3:45; ASA 0:02, 0:48, 2:34, 3:34 as printed, to the second."""
    assert round(ErlangC(100, calls_per_h / 3600, 225).asa_s) == asa_s


def test_erlang_c_gives_the_figures_of_the_call_center_tools_documentation():
    """1000 calls/h, AHT 120 s, 40 agents."""
    pool = ErlangC(40, 1000 / 3600, 120)
    assert 100 * pool.wait_probability == pytest.approx(19.07, abs=0.005)
    assert 100 * pool.sl_of_offered(20) == pytest.approx(93.72, abs=0.005)
    assert pool.asa_s == pytest.approx(3.43, abs=0.005)
    assert 100 * pool.occupancy == pytest.approx(83.33, abs=0.005)


def test_erlang_c_and_a_give_the_example_of_garnett_mandelbaum_and_reiman():
    """48 calls/min, AHT 1 min, 50 agents, patience 2 min."""
    c = ErlangC(50, 0.8, 60)
    assert c.asa_s == pytest.approx(20.8, abs=0.05)
    assert c.wait_percentile_s(0.9) == pytest.approx(58.1, abs=0.05)
    assert c.queue_length == pytest.approx(17, abs=0.5)
    assert c.occupancy == pytest.approx(0.96)
    a = ErlangA(50, 0.8, 60, 120)
    assert 100 * a.abandon_share == pytest.approx(3.091, abs=0.0005)
    assert a.mean_wait_s == pytest.approx(3.709, abs=0.0005)
    assert a.queue_length == pytest.approx(2.97, abs=0.005)
    assert 100 * a.occupancy == pytest.approx(93.03, abs=0.005)
    assert a.wait_probability == pytest.approx(0.4678, abs=0.00005)
    assert a.sl_of_offered(20) == pytest.approx(0.9430, abs=0.00005)


def test_erlang_a_gives_the_second_published_pool():
    """12 agents, 4.2 calls/min, mu 0.5, theta 1 per minute: SL20 .94527."""
    assert ErlangA(12, 4.2 / 60, 120, 60).sl_of_offered(20) == pytest.approx(0.94527, abs=0.00001)


def test_erlang_a_agrees_with_balance_equations_of_the_birth_death_chain():
    """An independent way: P(n in system) by recursion; abandonment = theta E[queue] / lambda."""
    rate, talk, agents, patience = 0.2, 100.0, 18, 60.0
    weights = [1.0]
    for n in range(1, 400):
        weights.append(weights[-1] * rate / (min(n, agents) / talk + max(0, n - agents) / patience))
    total = sum(weights)
    queue = sum((n - agents) * w for n, w in enumerate(weights) if n > agents) / total
    a = ErlangA(agents, rate, talk, patience)
    assert a.queue_length == pytest.approx(queue, rel=1e-9)
    assert a.wait_probability == pytest.approx(sum(weights[agents:]) / total, rel=1e-9)


def test_erlang_a_stays_exact_in_deep_overload_and_in_large_pools():
    assert ErlangA(5, 1.0, 100, 30).abandon_share == pytest.approx(0.95, abs=0.001)
    assert ErlangA(2000, 19.0, 100, 30).sl_of_offered(20) > 0.99
    assert ErlangA(1, 1e-4, 100, 1e5).sl_of_offered(10) == pytest.approx(0.99, abs=0.002)


_TABLE = {
    0.5: ((3, 0.17), (2, 0.24), (3, 0.17)),
    1.25: ((4, 0.31), (3, 0.41), (4, 0.31)),
    5: ((9, 0.55), (7, 0.69), (9, 0.55)),
    12.5: ((18, 0.69), (15, 0.81), (17, 0.73)),
    25: ((32, 0.78), (28, 0.87), (30, 0.82)),
    50: ((58, 0.86), (53, 0.92), (55, 0.90)),
}


@pytest.mark.parametrize("offered", sorted(_TABLE))
def test_staffing_table_of_the_design(offered):
    """AHT 180 s, patience 345 s; 93 % / 15 s, 80 % / 20 s, 95 % / 40 s (004-17, 003-22, 000-08)."""
    rate = offered / 180
    for (share, threshold), (agents, occupancy) in zip(
        ((0.93, 15), (0.80, 20), (0.95, 40)), _TABLE[offered], strict=True
    ):
        assert agents_for(share, threshold, rate, 180, 345) == agents
        assert ErlangA(agents, rate, 180, 345).occupancy == pytest.approx(occupancy, abs=0.006)


def test_pooling_ten_small_subscribers_saves_more_than_half_the_agents():
    """Ten subscribers of 1.25 erlang at 93 % in 15 s: 40 agents apart, 18 pooled (000-02)."""
    assert 10 * agents_for(0.93, 15, 1.25 / 180, 180, 345) == 40
    assert agents_for(0.93, 15, 12.5 / 180, 180, 345) == 18


def test_callers_who_never_give_up_need_at_least_as_many_agents():
    assert agents_for(0.8, 20, 0.1, 180) >= agents_for(0.8, 20, 0.1, 180, 345)
    assert ErlangC(10, 0.1, 200).sl_of_offered(20) == 0.0
    assert ErlangC(10, 0.1, 200).asa_s == inf
    assert ErlangC(10, 0.1, 200).wait_percentile_s(0.5) == inf


def test_promises_no_staffing_keeps_are_refused():
    with pytest.raises(ValueError, match="no staffing"):
        agents_for(1.0, 20, 0.1, 180, 345)
    assert agents_for(0.9, 20, 0.0, 180, 345) == 0
    with pytest.raises(ValueError, match="positive"):
        ErlangA(0, 1, 1, 1)


def test_time_varying_load_needs_the_published_range_of_agents():
    """Rate 100 + 20 sin t, mu = theta = 1: 99-129, 87-115 and 75-102 agents for delay .1, .5, .9."""
    step = 0.01
    day = int(4 * 2 * pi / step)
    loads = modified_offered_load([100 + 20 * sin(i * step) for i in range(day)], step, 1.0)
    last = loads[-int(2 * pi / step) :]
    for target, (least, most) in {0.1: (99, 129), 0.5: (87, 115), 0.9: (75, 102)}.items():
        staffed = [agents_for_delay(m, target) for m in last]
        assert (min(staffed), max(staffed)) == (least, most)


def test_modified_offered_load_of_a_constant_rate_is_rate_times_talk():
    assert modified_offered_load([0.1] * 5, 60, 200) == pytest.approx([20.0] * 5)
    assert modified_offered_load([], 60, 200) == []
    with pytest.raises(ValueError, match="between"):
        agents_for_delay(10, 1.0)
    assert agents_for_delay(0.0, 0.5) == 1
