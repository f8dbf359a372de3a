"""Every second of a wait has its reason, and whoever was served instead is named (001-21)."""

from __future__ import annotations

from acd.core.events import CallEnded
from acd.core.ids import AgentId, CallId
from acd.core.waitlog import LOG_LENGTH, MOST_KEPT, Decision, WaitLog
from acd.core.weighted import WeightedMatcher
from tests.core.routing_cases import agent, matcher, queue, waiting
from tests.core.telling import Telling


def everybody(_: AgentId) -> bool:
    return True


def test_spans_add_up_to_the_whole_wait():
    log = WaitLog()
    log.keep("c", "held back", 2_000)
    log.keep("c", "held back", 3_000)
    log.keep("c", "kept for anna", 5_000)
    log.release("c", 6_500)
    log.release("c", 7_000)
    log.keep("c", "held back", 8_000)
    told = log.story("c", 0, 10_000, everybody)
    assert told == "waited 5.0 s held back, 1.5 s kept for anna, 3.5 s with nobody ready who may take it"
    assert log.running == {"c"}


def test_only_later_callers_served_by_agents_who_could_have_are_passing_over():
    log = WaitLog()
    log.decided(Decision(500, "before", "anna", 0, 1.0))
    log.decided(Decision(2_000, "older", "anna", 900, 1.0))
    log.decided(Decision(3_000, "later", "anna", 2_500, 1.0))
    log.decided(Decision(4_000, "other skill", "boris", 3_500, 1.0))
    log.decided(Decision(5_000, "latest", "anna", 4_500, 0.25))
    told = log.story("c", 1_000, 6_000, lambda agent: agent == "anna")
    assert told.endswith(
        "; 2 later callers were served before it by agents who could have, last latest by anna at +4.0 s, "
        "whose waiting cost 0.25"
    )


def test_memory_has_its_limits():
    log = WaitLog()
    for number in range(MOST_KEPT + 10):
        log.keep(CallId(f"c{number}"), "held back", number)
    assert len(log._kept) == len(log.running) == MOST_KEPT
    for number in range(LOG_LENGTH + 10):
        log.decided(Decision(number, CallId("x"), AgentId("a"), number, 0.0))
    assert len(log._decisions) == LOG_LENGTH


def test_the_matcher_tells_it_of_a_call_held_back_and_passed_over():
    """A caller ahead of his promise waits beside an agent kept for a strict one."""
    m = matcher(
        (queue("easy", 0.5, 60), queue("strict", 0.99, 10)),
        (agent("both", easy=3, strict=3),),
        hold_back=1.0,
        opportunity=50.0,
    )
    m.add_agent(AgentId("both"), 0)
    m.add_call(waiting("easy-1", "easy", 0, 1))
    assert m.assign(0) == ()
    m.add_call(waiting("strict-1", "strict", 4_000, 2, priority=1e6))
    assert [a.call for a in m.assign(4_000)] == ["strict-1"]
    m.assign(6_000)
    lines = m.explain(CallId("easy-1"), 10_000)
    assert (
        "waited 6.0 s held back beside a ready agent whom others need more (first both, price 12.5 against 0.064), 4.0 s with nobody ready who may take "
        "it; 1 later callers were served before it by agents who could have, last strict-1 by both at +4.0 s"
    ) in lines[1]


def test_a_served_call_keeps_its_story():
    m = matcher((queue("x"),), (agent("anna", x=3),))
    m.add_call(waiting("c", "x", 0, 1))
    assert m.assign(0) == ()
    m.add_agent(AgentId("anna"), 7_000)
    (made,) = m.assign(7_000)
    assert made.why.endswith("; waited 7.0 s with nobody ready who may take it")


def test_a_caller_who_leaves_unserved_keeps_the_story_of_his_wait():
    """Nobody was there, then the caller hung up: the card says where every second went."""
    t = Telling(matcher=WeightedMatcher())
    t.queued(0)
    t.tell(8_000, CallEnded("c1"))
    assert t.cards()[-1].explanation == ("waited 8.0 s with nobody ready who may take it",)
