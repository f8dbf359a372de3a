"""The desk beside sick neighbours, in the real daemon: a dossier source that hangs, a renderer that is killed or stuck.

Must show: "dossier source hanging: call still answered on time"; bad input: templates sandboxed, limited, in a worker.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.mail_help import MailServer
from tests.e2e.rigs import Behaviour, Rig, StandInSwitch
from tests.e2e.test_desk import put_message

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CALLERS = ("+79160000001", "+79160000002", "+79160000003")
PROJECT = """
extends: answering-on-call
name: ООО «Ромашка»
numbers: ['7001']
needs: [{{skill: general}}]
opening: always
wrap_up_s: 1
form:
  text: "Для {{{{ subscriber }}}}: {{{{ note|upper }}}}"
dossier:
  - {{kind: local}}
  - {{kind: http, url: 'http://127.0.0.1:{port}/{{number}}'}}
deliver:
  - {{to: office@romashka.example, by: email}}
"""


class Silent:
    """Takes connections and never says a word."""

    def __init__(self) -> None:
        self.asked = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> Silent:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._peer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        while await reader.read(1000):
            pass
        writer.close()

    def stop(self) -> None:
        """Go away."""
        if self._server is not None:
            self._server.close()


@pytest.fixture
async def silent() -> AsyncIterator[Silent]:
    made = await Silent().start()
    yield made
    made.stop()


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    server = await MailServer().start()
    yield server
    await server.stop()


@pytest.fixture
async def rig(tmp_path: Path, silent: Silent) -> AsyncIterator[Rig]:
    rig = Rig(StandInSwitch(), tmp_path)
    rig.project(PROJECT.format(port=silent.port))
    async with rig:
        yield rig


async def opened(rig: Rig, mail: MailServer) -> None:
    desk = {"smtp": {"port": mail.port, "sender": "desk@centre.example"}, "dossier_budget_ms": 300}
    await rig.open({"a101": Behaviour(rings_s=0.2, talks_s=1.0)}, projects="projects", desk=desk)


async def save(rig: Rig, ani: str, note: str) -> str:
    """A caller is served and his message saved; return the text that was previewed."""
    rig.call(ani)
    card = await rig.card(ani)
    fields = {
        "caller_name": "Olga", "callback_number": ani, "subject": "Matter", "note": note, "urgency": "normal",
        "disposition": "message",
    }  # fmt: skip
    return await put_message(rig, card["call"], fields)


def renderers(rig: Rig) -> list[int]:
    """The daemon's children that render templates."""
    assert rig.daemon is not None
    assert rig.daemon.process is not None
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if b"acd.workroom.rendering" in words and parent == str(rig.daemon.process.pid):
            found.append(int(folder.name))
    return found


async def test_a_dossier_source_that_hangs_holds_up_no_call(
    rig: Rig, mail: MailServer, silent: Silent
) -> None:
    """Within the budget and a second of this machine's own slowness; without the source it is the same."""
    await opened(rig, mail)
    assert rig.api is not None
    rig.call(CALLERS[0])
    await rig.noted("ACDANSWER", CALLERS[0])
    pop = await rig.api.get("/agents/a101/pop")
    assert pop["dossier"]["form"]["fields"]
    card = await rig.card(CALLERS[0])
    assert silent.asked > 0
    assert card["end_reason"] == "handled"
    assert card["wait_ms"] < 3_000, "the ring of 200 ms and the budget of 300 ms, on a slow machine"


async def test_a_renderer_killed_or_stuck_costs_no_message_and_no_exit(rig: Rig, mail: MailServer) -> None:
    """Killed: replaced within the request. Stopped: ended by the clock, the plain form goes out, and the daemon says why."""
    await opened(rig, mail)
    assert rig.daemon is not None
    assert rig.api is not None
    await rig.until(lambda: len(renderers(rig)) == 1)
    assert (await save(rig, CALLERS[0], "first")).strip() == "Для ООО «Ромашка»: FIRST"
    (first,) = renderers(rig)
    os.kill(first, signal.SIGKILL)
    assert (await save(rig, CALLERS[1], "second")).strip() == "Для ООО «Ромашка»: SECOND"
    (second,) = renderers(rig)
    assert second != first
    os.kill(second, signal.SIGSTOP)
    plain = await save(rig, CALLERS[2], "third")
    assert "third" in plain
    assert "THIRD" not in plain
    await rig.until(lambda: len(mail.mails) == 3)
    assert sorted(m.get_content().strip()[:200] for m in mail.mails if "third" not in m.get_content()) == [
        "Для ООО «Ромашка»: FIRST", "Для ООО «Ромашка»: SECOND",
    ]  # fmt: skip
    third = next(m for m in mail.mails if "third" in m.get_content())
    assert third.get_content().replace("\r\n", "\n").strip() == plain.strip(), "preview is what is sent"
    assert "the template was stopped" in rig.daemon.tail(400)
    rig.call(CALLERS[0])  # the daemon is busy as ever when it is told to stop
    begun = time.monotonic()
    await rig.daemon.stop()
    assert time.monotonic() - begun < 12
    assert renderers(rig) == []
