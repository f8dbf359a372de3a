"""One life of the daemon: the production classes, wired as acd.house wires them, in a modelled process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from acd.adapters.asterisk.channels import EVENTS, Translator
from acd.adapters.asterisk.connection import AmiConnection
from acd.adapters.asterisk.link import AmiSettings
from acd.adapters.asterisk.resync import Synchroniser
from acd.adapters.asterisk.switch import AsteriskSwitch, Heartbeat
from acd.adapters.asterisk.twin import TwinWatch
from acd.adapters.service import LoopWatch
from acd.core.engine import Engine
from acd.core.events import Fact, LiveAgent
from acd.core.ids import Did, QueueId, SubscriberId
from acd.factlog import FactLog
from acd.journalfeed import JournalFeed
from acd.notegate import NoteGate
from acd.runner import Runner
from agi_scripts.enter_queue import EnterQuestion
from agi_scripts.route_did import NumberPlan
from simulator.virtual.disk import Disk, Store, Tailer
from simulator.virtual.ledger import make_dialler

if TYPE_CHECKING:
    from acd.core.effects import Effect
    from acd.core.ids import Ani
    from acd.core.policy import Policy
    from acd.wire.ami import AmiFrame
    from simulator.virtual.loop import Process
    from simulator.virtual.walk import Walk
    from simulator.virtual.world import World


class Pops:
    """Screens that take everything."""

    async def _take(self, *_: Any) -> None:
        """Take it."""

    show = confirm = withdraw = open_wrap_up = close_wrap_up = publish_snapshot = _take


class WorldClock:
    """The daemon's timeline: the wall when it started, then its own monotonic time."""

    def __init__(self, world: World) -> None:
        self._offset = world.wall_ms() - world.loop_ms()
        self._world = world

    def now(self) -> int:
        """Return milliseconds."""
        return self._offset + self._world.loop_ms()


class Daemon:
    """Made when the process starts; nothing of it outlives the process but the disk."""

    def __init__(
        self, world: World, process: Process, disk: Disk, policy: Policy, chance: Random, life: str
    ) -> None:
        self.world, self.process, self.disk = world, process, disk
        self.clock = WorldClock(world)
        self.life = life
        self.store = Store(disk)
        self.engine = Engine(policy)
        self.translator = Translator({agent: f"PJSIP/{agent}" for agent in world.phones})
        self.gate = NoteGate()
        nonce = f"{chance.getrandbits(32):08x}"
        self.twins = TwinWatch(
            lambda: self.ami,
            nonce=nonce,
            former=disk.nonce,
            on_shared=self._another_served,
        )
        disk.nonce = nonce
        self.sync = Synchroniser(
            self.translator,
            self._tell,
            self.clock,
            known_agents=self._known_agents,
            read_calls=self._read_calls,
            read_journal=self._read_journal,
            alone=self.twins.look,
        )
        self.journal = JournalFeed(
            (Tailer(world.journal, self.store),),  # type: ignore[arg-type]  # the part of JournalTailer that is used
            self.gate,
            self.engine,
            self.clock,
            inbox=self._tell,
            store=self.store,
            resync=self.sync.suspect,
        )
        settings = AmiSettings("acd", "secret", interest=EVENTS)
        self.ami = AmiConnection(settings, self._on_event, self.sync.on_state)
        self.ami._random = Random(chance.random())  # noqa: SLF001 - jitter by the seed
        self.sync.attach(self.ami)
        self.switch = AsteriskSwitch(
            self.ami, self.translator, self.sync.released, self.sync.ask_audit, self.twins.careful
        )
        self.heartbeat = Heartbeat(self.ami, self.sync.released, self.sync.suspect, twins=self.twins)
        self.watch = LoopWatch(self.sync.suspect)
        self.runner = Runner(
            self.engine,
            self.clock,
            FactLog(None),
            switch=self.switch,
            pops=Pops(),
            store=self.store,
            ask_sync=self.sync.ask_audit,
        )
        self.runner.observe(self._watch_step)
        self.door = self._make_door()
        self.callbacks = make_dialler(world, self)

    def _make_door(self) -> EnterQuestion:
        numbers = {
            Did(did): NumberPlan(QueueId(queue), SubscriberId(queue), ring_s=ring_s, max_waiting=50)
            for did, queue, ring_s in self.world.numbers
        }
        return EnterQuestion(
            numbers=lambda: numbers, directory=self, next_card_number=self.store.next_card_number
        )

    async def find(self, ani: Ani, did: Did, quoted: str = "", call: str = "") -> Mapping[str, object]:  # noqa: ARG002
        """The directory: slow now and then, over the budget even."""
        await asyncio.sleep(self.disk.chance.uniform(0.0, 0.25))
        return {}

    async def run(self) -> None:
        """What acd.house runs; a task that breaks ends all."""
        async with asyncio.TaskGroup() as group:
            for work in (
                self.runner.run(), self.ami.run(), self.sync.run(), self.heartbeat.run(), self.watch.run(),
                self.journal.run(), *self._dialling(),
            ):  # fmt: skip
                group.create_task(work)

    def _dialling(self) -> Sequence[Coroutine[Any, Any, None]]:
        """A second daemon has a ledger of its own, which the oracle does not read (decision 0232): it dials nobody here."""
        return (self.callbacks.run(),) if self.disk is self.world.disk else ()

    # --- between the parts, as in acd.house ---------------------------------------------------------

    def _tell(self, fact: Fact) -> None:
        self.runner.tell(fact)

    def _another_served(self) -> None:
        self.callbacks.another_served()

    def _on_event(self, frame: AmiFrame) -> None:
        self.journal.hear(frame)
        self.sync.on_event(frame)

    async def _known_agents(self) -> Sequence[LiveAgent]:
        kept = {agent.agent: agent for agent in await self.store.load_agents()}
        return [kept.get(agent) or LiveAgent(agent, logged_in=False) for agent in self.world.phones]

    async def _read_calls(self) -> None:
        await self.journal.catch_up_calls()

    async def _read_journal(self) -> None:
        await self.journal.catch_up()

    # --- watching ------------------------------------------------------------------------------------

    def _watch_step(self, fact: Fact, wishes: tuple[Effect, ...]) -> None:
        self.world.stepped(self, fact, wishes)


class Question:
    """One FastAGI session of the model: what AgiSession promises, with a server that may die half-way."""

    def __init__(self, walk: Walk, dies_after: int | None) -> None:
        self.walk = walk
        self.open = True
        self._left = dies_after
        call, did, ani = walk.call, walk.vars["ACD_DID"], walk.vars["ACD_ANI"]
        self.request = {"agi_arg_1": call, "agi_arg_2": did, "agi_arg_3": ani}

    def close(self) -> None:
        """The server is done or dead: to the dialplan both look like SUCCESS."""
        if self.open:
            self.open = False
            self.walk.answered_question()

    async def get(self, name: str) -> str:
        """Return a channel variable."""
        await asyncio.sleep(0.0005)
        return self.walk.vars.get(name, "")

    async def set_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Set several, in order; the link may break between two."""
        await asyncio.sleep(0.0005)
        for name, value in pairs:
            if self._left == 0:
                self.close()
            if not self.open:
                raise ConnectionResetError("the caller or the link is gone")
            if self._left is not None:
                self._left -= 1
            self.walk.vars[name] = value

    async def answer(self, door: EnterQuestion) -> None:
        """Run the script on this session."""
        try:
            await door(self)  # type: ignore[arg-type]  # the half of AgiSession which the door uses
        except ConnectionResetError:
            return
        finally:
            self.close()
