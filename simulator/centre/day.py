"""A scripted day of three firms: real calls, written messages, a real mail server, people who read or do not.

`bin/demo --day --asterisk` (real Asterisk, SIPp callers and phones) or `bin/demo --day` (stand-in). The agents' side is
the desktop's own interface; the firms' people open links, answer mails or ignore them; one address bounces.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from rich.console import Console
from rich.table import Table

from simulator.centre import day_script, day_story
from simulator.centre.config import CentreSpec, write
from simulator.centre.daemon import ROOT, Api, DaemonProcess
from simulator.centre.driver import Driver, PhonePlan, PlannedCall, StandInDriver
from simulator.centre.mail import MailServer, bounce, hand_over, reply
from simulator.centre.oracle import read_journal
from simulator.centre.pops import PopWatcher
from simulator.lab.ports import free_port

ZONE = ZoneInfo("Europe/Moscow")
AGENTS = 4
WRITES_AFTER_S = 1.5
"""An agent begins to write so long after the hello."""
LIMIT_S = 170.0
LINK = re.compile(r"http://\S+/m/\S+")
STATE = re.compile(r"http://\S+/case/\S+")


class Day:
    """One run. `seen` is what it saw."""

    def __init__(self, folder: Path, driver: Driver) -> None:
        self.spec = CentreSpec(folder, agents=AGENTS, firms=0)
        self.seen = day_story.Seen()
        self._driver = driver
        self._mail = MailServer(self._mail_came)
        self._lmtp = free_port()
        self._habits: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._script = {call.ani: call for call in day_script.CALLS if call.fields}
        self.daemon: DaemonProcess | None = None

    @property
    def database(self) -> Path:
        """The daemon's database."""
        return self.spec.state_dir / "acd.db"

    async def run(self) -> None:
        """Live the day; returns when everybody has everything, at the latest after LIMIT_S."""
        try:
            async with asyncio.timeout(LIMIT_S):
                pops = await self._open()
                try:
                    await self._live()
                finally:
                    self.seen.pops = dict(pops.first)
                    await pops.stop()
        finally:
            await self._close()

    async def _open(self) -> PopWatcher:
        await self._driver.open(self.spec)
        await self._mail.start()
        self.spec.extra = {
            "projects": "projects",
            "desk": {
                "smtp": {"port": self._mail.port, "sender": "desk@centre.example"},
                "inbox": {"lmtp_port": self._lmtp},
            },
        }
        config = write(self.spec)
        day_script.write_projects(config / "projects", dt.datetime.now(ZONE), self.spec.agent_ids)
        for kind, text in day_script.DIRECTORY.items():  # while the daemon is not there: one writer
            await asyncio.to_thread(self._import, config, kind, text)
        self.daemon = DaemonProcess(self.spec, config)
        self.daemon.start()
        await self.daemon.ready()
        api = Api(self.spec)
        for agent in self.spec.agent_ids:
            await api.post(f"/agents/{agent}/login")
        await api.close()
        pops = PopWatcher(self.spec.mqtt_port, self.spec.agent_ids, self.spec.agents_token)
        await pops.start()
        return pops

    def _import(self, config: Path, kind: str, text: str) -> None:
        file = self.spec.directory / f"{kind}.csv"
        file.write_text(text, encoding="utf-8")
        subprocess.run(
            [sys.executable, "-m", "acd", "desk", "import", kind, str(file), "--project", "servis", "--config",
             str(config)],
            check=True, cwd=ROOT, stdout=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip

    async def _live(self) -> None:
        plan = [
            PlannedCall(c.start_s, c.did, c.ani, c.name, c.patience_s, talk_s=5.0) for c in day_script.CALLS
        ]
        making = asyncio.create_task(self._driver.make(plan, lambda: None))
        filled: set[str] = set()
        try:
            while not (making.done() and len(filled) == len(self._script) and self._is_over()):
                journal = read_journal(self.spec.queue_log.read_text(encoding="utf-8").splitlines())
                self.seen.journal = journal
                for call in journal.values():
                    if call.ani in self._script and call.ani not in filled and call.count("ACDANSWER"):
                        filled.add(call.ani)
                        self._do(self._write(call.call, call.ani))
                await asyncio.sleep(0.2)
        finally:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)

    def _is_over(self) -> bool:
        done = "resolved" in {e for _, e in self._case_events()} and not self._tasks
        return (
            done
            and day_story.unsettled(self.database) == 0
            and len(self.seen.previews) + len(self.seen.refused) == len(self._script)
        )

    def _case_events(self) -> list[tuple[int, str]]:
        sql = "SELECT at, event FROM case_history ORDER BY id"
        return [(r["at"], r["event"]) for r in day_story.rows(self.database, sql)]

    # --- the agents --------------------------------------------------------------------------------

    def _do(self, deed: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(deed)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _client(self) -> httpx.AsyncClient:
        token = (self.spec.state_dir / "secrets" / "http-token").read_text(encoding="ascii").strip()
        base = f"http://127.0.0.1:{self.spec.http_port}/api/v1"
        return httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=10)

    async def _write(self, call: str, ani: str) -> None:
        """What the agent's page does: the form as fields, the rendered message back."""
        await asyncio.sleep(WRITES_AFTER_S)
        script = self._script[ani]
        fields = {"caller_name": script.name, "callback_number": ani, **script.fields}
        agent = self.seen.journal[call].agents("ACDANSWER")[-1]
        async with self._client() as client:
            self._read_pop(call, (await client.get(f"/agents/{agent}/pop")).json())
            answer = await client.put(f"/calls/{call}/message", json={"fields": fields})
        if answer.is_error:
            self.seen.refused.append(f"{ani}: the message was refused: {answer.text[:300]}")
            return
        self.seen.previews[ani] = answer.json()["text"]
        self.seen.deeds.append((time.time(), f"the agent has filled the form: «{script.fields['subject']}»"))
        self.seen.calls_of_deeds[len(self.seen.deeds) - 1] = call

    def _read_pop(self, call: str, pop: dict[str, Any]) -> None:
        """What the agent had on the screen before hello."""
        dossier = pop.get("dossier", {})
        who = ", ".join(filter(None, (dossier.get("name"), dossier.get("organisation")))) or "unknown caller"
        matters = [
            f"{m.get('kind')} {m.get('title')} ({m.get('state')})" for m in dossier.get("open_matters") or ()
        ]
        known = "; ".join([who, *matters])
        self.seen.dossiers[call] = f"{known}. «{dossier.get('greeting', '')}»"

    # --- the firms' people -------------------------------------------------------------------------

    def _mail_came(self, mail: EmailMessage) -> None:
        self.seen.mails.append((time.time(), mail))
        to = str(mail["To"])
        habits = day_script.HABITS.get(to)
        if habits is not None:
            habit, after_s = habits[min(self._habits[to], len(habits) - 1)]
            self._habits[to] += 1
            self._do(self._behave(mail, to, habit, after_s))
        elif to == "olga@client.example" and "принято" in day_story.body_of(mail):
            self._do(self._second_line(mail))

    async def _behave(self, mail: EmailMessage, to: str, habit: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        about, subject = str(mail["Message-ID"]), str(mail["Subject"])
        text = day_story.body_of(mail)
        number = next(iter(re.findall(r"(?<![0-9+])[0-9]{6}(?![0-9])", text)), "")
        if habit == "link" and (link := LINK.search(text)):
            async with httpx.AsyncClient(timeout=10) as client:
                (await client.post(link[0])).raise_for_status()
            self._did(f"{to} presses «Подтвердить получение» under № {number}")
        elif habit == "bounces":
            await hand_over(self._lmtp, [bounce(about, to)])
            self._did(f"the mail to {to} about № {number} comes back: 550 5.1.1 unknown user")
        elif habit == "replies":
            await hand_over(self._lmtp, [reply(about, to)])
            self._did(f"{to} answers the mail about № {number}: «Принял, перезвоню.»")
        else:
            self._did(f"{to} does not read «{subject}» № {number}")

    def _did(self, what: str) -> None:
        self.seen.deeds.append((time.time(), what))

    async def _second_line(self, mail: EmailMessage) -> None:
        """The service centre works on the complaint; the client looks at its state at the end."""
        link = STATE.search(day_story.body_of(mail))
        number = link[0].rpartition("/")[2].partition(".")[0] if link else ""
        async with self._client() as client:
            await asyncio.sleep(8)
            (await client.post(f"/cases/{number}/taken", json={"public": True})).raise_for_status()
            await asyncio.sleep(6)
            done = {"text": "Экран заменён по гарантии, можно забирать.", "public": True}
            (await client.post(f"/cases/{number}/resolved", json=done)).raise_for_status()
        async with httpx.AsyncClient(timeout=10) as client:
            page = await client.get(link[0] if link else "")
        self.seen.state_page = page.text
        self._did(f"olga@client.example opens the link: case {number} is shown as решено")

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self.daemon is not None:
            await self.daemon.stop()
        await self._mail.stop()
        await self._driver.close()


def day_driver(console: Console, *, asterisk: bool) -> Driver:
    """Return the switch of the day: phones that answer after a second and talk for about five."""
    phones = PhonePlan(answer_after_s=1.0, talk_s=(4.5, 6.0))
    if not asterisk:
        return StandInDriver(phones)
    from simulator.centre.lab_driver import LabDriver

    return LabDriver(console, phones)


def show(console: Console, *, asterisk: bool, keep: Path | None = None) -> bool:
    """Live the day and print it; return whether nothing was wrong. Writes `transcript.txt`."""
    folder = keep or Path(tempfile.mkdtemp(prefix="acd-day-"))
    folder.mkdir(parents=True, exist_ok=True)
    driver = day_driver(console, asterisk=asterisk)
    day = Day(folder, driver)
    begun = time.monotonic()
    console.print(
        f"[dim]a day of three firms on {'Asterisk' if asterisk else 'the stand-in'}, two to three minutes ...[/dim]"
    )
    late = ""
    try:
        asyncio.run(day.run())
    except TimeoutError:
        late = f"not everything was settled within {LIMIT_S:g} s"
    found = day_story.problems(day.database, day.seen) + ([late] if late else [])
    table = Table(title="Every message and where it went", title_style="bold")
    for column in ("card", "firm", "caller", "subject", "to", "what became of it"):
        table.add_column(column, overflow="fold")
    for row in day_story.summary(day.database):
        table.add_row(*row)
    console.print(table)
    lines = day_story.transcript(day.database, day.seen, day_script.CASE_CALLER)
    written = day.seen.previews.get(day_script.CASE_CALLER, "").rstrip().replace("\n", "\n    ")
    text = f"{day_story.as_text(lines, ZONE)}\nThe message as the agent saw it and as it was sent:\n\n    {written}\n"
    (folder / "transcript.txt").write_text(text, encoding="utf-8")
    console.print("\n[bold]One case from ring to resolution[/bold]")
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    calls, mails = len(day_script.CALLS), len(day.seen.mails)
    console.print(
        f"{calls} calls, {mails} mails, {time.monotonic() - begun:.0f} s, {driver.version}; files in {folder}"
    )
    for problem in found:
        console.print(f"[red]{problem}[/red]", markup=True)
    return not found
