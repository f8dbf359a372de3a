"""One run: calls come, faults happen, everything comes to rest, the oracle judges."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from simulator.centre.daemon import Api
from simulator.centre.driver import PlannedCall, StandInDriver, plan_calls
from simulator.centre.lab_driver import LabDriver
from simulator.centre.oracle import Truth, percentile
from simulator.faults import callbacks
from simulator.faults import evidence as ev
from simulator.faults.deeds import DEEDS, NotHere
from simulator.faults.plan import Fault, Kind
from simulator.faults.pressing import Presser
from simulator.faults.site import ANSWER_S, READY_S, NotSyncedError, Pause, Site, now_ms
from simulator.lab import sipp

SETTLE_S = 90.0
"""After the last call and the last fault: cards, tickets and retries come to rest."""
LEFT_AFTER_S = 10.0
EXTRA_DESCRIPTORS = 12
"""How many more files and sockets than at the start are no leak: a link, a worker, a browser."""
LONGEST_S = 40.0
"""A caller whose other side died with Asterisk hangs up in the end."""
IDLE = frozenset({"idle", "logged_out"})
SHOWN_AFTER_MS = 7_500
"""A fault that lasts longer than this must be seen by then."""
TROUBLE_OF: dict[Kind, str] = {
    Kind.AMI_BLACK_HOLE: "asterisk",
    Kind.PBX_KILL: "asterisk",
    Kind.AGI_OFF: "door",
    Kind.AGI_MUTE: "door",
    Kind.BROKER: "mqtt",
    Kind.TICKETS_500: "webhook",
    Kind.DISK_FULL: "disk",
    Kind.CLOCK: "clock",
}
"""Which words `acd status` and the wallboard must show while this fault lasts."""


@dataclass(slots=True)
class Done:
    """One fault as it happened."""

    fault: Fault
    note: str = ""
    skipped: str = ""
    began_ms: int = 0
    ended_ms: int = 0
    troubles: dict[str, str] = field(default_factory=dict)
    """What the daemon said in plain words meanwhile."""

    @property
    def shown(self) -> bool | None:
        """Whether the trouble was visible; None where none is expected or the fault was short."""
        wanted = TROUBLE_OF.get(self.fault.kind)
        if wanted is None or self.skipped or self.ended_ms - self.began_ms < SHOWN_AFTER_MS:
            return None
        return wanted in self.troubles


@dataclass(slots=True)
class Result:
    """Everything a run showed."""

    seed: int
    version: str
    judgement: ev.Judgement
    calls: int
    done: Sequence[Done]
    first_offers_s: Sequence[float]
    fallback_s: Sequence[float]
    took_s: float
    usage: dict[str, float]
    baseline: dict[str, float]
    ended_by_itself: int = 0
    """Times the daemon ended without being killed: must be 0."""
    cancels: int = 0
    """Callers who hung up within 50 ms of the answer."""

    @property
    def faults(self) -> dict[str, int]:
        """How often each kind was met."""
        met = dict(Counter(one.fault.kind.name.lower() for one in self.done if not one.skipped))
        return met | ({"cancels": self.cancels} if self.cancels else {})

    def figures(self) -> dict[str, object]:
        """The report's keys, as the issue names them."""
        verdict = self.judgement.verdict
        p95 = percentile(self.first_offers_s, 0.95)
        return {
            "lost": verdict.lost + verdict.failed,
            "double_booked": verdict.double_booked,
            "distorted": verdict.distorted,
            "duplicate_callbacks": self.judgement.duplicate_callbacks,
            "restart_to_first_offer_p95_s": None if p95 is None else round(p95, 3),
            "death_to_fallback_max_s": round(max(self.fallback_s), 3) if self.fallback_s else None,
            "calls": self.calls,
            "faults": self.faults,
        }

    @property
    def good(self) -> bool:
        """Nothing lost, nothing left over, the daemon never fell over by itself."""
        defects = any(one.note.startswith("DEFECT") for one in self.done)
        return self.judgement.good and not self.ended_by_itself and not defects


def plan_faulty_calls(
    site: Site, count: int, rate_per_s: float, seed: int, *, cancels: bool
) -> list[PlannedCall]:
    """Plan calls; with `cancels`, every tenth caller hangs up within 50 ms of the answer."""
    calls = plan_calls(site.spec, count, rate_per_s, seed, talk_s=(1.0, 3.0))
    rng = random.Random(f"cancels {seed}")

    def ringing_s() -> float:
        return ANSWER_S + rng.uniform(-0.05, 0.05) if cancels and rng.random() < 0.1 else LONGEST_S

    calls = [replace(call, ringing_s=ringing_s()) for call in calls]
    return callbacks.with_callbacks(site.spec, calls, seed) if site.mixed else calls


