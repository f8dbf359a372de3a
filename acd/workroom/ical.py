"""Key people's calendars: iCalendar text, guarded against bombs (libraries.md 4.11). Runs in the workroom's child.

One rule `FREQ=SECONDLY` costs seconds of work for a question about one day: such rules are refused, size and
number of events are limited, and repetitions are expanded only for the days asked about, up to a limit. What is
left costs time by how long ago a repetition began: that is added up and limited before anything is expanded.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any, Final
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from acd.desk.oncall import Busy


class CalendarRefusedError(ValueError):
    """The calendar cannot be used; the message says why."""


MAX_BYTES: Final = 1_000_000
MAX_EVENTS: Final = 2_000
MAX_EXPANDED: Final = 500
MAX_SPAN_DAYS: Final = 31
_FREQ = re.compile(rb"FREQ\s*=\s*(SECONDLY|MINUTELY|HOURLY)", re.IGNORECASE)
_PARTS = re.compile(rb"(BYSECOND|BYMINUTE|BYHOUR)\s*=", re.IGNORECASE)
_COUNT = re.compile(rb"COUNT\s*=\s*(\d+)", re.IGNORECASE)
MAX_COUNT: Final = 5_000
MAX_RDATES: Final = 2_000
MAX_STEPS: Final = 600_000
"""Repetitions passed over on the way to the days asked about, of all events together: two to three seconds of work."""
_BY_DAYS: Final = 9
"""A rule with BY parts costs as much as one date every nine days (measured: 25 ms for a yearly one since 1900)."""
_EVERY_DAYS: Final = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 30, "YEARLY": 365}

_FOLD = re.compile(rb"\r?\n[ \t]")


def guard(text: bytes) -> bytes:
    """Return an iCalendar text that is safe to expand. Raises CalendarRefusedError for a bomb."""
    if len(text) > MAX_BYTES:
        raise CalendarRefusedError(f"the calendar is larger than {MAX_BYTES} bytes")
    folded = b""
    while folded != text:  # folded lines hide what they say, and the parser unfolds what one pass leaves
        folded, text = text, _FOLD.sub(b"", text)
    if _FREQ.search(text) or _PARTS.search(text):
        raise CalendarRefusedError("the calendar repeats something more often than daily: refused")
    if text.upper().count(b"BEGIN:VEVENT") > MAX_EVENTS:
        raise CalendarRefusedError(f"the calendar has more than {MAX_EVENTS} events")
    if any(len(m[1]) > 9 or int(m[1]) > MAX_COUNT for m in _COUNT.finditer(text)):  # noqa: PLR2004 - digits
        raise CalendarRefusedError(f"the calendar repeats something more than {MAX_COUNT} times")
    if (
        sum(
            line.count(b",") + 1
            for line in text.splitlines()
            if line.upper().startswith((b"RDATE", b"EXDATE"))
        )
        > MAX_RDATES
    ):
        raise CalendarRefusedError(f"the calendar has more than {MAX_RDATES} single dates")
    return text


def expand(text: bytes, start: dt.datetime, end: dt.datetime, zone: ZoneInfo) -> tuple[Busy, ...]:
    """Return what is busy between two instants. Raises CalendarRefusedError."""
    if end - start > dt.timedelta(days=MAX_SPAN_DAYS):
        raise CalendarRefusedError(f"a calendar is asked about {MAX_SPAN_DAYS} days at most")
    found: dict[Busy, None] = {}
    try:
        calendar = icalendar.Calendar.from_ical(guard(text))
        if sum(_steps(event, end) for event in calendar.walk("VEVENT")) > MAX_STEPS:
            raise CalendarRefusedError("the calendar repeats too much since too long ago")  # noqa: TRY301
        query = recurring_ical_events.of(calendar, skip_bad_series=True)
        begin = start
        while (
            begin < end and len(found) <= MAX_EXPANDED
        ):  # day by day: the limit holds before all work is done
            stop = min(end, begin + dt.timedelta(days=1))
            busy = (_busy(event, zone) for event in query.between(begin, stop))
            found |= dict.fromkeys(one for one in busy if one is not None)
            begin = stop
    except CalendarRefusedError:
        raise
    except Exception as error:
        # parsers of foreign text fail in many ways; all of them mean: not a calendar we can use
        raise CalendarRefusedError(f"the calendar cannot be read: {type(error).__name__}") from error
    if len(found) > MAX_EXPANDED:
        raise CalendarRefusedError(f"more than {MAX_EXPANDED} events in the days asked about")
    return tuple(sorted(found, key=lambda one: one.start))


def work(job: dict[str, Any]) -> object:
    """The trade's job: what is busy, as lists of start, end (Unix ms) and summary. Raises ValueError."""
    start, end = (dt.datetime.fromtimestamp(job[name] / 1000, tz=dt.UTC) for name in ("start", "end"))
    found = expand(job["text"].encode("latin-1"), start, end, ZoneInfo(job["zone"]))
    return [[one.start, one.end, one.summary] for one in found]


def _steps(event: Any, until: dt.datetime) -> int:
    """How many days or dates the expansion walks through from where an event's repetitions begin."""
    rules = event.get("RRULE", [])
    begun = event.get("DTSTART")
    if not rules or begun is None:
        return 0
    days = max(0, (until.date() - _day(begun.dt)).days)
    return sum(_rule_steps(rule, days) for rule in (rules if isinstance(rules, list) else [rules]))


def _rule_steps(rule: Any, days: int) -> int:
    every = _EVERY_DAYS.get(str(_first(rule.get("FREQ"))).upper(), 1)
    interval = max(1, int(_first(rule.get("INTERVAL")) or 1))
    if every > 1 and any(str(name).upper().startswith("BY") for name in rule):
        return days // _BY_DAYS + 1
    return days // (every * interval) + 1


def _first(value: Any) -> Any:
    return next(iter(value), None) if isinstance(value, Iterable) and not isinstance(value, str) else value


def _day(moment: dt.date | dt.datetime) -> dt.date:
    return moment.date() if isinstance(moment, dt.datetime) else moment


def _busy(event: Any, zone: ZoneInfo) -> Busy | None:
    if str(event.get("TRANSP", "OPAQUE")).upper() == "TRANSPARENT":
        return None
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return None
    start, end = event.start, event.end
    summary = " ".join(str(event.get("SUMMARY", "")).split())[:80]
    return Busy(_ms(start, zone), _ms(end, zone), summary)


def _ms(moment: dt.date | dt.datetime, zone: ZoneInfo) -> int:
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime.combine(moment, dt.time(), tzinfo=zone)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp() * 1000)
