"""Must show: real Chromium, a real SIP call, the card filled, and the e-mail seen at a real SMTP server.

And the buttons beside it, by mouse: recording, written work with Done and Give back, transfer with ask, back, complete
and at once. 000-10, 000-11, 001-07, 002-08; security 22.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from simulator.centre import day_story
from tests.adapters.mail_help import MailServer
from tests.e2e.desktop_help import desk
from tests.e2e.rigs import FOREVER_S, Behaviour, LabSwitch, Rig, StandInSwitch
from tests.e2e.test_desktop_transfer import idle, in_talk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ANI, AGENT, COLLEAGUE = "+79160000001", "a101", "a102"
PROJECT = """
extends: answering-on-call
name: ООО «Ромашка»
numbers: ['7001']
greeting: Ромашка, здравствуйте!
needs: [{skill: general}]
opening: always
wrap_up_s: 90
cases: {dispositions: [ticket]}
deliver:
  - {to: office@romashka.example, by: email}
"""


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    server = await MailServer().start()
    yield server
    await server.stop()


async def fill_form(page: Any, urgency: str) -> None:
    await page.fill("#field-caller_name", "Ольга")
    await page.fill("#field-subject", "Пожар")
    await page.fill("#field-note", "Горит склад.")
    await page.select_option("#field-urgency", urgency)
    await page.check("input[value=ticket]")


async def test_a_sip_call_is_written_down_in_the_page_and_its_mail_arrives_during_the_wrap_up(
    tmp_path: Path, mail: MailServer
) -> None:
    """Real Asterisk, SIPp phones, Chromium, SMTP: from ring to mail, then the case as written work until it is done."""
    switch = LabSwitch()
    switch.record = True
    async with Rig(switch, tmp_path) as rig:
        rig.project(PROJECT)
        await rig.open(
            {AGENT: Behaviour(rings_s=1.0, talks_s=25.0)},
            projects="projects",
            desk={"smtp": {"port": mail.port, "sender": "desk@centre.example"}},
            recording={"directory": str(tmp_path), "no_new_below_percent": 0, "stop_below_percent": 0},
            routing={"weights": {"blend": 1e6}},
        )
        async with desk(rig.spec.http_port) as mine:
            page = mine.page
            await mine.log_in(AGENT, rig.spec.agents_token)
            rig.call(ANI, "7001", "Olga")
            await mine.phase("offered")
            assert await page.inner_text("#greeting") == "Ромашка, здравствуйте!"
            await mine.phase("talking")
            await page.click("#record-pause")
            await expect(page.locator("#record-pause")).to_have_attribute("aria-pressed", "true")
            await page.keyboard.press("Alt+r")
            await expect(page.locator("#record-pause")).to_have_attribute("aria-pressed", "false")
            await fill_form(page, "urgent")
            await expect(page.locator("#preview.complete")).to_contain_text("Горит склад.")
            preview = (await page.inner_text("#preview")).strip()
            await page.wait_for_selector("body[data-phase=wrap_up]", timeout=60_000)
            assert mail.mails == []
            await page.click("#save")
            await expect(page.locator("#saved")).to_contain_text("Срочное: отправлено")
            await rig.until(lambda: mail.mails)
            (got,) = mail.mails
            assert got["To"] == "office@romashka.example"
            assert got.get_content().replace("\r\n", "\n").strip() == preview
            assert (await rig.agent(AGENT))["state"] == "wrap_up", "the firm has it before the card is"
            await page.click("#save-ready")
            await mine.idle()
            card = await rig.card(ANI)
            assert (card["end_reason"], card["agent"]) == ("handled", AGENT)
            await mine.stored()
            await written_work(rig, page)
        assert len(mail.mails) == 1, "the stored card sends nothing again"


async def written_work(rig: Rig, page: Any) -> None:
    """Alt+W brings the case, Give back returns it, a click brings it again, Done ends it."""

    async def states() -> list[str]:
        found = day_story.rows(rig.spec.state_dir / "acd.db", "SELECT state FROM cases")
        return [str(one["state"]) for one in found]

    async def free() -> bool:
        return bool((await rig.agent(AGENT))["state"] == "idle")

    await rig.until(free)
    assert await states() == ["open"]
    await page.keyboard.press("Alt+w")
    await expect(page.locator("#work-subject")).to_contain_text("Пожар")
    assert await states() == ["in_work"]
    await page.click("#work-back")
    await expect(page.locator("#written")).not_to_be_visible()
    assert await states() == ["open"]
    await page.click("#next-work")
    await expect(page.locator("#work-subject")).to_contain_text("Пожар")
    await page.click("#work-done")
    await expect(page.locator("#written")).not_to_be_visible()
    assert await states() == ["resolved"]


async def test_the_transfer_buttons_do_by_mouse_what_the_keys_do(tmp_path: Path) -> None:
    """Ask first, take back, ask again, hand over; and without a recording the button says so."""
    async with Rig(StandInSwitch(), tmp_path) as rig:
        rig.spec.wrap_up_s, rig.spec.ring_timeout_s = 60.0, 12.0
        talks = Behaviour(rings_s=0.5, talks_s=FOREVER_S)
        await rig.open({AGENT: talks, COLLEAGUE: talks})
        async with desk(rig.spec.http_port, locale="en-GB") as mine:
            page = mine.page
            await mine.log_in(AGENT, rig.spec.agents_token)
            await in_talk(rig, page)
            await page.click("#record-pause")
            await expect(page.locator("#toasts")).to_contain_text("not recorded")
            await ask_by_mouse(page)
            await page.wait_for_selector("#consult[data-state=consult_talk]")
            await page.click("#consult-back")
            await expect(page.locator("#consult")).not_to_be_visible()
            await rig.until(lambda: idle(rig, COLLEAGUE))
            await page.wait_for_timeout(700)
            await ask_by_mouse(page)
            await page.wait_for_selector("#consult[data-state=consult_talk]")
            await page.wait_for_timeout(700)
            await page.click("#consult-done")
            await mine.phase("wrap_up")


async def ask_by_mouse(page: Any) -> None:
    await page.click("#transfer")
    await page.wait_for_selector("#transfer-box[open]")
    await page.fill("#transfer-search", COLLEAGUE)
    await page.locator("#transfer-list li").first.click()
    if await page.locator("#transfer-box").is_visible():
        await page.click("#transfer-ask")
    await expect(page.locator("#transfer-box")).not_to_be_visible()
