"""Two daemons on one Asterisk: who hears the other, and who stands by (failure mode 35, decision 0131)."""

import asyncio

import pytest

from acd.adapters.asterisk import twin as subject
from acd.adapters.asterisk.switch import AsteriskSwitch, Heartbeat
from acd.adapters.asterisk.twin import TwinServes, TwinWatch
from acd.core.effects import OfferCall
from acd.core.ids import AgentId, CallId, EffectId
from acd.ports import PortError
from acd.wire.ami import AmiFrame
from tests.adapters.asterisk.test_switch import FakeChannels

BEAT_S = 0.02


class Variable:
    """Asterisk's one variable, shared by every daemon."""

    def __init__(self, value: str = "") -> None:
        self.value = value
        self.sent: list[str] = []
        self.stage = "wait"
        self.read_age_s = 0.0

    async def action(self, name, headers=(), timeout_s=None):
        await asyncio.sleep(0)
        self.sent.append(name)
        if name == "Getvar":
            value = self.stage if headers["Variable"] == "ACD_STAGE" else self.value
            return AmiFrame("Response", "Success", {"Value": value})
        if name == "Setvar":
            self.value = headers["Value"]
        return AmiFrame("Response", "Success", {})

    def begin(self, name, headers=()):
        self.sent.append(name)
        return self.action("begun")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(subject, "LOOK_S", 4 * BEAT_S)
    monkeypatch.setattr(subject, "LOOK_EVERY_S", BEAT_S / 4)


class Life:
    """A daemon as far as twins are concerned: looks, then beats until told to stop."""

    def __init__(self, variable, nonce, former=""):
        self.released = asyncio.Event()
        self.watch = TwinWatch(lambda: variable, nonce=nonce, former=former)
        self.heart = Heartbeat(variable, self.released, self.released.clear, every_s=BEAT_S, twins=self.watch)
        self.task = None

    async def serve(self):
        await self.watch.look()
        self.released.set()
        self.task = asyncio.create_task(self.heart.run())

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def beats(life, number):
    async with asyncio.timeout(5):
        while life.heart.counters["beats"] < number:
            await asyncio.sleep(BEAT_S / 4)


async def test_a_newcomer_stands_by_while_another_beats_and_serves_when_it_stands_still():
    variable = Variable()
    first, second = Life(variable, "aaaa"), Life(variable, "bbbb")
    await first.serve()
    await beats(first, 1)
    with pytest.raises(TwinServes, match="aaaa"):
        await second.watch.look()
    assert "aaaa" in second.watch.trouble
    assert "stands by" in second.watch.trouble
    assert variable.value.startswith("aaaa-"), "the newcomer has not beaten"
    await first.stop()
    await second.serve()
    await beats(second, 1)
    assert "stands by" not in second.watch.trouble
    await second.stop()


async def test_the_last_beat_of_our_own_former_life_costs_no_time():
    variable = Variable("dead-55")
    heir = Life(variable, "bbbb", former="dead")
    await heir.watch.look()
    assert variable.sent == ["Getvar"]
    stranger = TwinWatch(lambda: variable, nonce="cccc")
    await stranger.look()
    assert len(variable.sent) > 3, "another's last beat is looked at until it is surely the last"


async def test_of_two_who_serve_the_one_who_served_for_longer_goes_on():
    variable = Variable()
    old, young = Life(variable, "aaaa"), Life(variable, "bbbb")
    await old.serve()
    await beats(old, 4)
    young.released.set()  # it was let in: the old one did not beat when it looked
    young.task = asyncio.create_task(young.heart.run())
    async with asyncio.timeout(5):
        while young.released.is_set():
            await asyncio.sleep(BEAT_S / 4)
    assert old.released.is_set()
    assert young.heart.counters["yielded"] == 1
    await beats(old, old.heart.counters["beats"] + 3)
    assert old.released.is_set()
    for life in (old, young):
        await life.stop()


