"""Routing rules end to end: the daemon decides, real Asterisk plays, moves and takes the message (issue 4, Build 3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.dialplan.spoken import Ears
from tests.e2e.rigs import Behaviour, LabSwitch, Rig, StandInSwitch

pytestmark = pytest.mark.e2e

ANI = "+79160000001"


@pytest.fixture(params=["stand-in", "asterisk"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    switch = StandInSwitch() if request.param == "stand-in" else LabSwitch()
    if isinstance(switch, LabSwitch):
        switch.settings["verbose"] = "3"  # so that its log says what is played
    async with Rig(switch, tmp_path) as rig:
        yield rig


def rules(*given: dict[str, Any]) -> dict[str, Any]:
    """The first firm's queue wants level 2, which only a paused agent has: its callers wait, and these rules apply."""
    queue = {"needs": [{"skill": "general", "min_level": 2}], "rules": list(given), "default_rules": False}
    return {"queues": {"romashka": queue}}


async def nobody_free(rig: Rig, *given: dict[str, Any]) -> None:
    await rig.open({"a101": Behaviour(talks_s=0.5), "a102": Behaviour()}, **rules(*given))
    assert rig.api is not None
    await rig.api.post("/agents/a102/pause")


async def test_overflow_takes_the_caller_to_the_other_queues_agent_at_his_place(rig: Rig) -> None:
    await nobody_free(rig, {"when": "waited_s >= 1", "do": "overflow nadezhda"})
    rig.call(ANI, "7001")
    card = await rig.card()
    assert (card["end_reason"], card["agent"], card["queue"]) == ("handled", "a101", "nadezhda")
    assert card["subscriber"] == "romashka", "whose client it is does not change"
    assert card["wait_ms"] >= 1_000
    (call,) = rig.journal().values()
    assert len({f["enter_ms"] for kind, f in call.notes if kind == "ACDQUEUED"}) == 1


async def test_an_announcement_is_played_and_the_caller_waits_on(rig: Rig) -> None:
    await nobody_free(rig, {"when": "waited_s >= 1", "do": "announce vm-sorry"})
    ears = Ears(rig.switch.lab) if isinstance(rig.switch, LabSwitch) and rig.switch.lab else None
    rig.call(ANI, "7001")
    await rig.noted("ACDQUEUED")

    async def applied() -> bool:
        (call,) = rig.journal()
        assert rig.api is not None
        return "vm-sorry" in str(await rig.api.get(f"/calls/{call}/explain"))

    await rig.until(applied)
    if ears is not None:
        await rig.until(lambda: "vm-sorry" in dict(ears.heard()))
    assert rig.api is not None
    await rig.api.post("/agents/a102/resume")
    await rig.noted("ACDANSWER")


async def test_voice_mail_by_rule_takes_the_caller_at_once_and_he_is_owed_a_call(rig: Rig) -> None:
    await nobody_free(rig, {"when": "waited_s >= 1", "do": "voicemail"})
    rig.call(ANI, "7001", gives_up_s=12.0)
    await rig.noted("ACDFALLBACK")
    card = await rig.card(timeout_s=40)
    assert card["end_reason"] == "fallback"
    assert rig.api is not None
    owed = (await rig.api.get("/callbacks"))["callbacks"]
    assert [task["number"] for task in owed] == [ANI]
