"""Two daemons with a state of their own: the second stands by, takes over, and calls nobody back a second time.

Failure modes 35 and 38; decisions 0131, 0232.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator.centre.config import write
from simulator.centre.daemon import Api, DaemonProcess
from simulator.lab.ports import free_port
from tests.e2e.rigs import Behaviour, Rig, StandInSwitch
from tests.e2e.test_callbacks import SECTION, missed

pytestmark = pytest.mark.e2e

ANI = "+79160000001"


class Standby:
    """The second daemon, with ports and a state of its own, on the same switch and journal."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        ports = {"agi_port": free_port(), "http_port": free_port(), "mqtt_port": free_port()}
        self.spec = replace(rig.spec, directory=folder, **ports)
        self.daemon = DaemonProcess(self.spec, write(self.spec))
        self.api: Api | None = None

    async def stands_by(self, rig: Rig) -> None:
        self.daemon.start()

        async def told() -> bool:
            try:
                async with httpx.AsyncClient() as web:
                    answer = await web.get(f"http://127.0.0.1:{self.spec.http_port}/readyz")
            except httpx.HTTPError:
                return False
            return "twin" in answer.json()["troubles"]

        await rig.until(told)
        self.api = Api(self.spec)

    async def tasks(self) -> list[dict[str, Any]]:
        assert self.api is not None
        return list((await self.api.get("/callbacks"))["callbacks"])

    async def close(self) -> None:
        if self.api is not None:
            await self.api.close()
        await self.daemon.stop()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(StandInSwitch(), tmp_path / "first") as rig:
        yield rig


async def test_a_task_closed_at_the_first_daemon_is_not_dialled_by_the_second(
    rig: Rig, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    await rig.open({"a101": Behaviour(talks_s=20.0)}, callbacks=SECTION)
    rig.switch.answers(ANI, Behaviour(talks_s=0.7))
    second = Standby(rig, tmp_path / "second")
    try:
        await second.stands_by(rig)
        assert rig.api is not None
        assert rig.daemon is not None
        await missed(rig)
        (task,) = (await rig.api.get("/callbacks"))["callbacks"]
        await rig.api.post(f"/callbacks/{task['id']}/close", {"reason": "he wrote to us"})
        rig.daemon.kill()
        await second.daemon.ready()
        assert second.api is not None
        await second.api.post("/agents/a101/login")

        async def held() -> list[dict[str, Any]]:
            return [task for task in await second.tasks() if task["state"] == "held"]

        (found,) = await rig.until(held, 60)  # the journal told it of the missed call, nobody of the closing
        assert "another daemon served" in found["why"]
        await asyncio.sleep(2.0)
        assert rig.switch.dialled() == [], "he would have been called though his task was closed"
        await second.api.post(f"/callbacks/{found['id']}/approve")
        await rig.until(rig.switch.dialled)
        assert rig.switch.dialled() == [ANI]
    finally:
        await second.close()
