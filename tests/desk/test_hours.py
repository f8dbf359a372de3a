"""Opening hours, holidays and working time (000-17, 003-20)."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from acd.core.instant import HOUR_MS
from acd.desk.hours import Hours, end_of_quiet, instant, local, next_of_day, round_the_clock

MOSCOW = ZoneInfo("Europe/Moscow")
WORK = ((9 * 60, 18 * 60),)
OFFICE = Hours(
    week=(WORK,) * 5 + ((), ()),
    zone=MOSCOW,
    special={dt.date(2027, 1, 1): (), dt.date(2027, 2, 20): WORK},
    names={dt.date(2027, 1, 1): "New Year"},
)


def at(text: str, zone: ZoneInfo = MOSCOW) -> int:
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def test_a_holiday_closes_and_a_transferred_saturday_opens() -> None:
    assert OFFICE.is_open(at("2026-12-30T10:00"))
    assert not OFFICE.is_open(at("2027-01-01T10:00"))
    assert OFFICE.why(at("2027-01-01T10:00")) == "New Year"
    assert OFFICE.is_open(at("2027-02-20T10:00"))
    assert not OFFICE.is_open(at("2027-02-13T10:00"))


def test_an_interval_over_midnight_is_open_on_both_sides() -> None:
    night = Hours(week=(((20 * 60, 32 * 60),),) * 7, zone=MOSCOW)
    assert night.is_open(at("2026-12-30T23:59"))
    assert night.is_open(at("2026-12-30T07:59"))
    assert not night.is_open(at("2026-12-30T08:00"))


def test_the_next_opening_skips_the_weekend() -> None:
    friday = at("2026-12-25T19:00")
    assert local(OFFICE.next_open(friday) or 0, MOSCOW).isoformat()[:16] == "2026-12-28T09:00"
    assert OFFICE.next_open(at("2026-12-25T10:00")) == at("2026-12-25T10:00")
    assert Hours(week=((),) * 7, zone=MOSCOW).next_open(friday) is None


def test_working_time_stands_still_outside_hours() -> None:
    """The 2-hour first reply asked for on Friday at 17:30 is due on Monday at 10:30."""
    assert OFFICE.add_working(at("2026-12-25T17:30"), 2 * HOUR_MS) == at("2026-12-28T10:30")
    assert OFFICE.add_working(at("2026-12-25T10:00"), 2 * HOUR_MS) == at("2026-12-25T12:00")
    assert OFFICE.add_working(at("2026-12-25T10:00"), 0) == at("2026-12-25T10:00")
    assert Hours(week=((),) * 7, zone=MOSCOW).add_working(0, 1) is None


def test_round_the_clock_working_time_is_calendar_time_also_over_daylight_saving() -> None:
    berlin = round_the_clock(ZoneInfo("Europe/Berlin"))
    begin = at("2027-03-27T12:00", berlin.zone)
    assert berlin.add_working(begin, 24 * HOUR_MS) == begin + 24 * HOUR_MS


def test_quiet_hours_end_in_the_morning_and_digests_leave_at_their_minutes() -> None:
    quiet = ((22 * 60, 32 * 60),)
    assert end_of_quiet(at("2026-12-25T23:00"), quiet, MOSCOW) == at("2026-12-26T08:00")
    assert end_of_quiet(at("2026-12-25T07:00"), quiet, MOSCOW) == at("2026-12-25T08:00")
    assert end_of_quiet(at("2026-12-25T12:00"), quiet, MOSCOW) == at("2026-12-25T12:00")
    assert next_of_day(at("2026-12-25T12:00"), (600, 1020), MOSCOW) == at("2026-12-25T17:00")
    assert next_of_day(at("2026-12-25T17:00"), (600, 1020), MOSCOW) == at("2026-12-26T10:00")


def test_minutes_beyond_the_day_are_the_next_day() -> None:
    assert instant(dt.date(2026, 12, 25), 1500, MOSCOW) == at("2026-12-26T01:00")
