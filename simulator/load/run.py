"""One scenario on one engine: start it, let the day happen, count, and let the oracle compare the stories."""

from __future__ import annotations

import asyncio
import math
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from simulator.centre.config import CentreSpec
from simulator.centre.daemon import DaemonProcess
from simulator.centre.oracle import Truth, read_journal
from simulator.centre.report import read_cards
from simulator.faults import callbacks
from simulator.load.appqueue import AppQueueDesks
from simulator.load.backs import judge_with_callbacks
from simulator.load.breaking import Breaking
from simulator.load.centre import Centre, write_centre
from simulator.load.compress import CannotRunError, stretch_back
from simulator.load.desks import RouterDesks
from simulator.load.parts import Made
from simulator.load.sipp_line import BENCH_STRATEGY, LEAD_S, SippLine
from simulator.load.standin_line import StandInLine
from simulator.load.usage import sample, shares
from simulator.load.world import LiveWorld
from simulator.policies import GROUPS
from simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.results import RunResult
    from simulator.scenario import Scenario

Progress: TypeAlias = Callable[[int, int], None]
"""Told (calls over, calls drawn)."""
READY_S = 60.0
SETTLE_S = 15.0
RELOAD_S = 10.0
"""The longest the daemon may take to read its opening hours."""
TAIL_S = 600.0
"""After the last first call: the longest until everybody is served, else they are counted as lost."""
MOST_AGENTS = 400
MOST_CALLS = 20_000
APP_QUEUE = "app_queue"


@dataclass(slots=True)
class EngineRun:
    """What one engine showed: the books of every seed, and what real processes add."""

    engine: str
    runs: list[RunResult]
    version: str = ""
    calls: int = 0
    """Calls made, retries included."""
    cards: int | None = None
    lost: int = 0
    double_booked: int = 0
    distorted: int = 0
    problems: list[str] = field(default_factory=list)
    oddities: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """What was broken, in words."""
    speech: dict[str, Any] = field(default_factory=dict)
    """Of talks on real Asterisk: how many had sound both ways (`speech.Found`); empty without phones."""
    cpu_share_of_a_core: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def unheard(self) -> int:
        """Talks without sound both ways, calls that heard another, keys that were not taken."""
        names = ("talks_one_way_or_silent", "calls_with_crossed_sound", "keys_not_taken")
        return sum(int(self.speech.get(name, 0)) for name in names)

    def as_json(self) -> dict[str, object]:
        """Return all but the books, which the report shows."""
        names = ("engine", "version", "calls", "cards", "lost", "double_booked", "distorted", "problems",
                 "oddities", "faults", "speech", "cpu_share_of_a_core", "seconds")  # fmt: skip
        return {name: getattr(self, name) for name in names}


def run_virtual(
    scenario: Scenario, seeds: Sequence[int], policy: str, scale: float, told: Progress
) -> EngineRun:
    """Run the same compressed scenario in virtual time."""
    started, runs = time.monotonic(), []
    for number, seed in enumerate(seeds):
        runs.append(stretch_back(World(scenario, policy, seed, keep_calls=True).run(), scale))
        told(number + 1, len(seeds))
    tallies = [run.tally() for run in runs]
    made = sum(tally.arrivals - tally.transferred_in - tally.called_back for tally in tallies)
    return EngineRun("virtual", runs, "production core", made, seconds=time.monotonic() - started)


def check_size(centre: Centre) -> None:
    """Refuse what one machine cannot carry.

    Raises:
        CannotRunError: too many agents, or a policy the daemon does not know.
    """
    if len(centre.devices) > MOST_AGENTS:
        raise CannotRunError(
            f"{len(centre.devices)} phones are too many for one machine (at most {MOST_AGENTS}): fewer seeds side by side"
        )
    if centre.policy == GROUPS:
        raise CannotRunError(
            "the policy 'groups' exists in the virtual engine only: name another with --policy"
        )


