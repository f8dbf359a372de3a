"""Opening hours of a queue: a weekly table with exceptions, or always. Local time of the centre.

    opening: always
    opening:
      week: {mon-fri: 09:00-18:00, sat: "10:00-13:00, 14:00-16:00"}
      except: {2027-01-01: closed, 2026-12-31: 09:00-15:00}

An interval that ends before it starts runs over midnight; ``24:00`` is the end of a day.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import Field, ValidationError, field_validator, model_validator

from acd.config.strict_yaml import Flag, Section

if TYPE_CHECKING:
    from collections.abc import Callable

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 1440
_INTERVAL = re.compile(r"([01]\d|2[0-4]):([0-5]\d)\s*-\s*([01]\d|2[0-4]):([0-5]\d)")
_HORIZON_DAYS = 400
"""Exceptions can close a queue for long; a change later than this is not looked for."""

Intervals: TypeAlias = tuple[tuple[int, int], ...]
"""(start, end) in minutes of the day; an end above 1440 runs into the next day."""


def days_of(text: str) -> tuple[str, ...]:
    """Return the days named by ``mon``, ``mon-fri`` or ``daily``; raises ValueError for anything else."""
    if text == "daily":
        return DAYS
    first, dash, last = text.partition("-")
    if first in DAYS and (last in DAYS if dash else not last):
        start, end = DAYS.index(first), DAYS.index(last or first)
        if start <= end:
            return DAYS[start : end + 1]
    raise ValueError(f"{text!r} is no day: write mon, tue ... sun, mon-fri or daily")


def intervals_of(text: str) -> Intervals:
    """Return the intervals of ``09:00-13:00, 14:00-18:00`` or ``closed``; raises ValueError for anything else."""
    if text.strip() == "closed":
        return ()
    found: list[tuple[int, int]] = []
    for part in text.split(","):
        match = _INTERVAL.fullmatch(part.strip())
        if match is None:
            raise ValueError(
                f"{part.strip()!r} is no interval: write 09:00-18:00, several with commas, or closed"
            )
        start, end = (int(match[i]) * 60 + int(match[i + 1]) for i in (1, 3))
        if start >= DAY_MINUTES or end > DAY_MINUTES or start == end:
            raise ValueError(f"{part.strip()!r} is no interval within a day and a night")
        found.append((start, end if end > start else end + DAY_MINUTES))
    found.sort()
    if any(before[1] > after[0] for before, after in pairwise(found)):
        raise ValueError("intervals overlap")
    return tuple(found)


def date_of(text: str) -> date:
    """Return the date written as 2027-01-01; raises ValueError for anything else."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise ValueError(f"{text!r} is no date: write 2027-01-01")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date of the calendar") from None


def _checked(table: dict[str, str], key_check: Callable[[str], object]) -> dict[str, str]:
    """Check every entry of a table of days; one mistake does not hide the next, and each keeps its own place.

    Raises:
        ValidationError: pydantic takes the entries' places over from it.
    """
    wrong: list[Any] = []
    for key, text in table.items():
        for work, argument, place in ((key_check, key, (key, "[key]")), (intervals_of, text, (key,))):
            try:
                work(argument)
            except ValueError as error:
                wrong.append(
                    {"type": "value_error", "loc": place, "input": argument, "ctx": {"error": error}}
                )
    if wrong:
        raise ValidationError.from_exception_data("opening", wrong)
    return table


class OpeningHours(Section):
    """When a queue takes calls."""

    always: Flag = Field(default=True, description="Around the clock; written as opening: always")
    week: dict[str, str] = Field(default_factory=dict, description="Days (mon, mon-fri, daily): intervals")
    exceptions: dict[str, str] = Field(
        default_factory=dict, alias="except", description="Dates (2027-01-01): intervals or closed"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if value == "always":
            return {"always": True}
        if isinstance(value, str):
            raise ValueError("must be `always`, or a mapping with week and except")  # noqa: TRY004 - pydantic's way
        if isinstance(value, dict) and "always" not in value:
            return {**value, "always": not value.get("week")}
        return value

    @model_validator(mode="after")
    def _one_table(self) -> OpeningHours:
        if self.always and self.week:
            raise ValueError("either always or a week, not both")
        return self

    @field_validator("week")
    @classmethod
    def _days_once(cls, value: dict[str, str]) -> dict[str, str]:
        seen: set[str] = set()

        def once(days: str) -> None:
            names = set(days_of(days))
            twice = names & seen
            seen.update(names)
            if twice:
                raise ValueError(f"{', '.join(sorted(twice))} stands twice")

        return _checked(value, once)

    @field_validator("exceptions")
    @classmethod
    def _dates(cls, value: dict[str, str]) -> dict[str, str]:
        return _checked(value, date_of)

    def on(self, day: date) -> Intervals:
        """Return the intervals that start on a day."""
        special = self.exceptions.get(day.isoformat())
        if special is not None:
            return intervals_of(special)
        if self.always:
            return ((0, DAY_MINUTES),)
        name = DAYS[day.weekday()]
        return next((intervals_of(text) for days, text in self.week.items() if name in days_of(days)), ())

    def is_open(self, now: datetime, zone: tzinfo) -> bool:
        """Tell whether calls are taken at an instant (any time zone)."""
        day = now.astimezone(zone).date()
        return any(start <= now < end for start, end in self._spans(day, zone))

    def next_change(self, now: datetime, zone: tzinfo) -> datetime | None:
        """Return the next instant (UTC) at which the queue opens or closes; None if none within 400 days."""
        if self.always and not self.exceptions:
            return None
        open_now = self.is_open(now, zone)
        first = now.astimezone(zone).date()
        for ahead in range(_HORIZON_DAYS):
            edges = {edge for span in self._spans(first + timedelta(days=ahead), zone) for edge in span}
            for edge in sorted(edges):
                if edge > now and self.is_open(edge, zone) != open_now:
                    return edge
        return None

    def _spans(self, day: date, zone: tzinfo) -> list[tuple[datetime, datetime]]:
        """Return the open spans in UTC that can touch a day: those of it and of the day before."""
        spans = []
        for start_day in (day - timedelta(days=1), day):
            spans += [
                (_utc(start_day, start, zone), _utc(start_day, end, zone))
                for start, end in self.on(start_day)
            ]
        return spans


def _utc(day: date, minutes: int, zone: tzinfo) -> datetime:
    """Wall-clock minutes of a day as UTC; a time skipped by daylight saving moves forward, a doubled one is the first."""
    local = datetime.combine(day, datetime.min.time(), zone) + timedelta(minutes=minutes)
    return local.astimezone(UTC)
