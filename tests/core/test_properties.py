"""Random facts in any order, late, doubled or contradicting: the checkers of the house hold after each.

Failure modes 2, 4, 9, 10 and 20: never two offers for one agent, never a call without an owner, one
terminal state and one closed card per call.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acd.core import events as ev
from acd.core import transfer_facts as handed
from acd.core.callback_events import CallbackBegun, NumberCalled, NumberResult
from acd.core.effects import OfferCall, WriteCallCard
from acd.core.engine import Engine
from acd.core.policy import AgentPolicy, Policy, QueuePolicy, SkillNeed

POLICY = Policy(
    queues=(
        QueuePolicy("notary", "lex", wrap_up_ms=20_000, max_wait_ms=60_000),
        QueuePolicy("clinic", "med", wrap_up_ms=0, needs=(SkillNeed("med", 1),), max_wait_ms=60_000),
    ),
    agents=(AgentPolicy("anna", (("med", 3),)), AgentPolicy("boris", rna_limit=2), AgentPolicy("clara")),
    card_close_ms=300_000,
)

calls = st.sampled_from(["c1", "c2", "c3"])
agents = st.sampled_from(["anna", "boris", "clara", "stranger"])
# "*" and 0 stand for the agent and attempt of the call's present offer: most facts of a day are true
attempts = st.integers(1, 4)
queues = st.sampled_from(["notary", "clinic", "nowhere"])
ends = st.sampled_from(list(ev.EndedBy))


def any_fact() -> st.SearchStrategy[ev.Fact]:
    """Any fact, about few calls and agents, so that they meet; its time unknown, now, late or wrong.

    Times are relative to the moment of telling (see `told`), so that the strategy is built once.
    """
    at = st.one_of(st.none(), st.integers(-30_000, 1_000))
    offer = {"call": calls, "agent": st.one_of(st.just("*"), st.just("*"), agents), "at": at}
    offer["attempt"] = st.one_of(st.just(0), st.just(0), attempts)
    hand = st.one_of(st.just("*"), agents)
    queued = st.builds(
        ev.CallQueued,
        calls,
        queues,
        st.just("s"),
        st.just("100"),
        st.just("200"),
        st.integers(-30_000, 0),
        why=st.sampled_from(list(ev.QueuedWhy)),
        at=at,
    )
    live_call = st.builds(
        ev.LiveCall,
        calls,
        st.sampled_from(["enter", "wait", "dial", "talk", "consult", "handed", "fallback", "done", "odd"]),
        queues,
        st.just("s"),
        st.just("100"),
        st.just("200"),
        st.integers(-30_000, 0),
        agent=st.one_of(st.none(), st.just("*"), agents),
        attempt=st.integers(0, 4),
        answered_at=st.one_of(st.none(), st.integers(-30_000, 0)),
        missed=st.one_of(st.none(), st.none(), st.just("m1")),
    )
    targets = st.sampled_from(["agent_boris", "agent_anna", "agent_x", "queue_law", "out_+7495", ""])
    live_agent = st.builds(
        ev.LiveAgent,
        agents,
        st.booleans(),
        st.sampled_from(["", "lunch"]),
        reachable=st.booleans(),
        in_own_call=st.booleans(),
        wrap_up_until=st.one_of(st.none(), st.integers(0, 60_000)),
    )
    return st.one_of(
        queued,
        queued,
        queued,
        st.builds(ev.CallEntered, calls, st.just("100"), st.just("200"), at=at),
        st.builds(ev.CallRefused, calls, st.just("closed"), at=at),
        st.builds(ev.OfferConfirmed, **offer),
        st.builds(ev.OfferConfirmed, calls, st.just("*"), st.just(0)),
        st.builds(ev.CallAnswered, calls, st.just("*"), st.just(0)),
        st.builds(ev.OfferEnded, calls, st.just("*"), st.just(0), st.sampled_from(list(ev.OfferOutcome))),
        st.builds(ev.TalkEnded, calls, st.just("*"), st.just(0), ends, st.booleans()),
        st.builds(ev.AgentRinging, **offer),
        st.builds(ev.CallAnswered, **offer),
        st.builds(ev.CallAnswered, **offer),
        st.builds(ev.OfferEnded, outcome=st.sampled_from(list(ev.OfferOutcome)), **offer),
        st.builds(ev.TalkEnded, by=ends, caller_stays=st.booleans(), **offer),
        st.builds(ev.HoldStarted, calls, hand, at=at),
        st.builds(ev.HoldEnded, calls, hand, at=at),
        st.builds(ev.CallTransferred, calls, hand, st.just("outside"), at=at),
        st.builds(
            handed.TransferAsked, calls, hand, st.sampled_from(list(handed.TransferHow)), targets, at=at
        ),
        st.builds(handed.ConsultStarted, calls, hand, targets, at=at),
        st.builds(handed.ConsultAnswered, calls, hand, targets, at=at),
        st.builds(handed.ConsultEnded, calls, hand, targets, st.just("BUSY"), at=at),
        st.builds(handed.TransferEnded, calls, targets, st.just("OVER"), at=at),
        st.builds(ev.CallLeftToFallback, calls, st.just("wish"), at=at),
        st.builds(ev.CallbackChosen, calls, st.just("200"), at=at),
        st.builds(CallbackBegun, calls, st.sampled_from(["", "m1"]), at=at),
        st.builds(NumberCalled, calls, st.sampled_from(list(NumberResult)), at=at),
        st.builds(
            ev.CallEnded,
            calls,
            st.sampled_from([0, 16]),
            ends,
            st.one_of(st.none(), st.sampled_from(list(ev.EndReason))),
            at=at,
        ),
        st.builds(
            ev.CardFilled,
            calls,
            st.one_of(st.none(), agents),
            st.just((("subject", "deed"),)),
            at=at,
        ),
        st.builds(ev.AgentLoggedIn, agents, at=at),
        st.builds(ev.AgentLoggedIn, agents, at=at),
        st.builds(ev.AgentLoggedOut, agents, at=at),
        st.builds(ev.AgentPaused, agents, st.sampled_from(["lunch", "desk"]), at=at),
        st.builds(ev.AgentResumed, agents, at=at),
        st.builds(ev.WrapUpDone, agents, at=at),
        st.builds(ev.WrapUpExtended, agents, st.integers(-5, 10_000_000), at=at),
        st.builds(ev.OwnCallStarted, agents, at=at),
        st.builds(ev.OwnCallEnded, agents, at=at),
        st.builds(ev.DeviceReachable, agents, at=at),
        st.builds(ev.DeviceUnreachable, agents, at=at),
        st.builds(
            ev.PolicyChanged,
            st.sampled_from([POLICY, Policy(queues=POLICY.queues, agents=POLICY.agents[:2])]),
        ),
        st.builds(ev.QueueOpened, queues),
        st.builds(ev.QueueClosed, queues),
        st.builds(ev.IntervalStarted),
        st.builds(ev.WishFailed, st.integers(-3, 30), st.just("refused")),
        st.just(ev.LinkLost()),
        st.just(ev.WorldSynced()),
        st.builds(
            ev.WorldSynced,
            st.lists(live_call, max_size=3, unique_by=lambda c: c.call).map(tuple),
            st.lists(live_agent, max_size=3, unique_by=lambda a: a.agent).map(tuple),
            st.booleans(),
        ),
    )


FACTS = any_fact()
STORIES = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 500, 2_500, 15_000, 70_000]), FACTS), min_size=1, max_size=40
)
_MOMENTS = ("at", "entered_at", "answered_at", "wrap_up_until")


def told(fact: ev.Fact, engine: Engine, now: int) -> ev.Fact:
    """The same fact with its times on the engine's timeline and its "*" filled in."""
    floor = engine._floor
    new = {n: now + value for n in _MOMENTS if isinstance(value := getattr(fact, n, None), int)}
    call = floor.find_call(getattr(fact, "call", ""))
    leg = call and (call.leg or (call.legs[-1] if call.legs else None))
    if getattr(fact, "agent", "") == "*":
        new["agent"] = leg.agent if leg else "anna"
    if getattr(fact, "attempt", 1) == 0:
        new["attempt"] = leg.attempt if leg else 1
    if isinstance(fact, ev.WishFailed) and fact.effect <= 0:
        new["effect"] = floor.effect_serial + fact.effect
    if isinstance(fact, ev.WorldSynced):
        new["calls"] = tuple(told(c, engine, now) for c in fact.calls)
        new["agents"] = tuple(told(a, engine, now) for a in fact.agents)
    return replace(fact, **new)


