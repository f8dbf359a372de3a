"""A firm's project is changed while its calls go on, broken while they go on; the firm looks at its own page meanwhile."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from simulator.centre.daemon import ROOT
from tests.e2e.rigs import Behaviour, Rig, StandInSwitch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PROJECT = """
extends: answering-basic
name: Romashka
numbers: ['7001']
greeting: {greeting}
needs: [{{skill: general}}]
opening: always
wrap_up_s: 0.2
people:
  ann: {{name: Ann Petrova, email: ann@romashka.example}}
deliver:
  - {{to: 'person:ann', by: email}}
"""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(StandInSwitch(), tmp_path)
    made.project(PROJECT.format(greeting="Good day"))
    async with made:
        yield made


async def greeting(rig: Rig, ani: str) -> str:
    """What the agent is told to answer this caller with."""
    rig.call(ani, "7001")
    await rig.noted("ACDANSWER", ani)
    assert rig.api is not None
    pop = await rig.api.get("/agents/a101/pop")
    assert (await rig.card(ani))["end_reason"] == "handled"
    return str(pop["dossier"]["greeting"])


async def test_a_project_is_taken_without_a_restart_and_a_broken_one_replaces_nothing(rig: Rig) -> None:
    """000-13, 000-17: versioned, reloadable; the last good version serves on, and the trouble says where the mistake is."""
    await rig.open({"a101": Behaviour(rings_s=0.2, talks_s=0.5)}, projects="projects")
    assert rig.daemon is not None
    assert rig.daemon.process is not None
    file, process = rig.spec.directory / "config" / "projects" / "romashka.yaml", rig.daemon.process.pid
    assert await greeting(rig, "+79160000001") == "Good day"
    file.write_text(PROJECT.format(greeting="Good evening"), encoding="utf-8")
    rig.daemon.signal(signal.SIGHUP)
    await rig.until(lambda: '"reloaded"' in rig.daemon.tail(100))  # type: ignore[union-attr]
    assert await greeting(rig, "+79160000002") == "Good evening"
    file.write_text(PROJECT.format(greeting="Broken") + "deliver_to: nobody\n", encoding="utf-8")
    rig.daemon.signal(signal.SIGHUP)
    await rig.until(lambda: rig.daemon.tail(100).count('"reloaded"') == 2)  # type: ignore[union-attr]
    await rig.until(lambda: "deliver_to" in rig.daemon.tail(100), 5)  # type: ignore[union-attr]
    assert '"version": 2' in rig.daemon.tail(100), "what was in force for a moment has its record"
    assert await greeting(rig, "+79160000003") == "Good evening"
    assert rig.daemon.process.pid == process


async def test_the_firms_page_is_served_beside_the_calls(rig: Rig) -> None:
    """003-17: the link of `acd desk link` opens the firm's own page on the running daemon, a changed one nothing."""
    await rig.open({"a101": Behaviour(rings_s=0.2, talks_s=0.5)}, projects="projects")
    await greeting(rig, "+79160000001")
    command = [sys.executable, "-m", "acd", "desk", "link", "romashka", "--config"]
    told = await asyncio.to_thread(
        subprocess.run, [*command, str(rig.spec.directory / "config")], check=True, cwd=ROOT, timeout=60,
        capture_output=True, text=True,
    )  # fmt: skip
    path = "/firm/" + told.stdout.split("/firm/", 1)[1].split()[0]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{rig.spec.http_port}") as firm:
        page = await firm.get(path)
        assert page.status_code == 200
        assert "Romashka" in page.text
        assert (await firm.get(path[:-1] + ("0" if path[-1] != "0" else "1"))).status_code == 404
