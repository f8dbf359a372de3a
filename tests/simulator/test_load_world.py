"""The people of the virtual engine on wall time: what they do at a line, and what the books say of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from acd.core.instant import HOUR_MS
from simulator.distributions import Distribution, Fixed, Never
from simulator.load.centre import Centre
from simulator.load.parts import Made, PhoneDoes
from simulator.load.world import LiveWorld
from simulator.scenario import PHONE_GONE, Arrivals, Callback, Closing, Fault, Group, Queue, Scenario


class FakeLine:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.placed: list[Made] = []
        self.hung_up: list[str] = []
        self.talks_ended: list[str] = []
        self.phones: list[tuple[str, bool]] = []
        self.silenced: list[tuple[str, str]] = []

    def place(self, call: Made) -> None:
        self.placed.append(call)

    def hang_up(self, number: str) -> None:
        self.hung_up.append(number)

    def end_talk(self, number: str) -> None:
        self.talks_ended.append(number)

    def unplug(self, agent: str, *, away: bool) -> None:
        self.phones.append((agent, away))

    def silence(self, number: str, agent: str) -> None:
        self.silenced.append((number, agent))

    def call_of(self, number: str) -> str:
        return f"call of {number}"


class FakeDesks:
    pauses_unanswered = True
    hands_on = True

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.handed: list[tuple[str, str, str]] = []

    def hand_on(self, agent: str, call: str, queue: str) -> None:
        self.handed.append((agent, call, queue))

    def say(self, agent: str, action: str, reason: str = "") -> None:
        self.said.append((agent, action))


class Scene:
    """One caller who comes within 50 ms, one agent, real time."""

    def __init__(
        self,
        *,
        patience: Distribution | None = None,
        no_answer: float = 0.0,
        closing: Closing | None = None,
        callback: Callback | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        queue = Queue(
            name="one",
            subscriber="one",
            arrivals=Arrivals(0, 50, (5 * HOUR_MS / 50,)),
            talk=Fixed(80),
            patience=patience or Never(),
            wrap_up=Fixed(70),
            callback=callback,
        )
        crew = Group("crew", 1, ring=Fixed(30), no_answer=no_answer, refuse=0.0, back_after_ms=60)
        scenario = Scenario(name="scene", queues=(queue,), groups=(crew,), closing=closing, faults=faults)
        self.line, self.desks = FakeLine(), FakeDesks()
        self.begun = time.time()
        self.world = LiveWorld(Centre(scenario, (3,)), 0, self.line, self.desks, lambda: self.begun)
        del self.world.drawn[1:]
        self.world.staff()
        self.begun = time.time()
        self.world.open()

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not what():
                await asyncio.sleep(0.002)

    async def caller(self) -> str:
        await self.until(lambda: self.line.placed)
        return self.line.placed[0].ani


async def test_a_call_is_answered_talked_and_written_up_by_the_draws():
    scene = Scene()
    number = await scene.caller()
    assert scene.desks.said == [("c0g0n0", "login")]
    assert scene.world.rang(number, "c0g0n0", time.time()) == PhoneDoes(30)
    scene.world.answered(number, "c0g0n0", time.time())
    await scene.until(lambda: scene.line.talks_ended == [number])
    await scene.until(lambda: scene.world.over)
    assert scene.desks.said[-1] == ("c0g0n0", "done")
    books = scene.world.close()
    assert (books.tally().served, books.groups[0].offers, books.counters) == (1, 1, {})
    assert 60 <= books.tally().talk_ms <= 100
    assert 110 <= books.groups[0].busy_ms <= 400
    assert scene.world.truths[number].outcome == "answered"


async def test_a_caller_whose_patience_ends_hangs_up_and_an_answer_in_that_moment_is_a_race():
    scene = Scene(patience=Fixed(40))
    number = await scene.caller()
    scene.world.rang(number, "c0g0n0", time.time())
    await scene.until(lambda: scene.line.hung_up == [number])
    scene.world.answered(number, "c0g0n0", time.time())
    books = scene.world.close()
    assert (books.tally().abandoned, books.tally().served) == (1, 0)
    assert books.counters == {"raced": 1}
    assert scene.world.over, "the agent is free again"


async def test_an_agent_who_lets_it_ring_is_away_and_comes_back():
    scene = Scene(no_answer=1.0)
    number = await scene.caller()
    assert scene.world.rang(number, "c0g0n0", time.time()) == PhoneDoes(None)
    scene.world.offer_over(number, "c0g0n0", time.time(), unanswered=True)
    await scene.until(lambda: ("c0g0n0", "resume") in scene.desks.said)
    books = scene.world.close()
    assert books.groups[0].unanswered == 1
    assert scene.world.odd.forgotten == [number], "still on the line when the books were closed"


async def test_what_the_switch_ends_is_counted_by_its_reason():
    for outcome, counter in (("refused", "blocked"), ("overflowed", "overflowed"), ("failed", "overflowed")):
        scene = Scene()
        number = await scene.caller()
        scene.world.gone(number, time.time(), outcome)
        scene.world.gone(number, time.time(), outcome)
        books = scene.world.close()
        assert getattr(books.tally(), counter) == 1
        assert books.counters.get("failed", 0) == (outcome == "failed")


async def test_a_ring_for_nobody_changes_nothing():
    scene = Scene()
    assert scene.world.rang("+79990000000", "c0g0n0", time.time()) == PhoneDoes(None)
    assert scene.world.odd.strangers == 1
    scene.world.close()


async def test_busy_closed_and_sent_away_at_closing_time_are_told_apart():
    for outcome, counter, truth in (("busy", "blocked", "busy"), ("cleared", "cleared", "fallback")):
        scene = Scene()
        number = await scene.caller()
        scene.world.gone(number, time.time(), outcome)
        assert getattr(scene.world.close().tally(), counter) == 1
        assert scene.world.truths[number].outcome == truth


async def test_the_message_is_closing_time_only_after_closing_time():
    for closes_ms, counter in ((0, "cleared"), (60_000, "overflowed")):
        scene = Scene(closing=Closing(closes_ms, turns_away=True))
        number = await scene.caller()
        scene.world.fallen(number, time.time(), "voicemail")
        assert getattr(scene.world.close().tally(), counter) == 1


async def test_the_phone_of_another_copy_refuses_what_the_fallback_rings_there():
    scene = Scene()
    number = await scene.caller()
    assert scene.world.rang(number, "c7g0n0", time.time()) == PhoneDoes(0, refuses=True)
    scene.world.offer_over(number, "c7g0n0", time.time(), unanswered=False)
    assert scene.world.rang(number, "c0g0n0", time.time()) == PhoneDoes(30), "he waits on"
    scene.world.close()


async def test_a_phone_that_is_gone_falls_silent_and_comes_back():
    scene = Scene(faults=(Fault(PHONE_GONE, 0.15, "crew", 0.1),))
    number = await scene.caller()
    scene.world.rang(number, "c0g0n0", time.time())
    await scene.until(lambda: scene.line.phones)
    assert scene.line.silenced == [(number, "c0g0n0")]
    scene.world.offer_over(number, "c0g0n0", time.time(), unanswered=False)
    await scene.until(lambda: len(scene.line.phones) == 2)
    assert scene.line.phones == [("c0g0n0", True), ("c0g0n0", False)]
    scene.world.close()
