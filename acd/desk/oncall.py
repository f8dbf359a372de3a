"""Key people: who is there, whose turn it is, who is asked next until somebody has it (000-11, 000-17)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from acd.core.instant import Instant
from acd.desk.hours import Intervals, instant, local

_NOT_DIALLED = re.compile(r"[^0-9+]")


def dialled(phone: str) -> str:
    """Return a phone number as it is dialled: digits and plus, none of the spaces and brackets people write."""
    return _NOT_DIALLED.sub("", phone)


@dataclass(frozen=True, slots=True)
class Busy:
    """A span of a person's calendar."""

    start: Instant
    end: Instant
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """One of the subscriber's people, or a responsible executor."""

    id: str
    name: str
    email: str = ""
    phone: str = ""
    agent: str = ""
    """Agent id when the person also takes calls here; calls can then stick to it."""
    calendar: str = ""
    """iCalendar file or address; read by the calendars adapter."""
    quiet: Intervals = ()
    """Local minutes in which only urgent messages are sent."""

    def address(self, channel: str) -> str:
        """Return where this person is reached by a channel; empty when not at all."""
        return {"email": self.email, "sms": self.phone, "call": self.phone}.get(channel, "")


@dataclass(frozen=True, slots=True)
class Swap:
    """Somebody takes over for a while, by the subscriber's own word."""

    person: str
    start: Instant
    end: Instant


@dataclass(frozen=True, slots=True)
class Rotation:
    """People who take turns. The hand-over is at `hand_over` minutes of the local day, every `every_days`."""

    id: str
    people: tuple[str, ...]
    starts: dt.date
    every_days: int = 7
    hand_over: int = 9 * 60
    instead: Mapping[dt.date, str] = field(default_factory=dict)
    """Exceptions: who takes the turn that begins on that day."""
    swaps: tuple[Swap, ...] = ()
    """Exceptions for a span of time; the last one made wins, also over `instead`."""

    def order(self, at: Instant, zone: ZoneInfo) -> tuple[str, ...]:
        """Return everybody in the order in which they are asked at an instant: whose turn it is first."""
        if not self.people:
            return ()
        today = local(at, zone).date()
        if at < instant(today, self.hand_over, zone):
            today -= dt.timedelta(days=1)
        turns = (today - self.starts).days // self.every_days
        turn = turns % len(self.people)
        order = self.people[turn:] + self.people[:turn]
        special = next((s.person for s in reversed(self.swaps) if s.start <= at < s.end), None)
        if special is None:
            special = self.instead.get(self.starts + dt.timedelta(days=turns * self.every_days))
        if special is not None:
            order = (special, *(person for person in order if person != special))
        return order


def reason(busy: Sequence[Busy], at: Instant) -> str:
    """Return what the calendar says at an instant, empty when free."""
    return next((span.summary or "busy" for span in busy if span.start <= at < span.end), "")


def next_person(order: Sequence[str], asked: Sequence[str], rounds: int) -> str | None:
    """Return who is asked after those already asked, round by round; None when everybody was asked often enough."""
    for done in range(rounds):
        for person in order:
            if asked.count(person) <= done:
                return person
    return None
