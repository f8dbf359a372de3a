"""The agent's page in real Chromium, against the real daemon: pop, message, card, and nothing typed lost.

Requirements 000-09, 000-10, 000-12, 001-16, 002-12, 003-04, 003-23; failure modes 10 and 29.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tests.e2e.desktop_help import desk
from tests.e2e.rigs import FOREVER_S, Behaviour, LabSwitch, Rig, StandInSwitch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ANI = "+79160000001"
AGENT = "a101"
RINGS = Behaviour(rings_s=3.0, talks_s=6.0)
TALKS_ON = Behaviour(rings_s=0.2, talks_s=FOREVER_S)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(StandInSwitch(), tmp_path)
    made.spec.wrap_up_s = 60.0
    made.spec.ring_timeout_s = 12.0
    async with made:
        yield made


async def fields_of(rig: Rig, ani: str = ANI) -> dict[str, str]:
    """The fields of the stored card."""
    assert rig.api is not None
    card = await rig.card(ani)
    stored = await rig.api.get(f"/calls/{card['call']}/card")
    return dict(stored["fields"])


async def fields_with_message(rig: Rig, ani: str = ANI) -> dict[str, str]:
    """The fields, once the message is among them."""
    await rig.card(ani)

    async def there() -> dict[str, str] | None:
        found = await fields_of(rig, ani)
        return found if "message" in found else None

    found: dict[str, str] = await rig.until(there)
    return found


def hang_up(rig: Rig) -> None:
    """The caller ends the talk: when the test says so, however slow the machine."""
    assert isinstance(rig.switch, StandInSwitch)
    assert rig.switch.world is not None
    for call in list(rig.switch.world.calls.values()):
        call.hang_up("caller")


async def type_message(page: Any, name: str = "Иванов Пётр", note: str = "Счёт не пришёл.") -> None:
    """Fill in the default form with the keyboard alone: the cursor already stands in its first field."""
    await expect(page.locator("#field-caller_name")).to_be_focused()
    await page.keyboard.type(name)
    await page.keyboard.press("F2")  # the number is known: on to the subject
    await expect(page.locator("#field-subject")).to_be_focused()
    await page.keyboard.type("Счёт")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Alt+1")
    await page.keyboard.type(f" {note}")
    await page.keyboard.press("F4")
    await page.keyboard.press("Space")


async def ready(rig: Rig, agent: str = AGENT) -> bool:
    found = await rig.agent(agent)
    return (found["status"], found["state"]) == ("available", "idle")


@pytest.mark.parametrize("minimal", [False, True], ids=["dossier in the pop", "dossier by token"])
async def test_a_call_is_written_down_while_talking_by_keyboard_alone(rig: Rig, minimal: bool) -> None:
    """The main job: pop before answer, message during the talk, card stored, agent ready again."""
    extra = {"pops": {"show_ani": False}} if minimal else {}
    await rig.open({AGENT: RINGS}, **extra)
    async with desk(rig.spec.http_port) as mine:
        await mine.log_in(AGENT, rig.spec.agents_token)
        page = mine.page
        await expect(page.locator("#link")).to_have_attribute("data-mode", "live")
        rig.call(ANI, "7001", "Иванов")
        await mine.phase("offered")
        await mine.form()
        assert not [kind for kind, _ in rig.notes() if kind == "ACDANSWER"]  # shown before hello
        assert await page.inner_text("#firm") == "ООО «Ромашка»"
        assert "ООО «Ромашка», здравствуйте" in await page.inner_text("#greeting")
        assert ANI in await page.inner_text("#dossier")
        await expect(page.locator(".badge")).to_contain_text("не проверено")
        await mine.phase("talking")
        await type_message(page)
        await expect(page.locator("#preview.complete")).to_contain_text("Просит перезвонить. Счёт не пришёл.")
        preview = await page.inner_text("#preview")
        await mine.phase("wrap_up")
        await expect(page.locator("#clock")).to_be_visible()
        await page.keyboard.press("Control+Enter")
        await mine.idle()
        await rig.until(lambda: ready(rig))
        found = await fields_with_message(rig)
        assert found["message"].strip() == preview.strip()
        assert (found["caller_name"], found["callback_number"]) == ("Иванов Пётр", ANI)
        assert (found["subject"], found["disposition"]) == ("Счёт", "message")
        await mine.stored()


async def test_a_reload_in_mid_talk_keeps_every_word(rig: Rig) -> None:
    """000-12: a home line, a tired browser. Dossier and text come back by themselves."""
    await rig.open({AGENT: TALKS_ON})
    async with desk(rig.spec.http_port) as mine:
        await mine.log_in(AGENT, rig.spec.agents_token)
        rig.call(ANI)
        await mine.phase("talking")
        await type_message(mine.page)
        await mine.page.reload()
        await mine.phase("talking")
        await mine.form()
        assert await mine.value("caller_name") == "Иванов Пётр"
        assert await mine.value("note") == "Просит перезвонить. Счёт не пришёл."
        assert await mine.page.is_checked("input[value=message]")
        await mine.page.keyboard.press("Control+Enter")  # saved in mid-talk: ready when the talk ends
        await expect(mine.page.locator("#saved")).to_contain_text("Сохранено")
        hang_up(rig)
        await mine.idle()
        assert (await fields_with_message(rig))["note"] == "Просит перезвонить. Счёт не пришёл."
        await mine.stored()


async def test_kill_9_of_the_daemon_in_mid_talk_loses_no_word(rig: Rig) -> None:
    """The page says there is no connection, keeps the text, and what was saved meanwhile is stored later."""
    await rig.open({AGENT: TALKS_ON})
    assert rig.daemon is not None
    async with desk(rig.spec.http_port) as mine:
        await mine.log_in(AGENT, rig.spec.agents_token)
        rig.call(ANI)
        await mine.phase("talking")
        rig.daemon.kill()
        await expect(mine.page.locator("#link")).to_have_attribute("data-mode", "none")
        await mine.form()
        await type_message(mine.page)
        await mine.page.keyboard.press("Control+s")
        await expect(mine.page.locator("#saved")).to_contain_text("хранится здесь")
        rig.daemon.start()
        await expect(mine.page.locator("#link")).to_have_attribute("data-mode", "live")
        await expect(mine.page.locator("#saved")).to_contain_text("Сохранено")
        await mine.form()
        hang_up(rig)
        await mine.phase("wrap_up")
        assert await mine.value("caller_name") == "Иванов Пётр"
        await mine.page.keyboard.press("Control+Enter")
        await mine.idle()
        found = await fields_with_message(rig)
        assert (found["caller_name"], found["subject"]) == ("Иванов Пётр", "Счёт")
        await mine.stored()


async def test_what_was_accepted_and_lost_with_the_daemon_is_sent_again(rig: Rig) -> None:
    """A 202 is no promise of the disk: the draft stays until the stored card is seen to hold it."""
    rig.spec.wrap_up_s = 2.0
    await rig.open({AGENT: TALKS_ON})
    assert rig.daemon is not None
    async with desk(rig.spec.http_port) as mine:
        await mine.log_in(AGENT, rig.spec.agents_token)
        rig.call(ANI)
        await mine.phase("talking")
        await type_message(mine.page)
        await mine.page.keyboard.press("Control+s")
        await expect(mine.page.locator("#saved")).to_contain_text("Сохранено")
        rig.daemon.kill()
        rig.daemon.start()
        await rig.daemon.ready()
        hang_up(rig)
        await mine.phase("wrap_up")
        await mine.idle()  # the card's time ends by itself
        assert (await fields_with_message(rig))["note"] == "Просит перезвонить. Счёт не пришёл."
        await mine.stored()


async def test_kill_9_while_the_card_is_written_loses_neither_card_nor_clock(rig: Rig) -> None:
    """The wrap-up survives the restart; saving ends it."""
    await rig.open({AGENT: Behaviour(rings_s=0.2, talks_s=0.5)})
    assert rig.daemon is not None
    async with desk(rig.spec.http_port) as mine:
        await mine.log_in(AGENT, rig.spec.agents_token)
        rig.call(ANI)
        await mine.phase("wrap_up")
        rig.daemon.kill()
        await expect(mine.page.locator("#link")).to_have_attribute("data-mode", "none")
        await type_message(mine.page)
        rig.daemon.start()
        await expect(mine.page.locator("#link")).to_have_attribute("data-mode", "live")
        await expect(mine.page.locator("#clock")).to_be_visible()
        await mine.page.keyboard.press("Control+Enter")
        await mine.idle()
        assert (await fields_with_message(rig))["caller_name"] == "Иванов Пётр"
        await rig.until(lambda: ready(rig))
        await mine.stored()


async def test_a_card_whose_time_ran_out_can_still_be_finished_even_after_a_restart(rig: Rig) -> None:
    """003-23 with an end that hurts nobody: the draft waits, opens by F3, and reaches the stored card."""
    rig.spec.wrap_up_s = 2.0
    await rig.open({AGENT: Behaviour(rings_s=0.2, talks_s=2.5)})
    assert rig.daemon is not None
    async with desk(rig.spec.http_port) as mine:
        await mine.log_in(AGENT, rig.spec.agents_token)
        rig.call(ANI)
        await mine.phase("talking")
        await expect(mine.page.locator("#field-caller_name")).to_be_focused()
        await mine.page.keyboard.type("Иванов")
        await mine.phase("wrap_up")
        await expect(mine.page.locator("#clock")).to_have_attribute("data-warn", "soon")
        await mine.idle()
        await expect(mine.page.locator("#drafts")).to_contain_text("не сохранена")
        await rig.card()
        rig.daemon.kill()  # the core forgets the call; the card is in the store
        rig.daemon.start()
        await rig.daemon.ready()
        await mine.page.keyboard.press("F3")
        await mine.phase("past")
        assert await mine.value("caller_name") == "Иванов"
        await expect(mine.page.locator("#field-subject")).to_be_focused()
        await mine.page.keyboard.type("Позже")
        await mine.page.keyboard.press("Tab")
        await mine.page.keyboard.type("Дописано после звонка")
        await mine.page.keyboard.press("F4")
        await mine.page.keyboard.press("Space")
        await mine.page.keyboard.press("Control+Enter")
        await mine.idle()
        assert (await fields_with_message(rig))["note"] == "Дописано после звонка"
        await mine.stored()


async def test_an_incomplete_message_is_not_saved_and_the_cursor_goes_where_it_is_missing(rig: Rig) -> None:
    """Required fields (000-10); an outcome that needs no message lets the agent go."""
    await rig.open({AGENT: Behaviour(rings_s=0.2, talks_s=1.0)})
    async with desk(rig.spec.http_port) as mine:
        await mine.log_in(AGENT, rig.spec.agents_token)
        rig.call(ANI)
        await mine.phase("wrap_up")
        page = mine.page
        await page.keyboard.press("F4")
        await page.keyboard.press("Space")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#field-caller_name")).to_be_focused()
        await expect(page.locator("#field-caller_name")).to_have_attribute("aria-invalid", "true")
        await expect(page.locator("#problem-caller_name")).to_have_text("Нужно заполнить")
        await page.keyboard.type("Иванов")
        await expect(page.locator("#problem-caller_name")).to_have_text("")
        await page.keyboard.press("F2")
        await expect(page.locator("#field-subject")).to_be_focused()
        await expect(page.locator("#problem-subject")).to_have_text("Нужно заполнить")
        await page.keyboard.press("F4")
        for _ in range(6):
            await page.keyboard.press("ArrowRight")  # to the last one: a wrong number
        await page.keyboard.press("Control+Enter")
        await mine.idle()
        assert (await fields_with_message(rig))["disposition"] == "wrong"


async def test_status_buttons_say_and_do_what_they_say_in_both_languages(rig: Rig) -> None:
    await rig.open({AGENT: RINGS})
    async with desk(rig.spec.http_port) as mine:
        await mine.log_in(AGENT, rig.spec.agents_token)
        page = mine.page
        await expect(page.locator("#my-state")).to_have_text("на линии")
        await page.keyboard.press("F8")
        await expect(page.locator("#my-state")).to_have_text("пауза: перерыв")
        await page.click("[data-language=en] >> visible=true")
        await expect(page.locator("#my-state")).to_have_text("paused: break")
        await expect(page.locator("#idle-title")).to_have_text("Paused")
        await page.keyboard.press("F8")
        await expect(page.locator("#my-state")).to_have_text("ready")
        await page.select_option("#pause-reason", "lunch")
        await expect(page.locator("#my-state")).to_have_text("paused: lunch")
        assert (await rig.agent(AGENT))["pause_reason"] == "lunch"
        await page.click("#logout")
        await mine.phase("login")
        await rig.until(lambda: _status(rig, "logged_out"))
        await page.fill("#login-secret", rig.spec.agents_token)
        await page.keyboard.press("Enter")
        await expect(page.locator("#my-state")).to_have_text("off shift")
        await page.keyboard.press("F8")
        await rig.until(lambda: _status(rig, "available"))


async def _status(rig: Rig, status: str) -> bool:
    return (await rig.agent(AGENT))["status"] == status


async def test_while_the_socket_is_down_the_page_asks_and_shows_the_call_all_the_same(rig: Rig) -> None:
    """Failure mode 29: no MQTT; the page asks once a second."""
    await rig.open({AGENT: Behaviour(rings_s=4.0, talks_s=6.0)})
    async with desk(rig.spec.http_port) as mine:
        await mine.page.route_web_socket("**/mqtt", lambda socket: socket.close())
        await mine.log_in(AGENT, rig.spec.agents_token)
        await expect(mine.page.locator("#link")).to_have_attribute("data-mode", "asking")
        rig.call(ANI)
        await mine.phase("offered")
        assert not [kind for kind, _ in rig.notes() if kind == "ACDANSWER"]
        await mine.phase("talking")
        await type_message(mine.page)
        await mine.phase("wrap_up")
        await mine.page.keyboard.press("Control+Enter")
        await mine.idle()
        assert (await fields_with_message(rig))["subject"] == "Счёт"


async def test_the_language_may_change_in_mid_word(rig: Rig) -> None:
    """The page is drawn anew; text, cursor and call stay."""
    await rig.open({AGENT: Behaviour(rings_s=0.2, talks_s=6.0)})
    async with desk(rig.spec.http_port) as mine:
        await mine.log_in(AGENT, rig.spec.agents_token)
        rig.call(ANI)
        await mine.phase("talking")
        page = mine.page
        await expect(page.locator("#field-caller_name")).to_be_focused()
        await page.keyboard.type("Ивнов")
        await page.keyboard.press("ArrowLeft")
        await page.keyboard.press("ArrowLeft")
        await page.keyboard.press("ArrowLeft")
        await page.locator("#desk [data-language=en]").dispatch_event("click")
        await expect(page.locator("#phase")).to_have_text("Talking")
        await page.keyboard.type("а")
        assert await mine.value("caller_name") == "Иванов"


async def test_a_caller_who_gives_up_takes_the_pop_with_him(rig: Rig) -> None:
    await rig.open({AGENT: Behaviour(rings_s=None)})
    async with desk(rig.spec.http_port) as mine:
        await mine.log_in(AGENT, rig.spec.agents_token)
        rig.call(ANI, ringing_s=1.0)
        await mine.phase("offered")
        await mine.idle()
        await expect(mine.page.locator(".toast")).to_contain_text("положил трубку")
        assert await mine.drafts() == []


async def test_an_agent_gets_neither_the_pop_nor_the_message_of_another(rig: Rig) -> None:
    """Bad input: an agent asking for another agent's pop is refused, and nothing breaks."""
    await rig.open({AGENT: Behaviour(rings_s=None), "a102": Behaviour(rings_s=None, registered=False)})
    rig.call(ANI)
    assert rig.api is not None
    shown = await rig.until(lambda: _pop(rig, AGENT))
    header = base64.b64encode(f"a102:{rig.spec.agents_token}".encode()).decode()
    base = f"http://127.0.0.1:{rig.spec.http_port}/api/v1"
    async with httpx.AsyncClient(base_url=base, headers={"authorization": f"Basic {header}"}) as other:
        call = shown["call"]
        fields = {"fields": {"subject": "x"}}
        answers = [
            await other.get(f"/agents/{AGENT}/pop"),
            await other.get(f"/agents/{AGENT}"),
            await other.post(f"/calls/{call}/message/preview", json=fields),
            await other.put(f"/calls/{call}/message", json=fields),
            await other.put(f"/calls/{call}/card", json=fields),
            await other.post(f"/calls/{call}/identity", json={}),
        ]
        assert [answer.status_code for answer in answers] == [403] * 6
        assert (await other.get("/agents/a102/pop")).status_code == 404
    assert rig.daemon is not None
    assert rig.daemon.tail(10_000).count("refused to a102") == len(answers), "refused, logged, nothing broken"


