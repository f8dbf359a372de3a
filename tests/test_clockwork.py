"""Opening hours and the day's end reach the core as facts, at the right local instant."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from acd.clockwork import Hours
from acd.config.loading import load
from acd.core.events import ClockWindow, Fact, IntervalStarted, QueueClosed, QueueOpened
from simulator.centre.config import CentreSpec, write
from tests.fakes.ports import FakeClock

OPENING = {"queues": {"romashka": {"opening": {"week": {"daily": "06:00-20:00"}}}}}


def moscow(text: str) -> int:
    """Milliseconds of a Moscow wall time (UTC+3 all year)."""
    return int((dt.datetime.fromisoformat(text + "+03:00")).timestamp() * 1000)


def hours_of(tmp_path: Path, now: str) -> tuple[Hours, FakeClock, list[Fact]]:
    config = load(write(CentreSpec(tmp_path, firms=2, extra=OPENING, queue_log=tmp_path / "q")))
    clock, told = FakeClock(moscow(now)), []
    return Hours(lambda: config, clock, told.append), clock, told


def test_every_queue_is_told_once_at_the_start(tmp_path: Path) -> None:
    hours, _, told = hours_of(tmp_path, "2026-11-20T05:59:50")
    hours.check()
    hours.check()
    assert told == [QueueClosed("romashka"), QueueOpened("nadezhda")]


def test_a_queue_opens_at_its_local_hour_and_the_look_is_timed_for_it(tmp_path: Path) -> None:
    """003-15: open 06:00-20:00."""
    hours, clock, told = hours_of(tmp_path, "2026-11-20T05:59:50")
    assert hours.check() == 10.0
    told.clear()
    clock.time = moscow("2026-11-20T06:00:00")
    hours.check()
    assert told == [QueueOpened("romashka")]
    told.clear()
    clock.time = moscow("2026-11-20T20:00:00")
    hours.check()
    assert told == [QueueClosed("romashka")]


def test_a_window_that_rules_speak_of_begins_and_ends_by_local_time(tmp_path: Path) -> None:
    rule = {"when": "during mon-fri 12:00-13:00 and depth > 3", "do": "offer_callback"}
    extra = {"queues": {"romashka": {"rules": [rule]}}}
    config = load(write(CentreSpec(tmp_path, firms=1, extra=extra, queue_log=tmp_path / "q")))
    clock, told = FakeClock(moscow("2026-11-20T11:59:50")), []
    hours = Hours(lambda: config, clock, told.append)
    assert hours.check() == 10.0
    for moment in ("2026-11-20T12:00:00", "2026-11-20T13:00:00", "2026-11-21T12:30:00"):
        clock.time = moscow(moment)
        hours.check()
    window = "mon-fri 12:00-13:00"
    assert [f for f in told if isinstance(f, ClockWindow)] == [
        ClockWindow(window, inside=False),
        ClockWindow(window, inside=True),
        ClockWindow(window, inside=False),
    ]


def test_the_figures_of_the_day_begin_anew_at_local_midnight(tmp_path: Path) -> None:
    hours, clock, told = hours_of(tmp_path, "2026-11-20T23:59:59")
    hours.check()
    told.clear()
    clock.time = moscow("2026-11-21T00:00:01")
    hours.check()
    assert told == [IntervalStarted()]
