"""Which outside numbers the PBX would refuse: asked as the dialplan asks, and never guessed (security 8, decision 0220)."""

from __future__ import annotations

import asyncio
import re

import pytest

from acd.adapters.asterisk import wall
from acd.adapters.asterisk.link import NotSent
from acd.adapters.asterisk.wall import AsteriskWall
from acd.wire.ami import AmiFrame, encode_action

HOME, ABROAD, UNLISTED = "+74951234567", "+19005551234", "+79161234567"


class Manager:
    """Answers as Asterisk does: variables, REGEX and DIALPLAN_EXISTS."""

    def __init__(self, allowed: str = "^[+]7([49])[0-9]{9}$", error: Exception | None = None) -> None:
        self.allowed, self.error = allowed, error
        self.refuses = False
        self.asked: list[str] = []

    async def action(self, name, headers=(), timeout_s=None):
        if self.error:
            raise self.error
        asked = dict(headers)["Variable"]
        self.asked.append(asked)
        value = self.allowed
        if asked.startswith("REGEX("):
            value = str(int(bool(re.search(self.allowed, asked.rpartition(" ")[2][:-1]))))
        elif asked.startswith("DIALPLAN_EXISTS("):
            value = str(int(asked == f"DIALPLAN_EXISTS(acd-outside,{HOME},1)"))
        kind = "Error" if self.refuses else "Success"
        return AmiFrame("Response", kind, {"Response": kind, "Value": value})


async def test_a_number_passes_that_both_the_wall_and_the_generated_context_know():
    manager = Manager()
    assert await AsteriskWall(manager).refused([HOME, ABROAD, UNLISTED]) == {ABROAD, UNLISTED}
    assert f'REGEX("{manager.allowed}" {HOME})' in manager.asked, "the PBX evaluates its own expression"


async def test_an_empty_wall_lets_nobody_through_and_nobody_is_asked_about_nobody():
    manager = Manager(allowed="")
    assert await AsteriskWall(manager).refused([HOME]) == {HOME}
    assert await AsteriskWall(manager).refused([]) == frozenset()
    assert manager.asked == ["ACD_OUT_ALLOWED"]


async def test_offers_do_not_wait_behind_a_firm_with_many_people():
    """Four agents with 300 people each filled the link's table of unanswered actions: an offer was not sent at all."""

    class Slow(Manager):
        on_their_way = most = 0

        async def action(self, name, headers=(), timeout_s=None):
            self.on_their_way += 1
            self.most = max(self.most, self.on_their_way)
            await asyncio.sleep(0)
            self.on_their_way -= 1
            return await super().action(name, headers, timeout_s)

    manager = Slow()
    pbx = AsteriskWall(manager)
    numbers = [f"+7495{number:07}" for number in range(300)]
    assert await asyncio.gather(*(pbx.refused(numbers) for _ in range(4))) == [frozenset(numbers)] * 4
    assert manager.most == wall.AT_ONCE


async def test_what_is_not_known_is_not_refused(monkeypatch):
    """Link down, a manager user without the right, no answer in time: the dialplan has the last word."""
    assert await AsteriskWall(Manager(error=NotSent("down", retryable=True))).refused([HOME]) == frozenset()
    manager = Manager()
    manager.refuses = True
    assert await AsteriskWall(manager).refused([HOME, ABROAD]) == frozenset()
    monkeypatch.setattr(wall, "LIMIT_S", 0.01)

    class Silent:
        async def action(self, name, headers=(), timeout_s=None):
            await asyncio.sleep(5)

    async with asyncio.timeout(1):
        assert await AsteriskWall(Silent()).refused([HOME]) == frozenset()


@pytest.mark.parametrize("pattern", ["^a\r\nAction: Hangup", "x" * 2_000])
async def test_an_expression_that_no_frame_may_carry_is_not_sent(pattern):
    class Real(Manager):
        async def action(self, name, headers=(), timeout_s=None):
            encode_action(name, dict(headers))
            return await super().action(name, headers)

    manager = Real(pattern)
    assert await AsteriskWall(manager).refused([HOME]) == frozenset()
    assert manager.asked == ["ACD_OUT_ALLOWED"]