class Session:
    """One switch, our router on it, and app_queue if wanted, one after the other."""

    def __init__(self, centre: Centre, line: StandInLine | SippLine, scale: float, told: Progress) -> None:
        check_size(centre)
        self.centre, self.line, self.scale, self._told = centre, line, scale, told
        self.spec = CentreSpec(Path(tempfile.mkdtemp(prefix="acd-load-")))
        self.strategy = BENCH_STRATEGY
        """App_queue's."""
        self._begun_s = 0.0

    def tell(self, told: Progress) -> None:
        """Report the progress of the next day there."""
        self._told = told

    async def open(self) -> None:
        """Start the switch."""
        if isinstance(self.line, SippLine):
            await self.line.open(self.spec, self.centre, self.strategy)
        else:
            await self.line.open(self.spec, self.centre)

    async def close(self) -> None:
        """Stop the switch."""
        await self.line.close()

    async def ours(self) -> EngineRun:
        """Let the daemon route."""
        breaking = Breaking(self.centre.scenario.faults)
        await breaking.open(self.spec)
        daemon = DaemonProcess(self.spec, write_centre(self.spec, self.centre))
        daemon.start()
        desks: RouterDesks | None = None
        try:
            await daemon.ready(READY_S)
            desks = RouterDesks(self.spec)
            pid = daemon.process.pid if daemon.process else 0
            found, worlds = await self._day(desks, {"daemon": pid}, daemon, breaking)
            found.faults = breaking.done
            found.engine, found.version = self.line.engine, self.line.version
            await self._oracle(found, worlds)
            if desks.refused:
                found.oddities["orders_refused"] = desks.refused
            return found
        finally:
            if desks is not None:
                await desks.close()
            await breaking.close()
            await daemon.stop()

    async def theirs(self) -> EngineRun:
        """Let app_queue route, on the same Asterisk."""
        line = self.line
        if not isinstance(line, SippLine) or line.lab is None:
            raise CannotRunError("app_queue lives in Asterisk: --compare app_queue needs --engine real")
        desks, centre = AppQueueDesks(line.lab), self.centre
        to_bench = {
            centre.did(copy, number): centre.bench_did(copy, number)
            for copy in range(len(centre.seeds))
            for number in range(len(centre.scenario.queues))
        }
        line.did_of = lambda did: to_bench[did]
        line.accepted.clear()
        try:
            found, worlds = await self._day(desks, {}, None, Breaking(()))
        finally:
            line.did_of = str
            accepted = set(line.accepted)
            await desks.close()
        found.engine, found.version = APP_QUEUE, line.version
        truths = [truth for world in worlds for truth in world.truths.values()]
        for truth in truths:
            if truth.outcome == "busy":
                continue
            if truth.ani not in accepted or truth.outcome not in ("answered", "abandoned"):
                found.lost += 1
                found.problems.append(f"{truth.ani}: {truth.outcome or 'never ended'}, not a good call")
        return found

    async def _day(
        self,
        desks: RouterDesks | AppQueueDesks,
        processes: dict[str, int],
        daemon: DaemonProcess | None,
        breaking: Breaking,
    ) -> tuple[EngineRun, list[LiveWorld]]:
        """Let every copy's day happen; return the books."""
        line, started = self.line, time.monotonic()
        worlds = [
            LiveWorld(self.centre, copy, line, desks, lambda: self._begun_s)
            for copy in range(len(self.centre.seeds))
        ]
        calls: list[Made] = [call for world in worlds for call in world.first_calls()]
        if len(calls) > MOST_CALLS:
            raise CannotRunError(
                f"{len(calls)} calls are too many (at most {MOST_CALLS}): fewer minutes or seeds"
            )
        self._begun_s = time.time() + 1e6  # nothing is late while desks fill
        for world in worlds:
            world.staff()
        await desks.settle()
        self._begun_s = await self._begins(daemon)
        line.start(calls, lambda number: worlds[int(number[3:5])], self._begun_s)
        for world in worlds:
            world.open()
        breaking.start(daemon, self._begun_s)
        before = sample({**line.processes, **processes})
        last_s = max((call.start_ms for call in calls), default=0) / 1000
        await self._until_over(worlds, len(calls), self._begun_s + last_s + TAIL_S)
        after = sample({**line.processes, **processes})
        await breaking.finish()
        runs = [stretch_back(world.close(), self.scale) for world in worlds]
        for world in worlds:
            world.staff_leaves()
        await desks.settle()
        found = EngineRun("", runs, calls=sum(len(world.truths) for world in worlds))
        if isinstance(line, SippLine):
            await line.end_run()
            await _sound(found, line)
        found.seconds = time.monotonic() - started
        found.cpu_share_of_a_core = shares(before, after)
        for world in worlds:
            for name in ("raced", "ended_by_switch", "strangers", "failed", "not_handed_on"):
                if count := getattr(world.odd, name):
                    found.oddities[name] = found.oddities.get(name, 0) + count
            found.lost += len(world.odd.forgotten)
            found.problems += [f"{number}: still on the line at the end" for number in world.odd.forgotten]
        return found, worlds

    async def _begins(self, daemon: DaemonProcess | None) -> float:
        """Return when the run begins. The router closes by the clock, in whole minutes: the run waits for that."""
        closing = self.centre.scenario.closing
        if closing is None or daemon is None:
            return time.time() + LEAD_S
        offset_s = closing.at_ms / 1000
        closes_s = math.ceil((time.time() + LEAD_S + RELOAD_S + offset_s) / 60) * 60
        write_centre(self.spec, self.centre, closes_s)
        said = daemon.log.stat().st_size
        daemon.signal(signal.SIGHUP)
        end = time.monotonic() + RELOAD_S
        while time.monotonic() < end:
            await asyncio.sleep(0.1)
            with daemon.log.open("rb") as log:
                log.seek(said)
                if b'"reloaded"' in log.read():
                    return closes_s - offset_s
        raise CannotRunError(f"the daemon did not take over its closing time:\n{daemon.tail()}")

    async def _until_over(self, worlds: list[LiveWorld], drawn: int, limit_s: float) -> None:
        while time.time() < limit_s:
            over = sum(len(world.ledger.records) for world in worlds)
            self._told(min(over, drawn), drawn)
            if isinstance(self.line, SippLine):
                self.line.check()
            for world in worlds:
                if world.result is None and world.over:
                    world.close()  # its staff's time ends with its own last caller, not with the slowest copy's
            if all(world.result is not None for world in worlds):
                return
            await asyncio.sleep(0.05)

    async def _oracle(self, found: EngineRun, worlds: list[LiveWorld]) -> None:
        """Wait for the cards, then compare what the phones saw with the journal and the cards."""
        truths: list[Truth] = [truth for world in worlds for truth in world.truths.values()]
        entered = sum(truth.outcome != "busy" for truth in truths)
        entered += sum(len(world.backs) for world in worlds)
        database, cards = self.spec.state_dir / "acd.db", []
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            cards = await asyncio.to_thread(read_cards, database)
            if len(cards) >= entered:
                break
            await asyncio.sleep(0.25)
        journal = read_journal(self.spec.queue_log.read_text(encoding="utf-8").splitlines())
        backs = [back for world in worlds for back in world.backs.values()]
        verdict = judge_with_callbacks(truths, backs, journal, cards, callbacks.read(database))
        found.cards, found.lost = len(cards), found.lost + verdict.lost + verdict.failed
        found.double_booked, found.distorted = verdict.double_booked, verdict.distorted
        found.problems += verdict.problems


