"""The daemon's parts, made and wired by hand. `open` → `run` → `close`; acd.daemon decides when.

Reading order: `__init__` makes the core and its edges, `open` starts what may fail, `run` keeps the
tasks and makes what no call needs once calls are routed (acd.edges), acd.health says in plain words what does not work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import structlog

from acd import assembly, clockwork, health, numberfacts, retention_files
from acd.adapters.asterisk.channels import EVENTS, Translator
from acd.adapters.asterisk.connection import DOWN, REFUSED, AmiConnection
from acd.adapters.asterisk.recording import AsteriskRecording
from acd.adapters.asterisk.resync import Synchroniser
from acd.adapters.asterisk.switch import AsteriskSwitch, Heartbeat
from acd.adapters.asterisk.twin import TwinWatch
from acd.adapters.asterisk.wall import AsteriskWall
from acd.adapters.clock import SystemClock
from acd.adapters.http.services import HttpServices
from acd.adapters.mqtt import MqttScreenPop
from acd.adapters.service import LoopWatch
from acd.adapters.spool import Spool, SpoolItem
from acd.adapters.store.audit_notes import AuditNotes
from acd.adapters.store.card_queries import Cards
from acd.adapters.store.journal_store import HEARD
from acd.adapters.store.retention import run_daily
from acd.adapters.store.sqlite import SqliteStore
from acd.config.callbacks import ledger_rules
from acd.config.labels import labels_of
from acd.core.effects import WriteCallCard
from acd.core.engine import Engine
from acd.core.events import LiveAgent
from acd.core.ids import AgentId, CallId
from acd.core.instant import HOUR_MS
from acd.core.weighted import WeightedMatcher
from acd.deskside.callback_line import RouterLine
from acd.deskside.callbacks import CallbackDialler
from acd.deskside.phones import WebPhones
from acd.deskside.side import DeskSide
from acd.deskside.transfers import TransferDesk
from acd.deskside.work import WorkDesk, works_for
from acd.door import Door, LastTalks
from acd.edges import Edges
from acd.factlog import FactLog
from acd.journalfeed import JournalFeed
from acd.notegate import NoteGate
from acd.pops import PopBook
from acd.ports import PortError
from acd.recording import RecordingWatch
from acd.runner import Runner
from acd.sidework import SideWork
from acd.watches import ClockWatch, DiskWatch, DoorWatch

if TYPE_CHECKING:
    from acd.config.loading import Config
    from acd.core.snapshot import CallView, Snapshot
    from acd.desk.project import Project
    from acd.deskside.house import DeskHouse
    from acd.ports import Clock
    from acd.wire.ami import AmiFrame
    from agi_scripts.route_did import Numbers

log = structlog.get_logger("acd.house")

DAY_MS = 24 * HOUR_MS
CLOSE_S = 5.0
STORE_CLOSE_S = 15.0
"""The store writes or spills what waits; see Writer.close."""
CALLS_FIRST_S = 3.0
"""How long what no call needs waits for the calls; a switch that is not there is not waited for."""


class House:
    """Everything a running daemon consists of."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self._started_with = config.tree
        self._kept: dict[AgentId, LiveAgent] | None = None
        """Agents' status as an earlier life of ours left it; from then on the core knows better."""
        self._no_link, self._broker_up, self.complete = asyncio.Event(), asyncio.Event(), asyncio.Event()
        """Asterisk did not let us in at the first try; the broker can be spoken to; everything is made, HTTP answers."""
        self.engine = Engine(config.policy, WeightedMatcher())
        self.store = SqliteStore(
            config.path(config.tree.store.path),
            clock,
            destinations=("webhook",) if config.tree.webhook else (),
            ballast_bytes=config.tree.store.ballast_mib * 2**20,
            normalise=partial(numberfacts.normalise, home_region=config.tree.centre.region),
            ledger_rules=ledger_rules(config.tree.callbacks, config.tree.centre.region),
        )
        self.book, self.side = PopBook(), SideWork()
        self.desk = self._make_desk()
        self.page = self._make_page()
        self.work = self._make_work(self.desk) if self.desk else None
        self._make_switch_side()
        self._make_edges()

    def _make_switch_side(self) -> None:
        """Asterisk: live feed, journal, commands, heartbeat."""
        config, clock = self.config, self.clock
        self.translator = Translator(self._devices())
        self.gate = NoteGate()
        self.twins = TwinWatch(lambda: self.ami, on_shared=self._another_served)
        self.sync = Synchroniser(
            self.translator,
            self._tell,
            clock,
            known_agents=self._known_agents,
            on_told=self._heard,
            read_calls=self._read_calls,
            read_journal=self._read_journal,
            alone=self.twins.look,
        )
        self.journal = JournalFeed(
            assembly.tailers(config, self.store),
            self.gate,
            self.engine,
            clock,
            inbox=self._tell,
            store=self.store,
            resync=self.sync.suspect,
            keep_heard=lambda rows: self.store.commit_rows(HEARD, rows, None),
        )
        settings = assembly.ami_settings(config, interest=EVENTS)
        self.ami = AmiConnection(settings, self._on_event, self._on_link)
        self.sync.attach(self.ami)
        self.switch = AsteriskSwitch(
            self.ami, self.translator, self.sync.released, self.sync.ask_audit, self.twins.careful
        )
        self.callbacks = self._make_dialler()
        self.recording = self._make_recording()
        self.heartbeat = Heartbeat(self.ami, self.sync.released, self.sync.suspect, twins=self.twins)
        self.watch = LoopWatch(self.sync.suspect)
        self.pops = MqttScreenPop(assembly.mqtt_settings(config), clock, self._tell, self.book)
        self.runner = Runner(
            self.engine,
            clock,
            FactLog(
                config.path(config.tree.store.fact_log) / "facts.jsonl",
                max_age_ms=config.tree.retention.facts_days
                * DAY_MS
                // 2,  # rotated files live the other half
            ),
            switch=self.switch,
            pops=self.pops,
            store=self.store,
            dossier=self.page.dossier,
            ask_sync=self.sync.ask_audit,
        )
        self.ami.after_events = self.runner.drain

    def _make_dialler(self) -> CallbackDialler:
        return CallbackDialler(
            lambda: self.config,
            self.store,
            self.clock,
            RouterLine(self.engine, self.clock, self.ami, self.translator),
            self.sync.released,
            assembly.callback_caller(self.config),
            told=lambda: self.journal.settled and not self.store.cards_wait,
        )

    def _make_edges(self) -> None:
        """Everything that is neither core nor switch."""
        config, clock = self.config, self.clock
        self.watches = self._make_watches()
        self.edges = Edges(config, self.store, clock)
        self.audit = AuditNotes(self.store.writer, config.path(config.tree.store.path), clock)
        self.spool = Spool(
            config.path(config.tree.asterisk.spool), {"CallbackChosen": self._spooled_callback}
        )
        self.removed_files = retention_files.FileCounters()
        self.hours = clockwork.Hours(lambda: self.config, clock, self._tell)
        self.door = self._make_door()
        talks = self.door.talks() | (self.desk.talks() if self.desk else {})
        self.agi = assembly.agi_server(config, self.door.routes(), talks, self._tell)
        wall = AsteriskWall(self.ami)
        self.transfers = TransferDesk(lambda: self.config, self.snapshot, self._project, clock, wall.refused)
        self.runner.observe(self.transfers.observe)
        self.runner.observe(self._count_cards)
        if self.work is not None:
            self.runner.observe(self.work.observe)

    # --- making ----------------------------------------------------------------------------------

    def _make_recording(self) -> RecordingWatch:
        return RecordingWatch(
            lambda: self.config.tree.recording,
            lambda: self.config.path(self.config.tree.recording.directory),
            AsteriskRecording(self.ami, self.translator),
            lambda: self.snapshot().calls,
            self.sync.released,
            self.clock,
            self.store.writer,
        )

    def _make_watches(self) -> dict[str, DoorWatch | DiskWatch | ClockWatch]:
        door = DoorWatch(self.clock)
        self.runner.observe(door.observe)
        watches: dict[str, DoorWatch | DiskWatch | ClockWatch] = {
            "door": door,
            "disk": DiskWatch(self.config.state_dir, ballast_given_up=lambda: self.store.ballast_given_up),
        }
        if isinstance(self.clock, SystemClock):
            watches["clock"] = ClockWatch(self.clock.wall_drift_ms)
        return watches

    def _make_desk(self) -> DeskHouse | None:
        if self.config.tree.projects is None:
            return None
        from acd.deskside.house import DeskHouse  # its libraries are many: only where there is a desk

        talks = LastTalks(self.store, self.clock, self._numbers)
        caller = assembly.callback_caller(self.config)
        return DeskHouse(lambda: self.config, self.store, self.clock, talks, caller)

    def _make_work(self, desk: DeskHouse) -> WorkDesk:
        return WorkDesk(
            self.store,
            desk.cases,
            self._tell,
            self.engine.room_for,
            lambda: self.config.tree.agents,
            lambda agent: works_for(self.config.policy, agent, desk.projects().good.values()),
        )

    def _make_page(self) -> DeskSide:
        more = self.desk.pop if self.desk else lambda _wish: {}
        return DeskSide(
            lambda: self.config,
            self.snapshot,
            self.call_view,
            self.book,
            self.store,
            Cards(self.store),
            self._project,
            more=more,
            **(self.desk.for_page() if self.desk else {}),
        )

    def _project(self, queue: str) -> Project | None:
        """The project a queue belongs to, if the centre has projects."""
        return self.desk.projects().of_queue(queue) if self.desk else None

    def _make_door(self) -> Door:
        directory = self.desk or LastTalks(self.store, self.clock, self._numbers)
        return Door(
            lambda: self.config,
            self.call_view,
            self.engine.waiting,
            self.clock,
            directory,
            self.store.next_card_number,
        )

    def _numbers(self) -> Numbers:
        return self.door.numbers()

    def _services(self) -> HttpServices:
        mqtt = self.config.tree.mqtt
        return HttpServices(
            clock=self.clock,
            inbox=self._tell,
            snapshot=self.snapshot,
            labels=lambda: labels_of(self.config, health.lines(self.troubles()), self.callbacks.owed),
            callbacks=self.callbacks,
            downstream=None if self.config.tree.webhook is None else self.edges,
            explain=self.explain,
            call_of_channel=self.translator.call_of,
            pops=self.book,
            cards=Cards(self.store),
            desk=self.page,
            phones=WebPhones(lambda: self.config),
            recording=self.recording,
            transfers=self.transfers,
            public_desk=self.desk.public if self.desk else None,
            work=self.work,
            firm_desk=self.desk.firm if self.desk else None,
            open_broker=None if mqtt.url else lambda: asyncio.open_connection(mqtt.host, mqtt.port),
            troubles=self.troubles,
            minor=health.MINOR,
            gauges=self.gauges,
            audit=self.audit,
        )

    def _devices(self) -> dict[AgentId, str]:
        return {AgentId(name): self.config.dial(AgentId(name)) for name in self.config.tree.agents}

    def _tell(self, fact: object) -> None:
        """The inbox given to adapters; the runner is made after them."""
        self.runner.tell(fact)  # type: ignore[arg-type]  # the Inbox protocol promises a Fact

    # --- life ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start what can fail at once. Raises PortError with what to do."""
        self.callbacks.remember(self.config.state_dir / "another-served")
        self.edges.take_ports()
        await self.store.open()
        agi = self.config.tree.asterisk.agi
        try:
            await self.agi.start(agi.host, agi.port)
        except OSError as taken:
            raise PortError(
                f"FastAGI cannot listen on {agi.host}:{agi.port}: {taken.strerror}", retryable=True
            ) from taken
        # last: a start that fails leaves no trace, for the next one must know the beat that still stands as our own
        self.twins.remember(self.config.state_dir / "heartbeat")

    async def run(self) -> None:
        """Keep every task until cancelled; one of the calls' own that breaks ends all, one beside them is begun again."""
        tasks = {
            "runner": self.runner.run(),
            "ami": self.ami.run(),
            "sync": self.sync.run(),
            "heartbeat": self.heartbeat.run(),
            "watch": self.watch.run(),
            "pops": self._pops(),
            "hours": self.hours.run(),
            "journal": self.journal.run(),
        }
        async with asyncio.TaskGroup() as group:
            for name, work in tasks.items():
                group.create_task(work, name=name)
            for name, make in self._beside_the_calls().items():
                group.create_task(self.side.keep(name, make), name=name)
            await self._calls_first()
            for name, late in (await self.edges.open(self._services(), self.side, self._broker_up)).items():
                group.create_task(late, name=name)
            self.complete.set()

    async def _calls_first(self) -> None:
        """Wait until calls are routed, or until it is plain that none can be yet."""
        waits = [asyncio.create_task(event.wait()) for event in (self.sync.released, self._no_link)]
        try:
            await asyncio.wait(waits, timeout=CALLS_FIRST_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _on_link(self, state: str) -> None:
        self.sync.on_state(state)
        if state in (DOWN, REFUSED):
            self._no_link.set()

    async def _pops(self) -> None:
        """The link to the broker, which may be our own."""
        await self._broker_up.wait()
        await self.pops.run()

    def _beside_the_calls(self) -> dict[str, Callable[[], Awaitable[None]]]:
        rules = assembly.retention_rules(self.config)
        work: dict[str, Callable[[], Awaitable[None]]] = {
            "callbacks": self.callbacks.run,
            "recording": self.recording.run,
            "spool": self.spool.run,
            "audit": self.audit.run,
            "old files": lambda: retention_files.run_daily(
                lambda: assembly.kept_files(self.config), self.clock, self.removed_files
            ),
            "retention": lambda: run_daily(self.store.writer, rules, self.clock),
            "snapshots": lambda: clockwork.publish_snapshots(self.snapshot, self.pops),
        }
        if self.work is not None:
            work["written work"] = self.work.run
        return work | (self.desk.tasks() if self.desk is not None else {})

    async def close(self) -> None:
        """Close everything, whatever state it is in: one rung that fails or hangs does not keep the others."""
        self.edges.stop_webhook()
        self.ami.close()
        await self._close_one("agi", self.agi.close())
        await self._close_one("http", self.edges.stop_http())
        await self._close_one("pops", self.pops.stop())
        await self._close_one("broker", self.edges.stop_broker())
        if self.desk is not None:
            await self._close_one("desk", self.desk.close())
        self.journal.close()
        self.runner.close()
        await self._close_one("store", self.store.close(), STORE_CLOSE_S)

    async def _close_one(self, name: str, work: Awaitable[None], limit_s: float = CLOSE_S) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await work
        except Exception:  # the others must still be closed
            log.exception("could_not_close", part=name)

    def reconfigure(self, config: Config) -> None:
        """Take a new, good configuration: what can change without a restart does."""
        people = assembly.principals(config)  # may raise ConfigError: then nothing has changed
        self.config = config
        self.translator.set_devices(self._devices())
        self.edges.replace_principals(people)

    def needs_restart(self) -> list[str]:
        """Sections whose change only a restart takes: connections and places of files."""
        now, then = self.config.tree, self._started_with
        names = ("state_dir", "asterisk", "store", "mqtt", "http", "webhook", "log", "callbacks")
        return [name for name in names if getattr(now, name) != getattr(then, name)]

    def _count_cards(self, _fact: object, wishes: Sequence[object]) -> None:
        for wish in wishes:
            if isinstance(wish, WriteCallCard):
                self.edges.call_finished(wish.card)

    # --- between the parts -----------------------------------------------------------------------

    def _on_event(self, frame: AmiFrame) -> None:
        self.sync.on_event(frame)

    def _heard(self, frame: AmiFrame) -> None:
        """An event was told; the feed is made after the synchroniser."""
        self.journal.hear(frame)

    def _another_served(self) -> None:
        """Another daemon did until now; the dialler is made after the watch."""
        self.callbacks.another_served()

    async def _known_agents(self) -> Sequence[LiveAgent]:
        """Status of every configured agent: as kept, else logged out."""
        if self._kept is None:
            try:
                self._kept = {agent.agent: agent for agent in await self.store.load_agents()}
            except PortError as refused:  # routing goes on: everybody logs in again
                log.warning("agents_not_known", reason=str(refused))
        kept = self._kept or {}
        return [
            kept.get(AgentId(name)) or LiveAgent(AgentId(name), logged_in=False)
            for name in self.config.tree.agents
        ]

    async def _read_calls(self) -> None:
        """What the journal knows of calls; the feed is made after the synchroniser."""
        await self.journal.catch_up_calls()

    async def _read_journal(self) -> None:
        """The journal's tail before anything is offered."""
        await self.journal.catch_up()

    async def _spooled_callback(self, item: SpoolItem) -> None:
        """A number left for a call back while we were down: a task of the missed-call ledger."""
        at = self.clock.now() if item.at is None else item.at
        await self.store.note_spooled_callback(item.call, item.text("number"), at)

    # --- views -----------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The centre now."""
        return self.engine.snapshot(self.clock.now())

    def call_view(self, call: CallId) -> CallView | None:
        """One call now, without looking at all the others."""
        return self.engine.call_view(call, self.clock.now())

    def explain(self, call: str) -> Sequence[str] | None:
        """Why this agent, why it waits; None for an unknown call."""
        return self.engine.explain(CallId(call), self.clock.now()) or None

    def troubles(self) -> dict[str, str]:
        """What does not work, by name, in plain words; empty when all is well."""
        return health.troubles(self)

    def gauges(self) -> dict[str, float]:
        """Figures for the metrics; no personal data."""
        return health.gauges(self)
