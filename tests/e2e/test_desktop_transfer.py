"""Handing a call on from the page, by keyboard alone and by mouse alone, in real Chromium against the real daemon (002-08, 004-08)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.desktop_help import desk
from tests.e2e.rigs import FOREVER_S, Behaviour, Rig, StandInSwitch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ANI = "+79160000001"
AGENT, COLLEAGUE = "a101", "a102"
PROJECT = """
extends: answering-basic
name: Romashka
numbers: ['7001']
greeting: Romashka, good day
needs: [{skill: general}]
opening: always
people:
  ivan: {name: Ivan Petrov, phone: +7 916 000-00-09, email: ivan@romashka.example}
deliver:
  - {to: 'person:ivan', by: email}
"""
TALKS_ON = Behaviour(rings_s=0.5, talks_s=FOREVER_S)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(StandInSwitch(), tmp_path)
    made.spec.wrap_up_s = 60.0
    made.spec.ring_timeout_s = 12.0
    async with made:
        yield made


async def in_talk(rig: Rig, page: Page) -> None:
    """The first agent talks, the second is free."""
    assert rig.api is not None
    await rig.api.post(f"/agents/{COLLEAGUE}/pause")
    rig.call(ANI, "7001", "Client")
    await page.wait_for_selector("body[data-phase=talking]")
    await rig.api.post(f"/agents/{COLLEAGUE}/resume")
    await rig.until(lambda: idle(rig, COLLEAGUE))
    await page.wait_for_timeout(700)


async def idle(rig: Rig, agent: str) -> bool:
    found = await rig.agent(agent)
    return bool(found["state"] == "idle" and found["status"] == "available")


async def talking(rig: Rig, agent: str) -> bool:
    return bool((await rig.agent(agent))["state"] == "talking")


async def ask(page: Page, key: str) -> None:
    """F6, the colleague's name, and Enter (ask first) or Shift+Enter (at once)."""
    await page.keyboard.press("F6")
    await page.wait_for_selector("#transfer-box[open]")
    await expect(page.locator("#transfer-search")).to_be_focused()
    await page.keyboard.type(COLLEAGUE)
    await expect(page.locator("#transfer-list li")).to_have_count(1)
    await page.keyboard.press(key)
    await expect(page.locator("#transfer-box")).not_to_be_visible()


async def test_ask_first_return_ask_again_and_hand_over(rig: Rig) -> None:
    """F6 asks, F7 takes the client back, F6 twice hands over; nothing typed is lost on the way."""
    await rig.open({AGENT: TALKS_ON, COLLEAGUE: TALKS_ON})
    async with desk(rig.spec.http_port, locale="en-GB") as mine:
        page = mine.page
        await mine.log_in(AGENT, rig.spec.agents_token)
        await in_talk(rig, page)
        await mine.form()
        await page.keyboard.type("Ivanov")
        await ask(page, "Enter")
        await page.wait_for_selector("#consult[data-state=consult_talk]")
        await expect(page.locator("#consult-words")).to_contain_text(f"Agent {COLLEAGUE}")
        await page.keyboard.press("F7")
        await expect(page.locator("#consult")).not_to_be_visible()
        await expect(page.locator("#transfer")).to_be_visible()
        assert await mine.value("caller_name") == "Ivanov"
        await rig.until(lambda: idle(rig, COLLEAGUE))
        await page.wait_for_timeout(700)
        await ask(page, "Enter")
        await page.wait_for_selector("#consult[data-state=consult_talk]")
        await page.wait_for_timeout(700)
        await page.keyboard.press("F6")
        await mine.phase("wrap_up")
        await rig.until(lambda: talking(rig, COLLEAGUE))
        assert await mine.value("caller_name") == "Ivanov", "her own card is still hers to finish"


