"""SIPp as callers and agents on a real Asterisk, and the truth they saw.

Plans in (one per call or per offer), records out (one per leg, from SIPp's own log with microseconds).
A caller and the agent's leg are joined by the caller's number, so give every call its own. Everything is
bounded in count and time, and only processes started here are ended, by their id.
"""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

from simulator.lab.ports import free_port, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SCENARIOS = Path(__file__).with_suffix("")
CALLER_HOST = "127.0.0.2"
"""Callers come from this loopback address: Asterisk knows its trunk by it."""
FOREVER_MS = 3_600_000
_UNSAFE = str.maketrans({";": " ", "\r": " ", "\n": " "})


class SippError(Exception):
    """SIPp is missing or does not run; the message says what it printed."""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One caller. `patience_ms`: hangs up if no agent is tried by then.

    `talk_ms`: hangs up so long after its first agent began to ring (in talk, or still ringing).

    `name` goes between the quotes of From as it is: escape quotes yourself, or leave them hostile.
    """

    ani: str
    did: str
    name: str = "Client"
    patience_ms: int = FOREVER_MS
    talk_ms: int = FOREVER_MS


class Answer(IntEnum):
    """What an agent's phone does with an INVITE."""

    TALK = 0
    BUSY = 1
    SILENT = 2


@dataclass(frozen=True, slots=True)
class OfferPlan:
    """What happens to one INVITE at the agents' port: rings, then talks and hangs up."""

    ring_ms: int = 100
    talk_ms: int = 1000
    answer: Answer = Answer.TALK


@dataclass(slots=True)
class Leg:
    """What one side of a call saw. Times are epoch seconds, 0.0 = never. `agent` is empty on callers' legs."""

    ani: str
    agent: str = ""
    call: str = ""
    times: dict[str, float] = field(default_factory=dict)

    def at(self, event: str) -> float:
        """Moment of INVITE, ACCEPTED, OFFERED, ANSWER, BUSY, CANCELLED, ENDED, HUNGUP, ABANDONED, REFUSED."""
        return self.times.get(event, 0.0)

    @property
    def answered(self) -> bool:
        """The agent answered (agents' legs only; see `wait_ms` for callers)."""
        return "ANSWER" in self.times

    @property
    def over_at(self) -> float:
        """Moment the leg ended by a BYE of either side."""
        return self.at("HUNGUP") or self.at("ENDED")


def exponential_plans(
    count: int, *, seed: int, did: str, patience_mean_s: float | None = None, first_ani: int = 79_000_000_000
) -> tuple[CallPlan, ...]:
    """Callers with exponential patience (None: endless) and a number each."""
    stream = random.Random(seed)
    return tuple(
        CallPlan(
            ani=f"+{first_ani + number}",
            did=did,
            patience_ms=FOREVER_MS
            if patience_mean_s is None
            else int(stream.expovariate(1 / patience_mean_s) * 1000),
        )
        for number in range(count)
    )


def random_offers(
    count: int, *, seed: int, ring_ms: tuple[int, int], talk_ms: tuple[int, int]
) -> list[OfferPlan]:
    """Offers with uniform ring delay and talk time."""
    stream = random.Random(seed)
    return [OfferPlan(stream.randint(*ring_ms), stream.randint(*talk_ms)) for _ in range(count)]


class SippProcess:
    """One SIPp with its own folder of logs (`port` 0: a free one); ended by its id, and bounded in time by itself."""

    def __init__(self, scenario: Path, *, host: str, port: int, sip_port: int, folder: Path) -> None:
        self.host, self.port, self.folder = host, port or free_port(), folder
        self._scenario, self._sip_port = scenario, sip_port
        self.before: tuple[str, ...] = ()
        """Words before the command, such as `chrt --rr 12`: a tool that stamps moments must not wait for a core."""
        self.media_port = free_ports(4)
        """SIPp binds this one and the next but one (video)."""
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self, lines: Sequence[str], timeout_s: float, *options: str) -> None:
        """Begin; `lines` of fields are the plan, one for each call. Raises SippError when SIPp is not installed."""
        sipp = shutil.which("sipp")
        if not sipp:
            raise SippError("SIPp is not installed: apt-get install sip-tester")
        self.folder.mkdir(parents=True, exist_ok=True)
        # its control socket takes commands: loopback only
        command = [*self.before, sipp, f"127.0.0.1:{self._sip_port}", "-sf", str(self._scenario)]
        command += ["-ci", "127.0.0.1"]
        if lines:  # SIPp refuses an empty file
            plan = self.folder / "plan.csv"
            plan.write_text("SEQUENTIAL\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
            command += ["-inf", str(plan)]
        command += ["-i", self.host, "-p", str(self.port), "-mi", self.host, "-mp", str(self.media_port)]
        command += ["-trace_logs", "-log_file", str(self.log), "-nostdin", "-timeout", f"{int(timeout_s)}s"]
        # its own folder is the working directory: SIPp drops files where it stands
        with (self.folder / "screen.txt").open("wb") as out:
            self.process = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                start_new_session=True,
            )

    @property
    def log(self) -> Path:
        """What the scenario wrote, line by line."""
        return self.folder / "events.log"

    @property
    def running(self) -> bool:
        """The process has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def listening(self) -> bool:
        """Its port is taken."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((self.host, self.port))
            except OSError:
                return True
            return False

    def stop(self) -> None:
        """End it now. A kill: asked nicely, SIPp waits for its calls. Its log is flushed line by line."""
        if self.process is not None and self.running:
            self.process.kill()
            self.process.wait(5)

    def screen(self) -> str:
        """What SIPp printed, for an error message."""
        path = self.folder / "screen.txt"
        return path.read_text(encoding="utf-8", errors="replace")[-2000:] if path.exists() else ""


