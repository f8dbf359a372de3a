"""What is open decides before anybody is rung, on real Asterisk: an answer with real keys (002-18), a department (002-11)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from simulator.centre.daemon import ROOT
from tests.dialplan.spoken import Ears
from tests.e2e.rigs import Behaviour, LabSwitch, Rig
from tests.e2e.spoken_firm import ROMASHKA, TRUNK, ears, heard, listening_rig, press, said

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

KNOWN, STRANGER, ANGRY = "+79160000001", "+79160000002", "+79160000003"
PROJECT = (
    ROMASHKA
    + """
routing:
  - {name: complaints, when: {open: complaint}, queue: nadezhda}
answers:
  - name: order ready
    when: {open: order, state: ready}
    before: vm-youhave
    number: true
    after: vm-received
    date: true
    person: vm-press
"""
)
CSV = {
    "clients": f"number,name\n{KNOWN},Olga\n",
    "matters": f"number,kind,id,title,state,due\n{KNOWN},order,A-108,Phone,ready,2026-11-27\n"
    f"{ANGRY},complaint,C-1,Broken again,new,\n",
}
SAID = [
    "vm-youhave", "digits/1", "digits/0", "digits/8", "vm-received",
    "digits/day-5", "digits/20", "digits/h-7", "digits/mon-10",
]  # fmt: skip
"""Friday, the twenty-seventh of November."""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with listening_rig(tmp_path) as made:
        yield made


async def opened(rig: Rig, language: str = "en", **extra: Any) -> Ears:
    """The centre at work; one order of one client is ready."""
    rig.project(PROJECT.replace("language: en", f"language: {language}"))
    phones = {"a101": Behaviour(talks_s=2.0)} | ({"a102": Behaviour(talks_s=2.0)} if extra else {})
    await rig.open(phones, projects="projects", **extra)
    assert rig.daemon is not None
    await rig.daemon.stop()  # one writer
    for kind, text in CSV.items():
        file = rig.spec.directory / f"{kind}.csv"
        file.write_text(text, encoding="utf-8")
        config = str(rig.spec.directory / "config")
        command = [sys.executable, "-m", "acd", "desk", "import", kind, str(file), "--project", "romashka"]
        await asyncio.to_thread(
            subprocess.run,
            [*command, "--config", config],
            check=True,
            cwd=ROOT,
            timeout=60,
            capture_output=True,
        )
    rig.daemon.start()
    await rig.daemon.ready()
    await rig.until(lambda: idle(rig))
    return ears(rig)


async def idle(rig: Rig) -> bool:
    found = await rig.agent("a101")
    return bool(found["state"] == "idle" and found["status"] == "available")


async def field(rig: Rig, card: dict[str, Any], name: str) -> str | None:
    assert rig.api is not None
    return dict((await rig.api.get(f"/calls/{card['call']}/card"))["fields"]).get(name)


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_who_hangs_up_after_his_answer_was_served_and_is_owed_no_call_back(
    rig: Rig, language: str
) -> None:
    """The whole sentence with number and date, nobody rung, no missed call, no promise of an answer broken."""
    ear = await opened(rig, language)
    rig.call(KNOWN, "7001", gives_up_s=25)
    await heard(rig, ear, "vm-press")
    assert ear.heard(TRUNK)[: len(SAID)] == [(file, language) for file in SAID]
    assert isinstance(rig.switch, LabSwitch)
    assert rig.switch.lab is not None
    await asyncio.to_thread(rig.switch.lab.console, "channel request hangup all")
    card = await rig.card(KNOWN)
    assert (card["end_reason"], card["agent"], card["queue"]) == ("self_served", None, "romashka")
    assert await field(rig, card, "self_answer") == "order ready"
    kinds = [kind for kind, _ in rig.notes(KNOWN)]
    assert kinds == ["ACDENTER", "ACDSELFSERVED", "ACDEND"]
    assert rig.api is not None
    assert (await rig.api.get("/callbacks"))["callbacks"] == []


@pytest.mark.parametrize("key", ["1", ""])
async def test_one_or_silence_leads_to_a_person_before_those_who_came_later(rig: Rig, key: str) -> None:
    """The place in the line is that of the door: a stranger who came meanwhile waits behind him."""
    ear = await opened(rig)
    assert rig.api is not None
    await rig.api.post("/agents/a101/pause")
    rig.call(KNOWN, "7001")
    await heard(rig, ear, "vm-youhave")
    rig.call(STRANGER, "7001")
    await rig.noted("ACDQUEUED", STRANGER)
    assert "ACDQUEUED" not in [kind for kind, _ in rig.notes(KNOWN)], "he still listens"
    if key:
        press(rig, key)
        await rig.noted("ACDQUEUED", KNOWN, 5)
        assert "vm-press" not in said(ear), "a key need not wait for the end"
    else:
        await rig.noted("ACDQUEUED", KNOWN, 40)
        assert "vm-press" in said(ear)
    await rig.api.post("/agents/a101/resume")
    first, second = await rig.card(KNOWN), await rig.card(STRANGER)
    assert (
        (first["end_reason"], first["agent"])
        == (second["end_reason"], second["agent"])
        == ("handled", "a101")
    )
    assert first["answered_at"] < second["answered_at"]
    assert await field(rig, first, "self_answer") == "order ready"
    assert await field(rig, second, "self_answer") is None
    assert said(ear).count("vm-youhave") == 1, "who has nothing open hears no answer"


async def test_a_daemon_that_dies_meanwhile_costs_him_the_answer_and_not_the_call(rig: Rig) -> None:
    ear = await opened(rig)
    rig.call(KNOWN, "7001")
    await heard(rig, ear, "vm-youhave")
    assert rig.daemon is not None
    rig.daemon.kill()
    await rig.noted("ACDQUEUED", KNOWN, 20)
    rig.daemon.start()
    await rig.daemon.ready()
    card = await rig.card(KNOWN, 40)
    assert (card["end_reason"], card["agent"]) == ("handled", "a101")


async def test_an_open_complaint_leads_to_another_department_and_to_who_can_settle_it(rig: Rig) -> None:
    """002-03, 002-11: the operator is not in the chain. The department's queue and skill, still this firm's call."""
    ear = await opened(
        rig,
        skills={"claims": {"display_name": "Claims"}},
        queues={"nadezhda": {"needs": [{"skill": "claims", "min_level": 1}]}},
        agents={"a102": {"skills": {"claims": 3}}},
    )
    rig.call(ANGRY, "7001")
    card = await rig.card(ANGRY, 40)
    assert (card["queue"], card["subscriber"], card["agent"]) == ("nadezhda", "romashka", "a102")
    assert "vm-youhave" not in said(ear), "a complaint is for a person"
