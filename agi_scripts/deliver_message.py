"""A message by phone: the person on call hears whose call it was, and takes it with a key (000-11, 002-17).

1: has it. 2: has it and is connected with the caller. Anything else, silence or a hang-up: nobody has it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agi_scripts import dialplan_vars as var
from agi_scripts._session import AgiSession

TAKE, CONNECT, PASS_ON = "1", "2", "3"
ASKED_TIMES = 3
KEY_WAIT_MS = 6_000


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is said: numbers only, so that no speech engine is needed."""

    card: str
    caller: str
    """Digits of the caller's number; empty when withheld. Only then can nobody be connected."""
    urgent: bool = False


def prompts(spoken: Spoken) -> tuple[str, ...]:
    """Return the sounds, in order: a message, its card number, from which number."""
    said = ["vm-youhave", "vm-Urgent", "vm-message"] if spoken.urgent else ["vm-youhave", "vm-message"]
    said += [f"digits/{digit}" for digit in spoken.card if digit.isdigit()]
    if spoken.caller:
        said += ["vm-from-phonenumber", *(f"digits/{digit}" for digit in spoken.caller if digit.isdigit())]
    return tuple(said)


def decide(key: str, spoken: Spoken) -> str:
    """Return what a key means; empty: ask again."""
    if key == CONNECT:
        return CONNECT if spoken.caller else TAKE
    return key if key in {TAKE, PASS_ON} else ""


async def talk(session: AgiSession, spoken: Spoken, take: Callable[[], Awaitable[bool]]) -> str:
    """Lead the talk; return TAKE, CONNECT or PASS_ON. `take` stores that the person has it, before he hears so."""
    answer = ""
    for _ in range(ASKED_TIMES):
        key = ""
        for sound in prompts(spoken):
            key = await session.stream(sound, "123")
            if key:
                break
        if not key:
            await session.stream("vm-press")
            key = await session.read_digits("digits/1", most=1, timeout_ms=KEY_WAIT_MS)
        answer = decide(key, spoken)
        if answer:
            break
    if answer not in {TAKE, CONNECT} or not await take():
        return PASS_ON
    if answer == CONNECT:
        await session.set(var.ACD_ANI, spoken.caller)
    else:
        await session.stream("vm-goodbye")
    return answer
