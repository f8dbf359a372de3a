"""The snapshot."""

from acd.core import events as ev
from acd.core.engine import Engine
from acd.core.weighted import WeightedMatcher
from tests.core.telling import POLICY, Telling


def test_the_snapshot_shows_everybody_once():
    t = Telling("anna", "boris")
    t.talking(0, "c1")
    t.queued(1_000, "c2", card_number="77")
    t.tell(1_000, ev.OfferConfirmed("c2", "boris", 1), ev.AgentPaused("boris", "tea"))
    t.queued(2_000, "c3", queue="law")
    t.queued(3_000, "c4", queue="law")
    t.tell(3_000, ev.CallEntered("c5", "1", "2"))
    t.tell(3_500, ev.CallLeftToFallback("c4", "x"))
    view = t.engine.snapshot(10_000)
    assert view.line() == "calls 1 waiting 1 offering 1 talking | agents 1 ringing 1 talking"
    calls = {c.call: c for c in view.calls}
    assert (calls["c1"].agent, calls["c1"].waited_ms, calls["c1"].position) == ("anna", 0, 0)
    assert (calls["c2"].agent, calls["c2"].card_number, calls["c2"].attempt) == ("boris", "77", 1)
    assert (calls["c3"].position, calls["c3"].waited_ms) == (1, 8_000)
    assert (calls["c4"].state, calls["c4"].waited_ms) == ("fallback", 500)
    assert calls["c5"].state == "new"
    queues = {q.queue: q for q in view.queues}
    desk, law = queues["desk"], queues["law"]
    assert (desk.waiting, desk.talking, desk.longest_wait_ms) == (1, 1, 9_000)
    assert (desk.sl_of_offered, desk.asa_ms) == (0.5, 0.0)
    assert (law.waiting, law.longest_wait_ms, law.sl_of_offered, law.asa_ms) == (1, 8_000, 0.0, None)
    agents = {a.agent: a for a in view.agents}
    assert (agents["anna"].call, agents["anna"].state, agents["anna"].busy_ms) == ("c1", "talking", 10_000)
    assert (agents["boris"].status, agents["boris"].pause_reason, agents["boris"].ready_ms) == (
        "paused",
        "tea",
        1_000,
    )


def test_closed_queues_and_anomalies_are_shown():
    t = Telling()
    t.tell(1, ev.QueueClosed("desk"), ev.WrapUpDone("nobody"))
    view = t.engine.snapshot(2)
    assert [q.open for q in view.queues] == [False, True]
    assert view.counters == (("unknown_agents", 1),)
    t.tell(3, ev.QueueOpened("desk"))
    assert t.queue().open


def test_waiting_callers_and_queues_show_the_wait_the_matcher_expects():
    """A caller by his place, a queue by the place of whoever would come now."""
    matcher = WeightedMatcher()
    engine = Engine(POLICY, matcher)
    engine.step(ev.WorldSynced(), 0)
    engine.step(ev.AgentLoggedIn("anna"), 0)
    for n in range(3):
        engine.step(ev.CallQueued(f"c{n}", "desk", "firm", "100", "200", n), n)
    view = engine.snapshot(5)
    waits = {c.call: (c.state, c.position, c.expected_wait_ms) for c in view.calls}
    first, second, third = (matcher.expected_wait_ms("desk", place) for place in (1, 2, 3))
    assert waits == {"c0": ("offering", 0, None), "c1": ("waiting", 1, first), "c2": ("waiting", 2, second)}
    assert 0 < first < second < third
    assert {q.queue: q.expected_wait_ms for q in view.queues}["desk"] == third
    assert engine.call_view("c2", 5).expected_wait_ms == second


def test_no_wait_is_shown_for_a_caller_asked_into_fallback_nor_by_the_plain_matcher():
    t = Telling()
    t.queued(0)
    assert t.engine.call_view("c1", 1).expected_wait_ms is None
    assert t.queue().expected_wait_ms is None
    engine = Engine(POLICY, WeightedMatcher())
    engine.step(ev.WorldSynced(), 0)
    engine.step(ev.CallQueued("c1", "desk", "firm", "100", "200", 0), 0)
    assert engine.call_view("c1", 1).expected_wait_ms > 0
    engine.step(ev.DeadlinePassed(), 600_000)
    view = engine.call_view("c1", 600_000)
    assert (view.position, view.expected_wait_ms) == (0, None)
