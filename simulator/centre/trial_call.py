"""One real call to one subscriber's project: the owner's own configuration on a lab Asterisk, nothing leaves the machine.

`bin/acd project test-call NAME` starts it. The configuration is copied; switch, broker, ports and secrets are the lab's, and
mail goes to a server of our own, which prints what would have been sent. SMS, webhooks and help desks lead nowhere.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
import yaml

from acd.config.loading import load
from simulator.centre import day_story
from simulator.centre.config import CentreSpec, keep_secrets
from simulator.centre.daemon import Api, DaemonProcess
from simulator.centre.mail import MailServer
from simulator.centre.oracle import JournalCall, read_journal
from simulator.lab.agents import Agent
from simulator.lab.instance import Lab, Ports
from simulator.lab.ports import free_port
from simulator.lab.sipp import Agents, Callers, CallPlan, OfferPlan

RING_MS, TALK_MS, PATIENCE_MS = 800, 4_000, 20_000
WAIT_S = 60.0
NOWHERE = "http://127.0.0.1:9/"
SAMPLE = {
    "phone": "+79160000001", "email": "client@example.org", "number": "1", "date": "2027-01-11", "time": "10:00",
    "datetime": "2027-01-11T10:00", "yesno": "yes", "lines": "Test call: please ignore.",
}  # fmt: skip


class TrialCall:
    """One run. `said` gets one line per thing that happened."""

    def __init__(self, config: Path, name: str, ani: str, folder: Path) -> None:
        self._source, self._name, self._ani = config, name, ani
        self.spec = CentreSpec(folder)
        self._mail = MailServer()
        self._lab: Lab | None = None
        self._daemon: DaemonProcess | None = None
        self._phones: Agents | None = None
        self._number = ""
        self._answered_by = ""

    def said(self, what: str, detail: str) -> None:
        """Print one step."""
        typer.echo(f"{what:10}  {detail}")

    async def run(self) -> bool:
        """Make the call; return whether it ended as the project says: answered with a message, or refused as closed."""
        try:
            agents = await self._open()
            return await self._call(agents)
        finally:
            await self._close()

    async def _open(self) -> list[str]:
        whole = load(self._source)
        project = whole.projects.good.get(self._name)
        if project is None:
            raise typer.BadParameter(
                f"no project {self._name!r} without mistakes; see: acd project check {self._name}"
            )
        plain = ["".join(c for c in n if c.isdigit() or c == "+") for n in project.numbers]
        self._number = next((n for n in plain if n.isdigit()), plain[0])  # a short number needs no trunk
        agents = list(whole.tree.agents)
        port = free_port()
        lab = Lab(
            f"testcall{time.monotonic_ns() % 1_000_000}",
            agents=[Agent(str(a), contact=f"sip:{a}@127.0.0.1:{port}") for a in agents],
            ports=Ports.free(agi=self.spec.agi_port), settings={"record": "0"}, die_with_parent=True,
        )  # fmt: skip
        self._lab = lab
        await asyncio.to_thread(lab.up)
        self.spec.ami_port, self.spec.ami_secret, self.spec.queue_log = (
            lab.ports.ami,
            lab.router_secret,
            lab.queue_log,
        )
        plan = [OfferPlan(RING_MS, TALK_MS)]
        self._phones = Agents(
            lab.ports.sip, plan, self.spec.directory / "phones", port=port, timeout_s=WAIT_S
        )
        await asyncio.to_thread(self._phones.start)
        await self._mail.start()
        self._daemon = DaemonProcess(self.spec, self._write(lab.router_user))
        self._daemon.start()
        await self._daemon.ready()
        api = Api(self.spec)
        for agent in agents:
            await api.post(f"/agents/{agent}/login")
        await api.close()
        return [str(a) for a in agents]

    def _write(self, user: str) -> Path:
        """The owner's files with our own switch, ports and secrets."""
        target = self.spec.directory / "config"
        shutil.copytree(self._source, target)
        keep_secrets(self.spec)
        system = yaml.safe_load((target / "acd.yaml").read_text(encoding="utf-8"))
        desk: dict[str, Any] = {"smtp": {"port": self._mail.port, "sender": "desk@centre.example"}}
        helpdesks = (system.get("desk") or {}).get("helpdesks") or {}
        desk["helpdesks"] = {name: {"kind": "webhook", "url": NOWHERE} for name in helpdesks}
        for section in ("webhook", "callbacks"):
            system.pop(section, None)
        system |= {
            "state_dir": str(self.spec.state_dir),
            "desk": desk,
            "asterisk": {
                "ami": {"port": self.spec.ami_port, "user": user, "secret": {"file": "secrets/ami"}},
                "agi": {"port": self.spec.agi_port},
                "journal": {"queue_log": str(self.spec.queue_log)},
            },
            "mqtt": {"port": self.spec.mqtt_port, "password": {"file": "secrets/mqtt"}},
            "http": {"port": self.spec.http_port, "token": {"file": "secrets/http-token"}},
        }
        (target / "acd.yaml").write_text(yaml.safe_dump(system, allow_unicode=True), encoding="utf-8")
        people = yaml.safe_load((target / "agents.yaml").read_text(encoding="utf-8"))
        for agent, entry in people["agents"].items():
            entry |= {
                "device": str(agent),
                "kind": "office",
                "password_hash": {"file": "secrets/agents-hash"},
            }
        (target / "agents.yaml").write_text(yaml.safe_dump(people, allow_unicode=True), encoding="utf-8")
        return target

    async def _call(self, agents: list[str]) -> bool:
        assert self._lab is not None  # noqa: S101 - _open comes first
        self.said("call", f"{self._ani} dials {self._number} ({len(agents)} agents logged in)")
        plan = CallPlan(self._ani, self._number, "Test call", patience_ms=PATIENCE_MS)
        folder = self.spec.directory / "caller"
        told: set[str] = set()
        good, end = False, time.monotonic() + WAIT_S
        with Callers(self._lab.ports.sip, [plan], folder, timeout_s=WAIT_S):
            while time.monotonic() < end:
                text = self.spec.queue_log.read_text(encoding="utf-8") if self.spec.queue_log.exists() else ""
                call = next(iter(read_journal(text.splitlines()).values()), None)
                if call is not None:
                    good = await self._follow(call, told) or good
                    if call.count("ACDEND"):
                        break
                await asyncio.sleep(0.2)
        return good and await self._message_left(told)

    async def _follow(self, call: JournalCall, told: set[str]) -> bool:
        """Tell what is new; return whether the call was answered or refused for a reason."""
        good = False
        for kind, fields in call.notes:
            if kind in told:
                continue
            told.add(kind)
            said = {
                "ACDQUEUED": f"queue {fields['queue']}, card {fields.get('card', '')}, needs {fields.get('needs') or 'as the queue'}",
                "ACDREFUSED": f"not taken: {fields.get('why', '')}",
                "ACDDIAL": f"agent {fields['agent']}'s phone rings",
                "ACDANSWER": f"agent {fields['agent']} answers",
                "ACDEND": f"over, cause {fields.get('cause', '')}",
            }.get(kind)
            if said:
                self.said({"ACDDIAL": "ring", "ACDANSWER": "answer", "ACDEND": "end"}.get(kind, "line"), said)
            good = good or kind == "ACDREFUSED"
            if kind == "ACDANSWER":
                self._answered_by = fields["agent"]
                good = await self._write_message(call.call, fields["agent"])
        return good

    async def _write_message(self, call: str, agent: str) -> bool:
        token = (self.spec.state_dir / "secrets" / "http-token").read_text(encoding="ascii").strip()
        base, head = f"http://127.0.0.1:{self.spec.http_port}/api/v1", {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=base, headers=head, timeout=10) as client:
            pop = (await client.get(f"/agents/{agent}/pop")).json().get("dossier", {})
            self.said("greeting", str(pop.get("greeting", "")))
            for line in pop.get("instructions") or ():
                self.said("told", line if isinstance(line, str) else str(line.get("text", line)))
            fields = {f["name"]: _sample(f) for f in pop["form"]["fields"] if f.get("required")}
            outcomes = [o["value"] for o in pop["form"].get("outcomes", ()) if o.get("needs_message")]
            fields |= {"disposition": outcomes[0]} if outcomes else {}
            answer = await client.put(f"/calls/{call}/message", json={"fields": fields})
        if answer.is_error:
            self.said("message", f"refused: {answer.text[:300]}")
            return False
        self.said("message", answer.json()["text"].rstrip().replace("\n", "\n" + " " * 12))
        return True

    async def _end_wrap_up(self) -> None:
        """The agent is done: messages leave when the card is closed, which the wrap-up would hold back for minutes."""
        if self._answered_by:
            api = Api(self.spec)
            await api.post(f"/agents/{self._answered_by}/done")
            await api.close()

    async def _message_left(self, told: set[str]) -> bool:
        """Wait for what the desk planned; say to whom it goes and when."""
        if "ACDREFUSED" in told:
            return True
        await self._end_wrap_up()
        found: list[dict[str, Any]] = []
        for _ in range(100):
            sql = "SELECT channel, recipient, state, next_try_at FROM deliveries ORDER BY id"
            found = day_story.rows(self.spec.state_dir / "acd.db", sql)
            if found and all(d["state"] != "waiting" or d["next_try_at"] > time.time() * 1000 for d in found):
                break
            await asyncio.sleep(0.2)
        for one in found:
            when = (
                ""
                if one["state"] != "waiting"
                else time.strftime(" (leaves %d.%m. %H:%M)", time.localtime(one["next_try_at"] / 1000))
            )
            self.said("delivery", f"{one['channel']} to {one['recipient']}: {one['state']}{when}")
        for mail in self._mail.mails:
            self.said("mail", f"to {mail['To']}: {mail['Subject']}")
        return bool(found)

    async def _close(self) -> None:
        if self._daemon is not None:
            await self._daemon.stop()
        await self._mail.stop()
        if self._phones is not None:
            self._phones.stop()
        if self._lab is not None:
            await asyncio.to_thread(self._lab.down)


def _sample(field: dict[str, Any]) -> str:
    """A value that fits a field of the form."""
    if field.get("kind") == "choice" and field.get("choices"):
        first = field["choices"][0]
        return str(first["value"] if isinstance(first, dict) else first[0])
    return SAMPLE.get(str(field.get("kind")), "Test")


def main(
    name: Annotated[str, typer.Argument(help="Project id")],
    config: Annotated[Path, typer.Option(help="Configuration directory")] = Path("config"),
    ani: Annotated[str, typer.Option("--from", help="The caller's number")] = "+79160000001",
) -> None:
    """Make one real call to a project on a lab Asterisk. Exit status 1 when it did not end as it should."""
    with tempfile.TemporaryDirectory(prefix="acd-test-call-") as folder:
        good = asyncio.run(TrialCall(config, name, ani, Path(folder)).run())
    raise typer.Exit(0 if good else 1)


if __name__ == "__main__":
    typer.run(main)
