"""Every decision keeps who else could have taken the call, and why each was passed over (001-21)."""

from __future__ import annotations

from acd.core.candidates import MOST_NAMED
from acd.core.ids import AgentId, CallId
from acd.core.weighted import WeightedMatcher
from tests.core.routing_cases import agent, matcher, queue, waiting
from tests.core.telling import Telling


def over(m, now=0) -> str:
    (made,) = m.assign(now)
    return str(made.over)


def test_ready_agents_are_named_with_score_and_terms_best_first():
    m = matcher((queue("x"),), (agent("top", x=3), agent("middle", x=2), agent("low", x=1)))
    for name in ("low", "middle", "top"):
        m.add_agent(AgentId(name), -60_000)
    m.add_call(waiting("c", "x", 0, 1))
    told = over(m)
    assert told.startswith("score ")
    middle = told.index("middle scored -")
    assert middle < told.index("low scored -"), told
    assert "(level 2, idle 60 s, price 0)" in told
    assert "top scored" not in told, "the winner is not among those passed over"


def test_busy_and_absent_agents_are_counted_and_a_reserve_is_named():
    people = (agent("a", x=3), agent("b", x=3), agent("c", x=3), agent("boss", 1, x=3))
    m = matcher((queue("x"),), people)
    m.add_agent(AgentId("a"), 0)
    m.add_call(waiting("1", "x", 0, 1))
    assert over(m) == "score 0; passed over: reserve 1 was not opened; 2 not ready"
    m.add_agent(AgentId("b"), 0)
    m.add_call(waiting("2", "x", 0, 2))
    assert "1 busy; 1 not ready" in over(m)


def test_agents_with_the_winners_skills_are_named_and_the_memory_is_bounded():
    m = matcher((queue("x"),), tuple(agent(f"a{i:02d}", x=3) for i in range(40)))
    for i in range(40):
        m.add_agent(AgentId(f"a{i:02d}"), i)
    m.add_call(waiting("c", "x", 100, 1))
    told = over(m, 100)
    assert told.startswith(
        "passed over: a01, a02, a03, a04, a05 and 34 more: same skills, not ready for longer"
    )


def test_of_many_kinds_of_agents_only_the_best_are_named():
    levels = [{"x": 3, f"y{i}": 1} for i in range(20)]
    queues = (queue("x"), *(queue(f"y{i}") for i in range(20)))
    m = matcher(queues, tuple(agent(f"a{i:02d}", **levels[i]) for i in range(20)))
    for i in range(20):
        m.add_agent(AgentId(f"a{i:02d}"), 0)
    m.add_call(waiting("c", "x", 0, 1))
    told = over(m)
    assert told.count(" scored ") == MOST_NAMED
    assert f"{20 - MOST_NAMED - 1} more with lower scores" in told


def test_an_agent_kept_for_others_says_so():
    """A call ahead of its promise takes the agent nobody else needs, not the one the strict queue needs."""
    m = matcher(
        (queue("easy", 0.5, 60), queue("strict", 0.99, 10)),
        (agent("both", easy=3, strict=3), agent("own", easy=1)),
        hold_back=1.0,
        opportunity=50.0,
    )
    m.add_agent(AgentId("both"), 0)
    m.add_agent(AgentId("own"), 0)
    m.add_call(waiting("c", "easy", 0, 1))
    (made,) = m.assign(0)
    assert made.agent == "own"
    assert "both kept for others (level 3, idle 0 s, price " in str(made.over)


def test_an_agent_who_let_it_ring_before_is_named():
    m = matcher((queue("x"),), (agent("asleep", x=3), agent("awake", x=3)))
    m.add_agent(AgentId("asleep"), 0)
    m.add_agent(AgentId("awake"), 1)
    m.add_call(waiting("c", "x", 0, 1, skip=(AgentId("asleep"),)))
    told = over(m, 5)
    assert "asleep: let this call ring before" in told
    assert "same skills" not in told or "asleep" not in told.split("same skills")[0], told


def test_who_let_it_ring_is_counted_once_and_the_winner_not_at_all():
    m = matcher((queue("x"),), tuple(agent(f"a{i}", x=3) for i in range(9)))
    for i in range(9):
        m.add_agent(AgentId(f"a{i}"), i)
    m.add_call(waiting("c", "x", 0, 1, skip=tuple(AgentId(f"a{i}") for i in range(8))))
    assert over(m, 10) == "passed over: a0, a1, a2, a3, a4, a5 and 2 more: let this call ring before"
    m = matcher((queue("x"),), (agent("a", x=3), agent("b", x=3)))
    m.add_agent(AgentId("a"), 0)
    m.add_agent(AgentId("b"), 1)
    m.add_call(waiting("c", "x", 0, 1, skip=(AgentId("a"), AgentId("b"))))
    assert over(m, 5) == "passed over: b: let this call ring before"


