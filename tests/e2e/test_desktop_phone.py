"""The phone in the page: registers over our own port, takes a real SIP call with sound, and the card is saved."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.dialplan.spoken import Ears
from tests.e2e.desktop_help import Desk, desk
from tests.e2e.rigs import WEB_PASSWORD, Behaviour, LabSwitch, Rig
from tests.e2e.test_desktop import type_message

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ANI = "+79160000001"
AGENT = "a101"
COLLECT = """
window.connections = [];
const Real = RTCPeerConnection;
window.RTCPeerConnection = class extends Real {
  constructor(...rest) { super(...rest); window.connections.push(this); }
};
"""
SENT = """async () => {
  const [one] = window.connections.slice(-1);
  if (one?.connectionState !== "connected") return false;
  for (const report of (await one.getStats()).values()) {
    if (report.type === "outbound-rtp" && report.kind === "audio" && report.packetsSent > 20) return true;
  }
  return false;
}"""
"""DTLS is up and the microphone's sound goes out."""

MUSIC = re.compile(r"(Started|Stopped) music on hold(?:, class '[^']+', on channel '| on )PJSIP/([a-z0-9]+)")
REFUSE_REINVITE = """() => {
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) {
    const again = typeof text === "string" && text.startsWith("INVITE ");
    if (again) WebSocket.prototype.send = send;
    return send.call(this, again ? text.replace("m=audio", "m=image") : text);
  };
}"""
"""The next re-INVITE offers what Asterisk does not take: it answers 488."""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(LabSwitch(), tmp_path)
    made.spec.wrap_up_s = 60.0
    made.spec.ring_timeout_s = 20.0
    async with made:
        yield made


async def phone_on(rig: Rig, mine: Desk) -> Any:
    """The agent logs in and switches the page's phone on; returned once the router can reach it."""
    page = mine.page
    await page.context.grant_permissions(["microphone"])
    await page.add_init_script(COLLECT)
    await mine.log_in(AGENT, rig.spec.agents_token)
    await page.click("#phone")
    await page.wait_for_selector("#phone[data-state=ready]")
    await rig.until(lambda: reachable(rig))
    return page


async def test_a_caller_is_answered_in_the_page_and_the_card_is_saved(rig: Rig) -> None:
    """000-12: an office chair and a browser are a working place; the SIP phone beside it stays an option."""
    await rig.open({AGENT: Behaviour(web=True)})
    async with desk(rig.spec.http_port, locale="en-GB") as mine:
        page = await phone_on(rig, mine)
        rig.call(ANI, "7001", "Ivanov")
        await page.wait_for_selector("#phone-call[data-state=ringing]")
        await mine.phase("offered")
        call = await page.get_attribute("#phone-call", "data-call")
        assert call in rig.journal(), "the INVITE names the call on the screen"
        await page.keyboard.press("F10")
        await mine.phase("talking")
        await page.wait_for_selector("#phone-call[data-state=talking]")
        await page.wait_for_function(SENT)
        assert await heard_by_asterisk(rig) > 0
        await type_message(page)
        await expect(page.locator("#phone-call-words")).to_have_text("Hang up")
        await page.keyboard.press("F10")
        await mine.phase("wrap_up")
        await page.wait_for_selector("#phone[data-state=ready]")
        await page.keyboard.press("Control+Enter")
        await mine.idle()
        card = await rig.card(ANI)
        assert (card["end_reason"], card["agent"]) == ("handled", AGENT)


LOUD = """async () => {
  const [one] = window.connections.slice(-1);
  const reports = [...(await one.getStats()).values()];
  return reports.some((report) => report.type === "media-source" && report.audioLevel > 0);
}"""
"""The microphone hears something: the browser's test tone, a beep a second."""


def music(rig: Rig) -> list[tuple[str, str]]:
    """("Started" or "Stopped", channel) of every music on hold so far, as Asterisk logged it."""
    assert isinstance(rig.switch, LabSwitch)
    assert rig.switch.lab is not None
    log = rig.switch.lab.run / "log" / "full.log"
    return MUSIC.findall(log.read_text(encoding="utf-8", errors="replace"))


@contextlib.asynccontextmanager
async def in_talk(
    rig: Rig, colleague: Behaviour | None = None, hangs_up_s: float | None = None
) -> AsyncIterator[Desk]:
    """The agent talks in the page; `hangs_up_s`: so long after the phone rang the caller hangs up."""
    assert isinstance(rig.switch, LabSwitch)
    rig.switch.settings["verbose"] = "3"
    await rig.open({AGENT: Behaviour(web=True)} | ({"a102": colleague} if colleague else {}))
    async with desk(rig.spec.http_port, locale="en-GB") as mine:
        page = await phone_on(rig, mine)
        assert rig.api is not None
        if colleague:
            await rig.api.post("/agents/a102/pause")
        rig.call(ANI, "7001", "Ivanov", ringing_s=hangs_up_s)
        await page.wait_for_selector("#phone-call[data-state=ringing]")
        await page.keyboard.press("F10")
        await mine.phase("talking")
        await page.wait_for_function(SENT)
        if colleague:
            await rig.api.post("/agents/a102/resume")
        yield mine


