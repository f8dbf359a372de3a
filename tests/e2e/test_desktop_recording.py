"""Pausing the recording from the page while a card number is read out (security row 22), in real Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.e2e.desktop_help import desk
from tests.e2e.rigs import FOREVER_S, Behaviour, Rig, StandInSwitch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

AGENT = "a101"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(StandInSwitch(), tmp_path)
    made.spec.ring_timeout_s = 12.0
    async with made:
        yield made


async def test_the_button_says_what_is_recorded_and_a_talk_without_recording_says_so(rig: Rig) -> None:
    await rig.open({AGENT: Behaviour(rings_s=0.5, talks_s=FOREVER_S)})
    assert isinstance(rig.switch, StandInSwitch)
    world = rig.switch.world
    assert world is not None
    async with desk(rig.spec.http_port) as mine:
        page = mine.page
        await mine.log_in(AGENT, rig.spec.agents_token)
        await expect(page.locator("#record-pause")).to_be_hidden()
        rig.call("+79160000001", "7001", "Client")
        await page.wait_for_selector("body[data-phase=talking]")
        button = page.locator("#record-pause")
        await expect(button).to_be_visible()
        await page.keyboard.press("Alt+r")
        await expect(page.locator("#toasts")).to_contain_text("Этот разговор не записывается")
        await expect(button).to_have_attribute("aria-pressed", "false")

        world.globals["ACD_RECORD"] = "1"
        await page.keyboard.press("Alt+r")
        await expect(button).to_have_attribute("aria-pressed", "true")
        await expect(button).to_contain_text("Запись на паузе")
        assert list(world.muted.values()) == [True]
        await button.click()
        await expect(button).to_have_attribute("aria-pressed", "false")
        assert list(world.muted.values()) == [False]

        async def silent(route: Route) -> None:
            await route.fulfill(status=503, json={"detail": "no answer", "reason": "switch_silent"})

        await page.route("**/recording", silent)
        await page.keyboard.press("Alt+r")
        await expect(page.locator("#toasts")).to_contain_text("ЗАПИСЬ ИДЁТ")
        await expect(button).to_have_attribute("aria-pressed", "false")