class Watcher:
    """An engine with every checker switched on."""

    def __init__(self) -> None:
        self.engine = Engine(POLICY)
        self.now = 1_000_000
        self.wishes: list[object] = []
        self.cards: Counter[str] = Counter()
        self.last_card: dict[str, object] = {}
        self.tell(ev.WorldSynced())
        for agent in ("anna", "boris", "clara"):
            self.tell(ev.AgentLoggedIn(agent))

    def pass_time(self, ms: int) -> None:
        """Move on, being woken at every deadline on the way."""
        target = self.now + ms
        for _ in range(1_000):
            due = self.engine.next_deadline()
            if due is None or due > target:
                break
            assert due >= self.now, "a deadline in the past"
            self.now = due
            self.tell(ev.DeadlinePassed())
        else:
            pytest.fail("a thousand deadlines in one go: the core does not come to rest")
        self.now = target

    def tell(self, fact: ev.Fact) -> tuple[object, ...]:
        wishes = self.engine.step(fact, self.now)
        self.engine.check(self.now)
        offered = Counter(w.agent for w in wishes if isinstance(w, OfferCall))
        assert all(n == 1 for n in offered.values())
        for wish in wishes:
            if isinstance(wish, WriteCallCard):
                assert wish.card != self.last_card.get(wish.card.call), "the same card written twice"
                self.last_card[wish.card.call] = wish.card
                self.cards[wish.card.call] += 1
        self.wishes += wishes
        return wishes

    def check_rest(self) -> None:
        """No ready agent beside a waiting call that he could take."""
        view = self.engine.snapshot(self.now)
        assert view.line()
        if not view.synced:
            return
        ready = {a.id for a in self.engine._floor.agents.values() if a.ready}
        for call in self.engine._floor.calls.values():
            if call.state.value == "waiting" and call.fallback_effect is None:
                able = ready & {"anna"} if call.queue == "clinic" else ready
                assert not able, f"{call.id} waits and {able} could take it"


