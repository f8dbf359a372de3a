"""A call-back's walk through dialplan/40-callback.conf: waits like a caller, agent first, then the number."""

from __future__ import annotations

import asyncio
import re
import time
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
        self._dialled_s = 0.0

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
        if context == "acd-fallback":  # a call-back never goes there
            return self._give_up("NO_AGENT")
        return await super()._context(context, exten)

    def _give_up(self, status: str) -> tuple[str, str]:
        self.channel.variables["ACD_STAGE"] = "done"
        self._number_note("AcdNumberEnd", status=status)
        self._hung_up_by = "system"
        return "", ""

    def _number_note(self, kind: str, **fields: str) -> None:
        self.world.note(kind, self.channel, self.channel.variables.get("ACD_QUEUE", ""), "", fields)

    async def talk(
        self, phone: Phone, leg: Channel, attempt: str, *, goes_on: bool = False
    ) -> tuple[str, str]:
        """The agent has answered: now the number is called."""
        del goes_on  # a call-back is not joined on from a transfer here
        world, variables = self.world, self.channel.variables
        if self._patience is not None:
            self._patience.cancel()
        now_ms = str(time.time_ns() // 1_000_000)
        # MASTER_CHANNEL(): the first half is the master
        self._first.variables.update(ACD_STAGE="talk", ACD_ANSWER_MS=now_ms, ACD_ATTEMPT=attempt)
        queue = variables.get("ACD_QUEUE", "")
        leg.state = self.channel.state = self._first.state = "Up"
        world.note("AcdAnswer", self.channel, queue, phone.agent, {"attempt": attempt})
        self.answered.append((phone.agent, time.time()))
        self.outcome = "answered"
        status = await self._call_number(phone)
        self._number_note("AcdNumberEnd", status=status)
        by = "caller" if status in ("ANSWER", "NOANSWER") and not self._agent_left(phone) else "agent"
        variables["ACD_STAGE"] = "talk"
        self._hung_up_by = self._hung_up_by or by
        self.drop_leg(phone, leg)
        world.note(
            "AcdTalkEnd", self.channel, queue, phone.agent, {"attempt": attempt, "by": by, "stays": "0"}
        )
        return "", ""

    def _agent_left(self, phone: Phone) -> bool:
        return phone.talk_s is not None and time.time() - self.answered[-1][1] >= phone.talk_s

    async def _call_number(self, phone: Phone) -> str:
        """Ring the number and let them talk; return the status of its leg."""
        world, number = self.world, self.world.numbers.get(self.caller.ani, Number())
        world.dialled.append(self.caller.ani)
        self._number_note("AcdNumberDial", number=self.caller.ani)
        ring_s = float(self.channel.variables.get("ACD_BACK_RING_S") or RING_S)
        agent_s = phone.talk_s if phone.talk_s is not None else float("inf")
        answers = number.answer_after_s is not None and number.answer_after_s <= ring_s
        wait_s = number.answer_after_s if answers and number.answer_after_s is not None else ring_s
        if await self.sleep(min(wait_s, agent_s)) or agent_s < wait_s:
            return "CANCEL"
        if not answers:
            return "NOANSWER"
        self._number_note("AcdNumberAnswer")
        await self.sleep(min(number.talk_s, max(0.0, agent_s - wait_s)))
        return "ANSWER"

    def _end(self) -> None:
        super()._end()
        self.world.drop_channel(self._first, NORMAL_CLEARING)
