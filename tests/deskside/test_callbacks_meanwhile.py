"""What happens to a task between the dialler's look and its decision, and callers who are with us by themselves.

Requirements 003-24, 004-16; failure mode 38.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from acd.core.events import EndReason
from acd.desk.ledger import TaskState
from acd.deskside import callbacks
from acd.deskside.callbacks import LOOK_MS, CallbackDialler
from tests.deskside.test_callbacks import NOON, desk

NIGHT = NOON + 12 * 3_600_000


def between(monkeypatch, happens):
    """Let something happen once after the dialler saw the task and before it stores what it decided."""
    true_verdict, pending = CallbackDialler._verdict, [happens]

    async def verdict(self, *args: object, **kwargs: object):
        answer = await true_verdict(self, *args, **kwargs)
        while pending:
            await pending.pop()()
        return answer

    monkeypatch.setattr(CallbackDialler, "_verdict", verdict)


@pytest.mark.parametrize("doubtful", [False, True])
async def test_who_asks_to_be_called_back_while_his_task_is_decided_is_called_back(
    tmp_path, monkeypatch, doubtful
):
    """The decision was stored over what the caller had asked meanwhile: held for ever, and his wish was gone."""
    async with desk(tmp_path) as d:
        if not doubtful:
            d.clock.at = NIGHT  # later: outside the hours
        at = {"entered_at": d.clock.at - 60_000, "ended_at": d.clock.at - 30_000}
        await d.missed("c-1", wait_ms=1_000 if doubtful else 20_000, **at)

        async def asks():
            at = {"entered_at": d.clock.at - 20_000, "ended_at": d.clock.at}
            await d.missed("c-2", end_reason=EndReason.CALLBACK, **at)

        between(monkeypatch, asks)
        assert await d.tick() == []
        (task,) = await d.tasks()
        assert (task.state, task.asked, task.missed) == (TaskState.OPEN, True, 2)
        assert await d.tick() == ["+79160000001"]
        (order,) = d.caller.orders
        assert order.missed == "c-2"


async def test_a_caller_missed_again_while_his_task_is_decided_settles_first(tmp_path, monkeypatch):
    """Decision 0233 also for the last moment before the claim."""
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        between(monkeypatch, lambda: d.missed("c-2", entered_at=NOON - 20_000, ended_at=NOON))
        assert await d.tick() == []
        assert await d.tick(2_000) == []
        assert await d.tick(2_000) == ["+79160000001"]


@pytest.mark.parametrize(("state", "asked"), [("waiting", False), ("talking", False), ("talking", True)])
async def test_who_is_on_the_line_by_himself_is_not_dialled(tmp_path, state, asked):
    async with desk(tmp_path) as d:
        await d.missed("c-1", end_reason=EndReason.CALLBACK if asked else EndReason.ABANDONED)
        d.line.calls = [SimpleNamespace(ani="8 916 000-00-01", state=state, outbound=False)]
        assert await d.tick() == []
        (task,) = await d.tasks()
        assert (task.state, task.why) == (TaskState.OPEN, "")
        d.line.calls = []
        assert await d.tick(LOOK_MS) == ["+79160000001"]


@pytest.mark.parametrize("asked", [False, True])
async def test_who_was_just_served_is_not_dialled_while_his_agent_wraps_up(tmp_path, asked):
    """The card that settles his task is written when the agent is ready (virtual seed 3004368)."""
    async with desk(tmp_path) as d:
        await d.missed("c-1", end_reason=EndReason.CALLBACK if asked else EndReason.ABANDONED)
        d.line.wrapping = [SimpleNamespace(ani="8 916 000-00-01", state="ended", outbound=False)]
        assert await d.tick() == []
        d.line.wrapping = []
        assert await d.tick(LOOK_MS) == ["+79160000001"]


async def test_a_callback_still_waiting_gives_way_to_its_callers_own_call(tmp_path):
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        await d.tick()
        call = d.caller.orders[0].call
        d.line.live[call] = "waiting"
        d.line.calls = [
            SimpleNamespace(ani="+79160000001", state="offering", outbound=False),
            SimpleNamespace(ani="+79160000001", state="waiting", outbound=True),
        ]
        await d.tick()
        assert d.line.cancelled == [call]


async def test_nobody_is_dialled_before_the_journal_has_told_of_our_absence(tmp_path):
    async with desk(tmp_path) as d:
        settled = [False]
        d.dialler._told = lambda: settled[0]
        await d.missed("c-1")
        assert await d.tick() == []
        settled[0] = True
        assert await d.tick() == ["+79160000001"]


async def test_who_stands_by_keeps_that_another_serves_for_its_next_life(tmp_path, monkeypatch):
    """Killed while standing by, and Asterisk restarted with an empty variable: its ledger knows nothing of the other's deeds."""
    monkeypatch.setattr(callbacks, "KEEP_S", 0.01)
    kept = tmp_path / "another-served"
    async with desk(tmp_path) as d:
        await d.missed("c-1")
        d.dialler._released.clear()
        d.dialler.remember(kept)
        running = asyncio.create_task(d.dialler.run())
        d.dialler.another_served()
        async with asyncio.timeout(5):
            while not kept.exists():
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait({running})
        d.dialler = CallbackDialler(lambda: d.config, d.store, d.clock, d.line, asyncio.Event(), d.caller)
        d.dialler.remember(kept)
        assert await d.tick() == []
        (task,) = await d.tasks()
        assert task.state is TaskState.HELD
