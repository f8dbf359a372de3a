"""One caller's walk through dialplan/*.conf: the channel owns the call, a Redirect may interrupt any step."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from acd.core.ids import AgentId
from agi_scripts import dialplan_vars as var
from agi_scripts.enter_queue import TURN_S
from simulator import doorstep

if TYPE_CHECKING:
    from simulator.standin.channels import Channel
    from simulator.virtual.asterisk import Asterisk
    from simulator.virtual.people import Caller, Phone

QUESTION_S: Final = 1.5
FALLBACK_S: Final = 10.0
VOICEMAIL_S: Final = 2.0
MAX_TURNS: Final = 600
LONGEST_NAP_S: Final = 60.0
QUEUED = ("why", "subscriber", "did", "ani", "enter_ms", "card", "priority", "needs", "sticky")


class _Gone(Exception):  # noqa: N818 - control flow of the model
    """The caller's channel was hung up."""


class _Jump(Exception):  # noqa: N818
    """A Redirect took effect."""

    def __init__(self, place: tuple[str, str]) -> None:
        super().__init__(place)
        self.place = place


class Walk:
    """The dialplan's state of one call."""

    def __init__(self, switch: Asterisk, channel: Channel, did: str, ani: str, caller: Caller) -> None:
        self.switch, self.world, self.channel = switch, switch.world, channel
        self.caller = caller
        self.vars = channel.variables
        self.call = self.world.new_call_id()
        self.over = False
        """The hangup handler runs or has run."""
        self.target: tuple[str, str] | None = None
        self.leg: Channel | None = None
        self.phone: Phone | None = None
        self.place = ("acd-in", "s")
        self.talked = False
        self.ended_s: float | None = None
        self.max_turns = MAX_TURNS
        self._did, self._ani = did, ani
        self._gone_by = ""
        self._leg_event = ""
        self._wake: asyncio.Future[None] | None = None
        self._turns = 0
        self._hb_seen, self._hb_misses = "", 0
        self._doorstep = doorstep.Doorstep()
        self._chance = caller.chance

    # --- what happens to the channel ----------------------------------------------------------------------

    def hang_up(self, by: str) -> None:
        """The channel ends; `by` caller, agent or system."""
        if not self._gone_by:
            self._gone_by = by
            self._stir()

    def impatient(self) -> None:
        """The caller's patience is over; a talk keeps him."""
        if self.vars.get(var.ACD_STAGE) not in ("talk", "done"):
            self.hang_up("caller")

    def redirect(self, place: tuple[str, str]) -> None:
        """An asynchronous goto: taken up when the channel's thread turns."""
        if not self.over and not self._gone_by:
            self.target = place
            self.switch.process.later(self._chance.uniform(0.0, 0.02), self._take_up)

    def _take_up(self) -> None:
        if self.target is not None:
            self._stir()

    def leg_event(self, what: str) -> None:
        """Something happened to the agent's leg: answer, hangup, dead, busy."""
        self._leg_event = what
        self._stir()

    def _stir(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def nap(self, seconds: float) -> str:
        """Wait; return the leg's event or nothing. Every wait has an end."""
        if not 0 <= seconds <= LONGEST_NAP_S:
            self.world.fault(f"{self.call} waits {seconds} s in {self.place}")
        if not self._gone_by and self.target is None and not self._leg_event:
            self._wake = asyncio.get_running_loop().create_future()
            timer = self.switch.process.later(seconds, self._stir)
            await self._wake
            timer.cancel()
            self._wake = None
        if self._gone_by:
            raise _Gone
        if self.target is not None:
            place, self.target = self.target, None
            raise _Jump(place)
        event, self._leg_event = self._leg_event, ""
        return event

    async def _step(self) -> None:
        """Between two priorities."""
        await self.nap(self._chance.uniform(0.0, 0.002))

    def note(self, kind: str, **fields: str) -> None:
        """Write a note of this call."""
        self.switch.note(kind, self.channel, self.vars.get(var.ACD_AGENT, ""), fields)

    # --- the walk -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Walk until the channel is gone, then run the hangup handler."""
        table = {
            "acd-in": self._in,
            "acd-wait": self._wait,
            "acd-dial": self._dial,
            "acd-fallback": self._fallback,
            "acd-overflow": self._overflow,
            "acd-transfer": self._transfer,
        }
        while True:
            try:
                handler = table.get(self.place[0])
                if handler is None:
                    self.world.fault(f"{self.call} fell out of the dialplan at {self.place}")
                    break
                self.place = await handler(self.place[1])
            except _Jump as jump:
                if self.vars.get(var.ACD_STAGE) == "talk":
                    self.world.count("talks_torn")
                self._drop_leg()
                self.place = jump.place
            except _Gone:
                break
        await self._hangup_handler()

    async def _in(self, extension: str) -> tuple[str, str]:
        if extension == "ask":
            return await self._ask()
        if extension == "finish":
            self.vars[var.ACD_STAGE] = "done"
            self._set_group("")
            await self._step()
            self.hang_up("system")
            raise _Gone
        self.vars.update(
            {
                var.ACD_CALL: self.call,
                var.ACD_ENTER_MS: str(self.world.wall_ms()),
                var.ACD_STAGE: "enter",
                var.ACD_WHY: "new",
                var.ACD_RESULT: "abandoned",
                var.ACD_DID: self._did,
                var.ACD_ANI: self._ani,
            }
        )
        self.note("AcdEnter", did=self._did, ani=self._ani)
        self.switch.process.later(self.caller.patience_s, self.impatient)
        return ("acd-in", "ask")

    async def _ask(self) -> tuple[str, str]:
        """The question at the door; whatever fails leaves the verdict empty."""
        await self._step()
        self.vars[var.ACD_VERDICT] = ""
        self.world.ask(self)
        await self.nap(QUESTION_S)
        self.world.stop_asking(self)
        verdict = self.vars.get(var.ACD_VERDICT, "")
        if verdict == "queue":
            return ("acd-wait", "s")
        if verdict in ("closed", "full", "refused"):
            self.vars.update({var.ACD_RESULT: "refused", var.ACD_STAGE: "done"})
            self.note("AcdRefused", why=verdict, subscriber=self.vars.get(var.ACD_SUBSCRIBER, ""))
            await self.nap(1.0)
            return ("acd-in", "finish")
        self.vars[var.ACD_VERDICT] = ""
        return ("acd-wait", "unasked")

    def answered_question(self) -> None:
        """The FastAGI server is done, or its socket closed."""
        self._stir()

    async def _wait(self, extension: str) -> tuple[str, str]:
        if extension == "unasked":
            return await self._wait_unasked()
        self.vars[var.ACD_STAGE] = "wait"
        self._set_group("")
        self._hb_seen, self._hb_misses = self._beat, 0
        self.vars[var.ACD_OFFER_CALLBACK] = ""
        names = (
            var.ACD_WHY, var.ACD_SUBSCRIBER, var.ACD_DID, var.ACD_ANI, var.ACD_ENTER_MS,
            var.ACD_CARD, var.ACD_PRIORITY, var.ACD_NEEDS, var.ACD_STICKY,
        )  # fmt: skip
        fields = {field: self.vars.get(name, "") for field, name in zip(QUEUED, names, strict=True)}
        self.switch.note("AcdQueued", self.channel, "", fields)
        while True:
            await self.nap(TURN_S)
            self._turns += 1
            if (leaving := self._heartbeat()) is not None:
                return leaving
            if self._turns >= self.max_turns:
                return ("acd-fallback", "max_wait")
            if self.caller.takes_callback and self._turns == 2:
                return await self._callback()

    @property
    def _beat(self) -> str:
        return self.switch.globals.get(var.ACD_HEARTBEAT, "")

    def _heartbeat(self) -> tuple[str, str] | None:
        if self._beat != self._hb_seen:
            self._hb_seen, self._hb_misses = self._beat, 0
            return None
        self._hb_misses += 1
        return ("acd-fallback", "heartbeat") if self._hb_misses >= 3 else None

    async def _wait_unasked(self) -> tuple[str, str]:
        self.vars[var.ACD_STAGE] = "wait"
        self._doorstep.asked(self._beat)
        while True:
            await self.nap(doorstep.TURN_S)
            if (leaving := self._doorstep.turn(self._beat)) is not None:
                return leaving

    async def _callback(self) -> tuple[str, str]:
        await self.nap(1.0)
        self.vars.update({var.ACD_STAGE: "done", var.ACD_RESULT: "callback"})
        self.note("AcdCallback", number=self._ani)
        self.vars[var.ACD_LEFT] = "1"
        await self.nap(0.5)
        return ("acd-in", "finish")

    def _set_group(self, agent: str) -> None:
        if agent:
            self.switch.groups[self.channel.uniqueid] = agent
        else:
            self.switch.groups.pop(self.channel.uniqueid, None)

    # --- an offer -----------------------------------------------------------------------------------------------

    async def _dial(self, extension: str) -> tuple[str, str]:
        agent, _, attempt = extension.partition("_")
        if not agent.isalnum() or not attempt:
            return ("acd-wait", "s")  # the `i` extension
        if self.vars.get(var.ACD_LEFT):
            self.vars[var.ACD_AGENT] = agent
            self.note("AcdDialEnd", attempt=attempt, status="CALLER_GONE")
            self.vars[var.ACD_AGENT] = ""
            return ("acd-in", "finish")
        self.vars.update(
            {
                var.ACD_AGENT: agent,
                var.ACD_ATTEMPT: attempt,
                var.ACD_STAGE: "dial",
                var.ACD_WHY: "returned",
                var.ACD_ANSWER_MS: "",
            }
        )
        self._set_group(agent)
        await self._step()
        refusal = self._refusal(agent)
        if refusal:
            self.world.count(f"refused_{refusal.lower()}")
            self.note("AcdDialEnd", attempt=attempt, status=refusal)
            return ("acd-wait", "s")
        self.note("AcdDial", attempt=attempt)
        await self._step()
        phone = self.world.phones[AgentId(agent)]
        status = await self._ring(phone)
        if status == "ANSWER":
            return await self._talk(phone, attempt)
        self._drop_leg()
        self._set_group("")
        self.note("AcdDialEnd", attempt=attempt, status=status)
        await self._step()
        return ("acd-wait", "s")

    def _refusal(self, agent: str) -> str:
        if self.switch.group_count(agent) > 1 and self.world.guard:
            return "DOUBLE"
        return "" if agent in self.world.phones else "UNKNOWN_AGENT"

    async def _ring(self, phone: Phone) -> str:
        """Dial(): DIALSTATUS, with the leg up when it is ANSWER."""
        if not phone.registered:
            await self.nap(0.01)
            return "CHANUNAVAIL"
        if phone.busy and not phone.waiting:
            await self.nap(0.05)
            return "BUSY"
        self._open_leg(phone)
        mood, after_s = phone.mood()
        if mood == "answer" and self.caller.cancels_at_answer:
            jitter = self._chance.uniform(-0.05, 0.05)
            self.switch.process.later(max(0.0, after_s + jitter), self.hang_up, "caller")
        ring_s = float(self.vars.get(var.ACD_RING_S) or 15)
        event = await self.nap(min(after_s, ring_s))
        if event in ("dead", "hangup"):
            return "CHANUNAVAIL"
        if after_s >= ring_s or mood == "silent":
            return "NOANSWER"
        return "ANSWER" if mood == "answer" else "BUSY"

    def _open_leg(self, phone: Phone, call_known: bool = True) -> None:
        leg = self.switch.new_channel(phone.agent, linked=self.channel.linkedid)
        leg.variables[var.ACD_CALL] = self.call
        leg.variables[var.ACD_QUEUE] = self.vars.get(var.ACD_QUEUE, "")
        leg.state = "Ringing"
        self.leg, self.phone, self._leg_event = leg, phone, ""
        phone.legs.append(self.call)
        if call_known:
            self.world.dialling(phone.agent, self)
        both = [*self.channel.headers(), *leg.headers("Dest")]
        self.switch.emit("DialBegin", both, self.channel.uniqueid)
        self.switch.emit("DialState", [*both, ("DialStatus", "RINGING")], self.channel.uniqueid)
        self.switch.device_changed(phone)

    def _drop_leg(self) -> None:
        leg, phone = self.leg, self.phone
        self.leg = self.phone = None
        self._leg_event = ""
        if leg is not None and phone is not None:
            phone.legs.remove(self.call)
            self.world.dial_over(phone.agent, self)
            self.switch.drop_channel(leg)
            self.switch.device_changed(phone)

    async def _talk(self, phone: Phone, attempt: str) -> tuple[str, str]:
        await self._step()  # U() runs on the agent's channel before the two are joined
        leg = self.leg
        assert leg is not None  # noqa: S101 - Dial answered
        leg.state = "Up"
        answer_ms = self.world.wall_ms()
        self.vars.update({var.ACD_STAGE: "talk", var.ACD_ANSWER_MS: str(answer_ms)})
        self.switch.note("AcdAnswer", leg, phone.agent, {"attempt": attempt})
        self.talked = True
        ending = self.caller.ending()
        if self.caller.holds:
            await self.nap(self.caller.talk_s / 3)
            self.switch.emit("Hold", leg.headers(), leg.uniqueid)
            await self.nap(self.caller.talk_s / 3)
            self.switch.emit("Unhold", leg.headers(), leg.uniqueid)
        event = await self.nap(self.caller.talk_s)
        if not event and ending == "caller":
            self.hang_up("caller")
            raise _Gone
        if not event and ending == "transfer":
            return self._blind_transfer(leg)
        self._drop_leg()
        self._set_group("")
        await self._step()
        if event == "dead" or ending == "leg dies":
            self.vars[var.ACD_WHY] = "head"
            self.note("AcdTalkEnd", attempt=attempt, by="agent", stays="1")
            await self._step()
            return ("acd-wait", "s")
        self.vars.update({var.ACD_STAGE: "done", var.ACD_RESULT: "answered"})
        self.note("AcdTalkEnd", attempt=attempt, by="agent", stays="0")
        await self._step()
        return ("acd-in", "finish")

    def _blind_transfer(self, leg: Channel) -> tuple[str, str]:
        to = self._chance.choice(sorted(self.world.phones))
        pairs = [("Result", "Success"), ("TransfererUniqueid", leg.uniqueid), ("Extension", to)]
        self.switch.emit("BlindTransfer", pairs, leg.uniqueid)
        self._drop_leg()
        return ("acd-transfer", to)

    async def _transfer(self, to: str) -> tuple[str, str]:
        self._set_group("")
        self.note("AcdTransfer", to=to)
        self.vars.update({var.ACD_STAGE: "done", var.ACD_RESULT: "answered"})
        phone = self.world.phones.get(AgentId(to))
        if phone is None:
            return ("acd-fallback", "wish")
        self._set_group(to)
        await self._step()
        if await self._ring_member(phone):
            await self.nap(self.caller.talk_s)
            self._drop_leg()
            return ("acd-in", "finish")
        self._drop_leg()
        return ("acd-fallback", "wish")

    async def _ring_member(self, phone: Phone) -> bool:
        """Ring a phone without an offer of ours."""
        if not phone.registered or phone.busy:
            return False
        self._open_leg(phone, call_known=False)
        mood, after_s = phone.mood()
        event = await self.nap(min(after_s, 5.0))
        return mood == "answer" and after_s < 5.0 and not event

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _overflow(self, queue: str) -> tuple[str, str]:
        if self.vars.get(var.ACD_LEFT):
            return ("acd-in", "finish")
        """A rule moved the caller: he waits on in another queue."""
        self.vars.update({var.ACD_QUEUE: queue, var.ACD_WHY: "returned"})
        await self._step()
        return ("acd-wait", "s")

    async def _fallback(self, why: str) -> tuple[str, str]:
        """Queue() with static members, then voice mail."""
        self._set_group("")
        self.vars.update({var.ACD_AGENT: "", var.ACD_STAGE: "fallback", var.ACD_RESULT: "fallback"})
        self.note("AcdFallback", why=why)
        self.world.count("fallbacks")
        loop = asyncio.get_running_loop()
        until = loop.time() + (0.0 if why == "voicemail" else FALLBACK_S)
        while loop.time() < until:
            for phone in self.world.phones.values():
                if await self._ring_member(phone):
                    assert self.leg is not None  # noqa: S101 - it answered
                    self.switch.note("AcdFallbackAnswer", self.leg, phone.agent, {})
                    await self.nap(self.caller.talk_s)
                    self._drop_leg()
                    return ("acd-in", "finish")
                self._drop_leg()
            await self.nap(1.0)
        self.vars[var.ACD_RESULT] = "voicemail"
        self.note("AcdVoicemail", file=f"{self.call}.wav")
        await self.nap(VOICEMAIL_S)
        return ("acd-in", "finish")

    async def _hangup_handler(self) -> None:
        """Whatever happened, the journal gets one AcdEnd (unless the process dies in here)."""
        self.over = True
        self._drop_leg()
        stage, attempt = self.vars.get(var.ACD_STAGE, ""), self.vars.get(var.ACD_ATTEMPT, "")
        await asyncio.sleep(self._chance.uniform(0.0, 0.003))
        if stage == "talk":
            self.vars[var.ACD_RESULT] = "answered"
            self.note("AcdTalkEnd", attempt=attempt, by="caller", stays="0")
        elif stage == "dial":
            self.note("AcdDialEnd", attempt=attempt, status="CALLER_GONE")
        await asyncio.sleep(self._chance.uniform(0.0, 0.003))
        by = "caller" if self._gone_by == "caller" else "system"
        if stage == "done" and self.vars.get(var.ACD_RESULT) == "answered":
            by = "agent"
        if self.vars.get(var.ACD_CALL):
            self.note("AcdEnd", cause="16", stage=stage, by=by, enter_ms=self.vars.get(var.ACD_ENTER_MS, ""))
        del self.switch.walks[self.channel.uniqueid]
        self.switch.drop_channel(self.channel)
        self.ended_s = asyncio.get_running_loop().time()
        self.world.call_over(self)
