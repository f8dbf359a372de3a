"""`bin/bench calls`: our router and app_queue in turn, same Asterisk, same SIPp callers and phones, one run.

Three questions. *Saturated*: callers always wait; how long from an agent's hang-up to the same agent's next
INVITE? *Light*: an agent is free; how long from the caller's INVITE to the agent's? *Load*: 15 calls a second for
two minutes with 100 agents; is anything lost, and what does the daemon cost? All times are SIPp's own.

Where the machine grants it, Asterisk runs with real-time priority, as Debian's own service runs it, our router's loop
as our unit lets it, and SIPp before both (simulator/lab/realtime.py); for both engines the same. The report says so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.bench.stages import Wire
from simulator.centre.config import CentreSpec, write
from simulator.centre.daemon import Api, DaemonProcess
from simulator.centre.driver import PhonePlan, PlannedCall
from simulator.centre.lab_driver import LabDriver
from simulator.centre.oracle import figures, judge, read_journal
from simulator.centre.report import read_cards
from simulator.lab import realtime, sipp

APP_QUEUE_DID = "8801"
SITE = """
[acd-in]
exten => _88XX,1,Answer(,i)
 same => n,Queue(bench)
 same => n,Hangup()
"""
QUEUE = """
[bench]
strategy = leastrecent
ringinuse = no
autofill = yes
timeout = 15
retry = 1
wrapuptime = 0
musicclass = acd
"""


@dataclass(frozen=True, slots=True)
class How:
    """How to measure. `wire`: also where our milliseconds go. `both`: app_queue too."""

    real_time: bool = False
    wire: bool = False
    both: bool = True


@dataclass(frozen=True, slots=True)
class Stage:
    """One load: how many calls at which rate, how long agents talk."""

    name: str
    calls: int
    rate_per_s: float
    talk_s: tuple[float, float]


SATURATED = Stage("saturated", 200, 8.0, (1.5, 4.0))
LIGHT = Stage("light", 80, 2.0, (0.8, 1.6))
LOAD = Stage("load", 1800, 15.0, (3.0, 6.0))
BARS = (
    (LIGHT.name, "enter_to_invite_ms.p50", 10.0),
    (LIGHT.name, "enter_to_invite_ms.p99", 50.0),
    (LOAD.name, "daemon_cpu_share_of_a_core", 0.5),
    (LOAD.name, "lost", 0.0),
    *((stage.name, "failed_sip_calls", 0.0) for stage in (SATURATED, LIGHT, LOAD)),
)
"""(stage, figure of our router, at most)."""


class Bench:
    """A lab, phones and, for our router, a daemon."""

    def __init__(self, agents: int, talk_s: tuple[float, float], how: How) -> None:
        self.spec = CentreSpec(
            Path(tempfile.mkdtemp(prefix="acd-bench-")),
            agents=agents,
            wrap_up_s=0.0,
            extra=_one_skill(agents),
        )
        self.driver = LabDriver(
            phones=PhonePlan(answer_after_s=0.05, talk_s=talk_s),
            settings={"record": "0"},
            real_time=how.real_time,
        )
        self._how = how
        self.daemon: DaemonProcess | None = None
        self._serial = 0

    async def open(self) -> None:
        """Start Asterisk and the phones; give app_queue the same agents."""
        await self.driver.open(self.spec)
        lab = self.driver.lab
        assert lab is not None  # noqa: S101 - open() made it
        members = "".join(f"member => PJSIP/{agent}\n" for agent in self.spec.agent_ids)
        (lab.etc / "acd-site.conf").write_text(SITE, encoding="utf-8")
        with (lab.etc / "queues-members.conf").open("a", encoding="utf-8") as file:
            file.write(QUEUE + members)
        for command in ("dialplan reload", "queue reload all"):
            await asyncio.to_thread(lab.console, command)

    async def start_daemon(self) -> None:
        """Start our router and log every agent in."""
        self.daemon = DaemonProcess(self.spec, write(self.spec))
        if self._how.real_time:
            self.daemon.environment["ACD_LOOP_PRIORITY"] = str(realtime.ROUTER)
        self.daemon.start()
        await self.daemon.ready()
        api = Api(self.spec)
        for agent in self.spec.agent_ids:
            await api.post(f"/agents/{agent}/login")
        await api.close()

    async def stage(self, stage: Stage, did: str | None) -> dict[str, object]:
        """Run one load; `did` None: the firms' numbers, through our router."""
        assert self.driver.phones is not None  # noqa: S101 - open() made them
        seen = len(self.driver.phones.records())
        calls = self._plans(stage, did)
        before = self.daemon.usage() if self.daemon else {}
        wire = self._wire(did)
        with wire.listening() if wire else contextlib.nullcontext():
            truths = await self.driver.make(calls, lambda: None)
        after = self.daemon.usage() if self.daemon else {}
        legs = self.driver.phones.records()[seen:]
        callers = self.driver.last_callers
        result: dict[str, object] = {
            "calls": stage.calls,
            "rate_per_s": stage.rate_per_s,
            "answered": sum(truth.outcome == "answered" for truth in truths),
            "failed_sip_calls": sum(truth.outcome == "failed" for truth in truths),
            "enter_to_invite_ms": figures(sipp.enter_to_ring_ms(callers, legs)),
            "free_to_next_invite_ms": figures(sipp.free_to_ring_ms(callers, legs)),
            "double_booked": len(sipp.double_booked(legs)),
        }
        if did is None:
            span_s = stage.calls / stage.rate_per_s
            result["daemon_cpu_ms_per_call"] = round(
                1000 * (after["cpu_s"] - before["cpu_s"]) / stage.calls, 2
            )
            result["daemon_cpu_share_of_a_core"] = round((after["cpu_s"] - before["cpu_s"]) / span_s, 3)
            result["daemon_rss_mib"] = round(after["rss_mib"], 1)
            result |= await self._oracle(truths)
        if wire:
            result["stages"] = wire.trace.report(callers, legs)
        return result

    def _wire(self, did: str | None) -> Wire | None:
        lab = self.driver.lab
        assert lab is not None  # noqa: S101 - open() made it
        return Wire(lab.ports.ami, lab.ports.sip) if self._how.wire and did is None else None

    def _plans(self, stage: Stage, did: str | None) -> list[PlannedCall]:
        dids = [did] if did else self.spec.dids
        plans = []
        for n in range(stage.calls):
            self._serial += 1
            ani = f"+7916{self._serial:07d}"
            plans.append(
                PlannedCall((n + 1) / stage.rate_per_s, dids[n % len(dids)], ani, "Client", 3_600.0, 3_600.0)
            )
        return plans

    async def _oracle(self, truths: Sequence[object]) -> dict[str, object]:
        wanted = {truth.ani for truth in truths}  # type: ignore[attr-defined]  # Truths of this stage
        database = self.spec.state_dir / "acd.db"
        for _ in range(60):
            cards = [c for c in await asyncio.to_thread(read_cards, database) if c["ani"] in wanted]
            if len(cards) == len(wanted):
                break
            await asyncio.sleep(0.25)
        lines = self.spec.queue_log.read_text(encoding="utf-8").splitlines()
        journal = {k: v for k, v in read_journal(lines).items() if v.ani in wanted}
        verdict = judge(truths, journal, cards)  # type: ignore[arg-type]  # as above
        return {"lost": verdict.lost, "distorted": verdict.distorted, "problems": verdict.problems[:5]}

    async def close(self) -> None:
        """Stop everything."""
        if self.daemon is not None:
            await self.daemon.stop()
        await self.driver.close()


