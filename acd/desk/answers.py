"""What a caller is told before anybody is rung: the answer to the question he most probably has (002-18, 002-03).

A project says of which open matter: "your order 8 is ready since Monday". It is said only when it is surely about what
the caller wants: exactly one matter of his is open, every source has answered, and the sentence can be said whole.
Everybody else waits for a person at once: no menu through which nearly everybody waits anyway (002-06).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from acd.core.instant import SECOND_MS
from acd.desk.dossier import About, Dossier, Matter
from acd.desk.hours import instant

MAX_DIGITS: Final = 12
SOUND, DIGITS, DAY, MOMENT = "sound", "digits", "day", "moment"
"""Kinds of what is said: a sound file, digits one by one, a date, a date with its time of day."""

Part = tuple[str, str]
"""(kind, value): the value of a date is in whole seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Answer(About):
    """One answer of a project."""

    name: str
    person: str
    """Sound that says how to reach a person, and that hanging up is all right."""
    before: str = ""
    """Sound before the number."""
    number: bool = False
    """Say the digits of the matter's id."""
    after: str = ""
    """Sound after the number, before the date."""
    date: bool = False
    """Say the matter's date."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one caller is told."""

    name: str
    parts: tuple[Part, ...]
    person: str
    """Sound of the question after it."""


def spoken(answers: Iterable[Answer], dossier: Dossier, zone: ZoneInfo, *, is_open: bool) -> Spoken | None:
    """Return what this caller is told; None: nothing, he is put into the line at once."""
    matters = dossier.open_matters()
    if len(matters) != 1 or dossier.late:
        return None
    for answer in answers:
        if answer.fits(dossier, is_open=is_open) and answer.matters(dossier):
            return _said(answer, matters[0], zone)
    return None


def _said(answer: Answer, matter: Matter, zone: ZoneInfo) -> Spoken | None:
    parts: list[Part] = [(SOUND, answer.before)] if answer.before else []
    if answer.number:
        digits = "".join(c for c in matter.id if c in "0123456789")
        if not digits or len(digits) > MAX_DIGITS:
            return None
        parts.append((DIGITS, digits))
    if answer.after:
        parts.append((SOUND, answer.after))
    if answer.date:
        date = moment(matter.due, zone)
        if date is None:
            return None
        parts.append(date)
    return Spoken(answer.name, tuple(parts), answer.person)


def moment(due: str, zone: ZoneInfo) -> Part | None:
    """Read a matter's date, `2026-11-27` or `2026-11-27T12:00`, in the firm's time zone; None: it is no date."""
    try:
        if len(due) == len("2026-11-27"):
            kind, at = DAY, instant(dt.date.fromisoformat(due), 12 * 60, zone) // SECOND_MS
        else:
            when = dt.datetime.fromisoformat(due)
            kind, at = MOMENT, int((when if when.tzinfo else when.replace(tzinfo=zone)).timestamp())
    except (ValueError, OverflowError):
        return None
    return (kind, str(at)) if at > 0 else None