async def run(
    site: Site,
    calls: Sequence[PlannedCall],
    faults: Sequence[Fault],
    *,
    seed: int,
    on_call: Callable[[], None] = lambda: None,
    on_fault: Callable[[Done], None] = lambda _done: None,
) -> Result:
    """Run one plan on an open site."""
    begun = time.monotonic()
    pressing = _numbers_and_pressers(site, calls, seed) if site.mixed else None
    making = asyncio.create_task(site.driver.make(calls, on_call))
    guard = _Guard(site)
    watching = asyncio.create_task(guard.watch())
    done: list[Done] = []
    try:
        for fault in faults:
            await asyncio.sleep(max(0.0, fault.at_s - (time.monotonic() - begun)))
            if making.done():
                break
            done.append(await _one(site, fault, guard))
            on_fault(done[-1])
        truths = await making
        unready = await _unready(site)
        await site.finish_callbacks()
        await _settle(site, truths)
        leaks = [*unready, *await _leaks(site)]
    finally:
        watching.cancel()
        making.cancel()
        if pressing is not None:
            pressing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    gathered = await asyncio.to_thread(gather, site, truths, leaks)
    await asyncio.to_thread(keep_evidence, site)
    return Result(
        seed=seed,
        version=site.driver.version,
        judgement=ev.judge_all(gathered),
        calls=len(truths),
        done=done,
        first_offers_s=ev.first_offers_s(
            gathered.journal, [(x.started_ms, x.ended_ms) for x in site.lives], site.agents
        ),
        fallback_s=ev.death_to_fallback_s(gathered.journal, site.deaths),
        took_s=time.monotonic() - begun,
        usage=site.daemon.usage(),
        baseline=site.baseline,
        ended_by_itself=guard.ended_by_itself,
        cancels=count_cancels(calls, truths),
    )


def _numbers_and_pressers(site: Site, calls: Sequence[PlannedCall], seed: int) -> asyncio.Task[None] | None:
    """Let called numbers answer or not; on real Asterisk start who presses 1 for the callers who want to."""
    site.driver.silence(callbacks.silent_numbers(calls, seed))
    driver = site.driver
    if not isinstance(driver, LabDriver) or driver.lab is None:
        return None
    wanting = {call.ani for call in calls if call.takes_callback}
    return asyncio.create_task(Presser(driver.lab, wanting).run())


def count_cancels(calls: Sequence[PlannedCall], truths: Sequence[Truth]) -> int:
    """Return how many of the callers who meant to hang up around the answer heard a phone ring."""
    meant = {call.ani for call in calls if call.ringing_s is not None and call.ringing_s < LONGEST_S}
    return sum(truth.ani in meant and bool(truth.rings) for truth in truths)


class _Guard:
    """Watches the daemon while faults happen: did it end by itself, what does it say."""

    def __init__(self, site: Site) -> None:
        self.ended_by_itself = 0
        self.troubles: dict[str, str] = {}
        self.killing = False
        self._site = site

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            if not self.killing and self._site.revive_daemon():
                self.ended_by_itself += 1
            self.troubles |= await self._site.troubles() or {}
            await asyncio.sleep(0.2)


async def _one(site: Site, fault: Fault, guard: _Guard) -> Done:
    done = Done(fault, began_ms=now_ms())
    guard.troubles = done.troubles
    guard.killing = fault.kind in (Kind.KILL, Kind.DEAD, Kind.CLOCK)
    try:
        done.note = await DEEDS[fault.kind](site, fault)
    except NotHere as why:
        done.skipped = str(why)
    except RuntimeError as late:  # a daemon that does not come up in time: the run goes on and is judged: this is one of its findings
        done.note = f"DEFECT: {late}"
    finally:
        guard.killing = False
    done.ended_ms = now_ms()
    return done


async def _unready(site: Site) -> list[str]:
    """Wait for the daemon after the last fault; one that does not come back is a finding, and the run is judged."""
    try:
        await site.until_synced(READY_S)
    except NotSyncedError as late:
        return [str(late)]
    return []


