"""The caller rates the operator from 1 to 5 after the talk (003-10). Nobody is held: one prompt, one digit.

Works in the daemon and as a one-shot process, like `offer_callback`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from acd.core.events import CardFilled
from acd.core.ids import AgentId, CallId
from agi_scripts import dialplan_vars as var
from agi_scripts._session import AgiSession, argument, run_one_shot

PROMPT: Final = "acd-rate-1-to-5"
ANSWER_MS: Final = 6_000
RATINGS: Final = ("1", "2", "3", "4", "5")


def decide(digits: str) -> str:
    """Return the rating, empty when the key was no rating."""
    return digits if digits in RATINGS else ""


async def ask(session: AgiSession) -> None:
    """Ask once and put the rating on the card, under the field `rating`."""
    call = CallId(argument(session, 1) or await session.get(var.ACD_CALL))
    agent = await session.get(var.ACD_AGENT)
    rating = decide(await session.read_digits(PROMPT, most=1, timeout_ms=ANSWER_MS))
    if rating and call:
        # From the caller, not the agent: the agent field of the fact stays empty.
        fields = (("rating", rating), *((("rated_agent", AgentId(agent)),) if agent else ()))
        session.report(CardFilled(call, None, fields))


def main() -> int:
    """Run as a one-shot process; the first argument is the spool directory."""
    return run_one_shot(ask, Path(sys.argv[1] if len(sys.argv) > 1 else "spool"))


if __name__ == "__main__":
    sys.exit(main())
