"""Callers carry their draws; nothing that policies or staff do can change them."""

import dataclasses

import numpy as np

from acd.core.instant import HOUR_MS, SECOND_MS
from simulator.callers import draw_day
from simulator.distributions import Exponential, Fixed, Uniform
from simulator.scenario import DAY_MS, Arrivals, Group, Periods, Queue, Retry, Scenario, Transfer
from simulator.streams import Streams

QUEUE = Queue("a", "a", Arrivals(0, HOUR_MS, (60.0,) * 24), Exponential(60_000.0), Exponential(30_000.0))


def centre(*queues: Queue, **other: object) -> Scenario:
    return Scenario("x", queues, (Group("g", 3),), **other)  # type: ignore[arg-type]


def test_callers_come_in_order_and_on_their_day() -> None:
    callers = draw_day(centre(QUEUE, dataclasses.replace(QUEUE, name="b")), Streams(1), 2)
    times = [caller.first_at for caller in callers]
    assert times == sorted(times)
    assert times[0] >= 2 * DAY_MS
    assert times[-1] < 3 * DAY_MS
    assert {caller.queue for caller in callers} == {0, 1}


def test_another_queue_changes_nobody_of_this_one() -> None:
    """Paired seeds work only if a change here leaves the draws there alone."""

    def seen(scenario: Scenario) -> list[tuple[int, int, int]]:
        callers = draw_day(scenario, Streams(4), 0)
        return [(c.first_at, c.patience_ms, c.talk_ms) for c in callers if c.queue == 0]

    busier = dataclasses.replace(QUEUE, name="b", talk=Fixed(1.0))
    assert seen(centre(QUEUE)) == seen(centre(QUEUE, busier))


def test_durations_follow_the_period_of_arrival() -> None:
    queue = dataclasses.replace(
        QUEUE,
        talk_by_period=(Fixed(1_000.0), Fixed(2_000.0)),
        patience_by_period=(Fixed(3_000.0), Fixed(4_000.0)),
    )
    scenario = centre(queue, periods=Periods(0, 12 * HOUR_MS, 2))
    for caller in draw_day(scenario, Streams(1), 0):
        late = caller.first_at >= 12 * HOUR_MS
        assert caller.period == late
        assert (caller.talk_ms, caller.patience_ms) == ((2_000, 4_000) if late else (1_000, 3_000))


def test_retries_left_are_geometric() -> None:
    queue = dataclasses.replace(QUEUE, retry=Retry(0.75, Fixed(1.0)))
    left = [c.retry_left for day in range(10) for c in draw_day(centre(queue), Streams(1), day)]
    assert abs(np.mean(left) - 3.0) < 4 * np.std(left) / len(left) ** 0.5
    few = dataclasses.replace(queue, retry=Retry(0.75, Fixed(1.0), most=1))
    assert {c.retry_left for c in draw_day(centre(few), Streams(1), 0)} == {0, 1}


def test_ring_and_talk_by_group_are_carried_for_groups_that_may_answer() -> None:
    queue = dataclasses.replace(
        QUEUE, served_by=("g", "h"), talk_by_group=(("h", Fixed(9_000.0)),), transfers=(Transfer("a", 0.5),)
    )
    groups = (
        Group("g", 1, ring=Uniform(1 * SECOND_MS, 2 * SECOND_MS)),
        Group("h", 1),
        Group("other", 1, ring=Uniform(1.0, 2.0)),
    )
    caller = draw_day(Scenario("x", (queue,), groups), Streams(1), 0)[5]
    assert set(caller.sheet.rings) == {"g"}
    assert 1_000 <= caller.sheet.rings["g"][caller.row] <= 2_000
    assert caller.sheet.talks["h"][caller.row] == 9_000
    assert 0 <= caller.transfer_u < 1


def test_a_day_without_calls_has_no_callers() -> None:
    empty = dataclasses.replace(QUEUE, arrivals=Arrivals(0, HOUR_MS, (0.0,)))
    assert draw_day(centre(empty), Streams(1), 0) == []
