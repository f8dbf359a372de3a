"""One suite, two switches: the stand-in and real Asterisk behind the same few verbs.

A test names agents and how their phones behave, makes calls, and looks only at what both switches share:
the journal, the cards, the pops and the daemon's own interface. So the stand-in cannot drift.
"""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from simulator.centre.config import CentreSpec, write
from simulator.centre.daemon import Api, DaemonProcess
from simulator.centre.oracle import JournalCall, read_journal
from simulator.centre.pops import PopWatcher
from simulator.centre.report import read_cards
from simulator.lab.agents import Agent
from simulator.lab.instance import Lab, Ports
from simulator.lab.ports import free_port
from simulator.lab.sipp import Agents, Answer, Callers, CallPlan, OfferPlan
from simulator.standin import Number, Phone, StandIn
from simulator.standin.dialplan import Caller
from tests.dialplan.driver import Ami

FOREVER_S = 3_600.0
TYPES = Path(__file__).parents[2] / "config" / "projects" / "types"
WEB_PASSWORD = "web-phone-of-the-tests"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What an agent's phone does. `rings_s` None: rings for ever; `talks_s`: hangs up after so long."""

    rings_s: float | None = 0.1
    talks_s: float = 2.0
    registered: bool = True
    web: bool = False
    """The phone in the agent's page; only real Asterisk has it."""
    number: str = ""
    """A telephone number behind the trunk instead of a phone of ours: whoever answers presses 1."""


class Switch(Protocol):
    """The verbs of a rig."""

    async def open(self, spec: CentreSpec, phones: Mapping[str, Behaviour]) -> None: ...

    def call(
        self, ani: str, did: str, name: str, *, gives_up_s: float | None, ringing_s: float | None
    ) -> None:
        """A caller dials; `gives_up_s`: hangs up if no phone rang by then, `ringing_s`: so long after a phone rang."""

    def answers(self, number: str, behaviour: Behaviour) -> None: ...

    async def choose_callback(self, ani: str) -> None:
        """This caller, who waits, says yes when offered to be called back, and leaves his own number."""

    def dialled(self) -> list[str]: ...

    def unplug(self, agent: str) -> None: ...

    async def close(self) -> None: ...


class StandInSwitch:
    """The stand-in."""

    def __init__(self) -> None:
        self.world: StandIn | None = None

    async def open(self, spec: CentreSpec, phones: Mapping[str, Behaviour]) -> None:
        made = [
            Phone(agent, agent, answer_after_s=b.rings_s, talk_s=b.talks_s, registered=b.registered)
            for agent, b in phones.items()
        ]
        self.world = StandIn(
            spec.directory / "asterisk",
            agi=("127.0.0.1", spec.agi_port),
            users={"acd": "s", "acd-callback": "b"},
            phones=made,
        )
        spec.callback_secret = "b"
        spec.ami_port = await self.world.start(spec.ami_port)
        spec.ami_secret, spec.queue_log = "s", self.world.queue_log.path

    def call(
        self, ani: str, did: str, name: str, *, gives_up_s: float | None, ringing_s: float | None
    ) -> None:
        assert self.world is not None
        task = self.world.place_call(Caller(did, ani, name, patience_s=gives_up_s, talk_s=None))
        if ringing_s is not None:
            asyncio.get_running_loop().create_task(_hang_up_ringing(task, ringing_s))

    async def choose_callback(self, ani: str) -> None:
        assert self.world is not None
        for task in self.world.calls.values():
            task.takes_callback |= task.caller.ani == ani

    def answers(self, number: str, behaviour: Behaviour) -> None:
        """From now on this number behaves so when it is called back."""
        assert self.world is not None
        self.world.numbers[number] = Number(behaviour.rings_s, behaviour.talks_s)

    def dialled(self) -> list[str]:
        """Every number that was dialled so far, in order."""
        assert self.world is not None
        return self.world.dialled

    def unplug(self, agent: str) -> None:
        assert self.world is not None
        self.world.set_registered(agent, registered=False)

    async def close(self) -> None:
        if self.world is not None:
            await self.world.stop()


async def _hang_up_ringing(task: Any, ringing_s: float) -> None:
    while not task.ring_s:
        await asyncio.sleep(0.01)
    await asyncio.sleep(ringing_s)
    task.hang_up("caller")


