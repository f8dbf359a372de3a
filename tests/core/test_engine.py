"""The contract: step, next_deadline, snapshot, explain; one pass, one way in, no chance."""

import os
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from acd.core import events as ev
from acd.core.engine import Engine
from acd.core.policy import AgentPolicy, Policy, QueuePolicy, SkillNeed
from acd.core.simple_matcher import SimpleMatcher
from tests.core.telling import POLICY, Telling


def test_every_fact_has_its_handler():
    assert set(Engine(POLICY)._handlers) == set(typing.get_args(ev.Fact))


def test_something_that_is_no_fact_is_a_programmers_error():
    with pytest.raises(KeyError):
        Engine(POLICY).step("hello", 1)


def test_the_pass_runs_once_per_step_and_only_when_something_changed():
    class Counting(SimpleMatcher):
        passes = 0

        def assign(self, now):
            self.passes += 1
            return super().assign(now)

    matcher = Counting()
    engine = Engine(POLICY, matcher)
    engine.step(ev.WorldSynced(), 0)
    before = matcher.passes
    engine.step(ev.CallEntered("c1", "1", "2"), 1)
    assert matcher.passes == before
    engine.step(ev.AgentLoggedIn("anna"), 2)
    assert matcher.passes == before + 1


def test_the_matcher_is_asked_again_when_it_wanted_to_be():
    policy = Policy(
        queues=(
            QueuePolicy("law", "firm", needs=(SkillNeed("law", 3, relax_after_ms=10_000, relaxed_level=1),)),
        ),
        agents=(AgentPolicy("anna", (("law", 1),)),),
    )
    t = Telling("anna", policy=policy)
    t.queued(0, queue="law")
    assert t.engine.next_deadline() == 10_000
    assert [type(w).__name__ for w in t.wake(10_000)] == ["OfferCall", "ShowPop"]


def test_a_matcher_that_wants_to_be_asked_in_the_past_is_asked_later():
    class Hasty(SimpleMatcher):
        def next_check(self, now):
            return now - 5

    engine = Engine(POLICY, Hasty())
    engine.step(ev.WorldSynced(), 100)
    assert engine.next_deadline() == 101
    engine.step(ev.LinkLost(), 100)
    assert engine.next_deadline() is None


def test_explain_tells_past_decisions_and_the_present_wait():
    t = Telling("anna")
    assert t.engine.explain("c1", 0) == ()
    t.queued(0)
    t.queued(0, "c2")
    assert t.engine.explain("c1", 1) == ("anna: best level, longest idle; call waited 0 ms, agent idle 0 ms",)
    assert t.engine.explain("c2", 1) == ("place 1 in desk, 0 agents ready",)


def test_intervals_start_by_fact_or_by_method():
    t = Telling("anna")
    t.talking(0)
    t.tell(5, ev.IntervalStarted())
    assert t.queue().answered == 0
    t.queued(6, "c2")
    t.engine.start_interval(7)
    assert t.queue().offered == 1


