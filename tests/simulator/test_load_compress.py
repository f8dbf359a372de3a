"""A stretch of a scenario, made faster: the same calls, the same loads, and nothing silently left out."""

from __future__ import annotations

import dataclasses
import math

import pytest

from acd.core.instant import HOUR_MS, SECOND_MS
from acd.core.rules import Action, Rule
from simulator.__main__ import find_scenario
from simulator.callers import draw_day
from simulator.distributions import Exponential, Fixed, Never
from simulator.load.compress import (
    CannotRunError,
    Stretch,
    choose_stretch,
    compress,
    expected_in,
    stretch_back,
)
from simulator.scenario import (
    DAY_MS,
    Arrivals,
    Callback,
    Closing,
    Group,
    Queue,
    Scenario,
    Shift,
    Staff,
    Transfer,
)
from simulator.scenario_file import load
from simulator.streams import Streams
from simulator.world import World


def bank() -> Scenario:
    return load(find_scenario("bank"))[0]


def line(**changes: object) -> Scenario:
    queue = Queue(
        name="one",
        subscriber="one",
        arrivals=Arrivals(8 * HOUR_MS, HOUR_MS, (30.0, 60.0, 10.0)),
        talk=Exponential(100 * SECOND_MS),
    )
    made = Scenario(name="line", queues=(queue,), groups=(Group("crew", 3),))
    return dataclasses.replace(made, **changes)


def test_the_busiest_stretch_is_chosen():
    part = choose_stretch(line(), minutes=6, scale=10)
    assert (part.start_ms, part.length_ms) == (9 * HOUR_MS, HOUR_MS)
    assert part.wall_s == 360


def test_as_long_as_needed_for_the_calls_wanted_and_not_longer():
    part = choose_stretch(line(), calls=75)
    assert part.length_ms == 90 * 60_000
    assert expected_in(line(), 0, part.start_ms, part.start_ms + part.length_ms) >= 75


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"scale": math.nan}, "positive number"),
        ({"scale": 0.0}, "positive number"),
        ({"day": 7}, "days 1 to 1"),
        ({"calls": 5_000}, "fewer than the 5000"),
        ({"start_ms": 20 * HOUR_MS, "minutes": 5}, "nobody calls"),
    ],
)
def test_an_impossible_stretch_is_refused_in_plain_words(wanted: dict[str, float], words: str):
    with pytest.raises(CannotRunError, match=words):
        choose_stretch(line(), **wanted)


@pytest.mark.parametrize("scale", [7.0, 20.0, 60.0])
def test_a_seed_draws_the_same_callers_at_every_speed(scale: float):
    """Same people, same talk, same patience: only the clock runs faster."""
    scenario = bank()
    part = choose_stretch(scenario, minutes=180 / scale, scale=scale)
    slow, _ = compress(scenario, dataclasses.replace(part, scale=1.0))
    fast, _ = compress(scenario, part)
    ours, theirs = (draw_day(made, Streams(5), 0) for made in (fast, slow))
    assert len(ours) == len(theirs) > 30
    for one, other in zip(ours, theirs, strict=True):
        assert one.first_at * scale == pytest.approx(other.first_at, abs=2 * scale)
        assert one.talk_ms * scale == pytest.approx(other.talk_ms, abs=scale)
        assert one.patience_ms * scale == pytest.approx(other.patience_ms, abs=scale)


def test_speed_changes_neither_calls_nor_load():
    scenario = bank()
    part = choose_stretch(scenario, minutes=9, scale=20)
    fast, _ = compress(scenario, part)
    wanted = expected_in(scenario, 0, part.start_ms, part.start_ms + part.length_ms)
    assert fast.expected_first_calls == pytest.approx(wanted)
    assert fast.queues[0].work_ms * 20 == pytest.approx(scenario.queues[0].work_ms)
    assert dict(fast.weights)["patience_ms"] == 6_000


