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


HANDED = [
    *GOOD[:4],
    "5|c1|q|a1|ACDTRANSFER|ms=5000|to=queue_r",
    "5|c1|r|a1|ACDQUEUED|ms=5001|why=returned",
    "6|c1|r|a2|ACDDIAL|ms=6000|attempt=2",
    "7|c1|r|a2|ACDANSWER|ms=7000|attempt=2",
    "9|c1|r|a2|ACDTALKEND|ms=9000|attempt=2|by=agent|stays=0",
    "9|c1|r|a2|ACDEND|ms=9001|cause=16|stage=talk|by=agent",
]
TO_R = dataclasses.replace(TRUTH, answered_by="a2", answers=["a1", "a2"], handed=[("a1", "r")])
CARD_R = {**CARD, "agent": "a2"}


def test_a_call_handed_on_is_followed_through_both_stretches() -> None:
    assert judge([TO_R], read_journal(HANDED), [CARD_R]).problems == []


def test_who_was_answered_by_the_pbx_alone_talked_with_somebody() -> None:
    rows = [
        *GOOD[:2],
        "3|c1|q|NONE|ACDFALLBACK|ms=3000|why=max_wait",
        "4|c1|q|a3|ACDFALLBACKANSWER|ms=4000",
        "9|c1|q|NONE|ACDEND|ms=9001|cause=16|stage=done|by=agent",
    ]
    truth = dataclasses.replace(TRUTH, answered_by="a3", answers=["a3"])
    card = {**CARD, "end_reason": "fallback", "agent": None}
    assert judge([truth], read_journal(rows), [card]).problems == []


@pytest.mark.parametrize("outcome", ["abandoned", "answered"])
def test_who_gives_up_after_being_handed_on_was_handled_but_not_in_the_last_line(outcome: str) -> None:
    gone = [*HANDED[:6], "9|c1|r|NONE|ACDEND|ms=9001|cause=16|stage=wait|by=caller"]
    truth = dataclasses.replace(TO_R, outcome=outcome, answers=["a1"])
    verdict = judge([truth], read_journal(gone), [CARD])
    assert bool(verdict.problems) == (outcome == "answered")


@pytest.mark.parametrize(
    ("rows", "card", "truth"),
    [
        (GOOD, CARD, TO_R),
        (HANDED, CARD_R, dataclasses.replace(TO_R, handed=[])),
        (HANDED, CARD_R, dataclasses.replace(TO_R, handed=[("a1", "s")])),
        (HANDED, CARD_R, dataclasses.replace(TO_R, answers=["a2"])),
        (HANDED, CARD, TO_R),
    ],
)
def test_a_stretch_told_otherwise_is_seen(rows: list[str], card: dict[str, object], truth: Truth) -> None:
    assert judge([truth], read_journal(rows), [card]).distorted >= 1


def test_percentiles_are_nearest_rank() -> None:
    assert percentile([], 0.5) is None
    assert percentile([5, 1, 3], 0.5) == 3
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert figures([1.0, 2.0]) == {"p50": 1.0, "p99": 2.0, "count": 2}
