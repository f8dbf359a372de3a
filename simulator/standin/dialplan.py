"""One caller's walk through our dialplan, as dialplan/*.conf does it: enter, wait, dial, talk, fallback.

The model keeps what the daemon can observe: the order of notes and channel events, the Redirect that
interrupts the waiting loop, the heartbeat compared for equality, the group guard, the `i` extensions.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agi_scripts.enter_queue import TURN_S
from simulator import doorstep
from simulator.standin import transfers
from simulator.standin.agi import ask

if TYPE_CHECKING:
    from simulator.standin.channels import Channel
    from simulator.standin.phones import Phone
    from simulator.standin.server import StandIn

HEARTBEAT_MISSES = 3
ANNOUNCE_TURNS = 10
FALLBACK_S = 20.0
NORMAL_CLEARING = 16
DIGITS = frozenset("0123456789+")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, how long they wait, how long they talk. Durations in seconds; None = for ever."""

    did: str
    ani: str
    name: str = ""
    patience_s: float | None = None
    talk_s: float | None = 2.0


class CallTask:
    """The dialplan's state of one call, and what the tests want to know about it afterwards."""

    def __init__(self, world: StandIn, channel: Channel, caller: Caller) -> None:
        self.world = world
        self.channel = channel
        self.caller = caller
        self.call = str(uuid.uuid4())
        self.entered_s = time.time()
        self.ring_s: list[tuple[str, float]] = []
        """(agent, when the phone got the INVITE)"""
        self.answered: list[tuple[str, float]] = []
        self.outcome = ""
        """answered, abandoned, fallback, refused, callback"""
        self.takes_callback = False
        """Says yes when offered to be called back."""
        self.done = asyncio.Event()
        self.redirect_pending = False
        self._doorstep = doorstep.Doorstep()
        self._target: tuple[str, str] | None = None
        self._hung_up_by = ""
        self._leg: Channel | None = None
        self.leg_gone = False
        self._asked: Channel | None = None
        self._asked_gone = False
        self._in_hand: tuple[Phone, Channel, str] | None = None
        """Agent's phone, leg and attempt of a talk that becomes a consultation."""
        self._wake = asyncio.Event()
        self._patience: asyncio.TimerHandle | None = None

    # --- what happens to the caller --------------------------------------------------------------

    def redirect(self, context: str, exten: str) -> None:
        """AMI Redirect: takes effect when the loop turns."""
        self._target = (context, exten)
        self.redirect_pending = True
        self._wake.set()

    def hang_up(self, by: str) -> None:
        """The caller's leg ends; `by` caller, agent or system."""
        if not self._hung_up_by:
            self._hung_up_by = by
            self._wake.set()

    def agent_leg_gone(self, channel: Channel) -> None:
        """The agent's leg died (network, AMI Hangup) while the caller stays."""
        if self._leg is channel:
            self.leg_gone = True
            self._wake.set()
        elif self._asked is not None and self._asked is channel:
            self._asked_gone = True
            self._wake.set()

    def ringing_leg_gone(self) -> None:
        """The phone that rings for this caller is gone."""
        if self._leg is not None:
            self.agent_leg_gone(self._leg)

    @property
    def gone(self) -> bool:
        """Whether the caller's leg has ended."""
        return bool(self._hung_up_by)

    def note(self, kind: str, channel: Channel | None = None, **fields: str) -> None:
        """Write a note of this call in the words of its variables."""
        variables = self.channel.variables
        queue, agent = variables.get("ACD_QUEUE", ""), variables.get("ACD_AGENT", "")
        self.world.note(kind, channel or self.channel, queue, agent, fields)

    async def sleep(self, seconds: float | None) -> bool:
        """Sleep until something happens; return whether it did."""
        if not (self._hung_up_by or self._target or self.leg_gone or self._asked_gone):
            self._wake.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                return False
        return True

    # --- the walk ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Walk until the caller's channel is gone."""
        try:
            context, exten = await self._enter()
            while not self._hung_up_by and context:
                context, exten = await self._context(context, exten)
        finally:
            self._end()

    async def _context(self, context: str, exten: str) -> tuple[str, str]:
        self.channel.context, self.channel.exten = context, exten
        if context == "acd-wait":
            return await (self._unasked() if exten == "unasked" else self._wait())
        if context == "acd-dial":
            return await self._dial(exten)
        if context in {"acd-transfer", "acd-consult"}:
            return await self._hand_on(context, exten)
        if context == "acd-fallback":
            return await self._fallback(exten)
        if context == "acd-overflow":
            self.channel.variables.update(ACD_QUEUE=exten, ACD_WHY="returned")
            return "acd-wait", "s"
        self._hung_up_by = "system"  # a Redirect to a context that does not exist hangs up
        return "", ""

    async def _hand_on(self, context: str, exten: str) -> tuple[str, str]:
        in_hand, self._in_hand = self._in_hand, None
        if context == "acd-consult":  # without a talk in hand it is a stale command
            return await transfers.consult(self, exten, *in_hand) if in_hand else ("acd-wait", "s")
        return transfers.back(self) if exten == "back" else transfers.blind(self, exten)

    async def _enter(self) -> tuple[str, str]:
        variables = self.channel.variables
        variables["ACD_CALL"] = self.call
        variables["ACD_ENTER_MS"] = str(int(self.entered_s * 1000))
        variables["ACD_DID"] = clean(self.caller.did)
        variables["ACD_ANI"] = clean(self.caller.ani)
        variables["ACD_STAGE"] = "enter"
        self.world.note(
            "AcdEnter", self.channel, "", "", {"did": variables["ACD_DID"], "ani": variables["ACD_ANI"]}
        )
        self.channel.state = "Up"
        self.world.emit("Newstate", self.channel.headers())
        if self.caller.patience_s is not None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(self.caller.patience_s, self.hang_up, "caller")
        return await self._ask()

    async def _ask(self) -> tuple[str, str]:
        variables = self.channel.variables
        variables["ACD_VERDICT"] = ""
        arguments = (self.call, variables["ACD_DID"], variables["ACD_ANI"])
        await ask(self.world.agi, "enter_queue", self.channel, arguments)
        verdict = variables.get("ACD_VERDICT", "")
        if verdict in ("closed", "full", "refused"):
            self.outcome = "refused"
            fields = {"why": verdict, "subscriber": variables.get("ACD_SUBSCRIBER", "")}
            self.world.note("AcdRefused", self.channel, variables.get("ACD_QUEUE", ""), "", fields)
            self._hung_up_by = "system"
            return "", ""
        variables.setdefault("ACD_WHY", "new")
        return "acd-wait", "s" if verdict == "queue" else "unasked"

    async def _unasked(self) -> tuple[str, str]:
        """The daemon did not answer at the door."""
        self.channel.variables["ACD_STAGE"] = "wait"
        self._doorstep.asked(self.world.globals.get("ACD_HEARTBEAT", ""))
        # a test that shortens the turns of acd-wait shortens these with them
        turn_s = doorstep.TURN_S * self.world.wait_turn_s / TURN_S
        while True:
            if await self.sleep(turn_s):
                return self._next()
            leaving = self._doorstep.turn(self.world.globals.get("ACD_HEARTBEAT", ""))
            if leaving is not None:
                return await self._ask() if leaving == doorstep.ASK else leaving

    async def _wait(self) -> tuple[str, str]:
        variables = self.channel.variables
        variables["ACD_STAGE"] = "wait"
        fields = {
            "why": variables["ACD_WHY"],
            "subscriber": variables.get("ACD_SUBSCRIBER", ""),
            "did": variables["ACD_DID"],
            "ani": variables["ACD_ANI"],
            "enter_ms": variables["ACD_ENTER_MS"],
            "card": variables.get("ACD_CARD", ""),
            "priority": variables.get("ACD_PRIORITY", ""),
            "needs": variables.get("ACD_NEEDS", ""),
            "sticky": variables.get("ACD_STICKY", ""),
        }
        self.world.note("AcdQueued", self.channel, variables.get("ACD_QUEUE", ""), "", fields)
        seen, misses, turn = self.world.globals.get("ACD_HEARTBEAT", ""), 0, 0
        while True:
            if await self.sleep(self.world.wait_turn_s):
                return self._next()
            beat = self.world.globals.get("ACD_HEARTBEAT", "")
            misses = misses + 1 if beat == seen else 0
            seen = beat
            if misses >= HEARTBEAT_MISSES:
                return "acd-fallback", "heartbeat"
            if variables.pop("ACD_OFFER_CALLBACK", "") == "1" and self.takes_callback:
                return self._choose_callback()
            turn += 1
            if turn % ANNOUNCE_TURNS == 0:
                await ask(self.world.agi, "announce_wait", self.channel, (self.call,))

    def _choose_callback(self) -> tuple[str, str]:
        """acd-callback: the number the caller calls from is taken, and the caller hangs up."""
        self.channel.variables.update(ACD_STAGE="done", ACD_RESULT="callback")
        self.outcome = "callback"
        fields = {"number": self.channel.variables["ACD_ANI"]}
        self.world.note("AcdCallback", self.channel, self.channel.variables.get("ACD_QUEUE", ""), "", fields)
        self._hung_up_by = "system"
        return "", ""

    def _next(self) -> tuple[str, str]:
        """Where a wake-up leads: hung up, redirected, or back to waiting."""
        if self._hung_up_by:
            return "", ""
        if self._target is not None:
            target, self._target = self._target, None
            self.redirect_pending = False
            return target
        return "acd-wait", "s"

    def waits_again(self, why: str) -> tuple[str, str]:
        """Back to the waiting loop, unless something else has happened."""
        if self._hung_up_by or self._target is not None:
            return self._next()
        self.channel.variables["ACD_WHY"] = why
        return "acd-wait", "s"

    async def _dial(self, exten: str) -> tuple[str, str]:
        variables = self.channel.variables
        agent, _, attempt = exten.partition("_")
        phone = self.world.phones.get(agent)
        queue = variables.get("ACD_QUEUE", "")
        if phone is None or not attempt.isdigit():
            self._dial_end(agent if phone else "", attempt if attempt.isdigit() else "0", "UNKNOWN_AGENT")
            return self.waits_again("returned")
        if phone.in_use:  # GROUP_COUNT(agent) > 1
            self._dial_end(agent, attempt, "DOUBLE")
            return self._untaken()
        variables.update(ACD_AGENT=agent, ACD_ATTEMPT=attempt, ACD_STAGE="dial")
        self.world.note("AcdDial", self.channel, queue, agent, {"attempt": attempt})
        if not phone.registered or phone.dial_status:
            self._dial_end(agent, attempt, phone.dial_status or "CHANUNAVAIL")
            return self._untaken()
        leg = self._ring(phone)
        status = await self._until_answer(phone)
        if status == "ANSWER":
            return await self.talk(phone, leg, attempt)
        self.drop_leg(phone, leg)
        if not self._hung_up_by:
            self._dial_end(agent, attempt, status)
        return self._untaken()

    def _untaken(self) -> tuple[str, str]:
        """Nobody took the offer: the line, or whoever handed the call on."""
        if self.channel.variables.get("ACD_BACK") and not self._hung_up_by and self._target is None:
            return "acd-transfer", "back"
        return self.waits_again("returned")

    def _ring(self, phone: Phone, parent: Channel | None = None) -> Channel:
        world = self.world
        dials = (parent or self.channel).headers()
        leg = world.new_channel(phone.endpoint, linked=self.channel.linkedid)
        leg.variables["ACD_CALL"] = self.call
        leg.state = "Ringing"
        self._leg, self.leg_gone = leg, False
        phone.in_use += 1
        self.ring_s.append((phone.agent, time.time()))
        world.emit("Newchannel", leg.headers())
        world.emit("DialBegin", [*dials, *leg.headers("Dest"), ("DialString", phone.endpoint)])
        world.emit("DialState", [*dials, *leg.headers("Dest"), ("DialStatus", "RINGING")])
        world.emit("Newstate", leg.headers())
        world.device_changed(phone)
        return leg

    async def _until_answer(self, phone: Phone) -> str:
        ring_s = float(self.channel.variables.get("ACD_RING_S") or self.world.ring_s)
        answers = phone.answer_after_s is not None and phone.answer_after_s <= ring_s
        if await self.sleep(phone.answer_after_s if answers else ring_s):
            return "CANCEL" if not self.leg_gone else "CHANUNAVAIL"
        return "ANSWER" if answers else "NOANSWER"

    def ring_asked(self, phone: Phone, parent: Channel) -> Channel:
        """An agent's leg dials a colleague: the caller's call, but not his offer."""
        kept, self._asked_gone = self._leg, False
        self._asked = self._ring(phone, parent)
        self._leg = kept
        return self._asked

    def adopt_leg(self, leg: Channel) -> None:
        """This leg is the one that talks with the caller."""
        self._leg, self.leg_gone, self._asked, self._asked_gone = leg, False, None, False

    async def talk(
        self, phone: Phone, leg: Channel, attempt: str, *, goes_on: bool = False
    ) -> tuple[str, str]:
        """Agent and caller are joined until one leg ends or the call is taken elsewhere."""
        world, variables = self.world, self.channel.variables
        if self._patience is not None:
            self._patience.cancel()
        if not goes_on:
            self._joined(phone, leg, attempt)
        queue = variables.get("ACD_QUEUE", "")
        phone_s = phone.talk_s if phone.talk_s is not None else float("inf")
        caller_s = self.caller.talk_s if self.caller.talk_s is not None else float("inf")
        woken = await self.sleep(min(phone_s, caller_s) if min(phone_s, caller_s) < float("inf") else None)
        if not woken:
            self._hung_up_by = "agent" if phone_s <= caller_s else "caller"
        if self._target is not None and not self._hung_up_by:
            if self._target[0] == "acd-consult":
                self._in_hand = (phone, leg, attempt)
            else:
                self.drop_leg(phone, leg)
            return self._next()
        stays = self.leg_gone and not self._hung_up_by
        by = self._hung_up_by if self._hung_up_by in ("caller", "agent") else "agent"
        self.drop_leg(phone, leg)
        world.note(
            "AcdTalkEnd",
            self.channel,
            queue,
            phone.agent,
            {"attempt": attempt, "by": by, "stays": str(int(stays))},
        )
        variables["ACD_ANSWER_MS"] = ""
        return self.waits_again("head")

    def _joined(self, phone: Phone, leg: Channel, attempt: str) -> None:
        world, variables = self.world, self.channel.variables
        queue = variables.get("ACD_QUEUE", "")
        variables["ACD_BACK"] = ""
        variables["ACD_STAGE"] = "talk"
        variables["ACD_ANSWER_MS"] = str(time.time_ns() // 1_000_000)
        leg.state = "Up"
        world.note("AcdAnswer", self.channel, queue, phone.agent, {"attempt": attempt})
        world.emit("DialEnd", [*self.channel.headers(), *leg.headers("Dest"), ("DialStatus", "ANSWER")])
        for one in (self.channel, leg):
            world.emit("BridgeEnter", [("BridgeUniqueid", self.call), *one.headers()])
        self.answered.append((phone.agent, time.time()))
        self.outcome = "answered"

    def drop_leg(self, phone: Phone, leg: Channel) -> None:
        """A phone's leg ends."""
        phone.in_use -= 1
        if leg is self._asked:
            self._asked, self._asked_gone = None, False
        else:
            self._leg, self.leg_gone = None, False
        self.world.drop_channel(leg, NORMAL_CLEARING)
        self.world.device_changed(phone)

    def outlived_by(self, phones: list[tuple[Phone, Channel]], seconds: float) -> None:
        """The caller is gone; these legs talk on and end later, whatever becomes of this walk."""
        self._leg = self._asked = None
        for phone, leg in phones:
            asyncio.get_running_loop().call_later(seconds, self.drop_leg, phone, leg)

    def _dial_end(self, agent: str, attempt: str, status: str) -> None:
        queue = self.channel.variables.get("ACD_QUEUE", "")
        self.world.note("AcdDialEnd", self.channel, queue, agent, {"attempt": attempt, "status": status})

    async def _fallback(self, why: str) -> tuple[str, str]:
        world, variables = self.world, self.channel.variables
        variables["ACD_STAGE"] = "fallback"
        self.outcome = "fallback"
        queue = variables.get("ACD_QUEUE", "")
        world.note("AcdFallback", self.channel, queue, "", {"why": why})
        end = time.monotonic() + (0.0 if why == "voicemail" else FALLBACK_S)
        while time.monotonic() < end:
            phone = next((p for p in world.phones.values() if p.registered and not p.in_use), None)
            if phone is not None and phone.answer_after_s is not None and not phone.dial_status:
                leg = self._ring(phone)
                if not await self.sleep(phone.answer_after_s):
                    world.note("AcdFallbackAnswer", self.channel, queue, phone.agent, {})
                    talks = [s for s in (phone.talk_s, self.caller.talk_s) if s is not None]
                    if not await self.sleep(min(talks, default=None)):
                        self._hung_up_by = "agent" if phone.talk_s in talks[:1] else "caller"
                self.drop_leg(phone, leg)
                return self._next()
            if await self.sleep(1.0):
                return self._next()
        world.note("AcdVoicemail", self.channel, queue, "", {"file": self.call})
        self._hung_up_by = "system"
        return "", ""

    def _end(self) -> None:
        """The hangup handler."""
        variables = self.channel.variables
        if self._patience is not None:
            self._patience.cancel()
        if not self.outcome:
            self.outcome = "abandoned"
        fields = {
            "cause": str(NORMAL_CLEARING),
            "stage": variables.get("ACD_STAGE", "enter"),
            "by": self._hung_up_by or "system",
            "enter_ms": variables.get("ACD_ENTER_MS", ""),
        }
        agent = variables.get("ACD_AGENT", "") if self.answered else ""
        self.world.note("AcdEnd", self.channel, variables.get("ACD_QUEUE", ""), agent, fields)
        self.world.calls.pop(self.channel.uniqueid, None)
        self.world.finished.append(self)
        self.world.drop_channel(self.channel, NORMAL_CLEARING)
        self.done.set()


def clean(number: str) -> str:
    """FILTER(0-9+,...): what the dialplan lets through of a number."""
    return "".join(c for c in number if c in DIGITS)
