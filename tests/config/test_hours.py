"""Opening hours: weekly table, exceptions, nights, daylight saving."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from acd.config.hours import OpeningHours, days_of, intervals_of

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")


def hours(week):
    return OpeningHours(week=week)


def at(text, zone=MOSCOW):
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def test_always_is_open_at_any_time_and_never_changes():
    always = OpeningHours.model_validate("always")
    assert always.is_open(at("2026-11-22 03:00"), MOSCOW)
    assert always.next_change(at("2026-11-22 03:00"), MOSCOW) is None


def test_a_week_opens_and_closes_at_local_time():
    week = hours(week={"mon-fri": "09:00-18:00", "sat": "10:00-13:00, 14:00-16:00"})
    friday = at("2026-11-20 08:59")
    assert not week.is_open(friday, MOSCOW)
    assert week.next_change(friday, MOSCOW) == at("2026-11-20 09:00")
    assert week.is_open(at("2026-11-20 09:00"), MOSCOW)
    assert not week.is_open(at("2026-11-20 18:00"), MOSCOW), "the end belongs to the closed time"
    assert week.next_change(at("2026-11-20 18:00"), MOSCOW) == at("2026-11-21 10:00")
    assert not week.is_open(at("2026-11-21 13:30"), MOSCOW)
    assert week.next_change(at("2026-11-21 16:00"), MOSCOW) == at("2026-11-23 09:00"), (
        "over the closed Sunday"
    )


def test_a_night_shift_runs_over_midnight():
    night = hours(week={"daily": "22:00-06:00"})
    assert night.is_open(at("2026-11-20 23:00"), MOSCOW)
    assert night.is_open(at("2026-11-21 05:59"), MOSCOW)
    assert not night.is_open(at("2026-11-21 06:00"), MOSCOW)


def test_exceptions_replace_the_day():
    week = {"mon-fri": "09:00-18:00"}
    special = OpeningHours.model_validate(
        {"week": week, "except": {"2026-11-20": "closed", "2026-11-22": "12:00-13:00"}}
    )
    assert not special.is_open(at("2026-11-20 12:00"), MOSCOW)
    assert special.is_open(at("2026-11-22 12:30"), MOSCOW)
    closed_day = OpeningHours.model_validate({"except": {"2026-11-20": "closed"}})
    assert closed_day.always
    assert not closed_day.is_open(at("2026-11-20 12:00"), MOSCOW)
    assert closed_day.next_change(at("2026-11-19 12:00"), MOSCOW) == at("2026-11-20 00:00")


def test_daylight_saving_keeps_wall_clock_hours():
    """Berlin leaves summer time on 2026-10-25: 09:00 is 07:00 UTC before and 08:00 UTC after."""
    daily = hours(week={"daily": "09:00-18:00"})
    assert daily.next_change(at("2026-10-24 19:00", BERLIN), BERLIN) == datetime(
        2026, 10, 25, 8, 0, tzinfo=UTC
    )
    assert daily.next_change(at("2026-10-23 19:00", BERLIN), BERLIN) == datetime(
        2026, 10, 24, 7, 0, tzinfo=UTC
    )


def test_a_whole_day_ends_at_24_and_joins_the_next_without_a_gap():
    week = hours(week={"fri": "00:00-24:00", "sat": "00:00-12:00"})
    assert week.next_change(at("2026-11-20 10:00"), MOSCOW) == at("2026-11-21 12:00")


@pytest.mark.parametrize(
    "text", ["9-18", "09:00", "09:00-25:00", "24:00-09:00", "09:00-09:00", "09:00-12:00,11:00-13:00", ""]
)
def test_what_is_no_interval_is_refused(text):
    with pytest.raises(ValueError, match="interval"):
        intervals_of(text)


@pytest.mark.parametrize("text", ["", "monday", "fri-mon", "mon-", "-mon", "MON", "mon-xyz"])
def test_what_is_no_day_is_refused(text):
    with pytest.raises(ValueError, match="no day"):
        days_of(text)


@pytest.mark.parametrize(
    "what",
    [
        "sometimes",
        {"always": True, "week": {"mon": "09:00-18:00"}},
        {"week": {"mon-wed": "09:00-18:00", "tue": "09:00-12:00"}},
        {"except": {"2026-02-30": "closed"}},
        {"except": {"20260220": "closed"}},
        {"weekly": {}},
    ],
)
def test_contradictions_are_refused(what):
    with pytest.raises(ValidationError):
        OpeningHours.model_validate(what)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 60 * 24 * 14),
    st.sampled_from(["09:00-18:00", "22:00-06:00", "00:00-24:00, ", "08:00-12:00, 13:00-17:00"]),
)
def test_the_state_really_changes_at_the_next_change_and_not_before(minutes, text):
    week = hours(week={"mon-thu": text.rstrip(", "), "sun": "10:00-11:00"})
    now = at("2026-10-19 00:00", BERLIN).astimezone(UTC) + timedelta(minutes=minutes)
    change = week.next_change(now, BERLIN)
    assert change is not None
    assert change > now
    state = week.is_open(now, BERLIN)
    assert week.is_open(change, BERLIN) != state
    assert week.is_open(now + (change - now) / 2, BERLIN) == state
    assert week.is_open(change - timedelta(seconds=1), BERLIN) == state or change - now < timedelta(seconds=1)
