"""Recordings on real Asterisk: they give way when the disk fills, and are paused for card numbers.

Failure mode 31 (recording stops first, cards last) and security rows 18 and 22. The disk's share is that of the
machine: a threshold of 99 % makes any disk a nearly full one, a reload makes room again.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from simulator.centre.config import write
from tests.e2e.rigs import Behaviour, LabSwitch, Rig

pytestmark = pytest.mark.e2e

ANI = "+79160000001"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    switch = LabSwitch()
    switch.record = True
    async with Rig(switch, tmp_path) as rig:
        yield rig


def recording(rig: Rig, call: str) -> Path:
    assert isinstance(rig.switch, LabSwitch)
    assert rig.switch.lab is not None
    return rig.switch.lab.recordings / f"{call}.wav"


async def open_with(rig: Rig, talks_s: float, **thresholds: float) -> None:
    """Open a centre whose recordings lie in the test's own folder, on the same disk."""
    await rig.open(
        {"a101": Behaviour(rings_s=0.2, talks_s=talks_s)},
        recording={"directory": str(rig.spec.directory), **thresholds},
    )


async def reload(rig: Rig, **thresholds: float) -> None:
    rig.spec.extra = {**rig.spec.extra, "recording": {"directory": str(rig.spec.directory), **thresholds}}
    write(rig.spec)
    assert rig.daemon is not None
    rig.daemon.signal(signal.SIGHUP)


async def troubles(rig: Rig) -> dict[str, str]:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://127.0.0.1:{rig.spec.http_port}/readyz")
    assert answer.status_code == 200, "a full disk takes nothing from our being ready"
    return dict(answer.json()["troubles"])


def monitored(rig: Rig) -> bool:
    """Whether any channel is being recorded; the SIP phones of the tests send no sound, so a size tells nothing."""
    assert isinstance(rig.switch, LabSwitch)
    assert rig.switch.lab is not None
    channels = rig.switch.lab.console("core show channels concise").splitlines()
    names = [line.split("!")[0] for line in channels if line.startswith("PJSIP/")]
    return any("/monitor/" in rig.switch.lab.console(f"mixmonitor list {name}") for name in names)


def live_call(rig: Rig, ani: str) -> str:
    return next(call for call, story in rig.journal().items() if story.ani == ani)


async def test_a_nearly_full_disk_records_no_new_call_and_all_else_goes_on(rig: Rig) -> None:
    await open_with(rig, 0.7, no_new_below_percent=99, stop_below_percent=0)

    async def said() -> bool:
        return "new calls are not recorded" in (await troubles(rig)).get("recording", "")

    await rig.until(said)
    rig.call(ANI)
    card = await rig.card()
    assert card["end_reason"] == "handled"
    assert not recording(rig, card["call"]).exists()

    await reload(rig, no_new_below_percent=0, stop_below_percent=0)

    async def silent() -> bool:
        return "recording" not in await troubles(rig)

    await rig.until(silent)
    second = "+79160000002"
    rig.call(second)
    card = await rig.card(second)
    assert recording(rig, card["call"]).exists(), "with room again talks are recorded"


async def test_running_recordings_end_and_the_talk_goes_on(rig: Rig) -> None:
    await open_with(rig, 14.0, no_new_below_percent=0, stop_below_percent=0)
    rig.call(ANI)
    await rig.noted("ACDANSWER")
    file = recording(rig, live_call(rig, ANI))
    await rig.until(file.exists)
    assert monitored(rig)
    await reload(rig, no_new_below_percent=99, stop_below_percent=99)

    async def stopped() -> bool:
        return "running recordings were ended" in (await troubles(rig)).get("recording", "")

    await rig.until(stopped)
    assert not monitored(rig)
    assert (await rig.agent("a101"))["state"] == "talking"
    card = await rig.card()
    assert (card["end_reason"], card["agent"]) == ("handled", "a101")
    assert card["talk_ms"] > 12_000


async def test_an_agent_pauses_the_recording_while_a_card_number_is_read_out(rig: Rig) -> None:
    await open_with(rig, 5.0, no_new_below_percent=0, stop_below_percent=0)
    rig.call(ANI)
    await rig.noted("ACDANSWER")
    call = live_call(rig, ANI)
    url = f"http://127.0.0.1:{rig.spec.http_port}/api/v1/calls/{call}/recording"
    async with httpx.AsyncClient(trust_env=False, auth=("a101", rig.spec.agents_token)) as http:
        paused = await http.post(url, json={"paused": True})
        assert (paused.status_code, paused.json()["paused"]) == (200, True)
        again = await http.post(url, json={"paused": False})
        assert (again.status_code, again.json()["paused"]) == (200, False)
    card = await rig.card()
    assert card["end_reason"] == "handled"
    assert recording(rig, call).exists()


async def test_a_talk_without_a_recording_says_so_instead_of_a_silent_success(rig: Rig) -> None:
    assert isinstance(rig.switch, LabSwitch)
    rig.switch.record = False
    await open_with(rig, 3.0)
    rig.call(ANI)
    await rig.noted("ACDANSWER")
    url = f"http://127.0.0.1:{rig.spec.http_port}/api/v1/calls/{live_call(rig, ANI)}/recording"
    async with httpx.AsyncClient(trust_env=False, auth=("a101", rig.spec.agents_token)) as http:
        assert (await http.post(url, json={"paused": True})).status_code == 409
