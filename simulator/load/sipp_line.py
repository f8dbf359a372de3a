"""Callers and phones that speak SIP to a real Asterisk: SIPp, moved from here call by call.

SIPp knows neither who a caller will reach nor when he gives up. So its two scenarios only follow: they log
every step, and a tiny SIP request with the call's own Call-ID tells a call to answer, refuse or hang up.
Thus real phones behave by the very draws of the virtual engine.

What differs from virtual time: a step is heard of up to POLL_S late (books use SIPp's own stamps), and a call
starts within about 15 ms of its plan. Voices and keys come from `speech.py`: whose talk had sound is told too.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.faults.pressing import Presser
from simulator.lab.instance import TRUNK_HOST, Lab, Ports
from simulator.lab.ports import free_port
from simulator.lab.sipp import SippError, register
from simulator.load.appqueue import write_app_queue
from simulator.load.lines import AgentLine, lines_of, write_mobiles
from simulator.load.notes import Notes
from simulator.load.prompts import say_nothing
from simulator.load.puppets import Puppets, command
from simulator.load.speech import Speech
from simulator.load.trunk import write_trunk
from simulator.load.voice import PRESS_MS
from simulator.scenario import HOME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from acd.wire.queue_log import JournalRow
    from simulator.centre.config import CentreSpec
    from simulator.lab.agents import Agent
    from simulator.load.centre import Centre
    from simulator.load.parts import Made
    from simulator.load.world import LiveWorld

POLL_S = 0.008
CREATE_PER_S = 1_000
"""So many calls SIPp makes ready in a second; each then sleeps until its own start."""
LEAD_S = 1.5
"""SIPp's own start-up, before the run begins."""
RTP_PORTS = 2_000
BENCH_STRATEGY = "leastrecent"