class LabSwitch:
    """Real Asterisk: one SIPp per phone and one per caller."""

    def __init__(self) -> None:
        self.lab: Lab | None = None
        self.record = False
        """Talks are recorded."""
        self.settings: dict[str, str] = {}
        """More settings of the lab."""
        self.phones: dict[str, Agents] = {}
        self.callers: list[Callers] = []
        self.numbers_port = free_port()
        self.numbers: list[Agents] = []
        self._folder = Path()

    async def open(self, spec: CentreSpec, phones: Mapping[str, Behaviour]) -> None:
        self._folder = spec.directory / "sipp"
        contacts = {agent: free_port() for agent in phones}
        self.lab = Lab(
            f"e2e{uuid.uuid4().hex[:8]}",
            agents=[
                Agent(a, password=WEB_PASSWORD, web=True)
                if phones[a].web
                else _number(a, spec, phones[a].number)
                if phones[a].number
                else Agent(a, contact=f"sip:{a}@127.0.0.1:{port}")
                for a, port in contacts.items()
            ],
            ports=Ports.free(agi=spec.agi_port),
            settings={"record": str(int(self.record)), "out_port": str(self.numbers_port), **self.settings},
            die_with_parent=True,
        )
        await asyncio.to_thread(self.lab.up)
        for agent, behaviour in phones.items():
            if behaviour.web:
                self._offer_web_phone(spec, agent)
            elif behaviour.registered:
                port = self.numbers_port if behaviour.number else contacts[agent]
                self._plug(agent, port, behaviour)
        spec.ami_port, spec.ami_user = self.lab.ports.ami, self.lab.router_user
        spec.ami_secret, spec.queue_log, spec.cel = (
            self.lab.router_secret,
            self.lab.queue_log,
            self.lab.cel_csv,
        )
        spec.callback_secret = self.lab.callback_secret

    def _offer_web_phone(self, spec: CentreSpec, agent: str) -> None:
        assert self.lab is not None
        secret = spec.directory / "webphone"
        secret.write_text(WEB_PASSWORD, encoding="ascii")
        secret.chmod(0o600)
        spec.extra.setdefault("asterisk", {})["websocket"] = f"ws://127.0.0.1:{self.lab.ports.ws}/ws"
        spec.extra.setdefault("agents", {})[agent] = {"webphone": {"file": str(secret)}}

    def _plug(self, agent: str, port: int, behaviour: Behaviour) -> None:
        assert self.lab is not None
        answer = Answer.SILENT if behaviour.rings_s is None else Answer.TALK
        plan = OfferPlan(round(1000 * (behaviour.rings_s or 0)), round(1000 * behaviour.talks_s), answer)
        phone = Agents(self.lab.ports.sip, [plan], self._folder / agent, port=port, timeout_s=120)
        phone.start()
        self.phones[agent] = phone

    def call(
        self, ani: str, did: str, name: str, *, gives_up_s: float | None, ringing_s: float | None
    ) -> None:
        assert self.lab is not None
        plan = CallPlan(
            ani,
            did,
            name,
            patience_ms=round(1000 * (gives_up_s or FOREVER_S)),
            talk_ms=round(1000 * (ringing_s or FOREVER_S)),
        )
        folder = self._folder / f"caller{len(self.callers)}"
        self.callers.append(Callers(self.lab.ports.sip, [plan], folder, timeout_s=90).start())

    def press(self, part: str, digit: str = "1") -> None:
        """Press a key on every channel whose name contains `part`, as if its phone had sent it."""
        assert self.lab is not None
        self.lab.console("module load app_senddtmf.so")  # has the manager's PlayDTMF; no sample loads it
        link = Ami(self.lab.ports.ami, self.lab.router_user, self.lab.router_secret)
        try:
            for line in self.lab.console("core show channels concise").splitlines():
                if part in (channel := line.partition("!")[0]):
                    link.action(Action="PlayDTMF", Channel=channel, Digit=digit, Receive="true")
        finally:
            link.close()

    async def choose_callback(self, ani: str) -> None:
        assert self.lab is not None
        await asyncio.to_thread(self._press_until_taken, ani)

    def _press_until_taken(self, ani: str) -> None:
        """Press 1 now and then: it answers the offer, then confirms the number."""
        assert self.lab is not None
        self.lab.console("module load app_senddtmf.so")  # has the manager's PlayDTMF; no sample loads it
        link = Ami(self.lab.ports.ami, self.lab.router_user, self.lab.router_secret)
        try:
            link.action(Action="Status")
            end = time.monotonic() + 60
            while not link.notes(name="AcdCallback"):
                assert time.monotonic() < end, "the caller was not offered a call-back, or could not take it"
                for channel in [
                    e for e in link.events if e.get("Event") == "Status" and e["CallerIDNum"] == ani
                ]:
                    link.action(Action="PlayDTMF", Channel=channel["Channel"], Digit="1", Receive="true")
                time.sleep(0.7)
        finally:
            link.close()

    def answers(self, number: str, behaviour: Behaviour) -> None:
        """From now on the numbers behind the trunk behave so."""
        assert self.lab is not None
        del number
        answer = Answer.SILENT if behaviour.rings_s is None else Answer.TALK
        plan = OfferPlan(round(1000 * (behaviour.rings_s or 0)), round(1000 * behaviour.talks_s), answer)
        folder = self._folder / f"numbers{len(self.numbers)}"
        for before in self.numbers:
            before.stop()
        self.numbers.append(
            Agents(self.lab.ports.sip, [plan], folder, port=self.numbers_port, timeout_s=120).start()
        )

    def dialled(self) -> list[str]:
        """Every number that was dialled so far, in order."""
        return [leg.agent for server in self.numbers for leg in server.records()]

    def unplug(self, agent: str) -> None:
        self.phones[agent].stop()

    async def close(self) -> None:
        for process in (*self.callers, *self.phones.values(), *self.numbers):
            process.stop()
        if self.lab is not None:
            await asyncio.to_thread(self.lab.down)


