"""Replay: the recorded day itself when nothing changes, and the effect of what does."""

import dataclasses
import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from simulator.callers import draw_day
from simulator.distributions import Exponential, Fixed
from simulator.records import Recording, Stay
from simulator.replay import main, patience_beyond, recorded_callers, recorded_figures, replay
from simulator.scenario import Group, Scenario, single_pool
from simulator.streams import Streams
from simulator.world import World

POOL = single_pool(per_hour=150, agents=6, talk_s=120, patience_s=100, hours=6)


def recorded(scenario: Scenario, seed: int) -> Recording:
    """Return a simulated day as if it had been recorded: what the callers intended is forgotten."""
    run = World(scenario, "fifo", seed, keep_calls=True).run()
    midnight = dt.datetime.combine(scenario.first_day, dt.time(), dt.UTC)
    made = Recording()
    for call in run.calls:
        arrival = midnight + dt.timedelta(milliseconds=call.entered_at)
        made.stays.append(Stay("calls", arrival, call.wait_ms / 1000, call.outcome, call.talk_ms / 1000))
    return made.sort()


@pytest.mark.slow
def test_the_same_staff_and_policy_give_back_the_recorded_day() -> None:
    """First come, first served on the same people: only those who gave up talk for an unknown time, and they never do."""
    day = recorded(POOL, 3)
    found = replay(day, POOL, ["fifo"], [1, 2])
    good, wait = recorded_figures(day, POOL)
    for run in found.runs["fifo"]:
        total = run.tally()
        assert total.in_target / total.offered == pytest.approx(good)
        assert total.wait_served_ms / total.served / 1000 == pytest.approx(wait)


@pytest.mark.slow
def test_another_head_count_shows_what_the_day_would_have_been() -> None:
    day = recorded(POOL, 3)
    more = dataclasses.replace(POOL, groups=(Group("agent", 9),))
    found = replay(day, more, ["fifo"], range(1, 5))
    better = found.estimate("fifo", "sl_of_offered")
    assert better.value - better.half_width > recorded_figures(day, POOL)[0]


def test_patience_of_the_answered_exceeds_their_wait() -> None:
    rng = np.random.default_rng(1)
    drawn = [patience_beyond(Exponential(100.0), 150.0, rng) for _ in range(2000)]
    assert min(drawn) > 150
    assert np.mean(drawn) == pytest.approx(250, rel=0.1)
    assert patience_beyond(Fixed(10.0), 150.0, rng) == 160


def test_recorded_callers_keep_arrival_talk_and_the_patience_of_who_gave_up() -> None:
    day = recorded(POOL, 3)
    callers = recorded_callers(day, POOL, 1)[0]
    original = draw_day(POOL, Streams(3), 0)
    assert [c.first_at for c in callers] == [c.first_at for c in original]
    for stay, caller in zip(day.stays, callers, strict=True):
        if stay.outcome == "abandoned":
            assert caller.patience_ms == round(stay.wait_s * 1000)
        else:
            assert caller.talk_ms == round(stay.talk_s * 1000)


def test_a_record_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        replay(Recording(), POOL, ["fifo"], [1, 2])
    other = Recording([Stay("elsewhere", dt.datetime(2026, 3, 2, tzinfo=dt.UTC), 1, "served", 1)])
    with pytest.raises(ValueError, match="no queue 'elsewhere'; it has calls"):
        replay(other, POOL, ["fifo"], [1, 2])
    with pytest.raises(ValueError, match="no policy 'magic'"):
        replay(other, POOL, ["magic"], [1, 2])


def test_the_command_shows_the_record_beside_the_policies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(
        "name: s\nqueues:\n  - {name: line, arrivals: {per_hour: 1}, talk: 60}\nagents: [{name: agent, count: 1}]\n"
    )
    record = tmp_path / "r.csv"
    record.write_text(
        "arrival,wait,outcome,service,queue,wrap\n2026-03-02T09:00,0,served,60,line,5\n2026-03-03T09:01,9,lost,0,line,\nx\n"
    )
    words = [
        "--csv",
        str(record),
        "--scenario",
        str(scenario),
        "--policies",
        "fifo,recommended",
        "--seeds",
        "2",
    ]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert "as recorded" in shown.out
    assert "50.0%" in shown.out
    assert "±" in shown.out
    assert "not understood" in shown.err
    assert main([*words[:4], "--policies", "magic"]) == 2
    scenario.write_text("name: s\n")
    assert main(words) == 2
