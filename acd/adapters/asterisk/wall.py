"""Asks the PBX which outside numbers it would refuse, as the dialplan asks itself before it dials (decision 0220).

`acd-out-allowed` and the generated `acd-outside` stay the wall; this only looks at it, so that nobody is offered on the
agent's screen whom the wall then refuses. The expressions are evaluated by Asterisk: its regular expressions are its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from acd.ports import PortError
from acd.wire.errors import LocalProtocolError
from agi_scripts import dialplan_vars as var

if TYPE_CHECKING:
    from acd.adapters.asterisk.switch import Manager

LIMIT_S: Final = 1.0
"""An agent waits for the list with a caller on the line: later than this it is shown without our knowing."""
AT_ONCE: Final = 4
"""Questions on their way, whoever asks: offers go over the same link, and a firm with 300 people stood before them."""
NO: Final = "0"
log = logging.getLogger("acd.asterisk")


class AsteriskWall:
    """What the PBX does not dial, asked by Getvar: no more than the router's own rights."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def refused(self, numbers: Collection[str]) -> frozenset[str]:
        """Return those of these numbers that the PBX would surely refuse to hand a call on to.

        What is not known in time, or not at all, is not refused here: the dialplan has the last word anyway.
        """
        if not numbers:
            return frozenset()
        try:
            async with asyncio.timeout(LIMIT_S):
                allowed = await self._value(var.ACD_OUT_ALLOWED)
                if allowed is None:
                    return frozenset()
                told = await asyncio.gather(*(self._refuses(allowed, number) for number in numbers))
        except (PortError, LocalProtocolError, TimeoutError) as unknown:
            log.warning(
                "the PBX did not say which outside numbers it dials: %s", unknown or "no answer in time"
            )
            return frozenset()
        return frozenset(number for number, no in zip(numbers, told, strict=True) if no)

    async def _refuses(self, allowed: str, number: str) -> bool:
        if not allowed or await self._value(f'REGEX("{allowed}" {number})') == NO:
            return True
        return await self._value(f"DIALPLAN_EXISTS(acd-outside,{number},1)") == NO

    async def _value(self, name: str) -> str | None:
        async with self._turn:
            answer = await self._manager.action("Getvar", {"Variable": name})
        return answer.get("Value") if answer.name == "Success" else None
