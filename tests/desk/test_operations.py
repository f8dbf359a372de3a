"""Service levels of every operation with working time and warnings (000-07, 003-20, 003-23)."""

from __future__ import annotations

from dataclasses import replace

from acd.core.instant import HOUR_MS, SECOND_MS
from acd.desk import operations
from acd.desk.operations import Operation, Target
from tests.desk.test_hours import OFFICE, at

FRIDAY = at("2026-12-25T17:30")


def test_a_clock_in_working_time_is_due_on_monday_and_warns_before() -> None:
    clock = operations.start(
        "p", Operation.FIRST_REPLY, "case", FRIDAY, operations.DEFAULT_TARGETS[Operation.FIRST_REPLY], OFFICE
    )
    assert clock.due_at == at("2026-12-28T10:30")
    assert clock.warn_at == at("2026-12-28T10:06")
    assert not clock.warns(clock.warn_at - 1)
    assert clock.warns(clock.warn_at)
    assert not clock.warns(clock.due_at + 1)


def test_met_broken_or_still_open() -> None:
    clock = operations.start("p", Operation.CARD_FILLED, "call", 0, Target(120 * SECOND_MS))
    assert clock.met(60_000) is None
    assert clock.met(120_001) is False
    assert replace(clock, stopped_at=120_000).met(10**9) is True
    assert replace(clock, stopped_at=120_001).met(10**9) is False


def test_the_share_met_is_by_subscriber_and_names_what_is_running() -> None:
    target = Target(HOUR_MS, share=0.5)
    clocks = [operations.start("a", Operation.ANSWER, str(n), 0, target) for n in range(4)]
    clocks[0] = replace(clocks[0], stopped_at=1)
    clocks[1] = replace(clocks[1], stopped_at=2 * HOUR_MS)
    clocks.append(operations.start("b", Operation.TICKET_RESOLVED, "x", 0, target))
    first, second = operations.levels(clocks, round(0.9 * HOUR_MS), {"a": {Operation.ANSWER: target}})
    assert (first.met, first.broken, first.running, first.warnings) == (1, 1, 2, 2)
    assert (first.share, first.kept) == (0.5, True)
    assert (second.project, second.share, second.kept) == ("b", None, None)
    assert second.target == operations.DEFAULT_TARGETS[Operation.TICKET_RESOLVED]
