"""Who makes the calls: one interface, two switches under it (the stand-in, real Asterisk with SIPp)."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from simulator.centre.config import CentreSpec
from simulator.centre.oracle import Truth
from simulator.standin import Number, Phone, StandIn
from simulator.standin.dialplan import Caller, CallTask

AMI_SECRET = "stand-in-secret"  # noqa: S105 - guards a loopback port for the length of a demo


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call to be made. `start_s` counts from the beginning of the run."""

    start_s: float
    did: str
    ani: str
    name: str
    patience_s: float
    talk_s: float
    ringing_s: float | None = None
    """Hangs up so long after a phone rang first, in the talk or just before it."""
    takes_callback: bool = False
    """Presses 1 when offered to be called back."""


@dataclass(frozen=True, slots=True)
class PhonePlan:
    """How every agent's phone behaves."""

    answer_after_s: float = 0.4
    talk_s: tuple[float, float] = (2.0, 6.0)
    """How long an agent talks before hanging up (real phones; on the stand-in the caller hangs up)."""


def plan_calls(
    spec: CentreSpec,
    count: int,
    rate_per_s: float,
    seed: int,
    *,
    talk_s: tuple[float, float] = (2.0, 6.0),
    impatient_share: float = 0.05,
) -> list[PlannedCall]:
    """Draw calls: exponential gaps, firms in turn by lot, unique numbers, a few who hang up early."""
    rng = random.Random(seed)
    names = ("Иванов Пётр", "Мария Ким", "John Smith", 'O"Hara <x>', "Кузнецова Анна", "")
    calls, at = [], 0.0
    for n in range(count):
        at += rng.expovariate(rate_per_s)
        calls.append(
            PlannedCall(
                start_s=at,
                did=rng.choice(spec.dids),
                ani=f"+7916{(seed + n // 10_000) % 1000:03d}{n % 10_000:04d}",
                name=rng.choice(names),
                patience_s=rng.uniform(0.1, 3.0) if rng.random() < impatient_share else 60.0,
                talk_s=rng.uniform(*talk_s),
            )
        )
    return calls


class Driver(Protocol):
    """A switch with callers and agents' phones."""

    async def open(self, spec: CentreSpec) -> None:
        """Start the switch and fill in the ports and secrets of `spec`."""

    async def make(self, calls: Sequence[PlannedCall], on_end: Callable[[], None]) -> list[Truth]:
        """Make the calls at their times; return what happened to each once all are over."""

    def silence(self, numbers: Collection[str]) -> None:
        """Of the numbers that are called back, some do not answer; which ones the switch decides as it can."""

    def rung(self) -> Counter[str]:
        """How often each number was called back."""

    async def close(self) -> None:
        """Stop the switch and everything started."""

    @property
    def version(self) -> str:
        """What switch this is."""


class StandInDriver:
    """Callers and phones on the stand-in, in this process."""

    version = "stand-in of 22.10.1"

    def __init__(self, phones: PhonePlan | None = None) -> None:
        self._phones = phones or PhonePlan()
        self.world: StandIn | None = None

    async def open(self, spec: CentreSpec) -> None:
        """Start the stand-in."""
        self.world = StandIn(
            spec.directory / "asterisk",
            agi=("127.0.0.1", spec.agi_port),
            users={"acd": AMI_SECRET, "acd-callback": AMI_SECRET},
            phones=[Phone(a, a, answer_after_s=self._phones.answer_after_s) for a in spec.agent_ids],
            ring_s=spec.ring_timeout_s,
        )
        spec.ami_port = await self.world.start(spec.ami_port)
        spec.ami_secret = spec.callback_secret = AMI_SECRET
        spec.queue_log = Path(self.world.queue_log.path)

    async def make(self, calls: Sequence[PlannedCall], on_end: Callable[[], None]) -> list[Truth]:
        """Place every call at its time and wait for its end."""
        world = self.world
        assert world is not None, "open() comes first"  # noqa: S101 - a programmer's error
        begun = time.monotonic()

        async def one(plan: PlannedCall) -> Truth:
            await asyncio.sleep(max(0.0, plan.start_s - (time.monotonic() - begun)))
            task = world.place_call(Caller(plan.did, plan.ani, plan.name, plan.patience_s, plan.talk_s))
            task.takes_callback = plan.takes_callback
            if plan.ringing_s is not None:
                await _hang_up_ringing(task, plan.ringing_s)
            await task.done.wait()
            on_end()
            return truth_of(task)

        return list(await asyncio.gather(*(one(plan) for plan in calls)))

    def silence(self, numbers: Collection[str]) -> None:
        """These numbers ring for ever when they are called back; all others answer."""
        assert self.world is not None, "open() comes first"  # noqa: S101 - a programmer's error
        self.world.numbers.update({number: Number(answer_after_s=None) for number in numbers})

    def rung(self) -> Counter[str]:
        """How often each number was called back."""
        return Counter(self.world.dialled if self.world else ())

    async def unplug(self, agents: Sequence[str]) -> None:
        """Take these agents' phones from the network."""
        for agent in agents:
            if self.world is not None:
                self.world.set_registered(agent, registered=False)

    async def plug(self, agents: Sequence[str]) -> None:
        """Put them back."""
        for agent in agents:
            if self.world is not None:
                self.world.set_registered(agent, registered=True)

    async def close(self) -> None:
        """Stop the stand-in."""
        if self.world is not None:
            await self.world.stop()


async def _hang_up_ringing(task: CallTask, ringing_s: float) -> None:
    while not task.ring_s and not task.done.is_set():  # noqa: ASYNC110 - ends with the call
        await asyncio.sleep(0.01)
    await asyncio.sleep(ringing_s)
    task.hang_up("caller")


def truth_of(task: CallTask) -> Truth:
    """Return what the stand-in saw of one call."""
    agent, answered_s = task.answered[-1] if task.answered else ("", None)
    return Truth(
        ani=task.channel.variables["ACD_ANI"],
        did=task.channel.variables["ACD_DID"],
        entered_s=task.entered_s,
        outcome=task.outcome,
        answered_by=agent,
        answered_s=answered_s,
        rings=list(task.ring_s),
    )