async def test_a_first_offer_asks_the_switch_until_nobody_else_can_have_made_one(monkeypatch):
    variable = Variable()
    life = Life(variable, "aaaa")
    await life.watch.look()
    life.released.set()
    switch = AsteriskSwitch(variable, FakeChannels(), life.released, careful=life.watch.careful)
    wish = OfferCall(EffectId(1), CallId("c1"), AgentId("anna"), 1, 12_000)
    variable.stage, variable.sent = "talk", []
    with pytest.raises(PortError, match="the stage is talk"):
        await switch.offer(wish)
    assert "Redirect" not in variable.sent, "a caller in a talk is not torn out of it"
    life.task = asyncio.create_task(life.heart.run())
    await beats(life, 3)
    variable.sent = []
    offered = switch.offer(wish)
    assert variable.sent == ["Redirect"], "alone: the hot path asks nothing"
    await offered
    monkeypatch.setattr(life.watch, "_former", ())
    variable.value = "cccc-1"
    async with asyncio.timeout(5):
        while not life.watch.careful():
            await asyncio.sleep(BEAT_S / 4)
    assert "cccc" in life.watch.trouble
    await life.stop()


async def test_a_switch_that_does_not_answer_is_no_proof_of_being_alone():
    class Deaf(Variable):
        async def action(self, name, headers=(), timeout_s=None):
            raise PortError("no answer", retryable=True)

    with pytest.raises(PortError, match="no answer"):
        await TwinWatch(Deaf).look()


def test_the_nonce_is_kept_for_the_next_life(tmp_path):
    file = tmp_path / "heartbeat"
    TwinWatch(Variable, nonce="aaaa").remember(file)
    heir = TwinWatch(Variable, nonce="bbbb")
    heir.remember(file)
    assert heir._former == ("aaaa",)
    assert file.read_text().split() == ["bbbb", "aaaa"]
    lost = TwinWatch(Variable)
    lost.remember(tmp_path / "no" / "such")  # a disk that refuses keeps nobody from serving
    assert lost._former == ()


async def test_a_life_that_ended_before_its_first_beat_is_no_stranger_between(tmp_path):
    """Killed twice in a second: the last beat is ours, two lives back, and no call-back owed waits for a yes (0232)."""
    file, variable, told = tmp_path / "heartbeat", Variable(), []
    first = Life(variable, "aaaa")
    first.watch.remember(file)
    await first.serve()
    await beats(first, 2)
    await first.stop()
    for number in range(subject.FORMER_MOST - 1):
        TwinWatch(lambda: variable, nonce=f"dead{number}").remember(file)
    heir = TwinWatch(lambda: variable, nonce="bbbb", on_shared=lambda: told.append("another"))
    heir.remember(file)
    await heir.look()
    assert told == []
    for number in range(2 * subject.FORMER_MOST):
        TwinWatch(lambda: variable, nonce=f"more{number}").remember(file)
    assert len(file.read_text().split()) == subject.FORMER_MOST + 1, "and the file does not grow for ever"


@pytest.mark.parametrize("value", ["", "-", "x", "aaaa-", "aaaa-x", "-5", "aaaa-" + "9" * 30])
async def test_nonsense_in_the_variable_frightens_nobody(value):
    watch = TwinWatch(lambda: Variable(value), nonce="bbbb")
    await watch.look()
    assert watch.trouble == ""


async def test_who_takes_over_is_told_that_another_served_and_who_was_alone_is_not():
    """What the other did for callers stands in its own state: whom it called back, for one (decision 0232)."""
    variable, told = Variable(), []

    def life(nonce, former=""):
        made = Life(variable, nonce, former)
        made.watch._on_shared = lambda: told.append(nonce)
        return made

    first, second = life("aaaa"), life("bbbb")
    await first.serve()
    await beats(first, 2)
    assert told == [], "alone"
    with pytest.raises(TwinServes):
        await second.watch.look()
    assert told == ["bbbb"], "the one that serves has not heard of it"
    await first.stop()
    await second.serve()
    assert told == ["bbbb", "bbbb"], "it served until now"
    await beats(second, 2)
    await second.stop()
    again = life("cccc", former="bbbb")
    await again.serve()
    await beats(again, 2)
    await again.stop()
    assert told == ["bbbb", "bbbb"], "a restart of its own is no other"
    stranger = life("dddd")
    await stranger.serve()
    await stranger.stop()
    assert told[2:] == ["dddd"], "dead since long, it served after our last beat all the same"
