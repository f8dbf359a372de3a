"""The day itself: callers by Poisson, agents who pause, a link that is cut now and then; samples; a judgement."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from acd import telemetry
from acd.adapters.clock import SystemClock
from acd.config.loading import load
from acd.house import House
from simulator.centre.config import CentreSpec, write
from simulator.centre.daemon import Api
from simulator.centre.driver import PhonePlan, StandInDriver, truth_of
from simulator.centre.oracle import Truth, judge, read_journal
from simulator.centre.pops import PopWatcher
from simulator.centre.report import read_cards
from simulator.faults.tickets import TicketStub
from simulator.soak.flat import LEAST_HOURS, Slope, slope
from simulator.soak.jump import Busy, JumpClock, JumpLoop
from simulator.standin.dialplan import Caller, CallTask

if TYPE_CHECKING:
    from simulator.standin import StandIn

AGENTS = 14
TALK_S = (5.0, 35.0)
IMPATIENT = 0.06
SAMPLE_S = 300.0
CUT_EVERY_S = 1_200.0
PAUSE_EVERY_S = 90.0
WARM_UP = 0.5
"""Memories with a limit (fifty thousand notes, ten thousand cards counted) fill in the first hours; a leak goes on."""
SETTLE_S = 120.0
MODEL_TASKS = frozenset({CallTask.run.__qualname__, "Soak._one"})
"""A live call of the stand-in is two tasks."""
LIMITS = {"rss_mib": 1.0, "descriptors": 0.1, "tasks": 0.2}
"""Growth per hour that is still called flat: failure mode 36, and less than five descriptors or tasks a day."""


@dataclass(slots=True)
class Day:
    """What the day showed."""

    hours: float
    seed: int
    calls: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    links_cut: int = 0
    pauses: int = 0
    samples: list[dict[str, float]] = field(default_factory=list)
    took_s: float = 0.0
    reached_h: float = 0.0
    """Less than `hours` when a limit of real time ended it."""

    figure_names: ClassVar[tuple[str, ...]] = ("rss_mib", "descriptors", "tasks")

    def slopes(self) -> dict[str, Slope]:
        """Growth per hour in the second half; empty for a day too short to tell."""
        late = [one for one in self.samples if one["hour"] >= self.reached_h * WARM_UP]
        if len({int(one["hour"]) for one in late}) < LEAST_HOURS:
            return {}
        hours = [one["hour"] for one in late]
        return {name: slope(hours, [one[name] for one in late]) for name in self.figure_names}

    def report(self) -> dict[str, Any]:
        """Return the figures; `flat` and `good` are the verdict."""
        slopes = self.slopes()
        flat = {name: found.upper < LIMITS[name] for name, found in slopes.items()}
        first, last = self.samples[0], self.samples[-1]
        return {
            "simulated_hours": round(self.reached_h, 2),
            "took_s": round(self.took_s, 1),
            "acceleration": round(self.reached_h * 3_600 / self.took_s, 1),
            "seed": self.seed,
            "calls": self.calls,
            "ended": self.ended,
            "wrong": len(self.problems),
            "problems": self.problems[:20],
            "links_cut": self.links_cut,
            "pauses": self.pauses,
            "samples": len(self.samples),
            "hourly": self.samples[::12],
            "first_and_last": {name: [first[name], last[name]] for name in self.figure_names},
            "slope_per_hour": {name: asdict(found) for name, found in slopes.items()},
            "flat": flat,
            "good": all(flat.values()) and not self.problems,
        }


class Soak:
    """House and stand-in in one loop."""

    def __init__(self, folder: Path, hours: float, calls: int, seed: int, limit_s: float) -> None:
        self.day = Day(hours, seed)
        self._ends_at = perf_counter() + limit_s
        self.rate_per_s = calls / (hours * 3_600)
        self.spec = CentreSpec(folder, agents=AGENTS, wrap_up_s=3.0, ring_timeout_s=12.0)
        self.driver = StandInDriver(PhonePlan(answer_after_s=2.0))
        self.tickets = TicketStub()
        self.truths = folder / "truths.jsonl"
        """On disk: what we remember of thirty thousand callers must not look like the daemon's growth."""
        self._draw = random.Random(seed)

    async def run(self, progress: bool) -> Day:
        """Live through the day."""
        begun = perf_counter()
        spec, day = self.spec, self.day
        await self.driver.open(spec)
        assert self.driver.world is not None  # noqa: S101 - it is open
        world = self.driver.world
        spec.webhook = await self.tickets.start()
        config = load(write(spec))
        os.umask(0o077)
        telemetry.setup(level="error", human=False)
        house = House(config, SystemClock())
        await house.open()
        running = asyncio.create_task(house.run())
        watcher = PopWatcher(spec.mqtt_port, spec.agent_ids[:4], spec.agents_token)
        try:
            await house.complete.wait()
            while house.troubles():  # noqa: ASYNC110 - a bounded start, on virtual time
                await asyncio.sleep(0.1)
            api = Api(spec, timeout_s=60.0)
            await self._log_in(api)
            await watcher.start()
            helpers = [
                asyncio.create_task(self._pause(api)),
                asyncio.create_task(self._cut(world)),
                asyncio.create_task(self._sample(world, watcher, progress)),
            ]
            await self._callers(world)
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await asyncio.sleep(SETTLE_S)
            await api.close()
            self._judge(house)
        finally:
            await watcher.stop()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await house.close()
            await self.driver.close()
            await self.tickets.stop()
        day.took_s = perf_counter() - begun
        return day

    async def _log_in(self, api: Api) -> None:
        for agent in self.spec.agent_ids:
            await api.post(f"/agents/{agent}/login")

    # --- what happens ----------------------------------------------------------------------------

    async def _callers(self, world: StandIn) -> None:
        begun = world_time()
        end = begun + self.day.hours * 3_600
        under_way: set[asyncio.Task[None]] = set()
        with self.truths.open("w", encoding="utf-8") as file:
            while world_time() < end and perf_counter() < self._ends_at:
                await asyncio.sleep(self._draw.expovariate(self.rate_per_s))
                task = asyncio.create_task(self._one(world.place_call(self._caller()), file))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            self.day.reached_h = (world_time() - begun) / 3_600
            if under_way:
                await asyncio.wait(under_way)

    def _caller(self) -> Caller:
        draw, self.day.calls = self._draw, self.day.calls + 1
        patience_s = draw.uniform(0.5, 8.0) if draw.random() < IMPATIENT else 300.0
        number = f"+7916{self.day.calls:07d}"
        return Caller(draw.choice(self.spec.dids), number, "Иванова Анна", patience_s, draw.uniform(*TALK_S))

    async def _one(self, call: CallTask, file: Any) -> None:
        await call.done.wait()
        file.write(json.dumps(asdict(truth_of(call))) + "\n")

    async def _pause(self, api: Api) -> None:
        """Agents leave their desks and come back."""
        while True:
            await asyncio.sleep(self._draw.expovariate(1 / PAUSE_EVERY_S))
            agent = self._draw.choice(self.spec.agent_ids)
            await api.post(f"/agents/{agent}/pause", {"reason": "lunch"})
            await asyncio.sleep(self._draw.uniform(1.0, 60.0))
            await api.post(f"/agents/{agent}/resume")
            self.day.pauses += 1

    async def _cut(self, world: StandIn) -> None:
        """The manager link breaks."""
        while True:
            await asyncio.sleep(self._draw.expovariate(1 / CUT_EVERY_S))
            world.drop_links()
            self.day.links_cut += 1

    async def _sample(self, world: StandIn, watcher: PopWatcher, progress: bool) -> None:
        begun = world_time()
        while True:
            # the memory of the model is not the daemon's
            world.finished.clear()
            watcher.first.clear()
            self.tickets.taken.clear()
            self.tickets.deliveries.clear()
            gc.collect()
            sample = {"hour": (world_time() - begun) / 3_600, "calls": self.day.calls, **usage()}
            self.day.samples.append(sample)
            if progress and len(self.day.samples) % 12 == 0:
                print(json.dumps(sample), flush=True)
            await asyncio.sleep(SAMPLE_S)

    # --- what it came to -------------------------------------------------------------------------

    def _judge(self, house: House) -> None:
        day = self.day
        truths = list(read_truths(self.truths))
        journal = read_journal(self.spec.queue_log.read_text(encoding="utf-8").splitlines())
        cards = read_cards(self.spec.state_dir / "acd.db")
        verdict = judge(truths, journal, cards)
        day.problems = list(verdict.problems)
        day.ended = {
            name: getattr(verdict, name) for name in ("answered", "abandoned", "fallback", "refused", "lost")
        }
        if house.snapshot().calls:
            day.problems.append(f"the core still knows {len(house.snapshot().calls)} calls")
        day.problems += [f"{name}: {words}" for name, words in house.troubles().items()]