async def held_since(rig: Rig) -> int | None:
    return (await rig.agent(AGENT))["held_since"]


async def test_a_caller_on_hold_hears_music_and_the_talk_goes_on(rig: Rig) -> None:
    """A re-INVITE of the page's phone; the router sees it, and so do the agent and the card's hold time."""
    async with in_talk(rig) as mine:
        page = mine.page
        before = len(music(rig))
        await page.keyboard.press("Alt+h")
        await rig.until(lambda: ("Started", "trunk") in music(rig)[before:])
        await rig.until(lambda: held_since(rig))
        await expect(page.locator("#phone-hold")).to_have_attribute("aria-pressed", "true")
        await expect(page.locator("#phone-hold-words")).to_have_text("Back to the caller")
        await expect(page.locator("#phone")).to_have_text("☎ here: on hold")
        await expect(page.locator("#my-state")).to_have_text("Caller on hold")
        await page.wait_for_timeout(1_200)
        before = len(music(rig))
        await page.click("#phone-hold")
        await rig.until(lambda: ("Stopped", "trunk") in music(rig)[before:])
        await expect(page.locator("#my-state")).to_have_text("talking")
        await expect(page.locator("#phone-hold")).to_have_attribute("aria-pressed", "false")
        assert await held_since(rig) is None
        await page.wait_for_function(LOUD)
        await page.keyboard.press("F10")
        await mine.phase("wrap_up")
        await expect(page.locator("#phone-hold")).to_be_hidden()


@pytest.mark.parametrize("who", ["agent", "caller"])
async def test_hanging_up_on_hold_is_the_end_of_the_talk(rig: Rig, who: str) -> None:
    """No caller is left alone with the music, no phone left off the hook."""
    async with in_talk(rig, hangs_up_s=12 if who == "caller" else None) as mine:
        page = mine.page
        await page.keyboard.press("Alt+h")
        await rig.until(lambda: held_since(rig))
        await page.wait_for_timeout(1_000)
        if who == "agent":
            await page.keyboard.press("F10")
        await mine.phase("wrap_up")
        await page.wait_for_selector("#phone[data-state=ready]")
        await rig.noted("ACDEND", ANI)
        await type_message(page)
        await page.keyboard.press("Control+Enter")
        await mine.idle()
        card = await rig.card(ANI)
        assert (card["end_reason"], card["agent"]) == ("handled", AGENT)
        assert card["hold_ms"] >= 900
        assert await channels(rig) == 0


async def test_mute_is_silence_and_hold_leaves_it_as_it_was(rig: Rig) -> None:
    async with in_talk(rig) as mine:
        page = mine.page
        await page.wait_for_function(LOUD)
        await page.keyboard.press("Alt+n")
        await expect(page.locator("#phone")).to_have_text("☎ here: microphone off")
        await expect(page.locator("#phone-mute")).to_have_attribute("aria-pressed", "true")
        assert await silent(page)
        for _ in range(2):  # held and back: still muted
            await page.keyboard.press("Alt+h")
            await expect(page.locator("#phone-hold")).to_be_enabled()
        await expect(page.locator("#phone")).to_have_text("☎ here: microphone off")
        assert await silent(page)
        await page.click("#phone-mute")
        await page.wait_for_function(LOUD)
        await page.keyboard.press("F10")
        await mine.phase("wrap_up")


async def test_a_hold_that_the_pbx_refuses_cuts_nobody(rig: Rig) -> None:
    """JsSIP would end the call; the agent is told instead and speaks on after one more press."""
    async with in_talk(rig) as mine:
        page = mine.page
        await page.evaluate(REFUSE_REINVITE)
        await page.keyboard.press("Alt+h")
        await page.wait_for_selector("#toasts :text('did not confirm')")
        await page.keyboard.press("Alt+h")
        await expect(page.locator("#phone-hold")).to_have_attribute("aria-pressed", "false")
        await page.wait_for_function(LOUD)
        assert (await rig.agent(AGENT))["state"] == "talking"
        await page.keyboard.press("F10")
        await mine.phase("wrap_up")


