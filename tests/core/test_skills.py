"""Requirement against proficiency, groups and lines."""

from __future__ import annotations

import pytest

from acd.core.ids import AgentId, CallId, QueueId, SkillId, SubscriberId
from acd.core.matcher import Waiting
from acd.core.policy import AgentPolicy, QueuePolicy, SkillNeed
from acd.core.skills import Group, Line, Skills, pair_level, stages_of

RU, BANK = SkillId("ru"), SkillId("bank")
Q = QueueId("q")


def _line(*needs: SkillNeed) -> Line:
    policy = QueuePolicy(Q, SubscriberId("s"), needs=needs)
    return Line((Q, (), 1.0, ()), policy, 0, None)


def _waiting(order: int, call: str = "") -> Waiting:
    return Waiting(CallId(call or f"c{order}"), Q, 1000 * order, order)


def test_the_weakest_required_skill_decides_the_level():
    assert pair_level({RU: 3, BANK: 1}, ((RU, 1), (BANK, 1))) == 1
    assert pair_level({RU: 3}, ((RU, 1), (BANK, 1))) == 0
    assert pair_level({RU: 2}, ((RU, 3),)) == 0


def test_without_requirements_everybody_fits_at_the_top_level():
    assert pair_level({}, ()) == 3


def test_a_requirement_of_level_zero_never_excludes_but_counts_as_beginner():
    assert pair_level({}, ((RU, 0),)) == 1
    assert pair_level({RU: 3}, ((RU, 0),)) == 3


def test_levels_up_to_five_count_and_higher_ones_count_as_five():
    assert pair_level({RU: 5}, ((RU, 1),)) == 5
    assert pair_level({RU: 9}, ((RU, 1),)) == 5


def test_requirements_relax_step_by_step_with_the_wait():
    policy = QueuePolicy(
        Q, SubscriberId("s"), needs=(SkillNeed(RU, 3, 10_000, 1), SkillNeed(BANK, 2, 20_000, 0))
    )
    assert stages_of(policy, ()) == (
        (0, ((RU, 3), (BANK, 2))),
        (10_000, ((RU, 1), (BANK, 2))),
        (20_000, ((RU, 1), (BANK, 0))),
    )


def test_the_needs_of_the_call_itself_never_relax():
    policy = QueuePolicy(Q, SubscriberId("s"), needs=(SkillNeed(BANK, 2, 20_000, 0),))
    assert stages_of(policy, ((RU, 2), (BANK, 1)))[-1] == (20_000, ((BANK, 1), (RU, 2)))


def test_agents_with_equal_skills_and_reserve_share_a_group():
    skills = Skills()
    skills.set_agents(
        (
            AgentPolicy(AgentId("a"), ((RU, 2), (BANK, 1))),
            AgentPolicy(AgentId("b"), ((BANK, 1), (RU, 2))),
            AgentPolicy(AgentId("c"), ((RU, 2), (BANK, 1)), reserve=1),
        )
    )
    assert skills.group_of[AgentId("a")] is skills.group_of[AgentId("b")]
    assert skills.group_of[AgentId("a")] is not skills.group_of[AgentId("c")]


def test_only_holders_of_a_skill_never_waived_are_candidates():
    skills = Skills()
    skills.set_agents((AgentPolicy(AgentId("a"), ((RU, 1),)), AgentPolicy(AgentId("b"), ((BANK, 1),))))
    assert skills.candidates(_line(SkillNeed(RU))) == [skills.group_of[AgentId("a")]]
    assert len(skills.candidates(_line(SkillNeed(RU, 1, 5000, 0)))) == 2
    assert skills.candidates(_line(SkillNeed(SkillId("nobody")))) == []


def test_the_longest_idle_agent_comes_first_even_when_told_late():
    group = Group(0, {RU: 1}, 0)
    group.add(AgentId("a"), 50)
    group.add(AgentId("b"), 10)
    group.add(AgentId("c"), 60)
    assert group.longest_idle() == "b"


def test_a_line_counts_ready_and_busy_agents_who_fit_from_the_first_second():
    line = _line(SkillNeed(RU, 2, 10_000, 1))
    expert, beginner, reserve = Group(0, {RU: 3}, 0), Group(1, {RU: 1}, 0), Group(2, {RU: 3}, 1)
    for group in (expert, beginner, reserve):
        group.add(AgentId(f"a{group.index}"), 0)
    expert.busy = 2
    line.fit([expert, beginner, reserve])
    assert (line.idle, line.busy, line.reserves) == (1, 2, 1)
    assert line.stage(9_999) == 0
    assert line.stage(10_000) == 1
    assert beginner not in line.levels[0]
    assert line.levels[1][beginner] == 1


def test_calls_stand_in_the_order_of_their_entry_whenever_they_are_told():
    """002-08: a returned call takes its old place again; a head (negative order) stands before all."""
    line = _line()
    for order in (5, 9, 7):
        line.add(_waiting(order))
    adopted = line.add(Waiting(CallId("adopted"), Q, 6_000, 99))
    head = line.add(Waiting(CallId("head"), Q, 9_500, -1))
    assert [line.calls[p].call for p in line.places] == ["head", "c5", "adopted", "c7", "c9"]
    assert line.head().call == "head"
    line.remove(head)
    assert line.before(adopted) == 1


def test_two_calls_cannot_have_one_place():
    line = _line()
    line.add(_waiting(1, "x"))
    with pytest.raises(ValueError, match="order 1"):
        line.add(_waiting(1, "y"))
