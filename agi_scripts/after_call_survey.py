"""The caller rates the operator from 1 to 5 after the talk (003-10). Nobody is held: one prompt, one digit."""

from __future__ import annotations

from typing import Final

from acd.core.events import CardFilled
from acd.core.ids import CallId
from agi_scripts import dialplan_vars as var
from agi_scripts._session import AgiSession, argument

ANSWER_MS: Final = 6_000
RATINGS: Final = ("1", "2", "3", "4", "5")


def decide(digits: str) -> str:
    """Return the rating, empty when the key was no rating."""
    return digits if digits in RATINGS else ""


async def ask(session: AgiSession) -> None:
    """Play the queue's sound once and put the rating on the card, under the field `rating`."""
    call = CallId(argument(session, 1) or await session.get(var.ACD_CALL))
    prompt = argument(session, 2)
    if not call or not prompt:
        return
    agent = await session.get(var.ACD_AGENT)
    rating = decide(await session.read_digits(prompt, most=1, timeout_ms=ANSWER_MS))
    if rating:
        # From the caller, not the agent: the agent field of the fact stays empty.
        session.report(
            CardFilled(call, None, (("rating", rating), *((("rated_agent", agent),) if agent else ())))
        )
