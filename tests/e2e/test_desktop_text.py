"""What others wrote, on the agent's screen: hostile names, links, instructions; every kind of field.

Security rows 4 to 7; the page over a scripted centre, in real Chromium.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from acd.core.events import CardFilled
from acd.desk.forms import from_data
from acd.desk.message import About
from tests.adapters.edges_help import CALL
from tests.adapters.http.http_help import serving
from tests.e2e.desktop_help import desk
from tests.e2e.desktop_world import PAGE, DeskWorld, full_centre

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SECRET = "ann-secret"
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'`${7*7}{{7*7}}\u202egnirts\u0000" + "Ж" * 500


async def test_hostile_text_is_shown_as_text_and_hostile_links_are_not_links():
    links = [
        {"label": "bad", "url": "javascript:alert(1)"},
        {"label": "tab", "url": "java\tscript:alert(1)"},
        {"label": "data", "url": "data:text/html,<script>alert(1)</script>"},
        {"label": "file", "url": "file:///etc/passwd"},
        {"label": "good", "url": "https://example.org/x"},
    ]
    dossier = {
        "display_name": EVIL, "greeting": EVIL, "name": EVIL, "organisation": EVIL, "instructions": [EVIL, {"text": EVIL}],
        "open": [{"title": EVIL, "kind": EVIL, "state": EVIL, "link": "javascript:alert(3)"}, 7, None, [EVIL]],
        "calls": [{"at_ms": "soon", "subject": EVIL}], "script": [EVIL, {"say": EVIL, "note": EVIL}], "links": links,
        "facts": {EVIL: EVIL}, "sensitive": {EVIL: EVIL},
    }  # fmt: skip
    form = from_data([{"name": "note", "label": "<b>x</b>", "kind": "lines", "phrases": ["<i>p</i>"]}])
    world = DeskWorld(dossier=dossier, form=form, head=About(EVIL, "1-1", "", EVIL, EVIL))
    async with serving(world, desk=PAGE) as server, desk(server.port) as mine:
        await _enter(mine)
        await mine.form()
        page = mine.page
        assert "<img src=x" in await page.inner_text("#firm")
        assert await page.locator("#work img, #work script, #work b > b").count() == 0
        assert await page.locator("#card label").first.inner_text() == "<b>x</b>"
        hrefs = await page.eval_on_selector_all("#work a", "all => all.map((a) => a.href)")
        assert hrefs == ["https://example.org/x"]
        await page.keyboard.press("F2")
        await page.keyboard.press("Alt+1")
        await page.keyboard.type(EVIL[:120])
        await expect(page.locator("#preview")).to_contain_text("<i>p</i>")
        assert await page.locator("#preview *").count() == 0
        await page.reload()
        await mine.form()
        assert (await mine.value("note")).startswith("<i>p</i>")


async def _enter(mine) -> None:
    page = mine.page
    await page.goto(mine.url)
    await page.fill("#login-name", "ann")
    await page.fill("#login-secret", SECRET)
    await page.keyboard.press("Enter")
    await mine.phase("talking")


async def test_every_kind_of_field_is_filled_checked_and_kept():
    """Typed fields, a wrong one told at its place, required ones, numbers with limits."""
    form = from_data(
        [
            {"name": "order", "label": "Order", "kind": "number", "minimum": 1, "maximum": 99},
            {"name": "phone", "label": "Phone", "kind": "phone", "required": True},
            {"name": "day", "label": "Day", "kind": "date"},
            {"name": "at", "label": "At", "kind": "time"},
            {"name": "visit", "label": "Visit", "kind": "datetime"},
            {"name": "size", "label": "Size", "kind": "choice", "choices": {"s": "small", "l": "large"}},
            {"name": "member", "label": "Member", "kind": "yesno"},
        ],
        language="en",
    )
    world = DeskWorld(form=form)
    async with serving(world, desk=PAGE) as server, desk(server.port, locale="en-GB") as mine:
        await _enter(mine)
        await mine.form()
        page = mine.page
        await page.fill("#field-order", "200")
        await page.fill("#field-phone", "abc")
        await page.keyboard.press("Tab")
        await expect(page.locator("#problem-order")).to_have_text("Too large")
        await expect(page.locator("#problem-phone")).to_have_text("This does not look like a number to call")
        await page.fill("#field-order", "42")
        await page.fill("#field-phone", "+44 20 7946 0000")
        await page.fill("#field-day", "2026-11-25")
        await page.fill("#field-at", "09:30")
        await page.fill("#field-visit", "2026-11-25T10:15")
        await page.select_option("#field-size", "l")
        await page.select_option("#field-member", "yes")
        await page.keyboard.press("F4")
        await page.keyboard.press("Space")
        await expect(page.locator("#preview-note")).to_have_text("Complete")
        text = await page.inner_text("#preview")
        for line in ("Order: 42", "Day: 25 Nov 2026", "At: 09:30", "Visit: 25 Nov 2026 10:15", "Size: large",
                     "Member: yes"):  # fmt: skip
            assert line in text
        await page.keyboard.press("Control+s")
        await expect(page.locator("#saved")).to_contain_text("Saved at")
    filled = [fact for fact in world.facts if isinstance(fact, CardFilled)]
    assert dict(filled[0].fields)["size"] == "l"
    assert dict(filled[0].fields)["message"].strip() == text.strip()


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_a_full_dossier_in_both_languages(language: str, tmp_path: Path):
    """002-12, 001-18: open matters before history; sensitive parts open when the agent confirms."""
    world = full_centre(language)
    locale = {"ru": "ru-RU", "en": "en-GB"}[language]
    async with serving(world, desk=PAGE) as server, desk(server.port, locale=locale) as mine:
        await _enter(mine)
        await mine.form()
        page = mine.page
        seen = await page.inner_text("#dossier")
        order = {"ru": ("в суде", "Открытые", "Прошлые"), "en": ("in court", "Open matters", "Last calls")}
        places = [seen.index(words) for words in order[language]]
        assert places == sorted(places)
        assert "A-1182" not in await page.content()
        await page.keyboard.press("F9")
        await expect(page.locator("#dossier")).to_contain_text("A-1182")
        assert any(isinstance(f, CardFilled) and f.call == CALL for f in world.facts)
        await page.screenshot(path=tmp_path / "desk.png")


@pytest.mark.parametrize(
    ("locale", "do", "told"),
    [
        ("en-GB", "message", "Ann Petrova in court: not free, take a message"),
        ("ru-RU", "escalate", "Ann Petrova in court: не свободен, передайте дежурному"),
        ("en-GB", "ring", "Ann Petrova"),
    ],
)
async def test_of_the_person_in_charge_the_calendar_and_the_firms_rule_are_seen(
    locale: str, do: str, told: str
):
    """002-11: the person's calendar decides whether to ring, take a message or escalate; the agent must see which."""
    person = {"name": "Ann Petrova", "do": do, "away": "" if do == "ring" else "in court"}
    world = DeskWorld(dossier={"display_name": "Firm", "person": person})
    async with serving(world, desk=PAGE) as server, desk(server.port, locale=locale) as mine:
        await _enter(mine)
        await expect(mine.page.locator("#dossier dd", has_text="Ann Petrova")).to_have_text(told)


