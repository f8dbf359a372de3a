"""The phone in the page: registers over our own port, takes a real SIP call with sound, and the card is saved."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from tests.e2e.desktop_help import desk
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


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(LabSwitch(), tmp_path)
    made.spec.wrap_up_s = 60.0
    made.spec.ring_timeout_s = 20.0
    async with made:
        yield made


async def test_a_caller_is_answered_in_the_page_and_the_card_is_saved(rig: Rig) -> None:
    """000-12: an office chair and a browser are a working place; the SIP phone beside it stays an option."""
    await rig.open({AGENT: Behaviour(web=True)})
    async with desk(rig.spec.http_port, locale="en-GB") as mine:
        page = mine.page
        await page.context.grant_permissions(["microphone"])
        await page.add_init_script(COLLECT)
        await mine.log_in(AGENT, rig.spec.agents_token)
        await page.click("#phone")
        await page.wait_for_selector("#phone[data-state=ready]")
        await rig.until(lambda: reachable(rig))
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
