"""Interval counters by hand."""

from acd.core.policy import Promise, QueuePolicy
from acd.core.tally import QueueTally, Way

POLICY = QueuePolicy("desk", "firm", promise=Promise(0.8, 20_000), short_abandon_ms=5_000)


def test_answers_count_in_target_up_to_the_threshold_inclusive():
    tally = QueueTally()
    for wait in (0, 20_000, 20_001):
        tally.leave(Way.ANSWERED, wait, POLICY)
    assert (tally.ways[Way.ANSWERED], tally.answered_in_target, tally.sum_wait_answered_ms) == (3, 2, 40_001)


def test_only_abandons_can_be_short_and_only_answers_in_target():
    tally = QueueTally()
    assert tally.leave(Way.ABANDONED, 5_000, POLICY).short
    assert not tally.leave(Way.ABANDONED, 5_001, POLICY).short
    left = tally.leave(Way.FALLBACK, 1_000, POLICY)
    assert not left.short
    assert not left.in_target
    assert (tally.short, tally.answered_in_target, tally.sum_wait_answered_ms) == (1, 0, 0)


def test_a_leaving_can_be_taken_back_within_its_interval_only():
    tally = QueueTally()
    answered = tally.leave(Way.ANSWERED, 100, POLICY)
    short = tally.leave(Way.ABANDONED, 100, POLICY)
    assert tally.take_back(answered)
    assert tally.take_back(short)
    assert (sum(tally.ways.values()), tally.answered_in_target, tally.short) == (0, 0, 0)
    assert tally.sum_wait_answered_ms == 0
    old = tally.leave(Way.ANSWERED, 100, POLICY)
    tally.start_interval(2)
    assert not tally.take_back(old)
    assert (tally.offered, sum(tally.ways.values())) == (2, 0)


def test_sums_of_handled_talks():
    tally = QueueTally()
    tally.finish(60_000, 5_000, 10_000)
    tally.finish(30_000, 0, 20_000)
    assert (tally.handled, tally.sum_talk_ms, tally.sum_hold_ms, tally.sum_acw_ms) == (
        2,
        90_000,
        5_000,
        30_000,
    )
