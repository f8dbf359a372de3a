"""Callers and agents of the virtual centre: what they do by themselves, drawn from the seed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from acd.core.ids import AgentId

if TYPE_CHECKING:
    from simulator.standin.channels import Channel
    from simulator.virtual.world import World

FOR_EVER_S = 10_000.0


@dataclass(slots=True)
class Caller:
    """One caller. Durations in seconds."""

    patience_s: float
    talk_s: float
    chance: Random = field(repr=False)
    takes_callback: bool = False
    cancels_at_answer: bool = False
    holds: bool = False

    @classmethod
    def draw(cls, chance: Random, own: Random) -> Caller:
        """A caller like any other; some never lose patience, some hang up just as the agent answers."""
        patience = FOR_EVER_S if chance.random() < 0.4 else chance.uniform(0.05, 25.0)
        return cls(
            patience_s=patience,
            talk_s=chance.uniform(0.2, 5.0),
            chance=own,
            takes_callback=chance.random() < 0.12,
            cancels_at_answer=chance.random() < 0.1,
            holds=chance.random() < 0.1,
        )

    def ending(self) -> str:
        """Who ends the talk."""
        draw = self.chance.random()
        if draw < 0.06:
            return "leg dies"
        if draw < 0.12:
            return "transfer"
        return "caller" if draw < 0.55 else "agent"


class Phone:
    """An agent's phone. With `waiting` it rings beside a call in hand; only the dialplan's guard stops that."""

    def __init__(self, agent: AgentId, chance: Random, *, waiting: bool = False) -> None:
        self.agent = agent
        self.waiting = waiting
        self.registered = True
        self.legs: list[str] = []
        """Calls whose legs it has."""
        self.own: Channel | None = None
        """A call of the agent's own."""
        self._chance = chance

    @property
    def busy(self) -> bool:
        """Whether another call would get a busy tone."""
        return bool(self.legs) or self.own is not None

    @property
    def state(self) -> str:
        """Asterisk's word for the device."""
        if not self.registered:
            return "UNAVAILABLE"
        return "INUSE" if self.busy else "NOT_INUSE"

    def mood(self) -> tuple[str, float]:
        """What the agent does with a ringing phone: answer, silent, reject; and after how long."""
        draw = self._chance.random()
        if draw < 0.08:
            return "silent", FOR_EVER_S
        if draw < 0.13:
            return "reject", self._chance.uniform(0.1, 2.0)
        return "answer", self._chance.uniform(0.05, 3.5)


class Person:
    """An agent: logs in, pauses, calls by himself, comes back when paused for not answering."""

    def __init__(self, world: World, phone: Phone, chance: Random) -> None:
        self.world, self.phone, self._chance = world, phone, chance
        self.paused = False

    async def run(self) -> None:
        """Work until the day is calm, then stay at the phone."""
        while not self.feature("login"):
            await asyncio.sleep(0.5)
        while True:
            await asyncio.sleep(self._chance.uniform(2.0, 9.0))
            if self.world.calm:
                self.settle()
            else:
                self._something()

    def settle(self) -> None:
        """Be there: no pause, no own call."""
        if self.paused or self.world.is_paused(self.phone.agent):
            self.feature("resume")
        self._end_own_call()

    def feature(self, action: str, reason: str = "") -> bool:
        """Dial a feature code; needs a living switch and a registered phone."""
        switch = self.world.switch
        if switch is None or not switch.alive:
            return False
        switch.note("AcdFeature", None, self.phone.agent, {"action": action, "reason": reason})
        self.paused = action == "pause"
        return True

    def _something(self) -> None:
        draw = self._chance.random()
        if self.phone.own is not None:
            self._end_own_call()
        elif self.paused or self.world.is_paused(self.phone.agent):
            self.feature("resume")
        elif draw < 0.15:
            self.feature("pause", "7")
        elif draw < 0.25:
            self.feature("wrapdone")
        elif draw < 0.35:
            self._own_call()

    def _own_call(self) -> None:
        switch = self.world.switch
        if switch is not None and switch.alive and self.phone.registered and not self.phone.busy:
            self.phone.own = switch.new_channel(self.phone.agent)
            switch.device_changed(self.phone)

    def _end_own_call(self) -> None:
        own, self.phone.own = self.phone.own, None
        switch = self.world.switch
        if own is not None and switch is not None and switch.alive:
            switch.drop_channel(own)
            switch.device_changed(self.phone)