class _Sipp(SippProcess):
    """A SIPp that carries its own plans."""

    def __init__(
        self, folder: Path, scenario: str, *, host: str, port: int, sip_port: int, timeout_s: float
    ) -> None:
        super().__init__(SCENARIOS / scenario, host=host, port=port, sip_port=sip_port, folder=folder)
        self._timeout_s = timeout_s
        self._deadline = 0.0

    def _start(self, lines: Sequence[str], *options: str) -> None:
        self.launch(lines, self._timeout_s, *options)
        self._deadline = time.monotonic() + self._timeout_s + 5

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for its natural end; True if it came. Never longer than its own bound plus 5 s."""
        if self.process is None:
            return True
        left = self._deadline - time.monotonic()
        try:
            self.process.wait(max(0.0, left if timeout_s is None else min(left, timeout_s)))
        except subprocess.TimeoutExpired:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        self.stop()


class Callers(_Sipp):
    """SIPp as callers: `rate` new calls a second until all plans are used."""

    def __init__(
        self,
        sip_port: int,
        plans: Sequence[CallPlan],
        folder: Path,
        *,
        rate: float = 1.0,
        timeout_s: float = 60.0,
        cancel: bool = False,
        host: str = CALLER_HOST,
    ) -> None:
        scenario = "caller_cancel.xml" if cancel else "caller.xml"
        super().__init__(folder, scenario, host=host, port=0, sip_port=sip_port, timeout_s=timeout_s)
        self.plans = tuple(plans)
        self._rate = rate

    def start(self) -> Self:
        """Begin to call."""
        lines = [
            f"{plan.ani};{plan.did};{plan.name.translate(_UNSAFE)};{plan.patience_ms};{plan.talk_ms}"
            for plan in self.plans
        ]
        count = str(len(lines))
        # below one call a second SIPp needs a longer period
        period_ms = 1000 if self._rate >= 1 else round(1000 / self._rate)
        rate = max(self._rate, 1)
        self._start(lines, "-m", count, "-l", count, "-r", f"{rate:g}", "-rp", str(period_ms))
        return self

    def __enter__(self) -> Self:
        return self.start()

    def records(self) -> list[Leg]:
        """What the callers saw so far, one leg per call."""
        legs: dict[str, Leg] = {}
        for event, words, moment in _events(self.log):
            leg = legs.setdefault(words["ani"], Leg(ani=words["ani"]))
            leg.times.setdefault(event, moment)
        return list(legs.values())


class Agents(_Sipp):
    """SIPp as the phones of many agents on one port (`port` 0: a free one). Plans go round if used up."""

    def __init__(
        self,
        sip_port: int,
        plans: Sequence[OfferPlan],
        folder: Path,
        *,
        port: int = 0,
        timeout_s: float = 60.0,
    ) -> None:
        super().__init__(
            folder, "agents.xml", host="127.0.0.1", port=port, sip_port=sip_port, timeout_s=timeout_s
        )
        self.plans = tuple(plans)

    def start(self) -> Self:
        """Begin to listen; returns when the port is bound. Raises SippError."""
        self._start([f"{plan.ring_ms};{plan.talk_ms};{int(plan.answer)}" for plan in self.plans])
        end = time.monotonic() + 5
        while time.monotonic() < end and self.running:
            if self.listening:
                return self
            time.sleep(0.02)
        raise SippError(f"the agents' SIPp does not listen on {self.port}:\n{self.screen()}")

    def __enter__(self) -> Self:
        return self.start()

    def records(self) -> list[Leg]:
        """What the agents saw so far, one leg per INVITE, in order."""
        legs: list[Leg] = []
        open_legs: dict[tuple[str, str], Leg] = {}
        for event, words, moment in _events(self.log):
            key = words["agent"], words["ani"]
            if event == "INVITE":
                open_legs[key] = Leg(ani=words["ani"], agent=words["agent"], call=words["call"])
                legs.append(open_legs[key])
            if key in open_legs:
                open_legs[key].times.setdefault(event, moment)
        return legs


def shown(agents: Agents) -> list[tuple[str, str]]:
    """(agent, From header) of every INVITE at these phones: what their displays show, in order."""
    lines = (
        agents.log.read_text(encoding="utf-8", errors="replace").splitlines() if agents.log.exists() else []
    )
    found = (line.split(" ", 2) for line in lines if line.startswith("from "))
    return [(words[1], words[2].strip()) for words in found if len(words) == 3]


def register(sip_port: int, agents: Iterable[tuple[str, str]], contact_port: int, folder: Path) -> None:
    """Register (user, password) pairs with the contact 127.0.0.1:`contact_port`. Raises SippError."""
    lines = [
        f"{user};{contact_port};[authentication username={user} password={password}]"
        for user, password in agents
    ]
    phone = _Sipp(folder, "register.xml", host="127.0.0.1", port=0, sip_port=sip_port, timeout_s=10.0)
    phone._start(lines, "-m", str(len(lines)), "-r", "20")  # noqa: SLF001 - the same module
    if not phone.wait() or phone.process is None or phone.process.returncode:
        phone.stop()
        raise SippError(f"registration failed:\n{phone.screen()}")


def enter_to_ring_ms(callers: Iterable[Leg], agents: Iterable[Leg]) -> list[float]:
    """Milliseconds from a caller's INVITE to the first INVITE at an agent, per call that reached one."""
    first: dict[str, float] = {}
    for leg in agents:
        first[leg.ani] = min(first.get(leg.ani, leg.at("INVITE")), leg.at("INVITE"))
    return [(first[leg.ani] - leg.at("INVITE")) * 1000 for leg in callers if leg.ani in first]


