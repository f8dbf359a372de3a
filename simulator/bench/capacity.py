"""`bin/bench capacity`: the highest call rate that goes well, our router beside app_queue on one Asterisk.

Both stand ready on the same Asterisk with the same phones; rate after rate is run through the one and then
the other, so that whatever else the machine does meets both. A rate is good when every call is answered,
none fails, none is lost in the journal or the cards, and 99 % of calls ring a phone within a second of the
caller's INVITE. A rate that went wrong is tried once more; twice wrong is too much. Times are SIPp's own, CPU is from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import socket
import sqlite3
import tempfile
import time
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from simulator.bench.calls import APP_QUEUE_DID, QUEUE, SITE
from simulator.centre.config import CentreSpec, write
from simulator.centre.daemon import Api, DaemonProcess
from simulator.centre.oracle import percentile
from simulator.lab.agents import Agent
from simulator.lab.errors import LabError
from simulator.lab.instance import TRUNK_HOST, Lab, Ports
from simulator.lab.ports import free_port
from simulator.lab.sipp import SippError
from simulator.load.puppets import Puppets, command
from simulator.load.ramp import Ramp, peak, saturated
from simulator.load.speech import Speech
from simulator.load.usage import sample, shares

if TYPE_CHECKING:
    from collections.abc import Callable

OURS, THEIRS = "router", "app_queue"
TALK_MS = (1_500, 2_500)
LATE_MS = 1_000.0
RTP_PER_PHONE = 8
"""A talk has two legs with two ports each; as many again, because Asterisk lets go of them a little later."""
READY_S = 60.0
"""A machine under load starts a daemon slowly; that is not what is measured."""
WARM_UP_PER_S = 4.0
CAUTION = (
    "other programs used more than a tenth of this machine during the run: figures show that the tool works, "
    "not what the machine carries"
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much to try."""

    agents: int = 600
    start_per_s: float = 20.0
    growth: float = 1.5
    step_s: float = 12.0
    drain_s: float = 8.0
    budget_s: float = 290.0
    """No further pair of rates begins that would not fit; one that goes wrong may take half a minute more."""
    fine: float = 1.2

    @property
    def most_per_s(self) -> float:
        """The rate at which 70 % of the phones are in use: above it, waits say nothing about the router."""
        return 0.7 * self.agents / (sum(TALK_MS) / 2 / 1000)

    @property
    def pair_s(self) -> float:
        """How long one rate takes through both routers if all goes well."""
        return 2 * (self.step_s + TALK_MS[1] / 1000 + 1.5)


QUICK = Size(agents=120, start_per_s=6.0, growth=2.5, step_s=3.0, drain_s=3.0, budget_s=74.0, fine=1.6)


@dataclass(slots=True)
class Step:
    """One rate through one router."""

    rate_per_s: float
    calls: int
    answered: int
    failed: int
    lost: int
    concurrent_calls: int
    enter_to_invite_p50_ms: float | None
    enter_to_invite_p99_ms: float | None
    unheard: int = 0
    """Talks without sound both ways, and calls that heard another."""
    speech: dict[str, Any] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    good: bool = False
    why_not: str = ""


def judge_step(step: Step, cores: int) -> Step:
    """Say whether a rate went well, and if not, what went wrong first."""
    full = saturated(step.cpu, cores)
    p99 = step.enter_to_invite_p99_ms
    if step.failed:
        step.why_not = f"{step.failed} SIP calls failed"
    elif step.answered < step.calls:
        step.why_not = f"{step.calls - step.answered} calls not answered in time"
    elif step.lost:
        step.why_not = f"{step.lost} calls without a card"
    elif step.unheard:
        step.why_not = f"{step.unheard} talks without sound both ways"
    elif p99 is None or p99 > LATE_MS:
        step.why_not = f"late: 99 % ring within {p99 or 0:.0f} ms"
    elif full:
        step.why_not = f"full: {full}"
    step.good = not step.why_not
    return step


