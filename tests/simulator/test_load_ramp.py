"""The search for the highest good rate: it grows, breaks, halves the gap and stops."""

from __future__ import annotations

import math

import pytest

from simulator.bench.capacity import Step, _verdict, judge_step
from simulator.load.ramp import Ramp, peak, saturated


def search(ramp: Ramp, limit: float) -> list[float]:
    while (rate := ramp.next()) is not None:
        ramp.tell(rate, was_good=rate <= limit)
    return ramp.tried


@pytest.mark.parametrize("limit", [9.0, 31.0, 77.7])
def test_it_ends_close_below_the_limit(limit: float):
    ramp = Ramp(4.0, growth=1.5, fine=1.1)
    tried = search(ramp, limit)
    assert ramp.good <= limit < ramp.bad
    assert ramp.bad / ramp.good <= 1.1
    assert len(tried) < 20


def test_it_ends_when_even_the_first_rate_is_too_much_or_none_is():
    assert search(Ramp(4.0), 1.0) == [4.0]
    ramp = Ramp(4.0, most=20.0)
    assert search(ramp, math.inf)[-1] == 20.0
    assert ramp.next() is None


def test_peak_counts_calls_at_once_and_not_those_that_follow_each_other():
    assert peak([]) == 0
    assert peak([(0, 2), (2, 3), (1, 4)]) == 2
    assert peak([(0, 9), (1, 9), (2, 9)]) == 3


def test_what_is_full_is_named_and_strangers_do_not_count():
    assert saturated({"asterisk": 0.5, "daemon": 0.97, "machine": 1.0}, cores=4) == "daemon: its one core"
    assert (
        saturated({"asterisk": 1.6, "daemon": 0.4, "machine": 1.0}, cores=2) == "all 2 cores, asterisk most"
    )
    assert saturated({"asterisk": 1.2, "daemon": 0.2, "machine": 1.0}, cores=2) == ""


def step(rate: float = 10.0, **changes: object) -> Step:
    values: dict[str, object] = {
        "rate_per_s": rate, "calls": 100, "answered": 100, "failed": 0, "lost": 0, "concurrent_calls": 20,
        "enter_to_invite_p50_ms": 9.0, "enter_to_invite_p99_ms": 40.0, "cpu": {"daemon": 0.2, "machine": 0.4},
    }  # fmt: skip
    return judge_step(Step(**{**values, **changes}), cores=2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"failed": 2}, "2 SIP calls failed"),
        ({"answered": 99}, "1 calls not answered"),
        ({"lost": 1}, "without a card"),
        ({"enter_to_invite_p99_ms": 1_001.0}, "late"),
        ({"enter_to_invite_p99_ms": None}, "late"),
        ({"cpu": {"daemon": 0.99, "machine": 0.6}}, "full: daemon"),
    ],
)
def test_a_rate_is_bad_for_a_reason(changes: dict[str, object], words: str):
    bad = step(**changes)
    assert not bad.good
    assert words in bad.why_not


def test_a_good_rate_is_good_and_the_verdict_names_the_first_bad_one_above_it():
    rows = [step(5.0), step(10.0, failed=1), step(10.0), step(20.0, lost=3), step(14.0, answered=1)]
    assert [row.good for row in rows] == [True, False, True, False, False]
    found = _verdict(rows, 100.0)
    assert (found["highest_good_rate_per_s"], found["first_bad_rate_per_s"]) == (10.0, 14.0)
    assert "not answered" in str(found["stopped_by"])
    assert _verdict([], 100.0)["highest_good_rate_per_s"] is None
    assert _verdict([step(100.0)], 100.0)["stopped_by"] == "the number of phones"
    assert _verdict([step(50.0)], 100.0)["stopped_by"] == "", "the time was over"
