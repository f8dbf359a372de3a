"""Counting agents who fit, by profile."""

from acd.core.agent import Agent, AgentSignal, AgentStatus
from acd.core.policy import AgentPolicy
from acd.core.staff import Heads, Staff


def agent(name: str, reserve: int = 0, **skills: int) -> Agent:
    return Agent(AgentPolicy(name, tuple(skills.items()), reserve=reserve), 0)


def test_logged_in_at_work_and_free_are_three_counts():
    anna, boris, clara = agent("anna", law=3), agent("boris", law=1), agent("clara", tax=3)
    staff = Staff()
    staff.start([anna, boris, clara])
    assert staff.heads((("law", 1),), 0) == Heads(0, 0, 0)
    for one in (anna, boris, clara):
        one.choose(AgentStatus.AVAILABLE, "", 0)
        assert staff.update(one)
    assert staff.heads((("law", 1),), 0) == Heads(2, 2, 2)
    assert staff.heads((("law", 2),), 0) == Heads(1, 1, 1)
    assert staff.heads((), 0) == Heads(3, 3, 3)
    anna.choose(AgentStatus.PAUSED, "lunch", 0)
    boris.apply(AgentSignal.RESERVED, 0)
    assert staff.update(anna)
    assert staff.update(boris)
    assert not staff.update(boris), "nothing changed since"
    assert staff.heads((("law", 1),), 0) == Heads(2, 1, 0)
    anna.choose(AgentStatus.LOGGED_OUT, "", 0)
    staff.update(anna)
    assert staff.heads((("law", 1),), 0) == Heads(1, 1, 0)


def test_an_agent_without_a_phone_is_not_at_work_and_a_closed_reserve_not_free():
    anna, back = agent("anna"), agent("back", reserve=1)
    staff = Staff()
    for one in (anna, back):
        one.choose(AgentStatus.AVAILABLE, "", 0)
    staff.start([anna, back])
    anna.reachable = False
    staff.update(anna)
    assert staff.heads((), 0) == Heads(2, 1, 0)
    assert staff.heads((), 1) == Heads(2, 1, 1)


def test_a_new_profile_counts_although_the_question_was_asked_before():
    staff = Staff()
    assert staff.heads((("law", 1),), 0) == Heads()
    anna = agent("anna", law=2)
    anna.choose(AgentStatus.AVAILABLE, "", 0)
    staff.update(anna)
    assert staff.heads((("law", 1),), 0) == Heads(1, 1, 1)
