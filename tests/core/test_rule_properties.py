"""Random facts with rules, windows, reserves and written work: every invariant holds, and the core comes to rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.config.rule_language import parse_do, parse_when
from acd.core import events as ev
from acd.core.capacity import Capacity
from acd.core.effects import MoveToQueue, SendToFallback
from acd.core.engine import Engine
from acd.core.policy import AgentPolicy, Policy, QueuePolicy, SkillNeed
from acd.core.rules import Rule
from acd.core.weighted import WeightedMatcher
from tests.core import test_properties as base

WINDOW = "daily 12:00-13:00"


def rule(when: str, *do: str, every_ms: int | None = None) -> Rule:
    placed, wrong = parse_when(when)
    assert not wrong
    return Rule(when, tuple(p.condition for p in placed), tuple(map(parse_do, do)), every_ms, when)


RULES = (
    rule("waited_s >= 2 and available = 0", "lower_skill med 1", "raise_priority 2", every_ms=1_000),
    rule("position > 1 and waited_s >= 5", "overflow clinic"),
    rule("depth >= 2 and open", "announce sorry", "offer_callback", every_ms=3_000),
    rule(f"during {WINDOW} and eligible <= 1", "open_reserve 1"),
    rule("expected_wait_s > 20", "set_priority 5"),
    rule("logged_in = 0 and waited_s >= 1", "voicemail"),
    rule("closed and waited_s >= 20", "fallback"),
)
POLICY = Policy(
    queues=(
        QueuePolicy("notary", "lex", wrap_up_ms=20_000, max_wait_ms=60_000, rules=RULES),
        QueuePolicy(
            "clinic", "med", wrap_up_ms=0, needs=(SkillNeed("med", 2),), max_wait_ms=60_000, rules=RULES[:1]
        ),
    ),
    agents=(
        AgentPolicy("anna", (("med", 3),)),
        AgentPolicy("boris", (("med", 1),), rna_limit=2, capacity=Capacity(written=2)),
        AgentPolicy("clara", (("med", 3),), reserve=1),
    ),
    card_close_ms=300_000,
)
MORE = st.one_of(
    base.FACTS,
    base.FACTS,
    base.FACTS,
    st.builds(ev.ClockWindow, st.just(WINDOW), st.booleans()),
    st.builds(ev.WorkTaken, base.agents, st.sampled_from(["mail-1", "mail-2", "mail-3"])),
    st.builds(ev.WorkDone, base.agents, st.sampled_from(["mail-1", "mail-2", "mail-3"])),
    st.builds(ev.PolicyChanged, st.just(POLICY)),
)
STORIES = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 200, 1_000, 2_500, 15_000, 70_000]), MORE), max_size=40
)


class Ruled(base.Watcher):
    """An engine with rules and the house's matcher."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = Engine(POLICY, WeightedMatcher())
        self.tell(ev.WorldSynced())
        for agent in ("anna", "boris", "clara"):
            self.tell(ev.AgentLoggedIn(agent))

    def check_rules(self) -> None:
        """Whoever is wished away is shown to no agent, and the armed are those who wait."""
        floor, book = self.engine._floor, self.engine._rulebook
        for call in floor.calls.values():
            waits = call.state.value == "waiting"
            away = call.fallback_effect is not None or call.move_effect is not None
            assert not away or waits, f"{call.id} is {call.state} with a wish to leave"
            if away:
                assert floor.matcher.position(call.id) == 0
            if call.outbound:
                continue  # nobody waits on the line: rules are for callers
            lined_up = call.id in book._lined_up.get(call.queue, {})
            assert lined_up is (waits and not away and call.queue in book._plans)
        for calls in book._armed.values():
            assert all(call.state.value == "waiting" for call in calls.values())


@pytest.mark.slow
@base.RUNS
@given(STORIES)
def test_no_sequence_of_facts_breaks_an_invariant_with_rules(story):
    watcher = Ruled()
    for pause_ms, fact in story:
        watcher.pass_time(pause_ms)
        watcher.tell(base.told(fact, watcher.engine, watcher.now))
        watcher.check_rules()
        assert watcher.engine.snapshot(watcher.now).line()
        for call in list(watcher.engine._floor.calls):
            watcher.engine.explain(call, watcher.now)


@pytest.mark.slow
@base.RUNS
@given(STORIES)
def test_nobody_is_forgotten_by_rules(story):
    """Every caller whose channel stays is offered, moved or sent on within the longest wait."""
    watcher = Ruled()
    for pause_ms, fact in story:
        watcher.pass_time(pause_ms)
        watcher.tell(base.told(fact, watcher.engine, watcher.now))
    watcher.tell(ev.WorldSynced(tuple(alive(watcher))))
    before = len(watcher.wishes)
    floor = watcher.engine._floor
    waiting = [c for c in floor.calls.values() if c.state.value == "waiting" and not c.outbound]
    # a queue nobody configured has the longest wait of the defaults
    longest_ms = max((floor.lines[c.queue].policy.max_wait_ms for c in waiting), default=0)
    watcher.pass_time(longest_ms + 70_000)
    told = {getattr(w, "call", None) for w in watcher.wishes[before:]}
    assert {c.id for c in waiting} <= told
    assert all(
        w.reason in {"voicemail", "rule", "max_wait"} for w in watcher.wishes if isinstance(w, SendToFallback)
    )
    assert all(w.queue == "clinic" for w in watcher.wishes if isinstance(w, MoveToQueue))


def alive(watcher: Ruled) -> list[ev.LiveCall]:
    """Every call we know, as the switch would see it."""
    stages = {
        "new": "enter",
        "waiting": "wait",
        "offering": "wait",
        "talking": "talk",
        "fallback": "fallback",
    }
    return [
        ev.LiveCall(
            c.id,
            stages.get(c.state.value, "done"),
            c.queue,
            c.subscriber,
            c.did,
            c.ani,
            c.entered_at,
            agent=c.leg.agent if c.leg else None,
            attempt=c.leg.attempt if c.leg else 0,
        )
        for c in watcher.engine._floor.calls.values()
    ]