def _number(agent: str, spec: CentreSpec, number: str) -> Agent:
    """An agent on a telephone number: the same words for Asterisk and for the daemon."""
    spec.extra.setdefault("asterisk", {})["pstn_trunk"] = "trunk"
    own = spec.extra.setdefault("agents", {}).setdefault(agent, {})
    own.update(kind="pstn", device=number)
    return Agent(agent, dial=f"PJSIP/{number}@trunk", press1=True, language=own.get("language", ""))


class Rig:
    """A switch, a daemon, its agents logged in, and eyes on everything."""

    def __init__(self, switch: Switch, folder: Path) -> None:
        self.switch = switch
        self.spec = CentreSpec(folder, agents=2, wrap_up_s=0.2, ring_timeout_s=2.0)
        self.environment: dict[str, str] = {}
        """Of the daemon, besides ours."""
        self.daemon: DaemonProcess | None = None
        self.api: Api | None = None
        self.pops: PopWatcher | None = None

    async def open(self, phones: Mapping[str, Behaviour], **extra: Any) -> None:
        """Start everything; every agent named is logged in."""
        self.spec.agents = len(phones)
        assert list(phones) == self.spec.agent_ids
        self.spec.extra = extra
        await self.switch.open(self.spec, phones)
        self.daemon = DaemonProcess(self.spec, write(self.spec))
        self.daemon.environment = self.environment
        self.daemon.start()
        await self.daemon.ready()
        self.api = Api(self.spec)
        for agent in phones:
            await self.api.post(f"/agents/{agent}/login")
        self.pops = PopWatcher(self.spec.mqtt_port, phones, self.spec.agents_token)
        await self.pops.start()

    def call(
        self,
        ani: str = "+79160000001",
        did: str = "7001",
        name: str = "Client",
        *,
        gives_up_s: float | None = None,
        ringing_s: float | None = None,
    ) -> None:
        """A caller dials."""
        self.switch.call(ani, did, name, gives_up_s=gives_up_s, ringing_s=ringing_s)

    def project(self, text: str) -> None:
        """A firm of our own, with the typical projects it may extend, beside the configuration: before `open`."""
        projects = self.spec.directory / "config" / "projects"
        shutil.copytree(TYPES, projects / "types")
        (projects / "romashka.yaml").write_text(text, encoding="utf-8")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop everything this rig started."""
        if self.pops is not None:
            await self.pops.stop()
        if self.api is not None:
            await self.api.close()
        if self.daemon is not None:
            await self.daemon.stop()
        await self.switch.close()

    # --- eyes --------------------------------------------------------------------------------------

    def journal(self) -> dict[str, JournalCall]:
        """The notes of every call so far."""
        if not self.spec.queue_log.exists():
            return {}
        return read_journal(self.spec.queue_log.read_text(encoding="utf-8").splitlines())

    def notes(self, ani: str = "+79160000001") -> list[tuple[str, str]]:
        """(kind, agent) of one caller's notes."""
        call = next((c for c in self.journal().values() if c.ani == ani), None)
        return [(kind, fields["agent"]) for kind, fields in call.notes] if call else []

    def all_cards(self) -> list[dict[str, Any]]:
        """Every card."""
        database = self.spec.state_dir / "acd.db"
        return list(read_cards(database)) if database.exists() else []

    def cards(self) -> dict[str, dict[str, Any]]:
        """Cards by the caller's number."""
        database = self.spec.state_dir / "acd.db"
        return {str(card["ani"]): card for card in read_cards(database)} if database.exists() else {}

    async def agent(self, agent: str) -> dict[str, Any]:
        """One agent as the daemon sees it."""
        assert self.api is not None
        snapshot = await self.api.get("/snapshot")
        return next(a for a in snapshot["agents"] if a["agent"] == agent)

    async def until(self, what: Callable[[], Any], timeout_s: float = 20.0) -> Any:
        """Wait until something is true and return it; fail with the daemon's last words."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while loop.time() < end:
            found = what()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.05)
        assert self.daemon is not None
        rows = "\n".join(f"{c.ani} {k} {dict(f)}" for c in self.journal().values() for k, f in c.notes)
        raise AssertionError(f"did not happen within {timeout_s:g} s\n{rows}\n{self.daemon.tail()}")

    async def card(self, ani: str = "+79160000001", timeout_s: float = 20.0) -> dict[str, Any]:
        """Wait for the card of a caller."""
        return await self.until(lambda: self.cards().get(ani), timeout_s)

    async def noted(self, kind: str, ani: str = "+79160000001", timeout_s: float = 20.0) -> None:
        """Wait for a note in the journal."""
        await self.until(lambda: any(k == kind for k, _ in self.notes(ani)), timeout_s)
