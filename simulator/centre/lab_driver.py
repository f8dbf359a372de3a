"""Callers and phones that speak SIP to a real Asterisk: SIPp on both sides of a lab of our own."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from simulator.centre.config import CentreSpec
from simulator.centre.driver import PhonePlan, PlannedCall
from simulator.centre.oracle import Truth, read_journal
from simulator.lab import realtime
from simulator.lab.agents import Agent
from simulator.lab.instance import Lab, Ports
from simulator.lab.ports import free_port
from simulator.lab.sipp import FOREVER_MS, Agents, Answer, Callers, CallPlan, Leg, random_offers

PHONES_S = 7_200.0
CROSSING_S = 0.15
SLACK_S = 90.0
"""After the last call begins: the longest a call may take before the run is given up."""


class LabDriver:
    """Implements simulator.centre.driver.Driver on a lab."""

    def __init__(
        self,
        console: Console | None = None,
        phones: PhonePlan | None = None,
        settings: dict[str, str] | None = None,
        *,
        real_time: bool = False,
    ) -> None:
        self._console = console or Console(quiet=True)
        self._plan = phones or PhonePlan()
        self._settings = settings or {}
        self._real_time = real_time
        self.lab: Lab | None = None
        self.phones: Agents | None = None
        self.last_callers: list[Leg] = []
        """What the callers of the last run saw."""
        self._folder = Path()
        self._runs = 0
        self._contacts: dict[str, Agent] = {}
        self._numbers: Agents | None = None
        self._numbers_port = free_port()

    @property
    def version(self) -> str:
        """Asterisk's version."""
        return str(self.lab.describe()["version"]) if self.lab else ""

    async def open(self, spec: CentreSpec) -> None:
        """Start Asterisk and the phones; fill in ports, secrets and journal paths."""
        self._folder = spec.directory / "sipp"
        contact_port = free_port()
        lab = Lab(
            f"centre{uuid.uuid4().hex[:8]}",
            agents=[
                Agent(agent, contact=f"sip:{agent}@127.0.0.1:{contact_port}") for agent in spec.agent_ids
            ],
            ports=Ports.free(agi=spec.agi_port),
            settings={"out_port": str(self._numbers_port), **self._settings},
            die_with_parent=True,
            real_time=self._real_time,
        )
        self.lab = lab
        await asyncio.to_thread(lab.up)
        spec.ami_port, spec.ami_user, spec.ami_secret = lab.ports.ami, lab.router_user, lab.router_secret
        spec.callback_secret = lab.callback_secret
        spec.queue_log, spec.cel = lab.queue_log, lab.cel_csv
        low, high = (round(1000 * s) for s in self._plan.talk_s)
        ring_ms = round(1000 * self._plan.answer_after_s)
        offers = random_offers(997, seed=1, ring_ms=(ring_ms, ring_ms), talk_ms=(low, high))
        self.phones = Agents(
            lab.ports.sip, offers, self._folder / "agents", port=contact_port, timeout_s=PHONES_S
        )
        self.phones.before = self._sipp_before()
        await asyncio.to_thread(self.phones.start)

    def _sipp_before(self) -> tuple[str, ...]:
        return realtime.chrt(realtime.SIPP) if self._real_time else ()

    async def make(self, calls: Sequence[PlannedCall], on_end: Callable[[], None]) -> list[Truth]:
        """Let SIPp call at the plans' mean rate; return once every call is over."""
        assert self.lab is not None, "open() comes first"  # noqa: S101 - a programmer's error
        self._runs += 1
        plans = [
            CallPlan(
                call.ani,
                call.did,
                call.name.replace('"', ""),
                patience_ms=round(1000 * call.patience_s),
                talk_ms=FOREVER_MS if call.ringing_s is None else round(1000 * call.ringing_s),
            )
            for call in calls
        ]
        span_s = max(calls[-1].start_s, 0.1)
        callers = Callers(
            self.lab.ports.sip,
            plans,
            self._folder / f"callers{self._runs}",
            rate=len(calls) / span_s,
            timeout_s=span_s + SLACK_S,
        )
        callers.before = self._sipp_before()
        told = 0
        with callers:
            # SIPp's own limit stops new calls only; one whose other side died would keep it for ever
            end = asyncio.get_running_loop().time() + span_s + SLACK_S
            while callers.running and asyncio.get_running_loop().time() < end:
                await asyncio.sleep(0.3)
                over = sum(_is_over(leg) for leg in await asyncio.to_thread(callers.records))
                for _ in range(over - told):
                    on_end()
                told = max(told, over)
        self.last_callers = callers.records()
        # SIPp ends with its last call, mostly before the next look
        for _ in range(sum(map(_is_over, self.last_callers)) - told):
            on_end()
        return self.truths(calls, self.last_callers)

    def truths(self, calls: Sequence[PlannedCall], legs: Sequence[Leg]) -> list[Truth]:
        """Join callers' and agents' legs by the caller's number."""
        by_ani = {leg.ani: leg for leg in legs}
        rings: dict[str, list[Leg]] = {}
        ours = self._own_calls()
        for leg in self.phones.records() if self.phones else ():
            if leg.call not in ours:
                rings.setdefault(leg.ani, []).append(leg)
        return [_truth(call, by_ani.get(call.ani), rings.get(call.ani, [])) for call in calls]

    def _own_calls(self) -> set[str]:
        """Call-backs: the agent's phone shows the client's number, but the client has not called."""
        if self.lab is None or not self.lab.queue_log.exists():
            return set()
        lines = self.lab.queue_log.read_text(encoding="utf-8", errors="replace").splitlines()
        return {id_ for id_, call in read_journal(lines).items() if call.is_callback}

    def silence(self, numbers: Collection[str]) -> None:
        """One in five INVITEs to a number rings for ever: SIPp goes by the order of calls, not by the number."""
        del numbers
        assert self.lab is not None, "open() comes first"  # noqa: S101 - a programmer's error
        offers = random_offers(499, seed=2, ring_ms=(100, 1_500), talk_ms=(500, 2_500))
        offers = [replace(o, answer=Answer.SILENT) if n % 5 == 0 else o for n, o in enumerate(offers)]
        self._numbers = Agents(
            self.lab.ports.sip, offers, self._folder / "numbers", port=self._numbers_port, timeout_s=PHONES_S
        )
        self._numbers.start()

    def rung(self) -> Counter[str]:
        """How often each number was called back."""
        return Counter(leg.agent for leg in self._numbers.records()) if self._numbers else Counter()

    async def unplug(self, agents: Sequence[str]) -> None:
        """Take these agents' phones away: their addresses of record lose the contact."""
        assert self.lab is not None, "open() comes first"  # noqa: S101 - a programmer's error
        kept = self.lab.agents
        self._contacts |= {agent.id: agent for agent in kept if agent.contact}
        changed = [replace(agent, contact="") if agent.id in agents else agent for agent in kept]
        await asyncio.to_thread(self.lab.write_agents, changed)

    async def plug(self, agents: Sequence[str]) -> None:
        """Put them back."""
        assert self.lab is not None, "open() comes first"  # noqa: S101 - a programmer's error
        changed = [self._contacts[a.id] if a.id in agents else a for a in self.lab.agents]
        await asyncio.to_thread(self.lab.write_agents, changed)

    async def close(self) -> None:
        """Stop the phones and Asterisk."""
        for process in (self.phones, self._numbers):
            if process is not None:
                process.stop()
        if self.lab is not None:
            await asyncio.to_thread(self.lab.down)