def wait_ms(callers: Iterable[Leg], agents: Iterable[Leg]) -> dict[str, float]:
    """Per answered caller's number: milliseconds from its INVITE to an agent's answer."""
    answers = {leg.ani: leg.at("ANSWER") for leg in reversed(list(agents)) if leg.answered}
    return {leg.ani: (answers[leg.ani] - leg.at("INVITE")) * 1000 for leg in callers if leg.ani in answers}


def free_pairs(callers: Sequence[Leg], agents: Iterable[Leg]) -> list[tuple[Leg, Leg]]:
    """An agent's talk and the same agent's next one, where a caller was waiting when the first one ended.

    A caller counts as waiting when accepted before the agent became free and rung after it.
    """
    accepted = {leg.ani: leg.at("ACCEPTED") for leg in callers if leg.at("ACCEPTED")}
    by_agent: dict[str, list[Leg]] = {}
    for leg in agents:
        by_agent.setdefault(leg.agent, []).append(leg)
    pairs = []
    for legs in by_agent.values():
        legs.sort(key=lambda leg: leg.at("INVITE"))
        pairs += [
            (before, after)
            for before, after in pairwise(legs)
            if before.over_at and accepted.get(after.ani, float("inf")) <= before.over_at
        ]
    return pairs


def free_to_ring_ms(callers: Sequence[Leg], agents: Iterable[Leg]) -> list[float]:
    """Milliseconds from an agent's end of talk to the same agent's next INVITE, where a caller was waiting."""
    return [(after.at("INVITE") - before.over_at) * 1000 for before, after in free_pairs(callers, agents)]


def double_booked(agents: Iterable[Leg]) -> list[tuple[Leg, Leg]]:
    """Pairs of talks of one agent that overlap: must be empty."""
    by_agent: dict[str, list[Leg]] = {}
    for leg in agents:
        if leg.answered:
            by_agent.setdefault(leg.agent, []).append(leg)
    pairs = []
    for legs in by_agent.values():
        legs.sort(key=lambda leg: leg.at("ANSWER"))
        pairs += [
            (one, two) for one, two in pairwise(legs) if not one.over_at or one.over_at > two.at("ANSWER")
        ]
    return pairs


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed; 0.0 of nothing."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    ranks = [(rank + 1) / len(ordered) for rank in range(len(ordered))]
    return ordered[min(bisect_left(ranks, share - 1e-12), len(ordered) - 1)]


def _events(log: Path) -> Iterable[tuple[str, dict[str, str], float]]:
    """Every event of a whole SIPp log."""
    if log.exists():
        yield from events_of(log.read_text(encoding="utf-8", errors="replace").splitlines())


def events_of(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield (event, fields, epoch seconds) of lines `acd EVENT key=value... date time epoch`; others are passed over."""
    for line in lines:
        words = line.split()
        try:
            if words[0] == "acd":
                pairs = dict(word.split("=", 1) for word in words[2:-3] if "=" in word)
                yield words[1], pairs, float(words[-1])
        except (IndexError, ValueError):
            continue  # a line torn by the end of the process
