"""One run of the virtual world: one seed, one history.

A daemon made of production classes, a modelled Asterisk, callers and agents, faults for `FAULTS_S`
seconds, then calm. `run_seed` returns what was found; the checks are in simulator.virtual.checks.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from acd.core.events import DeadlinePassed
from acd.core.ids import AgentId, QueueId, SubscriberId
from acd.core.policy import AgentPolicy, Policy, QueuePolicy
from acd.ports import PortError
from simulator.virtual import faults
from simulator.virtual.asterisk import Asterisk
from simulator.virtual.backs import Backs
from simulator.virtual.checks import Checks
from simulator.virtual.daemon import Daemon, Question
from simulator.virtual.disk import Disk, Journal
from simulator.virtual.loop import Process, VirtualLoop
from simulator.virtual.net import Weather
from simulator.virtual.people import Caller, Person, Phone

if TYPE_CHECKING:
    from acd.core.effects import Effect
    from acd.core.events import Fact
    from simulator.virtual.back import BackWalk
    from simulator.virtual.walk import Walk

EPOCH_MS = 1_790_000_000_000
FAULTS_S = 35.0
"""Faults and new callers come for so long; then it is calm."""
LIVENESS_S = 60.0
"""Every caller reaches a terminal state so soon after the last fault."""
SETTLE_S = 15.0
"""Then cards are settled and wrap-ups end."""
SETTLED_S = 80.0
"""By then an audit has passed, lost phones are seen again, wrap-ups are over and all cards are written."""
DIALS_S = 25.0
"""So long after the last fault call-backs are still begun."""
MAX_WAIT_S = 25.0
RING_S = 4
TRACE_LIMIT = 4_000


@dataclass(slots=True)
class Odds:
    """What the switch does to a Redirect, and the link to a FastAGI question. Chances."""

    lost: float = 0.0
    late: float = 0.0
    refused: float = 0.0
    doubled: float = 0.0
    agi_dies: float = 0.0


@dataclass(slots=True)
class SeedResult:
    """What one seed showed."""

    seed: int
    problems: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    digest: str = ""
    trace: list[str] = field(default_factory=list)


def make_policy(agents: list[AgentId]) -> Policy:
    """Two queues, everybody may serve both; short times, so that much happens."""
    queues = tuple(
        QueuePolicy(
            QueueId(name),
            SubscriberId(name),
            ring_timeout_ms=RING_S * 1000,
            wrap_up_ms=1_500,
            max_wait_ms=round(MAX_WAIT_S * 1000),
        )
        for name in ("alpha", "beta")
    )
    return Policy(queues, tuple(AgentPolicy(agent) for agent in agents))


class World:
    """Everything of one run."""

    def __init__(self, seed: int, *, trace: bool = False, guard: bool = True) -> None:
        self.seed = seed
        self.guard = guard
        """False takes the GROUP guard out of the modelled dialplan: for the mutation check."""
        self.loop = VirtualLoop()
        self.loop.connect = self._connect
        self.loop.set_exception_handler(self._loop_error)
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.trace: list[str] | None = [] if trace else None
        self._digest = hashlib.blake2b(digest_size=16)
        self.weather, self.odds = Weather(), Odds()
        self.journal, self.disk = Journal(), Disk(self.chance("disk"))
        draw = self.chance("centre")
        agents = [AgentId(f"a{101 + n}") for n in range(draw.randint(1, 5))]
        lines = self.chance("lines")
        self.phones = {
            agent: Phone(agent, self.chance(f"phone {agent}"), waiting=lines.random() < 0.4)
            for agent in agents
        }
        self.numbers = (("7001", "alpha", RING_S), ("7002", "beta", RING_S))
        self.policy = make_policy(agents)
        self.switch: Asterisk | None = None
        self.daemon: Daemon | None = None
        self.rivals: list[Daemon] = []
        self.calm = False
        self.walks: list[Walk] = []
        self.checks = Checks(self)
        self.backs = Backs(self)
        self.dials = True
        """Call-backs are made; no more some time after the last fault, so that all comes to rest."""
        self._questions: dict[str, Question] = {}
        self._calls = 0
        self._lives = 0
        self._outside = Process(self.loop, "outside")

    # --- services ----------------------------------------------------------------------------------

    def chance(self, name: str) -> Random:
        """Return the stream of this name."""
        return Random(f"{self.seed}:{name}")

    def loop_ms(self) -> int:
        """Virtual milliseconds since the start."""
        return int(self.loop.time() * 1000)

    def wall_ms(self) -> int:
        """Asterisk's wall clock."""
        return EPOCH_MS + self.loop_ms()

    def new_call_id(self) -> str:
        """UUID() of the dialplan."""
        self._calls += 1
        return f"{self.seed}-{self._calls}"

    def count(self, what: str) -> None:
        """Count something for the report."""
        self.counts[what] += 1

    def say(self, text: str) -> None:
        """Keep a line of the story."""
        if self.trace is not None and len(self.trace) < TRACE_LIMIT:
            self.trace.append(f"{self.loop.time():9.3f} {text}")

    def fault(self, what: str) -> None:
        """Something does not hold that must hold."""
        self.say(f"PROBLEM {what}")
        if len(self.problems) < 20:
            self.problems.append(f"at {self.loop.time():.3f} s: {what}")

    def later(self, delay_s: float, act: Callable[..., Any], *args: Any) -> None:
        """Plan something outside all processes."""
        self._outside.later(delay_s, act, *args)

    def _loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG002
        error = context.get("exception")
        if isinstance(error, PortError) and "never retrieved" in str(context.get("message")):
            return  # the process that would have taken it was killed between the two
        self.fault(f"unhandled: {context.get('message')} {error!r}")

    # --- processes -----------------------------------------------------------------------------------

    async def _connect(self, factory: Callable[[], asyncio.Protocol]) -> Any:
        from simulator.virtual.loop import PROCESS

        client = PROCESS.get()
        await asyncio.sleep(self.weather.latency_s)
        if self.weather.black_hole:
            await asyncio.sleep(30.0)
        switch = self.switch
        if switch is None or not switch.alive or self.weather.refuse or client is None:
            raise ConnectionRefusedError("connection refused")
        protocol = factory()
        wire = switch.accept(client, protocol)
        protocol.connection_made(wire)
        return wire, protocol

    def start_switch(self) -> None:
        """Boot Asterisk."""
        if self.switch is None or not self.switch.alive:
            self.say("asterisk starts")
            self.switch = Asterisk(self, Process(self.loop, "asterisk"))

    def kill_switch(self) -> None:
        """Kill -9 of Asterisk: channels, globals and sessions are gone, the journal stays."""
        if self.switch is not None and self.switch.alive:
            self.switch.process.kill()
            for phone in self.phones.values():
                phone.legs.clear()
                phone.own = None
            self.checks.switch_died(self.switch)
            self.backs.switch_died()

    def start_daemon(self) -> None:
        """Start the daemon, unless one lives: the lock file lets no second one in."""
        if self.daemon is None or not self.daemon.process.alive:
            self.daemon = self._new_daemon("daemon", self.disk)

    def _new_daemon(self, name: str, disk: Disk) -> Daemon:
        self._lives += 1
        self.say(f"{name} {self._lives} starts")
        process = Process(self.loop, name)
        chance = self.chance(f"{name} {self._lives}")
        daemon: Daemon = process.run(
            Daemon, self, process, disk, self.policy, chance, f"{name} {self._lives}"
        )
        task = process.spawn(daemon.run())
        task.add_done_callback(lambda done: self._daemon_ended(name, done))
        return daemon

    def _daemon_ended(self, name: str, done: asyncio.Task[None]) -> None:
        if not done.cancelled() and done.exception() is not None:
            self.fault(f"{name} broke: {explain(done.exception())}")

    def kill_daemon(self) -> None:
        """Kill -9."""
        if self.daemon is not None and self.daemon.process.alive:
            self.say("daemon is killed")
            self.daemon.process.kill()
            for question in list(self._questions.values()):
                question.close()

    def start_rival(self) -> Callable[[], None]:
        """Start a second daemon by mistake, with a state directory of its own; return its end."""
        rival = self._new_daemon("rival", Disk(self.chance("rival disk")))
        rival.disk.agents.update(self.disk.agents)
        self.rivals.append(rival)
        return rival.process.kill

    # --- what the dialplan needs --------------------------------------------------------------------

    def ask(self, walk: Walk) -> None:
        """FastAGI: connect to the daemon and ask; a dead daemon refuses."""
        daemon = self.daemon
        if daemon is None or not daemon.process.alive:
            self.later(0.001, walk.answered_question)
            return
        draw = self._outside_chance("agi")
        dies = draw.randint(0, 10) if draw.random() < self.odds.agi_dies else None
        question = self._questions[walk.call] = Question(walk, dies)
        daemon.process.spawn(question.answer(daemon.door))

    def _outside_chance(self, name: str) -> Random:
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = self.chance(name)
        return stream

    _streams: dict[str, Random]

    def stop_asking(self, walk: Walk) -> None:
        """The dead-man: the dialplan goes on, the session is closed."""
        question = self._questions.pop(walk.call, None)
        if question is not None:
            question.open = False

    def dialling(self, agent: AgentId, walk: Walk) -> None:
        """An offer begins to ring."""
        self.checks.dialling(agent, walk)

    def dial_over(self, agent: AgentId, walk: Walk) -> None:
        """The leg is gone."""
        self.checks.dial_over(agent, walk)

    def callback_begun(self, walk: BackWalk) -> None:
        """A call-back of ours is in the switch: it is owned and carded like a caller."""
        self.walks.append(walk)
        self.checks.entered(walk)
        self.backs.begun(walk)

    def call_over(self, walk: Walk) -> None:
        """A caller's channel is gone."""
        self.checks.call_over(walk)

    def register(self, phone: Phone, *, there: bool) -> None:
        """A phone comes or goes; its running legs go on, as RTP does."""
        phone.registered = there
        if self.switch is not None and self.switch.alive:
            self.switch.device_changed(phone)

    def is_paused(self, agent: AgentId) -> bool:
        """What the agent's screen shows."""
        daemon = self.daemon
        if daemon is None or not daemon.process.alive:
            return False
        views = daemon.engine.snapshot(daemon.clock.now()).agents
        return any(view.agent == agent and view.status == "paused" for view in views)

    def stepped(self, daemon: Daemon, fact: Fact, wishes: tuple[Effect, ...]) -> None:
        """The engine took a fact: check everything, remember it in the digest."""
        self.counts["steps"] += 1
        self._digest.update(f"{self.loop.time():.6f}{fact!r}{wishes!r}".encode())
        if self.trace is not None and not isinstance(fact, DeadlinePassed):
            name = "" if daemon is self.daemon else "rival: "
            self.say(f"{name}{fact!r}")
            for wish in wishes:
                self.say(f"{name}    -> {wish!r}")
        self.checks.stepped(daemon)

    # --- the run -----------------------------------------------------------------------------------------

    def run(self) -> SeedResult:
        """Run from boot to the last card."""
        self._streams = {}
        try:
            self.loop.run_until_complete(self._outside.spawn(self._day()))
        except Exception as defect:  # noqa: BLE001 - whatever it is, this seed found it
            self.fault(f"the run broke: {explain(defect)}")
        finally:
            self.loop.dispose()
            for disk in (self.disk, *(rival.disk for rival in self.rivals)):
                disk.ledger.close()
        for name, number in self.weather_counts().items():
            self.counts[name] += number
        return SeedResult(self.seed, self.problems, self.counts, self._digest.hexdigest(), self.trace or [])

    def weather_counts(self) -> dict[str, int]:
        """Anomalies which the last daemon's engine counted."""
        if self.daemon is None:
            return {}
        snapshot = self.daemon.engine.snapshot(self.daemon.clock.now())
        return {f"core_{name}": number for name, number in snapshot.counters if number}

    async def _day(self) -> None:
        self.start_switch()
        self.start_daemon()
        people = [Person(self, phone, self.chance(f"person {phone.agent}")) for phone in self.phones.values()]
        for person in people:
            self._outside.spawn(person.run())
        self._plan_callers()
        hands = faults.Hands(self, self.chance("hands"))
        for fault in faults.draw_plan(self.chance("faults"), FAULTS_S):
            self.later(fault.at_s, hands.begin, fault)
        await asyncio.sleep(FAULTS_S)
        await asyncio.sleep(0.001)
        self._calm_down()
        calm_at = self.loop.time()
        self.later(DIALS_S, setattr, self, "dials", False)
        while self.checks.live and self.loop.time() < calm_at + LIVENESS_S:
            await asyncio.sleep(0.5)
        self.checks.everybody_is_out()
        await asyncio.sleep(calm_at + SETTLED_S - self.loop.time())
        self.counts["cards_completed"] += self.disk.completed
        self.checks.finish()
        self.backs.finish()

    def _calm_down(self) -> None:
        self.say("calm")
        self.calm = True
        self.start_switch()
        self.start_daemon()
        for rival in self.rivals:
            rival.process.kill()

    def _plan_callers(self) -> None:
        chance = self.chance("callers")
        number = chance.randint(3, 16)
        for n in range(number):
            at = chance.uniform(0.5, FAULTS_S)
            caller = Caller.draw(chance, self.chance(f"caller {n}"))
            # some call again, and again in vain: one number, one task
            who = chance.randrange(n) if n and chance.random() < 0.15 else n
            self.later(at, self._arrive, chance.choice(("7001", "7002")), f"+7912{who:07d}", caller)

    def _arrive(self, did: str, ani: str, caller: Caller) -> None:
        switch = self.switch
        if switch is None or not switch.alive or not switch.booted:
            self.count("callers_without_pbx")
            return
        self.count("calls")
        walk = switch.place_call(did, ani, caller)
        self.walks.append(walk)
        self.checks.entered(walk)


def explain(error: BaseException | None) -> str:
    """Return the innermost reason of a group of errors."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    if error is not None and error.__cause__ is not None:
        return f"{error!r} because {error.__cause__!r}"
    return repr(error)
