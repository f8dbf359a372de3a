"""The watcher of pops ends when it is told to, whatever the moment."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Self

import pytest

from simulator.centre import pops


class _LosesOneCancellation:
    """A client whose connecting swallows a cancellation, as `asyncio.wait_for` does up to Python 3.11."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.messages = self._endless()

    async def __aenter__(self) -> Self:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def subscribe(self, *_: Any, **__: Any) -> None: ...

    async def _endless(self) -> Any:
        await asyncio.sleep(3600)
        yield None


@pytest.mark.slow
async def test_a_cancellation_lost_in_connecting_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It held a test's teardown until the limit of two minutes."""
    monkeypatch.setattr(pops.aiomqtt, "Client", _LosesOneCancellation)
    watcher = pops.PopWatcher(1, ["a101", "a102"], "p")
    watcher._tasks = [asyncio.create_task(watcher._watch(agent)) for agent in watcher._agents]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await watcher.stop()
    assert all(task.done() for task in watcher._tasks)
