"""One live fuzz: a real daemon on the stand-in, junk at one door after another, good calls all the while."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from simulator.centre.config import CentreSpec, write
from simulator.centre.daemon import Api, DaemonProcess
from simulator.centre.driver import PhonePlan, StandInDriver, truth_of
from simulator.centre.oracle import judge, read_journal
from simulator.centre.pops import PopWatcher
from simulator.centre.report import read_cards
from simulator.faults.live import doors, junk
from simulator.standin.dialplan import Caller, CallTask

PULSE_SHIM = Path(__file__).resolve().parents[1] / "pulse_shim"
DOORS = ("ami", "agi", "http", "mqtt")
AGENTS, VICTIMS = 16, 8
"""The first eight agents' names are used by the attackers; the others serve the good calls."""
CALL_EVERY_S = 0.5
REQUEST_EVERY_S = 0.2
WARM_UP = 0.03
"""This share of the junk is thrown before memory is first measured: caches and buffers reach their size."""
STALL_MS = 100.0
GROWTH_MIB = 20.0
SETTLE_S = 30.0
GOOD_ANSWER_S = 2.0
"""A good request must be answered within this time on a machine that the attackers keep busy."""

Tell = Callable[[str, int], None]


@dataclass(slots=True)
class Turn:
    """One long turn of the daemon's loop."""

    at_s: float
    wall_ms: float
    waited_ms: float

    @property
    def own_ms(self) -> float:
        """Without the time in which the kernel gave the processor to somebody else."""
        return self.wall_ms - self.waited_ms


@dataclass(slots=True)
class LiveResult:
    """What the run showed."""

    seed: int
    frames: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    crashed: bool = False
    turns: list[Turn] = field(default_factory=list)
    rss_before_mib: float = 0.0
    rss_after_mib: float = 0.0
    descriptors: tuple[int, int] = (0, 0)
    calls: int = 0
    answered: int = 0
    problems: list[str] = field(default_factory=list)
    """Good calls of which driver, journal and card differ, in words."""
    pops_missing: int = 0
    requests: int = 0
    requests_bad: int = 0
    slowest_request_s: float = 0.0
    defects: dict[str, float] = field(default_factory=dict)
    """Counters of the daemon that stand for an exception of its own."""
    links: int = 0
    rss_after_door_mib: dict[str, float] = field(default_factory=dict)
    bad_by_door: dict[str, int] = field(default_factory=dict)
    """Good requests that failed while this door was attacked."""

    @property
    def growth_mib(self) -> float:
        """How much the resident memory grew."""
        return self.rss_after_mib - self.rss_before_mib

    @property
    def stalls(self) -> int:
        """Turns of the loop over 100 ms of its own."""
        return sum(turn.own_ms > STALL_MS for turn in self.turns)

    @property
    def good(self) -> bool:
        """Whether everything held."""
        return not (
            self.crashed or self.stalls or self.growth_mib >= GROWTH_MIB or self.problems or self.defects
            or self.pops_missing or self.requests_bad or self.calls != self.answered
        )  # fmt: skip

    def figures(self) -> dict[str, object]:
        """The report."""
        return {
            "seed": self.seed,
            "frames": self.frames,
            "seconds": {door: round(s, 1) for door, s in self.seconds.items()},
            "crashes": int(self.crashed),
            "stalls_over_100_ms": self.stalls,
            "longest_turn_ms": max((round(turn.own_ms, 1) for turn in self.turns), default=0.0),
            "longest_turn_with_waiting_for_a_processor_ms": max((t.wall_ms for t in self.turns), default=0.0),
            "rss_mib": [round(self.rss_before_mib, 1), round(self.rss_after_mib, 1)],
            "rss_growth_mib": round(self.growth_mib, 1),
            "rss_after_each_door_mib": self.rss_after_door_mib,
            "descriptors": list(self.descriptors),
            "good_calls": self.calls,
            "good_calls_answered": self.answered,
            "good_calls_wrong": len(self.problems),
            "good_pops_missing": self.pops_missing,
            "good_requests": self.requests,
            "good_requests_failed": self.requests_bad,
            "good_requests_failed_by_door": self.bad_by_door,
            "slowest_good_request_s": round(self.slowest_request_s, 3),
            "own_exceptions": self.defects,
            "ami_links": self.links,
            "problems": self.problems[:20],
        }


