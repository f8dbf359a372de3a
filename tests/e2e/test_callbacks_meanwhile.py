"""Call-backs while their caller is with us by himself: nobody is rung who talks or has just talked with us.

Requirements 003-24, 004-16; failure mode 38.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.rigs import Behaviour, Rig
from tests.e2e.test_callbacks import ANI, back_at_work, missed, notes, opened, rig, task  # noqa: F401 - rig is a fixture

pytestmark = pytest.mark.e2e


async def test_whom_the_fallback_served_while_we_were_dead_is_not_called_back(rig: Rig) -> None:
    """His talk stands in the journal, his card is not written yet, and the ledger still owes him a call."""
    await opened(rig, {"a101": Behaviour(rings_s=0.1, talks_s=1.0)}, Behaviour(talks_s=0.7))
    await missed(rig)
    assert rig.daemon is not None
    rig.daemon.kill()
    rig.call(ANI)
    await rig.until(lambda: [kind for kind, _ in notes(rig)].count("ACDEND") == 2, 40)
    rig.daemon.start()
    await rig.daemon.ready()
    await back_at_work(rig)
    await rig.until(lambda: task(rig)["state"] == "recontacted", 60)
    await asyncio.sleep(1.0)
    assert rig.switch.dialled() == []
    assert "ACDORIGINATED" not in [kind for kind, _ in notes(rig)]


async def test_who_talks_with_us_now_is_not_called_back(rig: Rig) -> None:
    phones = {name: Behaviour(rings_s=0.1, talks_s=7.0) for name in ("a101", "a102")}
    await opened(rig, phones, Behaviour(talks_s=0.7))
    await missed(rig)
    assert rig.api is not None
    rig.call(ANI)
    await rig.api.post("/agents/a101/resume")
    await rig.until(lambda: any(kind == "ACDANSWER" for kind, _ in notes(rig)), 20)
    await rig.api.post("/agents/a102/resume")
    await rig.until(lambda: task(rig)["state"] == "recontacted", 40)
    assert rig.switch.dialled() == []
    assert task(rig)["attempts"] == 0
