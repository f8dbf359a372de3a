"""An agent's browser for the tests of the page: real Chromium, its errors collected."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Browser, Page, async_playwright, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
)  # fmt: skip
WAIT_MS = 20_000
expect.set_options(timeout=WAIT_MS)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """One browser without a network of its own."""
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


class Desk:
    """One agent's page. `faults` collects what must never be: script errors, refused content, dialogs."""

    def __init__(self, page: Page, port: int) -> None:
        self.page = page
        self.url = f"http://127.0.0.1:{port}/desk/"
        self.faults: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("dialog", self._dialog)
        page.on("console", self._console)

    async def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _console(self, message: Any) -> None:
        if "Content Security Policy" in message.text or "Uncaught" in message.text:
            self.faults.append(f"console: {message.text}")

    async def log_in(self, agent: str, secret: str) -> None:
        """Open the page and sign in, with the keyboard alone."""
        page = self.page
        await page.goto(self.url)
        await expect(page.locator("#login-name")).to_be_focused()
        await page.keyboard.type(agent)
        await page.keyboard.press("Tab")
        await page.keyboard.type(secret)
        await page.keyboard.press("Enter")
        await self.idle()

    async def phase(self, phase: str) -> None:
        """Wait until the page is in this phase."""
        await self.page.wait_for_selector(f"body[data-phase={phase}]")

    async def idle(self) -> None:
        """Wait until no call is on the screen."""
        await self.phase("idle")

    async def form(self) -> None:
        """Wait until the message form is there."""
        await self.page.wait_for_selector("#card .row")

    async def value(self, field: str) -> str:
        """What a field of the form holds."""
        return await self.page.input_value(f"#field-{field}")

    async def drafts(self) -> list[str]:
        """Names of the drafts this browser keeps."""
        names = await self.page.evaluate("Object.keys(localStorage)")
        return [name for name in names if name.startswith("acd.draft.")]

    async def stored(self) -> None:
        """Wait until nothing is kept here any more: every card is stored."""
        await self.page.wait_for_function(
            "() => !Object.keys(localStorage).some((name) => name.startsWith('acd.draft.'))"
        )


@contextlib.asynccontextmanager
async def desk(
    port: int, *, locale: str = "ru-RU", width: int = 1440, height: int = 900
) -> AsyncIterator[Desk]:
    """A page in a browser of its own; leaving it checks that nothing went wrong in it."""
    async with chromium() as browser:
        context = await browser.new_context(
            locale=locale, viewport={"width": width, "height": height}, timezone_id="Europe/Moscow"
        )
        made = Desk(await context.new_page(), port)
        yield made
        assert made.faults == []
