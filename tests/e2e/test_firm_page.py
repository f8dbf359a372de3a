"""A subscriber's own page in real Chromium: a swap by hand, cases by link, a foreign id refused (003-17)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from acd.adapters.http.services import HttpServices
from acd.adapters.store.sqlite import SqliteStore
from tests.adapters.http.http_help import World, serving
from tests.deskside.test_firmpage import NOON, Rig
from tests.e2e.desktop_help import chromium
from tests.fakes.ports import FakeClock

pytestmark = pytest.mark.e2e


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock = FakeClock(NOON)
    store = SqliteStore(tmp_path / "acd.db", clock)
    await store.open()
    made = Rig(store, clock)
    await made.fill()
    yield made
    await store.close()


class FirmWorld(World):
    """The HTTP edge with the firm's pages."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self.rig = rig

    def services(self) -> HttpServices:
        return replace(super().services(), firm_desk=self.rig.pages)


async def test_a_firm_swaps_its_duty_and_cannot_open_another_firms_case(rig: Rig) -> None:
    async with serving(FirmWorld(rig)) as server, chromium() as browser:
        page = await (await browser.new_context(locale="ru-RU")).new_page()
        faults: list[str] = []
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Security Policy" in said.text else None)
        base = f"http://127.0.0.1:{server.port}/firm/{rig.token('law')}"
        await page.goto(base)
        assert await page.inner_text("h1") == "Консул"
        assert "Ann" in await page.inner_text("table >> nth=0")
        await page.select_option("#swap [name=person]", "bob")
        await page.click("#swap button")
        await page.wait_for_url("**/swap")
        assert (
            rig.swaps.projects()
            .good["law"]
            .rotations["duty"]
            .order(NOON, rig.source.good["law"].hours.zone)[0]
            == "bob"
        )
        first = (await page.inner_text("table >> nth=0")).splitlines()[1]
        assert "Bob" in first
        assert "сейчас" in first
        await page.click("text=Отменить замену")
        assert rig.swaps.current == ()
        await page.goto(base)
        await page.click("text=123459")
        assert "123459" in await page.inner_text("h1")
        foreign = await page.goto(f"{base}/case/200000")
        assert foreign is not None
        assert foreign.status == 404
        assert "bank" not in await page.content()
        assert faults == []