async def _pop(rig: Rig, agent: str) -> dict[str, Any] | None:
    assert rig.api is not None
    try:
        found: dict[str, Any] = await rig.api.get(f"/agents/{agent}/pop")
    except httpx.HTTPStatusError:
        return None
    return found


async def test_a_wrong_password_is_told_in_words(rig: Rig) -> None:
    await rig.open({AGENT: RINGS})
    async with desk(rig.spec.http_port, locale="en-GB") as mine:
        await mine.page.goto(mine.url)
        await mine.page.fill("#login-name", AGENT)
        await mine.page.fill("#login-secret", "guess")
        await mine.page.keyboard.press("Enter")
        await expect(mine.page.locator("#login-problem")).to_have_text("Name or password is not right.")


async def test_a_call_of_a_real_telephone_is_written_down_in_the_page(tmp_path: Path) -> None:
    """The same on real Asterisk: a SIP caller, a SIP phone, the page between."""
    rig = Rig(LabSwitch(), tmp_path)
    rig.spec.wrap_up_s = 60.0
    rig.spec.ring_timeout_s = 12.0
    try:
        await rig.open({AGENT: Behaviour(rings_s=1.5, talks_s=6.0)})
        async with desk(rig.spec.http_port) as mine:
            await mine.log_in(AGENT, rig.spec.agents_token)
            rig.call(ANI, "7001", "Иванов")
            await mine.phase("offered")
            await mine.phase("talking")
            await type_message(mine.page)
            await mine.phase("wrap_up")
            await mine.page.keyboard.press("Control+Enter")
            await mine.idle()
            found = await fields_with_message(rig)
            assert (found["caller_name"], found["callback_number"]) == ("Иванов Пётр", ANI)
            await rig.until(lambda: ready(rig))
    finally:
        await rig.close()