def test_results_come_back_in_the_scenarios_own_time():
    """A virtual run of the fast copy, stretched back, tells of the same calls and of seconds, not moments."""
    scenario = bank()
    part = choose_stretch(scenario, minutes=9, scale=20)
    fast, slow = (compress(scenario, p)[0] for p in (part, dataclasses.replace(part, scale=1.0)))
    ours = stretch_back(World(fast, "recommended", 3, keep_calls=True).run(), 20)
    theirs = World(slow, "recommended", 3, keep_calls=True).run()
    assert ours.tally().arrivals == theirs.tally().arrivals
    assert ours.tally().talk_ms == pytest.approx(theirs.tally().talk_ms, rel=0.02)
    assert ours.groups[0].busy_ms == pytest.approx(theirs.groups[0].busy_ms, rel=0.05)
    assert ours.calls[0].talk_ms == pytest.approx(theirs.calls[0].talk_ms, abs=20)
    assert max(ours.waits[0]) > 1_000


def test_a_ring_timeout_never_falls_below_what_the_dialplan_knows():
    fast, notes = compress(bank(), Stretch(0, 10 * HOUR_MS, HOUR_MS, 20.0))
    assert fast.queues[0].ring_timeout_ms == 2_000
    assert any("rings 2 s" in note for note in notes)
    assert compress(bank(), Stretch(0, 10 * HOUR_MS, HOUR_MS, 1.0))[1] == []


def test_transfers_and_callbacks_stay():
    queue = dataclasses.replace(
        line().queues[0], transfers=(Transfer("one", 0.1),), callback=Callback(1000, 0.5, Fixed(1000))
    )
    fast, notes = compress(line(queues=(queue,)), Stretch(0, 8 * HOUR_MS, HOUR_MS))
    assert fast.queues[0].transfers == (Transfer("one", 0.1),)
    assert fast.queues[0].callback is not None
    assert [note.split()[1] for note in notes] == ["call-back"]


def test_what_the_daemon_is_not_given_is_said():
    rule = Rule("late", (), (Action("fallback"),))
    queue = dataclasses.replace(line().queues[0], rules=(rule,))
    notes = compress(line(queues=(queue,)), Stretch(0, 8 * HOUR_MS, HOUR_MS))[1]
    assert [note for note in notes if note.startswith("rules of the queues")]


def test_lines_and_closing_time_are_those_of_the_stretch():
    scenario = line(lines=9, closing=Closing(10 * HOUR_MS))
    fast, notes = compress(scenario, Stretch(0, 8 * HOUR_MS, HOUR_MS, 20.0))
    assert fast.lines == 9
    assert fast.closing == Closing(2 * HOUR_MS // 20, turns_away=True)
    assert [note for note in notes if "turned away" in note], (
        "the file lets them wait on; no engine here does"
    )
    said = line(closing=Closing(10 * HOUR_MS, turns_away=True))
    assert not [note for note in compress(said, Stretch(0, 8 * HOUR_MS, HOUR_MS))[1] if "closing" in note]
    with pytest.raises(CannotRunError, match="after closing time"):
        compress(scenario, Stretch(0, 10 * HOUR_MS, HOUR_MS))


def test_staff_and_shifts_are_those_of_the_stretch():
    planned = Group("planned", 5, staff=Staff(0, HOUR_MS, tuple(range(24))))
    night = Group("night", 2, shifts=(Shift(20 * HOUR_MS, 32 * HOUR_MS), Shift(9 * HOUR_MS, 17 * HOUR_MS)))
    absent = Group("absent", 2, shifts=(Shift(1 * HOUR_MS, 2 * HOUR_MS),))
    fast, _ = compress(line(groups=(planned, night, absent)), Stretch(0, 7 * HOUR_MS, 3 * HOUR_MS, 60.0))
    staff = fast.groups[0].staff
    assert staff is not None
    assert (staff.counts, staff.step_ms) == ((7, 8, 9), 60_000)
    shifts = sorted((shift.start_ms, shift.end_ms) for shift in fast.groups[1].shifts)
    assert shifts == [(0, 60_000), (120_000, 600_000), (780_000, 1_500_000)], (
        "yesterday's night shift still sits"
    )
    # nobody of this group is there: a shift that begins when all is over, not a group without shifts (always there)
    assert [s.start_ms for s in fast.groups[2].shifts] == [DAY_MS - 1]


def test_endless_patience_stays_endless():
    fast, _ = compress(line(), Stretch(0, 8 * HOUR_MS, HOUR_MS, 20.0))
    assert isinstance(fast.queues[0].patience, Never)
