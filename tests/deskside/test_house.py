"""The desk inside the daemon: versions and audit, reload with a broken project, many projects (O12)."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import pytest

from acd import health
from acd.adapters.store import audit, desk_store, directory_store, sqlite
from acd.adapters.store.sqlite import SqliteStore
from acd.config.loading import Config, load
from acd.config.project_models import DeliveryEntry
from acd.desk.operations import Clock, Operation
from acd.deskside.house import DeskHouse
from acd.deskside.troubles import NAMES as TROUBLES
from acd.ports import PortError
from tests.adapters.store.support import standing_still
from tests.config.test_project_files import CONFIG, MINIMAL
from tests.fakes.ports import FakeClock

NOW = 1_795_000_000_000


class NoTalks:
    async def find(self, ani, did, quoted=""):
        return {"name": "by our own cards"}


class Rig:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "config"
        shutil.copytree(CONFIG, self.folder)
        self.write(MINIMAL)
        self.config: Config = load(self.folder)
        self.clock = FakeClock(NOW)
        self.store = SqliteStore(folder / "var" / "acd.db", self.clock)
        (folder / "var").mkdir()
        self.house = DeskHouse(lambda: self.config, self.store, self.clock, NoTalks())

    def write(self, text: str) -> None:
        (self.folder / "projects" / "alfa.yaml").write_text(text, encoding="utf-8")

    async def versions(self) -> list[int]:
        found = await self.store.writer.do(lambda db: directory_store.versions(db, "alfa"))
        return [version for version, _, _ in found]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    await rig.store.open()
    yield rig
    await rig.house.close()
    await rig.store.close()


async def test_every_version_in_force_is_kept_and_audited_and_a_broken_one_replaces_nothing(rig: Rig) -> None:
    """Changes are versioned, audited, reloadable; a broken one never replaces a good one."""
    care = asyncio.create_task(rig.house._care())
    async with asyncio.timeout(10):
        while await rig.versions() != [1]:
            await asyncio.sleep(0.02)
        rig.write(MINIMAL.replace("Alfa", "Beta"))
        rig.config = load(rig.folder)
        care.cancel()
        care = asyncio.create_task(rig.house._care())
        while await rig.versions() != [2, 1]:
            await asyncio.sleep(0.02)
    care.cancel()
    rig.write(MINIMAL + "retention_days: nonsense\n")
    rig.config = load(rig.folder)
    assert rig.house.projects().good["alfa"].name == "Beta"
    assert "alfa" in rig.house.troubles()["desk_projects"]
    assert set(rig.house.troubles()) <= TROUBLES, "everything is shown, nothing takes our being ready"
    assert (await rig.store.writer.do(audit.verify)).ok
    rows = await rig.store.writer.do(lambda db: db.execute_fetchall("SELECT what, object FROM audit"))
    assert ("project in force", "alfa version 2") in [tuple(row) for row in rows]


@pytest.mark.parametrize("channel", get_args(DeliveryEntry.model_fields["by"].annotation))
async def test_a_channel_that_refuses_is_shown_and_takes_nothing_from_our_being_ready(
    rig: Rig, channel: str
) -> None:
    """Failure mode 25: a lawyer who does not pick up is no reason to take the machine out of service."""
    rig.house.worker.last_error[channel] = "nobody picked up"
    assert rig.house.troubles() == {f"desk_{channel}": "nobody picked up"}
    assert set(rig.house.troubles()) <= health.MINOR


async def test_numbers_without_a_project_are_asked_of_our_own_cards(rig: Rig) -> None:
    assert (await rig.house.find("+7916", "7001"))["name"] == "by our own cards"  # type: ignore[arg-type]
    assert (await rig.house.find("+7916", "7050", "12*"))["name"] == ""  # type: ignore[arg-type]


async def test_promises_about_to_be_broken_are_told_in_words(rig: Rig) -> None:
    """000-07: a warning before the breach, on wallboard and status, until the operation is done."""
    clock = Clock("alfa", Operation.FIRST_REPLY, "100012", NOW - 7_000_000, NOW + 200_000, NOW - 1_000)
    await rig.store.writer.do(lambda db: desk_store.start_clock(db, clock))
    await rig.house._warn()
    assert rig.house.troubles()["desk_late"].startswith(
        "promises about to be broken: first_reply 1 (acd desk"
    )
    rig.clock.time = NOW + 300_000
    await rig.house._warn()
    assert "first_reply 1 (1 overdue)" in rig.house.troubles()["desk_late"]
    await rig.store.writer.do(
        lambda db: desk_store.stop_clock(db, "alfa", Operation.FIRST_REPLY, "100012", NOW)
    )
    await rig.house._warn()
    assert "desk_late" not in rig.house.troubles()


@pytest.mark.slow
def test_three_hundred_subscribers_are_read_in_seconds(tmp_path: Path) -> None:
    shutil.copytree(CONFIG, tmp_path / "config")
    for n in range(300):
        text = MINIMAL.replace("7050", str(100_000 + n)).replace("Alfa", f"Firm {n}")
        (tmp_path / "config" / "projects" / f"f{n}.yaml").write_text(text, encoding="utf-8")
    begin = time.monotonic()
    config = load(tmp_path / "config")
    assert len(config.projects.good) == 303
    assert time.monotonic() - begin < 20.0


async def test_a_disk_that_stands_still_does_not_hold_the_care_of_the_desk(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited for ever in one of its writes: no version kept, no promise warned of, nothing swept."""
    monkeypatch.setattr(sqlite, "CARD_LIMIT_S", 0.1)
    async with standing_still(rig.store), asyncio.timeout(5):
        with pytest.raises(PortError):
            await rig.house._warn()
        with pytest.raises(PortError):
            await rig.house._keep_versions(rig.house.projects())
        with pytest.raises(PortError):
            await rig.house._patched(1)
    await rig.house._keep_versions(rig.house.projects())
    assert await rig.versions() == [1]
