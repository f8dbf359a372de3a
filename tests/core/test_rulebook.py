"""Rules at work: moments as deadlines, looks when something happens, deeds as wishes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acd.config.rule_language import parse_do, parse_when
from acd.core import effects as ef
from acd.core import events as ev
from acd.core.engine import Engine
from acd.core.policy import AgentPolicy, Policy, QueuePolicy, SkillNeed
from acd.core.rulebook import GAP_MS
from acd.core.rules import Rule
from acd.core.weighted import WeightedMatcher
from tests.core.telling import Telling

AGENTS = (
    AgentPolicy("anna", (("ru", 3), ("law", 3)), rna_limit=0),
    AgentPolicy("boris", (("ru", 3), ("law", 1)), rna_limit=0),
    AgentPolicy("back", (("ru", 3), ("law", 3)), reserve=1),
)


def rule(when: str, *do: str, every_s: float | None = None, name: str = "r") -> Rule:
    placed, wrong = parse_when(when)
    assert not wrong
    actions = tuple(map(parse_do, do))
    return Rule(name, tuple(p.condition for p in placed), actions, every_s and round(every_s * 1000), when)


def telling(*rules: Rule, agents: tuple[str, ...] = (), law: int = 3, max_wait_s: int = 600) -> Telling:
    desk = QueuePolicy(
        "desk",
        "firm",
        needs=(SkillNeed("law", law),),
        rules=rules,
        wrap_up_ms=0,
        max_wait_ms=max_wait_s * 1000,
    )
    people = AGENTS if "back" in agents else AGENTS[:2]
    t = Telling(policy=Policy((desk, QueuePolicy("other", "firm", wrap_up_ms=0)), people), synced=False)
    t.engine = Engine(t.floor.policy, WeightedMatcher())
    t.floor = t.engine._floor
    t.tell(0, ev.WorldSynced())
    for agent in agents:
        t.tell(0, ev.AgentLoggedIn(agent))
    return t


def looked_at(t: Telling, until: int) -> None:
    """Let every deadline up to here pass, as the runner does."""
    while (due := t.engine.next_deadline()) is not None and due <= until:
        t.tell(due, ev.DeadlinePassed())


def kinds(wishes: list) -> list[str]:
    return [type(wish).__name__ for wish in wishes]


def test_a_rule_of_waiting_is_a_deadline_and_fires_once():
    t = telling(rule("waited_s >= 10", "announce acd/sorry"))
    assert t.queued(1_000) == []
    assert [(w.call, w.sound) for w in t.wake(11_000)] == [("c1", "acd/sorry")]
    assert t.engine.next_deadline() == 601_000, "only the longest wait is left"


def test_a_repeated_rule_comes_again_in_its_rhythm():
    t = telling(rule("waited_s >= 10", "announce a", every_s=30))
    t.queued(0)
    for moment in (10_000, 40_000, 70_000):
        assert kinds(t.wake(moment)) == ["Announce"]


def test_lowered_skill_lets_a_junior_take_the_call_in_the_same_step():
    """Requirements relaxed by waiting, by rule."""
    t = telling(rule("waited_s >= 10 and available = 0", "lower_skill law 1"), agents=("boris",))
    assert t.queued(0) == []
    assert kinds(t.wake(10_000)) == ["OfferCall", "ShowPop"]
    assert any("lower_skill law 1" in line for line in t.call().explanation)


def test_dropped_and_added_skills():
    t = telling(rule("waited_s >= 5", "drop_skill law"), rule("waited_s >= 9", "add_skill law 3", name="x"))
    t.queued(0)
    t.wake(5_000)
    assert t.call().marks.eased == (("law", 0),)
    t.wake(9_000)
    assert (t.call().marks.eased, t.call().marks.needs) == ((), (("law", 3),))
    t.tell(9_000, ev.AgentLoggedIn("boris"))
    assert t.state() == "waiting", "level 3 is asked again"
    t.tell(9_000, ev.AgentLoggedIn("anna"))
    assert t.state() == "offering"


def test_a_call_an_agent_takes_at_once_needs_no_rule():
    t = telling(rule("depth >= 1", "voicemail"), agents=("anna",))
    assert kinds(t.queued(0)) == ["OfferCall", "ShowPop"]
    assert kinds(t.queued(1, "c2")) == ["SendToFallback"]


def test_depth_and_position_are_looked_at_when_the_line_changes():
    t = telling(rule("position >= 3", "offer_callback"))
    t.queued(0, "c1")
    t.queued(1, "c2")
    assert [(type(w).__name__, w.call, w.reason) for w in t.queued(2, "c3")] == [("OfferCallback", "c3", "r")]


def test_nobody_logged_in_is_seen_when_the_last_one_leaves():
    t = telling(rule("waited_s >= 20 and logged_in = 0", "voicemail"), agents=("boris",), law=1)
    t.tell(0, ev.AgentPaused("boris", "lunch"))
    t.queued(0)
    assert t.wake(20_000) == [], "a pause is no absence"
    wishes = t.tell(30_000, ev.AgentLoggedOut("boris"))
    assert [w.reason for w in wishes if isinstance(w, ef.SendToFallback)] == ["voicemail"]
    again = t.wake(30_000 + t.floor.policy.fallback_retry_ms)
    assert [w.reason for w in again] == ["voicemail"], "until the dialplan confirms, with the same reason"


def test_changes_close_together_are_one_look():
    t = telling(rule("depth >= 3", "raise_priority 2", every_s=1))
    t.queued(0, "c1")
    t.queued(1, "c2")
    t.queued(2, "c3")
    t.queued(3, "c4")
    lifted = {c: t.call(c).marks is not None for c in ("c1", "c2", "c3", "c4")}
    assert lifted["c4"]
    assert not lifted["c2"], "looked at a moment ago"
    t.wake(1 + GAP_MS)
    assert t.call("c1").marks.lift == t.call("c2").marks.lift == 2.0


def test_priority_is_raised_set_and_capped():
    t = telling(rule("waited_s >= 1", "set_priority 60"), rule("waited_s >= 2", "raise_priority 3", name="x"))
    t.queued(0, priority=2.0)
    t.wake(1_000)
    assert t.call().marks.lift == 30.0
    t.wake(2_000)
    assert t.call().priority * t.call().marks.lift == 100.0


def test_overflow_is_a_move_that_the_dialplan_confirms_and_the_place_is_kept():
    t = telling(rule("waited_s >= 30", "overflow other"))
    t.queued(0)
    assert [(type(w).__name__, w.queue) for w in t.wake(30_000)] == [("MoveToQueue", "other")]
    t.tell(30_001, ev.AgentLoggedIn("anna"))
    assert t.state() == "waiting", "nobody is offered a call under way"
    t.queued(30_010, queue="other", entered_at=0, why=ev.QueuedWhy.RETURNED, at=30_010)
    assert t.state() == "offering"
    assert (t.queue("desk").offered, t.queue("desk").left_otherwise, t.queue("other").offered) == (1, 1, 1)
    assert t.call().marks is None


@pytest.mark.parametrize("refused", [True, False])
def test_a_move_that_does_not_happen_leaves_the_caller_where_he_is(refused: bool):
    t = telling(rule("waited_s >= 30", "overflow other"))
    t.queued(0)
    wish = t.wake(30_000)[0]
    if refused:
        t.tell(31_000, ev.WishFailed(wish.effect, "no such channel"))
    else:
        t.wake(35_000)
    assert t.counter("moves_not_made") == 1
    t.tell(36_000, ev.AgentLoggedIn("anna"))
    assert (t.state(), t.call().queue) == ("offering", "desk")


def test_a_reserve_opens_by_rule():
    t = telling(rule("waited_s >= 3", "open_reserve 1"), agents=("back",))
    t.queued(0)
    assert t.state() == "waiting"
    assert "OfferCall" in kinds(t.wake(3_000))


def test_a_rule_on_the_expected_wait_fires_at_its_value():
    """Requirements relaxed by expected wait, by rule (issue 4, item 2): not below it, at it, and it stands in explain."""
    t = telling(
        rule("expected_wait_s >= 40", "lower_skill law 1", name="juniors help"), agents=("anna", "boris")
    )
    expected = {"ms": 39_999}
    t.floor.matcher.expected_wait_ms = lambda queue, place: expected["ms"]
    t.queued(0, "first")
    assert t.call("first").leg.agent == "anna"
    t.queued(1_000, "c1")
    assert t.state() == "waiting", "boris is ready, his level is not enough"
    looked_at(t, 5_000)
    assert t.state() == "waiting"
    expected["ms"] = 40_000
    t.queued(5_000, "c2")
    looked_at(t, 6_000)
    assert (t.state(), t.call().leg.agent) == ("offering", "boris")
    assert any("juniors help" in str(line) for line in t.call().explanation)


def test_the_matchers_own_expected_wait_reaches_the_rules():
    """With one agent busy for minutes the estimate grows with the place in line; the last caller is led away."""
    t = telling(rule("expected_wait_s > 200", "voicemail"), agents=("anna",))
    t.queued(0, "first")
    t.tell(0, ev.OfferConfirmed("first", "anna", 1), ev.CallAnswered("first", "anna", 1))
    for number in range(4):
        t.queued(1_000 + number * 1_000, f"c{number}")
        looked_at(t, 1_900 + number * 1_000)
    sent = [w.call for w in t.wishes if isinstance(w, ef.SendToFallback)]
    waits = [t.floor.matcher.expected_wait_ms("desk", place) for place in (1, 2, 3)]
    assert waits[0] < waits[1] < waits[2]
    assert sent, waits
    assert "c0" not in sent, "the first in line is told a shorter wait than the rule asks for"


def test_callers_inside_at_closing_time_stay_and_are_served():
    """Issue 4, item 6: the default at closing time. The door takes nobody new; who waits is answered by who is there."""
    t = telling(agents=("anna",))
    t.queued(0, "first")
    t.queued(1, "c1")
    assert t.tell(2, ev.QueueClosed("desk")) == []
    assert t.state() == "waiting"
    t.tell(3, ev.OfferConfirmed("first", "anna", 1), ev.CallAnswered("first", "anna", 1))
    t.tell(60_000, ev.CallEnded("first"))
    assert (t.state(), t.call().leg.agent) == ("offering", "anna")


def test_opening_hours_and_windows_of_the_clock_are_facts():
    t = telling(rule("closed and during mon-fri 12:00-13:00", "fallback"))
    t.queued(0)
    t.tell(1, ev.QueueClosed("desk"))
    assert t.state() == "waiting"
    wishes = t.tell(1_000, ev.ClockWindow("mon-fri 12:00-13:00", inside=True))
    assert [w.reason for w in wishes] == ["rule"]


def test_an_offer_that_fails_does_not_start_the_rules_again():
    t = telling(rule("waited_s >= 5", "announce a"), agents=("anna",))
    t.tell(0, ev.AgentPaused("anna", "x"))
    t.queued(0)
    t.wake(5_000)
    t.tell(6_000, ev.AgentResumed("anna"))
    t.tell(7_000, ev.OfferConfirmed("c1", "anna", 1))
    t.tell(8_000, ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.NO_ANSWER))
    assert t.call().attempt == 2
    assert sum(isinstance(w, ef.Announce) for w in t.wishes) == 1


def test_a_caller_who_comes_back_from_a_talk_gets_the_whole_time():
    """002-08: a returned call never starts at the end, nor is it thrown out for having talked."""
    t = telling(rule("waited_s >= 60", "voicemail"), agents=("anna",), max_wait_s=120)
    t.queued(0)
    t.tell(10, ev.OfferConfirmed("c1", "anna", 1), ev.CallAnswered("c1", "anna", 1))
    t.tell(300_000, ev.AgentPaused("anna", "x"))
    t.tell(300_000, ev.TalkEnded("c1", "anna", 1, ev.EndedBy.AGENT, caller_stays=True))
    assert t.state() == "waiting"
    assert t.engine.next_deadline() == 360_000
    assert [w.reason for w in t.wake(360_000)] == ["voicemail"]


def test_a_reload_puts_new_rules_in_force_for_those_who_wait():
    t = telling(rule("waited_s >= 500", "voicemail"))
    t.queued(0)
    desk, other = t.floor.policy.queues
    quick = replace(desk, rules=(rule("waited_s >= 10", "fallback"),))
    wishes = t.tell(20_000, ev.PolicyChanged(replace(t.floor.policy, queues=(quick, other))))
    assert [w.reason for w in wishes] == ["rule"]
    t2 = telling(rule("waited_s >= 30", "voicemail"))
    t2.queued(0)
    t2.tell(1, ev.PolicyChanged(replace(t2.floor.policy, queues=(replace(desk, rules=()), other))))
    assert t2.floor.rulebook is None
    assert t2.engine.next_deadline() == 600_000


def test_a_call_waiting_says_what_each_rule_waits_for():
    t = telling(
        rule("waited_s >= 10", "announce a", name="sorry"),
        rule("depth > 4", "offer_callback", name="long line"),
    )
    t.queued(0)
    lines = t.engine.explain("c1", 4_000)
    assert "rule sorry is looked at in 6.0 s: announce a" in lines
    assert "rule long line (depth > 4) does not apply: depth is 1" in lines


def test_no_rule_before_the_first_sync_or_while_deaf():
    t = telling(rule("waited_s >= 10", "voicemail"))
    t.queued(0)
    t.tell(5_000, ev.LinkLost())
    assert t.wake(10_000) == []
    live = ev.LiveCall("c1", "wait", "desk", "firm", "100", "200", 0)
    assert kinds(t.tell(12_000, ev.WorldSynced((live,)))) == ["SendToFallback"]
