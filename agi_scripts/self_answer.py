"""What the caller most probably wants to know, said before anybody is rung (002-18); then a person, if he stays.

Key 1 at any moment, or silence after it: a person, at the place of the time of entry. Who hangs up after he has heard it
all wanted nobody. Whatever breaks in here, the call goes on to the waiting line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from acd.core.events import CardFilled
from acd.core.ids import CallId
from agi_scripts import dialplan_vars as var
from agi_scripts._session import AgiSession, argument

PERSON: Final = "1"
ANSWER_MS: Final = 6_000
SAID: Final = "said"
"""Value of ACD_SELF from the moment everything was said: a hang-up from then on is no lost call."""
FIELD: Final = "self_answer"
"""Field of the card: which answer the caller was told."""
KINDS: Final = ("sound", "digits", "day", "moment")
FORMATS: Final = {"day": "AdB", "moment": "AdBR"}
"""Weekday, day, month; and the time of the day."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one caller is told. Parts are (kind, value): a sound, digits, a date in seconds since the epoch."""

    name: str
    parts: tuple[tuple[str, str], ...]
    person: str
    """Sound: press 1 for a person, or hang up."""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class SelfAnswer:
    """The talk. `told` gives what the door decided for this call, once; None: nothing."""

    told: Callable[[CallId], Told | None]

    async def __call__(self, session: AgiSession) -> None:
        """Say it, and listen for the key."""
        call = CallId(argument(session, 1) or await session.get(var.ACD_CALL))
        told = self.told(call)
        if told is None:
            return
        session.report(CardFilled(call, None, ((FIELD, told.name),)))
        for kind, value in told.parts:
            if await _say(session, kind, value, told.zone):
                return
        await session.set(var.ACD_SELF, SAID)
        await session.read_digits(told.person, most=1, timeout_ms=ANSWER_MS)


async def _say(session: AgiSession, kind: str, value: str, zone: str) -> str:
    """Say one part; return the key that interrupted it."""
    if kind in FORMATS:
        return await session.say_date(int(value), FORMATS[kind], zone, PERSON)
    for sound in [value] if kind == "sound" else [f"digits/{digit}" for digit in value]:
        if key := await session.stream(sound, PERSON):
            return key
    return ""