async def _settle(site: Site, truths: Sequence[Truth]) -> None:
    """Wait until every call that entered has its card and every card its ticket."""
    end = time.monotonic() + SETTLE_S
    database = site.spec.state_dir / "acd.db"
    wanted = len(truths)
    while time.monotonic() < end:
        journal, cards = await asyncio.to_thread(ev.read_all, site.spec.queue_log, database)
        tickets = ev.newest_tickets(site.tickets.taken)
        wanted = len(journal)
        if len(cards) >= wanted and all(_told(card, tickets) for card in cards):
            return
        await asyncio.sleep(0.5)


def _told(card: Mapping[str, object], tickets: Mapping[str, Mapping[str, object]]) -> bool:
    ticket = tickets.get(str(card["call"]))
    return ticket is not None and all(ticket[name] == card[name] for name in ("ended_at", "end_reason"))


async def _leaks(site: Site) -> list[str]:
    """What is left over when all calls are over; looked at until nothing is, at most LEFT_AFTER_S."""
    end = time.monotonic() + LEFT_AFTER_S
    while True:
        found = await _left_over(site)
        if not found or time.monotonic() > end:
            return found
        await asyncio.sleep(0.5)


async def _left_over(site: Site) -> list[str]:
    found = []
    channels = await _channels(site)
    if channels:
        found.append(f"{channels} channels are left in the switch")
    api = Api(site.spec)
    try:
        snapshot = await api.get("/snapshot")
    except (httpx.HTTPError, RuntimeError) as silent:
        return [*found, f"the daemon does not say what it knows: {silent!r}"]
    finally:
        await api.close()
    if snapshot["calls"]:
        found.append(f"the daemon still knows {len(snapshot['calls'])} calls")
    stuck = [
        f"{agent['agent']} {agent['state']}" for agent in snapshot["agents"] if agent["state"] not in IDLE
    ]
    if stuck:
        found.append(f"agents stuck: {', '.join(stuck)}")
    gone = [agent["agent"] for agent in snapshot["agents"] if agent["status"] == "logged_out"]
    if gone:
        found.append(f"agents forgot that they had logged in: {', '.join(gone)}")
    usage, baseline = site.daemon.usage(), site.baseline
    if usage and usage["descriptors"] > baseline["descriptors"] + EXTRA_DESCRIPTORS:
        found.append(f"descriptors grew from {baseline['descriptors']:.0f} to {usage['descriptors']:.0f}")
    return found


async def _channels(site: Site) -> int:
    driver = site.driver
    if isinstance(driver, StandInDriver):
        return len(driver.world.channels) if driver.world else 0
    assert isinstance(driver, LabDriver)  # noqa: S101 - there are two
    assert driver.lab is not None  # noqa: S101 - the site is open
    text = await asyncio.to_thread(driver.lab.console, "core show channels count")
    return int(text.split()[0])


def gather(site: Site, truths: Sequence[Truth], leaks: Sequence[str]) -> ev.Evidence:
    """Read what everybody says."""
    database = site.spec.state_dir / "acd.db"
    journal, cards = ev.read_all(site.spec.queue_log, database)
    missed, tasks = ev.read_ledger(database)
    return ev.Evidence(
        truths=truths,
        journal=journal,
        cel_calls=ev.read_cel(site.spec.cel) if site.spec.cel is not None else None,
        cards=cards,
        missed=missed,
        tasks=tasks,
        dialling=callbacks.read(database),
        rung=site.driver.rung(),
        now_ms=now_ms(),
        tickets=ev.newest_tickets(site.tickets.taken),
        tickets_changed=site.tickets.changed,
        pbx_deaths=site.pbx_deaths,
        leaks=leaks,
        extra_double=_phones_double(site, site.pbx_deaths),
    )


def _phones_double(site: Site, deaths: Sequence[Pause]) -> list[str]:
    """What the phones saw: one of them in two talks. Legs that Asterisk's death cut off tell nothing."""
    driver = site.driver
    if not isinstance(driver, LabDriver) or driver.phones is None:
        return []
    pairs = sipp.double_booked(driver.phones.records())
    return [
        f"the phone of {one.agent} talked with {one.ani} and {two.ani} at once"
        for one, two in pairs
        if not any(
            one.at("ANSWER") * 1000 <= death.ended_ms and one.over_at * 1000 >= death.began_ms
            for death in deaths
        )
        and one.over_at
    ]


def keep_evidence(site: Site) -> Path:
    """Copy journal, CEL, database and phones' logs to the run's folder, before the switch takes them along."""
    folder = site.folder / "evidence"
    folder.mkdir(exist_ok=True)
    for source in (site.spec.queue_log, site.spec.cel, *site.spec.state_dir.glob("acd.db*")):
        if source is not None and source.exists():
            shutil.copyfile(source, folder / source.name)
    return folder