async def test_at_once_to_a_colleague_who_does_not_answer_comes_back(rig: Rig) -> None:
    """The phone rings again at the same desk, with the same card on the screen."""
    rig.spec.ring_timeout_s = 2.0
    await rig.open({AGENT: TALKS_ON, COLLEAGUE: Behaviour(rings_s=None)})
    async with desk(rig.spec.http_port, locale="en-GB") as mine:
        page = mine.page
        await mine.log_in(AGENT, rig.spec.agents_token)
        await in_talk(rig, page)
        await mine.form()
        await page.keyboard.type("Ivanov")
        await ask(page, "Shift+Enter")
        await mine.phase("wrap_up")
        await rig.until(lambda: talking(rig, AGENT), 40)
        await mine.phase("talking")
        assert await mine.value("caller_name") == "Ivanov"
        assert len([kind for kind, _ in rig.notes(ANI) if kind == "ACDANSWER"]) == 2


async def test_by_mouse_alone_at_once(rig: Rig) -> None:
    """Who holds a mouse needs no key: the button, the name in the list, what is to be done with him."""
    await rig.open({AGENT: TALKS_ON, COLLEAGUE: TALKS_ON})
    async with desk(rig.spec.http_port, locale="ru-RU") as mine:
        page = mine.page
        await mine.log_in(AGENT, rig.spec.agents_token)
        await in_talk(rig, page)
        await page.click("#transfer")
        name = page.locator("#transfer-list li", has_text=COLLEAGUE)
        await name.click()
        await expect(name).to_have_attribute("aria-selected", "true")
        await page.click("#transfer-blind")
        await expect(page.locator("#transfer-box")).not_to_be_visible()
        await mine.phase("wrap_up")
        await rig.until(lambda: talking(rig, COLLEAGUE))
        assert "ACDCONSULT" not in [kind for kind, _ in rig.notes(ANI)]


async def test_a_double_click_asks_and_a_line_can_only_be_handed_to(rig: Rig) -> None:
    """A waiting line cannot be asked: the button says so by being off, and a double click there hands nobody on."""
    extra = {"queues": {"second": {"subscriber": "romashka", "display_name": "Second line"}}}
    await rig.open({AGENT: TALKS_ON, COLLEAGUE: TALKS_ON}, **extra)
    async with desk(rig.spec.http_port, locale="en-GB") as mine:
        page = mine.page
        await mine.log_in(AGENT, rig.spec.agents_token)
        await in_talk(rig, page)
        await page.click("#transfer")
        line = page.locator("#transfer-list li", has_text="Second line")
        await line.dblclick()
        await expect(page.locator("#transfer-ask")).to_be_disabled()
        await expect(page.locator("#transfer-blind")).to_be_enabled()
        await page.locator("#transfer-list li", has_text=COLLEAGUE).dblclick()
        await page.wait_for_selector("#consult[data-state=consult_talk]")
        await page.click("#consult-back")
        await expect(page.locator("#consult")).not_to_be_visible()
        await page.wait_for_timeout(700)
        await page.click("#transfer")
        await line.click()
        await page.click("#transfer-blind")
        await mine.phase("wrap_up")
        await rig.noted("ACDTRANSFER")


async def test_whom_the_pbx_does_not_dial_is_grey_and_says_so(rig: Rig) -> None:
    """The stand-in's wall lets nobody through: a person is listed, with the reason, and no key hands him the call."""
    rig.project(PROJECT)
    phones = {AGENT: TALKS_ON, COLLEAGUE: TALKS_ON}
    await rig.open(phones, projects="projects", transfers={"outside_prefixes": ["+7"]})
    async with desk(rig.spec.http_port, locale="en-GB") as mine:
        page = mine.page
        await mine.log_in(AGENT, rig.spec.agents_token)
        await in_talk(rig, page)
        await page.keyboard.press("F6")
        await page.keyboard.type("petrov")
        row = page.locator("#transfer-list li")
        await expect(row).to_have_count(1)
        await expect(row).to_have_attribute("aria-disabled", "true")
        await expect(row).to_contain_text("the PBX does not dial this number")
        await expect(page.locator("#transfer-blind")).to_be_disabled()
        await expect(page.locator("#transfer-ask")).to_be_disabled()
        for key in ("Enter", "Shift+Enter"):
            await page.keyboard.press(key)
        await expect(page.locator("#transfer-box")).to_be_visible()
        assert "ACDTRANSFER" not in [kind for kind, _ in rig.notes(ANI)]
