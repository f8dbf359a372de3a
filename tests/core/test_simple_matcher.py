"""The plain matcher, alone."""

from acd.core.matcher import Waiting
from acd.core.policy import AgentPolicy, Policy, QueuePolicy, SkillNeed
from acd.core.simple_matcher import SimpleMatcher

POLICY = Policy(
    queues=(
        QueuePolicy("desk", "a"),
        QueuePolicy("vip", "b", priority=10.0),
        QueuePolicy(
            "law",
            "c",
            needs=(SkillNeed("law", 3, relax_after_ms=10_000, relaxed_level=2), SkillNeed("ru", 1, 30_000)),
        ),
    ),
    agents=(
        AgentPolicy("anna", (("law", 3), ("ru", 1))),
        AgentPolicy("boris", (("law", 2), ("ru", 1))),
        AgentPolicy("clara", (("law", 2),)),
    ),
)


def matcher(*agents: str) -> SimpleMatcher:
    made = SimpleMatcher()
    made.set_policy(POLICY)
    for n, agent in enumerate(agents):
        made.add_agent(agent, n)
    return made


def call(name: str, order: int, queue: str = "desk", **more: object) -> Waiting:
    return Waiting(name, queue, more.pop("entered_at", order), order, **more)


def pairs(m: SimpleMatcher, now: int = 1_000) -> list[tuple[str, str]]:
    return [(a.call, a.agent) for a in m.assign(now)]


def test_nobody_ready_or_nobody_waiting_gives_nothing():
    m = matcher()
    m.add_call(call("c1", 1))
    assert pairs(m) == []
    m.remove_call("c1")
    m.add_agent("anna", 0)
    assert pairs(m) == []
    m.remove_agent("anna")
    m.remove_agent("anna")
    m.remove_call("never")
    assert m.position("c1") == 0


def test_longest_idle_takes_the_longest_waiting_and_both_leave_the_indexes():
    m = matcher("boris", "anna")
    m.add_call(call("c2", 2))
    m.add_call(call("c1", 1))
    assert m.position("c2") == 2
    assert pairs(m) == [("c1", "boris"), ("c2", "anna")]
    assert pairs(m) == []


def test_the_pass_stops_when_agents_run_out():
    m = matcher("anna")
    for n in (1, 2, 3):
        m.add_call(call(f"c{n}", n))
    assert pairs(m) == [("c1", "anna")]
    assert (m.position("c2"), m.position("c3")) == (1, 2)


def test_priority_multiplies_the_wait_and_the_head_comes_before_all():
    m = matcher()
    m.add_call(call("old", 1, entered_at=0))
    m.add_call(call("important", 2, "vip", entered_at=500))
    m.add_call(call("urgent", 3, entered_at=900, priority=100.0))
    m.add_call(call("head", -4, entered_at=999))
    for expected in ("head", "urgent", "important", "old"):
        m.add_agent("anna", 0)
        assert pairs(m) == [(expected, "anna")]


def test_sticky_then_level_then_idle():
    m = matcher("clara", "boris", "anna")
    m.add_call(call("c1", 1, needs=(("law", 1),)))
    assert pairs(m) == [("c1", "anna")]
    m.add_call(call("c2", 2, needs=(("law", 1),), sticky="boris"))
    assert pairs(m) == [("c2", "boris")]
    m.add_call(call("c3", 3, needs=(("law", 3),)))
    assert pairs(m) == []
    assert "clara: lacks a required skill" in m.explain("c3", 2_000)


def test_an_agent_who_let_the_call_ring_comes_last_but_is_not_excluded():
    m = matcher("anna", "boris")
    m.add_call(call("c1", 1, skip=("anna",)))
    assert any("others come first" in line for line in m.explain("c1", 5))
    assert any("boris: could take it" in line for line in m.explain("c1", 5))
    assert pairs(m) == [("c1", "boris")]
    m.add_call(call("c2", 2, skip=("anna",)))
    assert pairs(m) == [("c2", "anna")]


def test_requirements_relax_with_the_wait_and_the_matcher_says_when():
    m = matcher("boris", "clara")
    m.add_call(call("c1", 1, "law", entered_at=0))
    assert pairs(m, 0) == []
    assert m.next_check(0) == 10_000
    m.remove_agent("boris")
    assert pairs(m, 10_000) == []  # clara still lacks the language
    assert m.next_check(10_000) == 30_000
    assert pairs(m, 30_000) == [("c1", "clara")]
    assert m.next_check(30_000) is None


def test_a_new_policy_tests_everybody_again():
    m = matcher()
    m.set_policy(Policy(queues=POLICY.queues))
    m.add_agent("anna", 0)
    m.add_call(call("c1", 1, "law"))
    assert pairs(m) == []
    m.set_policy(POLICY)
    assert pairs(m) == [("c1", "anna")]


def test_adding_a_call_again_replaces_it_and_unknown_queues_need_nothing():
    m = matcher()
    m.add_call(call("c1", 1, "law"))
    m.add_call(call("c1", 1, "elsewhere"))
    m.add_agent("stranger", 0)
    assert m.position("c1") == 1
    assert pairs(m) == [("c1", "stranger")]
    assert m.explain("c1", 5) == ()


def test_outcomes_are_taken_and_forgotten():
    m = matcher("anna")
    m.record_outcome("desk", 5, answered=True)
    m.record_talk("desk", "anna", 5)
    m.add_call(call("c1", 1))
    assert m.assign(1_001)[0].why == "anna: best level, longest idle; call waited 1000 ms, agent idle 1001 ms"
