"""What callers and agents hear and see, with the real daemon, real Asterisk and real SIP phones."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.centre.daemon import ROOT
from simulator.lab.sipp import Callers, CallPlan
from tests.dialplan.spoken import Ears
from tests.e2e.rigs import Behaviour, LabSwitch, Rig

pytestmark = pytest.mark.e2e


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    switch = LabSwitch()
    switch.settings["verbose"] = "3"
    async with Rig(switch, tmp_path) as rig:
        yield rig


def ears(rig: Rig) -> Ears:
    assert isinstance(rig.switch, LabSwitch)
    assert rig.switch.lab is not None
    return Ears(rig.switch.lab)


async def heard(
    rig: Rig, ear: Ears, file: str, language: str, *, on: str = "", timeout_s: float = 20
) -> None:
    """Wait until a prompt was played in this language."""
    await rig.until(lambda: (file, language) in ear.heard(on), timeout_s)


async def test_the_prompts_speak_the_language_of_number_queue_or_centre(rig: Rig) -> None:
    """Issue 2, item 3: an English queue speaks English, a number may differ from its queue, the rest is Russian.

    The waiting caller is told his place in the queue's rhythm, by the daemon's own answer.
    """
    extra = {
        "queues": {
            "romashka": {"language": "en", "greeting": "vm-goodbye"},
            "nadezhda": {"greeting": "vm-sorry"},
            "vektor": {"greeting": "queue-thankyou", "announcements": None},
        },
        "numbers": {"7002": {"queue": "nadezhda", "language": "en"}},
        "announcements": {"standard": {"every_s": 5}},
    }
    await rig.open({"a101": Behaviour(talks_s=60)}, **extra)
    ear = ears(rig)
    for number, did in enumerate(("7001", "7002", "7003"), 1):
        rig.call(f"+7916000000{number}", did)
    await heard(rig, ear, "vm-goodbye", "en")
    await heard(rig, ear, "vm-sorry", "en")
    await heard(rig, ear, "queue-thankyou", "ru")
    await heard(rig, ear, "queue-youarenext", "en")


async def test_a_waiting_caller_is_told_his_place_and_the_expected_wait(rig: Rig) -> None:
    """000-08: both from the core's own view, spoken by Asterisk: one is before the last, so many minutes."""
    extra = {
        "announcements": {"standard": {"every_s": 5}},
        "queues": {"romashka": {"expected_talk_s": 100, "callback_beyond_s": None}},
    }
    await rig.open({"a101": Behaviour(talks_s=90)}, **extra)
    ear = ears(rig)
    for number in range(1, 4):
        rig.call(f"+7916000000{number}")
        await rig.noted("ACDQUEUED", f"+7916000000{number}")
    await heard(rig, ear, "queue-thereare", "ru", timeout_s=15)  # you are currently caller number
    await heard(rig, ear, "digits/2", "ru")
    await heard(rig, ear, "queue-callswaiting", "ru")
    await heard(rig, ear, "queue-holdtime", "ru", timeout_s=15)
    await heard(rig, ear, "queue-minutes", "ru")


async def test_a_mobile_takes_the_call_by_pressing_one_and_is_asked_in_its_own_language(rig: Rig) -> None:
    """002-12, an agent on a telephone number: dialled through the trunk, answered, and only 1 makes it a talk."""
    mobile = Behaviour(talks_s=6.0, number="+79219876543")
    await rig.open({"a101": mobile}, agents={"a101": {"language": "en"}})
    assert isinstance(rig.switch, LabSwitch)
    ear = ears(rig)
    rig.call()
    await heard(rig, ear, "priv-callpending", "en", on="PJSIP/trunk")
    assert (await rig.agent("a101"))["state"] == "ringing", "the answer alone is no talk: it may be a mailbox"
    rig.switch.press("PJSIP/trunk")  # both the caller's and the mobile's channel; a caller's key says nothing
    await rig.noted("ACDANSWER")
    assert (await rig.agent("a101"))["state"] == "talking"
    [leg] = rig.switch.phones["a101"].records()
    assert leg.agent == "+79219876543"
    card = await rig.card()
    assert (card["end_reason"], card["agent"]) == ("handled", "a101")


