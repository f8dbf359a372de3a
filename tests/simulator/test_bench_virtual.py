"""The benchmark measures what it says: the same model in every simulator."""

import pytest

from simulator.bench import virtual


def test_every_simulator_runs_the_same_model() -> None:
    """Shares lost agree within chance; the recursion meets the very callers of the virtual centre."""
    ours = virtual.run_ours(6.0, 1)
    assert virtual.run_recursion(6.0, 1) == ours
    for work in (virtual.run_ciw, virtual.run_simpy):
        calls, lost = work(6.0, 1)
        assert calls == pytest.approx(ours[0], rel=0.1)
        assert lost == pytest.approx(ours[1], abs=0.025)


def test_the_busy_day_is_the_one_of_the_issue() -> None:
    day = virtual.busy_day()
    assert sum(group.count for group in day.groups) == 35
    assert {skill for group in day.groups for skill, _ in group.skills} == {q.name for q in day.queues}
    assert len(day.queues) == 6
    assert day.expected_first_calls == pytest.approx(5000)
    assert all(shift.end_ms - shift.start_ms == 36_000_000 for group in day.groups for shift in group.shifts)


@pytest.mark.slow
def test_all_decisions_of_the_busy_day_are_byte_equal_under_two_hash_seeds() -> None:
    first, second = virtual.digest_under(1), virtual.digest_under(2)
    assert first == second
    assert len(first) == 128


@pytest.mark.slow
def test_cost_per_call_grows_by_less_than_three_from_ten_to_a_thousand_agents() -> None:
    costs = [row["us_per_call"] for row in virtual.measure_growth("recommended", 2)]
    assert max(costs) / min(costs) <= virtual.COST_FACTOR_LIMIT