def _one_skill(agents: int) -> dict[str, object]:
    """All agents alike, so that both engines have the same choice."""
    names = [f"a{101 + n}" for n in range(agents)]
    return {"agents": {name: {"skills": {"general": 3}} for name in names}}


async def measure(*, quick: bool = False, only: Sequence[str] = (), how: How) -> dict[str, object]:
    """Run every stage, or only the named ones, and return the report."""
    report: dict[str, object] = {"benchmark": "calls", "clock": "SIPp log stamps, milliseconds"}
    report["priority"] = (
        f"real-time, SCHED_RR: Asterisk {realtime.ASTERISK}, router's loop {realtime.ROUTER}, SIPp {realtime.SIPP}"
        if how.real_time
        else "normal"
    )
    wanted = only or [stage.name for stage in (SATURATED, LIGHT, LOAD)]
    scale = 4 if quick else 1
    for stage in (SATURATED, LIGHT, LOAD):
        if stage.name not in wanted:
            continue
        agents = 100 if stage is LOAD else 10
        small = Stage(stage.name, stage.calls // scale, stage.rate_per_s, stage.talk_s)
        bench = Bench(agents, stage.talk_s, how)
        measured: dict[str, object] = {"agents": agents}
        try:
            await bench.open()
            report["asterisk_version"] = bench.driver.version
            if stage is not LOAD and how.both:
                measured["app_queue"] = await bench.stage(small, APP_QUEUE_DID)
            await bench.start_daemon()
            measured["router"] = await bench.stage(small, None)
        finally:
            await bench.close()
        report[stage.name] = measured
    if SATURATED.name in wanted and how.both:
        report["ratio_free_to_invite_p50"] = _ratio(report[SATURATED.name])
    return report


def _ratio(stage: object) -> float | None:
    """Ours divided by app_queue's, both p50 of the same run."""
    assert isinstance(stage, dict)  # noqa: S101 - made above
    ours = stage["router"]["free_to_next_invite_ms"]["p50"]
    theirs = stage["app_queue"]["free_to_next_invite_ms"]["p50"]
    return round(ours / theirs, 5) if ours is not None and theirs else None


def bars(report: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Every bar of the issue that this run measured: its value, its bar, met or not. A bar missed is a figure."""
    found: dict[str, dict[str, object]] = {}

    def bar(name: str, value: object, most: float) -> None:
        if isinstance(value, int | float):
            found[name] = {"value": value, "bar": most, "met": value <= most}

    bar("free to next INVITE, p50, ours / app_queue's", report.get("ratio_free_to_invite_p50"), 0.01)
    for stage, what, most in BARS:
        value: object = report.get(stage)
        for key in ("router", *what.split(".")):
            value = value.get(key) if isinstance(value, dict) else None
        bar(f"{stage}: {what}", value, most)
    return found


def whole(report: Mapping[str, object]) -> bool:
    """Return whether no call was lost, distorted or booked twice by our router: else the measurement is void."""
    stages = [stage["router"] for stage in report.values() if isinstance(stage, dict) and "router" in stage]
    return all(not stage[key] for stage in stages for key in ("lost", "distorted", "double_booked"))


def main(argv: list[str]) -> int:
    """Command line. Exit status 1: calls were lost, distorted or booked twice; a missed bar is only said."""
    parser = argparse.ArgumentParser(prog="bin/bench calls", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--quick", action="store_true", help="a quarter of the calls")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=[stage.name for stage in (SATURATED, LIGHT, LOAD)],
        help="only this stage, may be given again; load: two minutes at 15 calls a second, 100 agents",
    )
    parser.add_argument("--stages", action="store_true", help="also where our milliseconds go (as root)")
    parser.add_argument(
        "--ours-only", action="store_true", help="leave app_queue out: half the time, no ratio"
    )
    parser.add_argument("--normal-priority", action="store_true", help="no real-time priority for anybody")
    options = parser.parse_args(argv)
    how = How(
        real_time=not options.normal_priority and realtime.granted(),
        wire=options.stages,
        both=not options.ours_only,
    )
    report = asyncio.run(measure(quick=options.quick, only=options.only, how=how))
    report["bars"] = bars(report)
    text = json.dumps(report, indent=2)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0 if whole(report) else 1
