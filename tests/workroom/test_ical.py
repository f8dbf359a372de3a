"""iCalendar texts of key people, and bombs (bad input of the issue; libraries.md 4.11)."""

from __future__ import annotations

import datetime as dt
import time
from zoneinfo import ZoneInfo

import pytest

from acd.workroom import ical

MOSCOW = ZoneInfo("Europe/Moscow")
START = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
END = START + dt.timedelta(days=2)


def ics(*lines: str) -> bytes:
    body = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", *lines, "END:VCALENDAR", "")
    return "\r\n".join(body).encode()


def event(*lines: str, uid: str = "1") -> tuple[str, ...]:
    return ("BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT")


def test_repetitions_are_expanded_for_the_days_asked_about() -> None:
    text = ics(
        *event("DTSTART:20260101T090000Z", "DTEND:20260101T100000Z", "RRULE:FREQ=DAILY", "SUMMARY:Court")
    )
    found = ical.expand(text, START, END, MOSCOW)
    assert [(b.end - b.start, b.summary) for b in found] == [(3_600_000, "Court")] * 2


def test_free_and_cancelled_entries_do_not_count_and_whole_days_are_local() -> None:
    text = ics(
        *event("DTSTART;VALUE=DATE:20261124", "DTEND;VALUE=DATE:20261125", "SUMMARY:Leave"),
        *event("DTSTART:20261123T090000Z", "DTEND:20261123T100000Z", "TRANSP:TRANSPARENT", uid="2"),
        *event("DTSTART:20261123T090000Z", "DTEND:20261123T100000Z", "STATUS:CANCELLED", uid="3"),
    )
    (leave,) = ical.expand(text, START, END, MOSCOW)
    assert leave.start == round(dt.datetime(2026, 11, 24, tzinfo=MOSCOW).timestamp() * 1000)


@pytest.mark.parametrize(
    "text",
    [
        ics(*event("DTSTART:20260101T000000Z", "RRULE:FREQ=SECONDLY")),
        ics(*event("DTSTART:20260101T000000Z", "RRULE:FREQ=MINUTELY;COUNT=9")),
        ics(*event("DTSTART:20260101T000000Z", "RRULE:FRE", " Q=SECONDLY")),
        # folded twice, with an empty line between: one unfolding leaves what the parser unfolds again
        ics(*event("DTSTART:20250101T000000Z", "RRULE:FREQ=SECO")).replace(b"SECO", b"SECO\n\n  NDLY"),
        ics(*event("DTSTART:20260101T000000Z", "RRULE:FREQ=DAILY;BYSECOND=1,2,3")),
        ics(*event("DTSTART:20260101T000000Z", "RRULE:FREQ=DAILY;COUNT=99999999999999999999")),
        ics(*(line for n in range(2_100) for line in event("DTSTART:20260101T000000Z", uid=str(n)))),
        ics(
            *(
                line
                for n in range(600)
                for line in event("DTSTART:20261123T100000Z", "DURATION:PT1H", f"SUMMARY:{n}", uid=str(n))
            )
        ),
        ics(*event("DTSTART:20260101T000000Z", "RDATE:" + ",".join(["20260101T000000Z"] * 2_001))),
        b"x" * (ical.MAX_BYTES + 1),
        b"nonsense",
        ics(*event("DTSTART:nonsense")) + b"\xff",
    ],
)
def test_bombs_and_rubbish_are_refused_quickly(text: bytes) -> None:
    begin = time.process_time()
    with pytest.raises(ical.CalendarRefusedError):
        ical.expand(text, START, END, MOSCOW)
    assert time.process_time() - begin < 4.0


@pytest.mark.slow
def test_repetitions_begun_long_ago_are_counted_before_they_are_expanded() -> None:
    """Two thousand daily events since 1900 are 92 million dates; a yearly one, or a few daily ones, are none."""
    old = "DTSTART:19000101T000000Z"
    many = ics(*(line for n in range(2_000) for line in event(old, "RRULE:FREQ=DAILY", uid=str(n))))
    begin = time.process_time()
    with pytest.raises(ical.CalendarRefusedError, match="too long ago"):
        ical.expand(many, START, END, MOSCOW)
    assert time.process_time() - begin < 4.0
    by = ics(*(line for n in range(2_000) for line in event(old, "RRULE:FREQ=YEARLY;BYDAY=MO", uid=str(n))))
    with pytest.raises(ical.CalendarRefusedError, match="too long ago"):
        ical.expand(by, START, END, MOSCOW)
    usual = ics(
        *(line for n in range(200) for line in event(old, "RRULE:FREQ=YEARLY", uid=f"y{n}")),
        *event("DTSTART:19000101T090000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY", uid="d"),
        *event("DTSTART:20200106T120000Z", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU", uid="w"),
    )
    begin = time.process_time()
    assert len(ical.expand(usual, START, END, MOSCOW)) == 4
    assert time.process_time() - begin < 4.0


def test_the_job_speaks_plain_data() -> None:
    text = ics(*event("DTSTART:20261123T090000Z", "DURATION:PT1H", "SUMMARY:Суд"))
    span = {
        "start": round(START.timestamp() * 1000),
        "end": round(END.timestamp() * 1000),
        "zone": MOSCOW.key,
    }
    ((begun, ended, summary),) = ical.work({"text": text.decode("latin-1")} | span)  # type: ignore[misc]
    assert (ended - begun, summary) == (3_600_000, "Суд")