async def test_the_script_follows_the_talk():
    """001-18: the step of this stage stands out; once the form is complete, the closing one."""
    async with serving(full_centre("en"), desk=PAGE) as server, desk(server.port, locale="en-GB") as mine:
        await _enter(mine)
        await mine.form()
        page, weight = (
            mine.page,
            "all => all.filter((e) => getComputedStyle(e).fontWeight >= 550).map((e) => e.innerText)",
        )
        assert await page.eval_on_selector_all(".script li", weight) == ["Ask which matter it is about"]
        for field, text in (
            ("caller_name", "Ann"),
            ("callback_number", "+79160000001"),
            ("subject", "x"),
            ("note", "y"),
        ):
            await page.fill(f"#field-{field}", text)
        await page.keyboard.press("F4")
        await page.keyboard.press("Space")
        await expect(page.locator("#preview-note")).to_have_text("Complete")
        assert await page.eval_on_selector_all(".script li", weight) == ["Read the number back"]
        await page.fill("#field-note", "")
        await page.wait_for_selector("body[data-stage=talk]")


async def test_labels_names_and_contrast_for_those_who_see_little():
    """Every control has a name; text against its ground has a contrast of 4.5 or more, day and night."""
    async with serving(full_centre("ru"), desk=PAGE) as server, desk(server.port) as mine:
        await _enter(mine)
        await mine.form()
        nameless = await mine.page.evaluate(
            """() => [...document.querySelectorAll('button, input, select, textarea')]
                .filter((e) => e.offsetParent && !(e.labels?.length || e.innerText?.trim() || e.ariaLabel))
                .map((e) => e.outerHTML)"""
        )
        assert nameless == []
        for scheme in ("light", "dark"):
            await mine.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert await mine.page.evaluate(CONTRAST) == [], scheme


async def test_both_languages_know_the_same_words():
    import json

    books = [
        json.loads((PAGE / "i18n" / f"{code}.json").read_text(encoding="utf-8")) for code in ("ru", "en")
    ]
    assert books[0].keys() == books[1].keys()
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    import re

    named = set(re.findall(r'data-word(?:-label)?="(\w+)"', html))
    for script in (PAGE / "js").glob("*.js"):
        text = script.read_text(encoding="utf-8")
        named |= set(re.findall(r'\bword\("(\w+)"', text))
        assert "innerHTML" not in text
        assert "eval(" not in text
    assert named <= books[0].keys()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=|https?://", html)


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.offsetParent || ['SCRIPT', 'OPTION'].includes(e.tagName)) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${walker.currentNode.data.trim().slice(0, 30)}`);
  }
  return found;
}"""
