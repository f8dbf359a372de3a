"""Asterisk's log disk is full: the dialplan's notes reach us over AMI and are in no file (requirement 000-06).

The journal then says of a served caller that he left in vain: he would be called back, and his card be wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.rigs import Behaviour, Rig, StandInSwitch
from tests.e2e.test_callbacks import ANI, SECTION, rows

pytestmark = pytest.mark.e2e


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(StandInSwitch(), tmp_path) as rig:
        yield rig


@pytest.mark.parametrize(
    "lost", [("ACDDIAL", "ACDANSWER", "ACDTALKEND"), ("ACDTALKEND", "ACDEND"), ("ACDEND",)]
)
async def test_a_caller_who_was_served_stays_served_whatever_the_journal_lost(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, lost: tuple[str, ...]
) -> None:
    await rig.open({"a101": Behaviour(rings_s=0.1, talks_s=2.5)}, callbacks=SECTION)
    assert isinstance(rig.switch, StandInSwitch)
    assert rig.switch.world is not None
    file = rig.switch.world.queue_log
    true_write = file.write

    def write(now_s: int, call: str, queue: str, agent: str, event: str, fields: dict[str, str]) -> None:
        if event not in lost:
            true_write(now_s, call, queue, agent, event, fields)

    monkeypatch.setattr(file, "write", write)
    rig.call(ANI, gives_up_s=None)
    card = await rig.card(ANI, 30)
    assert (card["end_reason"], card["agent"]) == ("handled", "a101")
    await asyncio.sleep(4.0)
    assert rig.daemon is not None
    rig.daemon.kill()
    rig.daemon.start()
    await rig.daemon.ready()
    await asyncio.sleep(8.0)
    (kept,) = rows(rig, "SELECT end_reason, agent FROM cards")
    assert kept == {"end_reason": "handled", "agent": "a101"}
    assert rows(rig, "SELECT state FROM missed_tasks WHERE closed_at IS NULL") == []
    assert rig.switch.dialled() == []
