"""The simulated switch against wishes that come too late or twice: the dialplan refuses, nothing is lost."""

from acd.core.effects import HangUpStrayLeg, OfferCall, OfferCallback, SendToFallback
from acd.core.events import Fact, OfferEnded, OfferOutcome
from acd.core.ids import AgentId, CallId, EffectId
from simulator.callers import TALKING, WAITING, Caller
from simulator.distributions import Fixed
from simulator.scenario import DAY_MS, Arrivals, Group, Queue, Scenario
from simulator.world import World

QUEUE = Queue("a", "firm", Arrivals(), Fixed(60_000.0), max_wait_ms=DAY_MS)


def world_with(*stages: int) -> World:
    world = World(Scenario("t", (QUEUE,), (Group("g", 2),)), "fifo", 1, callers=lambda _: [])
    for number, stage in enumerate(stages):
        made = Caller(f"c{number}", 0, 0, 0, 1, 1, 0)
        made.stage = stage
        world.live[made.id] = made
    return world


def offer(call: str, agent: str) -> OfferCall:
    return OfferCall(EffectId(1), CallId(call), AgentId(agent), 1, 12_000)


def drain(world: World) -> list[Fact]:
    told: list[Fact] = []
    world.tell = told.append  # type: ignore[method-assign]
    while world._soon:
        act, what = world._soon.popleft()
        act(what)
    return told


def test_an_offer_for_a_caller_who_is_gone_or_talks_is_not_dialled() -> None:
    world = world_with(TALKING)
    world.switch.offer(offer("nobody", "g1"))
    world.switch.offer(offer("c0", "g1"))
    assert drain(world) == []


def test_an_agent_who_has_a_call_is_not_rung_twice() -> None:
    """Failure mode: double booking is refused in the dialplan too."""
    world = world_with(WAITING, WAITING)
    world.people[AgentId("g1")].caller = world.live[CallId("c1")]
    world.switch.offer(offer("c0", "g1"))
    assert drain(world) == [OfferEnded(CallId("c0"), AgentId("g1"), 1, OfferOutcome.DOUBLE_BOOKED)]


def test_a_fallback_for_a_caller_who_talks_already_does_nothing() -> None:
    world = world_with(TALKING)
    world.switch.send_to_fallback(SendToFallback(EffectId(1), CallId("c0"), "late"))
    assert drain(world) == []


def test_a_callback_offer_to_a_queue_without_callbacks_changes_nothing() -> None:
    world = world_with(WAITING)
    world.switch.offer_callback(OfferCallback(EffectId(1), CallId("c0"), "busy"))
    world.switch.offer_callback(OfferCallback(EffectId(1), CallId("nobody"), "busy"))
    assert drain(world) == []


def test_stray_legs_are_counted() -> None:
    world = world_with()
    world.switch.hang_up_stray_leg(HangUpStrayLeg(EffectId(1), CallId("c"), AgentId("g1")))
    assert world.switch.strays == 1