def test_past_those_who_let_it_ring_the_longest_idle_is_taken():
    """Somebody came with an older time: the group is not in order until it is looked at."""
    m = matcher((queue("x"),), (agent("asleep", x=3), agent("short", x=3), agent("long", x=3)))
    m.add_agent(AgentId("asleep"), 0)
    m.add_agent(AgentId("short"), 50)
    m.add_agent(AgentId("long"), 10)
    m.add_call(waiting("c", "x", 100, 1, skip=(AgentId("asleep"),)))
    (made,) = m.assign(100)
    assert made.agent == "long"
    assert "short: same skills, not ready for longer" in str(made.over)


def test_the_call_that_lost_the_agent_is_named():
    """One agent becomes free, two queues wait: the card says whom he did not serve first."""
    m = matcher((queue("x", 0.95, 10), queue("y", 0.5, 60)), (agent("a", x=3, y=3),))
    m.add_call(waiting("late", "x", 0, 1))
    m.add_call(waiting("early", "y", 0, 2))
    assert m.assign(0) == ()
    m.add_agent(AgentId("a"), 9_000)
    (made,) = m.assign(9_000)
    assert made.call == "late"
    assert "the agent's next best was early of y, cost " in str(made.over)


def test_two_runs_keep_equal_reasons():
    """Digests of virtual days and comparisons of cards rest on it."""
    kept = []
    for level in (2, 2, 1):
        m = matcher((queue("x"),), (agent("a", x=3), agent("b", x=level)))
        m.add_agent(AgentId("a"), 0)
        m.add_agent(AgentId("b"), 0)
        m.add_call(waiting("c", "x", 0, 1))
        kept.append(m.assign(0)[0].over)
    assert kept[0] == kept[1] != kept[2]
    assert repr(kept[0]) == repr(kept[1])
    assert len(set(kept)) == 2
    assert kept[0] != str(kept[0])


def test_a_baseline_rule_keeps_its_candidates_too():
    m = matcher((queue("x"),), (agent("a", x=3), agent("b", x=3)), policy="fifo")
    m.add_agent(AgentId("a"), 0)
    m.add_agent(AgentId("b"), 0)
    m.add_call(waiting("c", "x", 0, 1))
    assert over(m) == "passed over: b: same skills, later by the rule fifo"


def test_a_rule_that_looks_at_no_idleness_does_not_speak_of_it():
    m = matcher((queue("x"),), (agent("first", x=3), agent("idler", x=3)), policy="linear")
    m.add_agent(AgentId("idler"), -60_000)
    m.add_agent(AgentId("first"), 0)
    m.add_call(waiting("c", "x", 0, 1))
    assert over(m) == "passed over: idler: same skills, later by the rule linear"


def test_the_calls_own_agent_comes_before_those_idle_for_longer():
    m = matcher((queue("x"),), (agent("idler", x=3), agent("own", x=3)))
    m.add_agent(AgentId("idler"), -60_000)
    m.add_agent(AgentId("own"), 0)
    m.add_call(waiting("c", "x", 0, 1, sticky=AgentId("own")))
    assert over(m) == "passed over: idler: same skills, own is the call's own agent"


def test_the_line_stands_in_explain_and_on_the_card():
    """Kept with the card, as text, each decision once."""
    t = Telling("anna", "boris", matcher=WeightedMatcher())
    t.talking(0)
    lines = t.engine.explain(CallId("c1"), 5)
    assert lines[1] == "passed over: boris: same skills, not ready for longer; 1 not ready"
    assert t.engine.explain(CallId("c1"), 6) == lines


def test_without_explanations_the_decisions_are_the_same():
    """What `bin/bench decision` compares is the reasons only."""
    case = ((queue("x"), queue("y")), (agent("a", x=3, y=1), agent("b", y=3), agent("c", x=1, y=2)))
    pairs = []
    for explain in (True, False):
        m = WeightedMatcher(matcher(*case).policy, explain=explain)
        for name in "abc":
            m.add_agent(AgentId(name), 0)
        for i, line in enumerate("xyxy"):
            m.add_call(waiting(f"c{i}", line, i, i))
        made = m.assign(10)
        pairs.append([(one.call, one.agent) for one in made])
        assert all(bool(one.why) is explain and (one.over is not None) is explain for one in made)
    assert pairs[0] == pairs[1]
