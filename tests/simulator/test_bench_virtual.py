"""The benchmark measures what it says: the same model in every simulator."""

import math
import os
import sys
from pathlib import Path

import pytest

from simulator.accelerator.build import ROOT, build
from simulator.bench import virtual


@pytest.mark.slow
def test_every_simulator_runs_the_same_model() -> None:
    """Shares lost agree within chance; the recursion meets the very callers of the virtual centre."""
    ours = virtual.run_ours(6.0, 1)
    assert virtual.run_recursion(6.0, 1) == ours
    for work in (virtual.run_ciw, virtual.run_simpy, virtual.run_simpy_counts):
        calls, lost = work(6.0, 1)
        assert calls == pytest.approx(ours[0], rel=0.1)
        assert lost == pytest.approx(ours[1], abs=0.025)


def test_a_factor_is_the_mean_of_quotients_round_by_round_with_its_interval() -> None:
    """Student, two degrees of freedom: 4.303 times the spread of ln 2, ln 2, ln 8 over the root of three."""
    found = virtual.factor([2.0, 4.0, 8.0], [1.0, 2.0, 1.0])
    assert found["factor"] == pytest.approx(32 ** (1 / 3))
    half = 4.3027 * math.log(4) / math.sqrt(3) / math.sqrt(3)
    assert found["low"] == pytest.approx(32 ** (1 / 3) * math.exp(-half), rel=1e-4)
    assert found["high"] == pytest.approx(32 ** (1 / 3) * math.exp(half), rel=1e-4)


def test_the_busy_day_is_the_one_of_the_issue() -> None:
    day = virtual.busy_day()
    assert sum(group.count for group in day.groups) == 35
    assert {skill for group in day.groups for skill, _ in group.skills} == {q.name for q in day.queues}
    assert len(day.queues) == 6
    assert day.expected_first_calls == pytest.approx(5000)
    assert all(shift.end_ms - shift.start_ms == 36_000_000 for group in day.groups for shift in group.shifts)


@pytest.mark.slow
def test_all_decisions_of_the_busy_day_are_byte_equal_under_two_hash_seeds() -> None:
    first, second = (virtual.this_build(virtual.DIGEST, hash_seed) for hash_seed in (1, 2))
    assert first == second
    assert len(first) == 128


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_compiled_and_plain_the_busy_day_is_byte_equal_and_compiled_is_faster() -> None:
    """Decision 0151: minutes of a C compiler, so not in every run of the suite."""
    path = f"{build(Path(sys.prefix) / 'acd-fast')}{os.pathsep}{ROOT}"
    which = "from simulator.accelerator.build import in_use; print(in_use())"
    assert virtual.output_of(which, 1, path) == "compiled"
    assert virtual.output_of(virtual.DIGEST, 1, path) == virtual.plain_python(virtual.DIGEST, 2)
    words = ["bank", "--policies", "fifo", "--seeds", "2", "--jobs", "2"]
    simulate = (
        f"from simulator.__main__ import main\nif __name__ == '__main__': raise SystemExit(main({words!r}))"
    )
    assert virtual.output_of(simulate, 1, path) == virtual.plain_python(simulate, 1)
    code = "from simulator.bench.virtual import run_ours, timed; print(timed(run_ours, 8.0, 1)[0])"
    compiled, plain = (float(virtual.output_of(code, 1, where)) for where in (path, str(ROOT)))
    assert compiled < plain / 2


@pytest.mark.slow
def test_cost_per_call_grows_by_less_than_three_from_ten_to_a_thousand_agents() -> None:
    costs = [row["us_per_call"] for row in virtual.measure_growth("recommended", 2)]
    assert max(costs) / min(costs) <= virtual.COST_FACTOR_LIMIT
