"""A message by phone on real Asterisk: the lawyer on call is rung, presses 1, and has it (000-11, 002-17)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.centre import day_story
from tests.dialplan.driver import Ami
from tests.e2e.rigs import Behaviour, LabSwitch, Rig
from tests.e2e.test_callbacks import SECTION
from tests.e2e.test_desk import put_message

pytestmark = pytest.mark.e2e

ANN, BOB, CALLER = "+79160001101", "+79160001102", "+79160000001"
PROJECT = f"""
extends: answering-on-call
name: ООО «Ромашка»
numbers: ['7001']
needs: [{{skill: general}}]
opening: always
wrap_up_s: 1
people:
  ann: {{name: Ann, phone: '{ANN}'}}
  bob: {{name: Bob, phone: '{BOB}'}}
on_call:
  duty: {{people: [ann, bob], starts: 2026-01-01, every_days: 365}}
deliver:
  - {{to: 'on_call:duty', by: call, acknowledge_s: 60, rounds: 1}}
"""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(LabSwitch(), tmp_path)
    rig.project(PROJECT)
    async with rig:
        yield rig


async def test_the_first_does_not_answer_and_the_second_presses_one(rig: Rig) -> None:
    await rig.open(
        {"a101": Behaviour(rings_s=0.2, talks_s=1.0)},
        projects="projects",
        desk={"phone_ring_s": 5},
        callbacks=SECTION,
    )
    assert isinstance(rig.switch, LabSwitch)
    rig.switch.answers(ANN, Behaviour(rings_s=None))
    rig.call("+79160000001", "7001")
    await rig.noted("ACDANSWER")
    fields = {
        "caller_name": "Olga", "callback_number": "+79160000001", "subject": "Arrest", "note": "Come.", "urgency": "urgent",
        "disposition": "message",
    }  # fmt: skip
    await put_message(rig, next(iter(rig.journal())), fields)
    await rig.until(lambda: ANN in rig.switch.dialled(), 20)  # type: ignore[attr-defined]
    rig.switch.answers(BOB, Behaviour(rings_s=0.3, talks_s=40.0))
    await rig.until(lambda: BOB in rig.switch.dialled(), 30)  # type: ignore[attr-defined]
    assert rig.switch.lab is not None
    rig.switch.lab.console("module load app_senddtmf.so")  # the test's finger; no sample of ours loads it
    ami = Ami(rig.spec.ami_port, rig.spec.ami_user, rig.spec.ami_secret)
    try:
        await rig.until(lambda: states(rig)[-1] != "waiting" or press(ami, "1"), 40)
    finally:
        ami.close()
    assert states(rig) == ["settled", "acknowledged"]
    (one,) = day_story.rows(
        rig.spec.state_dir / "acd.db", "SELECT * FROM deliveries WHERE state = 'acknowledged'"
    )
    assert (one["recipient"], one["acknowledged_by"]) == (BOB, "bob")
    await asyncio.sleep(1)
    assert rig.switch.dialled().count(BOB) == 1, "one attempt is one ring"


async def ring_ann(rig: Rig) -> Ami:
    """A caller is served and his urgent message saved; Ann's phone is rung and picked up."""
    await rig.open(
        {"a101": Behaviour(rings_s=0.2, talks_s=1.0)},
        projects="projects",
        desk={"phone_ring_s": 8},
        callbacks=SECTION,
    )
    assert isinstance(rig.switch, LabSwitch)
    rig.switch.answers(ANN, Behaviour(rings_s=0.3, talks_s=60.0))
    rig.call(CALLER, "7001")
    await rig.noted("ACDANSWER")
    fields = {
        "caller_name": "Olga", "callback_number": CALLER, "subject": "Arrest", "note": "Come.", "urgency": "urgent",
        "disposition": "message",
    }  # fmt: skip
    await put_message(rig, next(iter(rig.journal())), fields)
    await rig.until(lambda: ANN in rig.switch.dialled(), 30)  # type: ignore[attr-defined]
    assert rig.switch.lab is not None
    rig.switch.lab.console("module load app_senddtmf.so")
    return Ami(rig.spec.ami_port, rig.spec.ami_user, rig.spec.ami_secret)


async def test_two_takes_the_message_and_joins_the_person_with_the_caller(rig: Rig) -> None:
    """The warm patch: 2 is stored, the caller is rung, and the message comes to the person in writing."""
    ami = await ring_ann(rig)
    try:
        await rig.until(lambda: CALLER in rig.switch.dialled() or press(ami, "2"), 40)  # type: ignore[attr-defined]
    finally:
        ami.close()
    assert rig.switch.dialled() == [ANN, CALLER]  # type: ignore[attr-defined]
    await rig.until(lambda: len(states(rig)) == 2)
    found = day_story.rows(rig.spec.state_dir / "acd.db", "SELECT * FROM deliveries ORDER BY id")
    assert [(one["channel"], one["state"], one["person"]) for one in found] == [
        ("call", "acknowledged", "ann"), ("sms", "waiting", "ann"),
    ]  # fmt: skip


async def test_three_passes_it_on_and_the_next_person_is_rung(rig: Rig) -> None:
    ami = await ring_ann(rig)
    try:
        await rig.until(lambda: states(rig)[0] != "waiting" or press(ami, "3"), 40)
        await rig.until(lambda: BOB in rig.switch.dialled(), 30)  # type: ignore[attr-defined]
        await rig.until(lambda: states(rig)[-1] == "acknowledged" or press(ami, "1"), 40)
    finally:
        ami.close()
    found = day_story.rows(rig.spec.state_dir / "acd.db", "SELECT * FROM deliveries ORDER BY id")
    assert [(one["person"], one["acknowledged_by"]) for one in found] == [("ann", ""), ("bob", "bob")]
    log = day_story.rows(rig.spec.state_dir / "acd.db", "SELECT detail FROM delivery_log ORDER BY id")
    assert any("passed it on" in one["detail"] for one in log)


def states(rig: Rig) -> list[str]:
    found = day_story.rows(rig.spec.state_dir / "acd.db", "SELECT state FROM deliveries ORDER BY id")
    return [str(row["state"]) for row in found] or [""]


def press(ami: Ami, digit: str) -> None:
    """The person's phone sends a digit: Asterisk receives it on the leg to the trunk. Repeated until it counts."""
    ami.action(Action="CoreShowChannels")
    legs = {
        e["Channel"]
        for e in ami.events
        if e.get("Event") == "CoreShowChannel" and e["Channel"].startswith("PJSIP/trunk")
    }
    for leg in legs:
        ami.action(Action="PlayDTMF", Channel=leg, Digit=digit, Receive="true")