class SippLine:
    """Implements simulator.load.world.Line on a lab of our own."""

    engine = "real"

    def __init__(self, *, speaks: bool = True) -> None:
        self.speech = Speech(speaks=speaks)
        """What people say and press."""
        self._lines: dict[str, AgentLine] = {}
        self._dialled: dict[str, str] = {}
        """By the number that is dialled: the agent behind it."""
        self.lab: Lab | None = None
        self._phones: Puppets | None = None
        self._callers: list[Puppets] = []
        self._folder = Path()
        self._world_of: Callable[[str], LiveWorld] | None = None
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._serial = itertools.count(1)
        self._runs = itertools.count(1)
        self._caller_at: dict[str, tuple[Puppets, str]] = {}
        """By number: where the caller's leg is, once accepted."""
        self._leaving: set[str] = set()
        """Wish to hang up, but are not yet accepted."""
        self._phone_of: dict[str, str] = {}
        """By number: Call-ID of the phone that talks."""
        self._ringing: dict[str, tuple[str, str, int]] = {}
        """By Call-ID of a phone: number, agent, planned milliseconds of ringing (-1: for ever)."""
        self._rtp_of: dict[str, str] = {}
        """By Call-ID of a ringing phone: Asterisk's port for its sound."""
        self._refuses: set[str] = set()
        """Call-IDs of outside phones whose owner will not press 1."""
        self._due: list[asyncio.TimerHandle] = []
        self._task: asyncio.Task[None] | None = None
        self.did_of: Callable[[str], str] = str
        """Turns our router's number into the one to dial (app_queue's)."""
        self._agents: tuple[Agent, ...] = ()
        self._away: set[str] = set()
        """Phones without a contact."""
        self._plugging: asyncio.Task[None] | None = None
        self._pressing: asyncio.Task[None] | None = None
        self._back_calls: set[str] = set()
        self._dial_ms: dict[str, int] = {}
        """By number: how long it rings when called back."""
        self._notes: Notes | None = None
        self._ani_of: dict[str, str] = {}
        """By the router's name of a call: the caller's number."""
        self._call_of: dict[str, str] = {}
        self.accepted: set[str] = set()
        """Callers the PBX has taken."""

    @property
    def version(self) -> str:
        """Asterisk's version."""
        return f"Asterisk {self.lab.describe()['version']}" if self.lab else ""

    @property
    def processes(self) -> dict[str, int]:
        """Processes to watch besides the daemon, by name."""
        found = {"asterisk": self.lab.pid if self.lab else 0}
        for name, puppets in (
            ("sipp phones", self._phones),
            ("sipp callers", next(iter(self._callers), None)),
        ):
            if puppets is not None and puppets.process is not None and puppets.running:
                found[name] = puppets.process.pid
        if self.speech.pid:
            found["speech"] = self.speech.pid
        return found

    async def open(self, spec: CentreSpec, centre: Centre, strategy: str = BENCH_STRATEGY) -> None:
        """Start Asterisk and the phones; fill in ports, secrets and journal; give app_queue the same centre."""
        self._folder = spec.directory / "sipp"
        port = free_port()
        ports = Ports.free(agi=spec.agi_port, rtp_count=RTP_PORTS)
        self._lines = lines_of(centre)
        self._dialled = {line.number: device for device, line in self._lines.items() if line.number}
        lab = Lab(
            f"load{uuid.uuid4().hex[:8]}",
            agents=[line.phone(device, port) for device, line in self._lines.items()],
            ports=ports,
            settings={"record": "0", "out_port": str(port), "rtp_timeout": "30"},
            die_with_parent=True,
        )
        self.lab, self._agents = lab, tuple(lab.agents)
        await asyncio.to_thread(lab.up)
        if not self.speech.speaks:
            await asyncio.to_thread(_let_silence_be, lab)
        if self._dialled:
            await asyncio.to_thread(write_mobiles, lab, port)
        await self.speech.open()
        spec.ami_port, spec.ami_user, spec.ami_secret = lab.ports.ami, lab.router_user, lab.router_secret
        spec.callback_secret = lab.callback_secret
        spec.queue_log, spec.cel = lab.queue_log, lab.cel_csv
        self._phones = Puppets("phones.xml", "127.0.0.1", lab.ports.sip, self._folder / "phones", port=port)
        self._phones.talk_at = self.speech.at
        self._phones.start()
        await self._listening(self._phones)
        if any(queue.callback for queue in centre.scenario.queues):
            await asyncio.to_thread(say_nothing, lab)
            self._pressing = asyncio.create_task(Presser(lab, _Takers(self)).run())
        at_home = [(device, line.password) for device, line in self._lines.items() if line.kind == HOME]
        if at_home:
            await asyncio.to_thread(register, lab.ports.sip, at_home, port, self._folder / "register")
        await asyncio.to_thread(write_app_queue, lab, centre, strategy)
        await asyncio.to_thread(write_trunk, lab, centre)
        self._notes = Notes(lab.queue_log)

    async def _listening(self, puppets: Puppets) -> None:
        end = time.monotonic() + 5
        while time.monotonic() < end and puppets.running:
            if puppets.listening:
                return
            await asyncio.sleep(0.02)
        raise SippError(f"SIPp does not listen on {puppets.port}:\n{puppets.screen()}")

    def start(self, calls: Sequence[Made], world_of: Callable[[str], LiveWorld], begun_s: float) -> None:
        """Hand SIPp all calls known beforehand, each to start at its own time, and follow what it sees."""
        self._world_of = world_of
        self._caller_at.clear()
        ready_s = time.time()
        ordered = sorted(calls, key=lambda call: call.start_ms)
        lines = []
        for place, call in enumerate(ordered):
            made_s = ready_s + place / CREATE_PER_S
            pause = max(0, round(1000 * (begun_s - made_s)) + call.start_ms)
            lines.append(f"{call.ani};{self.did_of(call.did)};{pause}")
        if lines:
            self._spawn(lines)
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    def _spawn(self, lines: list[str]) -> None:
        assert self.lab is not None  # noqa: S101 - open() comes first
        folder = self._folder / f"callers{next(self._runs)}"
        puppets = Puppets("callers.xml", TRUNK_HOST, self.lab.ports.sip, folder)
        puppets.talk_at = self.speech.at
        count = str(len(lines))
        puppets.start(
            lines, "-m", count, "-l", count, "-r", str(CREATE_PER_S), "-rate_max", str(CREATE_PER_S)
        )
        self._callers.append(puppets)

    def check(self) -> None:
        """Raise what stopped us from following the phones: a run that sees nothing would wait for nothing."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def end_run(self) -> None:
        """Stop this run's callers; phones and Asterisk stay for the next."""
        for puppets in self._callers:
            puppets.stop()
        self._callers.clear()
        self._ringing.clear()
        self._rtp_of.clear()
        self._refuses.clear()
        self._phone_of.clear()
        self._leaving.clear()

    async def close(self) -> None:
        """Stop SIPp and Asterisk."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for handle in self._due:
            handle.cancel()
        await self.end_run()
        for task in (self._pressing, self._plugging):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.speech.close()
        if self._phones is not None:
            self._phones.stop()
        self._wire.close()
        if self.lab is not None:
            await asyncio.to_thread(self.lab.down)

    # --- deeds ------------------------------------------------------------------------------------

    def place(self, call: Made) -> None:
        """Retries get a SIPp of their own: nobody knows beforehand who will give up."""
        if not call.first:
            self._spawn([f"{call.ani};{self.did_of(call.did)};0"])

    def hang_up(self, number: str) -> None:
        """The caller hangs up, or does so once the PBX has taken the call."""
        leg = self._caller_at.pop(number, None)
        if leg is None:
            self._leaving.add(number)
        else:
            puppets, call_id = leg
            self._command("INFO", puppets, call_id)

    def end_talk(self, number: str) -> None:
        """The agent hangs up."""
        call_id = self._phone_of.pop(number, None)
        self._caller_at.pop(number, None)
        if call_id is not None and self._phones is not None:
            self._command("INFO", self._phones, call_id)

    def unplug(self, agent: str, *, away: bool) -> None:
        """An agent's phone loses its contact, or has it again. All that are asked for together are one reload."""
        (self._away.add if away else self._away.discard)(agent)
        if self._plugging is None or self._plugging.done():
            self._plugging = asyncio.create_task(self._plug())

    async def _plug(self) -> None:
        assert self.lab is not None  # noqa: S101 - open() comes first
        done: set[str] | None = None
        while done != self._away:
            done = set(self._away)
            agents = [replace(one, contact="") if one.id in done else one for one in self._agents]
            await asyncio.to_thread(self.lab.write_agents, agents)

    def silence(self, number: str, agent: str) -> None:
        """The phone that rings for this caller falls silent: it says that it is busy."""
        for call_id, (ringing, device, _) in self._ringing.items():
            if (ringing, device) == (number, agent) and self._phones is not None:
                self._command("INFO", self._phones, call_id)

    def call_of(self, number: str) -> str:
        """The router's name of this caller's call, as the journal told it."""
        return self._call_of.get(number, "")

    def takes_callback(self, number: str) -> bool:
        """Whether a caller presses 1 when he is offered a call-back."""
        known = re.fullmatch(r"\+79\d{9}", number) is not None
        return known and self._world_of is not None and self._world_of(number).takes_callback(number)

    def _command(self, method: str, puppets: Puppets, call_id: str) -> None:
        request = command(method, puppets, call_id, next(self._serial))
        self._wire.sendto(request, (puppets.host, puppets.port))

    # --- what the phones saw ------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Read the logs as they grow. Ends when cancelled by close()."""
        while True:
            for puppets in list(self._callers):
                for event, fields, at_s in puppets.news():
                    self._caller_event(puppets, event, fields, at_s)
            # a note is written before the phone it leads to rings: so phones are read first and told last
            told = list(self._phones.news()) if self._phones is not None else []
            for note in self._notes.news() if self._notes is not None else ():
                self._noted(note)
            for event, fields, at_s in told:
                back = fields["agent"] in self._dial_ms
                (self._number_event if back else self._phone_event)(event, fields, at_s)
            await asyncio.sleep(POLL_S)

    def _noted(self, note: JournalRow) -> None:
        """What no phone tells: the caller met a closed door, or the dialplan took him out of the line."""
        if note.kind == "ACDENTER":
            self._ani_of[note.call] = note.fields.get("ani", "")
            self._call_of[note.fields.get("ani", "")] = note.call
        number = self._ani_of.get(note.call, "")
        if not number or self._world_of is None:
            return
        world, at_s = self._world_of(number), note.ms / 1000
        if note.kind == "ACDREFUSED":
            world.gone(number, at_s, "refused")
            self.hang_up(number)
        elif note.kind == "ACDCALLBACK":
            self.hang_up(number)
            self._dial_ms[number] = world.callback_chosen(number, at_s)
        elif note.kind == "ACDCALLBACKBEGIN":
            self._back_calls.add(note.call)
        elif note.kind == "ACDEND" and note.call in self._back_calls:
            world.gone(number, at_s, "overflowed")  # a call-back that no agent took
        elif note.kind == "ACDTRANSFER":
            to = note.fields.get("to", "").removeprefix("queue_")
            world.handed_on(number, note.agent, to, at_s)
        elif note.kind == "ACDFALLBACK" and note.fields.get("why") == "voicemail":
            # other ways to the fallback lead to a phone, which tells
            world.fallen(number, at_s, "voicemail")
            self.hang_up(number)

    def _caller_event(self, puppets: Puppets, event: str, fields: dict[str, str], at_s: float) -> None:
        number = fields["ani"]
        if self._world_of is None:
            return
        world = self._world_of(number)
        if event == "INVITE":
            world.entered(number, at_s)
        elif event == "ACCEPTED":
            self.accepted.add(number)
            self.speech.begin(fields["cid"], number, fields.get("rtp", ""), at_s)
            self._caller_at[number] = puppets, fields["cid"]
            if number in self._leaving:
                self._leaving.discard(number)
                self.hang_up(number)
        elif event == "REFUSED":
            world.gone(number, at_s, "refused" if world.scenario.lines is None else "busy")
        elif event == "ENDED":
            self.speech.end(fields["cid"], at_s)
            if self._caller_at.get(number) != (puppets, fields["cid"]):
                return  # he had hung up himself, and may wait to be called back
            del self._caller_at[number]
            world.gone(number, at_s, "overflowed")
        elif event == "HUNGUP":
            self.speech.end(fields["cid"], at_s)

    def _number_event(self, event: str, fields: dict[str, str], at_s: float) -> None:
        """A caller's telephone is called back: lifted after so long; then it can hang up like a caller's."""
        number, call_id = fields["agent"], fields["cid"]
        if event == "INVITE":
            self._rtp_of[call_id] = fields.get("rtp", "")
            self._later(at_s + self._dial_ms[number] / 1000, self._move_phone, "MESSAGE", call_id)
        elif event == "ANSWER" and self._phones is not None:
            self.speech.begin(call_id, number, self._rtp_of.pop(call_id, ""), at_s)
            self._caller_at[number] = self._phones, call_id
        elif event in ("ENDED", "HUNGUP"):
            self.speech.end(call_id, at_s)

    def _phone_event(self, event: str, fields: dict[str, str], at_s: float) -> None:
        number, call_id = fields["ani"], fields["cid"]
        outside = fields["agent"] in self._dialled
        agent = self._dialled.get(fields["agent"], fields["agent"])
        if self._world_of is None:
            return
        world = self._world_of(number)
        if event == "INVITE":
            does = world.rang(number, agent, at_s)
            self._ringing[call_id] = number, agent, -1 if does.after_ms is None else does.after_ms
            self._rtp_of[call_id] = fields.get("rtp", "")
            if does.after_ms is not None:
                lifts_ms = does.after_ms - (self._lines[agent].press_ms if outside else 0)
                if outside and does.refuses:
                    self._refuses.add(call_id)
                method = "INFO" if does.refuses and not outside else "MESSAGE"
                self._later(at_s + lifts_ms / 1000, self._move_phone, method, call_id)
        elif event == "ANSWER":
            self.speech.begin(call_id, number, self._rtp_of.pop(call_id, ""), at_s, agent)
            if outside:
                self._listens(world, agent, call_id, at_s)
            else:
                self._joined(world, call_id, at_s)
        elif event in ("CANCELLED", "BUSY"):
            planned = self._ringing.pop(call_id, ("", "", 0))[2]
            self._rtp_of.pop(call_id, None)
            world.offer_over(number, agent, at_s, unanswered=event == "CANCELLED" and planned < 0)
        elif event in ("ENDED", "HUNGUP"):
            self.speech.end(call_id, at_s, by_pbx=event == "ENDED")
            if self._ringing.pop(call_id, None) is not None:  # lifted, and 1 was never pressed
                world.offer_over(number, agent, at_s, unanswered=False)

    def _joined(self, world: LiveWorld, call_id: str, at_s: float) -> None:
        """The agent talks with the caller."""
        ringing = self._ringing.pop(call_id, None)
        if ringing is None:  # over meanwhile
            return
        number, agent, _ = ringing
        self._phone_of[number] = call_id
        self.speech.joined(call_id, at_s)
        world.answered(number, agent, at_s)

    def _listens(self, world: LiveWorld, agent: str, call_id: str, at_s: float) -> None:
        """An outside phone is lifted and the PBX asks for 1: press it in time, or hang up without."""
        joined_s = at_s + self._lines[agent].press_ms / 1000
        if call_id in self._refuses:
            self._refuses.discard(call_id)
            self._later(joined_s, self._move_phone, "INFO", call_id)
            return
        self._later(joined_s - PRESS_MS / 1000, self.speech.press, call_id, "1")
        self._later(joined_s, self._joined, world, call_id, joined_s)

    def _move_phone(self, method: str, call_id: str) -> None:
        assert self._phones is not None  # noqa: S101 - it told us of the ringing
        self._command(method, self._phones, call_id)

    def _later(self, at_s: float, deed: Callable[..., None], *words: object) -> None:
        """Do something at a moment, in epoch seconds."""
        loop = asyncio.get_running_loop()
        handle = loop.call_later(max(0.0, at_s - time.time()), deed, *words)
        self._due = [one for one in self._due if not one.cancelled() and one.when() > loop.time()]
        self._due.append(handle)


class _Takers:
    """The callers who press 1 when they are offered a call-back; whoever asks learns it from their own draws."""

    def __init__(self, line: SippLine) -> None:
        self._line = line

    def __contains__(self, number: object) -> bool:
        return self._line.takes_callback(str(number))


def _let_silence_be(lab: Lab) -> None:
    """Stop the trunk from ending calls without sound: SIPp's callers send none, and a talk may last for hours."""
    path = lab.etc / "pjsip.conf"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"(?m)^rtp_timeout = \d+", "rtp_timeout = 0", text), encoding="utf-8")
    lab.console("module reload res_pjsip.so")
