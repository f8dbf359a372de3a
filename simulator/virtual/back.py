"""A call-back's walk: the second half of a Local channel waits like a caller, its first half dials the number.

dialplan/40-callback.conf, as the daemon can observe it. An agent's answer dials the number once; whoever answers
later finds what has become of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agi_scripts import dialplan_vars as var
from simulator.standin.channels import Channel
from simulator.virtual.ledger import NUMBER_RING_S
from simulator.virtual.people import FOR_EVER_S, Caller
from simulator.virtual.walk import Walk

if TYPE_CHECKING:
    from simulator.virtual.asterisk import Asterisk
    from simulator.virtual.people import Phone

SILENT_SHARE = 0.25


class BackWalk(Walk):
    """One call-back of ours, from the Originate to its last note."""

    def __init__(self, switch: Asterisk, call: str, other: str, given: dict[str, str]) -> None:
        name = f"Local/{call}@acd-callback-out"
        self.first = Channel(f"{name};1", call, call, variables=dict(given))
        second = Channel(f"{name};2", other, call, state="Ring", variables=dict(given))
        chance = switch.world.chance(f"back {call}")
        caller = Caller(patience_s=FOR_EVER_S, talk_s=chance.uniform(0.2, 3.0), chance=chance)
        super().__init__(switch, second, given.get(var.ACD_DID, ""), given.get(var.ACD_ANI, ""), caller)
        self.call = call
        self.number = given.get(var.ACD_ANI, "")
        self.of = given.get(var.ACD_BACK_OF, "")
        self.max_turns = int(given.get(var.ACD_MAX_TURNS) or self.max_turns)
        self.dialled = self.reached = self.ringing = False
        for channel in (self.first, second):
            switch.channels[channel.uniqueid] = channel
            switch.emit("Newchannel", channel.headers(), channel.uniqueid)

    async def _in(self, extension: str) -> tuple[str, str]:
        if extension == "finish":
            return await super()._in(extension)
        self.vars.update(
            {
                var.ACD_CALL: self.call,
                var.ACD_STAGE: "enter",
                var.ACD_WHY: "new",
                var.ACD_RESULT: "callback",
                var.ACD_ENTER_MS: self.vars.get(var.ACD_ENTER_MS) or str(self.world.wall_ms()),
            }
        )
        self.note("AcdEnter", did=self.vars.get(var.ACD_DID, ""), ani=self.number)
        self.note("AcdCallbackBegin", of=self.of)
        await self._step()
        return ("acd-wait", "s")

    async def _fallback(self, why: str) -> tuple[str, str]:  # noqa: ARG002 - a call-back has but one way out
        """Nobody took it, or the daemon is gone: it is tried again later."""
        if not self.dialled:
            self.note("AcdNumberEnd", status="NO_AGENT")
        return ("acd-in", "finish")

    async def _talk(self, phone: Phone, attempt: str) -> tuple[str, str]:
        await self._step()
        leg = self.leg
        assert leg is not None  # noqa: S101 - Dial answered
        leg.state = self.channel.state = self.first.state = "Up"
        told = {
            var.ACD_STAGE: "talk",
            var.ACD_ANSWER_MS: str(self.world.wall_ms()),
            var.ACD_ATTEMPT: attempt,
            var.ACD_CALL: self.call,
        }
        self.first.variables.update(told)  # MASTER_CHANNEL() is the first half
        self.switch.note("AcdAnswer", leg, phone.agent, {"attempt": attempt})
        self.talked = True
        status = await self._number()
        self._drop_leg()
        self._set_group("")
        by = "caller" if status in ("ANSWER", "NOANSWER") else "agent"
        self.vars[var.ACD_STAGE] = "done"
        self.note("AcdTalkEnd", attempt=attempt, by=by, stays="0")
        return ("acd-in", "finish")

    async def _number(self) -> str:
        """The first half dials the number, once in its life."""
        if self.dialled:
            return "CANCEL"
        self.dialled = self.ringing = True
        self.note("AcdNumberDial", number=self.number)
        self.world.backs.dialling(self)
        silent = self._chance.random() < SILENT_SHARE
        status = "NOANSWER"
        event = await self.nap(NUMBER_RING_S if silent else self._chance.uniform(0.1, 3.0))
        if event:
            status = "CANCEL"
        elif not silent:
            self.ringing, self.reached, status = False, True, "ANSWER"
            self.note("AcdNumberAnswer")
            await self.nap(self.caller.talk_s)
        self._number_end(status)
        return status

    def _number_end(self, status: str) -> None:
        self.ringing = False
        self.note("AcdNumberEnd", status=status)
        self.world.backs.number_over(self)

    async def _hangup_handler(self) -> None:
        if self.world.backs.holds(self):
            self._number_end("ANSWER" if self.reached else "CANCEL")
            if self.first.variables.get(var.ACD_STAGE) == "talk":
                self.vars[var.ACD_STAGE] = "talk"
        await super()._hangup_handler()
        await asyncio.sleep(0)
        self.switch.drop_channel(self.first)