class Bench:
    """One Asterisk, its phones, app_queue and our daemon."""

    def __init__(self, size: Size, *, speaks: bool = False) -> None:
        self.size = size
        self.speech = Speech(speaks=speaks)
        self.spec = CentreSpec(
            Path(tempfile.mkdtemp(prefix="acd-capacity-")), agents=size.agents, wrap_up_s=0.0
        )
        names = self.spec.agent_ids
        self.spec.extra = {"agents": {name: {"skills": {"general": 3}} for name in names}}
        self.lab: Lab | None = None
        self.phones: Puppets | None = None
        self.daemon: DaemonProcess | None = None
        self._serial = itertools.count(1)
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def open(self) -> None:
        """Start everything and log everybody in."""
        port = free_port()
        ports = Ports.free(agi=self.spec.agi_port, rtp_count=RTP_PER_PHONE * self.size.agents)
        agents = [Agent(name, contact=f"sip:{name}@127.0.0.1:{port}") for name in self.spec.agent_ids]
        lab = self.lab = Lab(
            f"cap{uuid.uuid4().hex[:8]}",
            agents=agents,
            ports=ports,
            settings={"record": "0"},
            die_with_parent=True,
        )
        await asyncio.to_thread(lab.up)
        spec = self.spec
        spec.ami_port, spec.ami_user, spec.ami_secret = lab.ports.ami, lab.router_user, lab.router_secret
        spec.queue_log, spec.cel = lab.queue_log, lab.cel_csv
        members = "".join(f"member => PJSIP/{name}\n" for name in spec.agent_ids)
        (lab.etc / "acd-site.conf").write_text(SITE, encoding="utf-8")
        with (lab.etc / "queues-members.conf").open("a", encoding="utf-8") as file:
            file.write(QUEUE + members)
        for words in ("dialplan reload", "queue reload all"):
            await asyncio.to_thread(lab.console, words)
        self.phones = Puppets(
            "busy_phones.xml", "127.0.0.1", lab.ports.sip, spec.directory / "phones", port=port
        )
        if self.speech.speaks:
            await self.speech.open()
            self.phones.talk_at = self.speech.at
        rng = random.Random(1)
        self.phones.start([str(rng.randint(*TALK_MS)) for _ in range(997)])
        self.daemon = DaemonProcess(spec, write(spec))
        self.daemon.start()
        await self.daemon.ready(READY_S)
        api = Api(spec)
        for name in spec.agent_ids:
            await api.post(f"/agents/{name}/login")
        await api.close()

    async def step(self, router: str, rate: float) -> Step:
        """Run one rate through one router."""
        assert self.lab is not None and self.phones is not None  # noqa: S101, PT018 - open() made them
        size, count = self.size, max(10, round(rate * self.size.step_s))
        numbers = [f"+7916{next(self._serial):07d}" for _ in range(count)]
        dids = self.spec.dids if router == OURS else [APP_QUEUE_DID]
        lines = [f"{number};{dids[n % len(dids)]};0" for n, number in enumerate(numbers)]
        list(self.phones.news())
        callers = Puppets(
            "callers.xml", TRUNK_HOST, self.lab.ports.sip, self.spec.directory / f"{router}{numbers[0]}"
        )
        if self.speech.speaks:
            callers.talk_at = self.speech.at
        # SIPp takes a whole number of calls per period
        period = (
            ("-r", "1", "-rp", str(round(1000 / rate))) if rate < 20 else ("-r", f"{rate:.0f}", "-rp", "1000")
        )
        callers.start(lines, "-m", str(count), "-l", str(count), *period)
        before = sample(self._processes(callers))
        begun, seen = time.monotonic(), _Seen(set(numbers), self.speech)
        cpu: dict[str, float] = {}
        try:
            while (
                callers.running and time.monotonic() - begun < size.step_s + TALK_MS[1] / 1000 + size.drain_s
            ):
                await asyncio.sleep(0.1)
                seen.read(callers, self.phones)
                if not cpu and time.monotonic() - begun >= size.step_s:
                    cpu = shares(before, sample(self._processes(callers)))
            seen.read(callers, self.phones)
            await self._send_home(callers, seen)
        finally:
            callers.stop()
        lost = await self._without_card(numbers) if router == OURS and len(seen.answered) == count else 0
        delays, heard = seen.delays_ms(), await self.speech.verdict(time.time())
        return judge_step(
            Step(
                rate_per_s=round(rate, 2),
                calls=count,
                answered=len(seen.answered),
                failed=len(seen.refused) + sum(number not in seen.accepted for number in seen.entered),
                lost=lost,
                unheard=len(heard.one_way) + len(heard.crossed),
                speech=heard.as_json() if self.speech.speaks else {},
                concurrent_calls=peak(seen.spans()),
                enter_to_invite_p50_ms=percentile(delays, 0.5),
                enter_to_invite_p99_ms=percentile(delays, 0.99),
                cpu=cpu or shares(before, sample(self._processes(callers))),
            ),
            os.cpu_count() or 1,
        )

    def _processes(self, callers: Puppets) -> dict[str, int]:
        assert self.lab is not None and self.phones is not None and self.daemon is not None  # noqa: S101, PT018
        found = {"asterisk": self.lab.pid}
        for name, process in (
            ("sipp phones", self.phones.process), ("sipp callers", callers.process), ("daemon", self.daemon.process)
        ):  # fmt: skip
            if process is not None and process.poll() is None:
                found[name] = process.pid
        if self.speech.pid:
            found["speech"] = self.speech.pid
        return found

    async def _send_home(self, callers: Puppets, seen: _Seen) -> None:
        """After a rate that was too much: those still waiting hang up, so that the next rate starts clean."""
        left = [call_id for number, call_id in seen.accepted.items() if number not in seen.ended]
        for call_id in left:
            self._wire.sendto(
                command("INFO", callers, call_id, next(self._serial)), (callers.host, callers.port)
            )
            await asyncio.sleep(0.002)
        if left:
            await asyncio.sleep(3.0)

    async def _without_card(self, numbers: list[str]) -> int:
        """Return how many of these callers have no card a few seconds after the last call."""
        database, wanted = self.spec.state_dir / "acd.db", set(numbers)
        missing = len(wanted)
        for _ in range(20):
            missing = len(wanted - await asyncio.to_thread(_callers_with_cards, database))
            if not missing:
                break
            await asyncio.sleep(0.25)
        return missing

    async def close(self) -> None:
        """Stop everything."""
        if self.daemon is not None:
            await self.daemon.stop()
        if self.phones is not None:
            self.phones.stop()
        await self.speech.close()
        self._wire.close()
        if self.lab is not None:
            await asyncio.to_thread(self.lab.down)


