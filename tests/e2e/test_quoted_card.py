"""The caller keys in the number of an earlier card; it leads to his case and whose it is, on real Asterisk (003-05)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.rigs import Behaviour, Rig
from tests.e2e.spoken_firm import ROMASHKA, ears, heard, listening_rig, press
from tests.e2e.test_desk import put_message

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

FIRST, SECOND = "+79160000001", "+79160000002"
PROJECT = ROMASHKA + "ask_card_sound: vm-press\n"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = listening_rig(tmp_path)
    made.project(PROJECT)
    async with made:
        yield made


async def test_a_card_number_keyed_in_brings_back_the_case_and_whose_it_is(rig: Rig) -> None:
    """Another telephone, the same matter: nobody retells it, and the one who has the case is rung first."""
    phones = {"a101": Behaviour(talks_s=3.0), "a102": Behaviour(talks_s=3.0)}
    equals = {name: {"skills": {"general": 3}} for name in phones}
    await rig.open(phones, projects="projects", agents=equals)
    assert rig.api is not None
    await rig.api.post("/agents/a102/pause")
    rig.call(FIRST, "7001")
    await rig.noted("ACDANSWER", FIRST, 30)
    call = next(iter(rig.journal()))
    told = {
        "caller_name": "Olga",
        "callback_number": FIRST,
        "subject": "Screen",
        "note": "The screen is broken",
    }
    await put_message(rig, call, told | {"disposition": "ticket"})
    number = str((await rig.card(FIRST))["number"])
    await rig.api.post("/agents/a102/resume")
    ear = ears(rig)
    rig.call(SECOND, "7001")
    await heard(rig, ear, "vm-press")
    press(rig, number + "#")
    card = await rig.card(SECOND, 40)
    queued = next(fields for kind, fields in rig.journal()[card["call"]].notes if kind == "ACDQUEUED")
    assert (queued["sticky"], card["agent"]) == ("a101", "a101")
    assert queued["card"] not in {"", number}, "a call of its own"
    kinds = [kind for kind, _ in rig.notes(SECOND)]
    assert kinds.count("ACDQUEUED") == 1, "asked twice at the door, let in once"


async def test_who_keys_in_nothing_or_rubbish_is_let_in_as_ever(rig: Rig) -> None:
    await rig.open({"a101": Behaviour(talks_s=1.0)}, projects="projects")
    ear = ears(rig)
    for number, keys in ((FIRST, ""), (SECOND, "*99#")):
        rig.call(number, "7001")
        if keys:
            await heard(rig, ear, "vm-press", times=2)
            press(rig, keys)
        card = await rig.card(number, 40)
        assert (card["end_reason"], card["agent"]) == ("handled", "a101")
        assert "ACDFALLBACK" not in [kind for kind, _ in rig.notes(number)]
