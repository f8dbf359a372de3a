"""Key people's calendars: iCalendar files and addresses, guarded against bombs (libraries.md 4.11).

One rule `FREQ=SECONDLY` costs seconds of work for a question about one day: such rules are refused, size and
number of events are limited, and repetitions are expanded only for the days asked about, up to a limit.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import httpx

from acd.desk.oncall import Busy
from acd.ports import PortError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 1_000_000
MAX_EVENTS: Final = 2_000
MAX_EXPANDED: Final = 500
MAX_SPAN_DAYS: Final = 31
_FREQ = re.compile(rb"FREQ\s*=\s*(SECONDLY|MINUTELY|HOURLY)", re.IGNORECASE)
_PARTS = re.compile(rb"(BYSECOND|BYMINUTE|BYHOUR)\s*=", re.IGNORECASE)
_COUNT = re.compile(rb"COUNT\s*=\s*(\d+)", re.IGNORECASE)
MAX_COUNT: Final = 5_000
MAX_RDATES: Final = 2_000


_FOLD = re.compile(rb"\r?\n[ \t]")


def guard(text: bytes) -> bytes:
    """Return an iCalendar text that is safe to expand. Raises PortError for a bomb."""
    if len(text) > MAX_BYTES:
        raise PortError(f"the calendar is larger than {MAX_BYTES} bytes", retryable=False)
    folded = b""
    while folded != text:  # folded lines hide what they say, and the parser unfolds what one pass leaves
        folded, text = text, _FOLD.sub(b"", text)
    if _FREQ.search(text) or _PARTS.search(text):
        raise PortError("the calendar repeats something more often than daily: refused", retryable=False)
    if text.upper().count(b"BEGIN:VEVENT") > MAX_EVENTS:
        raise PortError(f"the calendar has more than {MAX_EVENTS} events", retryable=False)
    if any(len(m[1]) > 9 or int(m[1]) > MAX_COUNT for m in _COUNT.finditer(text)):  # noqa: PLR2004 - digits
        raise PortError(f"the calendar repeats something more than {MAX_COUNT} times", retryable=False)
    if (
        sum(
            line.count(b",") + 1
            for line in text.splitlines()
            if line.upper().startswith((b"RDATE", b"EXDATE"))
        )
        > MAX_RDATES
    ):
        raise PortError(f"the calendar has more than {MAX_RDATES} single dates", retryable=False)
    return text


def expand(text: bytes, start: dt.datetime, end: dt.datetime, zone: ZoneInfo) -> tuple[Busy, ...]:
    """Return what is busy between two instants. Blocking: call it off the loop. Raises PortError."""
    import icalendar
    import recurring_ical_events

    if end - start > dt.timedelta(days=MAX_SPAN_DAYS):
        raise PortError(f"a calendar is asked about {MAX_SPAN_DAYS} days at most", retryable=False)
    found: dict[Busy, None] = {}
    try:
        calendar = icalendar.Calendar.from_ical(guard(text))
        query = recurring_ical_events.of(calendar, skip_bad_series=True)
        begin = start
        while (
            begin < end and len(found) <= MAX_EXPANDED
        ):  # day by day: the limit holds before all work is done
            stop = min(end, begin + dt.timedelta(days=1))
            busy = (_busy(event, zone) for event in query.between(begin, stop))
            found |= dict.fromkeys(one for one in busy if one is not None)
            begin = stop
    except PortError:
        raise
    except Exception as error:
        # parsers of foreign text fail in many ways; all of them mean: not a calendar we can use
        raise PortError(f"the calendar cannot be read: {type(error).__name__}", retryable=False) from error
    if len(found) > MAX_EXPANDED:
        raise PortError(f"more than {MAX_EXPANDED} events in the days asked about", retryable=False)
    return tuple(sorted(found, key=lambda one: one.start))


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


async def fetch(
    url: str, timeout_s: float = 10.0, transport: httpx.AsyncBaseTransport | None = None
) -> bytes:
    """Return a calendar from its https address, bounded. Raises PortError."""
    try:
        async with (
            httpx.AsyncClient(timeout=timeout_s, transport=transport, trust_env=False) as client,
            client.stream("GET", url) as reply,
        ):
            if reply.status_code != httpx.codes.OK:
                raise PortError(f"the calendar's address answered {reply.status_code}", retryable=True)
            body = b""
            async for piece in reply.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise PortError(f"the calendar is larger than {MAX_BYTES} bytes", retryable=False)
            return body
    except httpx.HTTPError as error:
        raise PortError(
            f"the calendar's address does not answer: {type(error).__name__}", retryable=True
        ) from error


def read_file(path: Path, folder: Path) -> bytes:
    """Return a calendar file beside the projects, never one outside that folder. Raises PortError."""
    target = path.resolve()
    if not target.is_relative_to(folder.resolve()):
        raise PortError("a calendar file must lie beside the project", retryable=False)
    try:
        with target.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise PortError(f"the calendar cannot be read: {error.strerror}", retryable=True) from error
