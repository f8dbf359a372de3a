"""The virtual centre, one behaviour at a time, with durations that leave nothing to chance."""

import dataclasses
from pathlib import Path

import pytest

from acd.core.card import CallCard
from acd.core.effects import Effect, WriteCallCard
from acd.core.events import Fact
from acd.core.ids import CallId
from acd.core.instant import HOUR_MS, MINUTE_MS, SECOND_MS
from simulator.callers import Caller
from simulator.checkers import Checkers
from simulator.distributions import Fixed, Never
from simulator.results import CallRecord, RunResult
from simulator.scenario import (
    DAY_MS,
    PHONE_GONE,
    Arrivals,
    Break,
    Callback,
    Closing,
    Fault,
    Group,
    Periods,
    Queue,
    Retry,
    Scenario,
    Shift,
    Staff,
    Transfer,
    single_pool,
)
from simulator.scenario_file import load
from simulator.world import StuckError, World

SCENARIOS = Path(__file__).parents[2] / "simulator" / "scenarios"
QUEUE = Queue("a", "firm", Arrivals(), Fixed(60_000.0), max_wait_ms=DAY_MS)
AGENT = Group("g", 1)


def centre(queue: Queue = QUEUE, *groups: Group, **other: object) -> Scenario:
    return Scenario("test", (queue,), groups or (AGENT,), **other)  # type: ignore[arg-type]


def caller(
    name: str, at_s: float, *, talk_s: float = 60, patience_s: float = 1e6, wrap_s: float = 0, **other: object
) -> Caller:
    made = Caller(
        name, 0, round(at_s * 1000), 0, round(patience_s * 1000), round(talk_s * 1000), round(wrap_s * 1000)
    )
    for key, value in other.items():
        setattr(made, key, value)
    return made


def run(
    scenario: Scenario, *callers: Caller, policy: str = "fifo"
) -> tuple[dict[str, list[CallRecord]], RunResult]:
    """Run with checkers; return the records by caller's number and the result."""
    checkers = Checkers()
    days = [list(callers)] + [[] for _ in range(scenario.days)]
    world = World(scenario, policy, 1, watchers=(checkers,), keep_calls=True, callers=days.__getitem__)
    result = world.run()
    checkers.finish(world)
    by_number: dict[str, list[CallRecord]] = {}
    for record in result.calls:
        by_number.setdefault(record.call.split("~")[0], []).append(record)
    return by_number, result


def test_the_second_caller_waits_for_the_end_of_the_first_talk() -> None:
    calls, result = run(centre(), caller("x", 10), caller("y", 30))
    assert [r.wait_ms for r in (*calls["x"], *calls["y"])] == [0, 40_000]
    assert result.groups[0].busy_ms == 120_000
    assert result.tally().in_target == 1


def test_a_caller_without_patience_is_served_only_by_an_idle_agent() -> None:
    calls, _ = run(centre(), caller("x", 10, patience_s=0), caller("y", 30, patience_s=0))
    assert [calls["x"][0].outcome, calls["y"][0].outcome] == ["served", "abandoned"]


def test_ring_delay_is_wait_and_busy_time() -> None:
    calls, result = run(centre(QUEUE, dataclasses.replace(AGENT, ring=Fixed(4_000.0))), caller("x", 10))
    assert calls["x"][0].wait_ms == 4_000
    assert result.groups[0].busy_ms == 64_000


def test_who_hangs_up_while_it_rings_has_given_up_and_the_agent_is_free() -> None:
    ring = dataclasses.replace(AGENT, ring=Fixed(5_000.0))
    calls, _ = run(centre(QUEUE, ring), caller("x", 10, patience_s=3), caller("y", 11))
    assert (calls["x"][0].outcome, calls["x"][0].wait_ms) == ("abandoned", 3_000)
    assert calls["y"][0].wait_ms == 2_000 + 5_000


def test_a_phone_nobody_lifts_rings_until_the_timeout_and_the_agent_is_paused_for_a_while() -> None:
    sleepy = dataclasses.replace(AGENT, name="s", no_answer=1.0, back_after_ms=5 * MINUTE_MS)
    calls, result = run(centre(QUEUE, sleepy), caller("x", 10, patience_s=1000))
    assert calls["x"][0].outcome == "abandoned"
    assert result.groups[0].offers == result.groups[0].unanswered == 4  # at 0 s, 312 s, 624 s, 936 s
    assert result.groups[0].busy_ms == 4 * 12_000