def _callers_with_cards(database: Path) -> set[str]:
    link = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return {str(row[0]) for row in link.execute("SELECT ani FROM cards")}
    finally:
        link.close()


class _Seen:
    """What SIPp saw of one step's calls."""

    def __init__(self, numbers: set[str], speech: Speech) -> None:
        self._numbers, self._speech = numbers, speech
        self.entered: dict[str, float] = {}
        self.accepted: dict[str, str] = {}
        self.ended: dict[str, float] = {}
        self.refused: set[str] = set()
        self.rang: dict[str, float] = {}
        self.answered: set[str] = set()

    def read(self, callers: Puppets, phones: Puppets) -> None:
        """Take in what the logs have gained."""
        for event, fields, at_s in callers.news():
            number = fields["ani"]
            if event == "INVITE":
                self.entered[number] = at_s
            elif event == "ACCEPTED":
                self.accepted[number] = fields["cid"]
                self._speech.begin(fields["cid"], number, fields["rtp"], at_s)
            elif event == "REFUSED":
                self.refused.add(number)
            elif event in ("ENDED", "HUNGUP"):
                self.ended.setdefault(number, at_s)
                self._speech.end(fields["cid"], at_s)
        for event, fields, at_s in phones.news():
            if fields["ani"] in self._numbers and event == "INVITE":
                self.rang.setdefault(fields["ani"], at_s)
            elif fields["ani"] in self._numbers and event == "ANSWER":
                self.answered.add(fields["ani"])
                self._speech.begin(fields["cid"], fields["ani"], fields["rtp"], at_s, fields["agent"])
                self._speech.joined(fields["cid"], at_s)
            elif event in ("ENDED", "HUNGUP"):
                self._speech.end(fields["cid"], at_s)

    def delays_ms(self) -> list[float]:
        """Return the time from each caller's INVITE to the first phone's."""
        return [1000 * (self.rang[n] - at) for n, at in self.entered.items() if n in self.rang]

    def spans(self) -> list[tuple[float, float]]:
        """Return begin and end of every call; one that never ended counts to the last moment seen."""
        last = max([*self.ended.values(), *self.entered.values()], default=0.0)
        return [(at, self.ended.get(number, last)) for number, at in self.entered.items()]