DEFECTS = ("acd_ami_event_errors", "acd_agi_script_errors", "acd_runner_adapter_defects")


class LiveFuzz:
    """The stage: `open`, `attack` each door, `close`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed = seed
        self.result = LiveResult(seed)
        self.spec = CentreSpec(folder, agents=AGENTS, wrap_up_s=0.2, ring_timeout_s=4.0)
        self.driver = StandInDriver(PhonePlan(answer_after_s=0.3))
        self.pulse = folder / "pulse"
        self.good_agents = self.spec.agent_ids[VICTIMS:]
        self._calls: list[CallTask] = []
        self._good: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Start everything; returns when good calls are being served."""
        spec = self.spec
        await self.driver.open(spec)
        assert self.driver.world is not None  # noqa: S101 - it is open
        self.world = self.driver.world
        self.manager = doors.GarblingManager(("127.0.0.1", spec.ami_port), self.world.system_name, self.seed)
        spec.ami_port = await self.manager.start()
        self.daemon = DaemonProcess(spec, write(spec))
        self.daemon.environment = {"PYTHONPATH": str(PULSE_SHIM), "ACD_PULSE": str(self.pulse)}
        self.daemon.start()
        await self.daemon.ready()
        self.api = Api(spec)
        for agent in self.good_agents:
            await self.api.post(f"/agents/{agent}/login")
        self.pops = PopWatcher(spec.mqtt_port, self.good_agents, spec.agents_token)
        await self.pops.start()
        self._good = [asyncio.create_task(self._call()), asyncio.create_task(self._ask())]

    async def close(self) -> None:
        """End everything."""
        for task in self._good:
            task.cancel()
        await asyncio.gather(*self._good, return_exceptions=True)
        for part in ("pops", "daemon", "manager"):
            if hasattr(self, part):
                await getattr(self, part).stop()
        if hasattr(self, "api"):
            await self.api.close()
        await self.driver.close()

    # --- the good ones ---------------------------------------------------------------------------

    async def _call(self) -> None:
        for number in itertools.count():
            did = self.spec.dids[number % len(self.spec.dids)]
            self._calls.append(self.world.place_call(Caller(did, f"+7916{number:07d}", "Иванов", 60.0, 1.0)))
            await asyncio.sleep(CALL_EVERY_S)

    async def _ask(self) -> None:
        paths = itertools.cycle(("/snapshot", "/agents", "/cards?limit=3"))
        while True:
            await asyncio.sleep(REQUEST_EVERY_S)
            begun = time.monotonic()
            self.result.requests += 1
            try:
                async with asyncio.timeout(GOOD_ANSWER_S):
                    await self.api.get(next(paths))
            except (httpx.HTTPError, TimeoutError, ValueError):
                self.result.requests_bad += 1
            self.result.slowest_request_s = max(self.result.slowest_request_s, time.monotonic() - begun)

    # --- the bad ones ----------------------------------------------------------------------------

    async def attack(self, door: str, count: int, tell: Tell, *, part: str = "") -> None:
        """Throw `count` broken frames at one door; returns at once when the daemon is gone."""
        spec, seed, begun = self.spec, f"{self.seed} {part} {door}", time.monotonic()
        bad_before = self.result.requests_bad
        victims, password = spec.agent_ids[:VICTIMS], spec.agents_token
        token = (spec.state_dir / "secrets" / "http-token").read_text(encoding="ascii").strip()
        advance = partial(tell, door)
        if door == "ami":
            work = self.manager.attack(count, advance)
        elif door == "agi":
            work = doors.throw(spec.agi_port, count, junk.agi_request, seed, advance)
        elif door == "http":
            seeds = junk.http_seeds(token, victims[0], password)
            make = partial(junk.http_request, seeds=seeds)
            work = doors.throw(spec.http_port, count, make, seed, advance)
        else:
            work = self._attack_mqtt(count, victims, password, seed, advance)
        attack = asyncio.create_task(work)
        while not attack.done() and self.alive:
            await asyncio.wait((attack,), timeout=0.5)
        if not self.alive:
            self.result.crashed = True
            attack.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await attack
        self.result.frames[door] = self.result.frames.get(door, 0) + count
        self.result.rss_after_door_mib[door] = round(self.measure()[0], 1)
        if self.result.requests_bad > bad_before:
            self.result.bad_by_door[door] = self.result.requests_bad - bad_before
        self.result.seconds[door] = self.result.seconds.get(door, 0.0) + time.monotonic() - begun

    async def _attack_mqtt(
        self, count: int, victims: list[str], password: str, seed: str, advance: doors.Advance
    ) -> None:
        """Half of it as greetings over new connections, half as payloads from users who are let in."""
        make = partial(junk.mqtt_knock, user=victims[0], password=password)
        port, half = self.spec.mqtt_port, count // 2
        await asyncio.gather(
            doors.throw(port, half, make, seed, advance),
            doors.chatter(port, count - half, victims[1:], password, seed, advance),
        )

    @property
    def alive(self) -> bool:
        """Whether the daemon runs."""
        return self.daemon.process is not None and self.daemon.process.poll() is None

    # --- the judgement ---------------------------------------------------------------------------

    def measure(self) -> tuple[float, int]:
        """Return resident MiB and open descriptors."""
        usage = self.daemon.usage()
        return usage.get("rss_mib", 0.0), int(usage.get("descriptors", 0))

    async def judge(self, since_s: float) -> LiveResult:
        """Let the good calls end, then compare driver, journal and cards."""
        result = self.result
        for task in self._good:
            task.cancel()
        await asyncio.gather(*self._good, return_exceptions=True)
        await asyncio.gather(*(call.done.wait() for call in self._calls))
        end, database = time.monotonic() + SETTLE_S, self.spec.state_dir / "acd.db"
        cards = read_cards(database)
        while len(cards) < len(self._calls) and time.monotonic() < end:
            await asyncio.sleep(0.3)
            cards = read_cards(database)
        journal = read_journal(self.spec.queue_log.read_text(encoding="utf-8").splitlines())
        truths = [truth_of(call) for call in self._calls]
        verdict = judge(truths, journal, cards)
        result.calls, result.answered, result.problems = len(truths), verdict.answered, verdict.problems
        result.pops_missing = sum(
            (call.call, fields["agent"]) not in self.pops.first
            for call in journal.values()
            for kind, fields in call.notes
            if kind == "ACDANSWER"
        )
        result.turns = [turn for turn in read_pulse(self.pulse) if turn.at_s >= since_s]
        result.links = self.manager.links
        result.crashed |= not self.alive
        if self.alive:
            result.defects = await self._own_exceptions()
        return result

    async def _own_exceptions(self) -> dict[str, float]:
        async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
            text = (await client.get(f"http://127.0.0.1:{self.spec.http_port}/metrics")).text
        return {name: value for name, value in read_gauges(text) if name in DEFECTS and value}


def read_gauges(text: str) -> Iterator[tuple[str, float]]:
    """Return the plain gauges of a Prometheus exposition."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name and not name.startswith("#") and "{" not in name:
            yield name, float(value)


def read_pulse(path: Path) -> list[Turn]:
    """Read what the pulse shim wrote."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="ascii").splitlines()
    return [Turn(*(float(word) for word in line.split())) for line in lines]


async def live_fuzz(folder: Path, frames: int, seed: int, tell: Tell = lambda _door, _n: None) -> LiveResult:
    """Throw `frames` broken frames at each of the four doors of a daemon of its own."""
    stage = LiveFuzz(folder, seed)
    try:
        await stage.open()
        warm = round(frames * WARM_UP)
        for door in DOORS:
            await stage.attack(door, warm, tell, part="warm-up")
        since_s = time.monotonic()
        stage.result.rss_before_mib, before = stage.measure()
        for door in DOORS:
            await stage.attack(door, frames - warm, tell)
        await asyncio.sleep(doors.HANG_S)
        result = await stage.judge(since_s)
        result.rss_after_mib, after = stage.measure()
        result.descriptors = (before, after)
        return result
    finally:
        await stage.close()