def test_a_refused_call_goes_to_the_next_agent_at_once() -> None:
    groups = (Group("r", 1, refuse=1.0, ring=Fixed(2_000.0)), Group("w", 1))
    queue = dataclasses.replace(QUEUE, served_by=("r", "w"))
    calls, _ = run(centre(queue, *groups), caller("x", 10), policy="groups")
    assert (calls["x"][0].agent, calls["x"][0].wait_ms) == ("w1", 2_000)


def test_wrap_up_keeps_the_agent_and_its_limit_ends_it() -> None:
    """003-23: the card takes at most two minutes."""
    queue = dataclasses.replace(QUEUE, wrap_up=Fixed(1.0), wrap_up_limit_ms=120_000)
    calls, _ = run(centre(queue), caller("x", 0, wrap_s=30), caller("y", 1, wrap_s=500), caller("z", 2))
    assert [calls[name][0].wait_ms for name in "xyz"] == [0, 89_000, 88_000 + 60_000 + 120_000]


def test_who_gave_up_comes_again_with_the_same_patience_and_waits_added_up() -> None:
    queue = dataclasses.replace(
        QUEUE, retry=Retry(1.0, Fixed(100_000.0), add_waits=True), threshold_ms=30_000
    )
    first, again = caller("x", 0, talk_s=135), caller("y", 10, patience_s=20, retry_left=5)
    calls, result = run(centre(queue), first, again)
    assert [r.outcome for r in calls["y"]] == ["abandoned", "served"]
    assert [r.wait_ms for r in calls["y"]] == [20_000, 25_000]
    total = result.tally()
    assert (total.first_calls, total.retries, total.in_target) == (2, 1, 2)


def test_patience_and_talk_may_be_drawn_anew_at_a_retry() -> None:
    queue = dataclasses.replace(
        QUEUE, patience=Never(), retry=Retry(1.0, Fixed(10_000.0), same_patience=False, same_talk=False)
    )
    calls, _ = run(
        centre(queue), caller("x", 0, talk_s=100), caller("y", 1, patience_s=2, talk_s=7, retry_left=1)
    )
    assert calls["y"][1].outcome == "served"
    assert calls["y"][1].talk_ms == 60_000


def test_a_callback_keeps_the_place_and_the_caller_is_dialled() -> None:
    queue = dataclasses.replace(QUEUE, callback=Callback(20_000, 0.5, Fixed(8_000.0)))
    calls, result = run(
        centre(queue),
        caller("x", 0, talk_s=100),
        caller("y", 10, callback_u=0.4),
        caller("z", 15, callback_u=0.6),
        policy="groups",
    )
    assert [r.outcome for r in calls["y"]] == ["callbacks", "served"]
    assert [r.wait_ms for r in calls["y"]] == [20_000, 90_000]
    assert calls["y"][1].talk_ms == 68_000
    assert calls["z"][0].wait_ms == 85_000 + 68_000
    assert (result.tally().callbacks, result.tally().called_back) == (1, 1)


def test_a_transferred_caller_waits_in_the_next_queue_with_its_talk() -> None:
    first = dataclasses.replace(QUEUE, transfers=(Transfer("b", 0.3),), served_by=("g",))
    second = dataclasses.replace(QUEUE, name="b", talk=Fixed(7_000.0), served_by=("h",))
    scenario = Scenario("t", (first, second), (AGENT, Group("h", 1, ring=Fixed(3_000.0))))
    calls, result = run(scenario, caller("x", 0, transfer_u=0.2), caller("y", 100, transfer_u=0.4))
    assert [(r.queue, r.wait_ms, r.talk_ms) for r in calls["x"]] == [(0, 0, 60_000), (1, 3_000, 7_000)]
    assert len(calls["y"]) == 1
    assert result.tallies[1][0].transferred_in == 1


def test_the_longest_wait_ends_in_the_fallback() -> None:
    queue = dataclasses.replace(QUEUE, max_wait_ms=30_000)
    calls, result = run(centre(queue), caller("x", 0, talk_s=100), caller("y", 10))
    assert (calls["y"][0].outcome, calls["y"][0].wait_ms) == ("overflowed", 30_000)
    assert result.tally().overflowed == 1