def _is_over(leg: Leg) -> bool:
    return any(event in leg.times for event in ("HUNGUP", "ENDED", "ABANDONED", "REFUSED"))


def _contested(caller: Leg, agent: Leg) -> bool:
    """Whether answer and hang-up crossed on the wire: the PBX alone knows which came first."""
    hung_up = caller.at("HUNGUP")
    return bool(hung_up) and abs(hung_up - agent.at("ANSWER")) < CROSSING_S


def _truth(call: PlannedCall, caller: Leg | None, rings: Sequence[Leg]) -> Truth:
    answers = [leg for leg in rings if leg.answered]
    if answers and caller is not None and _contested(caller, answers[-1]):
        outcome = "contested"
    elif answers:
        outcome = "answered"
    elif caller is not None and ("ABANDONED" in caller.times or "HUNGUP" in caller.times):
        outcome = "abandoned"
    elif caller is not None and "REFUSED" in caller.times:
        outcome = "refused"
    else:
        outcome = "failed"
    return Truth(
        ani=call.ani,
        did=call.did,
        entered_s=caller.at("INVITE") if caller else 0.0,
        outcome=outcome,
        answered_by=answers[-1].agent if answers else "",
        answered_s=answers[-1].at("ANSWER") if answers else None,
        ended_s=caller.over_at if caller else None,
        rings=[(leg.agent, leg.at("INVITE")) for leg in rings],
    )
