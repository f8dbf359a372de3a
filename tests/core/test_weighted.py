"""The assignment pass: who gets which call, and why a call waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acd.core.ids import AgentId, CallId, QueueId, SkillId
from acd.core.policy import RoutingWeights, SkillNeed
from acd.core.weighted import WeightedMatcher
from tests.core.routing_cases import agent, matcher, pairs, queue, waiting

# --- the plain choice ------------------------------------------------------------------------------


def test_a_call_goes_to_the_ready_agent_with_the_skill():
    m = matcher((queue("x"),), (agent("a", x=3), agent("b", y=3)))
    m.add_agent(AgentId("b"), 0)
    m.add_call(waiting("c", "x"))
    assert m.assign(10) == ()
    m.add_agent(AgentId("a"), 10)
    assert pairs(m.assign(10)) == [("c", "a")]
    assert m.assign(11) == ()


def test_every_assignment_says_why_in_one_line():
    """001-21: the reason is kept with the call, always on."""
    m = matcher((queue("x"),), (agent("a", x=2),))
    m.add_agent(AgentId("a"), 0)
    m.add_call(waiting("c", "x", 1000))
    why = m.assign(4000)[0].why
    assert why.startswith("a: wait 3.0/20 s cost ")
    assert "level 2" in why
    assert "\n" not in why


def test_the_better_level_is_preferred_then_the_longest_idle():
    m = matcher((queue("x"),), (agent("new", x=1), agent("b", x=3), agent("a", x=3)))
    for name, since in (("new", 0), ("b", 900), ("a", 500)):
        m.add_agent(AgentId(name), since)
    for i in range(3):
        m.add_call(waiting(f"c{i}", "x", 1000, i))
    assert pairs(m.assign(1000)) == [("c0", "a"), ("c1", "b"), ("c2", "new")]


def test_an_agent_only_this_queue_needs_is_used_before_one_others_need():
    """Opportunity cost: the generalist stays free for the queue that has nobody else."""
    queues = (queue("x"), queue("y", 0.95))
    m = matcher(queues, (agent("both", x=3, y=3), agent("only", x=3), agent("far", y=1)))
    m.add_agent(AgentId("both"), 0)
    m.add_agent(AgentId("only"), 900)
    m.add_call(waiting("c", "x", 1000))
    assert pairs(m.assign(1000)) == [("c", "only")]


def test_a_freed_agent_takes_the_call_about_to_break_its_promise():
    """000-07: 20 s against 40 s, both waiting 15 s."""
    m = matcher((queue("slow", 0.8, 40), queue("fast", 0.8, 20)), (agent("a", slow=3, fast=3),))
    m.add_call(waiting("s", "slow", 0, 0))
    m.add_call(waiting("f", "fast", 0, 1))
    m.add_agent(AgentId("a"), 15_000)
    assert pairs(m.assign(15_000)) == [("f", "a")]


def test_a_subscriber_behind_his_promise_comes_first():
    m = matcher((queue("x"), queue("y")), (agent("a", x=3, y=3),))
    for _ in range(10):
        m.record_outcome(QueueId("y"), 60_000, answered=True)
        m.record_outcome(QueueId("x"), 1_000, answered=True)
    m.add_call(waiting("cx", "x", 0, 0))
    m.add_call(waiting("cy", "y", 2_000, 1))
    m.add_agent(AgentId("a"), 10_000)
    assert pairs(m.assign(10_000)) == [("cy", "a")]


def test_a_lost_call_is_a_missed_promise_however_short_the_wait():
    """004-16: sl_of_offered, the strict formula."""
    m = matcher((queue("x"),), ())
    before = m.explain_debt(QueueId("x"))
    m.record_outcome(QueueId("x"), 100, answered=False)
    assert m.explain_debt(QueueId("x")) > before


def test_priority_counts_as_a_multiple_of_urgency():
    m = matcher((queue("x"),), (agent("a", x=3),))
    m.add_call(waiting("first", "x", 0, 0))
    m.add_call(waiting("vip", "x", 1_000, 1, priority=5.0))
    m.add_agent(AgentId("a"), 5_000)
    assert pairs(m.assign(5_000)) == [("vip", "a")]


def test_many_calls_and_many_agents_are_paired_in_one_pass():
    queues = tuple(queue(f"q{i}") for i in range(4))
    agents = tuple(agent(f"a{i}", **{f"q{i % 4}": 3, f"q{(i + 1) % 4}": 2}) for i in range(8))
    m = matcher(queues, agents)
    for i in range(12):
        m.add_call(waiting(f"c{i}", f"q{i % 4}", i, i))
    for i in range(8):
        m.add_agent(AgentId(f"a{i}"), 100)
    made = m.assign(30_000)
    assert len(made) == 8
    assert len({a.agent for a in made}) == 8
    assert len({a.call for a in made}) == 8


# --- hold-back -------------------------------------------------------------------------------------


def _precious(**weights: object) -> WeightedMatcher:
    """One ready agent whom a strict queue needs, and a queue whose other agents will soon be free."""
    queues = (queue("easy", 0.8, 40), queue("strict", 0.95, 15))
    m = matcher(
        queues,
        (agent("last", easy=3, strict=3), *(agent(f"e{i}", easy=3) for i in range(6))),
        hold_back=5.0,
        **weights,
    )
    for i in range(6):
        m.add_agent(AgentId(f"e{i}"), 0)
        m.add_call(waiting(f"w{i}", "easy", 0, i))
    assert len(m.assign(0)) == 6
    m.add_agent(AgentId("last"), 0)
    m.add_call(waiting("c", "easy", 1_000, 10))
    return m


def test_a_cheap_call_is_held_back_from_a_precious_agent_and_tested_again_in_two_seconds():
    m = _precious()
    assert m.assign(1_000) == ()
    assert m.next_check(1_000) == 3_000


def test_a_call_held_back_is_served_at_once_when_another_agent_is_free():
    m = _precious()
    m.assign(1_000)
    m.record_talk(QueueId("easy"), AgentId("e3"), 1_500)
    m.add_agent(AgentId("e3"), 1_500)
    assert pairs(m.assign(1_500)) == [("c", "e3")]
    assert m.next_check(1_500) is None


@pytest.mark.parametrize("limits", [{"fair_wait_ms": 60_000}, {"hold_most_ms": 60_000}, {}])
def test_nobody_is_held_back_beside_an_idle_agent_for_longer_than_the_limit(limits):
    """000-08; found by the simulator: a held call reached its longest wait beside an idle agent."""
    m = _precious(**limits)
    now = 1_000
    while not (made := m.assign(now)):
        now = m.next_check(now) or pytest.fail("held without a deadline")
        assert now <= 65_000
    assert pairs(made) == [("c", "last")]


def test_hold_back_can_be_switched_off():
    m = _precious()
    m.set_policy(replace(m.policy, weights=RoutingWeights(hold_back=0.0)))
    assert pairs(m.assign(1_000)) == [("c", "last")]


def test_who_waited_past_the_fair_wait_comes_before_everybody_longest_first():
    m = matcher(
        (queue("x"), queue("y", 0.99, 15, priority=50.0)), (agent("a", x=3, y=3),), fair_wait_ms=60_000
    )
    m.add_call(waiting("old", "x", 0, 0))
    m.add_call(waiting("older_y", "y", 5_000, 1))
    m.add_agent(AgentId("a"), 70_000)
    assert pairs(m.assign(70_000)) == [("old", "a")]


def test_a_caller_whose_agent_vanished_in_mid_talk_comes_before_everybody():
    m = matcher((queue("x"), queue("y", 0.99, 15, priority=9.0)), (agent("a", x=3, y=3),))
    m.add_call(waiting("urgent", "y", 0, 0))
    m.add_call(waiting("cut_off", "x", 14_000, -1))
    m.add_agent(AgentId("a"), 15_000)
    assert pairs(m.assign(15_000)) == [("cut_off", "a")]


# --- skills over time ------------------------------------------------------------------------------


def test_a_requirement_relaxes_at_its_instant_and_next_check_names_it():
    line = queue("x", needs=(SkillNeed(SkillId("x"), 3, 10_000, 1),))
    m = matcher((line,), (agent("beginner", x=1),))
    m.add_agent(AgentId("beginner"), 0)
    m.add_call(waiting("c", "x", 500))
    assert m.assign(500) == ()
    assert m.next_check(500) == 10_500
    assert m.assign(10_499) == ()
    assert pairs(m.assign(10_500)) == [("c", "beginner")]


def test_the_language_of_a_call_is_required_beside_the_skill_of_its_queue():
    m = matcher((queue("x"),), (agent("ru", x=1, ru=2), agent("en", x=3)))
    for name in ("ru", "en"):
        m.add_agent(AgentId(name), 0)
    m.add_call(waiting("c", "x", 0, 0, needs=((SkillId("ru"), 2),)))
    m.add_call(waiting("d", "x", 0, 1))
    assert sorted(pairs(m.assign(0))) == [("c", "ru"), ("d", "en")]


def test_a_call_with_special_needs_does_not_block_those_behind_it():
    m = matcher((queue("x"),), (agent("en", x=3),))
    m.add_call(waiting("special", "x", 0, 0, needs=((SkillId("ru"), 1),)))
    m.add_call(waiting("plain", "x", 0, 1))
    m.add_agent(AgentId("en"), 0)
    assert pairs(m.assign(0)) == [("plain", "en")]
    assert m.position(CallId("special")) == 1


# --- sticky and skipped agents ---------------------------------------------------------------------


def test_the_sticky_agent_is_preferred_when_ready():
    """002-08: the ordinary problem is not explained again."""
    m = matcher((queue("x"),), (agent("best", x=3), agent("mine", x=2)))
    m.add_agent(AgentId("best"), 0)
    m.add_agent(AgentId("mine"), 0)
    m.add_call(waiting("c", "x", 0, 0, sticky=AgentId("mine")))
    made = m.assign(0)
    assert pairs(made) == [("c", "mine")]
    assert made[0].why.startswith("mine: sticky")


def _busy_mine(**weights: object) -> WeightedMatcher:
    line = queue("x", threshold_s=30, sticky_wait_ms=25_000, expected_talk_ms=10_000)
    m = matcher((line,), (agent("mine", x=3), agent("other", x=3)), **weights)
    m.add_agent(AgentId("mine"), 0)
    m.add_call(waiting("earlier", "x", 0, 0))
    assert pairs(m.assign(0)) == [("earlier", "mine")]
    m.add_agent(AgentId("other"), 0)
    return m


@pytest.mark.parametrize("better", [2, 3])
def test_who_has_the_case_is_preferred_to_higher_levels(better):
    """002-08, 003-05: nothing is told twice because somebody else is more skilled."""
    m = matcher((queue("x"),), (agent("mine", x=1), agent("best", x=better), agent("idle", x=1)))
    for name in ("best", "idle", "mine"):
        m.add_agent(AgentId(name), 0)
    m.add_call(waiting("c", "x", 0, 0, sticky=AgentId("mine")))
    m.add_call(waiting("other", "x", 0, 1))
    assert dict(pairs(m.assign(1_000))) == {"c": "mine", "other": "best"}


def test_a_call_waits_for_its_busy_sticky_agent_while_the_promise_allows():
    m = _busy_mine()
    m.add_call(waiting("c", "x", 8_000, 1, sticky=AgentId("mine")))
    assert m.assign(8_000) == ()
    assert "kept for mine" in " ".join(m.explain(CallId("c"), 8_000))
    m.add_agent(AgentId("mine"), 9_000)
    assert pairs(m.assign(9_000)) == [("c", "mine")]


def test_a_call_does_not_wait_for_a_sticky_agent_who_will_be_long():
    m = _busy_mine()
    m.add_call(waiting("c", "x", 1_000, 1, sticky=AgentId("mine")))
    assert pairs(m.assign(1_000)) == [("c", "other")]


def test_a_call_gives_up_on_its_sticky_agent_before_the_promise_breaks():
    m = _busy_mine()
    m.add_call(waiting("c", "x", 9_500, 1, sticky=AgentId("mine")))
    now = 9_500
    while not (made := m.assign(now)):
        now = m.next_check(now) or pytest.fail("kept without a deadline")
    assert pairs(made) == [("c", "other")]
    assert now - 9_500 < 30_000


def test_a_sticky_agent_who_is_not_on_duty_is_not_waited_for():
    m = _busy_mine()
    m.add_call(waiting("c", "x", 0, 1, sticky=AgentId("nobody")))
    assert pairs(m.assign(0)) == [("c", "other")]


def test_those_behind_a_call_kept_for_its_sticky_agent_are_served():
    m = _busy_mine()
    m.add_call(waiting("kept", "x", 8_000, 1, sticky=AgentId("mine")))
    m.add_call(waiting("next", "x", 8_000, 2))
    assert pairs(m.assign(8_000)) == [("next", "other")]


def test_an_agent_who_let_the_call_ring_is_passed_over_while_others_are_on_duty():
    m = matcher((queue("x"),), (agent("a", x=3), agent("b", x=1)))
    m.add_agent(AgentId("a"), 0)
    m.add_agent(AgentId("b"), 0)
    m.add_call(waiting("c", "x", 0, 0, skip=(AgentId("a"),)))
    assert pairs(m.assign(0)) == [("c", "b")]


def test_an_agent_who_let_the_call_ring_is_asked_again_when_nobody_else_is_on_duty():
    m = matcher((queue("x"),), (agent("a", x=3),))
    m.add_agent(AgentId("a"), 0)
    m.add_call(waiting("c", "x", 0, 0, skip=(AgentId("a"),)))
    assert pairs(m.assign(0)) == [("c", "a")]


# --- reserves --------------------------------------------------------------------------------------


def test_the_reserve_opens_at_half_the_threshold_when_the_front_line_is_busy():
    """001-08: back office helps in peaks, by a clear rule."""
    m = matcher((queue("x"),), (agent("front", x=3), agent("back", reserve=1, x=3)))
    m.add_agent(AgentId("back"), 0)
    m.add_call(waiting("c", "x", 1_000))
    assert m.assign(1_000) == ()
    assert "reserve 1 is not opened" in " ".join(m.explain(CallId("c"), 1_000))
    assert m.next_check(1_000) == 11_000
    assert pairs(m.assign(11_000)) == [("c", "back")]


def test_an_open_reserve_closes_only_after_a_quiet_minute():
    people = (*(agent(f"f{i}", x=3) for i in range(3)), agent("back", reserve=1, x=3))
    m = matcher((queue("x"),), people, reserve_close_ms=60_000)
    m.add_agent(AgentId("back"), 0)
    m.add_call(waiting("c", "x", 0))
    assert pairs(m.assign(10_000)) == [("c", "back")]
    m.add_agent(AgentId("back"), 20_000)
    m.add_call(waiting("d", "x", 20_000, 1))
    assert pairs(m.assign(20_000)) == [("d", "back")]
    for i in range(3):
        m.add_agent(AgentId(f"f{i}"), 30_000)
    for order, at in ((2, 30_000), (3, 95_000)):
        m.add_call(waiting(f"q{order}", "x", at, order))
        (made,) = m.assign(at)
        assert made.agent.startswith("f")
        m.add_agent(made.agent, at + 10)
        m.assign(at + 10)
    for i in range(3):
        m.remove_agent(AgentId(f"f{i}"))
    m.add_agent(AgentId("back"), 96_000)
    m.add_call(waiting("e", "x", 96_000, 9))
    assert m.assign(96_000) == ()


def test_reserves_of_two_queues_may_open_at_the_same_instant():
    m = matcher((queue("x"), queue("y")), (agent("bx", reserve=1, x=3), agent("by", reserve=1, y=3)))
    m.add_agent(AgentId("bx"), 0)
    m.add_agent(AgentId("by"), 0)
    m.add_call(waiting("cx", "x", 0, 0))
    m.add_call(waiting("cy", "y", 0, 1))
    assert m.assign(0) == ()
    assert m.next_check(0) == 10_000
    assert sorted(pairs(m.assign(10_000))) == [("cx", "bx"), ("cy", "by")]


def test_the_front_line_is_taken_before_an_open_reserve():
    m = matcher((queue("x"),), (agent("back", reserve=1, x=3), agent("front", x=1)))
    m.add_agent(AgentId("back"), 0)
    m.add_call(waiting("c", "x", 0, 0))
    assert pairs(m.assign(10_000)) == [("c", "back")]
    m.add_agent(AgentId("back"), 20_000)
    m.add_agent(AgentId("front"), 21_000)
    m.add_call(waiting("d", "x", 21_000, 1))
    assert pairs(m.assign(21_000)) == [("d", "front")]


def test_an_agent_who_vanished_while_busy_is_forgotten_in_the_end():
    """A stale busy agent would promise waits that nobody keeps."""
    m = matcher((queue("x"),), (agent("gone", x=3), agent("a", x=3)))
    m.add_agent(AgentId("gone"), 0)
    m.add_call(waiting("first", "x", 0, 0))
    m.assign(0)
    now = 3_600_000
    for i in range(1, 130):
        m.add_agent(AgentId("a"), now)
        m.add_call(waiting(f"c{i}", "x", now, i))
        m.assign(now)
        now += 1000
    assert AgentId("gone") not in m._busy
