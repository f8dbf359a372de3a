"""Every checker can fail: each is shown a world in which its rule is broken."""

import dataclasses

import pytest

from acd.core.effects import OfferCall
from acd.core.events import DeadlinePassed
from acd.core.ids import AgentId, CallId, EffectId
from simulator.callers import WAITING, Caller
from simulator.checkers import Checkers, CheckFailedError
from simulator.distributions import Fixed
from simulator.scenario import DAY_MS, Arrivals, Group, Queue, Scenario
from simulator.world import World

QUEUE = Queue("a", "firm", Arrivals(), Fixed(60_000.0), max_wait_ms=DAY_MS, needs=(("tax", 1),))
GROUPS = (Group("g", 1, skills=(("tax", 1),)), Group("h", 1))


def world_of(*callers: Caller, checkers: Checkers | None = None) -> World:
    scenario = Scenario("t", (QUEUE,), GROUPS)
    watchers = () if checkers is None else (checkers,)
    return World(scenario, "fifo", 5, watchers=watchers, keep_calls=True, callers=lambda _: list(callers))


def someone(name: str = "x") -> Caller:
    return Caller(name, 0, 10_000, 0, 10**9, 60_000, 0)


def offered(agent: str, attempt: int = 1) -> OfferCall:
    return OfferCall(EffectId(1), CallId("x"), AgentId(agent), attempt, 12_000)


def standing() -> World:
    world = world_of()
    for person in world.people.values():
        person.on_duty = True
    return world


def test_a_sound_run_passes() -> None:
    checkers = Checkers()
    world = world_of(someone(), someone("y"), checkers=checkers)
    world.run()
    checkers.finish(world)
    assert checkers.steps == world.steps
    assert set(checkers.cards) == {"x", "y"}


@pytest.mark.parametrize(
    ("agent", "why"),
    [("h1", "without the skill"), ("g1", "while busy with another call")],
)
def test_a_wrong_offer_is_found(agent: str, why: str) -> None:
    world = standing()
    world.live[CallId("x")] = someone()
    with pytest.raises(CheckFailedError, match=f"seed 5.*{why}"):
        Checkers()(world, DeadlinePassed(), (offered(agent),))


def test_an_offer_to_somebody_away_to_nobody_or_twice_is_found() -> None:
    world = standing()
    with pytest.raises(CheckFailedError, match="who is gone"):
        Checkers()(world, DeadlinePassed(), (offered("g1"),))
    caller = world.live[CallId("x")] = someone()
    person = world.people[AgentId("g1")]
    person.caller = caller
    checkers = Checkers()
    checkers(world, DeadlinePassed(), (offered("g1"),))
    with pytest.raises(CheckFailedError, match="offered twice"):
        checkers(world, DeadlinePassed(), (offered("g1"),))
    person.on_break = True
    with pytest.raises(CheckFailedError, match="while away"):
        Checkers()(world, DeadlinePassed(), (offered("g1"),))


def test_an_idle_agent_beside_a_waiting_call_is_found_unless_he_let_it_ring() -> None:
    world = standing()
    caller = world.live[CallId("x")] = someone()
    caller.stage = WAITING
    world.crowd.waiting[0] = 1
    with pytest.raises(CheckFailedError, match="g1 is idle and x waits"):
        Checkers()(world, DeadlinePassed(), ())
    checkers = Checkers()
    checkers.offered[CallId("x"), 1] = AgentId("g1")
    checkers(world, DeadlinePassed(), ())


def test_a_call_unaccounted_for_a_missing_and_a_wrong_card_are_found() -> None:
    checkers = Checkers()
    world = world_of(someone(), checkers=checkers)
    result = world.run()
    result.tallies[0][0].arrivals += 1
    with pytest.raises(CheckFailedError, match="2 came, 1 accounted for"):
        checkers.finish(world)
    result.tallies[0][0].arrivals -= 1
    card = checkers.cards.pop(CallId("x"))
    with pytest.raises(CheckFailedError, match="without a card, such as x"):
        checkers.finish(world)
    checkers.cards[CallId("x")] = card
    result.calls[0] = dataclasses.replace(result.calls[0], outcome="overflowed")
    with pytest.raises(CheckFailedError, match="its card says handled"):
        checkers.finish(world)


def test_anomalies_counted_by_the_engine_and_stray_legs_fail_the_run() -> None:
    checkers = Checkers()
    world = world_of(someone(), checkers=checkers)
    with pytest.raises(CheckFailedError, match="not over"):
        checkers.finish(world)
    world.run().counters["illegal_call_new_transferred"] = 1
    with pytest.raises(CheckFailedError, match="anomalies"):
        checkers.finish(world)
    world.switch.strays = 1
    with pytest.raises(CheckFailedError, match="leg without a caller"):
        checkers(world, DeadlinePassed(), ())