async def test_feature_codes_dialled_on_the_agents_own_phone_change_his_state(
    rig: Rig, tmp_path: Path
) -> None:
    """Issue 2, item 6: an INVITE of the SIP phone itself; who dials is the endpoint, not what the phone says."""
    await rig.open({"a101": Behaviour(), "a102": Behaviour()}, agents={"a101": {"language": "en"}})
    assert isinstance(rig.switch, LabSwitch)
    assert rig.switch.lab is not None
    sip, ear = rig.switch.lab.ports.sip, ears(rig)
    codes = {
        "*537": ("paused", "7"),
        "*54": ("available", ""),
        "*52": ("logged_out", ""),
        "*51": ("available", ""),
    }
    for number, (code, (status, reason)) in enumerate(codes.items()):
        plan = CallPlan("a101", code, talk_ms=500, patience_ms=3_000)
        with Callers(sip, [plan], tmp_path / f"code{number}", timeout_s=15, host="127.0.0.1"):

            async def seen(status: str = status, reason: str = reason) -> bool:
                agent = await rig.agent("a101")
                return (agent["status"], agent["pause_reason"] or "") == (status, reason)

            await rig.until(seen, 10)
    assert (await rig.agent("a102"))["status"] == "available"
    assert ear.heard("PJSIP/a101-")


async def test_a_caller_rates_the_talk_and_the_rating_stands_on_the_card(rig: Rig) -> None:
    """003-10: the agent has hung up first, the queue's sound asks once, one digit; nobody is asked elsewhere."""
    await rig.open(
        {"a101": Behaviour(talks_s=0.5)}, queues={"romashka": {"survey": "vm-goodbye", "language": "en"}}
    )
    assert isinstance(rig.switch, LabSwitch)
    ear = ears(rig)
    rig.call()
    await heard(rig, ear, "vm-goodbye", "en", on="PJSIP/trunk")
    rig.switch.press("PJSIP/trunk", "4")
    card = await rig.card()
    assert (card["end_reason"], card["agent"]) == ("handled", "a101")

    async def rated() -> bool:
        assert rig.api is not None
        stored = dict((await rig.api.get(f"/calls/{card['call']}/card"))["fields"])
        return (stored.get("rating"), stored.get("rated_agent")) == ("4", "a101")

    await rig.until(rated, 10)


RELAY = """#!/bin/sh
# this Asterisk's tree has no Python: both pipes lead to the real script outside of it
cat <"$0.out" & exec cat >"$0.in"
"""


async def test_a_number_left_while_the_daemon_is_down_is_called_back_when_it_lives_again(rig: Rig) -> None:
    """Issue 2, item 4: Asterisk, the real one-shot script over pyst2, its durable spool, the daemon's ledger."""
    assert isinstance(rig.switch, LabSwitch)
    rig.switch.settings["fallback_s"] = "1"
    rig.spec.spool = rig.spec.directory / "spool"
    await rig.open({"a101": Behaviour(registered=False)})
    lab = rig.switch.lab
    assert lab is not None
    assert rig.daemon is not None
    script = lab.run / "relay.sh"
    script.write_text(RELAY, encoding="utf-8")
    script.chmod(0o755)
    pipes = [script.with_name(script.name + end) for end in (".in", ".out")]
    for pipe in pipes:
        os.mkfifo(pipe)
    lab.console(f"dialplan set global ACD_SPOOL_AGI {script}")
    rig.daemon.kill()
    command = f"exec {ROOT / 'bin' / 'agi-offer-callback'} <{pipes[0]} >{pipes[1]}"
    environment = {**os.environ, "ACD_SPOOL": str(rig.spec.spool), "ACD_VENV": sys.prefix}
    with subprocess.Popen(["sh", "-c", command], env=environment) as outside:  # noqa: ASYNC220 - returns at once
        try:
            rig.call("anonymous")
            ear = ears(rig)
            await heard(rig, ear, "vm-enter-num-to-call", "ru", timeout_s=40)
            for digit in "79160000077":
                rig.switch.press("PJSIP/trunk", digit)
            await rig.until(lambda: list(rig.spec.spool.glob("*.json")) if rig.spec.spool else (), 20)
            assert await asyncio.to_thread(outside.wait, 10) == 0
        finally:
            outside.kill()
    rig.daemon.start()
    await rig.daemon.ready()

    async def owed() -> bool:
        assert rig.api is not None
        found = await rig.api.get("/callbacks")
        return any(task["number"] == "+79160000077" for task in found["callbacks"])

    await rig.until(owed, 20)
    assert not list(rig.spec.spool.glob("*.json"))