STORY = """
import hashlib, random, heapq
from acd.core import events as ev
from acd.core.engine import Engine
from acd.core.policy import AgentPolicy, Policy, QueuePolicy
rng = random.Random(7)
engine = Engine(Policy(queues=tuple(QueuePolicy(f"q{n}", "s") for n in range(5)),
                       agents=tuple(AgentPolicy(f"agent{n}", rna_limit=3) for n in range(6))))
digest, todo, serial, now = hashlib.sha256(), [], 0, 0
def plan(due, fact):
    global serial
    serial += 1
    heapq.heappush(todo, (due, serial, fact))
plan(0, ev.WorldSynced())
for n in range(6):
    plan(0, ev.AgentLoggedIn(f"agent{n}"))
for n in range(300):
    at = rng.randrange(3_000_000)
    plan(at, ev.CallQueued(f"call{n}", f"q{n % 5}", "s", "1", "2", at, at=at))
    plan(at + rng.randrange(100_000), ev.CallEnded(f"call{n}"))
while todo or engine.next_deadline() is not None and now < 9_000_000:
    due = engine.next_deadline()
    if due is not None and (not todo or due < todo[0][0]):
        now, fact = due, ev.DeadlinePassed()
    else:
        now, _, fact = heapq.heappop(todo)
    for wish in engine.step(fact, now):
        digest.update(repr(wish).encode())
        if type(wish).__name__ == "OfferCall":
            who = (wish.call, wish.agent, wish.attempt)
            plan(now + 10, ev.OfferConfirmed(*who))
            if rng.random() < 0.7:
                plan(now + 3_000, ev.CallAnswered(*who))
            else:
                plan(now + 12_000, ev.OfferEnded(*who, ev.OfferOutcome.NO_ANSWER))
    engine.check(now)
digest.update(repr(engine.snapshot(now)).encode())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_the_same_day_is_the_same_under_any_hash_seed():
    digests = set()
    for seed in ("0", "1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        run = subprocess.run(
            [sys.executable, "-c", STORY], env=env, capture_output=True, text=True, check=True, timeout=60
        )
        digests.add(run.stdout)
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


def test_the_earlier_of_deadline_and_matchers_wish_is_next():
    class Patient(SimpleMatcher):
        def next_check(self, now):
            return 1_000_000

    engine = Engine(POLICY, Patient())
    engine.step(ev.WorldSynced(), 0)
    assert engine.next_deadline() == 1_000_000
    engine.step(ev.CallQueued("c1", "desk", "firm", "1", "2", 0), 0)
    assert engine.next_deadline() == 600_000
    assert [type(w).__name__ for w in engine.step(ev.DeadlinePassed(), 600_000)] == ["SendToFallback"]


def test_facts_about_the_centre_reach_their_place():
    t = Telling("anna")
    t.tell(1, ev.QueueClosed("desk"))
    assert not t.queue("desk").open
    t.tell(2, ev.QueueOpened("desk"), ev.WishFailed(99, "?"), ev.PolicyChanged(Policy(queues=POLICY.queues)))
    assert t.queue("desk").open
    assert t.counter("wishes_failed") == 1
    assert not t.floor.agents


def test_the_engine_knows_a_call_until_it_leaves_memory():
    t = Telling()
    assert not t.engine.knows("c1")
    t.queued(0)
    t.tell(1, ev.CallEnded("c1"))
    assert t.engine.knows("c1")
    t.tell(3_600_001, ev.DeadlinePassed())
    assert not t.engine.knows("c1")


def test_a_call_is_live_until_its_end_and_its_card_is_the_cores_unless_only_the_end_was_heard():
    t = Telling()
    t.queued(0)
    assert t.engine.is_live("c1")
    assert t.engine.keeps_card("c1")
    t.tell(1, ev.CallEnded("c1"), ev.CallEnded("stone"))
    assert not t.engine.is_live("c1")
    assert t.engine.keeps_card("c1")
    assert not t.engine.keeps_card("stone")
    assert not t.engine.keeps_card("nobody")


def test_one_call_and_one_queue_can_be_asked_for_without_a_whole_snapshot():
    t = Telling("anna")
    t.talking(0)
    for n, call in enumerate(("c2", "c3"), 1):
        t.queued(n, call)
    t.queued(5, "c4", queue="law")
    whole = t.engine.snapshot(7)
    assert {c.call: t.engine.call_view(c.call, 7) for c in whole.calls} == {c.call: c for c in whole.calls}
    assert {q.queue: t.engine.waiting(q.queue) for q in whole.queues} == {
        q.queue: q.waiting for q in whole.queues
    }
    assert t.engine.waiting("desk") == 2
    assert (t.engine.call_view("ghost", 7), t.engine.waiting("ghost")) == (None, 0)
    t.tell(8, ev.CallEnded("c2"))
    assert (t.engine.call_view("c2", 8), t.engine.waiting("desk")) == (None, 1)
