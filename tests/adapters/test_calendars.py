"""iCalendar files of key people, and bombs (bad input of the issue; libraries.md 4.11)."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from acd.adapters import calendars
from acd.ports import PortError

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
    found = calendars.expand(text, START, END, MOSCOW)
    assert [(b.end - b.start, b.summary) for b in found] == [(3_600_000, "Court")] * 2


def test_free_and_cancelled_entries_do_not_count_and_whole_days_are_local() -> None:
    text = ics(
        *event("DTSTART;VALUE=DATE:20261124", "DTEND;VALUE=DATE:20261125", "SUMMARY:Leave"),
        *event("DTSTART:20261123T090000Z", "DTEND:20261123T100000Z", "TRANSP:TRANSPARENT", uid="2"),
        *event("DTSTART:20261123T090000Z", "DTEND:20261123T100000Z", "STATUS:CANCELLED", uid="3"),
    )
    (leave,) = calendars.expand(text, START, END, MOSCOW)
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
        b"x" * (calendars.MAX_BYTES + 1),
        b"nonsense",
        ics(*event("DTSTART:nonsense")) + b"\xff",
    ],
)
def test_bombs_and_rubbish_are_refused_quickly(text: bytes) -> None:
    begin = time.monotonic()
    with pytest.raises(PortError):
        calendars.expand(text, START, END, MOSCOW)
    assert time.monotonic() - begin < 4.0


def test_a_file_outside_the_projects_folder_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "secret.ics").write_bytes(b"x")
    (tmp_path / "p" / "ann.ics").write_bytes(b"y")
    assert calendars.read_file(tmp_path / "p" / "ann.ics", tmp_path / "p") == b"y"
    with pytest.raises(PortError, match="beside the project"):
        calendars.read_file(tmp_path / "p" / ".." / "secret.ics", tmp_path / "p")
    with pytest.raises(PortError, match="cannot be read"):
        calendars.read_file(tmp_path / "p" / "none.ics", tmp_path / "p")


async def test_an_address_that_answers_too_much_or_not_at_all_is_an_error() -> None:
    endless = httpx.MockTransport(lambda _: httpx.Response(200, content=b"x" * (calendars.MAX_BYTES + 5)))
    with pytest.raises(PortError, match="larger"):
        await calendars.fetch("https://x.example/a.ics", transport=endless)
    moved = httpx.MockTransport(lambda _: httpx.Response(302, headers={"Location": "http://127.0.0.1/"}))
    with pytest.raises(PortError, match="302"):
        await calendars.fetch("https://x.example/a.ics", transport=moved)
