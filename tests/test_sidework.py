"""What breaks beside the calls is begun again, and said."""

from __future__ import annotations

import asyncio

import pytest

from acd import sidework
from acd.sidework import SideWork


async def test_what_breaks_is_begun_again_counted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk under the projects, or a mailbox that talks nonsense, must not end the daemon."""
    side, lives = SideWork(again_s=0.0), 0

    async def work() -> None:
        nonlocal lives
        lives += 1
        if lives < 3:
            raise OSError(28, "No space left on device")

    assert side.trouble == ""
    async with asyncio.timeout(5):
        await side.keep("mail imap", work)
    assert lives == 3
    assert side.counters["mail_imap"] == 2
    assert "mail imap (OSError: [Errno 28] No space left on device)" in side.trouble
    monkeypatch.setattr(sidework, "SHOWN_S", 0.0)
    assert side.trouble == ""


async def test_being_cancelled_is_no_break() -> None:
    side = SideWork(again_s=0.0)
    task = asyncio.create_task(side.keep("desk", asyncio.Event().wait))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not side.counters