def run(story: list[tuple[int, ev.Fact]]) -> Watcher:
    watcher = Watcher()
    for pause_ms, fact in story:
        watcher.pass_time(pause_ms)
        watcher.tell(told(fact, watcher.engine, watcher.now))
        watcher.check_rest()
    return watcher


RUNS = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RUNS
@given(STORIES)
def test_no_sequence_of_facts_breaks_an_invariant(story):
    run(story)


@RUNS
@given(STORIES)
def test_every_call_gets_its_card_and_leaves_memory_once_the_world_is_quiet(story):
    watcher = run(story)
    for call in list(watcher.engine._floor.calls):
        watcher.tell(ev.CallEnded(call, 16, ev.EndedBy.CALLER))
    watcher.pass_time(10 * 3_600_000)
    watcher.tell(ev.WorldSynced())
    floor = watcher.engine._floor
    assert not floor.calls
    assert all(a.state.value in {"idle", "busy_elsewhere"} for a in floor.agents.values())
    for call in floor.closed.values():
        assert (call.card is not None) is call.known
        assert call.card is None or call.card == watcher.last_card[call.id]
    watcher.pass_time(10 * 3_600_000)
    watcher.tell(ev.DeadlinePassed())
    assert not floor.closed, "finished calls leave memory (failure mode 36)"
    assert not floor.by_effect
