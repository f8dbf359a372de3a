"""Wishes → manager actions: the only code that commands Asterisk.

Neither answer of a Redirect is the truth: "successful" may hang on a wrong extension, a refusal may have
been executed as well (failure modes 5, 6, 7). So a wish fails here only when it *surely* was not carried
out; in doubt we say nothing, and the core's own deadline for the dialplan's AcdDial note decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from acd.adapters.asterisk.connection import LOOP_GAP_S
from acd.adapters.asterisk.link import NoAnswer
from acd.adapters.asterisk.twin import TwinWatch
from acd.core.effects import (
    Announce,
    HangUpStrayLeg,
    MoveToQueue,
    OfferCall,
    OfferCallback,
    SendToFallback,
    TransferCall,
)
from acd.core.ids import AgentId, CallId
from acd.core.transfer_facts import TransferHow
from acd.ports import PortError
from acd.wire.ami import AmiFrame, Headers
from agi_scripts import dialplan_vars as var

RELEASE_WAIT_S: Final = 1.0
BUSY_WAIT_S: Final = 2.0
STAGE_TRIES: Final = 3
STAGE_PAUSE_S: Final = 0.05

SURE_REFUSALS: Final = (
    "Channel does not exist", "No such channel", "Channel not specified", "Permission denied", "Channel not found",
    "Invalid priority", "Context, extension", "No channel specified", "Access denied",
)  # fmt: skip
"""How an Error answer begins when Asterisk certainly did nothing. Every other refusal is doubt: the text
for a Redirect that was executed as well is a misleading "channel not up"."""

_AGENT = re.compile(r"[0-9A-Za-z]{1,40}\Z", re.ASCII)
_TARGET = re.compile(r"(agent_[0-9A-Za-z]{1,40}|queue_[0-9A-Za-z_-]{1,32}|out_\+?[0-9]{3,20})\Z", re.ASCII)
_REASON = re.compile(r"[0-9A-Za-z][0-9A-Za-z_]{1,39}\Z", re.ASCII)
_QUEUE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,31}\Z", re.ASCII)
_SOUND = re.compile(r"[0-9A-Za-z_/-][0-9A-Za-z_/.-]{0,119}\Z", re.ASCII)
log = logging.getLogger("acd.asterisk")


class Manager(Protocol):
    """What the switch needs of the connection."""

    async def action(self, name: str, headers: Headers = ..., timeout_s: float | None = None) -> AmiFrame:
        """Send one action, return its response."""

    def begin(self, name: str, headers: Headers = ...) -> Coroutine[Any, Any, AmiFrame]:
        """Send one action now; its response is to be awaited."""

    @property
    def read_age_s(self) -> float:
        """Seconds since the last byte from Asterisk."""


class Channels(Protocol):
    """Who is who among the channels (acd.adapters.asterisk.channels)."""

    def uniqueid_of(self, call: CallId) -> str | None:
        """Return the caller's channel."""

    def legs_of(self, call: CallId, agent: AgentId) -> list[str]:
        """Return an agent's legs."""

    def talk_leg(self, call: CallId, agent: AgentId) -> str | None:
        """Return the agent's leg of this call."""

    def asked_leg(self, call: CallId) -> str | None:
        """Return the channel of whom the agent asks."""


