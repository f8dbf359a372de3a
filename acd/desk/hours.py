"""Opening hours with holidays and exceptions, and time that only runs while the subscriber works.

Local wall-clock minutes in, instants (epoch milliseconds) out. A local time that daylight saving skips
moves forward; one that happens twice is the first of the two.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from acd.core.instant import Duration, Instant

Interval: TypeAlias = tuple[int, int]
"""(start, end) in minutes of the day; an end above 1440 runs into the next day."""
Intervals: TypeAlias = tuple[Interval, ...]

DAY_MINUTES: Final = 1440
ALL_DAY: Final[Intervals] = ((0, DAY_MINUTES),)
MONDAY_TO_SUNDAY: Final = 7
HORIZON_DAYS: Final = 400
"""Nothing is looked for further ahead: a firm that never opens again has no working time."""


def local(at: Instant, zone: ZoneInfo) -> dt.datetime:
    """Return an instant as local time."""
    return dt.datetime.fromtimestamp(at / 1000, tz=zone)


def instant(day: dt.date, minutes: int, zone: ZoneInfo) -> Instant:
    """Return minutes of a local day as an instant; 1440 and more is the next day."""
    day, minutes = day + dt.timedelta(days=minutes // DAY_MINUTES), minutes % DAY_MINUTES
    wall = dt.datetime.combine(day, dt.time(minutes // 60, minutes % 60), tzinfo=zone)
    return round(wall.timestamp() * 1000)


def contains(intervals: Intervals, minute: int) -> bool:
    """Tell whether a minute of a day lies in intervals, those over midnight included."""
    return any(start <= minute < end or start <= minute + DAY_MINUTES < end for start, end in intervals)


@dataclass(frozen=True, slots=True)
class Hours:
    """When a subscriber works.

    `special` days (state holidays, transferred working days, own exceptions) replace the week's; `names` says why.
    """

    week: tuple[Intervals, ...] = (ALL_DAY,) * MONDAY_TO_SUNDAY
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Moscow"))
    special: Mapping[dt.date, Intervals] = field(default_factory=dict)
    names: Mapping[dt.date, str] = field(default_factory=dict)

    def on(self, day: dt.date) -> Intervals:
        """Return the intervals that start on a day."""
        return self.special.get(day, self.week[day.weekday()])

    def spans(self, day: dt.date) -> list[tuple[Instant, Instant]]:
        """Return the open spans that start on a day, as instants."""
        return [(instant(day, start, self.zone), instant(day, end, self.zone)) for start, end in self.on(day)]

    def is_open(self, at: Instant) -> bool:
        """Tell whether the subscriber works at an instant."""
        today = local(at, self.zone).date()
        days = (today - dt.timedelta(days=1), today)
        return any(start <= at < end for day in days for start, end in self.spans(day))

    def why(self, at: Instant) -> str:
        """Return the name of the holiday or exception of that day, empty for an ordinary one."""
        return self.names.get(local(at, self.zone).date(), "")

    def next_open(self, at: Instant) -> Instant | None:
        """Return `at` when open, else the next opening; None if there is none within the horizon."""
        if self.is_open(at):
            return at
        first = local(at, self.zone).date()
        for ahead in range(HORIZON_DAYS):
            starts = [start for start, _ in self.spans(first + dt.timedelta(days=ahead)) if start >= at]
            if starts:
                return min(starts)
        return None

    def add_working(self, at: Instant, duration: Duration) -> Instant | None:
        """Return when `duration` of working time after `at` has passed; None if never within the horizon."""
        if duration <= 0:
            return at
        left = duration
        first = local(at, self.zone).date() - dt.timedelta(days=1)
        done = at
        for ahead in range(HORIZON_DAYS):
            for start, end in sorted(self.spans(first + dt.timedelta(days=ahead))):
                begin = max(start, done)
                if end <= begin:
                    continue
                if end - begin >= left:
                    return begin + left
                left -= end - begin
                done = end
        return None


def round_the_clock(zone: ZoneInfo) -> Hours:
    """Return hours without an end."""
    return Hours(zone=zone)


def next_of_day(at: Instant, minutes: Iterable[int], zone: ZoneInfo) -> Instant:
    """Return the first instant after `at` at one of these local minutes of a day (digests). Needs at least one."""
    today = local(at, zone).date()
    moments = [instant(today + dt.timedelta(days=day), m, zone) for day in range(3) for m in minutes]
    return min(moment for moment in moments if moment > at)


def end_of_quiet(at: Instant, quiet: Intervals, zone: ZoneInfo) -> Instant:
    """Return `at` outside quiet hours, else when they end."""
    today = local(at, zone).date()
    moment = at
    for day in (today - dt.timedelta(days=1), today, today + dt.timedelta(days=1)):
        for start, end in sorted(quiet):
            if instant(day, start, zone) <= moment < instant(day, end, zone):
                moment = instant(day, end, zone)
    return moment
