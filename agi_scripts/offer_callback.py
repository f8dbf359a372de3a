"""The caller leaves a number to be called back: keyed in, or the one he calls from.

Works in the daemon and, when the daemon is down, as a one-shot process whose fact waits in the spool:
`AGI(offer_callback.py)` or `python -m agi_scripts.offer_callback SPOOL_DIR`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from acd.core.events import CallbackChosen
from acd.core.ids import Ani, CallId
from agi_scripts import dialplan_vars as var
from agi_scripts._session import AgiSession, argument, run_one_shot

TRIES: Final = 2
DIGITS_MS: Final = 8_000
PROMPT: Final = "vm-enter-num-to-call"
_NUMBER = re.compile(r"\+?[0-9]{5,15}\Z", re.ASCII)


def decide(keyed: str, ani: str) -> Ani | None:
    """Choose the number: what was keyed wins, else the caller's own; None when neither can be dialled.

    Whether it *may* be dialled (premium, foreign) is decided where callbacks are made, not here.
    """
    for candidate in (keyed.removesuffix("#"), ani):
        if _NUMBER.match(candidate):
            return Ani(candidate)
    return None


async def ask(session: AgiSession) -> None:
    """Take a number and report it; the verdict is `callback`, or empty when there is none."""
    call = CallId(argument(session, 1) or await session.get(var.ACD_CALL))
    ani = argument(session, 2) or await session.get(var.ACD_ANI)
    number = decide("", ani)
    for _ in range(TRIES):
        if number is not None:
            break
        number = decide(await session.read_digits(PROMPT, most=15, timeout_ms=DIGITS_MS), "")
    if number is None or not call:
        return
    session.report(CallbackChosen(call, number))  # before the verdict: what we promise is already kept
    await session.set(var.ACD_VERDICT, "callback")


def main() -> int:
    """Run as a one-shot process; the first argument is the spool directory."""
    return run_one_shot(ask, Path(sys.argv[1] if len(sys.argv) > 1 else "spool"))


if __name__ == "__main__":
    sys.exit(main())