class AsteriskSwitch:
    """`acd.ports.Switch` over AMI.

    Args:
        manager: the connection.
        channels: finds channels by call and agent.
        released: set while we are synced; commands wait a moment for it, then fail as not sent.
        doubt: told when a caller is not where we believed: what we believe must be asked again.
        careful: whether another daemon may have offered this caller too; then the first offer asks as well.
    """

    def __init__(
        self,
        manager: Manager,
        channels: Channels,
        released: asyncio.Event,
        doubt: Callable[[], None] = lambda: None,
        careful: Callable[[], bool] = lambda: False,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._manager, self._channels, self._released = manager, channels, released
        self._doubt, self._careful = doubt, careful
        self._flying: dict[CallId, asyncio.Event] = {}

    def offer(self, wish: OfferCall) -> Coroutine[Any, Any, None]:
        """Send the caller to acd-dial with the whole decision in the extension.

        The first offer of a call has left when this returns: an agent is free and a caller waits, so nothing else the
        loop has to do comes before. The outcome is to be awaited. Before a later offer Asterisk is asked whether the
        caller waits: when the notes of the offer before were lost, he may be in a talk, and a Redirect would tear him
        out of it.

        Raises, when awaited:
            PortError: surely not carried out; a second try is the core's decision.
        """
        if wish.attempt > 1 or not self._released.is_set() or self._careful():
            return self._offer(wish, None)
        try:
            self._check(wish)
            answer = self._manager.begin("Redirect", self._dial(wish))
        except PortError as failed:
            return _raised(failed)
        self._flying[wish.call] = asyncio.Event()
        return self._offer(wish, answer)

    def _check(self, wish: OfferCall) -> None:
        if not _AGENT.match(wish.agent) or wish.attempt < 0:
            raise PortError(f"agent id {wish.agent!r} cannot be an extension", retryable=False)
        if wish.call in self._flying:
            # Two commands at once for one call: one of them is refused, sometimes both are executed.
            raise PortError(f"a command for call {wish.call} is still under way", retryable=True)

    def _dial(self, wish: OfferCall) -> dict[str, str]:
        return self._to(wish.call, var_context("acd-dial"), f"{wish.agent}_{wish.attempt}")

    async def _offer(self, wish: OfferCall, answer: Coroutine[Any, Any, AmiFrame] | None) -> None:
        """Wait for the outcome of the Redirect that left already, or ask, send and wait."""
        if answer is None:
            self._check(wish)
            self._flying[wish.call] = asyncio.Event()
        try:
            if answer is None:
                if wish.attempt > 1 or self._careful():
                    await self._require_waiting(wish.call)
                await self._until_released("Redirect")
                answer = self._manager.begin("Redirect", self._dial(wish))
            await self._outcome("Redirect", answer)
        finally:
            self._flying.pop(wish.call).set()

    async def _require_waiting(self, call: CallId) -> None:
        """Raise PortError unless the caller is in the waiting loop; on his way back he gets a moment."""
        await self._until_released("Getvar")
        stage = ""
        for _ in range(STAGE_TRIES):
            headers = {"Channel": self._caller(call), "Variable": var.ACD_STAGE}
            answer = await self._manager.action("Getvar", headers)
            if answer.name != "Success":
                raise PortError(f"Getvar: {answer.get('Message')}", retryable=False)
            stage = answer.get("Value")
            if stage == "wait":
                return
            await asyncio.sleep(STAGE_PAUSE_S)
        self.counters["callers_elsewhere"] += 1
        self._doubt()
        raise PortError(
            f"the caller of {call} does not wait, the stage is {stage or 'unknown'}", retryable=True
        )

    async def send_to_fallback(self, wish: SendToFallback) -> None:
        """Send the caller to acd-fallback; the reason is the extension if it can be one, else `wish`."""
        reason = wish.reason if _REASON.match(wish.reason) else "wish"
        await self._redirect_after_others(wish.call, "acd-fallback", reason)

    async def move_to_queue(self, wish: MoveToQueue) -> None:
        """Send the caller to acd-overflow, extension = the queue: he waits on there.

        Raises:
            PortError: surely not carried out: the caller waits on where he is.
        """
        if not _QUEUE.match(wish.queue):
            raise PortError(f"queue id {wish.queue!r} cannot be an extension", retryable=False)
        await self._redirect_after_others(wish.call, "acd-overflow", wish.queue)

    async def _redirect_after_others(self, call: CallId, context: str, extension: str) -> None:
        """Redirect once no other command for this call is under way; gives up after a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BUSY_WAIT_S):
                while (flying := self._flying.get(call)) is not None:
                    await flying.wait()
        if call in self._flying:
            raise PortError(f"a command for call {call} is still under way", retryable=True)
        done = self._flying[call] = asyncio.Event()
        try:
            await self._redirect(call, var_context(context), extension)
        finally:
            del self._flying[call]
            done.set()

    async def announce(self, wish: Announce) -> None:
        """Set the variable the waiting loop reads at its next turn: it plays the file and goes on."""
        if not _SOUND.match(wish.sound):
            raise PortError(f"{wish.sound!r} cannot be a sound file", retryable=False)
        headers = {"Channel": self._caller(wish.call), "Variable": var.ACD_SAY_FILE, "Value": wish.sound}
        await self._command("Setvar", headers)

    async def offer_callback(self, wish: OfferCallback) -> None:
        """Set the variable the waiting loop reads at its next turn. No Redirect, so it may overlap one."""
        headers = {"Channel": self._caller(wish.call), "Variable": var.ACD_OFFER_CALLBACK, "Value": "1"}
        await self._command("Setvar", headers)

    async def hang_up_stray_leg(self, wish: HangUpStrayLeg) -> None:
        """Hang up the agent's legs of this call; nothing to do when there is none."""
        for uniqueid in self._channels.legs_of(wish.call, wish.agent):
            await self._command("Hangup", {"Channel": uniqueid})

    async def transfer(self, wish: TransferCall) -> None:
        """Carry out what the agent at the desk asked for; each is one command of the `call` class.

        Handing on and asking are Redirects into the dialplan, which has a way back of its own. The end of asking
        is the end of one leg: the agent's (the target takes the caller) or the target's (the agent has him back).

        Raises:
            PortError: surely nothing was done.
        """
        if wish.call in self._flying:
            raise PortError(f"a command for call {wish.call} is still under way", retryable=True)
        if wish.to and not _TARGET.match(wish.to):
            raise PortError(f"target {wish.to[:40]!r} cannot be an extension", retryable=False)
        done = self._flying[wish.call] = asyncio.Event()
        try:
            if wish.how is TransferHow.BLIND:
                await self._redirect(wish.call, var_context("acd-transfer"), wish.to)
            elif wish.how is TransferHow.CONSULT:
                extra = {
                    "ExtraChannel": self._leg(
                        self._channels.talk_leg(wish.call, wish.agent), "the agent's leg"
                    ),
                    "ExtraContext": var_context("acd-consult-agent"),
                    "ExtraExten": wish.to,
                    "ExtraPriority": "1",
                }
                await self._redirect(wish.call, var_context("acd-consult"), wish.to, extra)
            elif wish.how is TransferHow.COMPLETE:
                leg = self._leg(self._channels.talk_leg(wish.call, wish.agent), "the agent's leg")
                await self._command("Hangup", {"Channel": leg})
            else:
                await self._command(
                    "Hangup", {"Channel": self._leg(self._channels.asked_leg(wish.call), "the target")}
                )
        finally:
            del self._flying[wish.call]
            done.set()

    @staticmethod
    def _leg(uniqueid: str | None, what: str) -> str:
        if uniqueid is None:
            raise PortError(f"{what} is gone", retryable=False)
        return uniqueid

    def _caller(self, call: CallId) -> str:
        uniqueid = self._channels.uniqueid_of(call)
        if uniqueid is None:
            raise PortError(f"the caller of {call} is gone", retryable=False)
        return uniqueid

    async def _redirect(
        self, call: CallId, context: str, extension: str, extra: dict[str, str] | None = None
    ) -> None:
        await self._command("Redirect", self._to(call, context, extension) | (extra or {}))

    def _to(self, call: CallId, context: str, extension: str) -> dict[str, str]:
        return {"Channel": self._caller(call), "Context": context, "Exten": extension, "Priority": "1"}

    async def _until_released(self, name: str) -> None:
        try:
            async with asyncio.timeout(RELEASE_WAIT_S):
                await self._released.wait()
        except TimeoutError:
            raise PortError(f"{name}: not synced with Asterisk", retryable=True) from None

    async def _command(self, name: str, headers: dict[str, str]) -> None:
        await self._until_released(name)
        await self._outcome(name, self._manager.action(name, headers))

    async def _outcome(self, name: str, response: Coroutine[Any, Any, AmiFrame]) -> None:
        try:
            answer = await response
        except NoAnswer as doubt:
            self.counters["commands_unanswered"] += 1
            log.warning("%s: %s", name, doubt)
            return
        if answer.name == "Success":
            self.counters["commands_ok"] += 1
            return
        message = answer.get("Message")
        if message.startswith(SURE_REFUSALS):
            self.counters["commands_refused"] += 1
            raise PortError(f"{name}: {message}", retryable=False)
        self.counters["commands_doubtful"] += 1
        log.warning("%s: doubtful answer %r", name, message)


async def _raised(failed: PortError) -> None:
    raise failed


def var_context(name: str) -> str:
    """Return a context of the dialplan contract; a name that is not in it is our own mistake."""
    if name not in var.CONTEXTS:
        raise ValueError(f"{name} is no context of the dialplan")
    return name


class Heartbeat:
    """One `Setvar` a second that tells the dialplan the daemon is alive, synced and hears Asterisk.

    It runs in the event loop itself, so a stuck loop stops it, and the callers go to the fallback. The
    value is the boot nonce and a counter: compared for equality only, so no clock is involved.

    Args:
        manager: the connection.
        released: set while we are synced.
        on_gap: told when the loop slept for more than two seconds, or another daemon has served for longer;
            nothing is sent then.
        twins: looks for another daemon before each beat.
    """

    def __init__(
        self,
        manager: Manager,
        released: asyncio.Event,
        on_gap: Callable[[], None] = lambda: None,
        *,
        every_s: float = 1.0,
        twins: TwinWatch | None = None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.nonce = secrets.token_hex(4) if twins is None else twins.nonce
        self._twins = twins
        self._manager, self._released, self._on_gap, self._every_s = manager, released, on_gap, every_s

    async def run(self) -> None:
        """Beat until cancelled."""
        loop = asyncio.get_running_loop()
        count = 0
        last = loop.time()
        while True:
            now = loop.time()
            slept, last = now - last - self._every_s, now
            if slept > LOOP_GAP_S:
                self.counters["gaps"] += 1
                self._on_gap()
            elif self._released.is_set():
                count = await self._beat(count)
            spent = loop.time() - now
            await asyncio.sleep(max(0.0, self._every_s - spent))

    async def _beat(self, count: int) -> int:
        """Beat; return the number of the last beat."""
        limit = self._every_s * 0.9
        try:
            if self._manager.read_age_s > self._every_s:
                await self._manager.action("Ping", (), limit)  # heard nothing lately: ask, do not assume
            if self._twins is not None and await self._twins.must_yield(count, limit):
                self.counters["yielded"] += 1
                self._on_gap()
            if not self._released.is_set():
                return count
            count += 1
            value = f"{self.nonce}-{count}"
            answer = await self._manager.action(
                "Setvar", {"Variable": var.ACD_HEARTBEAT, "Value": value}, limit
            )
        except PortError:
            self.counters["missed"] += 1
            return count
        self.counters["beats" if answer.name == "Success" else "refused"] += 1
        return count