async def _sound(found: EngineRun, line: SippLine) -> None:
    """Add what was heard in the talks of this run."""
    heard = await line.speech.verdict(time.time())
    found.speech = heard.as_json()
    found.problems += heard.problems


async def run_real_processes(
    centre: Centre,
    engine: str,
    scale: float,
    told: Callable[[str], Progress],
    *,
    compare: bool = False,
    strategy: str = BENCH_STRATEGY,
    speaks: bool = True,
) -> list[EngineRun]:
    """Run on the stand-in or on real Asterisk; with `compare`, app_queue on the same Asterisk after it.

    Args:
        centre: the compressed scenario and the seeds, side by side.
        engine: `stand-in` or `real`.
        scale: how much faster than the scenario's own time.
        told: gives the progress function of an engine's name.
        compare: run app_queue too.
        strategy: app_queue's.
        speaks: on real Asterisk people speak, and every talk's sound is judged.
    """
    me = asyncio.current_task()
    if me is not None:  # asked to end, we still stop the daemon, the switch and the phones we started
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    line = StandInLine() if engine == "stand-in" else SippLine(speaks=speaks)
    session = Session(centre, line, scale, told(engine))
    session.strategy = strategy
    good = False
    try:
        await session.open()
        found = [await session.ours()]
        if compare:
            session.tell(told(APP_QUEUE))
            found.append(await session.theirs())
        good = not any(one.problems for one in found)
        if not good:
            found[0].problems.insert(
                0, f"configuration, journal, cards and logs are kept in {session.spec.directory}"
            )
        return found
    finally:
        if not good and session.spec.queue_log.is_file():  # a lab takes its journal along
            shutil.copyfile(session.spec.queue_log, session.spec.directory / "queue_log")
        await session.close()
        if good:
            shutil.rmtree(session.spec.directory, ignore_errors=True)