def test_all_lines_taken_or_a_full_queue_blocks_the_call() -> None:
    calls, _ = run(centre(lines=2), caller("x", 0), caller("y", 1), caller("z", 2))
    assert calls["z"][0].outcome == "blocked"
    full = dataclasses.replace(QUEUE, max_waiting=1)
    calls, _ = run(centre(full), caller("x", 0), caller("y", 1), caller("z", 2))
    assert [calls[name][0].outcome for name in "xyz"] == ["served", "served", "blocked"]


def test_closing_disconnects_those_who_wait_but_not_those_who_talk() -> None:
    calls, result = run(centre(closing=Closing(50_000)), caller("x", 10), caller("y", 20), caller("z", 60))
    assert [calls[name][0].outcome for name in "xyz"] == ["served", "cleared", "served"]
    assert result.tally().cleared == 1


def test_who_calls_after_closing_time_is_turned_away_if_the_file_says_so() -> None:
    closing = Closing(50_000, turns_away=True)
    next_day = DAY_MS // SECOND_MS + 10
    calls, result = run(
        dataclasses.replace(centre(closing=closing), days=2),
        caller("x", 10),
        caller("z", 60),
        caller("n", next_day),
    )
    assert [calls[name][0].outcome for name in "xzn"] == ["served", "blocked", "served"]
    assert result.tally().blocked == 1


def test_a_shift_ends_after_the_call_in_hand() -> None:
    group = Group("g", 1, shifts=(Shift(0, 30 * SECOND_MS),))
    calls, result = run(centre(QUEUE, group), caller("x", 10), caller("y", 20, patience_s=500))
    assert [calls["x"][0].outcome, calls["y"][0].outcome] == ["served", "abandoned"]
    assert result.groups[0].staffed_ms == 70_000
    assert result.groups[0].planned_ms == 30_000


def test_of_those_above_the_plan_whoever_finishes_first_leaves() -> None:
    """ContactCenters' rule, and the reason its occupancy can be reproduced."""
    group = Group("g", 2, staff=Staff(0, 30 * SECOND_MS, (2, 1)))
    calls, _ = run(
        centre(QUEUE, group), caller("x", 0, talk_s=100), caller("y", 1, talk_s=50), caller("z", 40)
    )
    assert calls["z"][0].wait_ms == 60_000


def test_a_break_begins_after_the_call_in_hand_and_lasts_its_time() -> None:
    group = Group("g", 1, shifts=(Shift(0, HOUR_MS),), breaks=(Break(30_000, 100_000),))
    calls, result = run(centre(QUEUE, group), caller("x", 10, talk_s=60), caller("y", 20))
    assert calls["y"][0].outcome == "served"
    assert 130_000 <= calls["y"][0].entered_at + calls["y"][0].wait_ms <= 230_000
    assert result.groups[0].staffed_ms < HOUR_MS


def test_calls_of_the_warm_up_do_not_count_but_are_there() -> None:
    calls, result = run(centre(warm_up_ms=20_000), caller("x", 10), caller("y", 30))
    assert "x" not in calls
    assert calls["y"][0].wait_ms == 40_000
    assert result.tally().arrivals == 1
    assert result.groups[0].busy_ms == 110_000


def test_a_run_lasts_to_the_end_of_its_last_period() -> None:
    _, result = run(centre(periods=Periods(0, HOUR_MS, 2)), caller("x", 10))
    assert result.horizon_ms == 2 * HOUR_MS


def test_virtual_time_never_steps_back() -> None:
    world = World(centre(), "fifo", 1, callers=lambda _: [caller("x", 10), caller("y", 20)])
    world.at(15_000, lambda _: world.at(14_999, print, "never printed"), None)
    with pytest.raises(ValueError, match="virtual time cannot step back from 15000 to 14999"):
        world.run()


def test_an_engine_that_goes_in_circles_is_stopped() -> None:
    world = World(centre(), "fifo", 1, callers=lambda _: [caller("x", 10, talk_s=100), caller("y", 20)])
    world.matcher.next_check = lambda now: now  # type: ignore[method-assign]
    world.engine.next_deadline = lambda: world.now  # type: ignore[method-assign]
    with pytest.raises(StuckError, match="does not go away, seed 1"):
        world.run()


