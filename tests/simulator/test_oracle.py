"""The oracle must see every kind of difference; one that cannot fail would prove nothing."""

from __future__ import annotations

import dataclasses

import pytest

from simulator.centre.oracle import Truth, figures, judge, percentile, read_journal

GOOD = [
    "1|c1|NONE|NONE|ACDENTER|ms=1000|did=7001|ani=791",
    "1|c1|q|NONE|ACDQUEUED|ms=1001|why=new",
    "1|c1|q|a1|ACDDIAL|ms=1002|attempt=1",
    "2|c1|q|a1|ACDANSWER|ms=2000|attempt=1",
    "9|c1|q|a1|ACDTALKEND|ms=9000|attempt=1|by=agent|stays=0",
    "9|c1|q|a1|ACDEND|ms=9001|cause=16|stage=talk|by=agent",
]
CARD = {"call": "c1", "ani": "791", "did": "7001", "end_reason": "handled", "agent": "a1"}
TRUTH = Truth("791", "7001", 1.0, "answered", answered_by="a1", answered_s=2.0)


def test_three_equal_stories_have_no_problem() -> None:
    verdict = judge([TRUTH], read_journal(GOOD), [CARD])
    assert verdict.problems == []
    assert (verdict.offered, verdict.answered, verdict.lost) == (1, 1, 0)


@pytest.mark.parametrize(
    ("rows", "cards", "truth", "counter"),
    [
        ([], [], TRUTH, "lost"),
        (GOOD[:-1], [CARD], TRUTH, "lost"),
        ([*GOOD, GOOD[-1]], [CARD], TRUTH, "lost"),
        (GOOD, [], TRUTH, "lost"),
        (GOOD, [{**CARD, "did": "7002"}], TRUTH, "distorted"),
        (GOOD, [{**CARD, "end_reason": "abandoned"}], TRUTH, "distorted"),
        (GOOD, [{**CARD, "agent": "a2"}], TRUTH, "distorted"),
        (GOOD, [CARD, {**CARD, "call": "c9"}], TRUTH, "distorted"),
        (GOOD, [CARD], dataclasses.replace(TRUTH, outcome="failed"), "failed"),
        (
            [*GOOD, *(r.replace("c1", "c2").replace("ani=791", "ani=666") for r in GOOD)],
            [CARD],
            TRUTH,
            "distorted",
        ),
        ([*GOOD, *(r.replace("c1", "c2") for r in GOOD)], [CARD], TRUTH, "double_booked"),
        (
            [*GOOD[:4], GOOD[3].replace("a1", "a2"), *GOOD[4:]],
            [{**CARD, "agent": "a2"}],
            TRUTH,
            "double_booked",
        ),
    ],
)
def test_every_difference_is_seen(
    rows: list[str], cards: list[dict[str, object]], truth: Truth, counter: str
) -> None:
    verdict = judge([truth], read_journal(rows), cards)
    assert getattr(verdict, counter) >= 1
    assert verdict.problems


def test_percentiles_are_nearest_rank() -> None:
    assert percentile([], 0.5) is None
    assert percentile([5, 1, 3], 0.5) == 3
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert figures([1.0, 2.0]) == {"p50": 1.0, "p99": 2.0, "count": 2}