def world_time() -> float:
    """Return virtual seconds."""
    return asyncio.get_running_loop().time()


def usage() -> dict[str, float]:
    """Return memory, descriptors and tasks of this process: daemon and stand-in together.

    Not the model's own two tasks of each live call: how many call just now is drawn by lot, and hides what stays.
    """
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "rss_mib": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "descriptors": float(sum(1 for _ in Path("/proc/self/fd").iterdir())),
        "tasks": float(sum(task_name(task) not in MODEL_TASKS for task in asyncio.all_tasks())),
    }


def task_name(task: asyncio.Task[object]) -> str:
    """Return the name of the function that a task runs."""
    return str(getattr(task.get_coro(), "__qualname__", ""))


def read_truths(path: Path) -> Iterator[Truth]:
    """Read back what the callers saw."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            fields = json.loads(line)
            fields["rings"] = [(agent, at) for agent, at in fields["rings"]]
            yield Truth(**fields)


def live(
    clock: JumpClock,
    busy: Busy,
    folder: Path,
    hours: float,
    calls: int,
    seed: int,
    *,
    limit_s: float = inf,
    progress: bool = False,
) -> Day:
    """Live through a day on a jumping clock that is installed already."""
    busy.watch_threads()
    loop = JumpLoop(clock, busy)
    try:
        return loop.run_until_complete(Soak(folder, hours, calls, seed, limit_s).run(progress))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def main(clock: JumpClock, busy: Busy) -> int:
    """Parse, live, print; the exit status is 0 when the day was good."""
    parser = argparse.ArgumentParser(prog="python -m simulator.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--calls", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--limit-s", type=float, default=inf, help="end after so much real time, whatever the hour"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="acd-soak-") as folder:
        size = (options.hours, options.calls, options.seed)
        day = live(clock, busy, Path(folder), *size, limit_s=options.limit_s, progress=True)
    report = day.report()
    print(json.dumps(report, indent=2, ensure_ascii=False))
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if report["good"] else 1
