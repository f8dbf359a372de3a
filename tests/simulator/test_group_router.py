"""Routing by groups: order of groups, uniform choice, preference, and places kept."""

from collections import Counter

from acd.core.ids import AgentId, CallId, QueueId
from acd.core.matcher import Waiting
from acd.core.policy import Policy
from simulator.distributions import Fixed
from simulator.group_router import GroupRouter
from simulator.scenario import Arrivals, Group, Queue, Scenario
from simulator.streams import Streams


def router(pick: str = "in_order", **prefers: float) -> GroupRouter:
    queues = tuple(
        Queue(name, name, Arrivals(), Fixed(1.0), served_by=groups)
        for name, groups in (("a", ("g", "h")), ("b", ("h",)))
    )
    groups = (Group("g", 2), Group("h", 2, prefers=tuple(prefers.items())))
    made = GroupRouter(Scenario("x", queues, groups, pick=pick), Streams(1).single("router"))
    made.set_policy(Policy())
    return made


def call(name: str, queue: str, order: int, *, at: int = 0, skip: tuple[str, ...] = ()) -> Waiting:
    return Waiting(CallId(name), QueueId(queue), at, order, skip=tuple(map(AgentId, skip)))


def pairs(made: GroupRouter) -> list[tuple[str, str]]:
    return [(one.call, one.agent) for one in made.assign(0)]


def test_a_new_call_asks_its_groups_in_order_and_there_the_longest_idle() -> None:
    made = router()
    for agent in ("h1", "g2", "g1"):
        made.add_agent(AgentId(agent), 0)
    made.assign(0)
    made.add_call(call("x", "a", 1))
    made.add_call(call("y", "b", 2))
    assert pairs(made) == [("x", "g2"), ("y", "h1")]


def test_a_freed_agent_takes_the_longest_wait_of_his_queues() -> None:
    made = router()
    for order, queue in enumerate("baab", 1):
        made.add_call(call(f"c{order}", queue, order))
    assert pairs(made) == []
    made.add_agent(AgentId("g1"), 0)
    made.add_agent(AgentId("h1"), 0)
    assert pairs(made) == [("c2", "g1"), ("c1", "h1")]


def test_a_preference_comes_before_the_longest_wait() -> None:
    made = router(a=1.0)
    made.add_call(call("x", "b", 1))
    made.add_call(call("y", "a", 2))
    made.add_agent(AgentId("h1"), 0)
    assert pairs(made) == [("y", "h1")]


def test_uniform_choice_is_uniform_over_agents_not_over_groups() -> None:
    made = router("uniform")
    agents = ("g1", "g2", "h1")
    taken: Counter[str] = Counter()
    for order in range(3000):
        for agent in agents:
            made.remove_agent(AgentId(agent))
            made.add_agent(AgentId(agent), 0)
        made.assign(0)
        made.add_call(call(f"c{order}", "a", order))
        taken[pairs(made)[0][1]] += 1
    assert all(abs(taken[agent] - 1000) < 4 * (3000 * 2 / 9) ** 0.5 for agent in agents)


def test_an_agent_is_not_offered_a_call_he_let_ring_but_gets_the_next() -> None:
    made = router()
    made.add_call(call("x", "a", 1, skip=("g1",)))
    made.add_call(call("y", "a", 2))
    made.assign(0)
    made.add_agent(AgentId("g1"), 0)
    assert pairs(made) == [("y", "g1")]
    made.add_call(call("z", "b", 3, skip=("h1",)))
    made.add_agent(AgentId("h1"), 0)
    assert pairs(made) == [("x", "h1")]


def test_a_returned_call_finds_its_old_place_and_a_callback_keeps_its_moment() -> None:
    made = router()
    made.add_call(call("x", "a", 1, at=10))
    made.add_call(call("y", "a", 2, at=20))
    made.remove_call(CallId("x"))
    made.add_call(call("back", "a", 3, at=15))
    made.add_call(call("x", "a", 1, at=10))
    assert [made.position(CallId(name)) for name in ("x", "back", "y", "gone")] == [1, 2, 3, 0]
    made.add_agent(AgentId("g1"), 0)
    made.add_agent(AgentId("g2"), 0)
    assert pairs(made) == [("x", "g1"), ("back", "g2")]
    assert made.explain(CallId("y"), 0)
    assert not made.explain(CallId("x"), 0)
    assert made.next_check(0) is None