async def test_who_is_on_hold_may_be_handed_on_after_asking(rig: Rig) -> None:
    """Asking ends the hold of the phone, or the agent would hear nobody; the router plays the music."""
    async with in_talk(rig, Behaviour(talks_s=60)) as mine:
        page = mine.page
        await page.wait_for_timeout(700)
        await page.keyboard.press("Alt+h")
        await rig.until(lambda: held_since(rig))
        await page.keyboard.press("F6")
        await page.wait_for_selector("#transfer-box[open]")
        await page.keyboard.type("a102")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#consult[data-state=consult_talk]")
        await expect(page.locator("#phone-hold")).to_be_hidden()
        await expect(page.locator("#phone")).to_have_text("☎ here: talking")
        await page.wait_for_timeout(700)
        await page.keyboard.press("F7")
        await expect(page.locator("#consult")).to_be_hidden()
        await expect(page.locator("#phone-hold")).to_be_visible()
        await expect(page.locator("#my-state")).to_have_text("talking")
        await page.keyboard.press("F10")
        await mine.phase("wrap_up")


async def silent(page: Page) -> bool:
    """For more than a beep's second the microphone gives nothing."""
    for _ in range(12):
        if await page.evaluate(f"({LOUD})()"):
            return False
        await page.wait_for_timeout(100)
    return True


async def channels(rig: Rig) -> int:
    """Channels that still live."""
    switch = rig.switch
    assert isinstance(switch, LabSwitch)
    assert switch.lab is not None
    shown = await asyncio.to_thread(switch.lab.console, "core show channels concise")
    return len([line for line in shown.splitlines() if "!" in line])


async def heard_by_asterisk(rig: Rig) -> int:
    """RTP packets Asterisk got from the browser: the column `Receive Count` of the agent's channel."""
    switch = rig.switch
    assert isinstance(switch, LabSwitch)
    assert switch.lab is not None
    shown = await asyncio.to_thread(switch.lab.console, "pjsip show channelstats")
    line = next(line for line in shown.splitlines() if AGENT in line)
    return int(line.split()[4])


async def reachable(rig: Rig) -> bool:
    return bool((await rig.agent(AGENT))["reachable"])


async def test_an_agent_on_a_home_line_works_in_the_page(rig: Rig) -> None:
    """000-12: a telephone number behind the trunk is the phone, 1 takes the call, the browser has pop, form and clock."""
    assert isinstance(rig.switch, LabSwitch)
    rig.switch.settings["verbose"] = "3"
    await rig.open({AGENT: Behaviour(talks_s=9.0, number="+79219876543")})
    assert rig.switch.lab is not None
    ear = Ears(rig.switch.lab)
    async with desk(rig.spec.http_port, locale="en-GB") as mine:
        page = mine.page
        await mine.log_in(AGENT, rig.spec.agents_token)
        await expect(page.locator("#phone-call")).to_be_hidden()
        rig.call(ANI, "7001", "Ivanov")
        await mine.phase("offered")
        await rig.until(lambda: "priv-callpending" in [file for file, _ in ear.heard("PJSIP/trunk")])
        assert await page.get_attribute("body", "data-phase") == "offered", (
            "a mailbox that answers is no talk"
        )
        rig.switch.press("PJSIP/trunk")
        await mine.phase("talking")
        await type_message(page)
        await mine.phase("wrap_up")  # he put his own handset down
        await page.keyboard.press("Control+Enter")
        await mine.idle()
        card = await rig.card(ANI)
        assert (card["end_reason"], card["agent"]) == ("handled", AGENT)
        await mine.stored()


async def test_the_password_goes_to_its_own_agent_only(rig: Rig) -> None:
    await rig.open({AGENT: Behaviour(web=True), "a102": Behaviour()})
    base = f"http://127.0.0.1:{rig.spec.http_port}/api/v1"

    def basic(name: str) -> dict[str, str]:
        raw = f"{name}:{rig.spec.agents_token}".encode()
        return {"authorization": "Basic " + base64.b64encode(raw).decode()}

    async with httpx.AsyncClient(base_url=base) as http:
        mine = await http.get(f"/agents/{AGENT}/phone", headers=basic(AGENT))
        told = mine.json()
        assert told.pop("ticket")
        assert told == {"v": 1, "user": AGENT, "password": WEB_PASSWORD}
        assert mine.headers["cache-control"] == "no-store"
        assert (await http.get(f"/agents/{AGENT}/phone", headers=basic("a102"))).status_code == 403
        assert (await http.get("/agents/a102/phone", headers=basic("a102"))).status_code == 404
        assert (await http.get(f"/agents/{AGENT}/phone")).status_code == 401
    assert rig.daemon is not None
    assert WEB_PASSWORD not in rig.daemon.tail(10_000)
