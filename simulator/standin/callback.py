"""A call-back's walk through dialplan/40-callback.conf: waits like a caller, agent first, then the number."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.standin.dialplan import NORMAL_CLEARING, Caller, CallTask, clean

if TYPE_CHECKING:
    from simulator.standin.channels import Channel
    from simulator.standin.phones import Phone
    from simulator.standin.server import StandIn

ALLOWED = r"^[+]7([349][0-9]|8[1-9])[0-9]{8}$"
"""ACD_OUT_ALLOWED of config/asterisk/acd-globals.conf."""
RING_S = 40.0
_REGEX = re.compile(r'REGEX\("(.*)" (.*)\)')


def value_of(name: str, variables: Mapping[str, str]) -> str:
    """Return what Getvar without a channel answers: a global, or one of the questions about outside numbers."""
    if asked := _REGEX.fullmatch(name):
        return str(int(bool(re.search(asked[1], asked[2]))))
    if name.startswith("DIALPLAN_EXISTS(acd-outside,"):
        return "0"  # no trunk for calls handed on (transfers.py)
    return variables.get(name, ALLOWED if name == "ACD_OUT_ALLOWED" else "")


@dataclass(frozen=True, slots=True)
class Number:
    """What a number does that is called. `answer_after_s` None: rings and never answers."""

    answer_after_s: float | None = 0.3
    talk_s: float = 2.0


class CallbackTask(CallTask):
    """The second half of the Local channel; `first` is the half that dials the number."""

    def __init__(self, world: StandIn, channel: Channel, first: Channel, call: str) -> None:
        variables = channel.variables
        caller = Caller(clean(variables.get("ACD_DID", "")), clean(variables.get("ACD_ANI", "")), talk_s=None)
        super().__init__(world, channel, caller)
        self.call = call
        self._first = first
        self._number: asyncio.Task[None] | None = None
        """Calls the number, once."""
        self._status = "CANCEL"
        """DIALSTATUS of the number's leg."""

    async def _enter(self) -> tuple[str, str]:
        variables, world = self.channel.variables, self.world
        variables.update(ACD_CALL=self.call, ACD_STAGE="enter", ACD_WHY="new")
        variables.update(ACD_DID=self.caller.did, ACD_ANI=self.caller.ani)
        if not variables.get("ACD_ENTER_MS"):
            variables["ACD_ENTER_MS"] = str(int(self.entered_s * 1000))
        queue = variables.get("ACD_QUEUE", "")
        world.note("AcdEnter", self.channel, queue, "", {"did": self.caller.did, "ani": self.caller.ani})
        world.note("AcdCallbackBegin", self.channel, queue, "", {"of": variables.get("ACD_BACK_OF", "NONE")})
        if not re.search(world.globals.get("ACD_OUT_ALLOWED", ALLOWED), self.caller.ani):
            return self._give_up("REFUSED")
        turns = int(variables.get("ACD_MAX_TURNS") or 600)
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(turns * world.wait_turn_s, self.redirect, "acd-fallback", "max_wait")
        return "acd-wait", "s"

    async def _context(self, context: str, exten: str) -> tuple[str, str]:
        if context == "acd-fallback" and self._status != "ANSWER":  # nobody is on the line
            return self._give_up("NO_AGENT")
        return await super()._context(context, exten)

    def _give_up(self, status: str) -> tuple[str, str]:
        self.channel.variables["ACD_STAGE"] = "done"
        self._number_note("AcdNumberEnd", status=status)
        self._hung_up_by = "system"
        return "", ""

    def _number_note(self, kind: str, **fields: str) -> None:
        self.world.note(kind, self.channel, self.channel.variables.get("ACD_QUEUE", ""), "", fields)

    def _joined(self, phone: Phone, leg: Channel, attempt: str) -> None:
        """The agent has answered: the first half, which is the master, hears of it and calls the number."""
        super()._joined(phone, leg, attempt)
        told = {name: self.channel.variables[name] for name in ("ACD_STAGE", "ACD_ANSWER_MS")}
        self._first.variables.update(told, ACD_ATTEMPT=attempt)
        self.channel.variables.update(ACD_STAGE="dial", ACD_ANSWER_MS="")
        self.channel.state = self._first.state = "Up"
        if self._number is None:
            self._number = asyncio.get_running_loop().create_task(self._call_number())

    async def _hand_on(self, context: str, exten: str) -> tuple[str, str]:
        """Context acd-own: what the answer said is taken over by the half that waits."""
        mine, first = self.channel.variables, self._first.variables
        if mine.get("ACD_STAGE") == "dial" and mine.get("ACD_ATTEMPT") == first.get("ACD_ATTEMPT"):
            mine["ACD_STAGE"] = "talk"
        return await super()._hand_on(context, exten)

    async def _call_number(self) -> None:
        """Ring the number and let it talk; its end, or its silence, ends the call-back."""
        world, number = self.world, self.world.numbers.get(self.caller.ani, Number())
        world.dialled.append(self.caller.ani)
        self._number_note("AcdNumberDial", number=self.caller.ani)
        ring_s = float(self.channel.variables.get("ACD_BACK_RING_S") or RING_S)
        if number.answer_after_s is None or number.answer_after_s > ring_s:
            await asyncio.sleep(ring_s)
            self._status = "NOANSWER"
        else:
            await asyncio.sleep(number.answer_after_s)
            self._number_note("AcdNumberAnswer")
            self._status = "ANSWER"
            await asyncio.sleep(number.talk_s)
        self.hang_up("caller")

    def _end(self) -> None:
        if self._number is not None:
            self._number.cancel()
            self._number_note("AcdNumberEnd", status=self._status)
            if self.channel.variables.get("ACD_STAGE") == "dial":
                self.channel.variables["ACD_STAGE"] = "talk"
        super()._end()
        self.world.drop_channel(self._first, NORMAL_CLEARING)
