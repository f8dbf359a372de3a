"""Promises that no staffing can keep: Erlang C against published figures, and the warning at load."""

import pytest

from acd.config.promises import agents_needed, answered_within
from tests.config_help import warned


def test_the_formula_is_the_published_one():
    """routing.md 2.1: 1000 calls/h, AHT 120 s, 40 agents: 93.72 % in 20 s; its table of agents by load is Erlang A."""
    assert answered_within(1000 * 120 / 3600, 40, 120, 20) == pytest.approx(0.9372, abs=5e-5)
    assert answered_within(5, 5, 120, 20) == 0.0
    assert answered_within(20, 24, 180, 20) == pytest.approx(0.786, abs=5e-2)


def test_the_fewest_agents_are_the_first_who_keep_it():
    needed = agents_needed(5, 180, 0.93, 15)
    assert needed is not None
    assert answered_within(5, needed, 180, 15) >= 0.93 > answered_within(5, needed - 1, 180, 15)
    assert agents_needed(1e6, 180, 0.93, 15) is None


QUEUES = (
    "queues:\n  sales: {subscriber: shop, display_name: Shop, needs: [{skill: talk, min_level: 2}],\n"
    "    expected_calls_per_hour: 20, expected_talk_s: 120, ring_timeout_s: 5,\n"
    "    promise: {share: 0.9, threshold_s: 10}}\n"
)


def test_a_promise_that_breaks_with_everybody_at_work_is_named(tmp_path):
    (warning,) = warned(tmp_path, queues=QUEUES)
    assert warning.startswith("queues.yaml:4:14: queues.sales.promise: no staffing of these agents can keep")
    assert (
        "with all 1 who can take calls of 'sales' at work 35% would be answered in 10 s (0.7 erlang)"
        in warning
    )
    assert warning.endswith("; 3 are needed")


def test_a_promise_that_can_be_kept_is_not_spoken_of(tmp_path):
    agents = "agents:\n" + "".join(
        f"  10{n}: {{name: A{n}, device: 10{n}, skills: {{talk: 3}}}}\n" for n in range(3)
    )
    assert warned(tmp_path, queues=QUEUES, agents=agents) == []