async def measure(size: Size, told: Callable[[str], None], *, speaks: bool = False) -> dict[str, object]:
    """Search the highest good rate of both routers in turn; return the report."""
    me = asyncio.current_task()
    if me is not None:  # asked to end, we still stop the daemon, Asterisk and the phones we started
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    bench = Bench(size, speaks=speaks)
    ramps = {n: Ramp(size.start_per_s, size.growth, size.fine, most=size.most_per_s) for n in (THEIRS, OURS)}
    steps: dict[str, list[Step]] = {name: [] for name in ramps}
    started, out_of_time = time.monotonic(), False
    try:
        await bench.open()
        for name in ramps:  # first calls pay for modules, pools and caches; they are not counted
            told(f"{name}: warming up")
            await bench.step(name, WARM_UP_PER_S)
        version = bench.lab.describe()["version"] if bench.lab else ""
        while any(ramp.next() is not None for ramp in ramps.values()):
            out_of_time = time.monotonic() - started + size.pair_s > size.budget_s
            if out_of_time:
                break
            for name, ramp in ramps.items():
                rate = ramp.next()
                if rate is None:
                    continue
                told(f"{name}: {rate:.1f} calls a second")
                step = await bench.step(name, rate)
                steps[name].append(step)
                again = time.monotonic() - started + size.pair_s / 2 <= size.budget_s
                if not step.good and again:  # once may be a stall of the machine; twice is the rate
                    told(f"{name}: {rate:.1f} calls a second, again")
                    step = await bench.step(name, rate)
                    steps[name].append(step)
                ramp.tell(rate, was_good=step.good)
    finally:
        await bench.close()
    found = [step for rows in steps.values() for step in rows]
    cores = os.cpu_count() or 1
    others = [s.cpu["machine"] - sum(v for k, v in s.cpu.items() if k != "machine") / cores for s in found]
    shared = max(others, default=0.0) > 0.1
    return {
        "benchmark": "capacity",
        "asterisk_version": version,
        "cores": cores,
        "agents": size.agents,
        "talk_ms": TALK_MS,
        "good_is": f"all answered, none failed or lost, 99 % ring within {LATE_MS:.0f} ms, no core full",
        "media": "speech both ways in talk"
        if speaks
        else "the PBX's own music while waiting; no speech in talk",
        "out_of_time": out_of_time,
        "others_cpu_share_most": round(max(others, default=0.0), 3),
        "caution": CAUTION if shared else "",
        **{name: _verdict(rows, size.most_per_s) for name, rows in steps.items()},
    }


def _verdict(rows: list[Step], most: float) -> dict[str, object]:
    """Return the best rate and what was wrong with the next; a rate that was good when repeated is good."""
    best = max((step for step in rows if step.good), key=lambda step: step.rate_per_s, default=None)
    above = (step for step in rows if not step.good and (best is None or step.rate_per_s > best.rate_per_s))
    worst = min(above, key=lambda step: step.rate_per_s, default=None)
    enough = "the number of phones" if best is not None and best.rate_per_s >= 0.999 * most else ""
    return {
        "highest_good_rate_per_s": best.rate_per_s if best else None,
        "concurrent_calls": best.concurrent_calls if best else None,
        "first_bad_rate_per_s": worst.rate_per_s if worst else None,
        "stopped_by": worst.why_not if worst else enough,
        "cores_used_at_first_bad": worst.cpu if worst else {},
        "steps": [asdict(step) for step in rows],
    }


def _print(report: dict[str, object], console: Console) -> None:
    table = Table(title="Rate after rate", title_justify="left")
    for column in (
        "router",
        "calls/s",
        "calls",
        "answered",
        "at once",
        "to INVITE p50",
        "p99",
        "cores used",
        "verdict",
    ):
        table.add_column(column, justify="left" if column in ("router", "verdict") else "right")
    for name in (THEIRS, OURS):
        found = report[name]
        assert isinstance(found, dict)  # noqa: S101 - made by measure
        for step in found["steps"]:
            cpu = ", ".join(f"{k} {v:.2f}" for k, v in step["cpu"].items())
            p50, p99 = (f"{step[f'enter_to_invite_{p}_ms'] or 0:.0f} ms" for p in ("p50", "p99"))
            table.add_row(
                name, f"{step['rate_per_s']:g}", str(step["calls"]), str(step["answered"]),
                str(step["concurrent_calls"]), p50, p99, cpu, step["why_not"] or "good",
            )  # fmt: skip
    console.print(table)
    for name in (THEIRS, OURS):
        found = report[name]
        assert isinstance(found, dict)  # noqa: S101 - as above
        console.print(
            f"{name}: {found['highest_good_rate_per_s']} calls a second with {found['concurrent_calls']} at once;"
            f" stopped by: {found['stopped_by'] or 'the time for this run'}",
            highlight=False,
        )
    if report["caution"]:
        console.print(f"Caution: {report['caution']}.", style="yellow")


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="bin/bench capacity", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--quick", action="store_true", help="a coarse search within 90 s")
    parser.add_argument(
        "--speech", action="store_true", help="people speak; a talk not heard both ways is a failure"
    )
    options = parser.parse_args(argv)
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console
    ) as bar:
        task = bar.add_task("starting Asterisk, phones and the daemon", total=None)
        size = QUICK if options.quick else Size()
        try:
            work = measure(size, lambda text: bar.update(task, description=text), speaks=options.speech)
            report = asyncio.run(work)
        except (KeyboardInterrupt, asyncio.CancelledError):
            console.print("bench capacity: stopped; everything started is stopped too")
            return 130
        except (LabError, SippError, RuntimeError, OSError) as error:
            console.print(f"bench capacity: {error}", style="red", markup=False, soft_wrap=True)
            return 2
    _print(report, Console(width=None if os.isatty(1) else 180))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0