def test_the_same_seed_is_the_same_day_and_another_seed_another() -> None:
    """Principle 6: a seed is a bug report."""
    busy = dataclasses.replace(QUEUE, arrivals=Arrivals(0, HOUR_MS, (60.0,) * 3))
    digests = [World(centre(busy), "recommended", seed, digest=True).run().digest for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["fifo", "recommended"])
@pytest.mark.parametrize("name", ["back-office-peak", "bars-directions"])
def test_every_figure_is_the_same_whether_decisions_are_explained_or_not(name: str, policy: str) -> None:
    """Nobody reads the cards of a plain run, so nothing is explained there; a digest, or a watcher, has it all."""
    scenario, _ = load(SCENARIOS / f"{name}.yaml")
    plain = World(scenario, policy, 5, keep_calls=True).run()
    explained = World(scenario, policy, 5, keep_calls=True, digest=True).run()
    assert explained.digest
    explained.digest = ""
    assert explained == plain


def test_only_who_looks_is_told_why() -> None:
    cards: list[CallCard] = []

    def watch(world: World, fact: Fact, wishes: tuple[Effect, ...]) -> None:
        cards.extend(wish.card for wish in wishes if isinstance(wish, WriteCallCard))

    scenario = single_pool(per_hour=60, agents=2, talk_s=60, patience_s=60, hours=1)
    World(scenario, "recommended", 1, watchers=(watch,)).run()
    assert all(card.explanation for card in cards if card.agent)
    told, untold = (
        World(scenario, "recommended", 1, keep_calls=True, digest=digest) for digest in (True, False)
    )
    last = CallId(told.run().calls[-1].call)
    assert untold.run().calls[-1].call == last
    assert told.engine.explain(last, told.now)
    assert not untold.engine.explain(last, untold.now)


def test_phones_gone_for_a_while_are_not_rung_and_come_back() -> None:
    """The home group's line is dead from 0:10 to 0:30; the office takes what it can meanwhile."""
    home, office = Group("home", 1, line="home"), Group("office", 1)
    fault = Fault(PHONE_GONE, at_s=600, target="home", for_s=1200)
    scenario = centre(QUEUE, home, office, faults=(fault,))
    comes = [caller("first", 700), caller("second", 705), caller("late", 1900), caller("later", 1901)]
    checkers = Checkers()
    world = World(scenario, "fifo", watchers=(checkers,), keep_calls=True, callers=lambda day: comes)
    calls = {record.call: record for record in world.run().calls}
    checkers.finish(world)
    assert (calls["first"].agent, calls["second"].agent) == ("office1", "office1")
    assert calls["second"].wait_ms == 55_000
    assert {calls["late"].agent, calls["later"].agent} == {"home1", "office1"}


def test_a_phone_that_rings_when_its_line_dies_gives_the_caller_back_and_a_talk_goes_on() -> None:
    slow, quick = Group("slow", 2, ring=Fixed(8_000.0)), Group("quick", 1, shifts=(Shift(MINUTE_MS, DAY_MS),))
    fault = Fault(PHONE_GONE, at_s=9, target="slow", for_s=3600)
    scenario = centre(QUEUE, slow, quick, faults=(fault,))
    comes = [caller("talks", 0, talk_s=100), caller("rung", 5)]
    checkers = Checkers()
    world = World(scenario, "fifo", watchers=(checkers,), keep_calls=True, callers=lambda day: comes)
    calls = {record.call: record for record in world.run().calls}
    checkers.finish(world)
    assert (calls["talks"].agent, calls["talks"].talk_ms) == ("slow1", 100_000)
    assert (calls["rung"].agent, calls["rung"].wait_ms) == ("quick1", 55_000)


def test_one_phone_under_two_faults_returns_when_both_are_over() -> None:
    faults = (Fault(PHONE_GONE, 10, "g1", 100), Fault(PHONE_GONE, 50, "", 100))
    world = World(
        centre(QUEUE, AGENT, faults=faults), "fifo", keep_calls=True, callers=lambda day: [caller("c", 20)]
    )
    (call,) = world.run().calls
    assert call.wait_ms == 130_000
