"""Routing against its bounds and against the rules of others, on virtual days; small, paired, with margins."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from acd.core.ids import AgentId, CallId, QueueId, SkillId, SubscriberId
from acd.core.matcher import Waiting
from acd.core.policy import AgentPolicy, Policy, Promise, QueuePolicy, RoutingWeights, SkillNeed
from acd.core.weighted import WeightedMatcher
from acd.planning.bound import TwoClasses
from acd.planning.erlang import ErlangA
from simulator.bench import __main__ as bench
from simulator.bench import bank, decision, ewt, fit, routing, routing_bound
from simulator.bench.clairvoyant import on_time_bound
from simulator.bench.floor import Calls, Centre, Floor
from simulator.bench.routing_live import LiveSize
from simulator.bench.scenario import centre, pooled, with_policy

SMALL = routing.Size((0.7,), 3, 1, 10_000, 1, 1_000, 2)


def _single_pool() -> Centre:
    queue = QueuePolicy(QueueId("q"), SubscriberId("q"), Promise(0.8, 20_000), (SkillNeed(SkillId("q")),))
    agents = tuple(AgentPolicy(AgentId(f"a{i:02d}"), ((SkillId("q"), 3),)) for i in range(12))
    return Centre(Policy((queue,), agents), (1.0,), 4.2 / 60, talk_s=120, talk_cv=1.0, patience_s=60)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["fifo", "recommended"])
def test_the_bare_floor_reproduces_a_work_conserving_erlang_a_pool(rule):
    """12 agents, 4.2 calls/min, AHT 2 min, patience 1 min: SL20 .94527 (routing design 2.1).

    Talk is lognormal with cv 1 here, not exponential, so the tolerance is one point.
    """
    base = with_policy(_single_pool(), rule)
    got = [routing.measure(base, Floor(base).run(base.draw(seed, 10_000))) for seed in range(4)]
    exact = ErlangA(12, 4.2 / 60, 120, 60)
    assert sum(m["on_time"] for m in got) / 4 == pytest.approx(exact.sl_of_offered(20), abs=0.01)
    assert sum(m["lost"] for m in got) / 4 == pytest.approx(exact.abandon_share, abs=0.005)


@pytest.mark.slow
def test_recommended_breaks_promises_far_less_than_level_first():
    """The bars (.25 and 1.2) are measured by `bin/bench routing`; this is a short run of three matrices.

    Single matrices of the long run lie between .06 and .35 (sd .06), shorter runs add their own noise: three of them
    gave .29 and 1.05 on 2026-11-26. .40 is two standard errors of such a mean above it, and no rule of the comparison
    comes near (FIFO is 1.5 and more, never holding back .6). Lost calls have less noise: 1.2 is the bar itself.
    """
    report = routing.run(SMALL, others=False)
    against = report["loads"]["0.7"]["against_level_first"]
    assert against["shortfall"]["mean"] <= 0.40, against
    assert against["lost"]["mean"] <= 1.2, against
    assert report["met"] is (report["loads"]["0.7"]["checks"]["shortfall"]["verdict"] == "met")
    assert "shortfall / level_first" in routing.text(report)


@pytest.mark.slow
def test_no_policy_beats_the_pooled_deadline_bound():
    base = centre(2, 0.8)
    outer = pooled(base)
    drawn = base.draw(9, 5_000)
    best = routing.measure(outer, Floor(outer).run(drawn))
    for name in ("recommended", "level_first", "fifo"):
        floor = with_policy(base, name)
        got = routing.measure(floor, Floor(floor).run(drawn))
        assert got["shortfall"] >= best["shortfall"]
        assert got["on_time"] <= best["on_time"]


@pytest.mark.slow
def test_nobody_beats_the_clairvoyant():
    base = centre(1, 1.0)
    drawn = base.draw(3, 300)
    bound = on_time_bound(base, drawn)
    assert bound <= 1.0
    for name in ("recommended", "level_first"):
        floor = with_policy(base, name)
        assert routing.measure(floor, Floor(floor).run(drawn))["on_time"] <= bound + 1e-9


class _Watched(WeightedMatcher):
    """Counts callers passed over who waited past ten minutes with the same promise and a fitting agent."""

    passed_over = 0

    def assign(self, now):
        made = super().assign(now)
        for assignment in made:
            queue, entered = self.seen[assignment.call]
            group = self._skills.group_of[assignment.agent]
            for line, place in self._where.values():
                other = line.calls[place]
                same = line.policy.promise == self.promise[queue]
                older = now - other.entered_at > 600_000 and other.entered_at < entered
                self.passed_over += same and older and group in line.levels[0]
        return made


@pytest.mark.parametrize("seed", range(3))
def test_nobody_waits_past_ten_minutes_while_others_of_equal_promise_are_served(seed):
    """Fairness as a property: a load of 1.6 and callers of endless patience, promises of every kind."""
    base = replace(centre(seed, 1.6), patience_s=100_000.0)
    floor = Floor(base)
    watched = _Watched(base.policy)
    watched.seen = {}
    watched.promise = {q.id: q.promise for q in base.policy.queues}
    add = watched.add_call

    def remember(call: Waiting) -> None:
        watched.seen[call.call] = (call.queue, call.entered_at)
        add(call)

    watched.add_call = remember
    floor.matcher = watched
    drawn = base.draw(seed, 900)
    out = floor.run(drawn, keep_waits=True)
    assert out.max_wait_ms > 600_000, "the property was not put to the test"
    assert watched.passed_over == 0


def test_two_equal_subscribers_are_served_alike():
    queues = tuple(
        QueuePolicy(QueueId(n), SubscriberId(n), Promise(0.8, 20_000), (SkillNeed(SkillId("k")),))
        for n in "ab"
    )
    agents = tuple(AgentPolicy(AgentId(f"a{i}"), ((SkillId("k"), 3),)) for i in range(6))
    base = Centre(Policy(queues, agents), (0.5, 0.5), 6 * 0.9 / 150)
    out = Floor(base).run(base.draw(1, 6_000))
    a, b = (hit / offered for hit, offered in zip(out.on_time, out.offered, strict=True))
    assert a == pytest.approx(b, abs=0.03)


@pytest.mark.slow
def test_the_production_score_is_within_five_percent_of_the_exact_bound():
    case = TwoClasses.at_load(0.75, (40, 60), 5, talk_s=60, patience_s=60, promises=((0.93, 15), (0.80, 20)))
    report = routing_bound.run({"small": replace(case, phases=40)}, live=LiveSize(2, 3_000))
    live = report["cases"]["small"]["live"]
    assert live["recommended"]["ratio"] < live["fifo"]["ratio"]
    assert report["live_met"] is live["within_bar"] is (live["recommended"]["ratio"] <= routing_bound.BAR)
    assert report["met"], report
    assert report["cases"]["small"]["recommended"]["ratio"] >= 1.0 - 1e-6
    assert report["cases"]["small"]["rules"]["fifo"]["ratio"] > 1.05


def test_a_bar_is_met_only_by_the_whole_interval():
    cases = {
        (0.2, 0.04): "met",
        (0.24, 0.05): "met in the mean",
        (0.26, 0.01): "missed",
    }
    for (mean, half), verdict in cases.items():
        found = routing.judge({"mean": mean, "half": half}, 0.25)
        assert (found["verdict"], found["met"]) == (verdict, verdict == "met")
    least = routing.judge({"mean": 0.93, "half": 0.02}, 0.92, at_most=False)
    assert least["verdict"] == "met in the mean"


def test_promises_on_the_command_line_are_checked():
    assert routing_bound.parse_promises("93/15,80/20") == ((0.93, 15.0), (0.80, 20.0))
    for wrong in ("93/15", "93,80", "193/15,80/20", "93/0,80/20", "a/b,c/d"):
        with pytest.raises(ValueError, match=r"."):
            routing_bound.parse_promises(wrong)
    with pytest.raises(SystemExit):
        routing_bound.main(["--promises", "93/15,80/20", "--agents", "0"])


def test_intervals_are_wide_for_few_matrices_and_paired_ratios_ignore_what_is_common():
    assert routing.interval([1.0, 1.0, 1.0])["half"] == 0.0
    assert routing.interval([1.0])["half"] == float("inf")
    common = [1.0, 5.0, 9.0]
    assert routing.ratio([2 * x for x in common], common) == {"mean": 2.0, "half": 0.0}
    assert routing.ratio([0.0, 0.0], [0.0, 0.0])["mean"] == 0.0


@pytest.mark.slow
def test_a_decision_costs_less_than_the_events_of_its_call_and_grows_less_than_linearly(tmp_path):
    target = tmp_path / "decision.json"
    code = bench.main(["decision", "--quick", "--json", str(target)])
    report = json.loads(target.read_text(encoding="utf-8"))
    assert code == 0, report
    assert report["bytes_per_waiting_call"] < 2_000
    parse = report["parse_of_one_call"]
    assert report["bar_us"] == min(parse["tight_us"], parse["ours_us"], parse["ours_filtered_us"]) > 0
    explain = report["explain"]
    assert 0 < explain["bytes_kept"] < 2_000
    for regime in ("ready", "busy"):
        assert explain[regime]["added_us"] < report["bar_us"] / 4, (
            "always on must stay cheap beside the parser"
        )


@pytest.mark.slow
def test_a_whole_day_simulates_in_less_than_half_a_second_of_cpu():
    """5000 calls, 35 agents, 6 skills; allowing for a busy machine."""
    base = centre(0, 0.7, agents=35, promises=((0.8, 20),) * 6)
    drawn = base.draw(1, 5_000)
    out = Floor(base).run(drawn)
    assert out.decisions + sum(out.lost) == 5_000
    assert decision.day_seconds() < 1.5


@pytest.mark.slow
def test_the_default_expected_wait_is_no_worse_than_any_other_method():
    report = ewt.run(quick=True)
    default = report["rmse_s"]["calibrated"]
    assert default <= 1.03 * min(report["rmse_s"].values())
    assert abs(report["loads"]["0.9"]["calibrated"]["bias_s"]) < 3.0


@pytest.mark.slow
def test_auto_never_returns_weights_worse_than_the_defaults_on_its_own_calls():
    base = centre(4, 0.7)
    fitted = fit.fit(base, trials=4, calls=1_500)
    assert fitted.objective <= fitted.objective_of_defaults
    assert isinstance(fitted.weights, RoutingWeights)


def test_calls_drawn_twice_from_one_seed_are_the_same():
    base = centre(0, 0.5)
    first, second = base.draw(4, 100), base.draw(4, 100)
    assert isinstance(first, Calls)
    assert first == second
    assert first != base.draw(5, 100)
    assert CallId("0") == "0"


def test_an_unknown_benchmark_is_named_with_the_known_ones(capsys):
    assert bench.main(["nothing"]) == 2
    assert "routing-bound" in capsys.readouterr().err


@pytest.mark.slow
def test_the_bank_needs_about_what_erlang_a_says():
    """004-17: 20 calls an hour, 93 % in 15 s; one agent more or less than the formula at most."""
    found = bank.hour(20 / 3600, days=5, calls=400)
    assert abs(found["simulated"] - found["erlang_a"]) <= 1
    assert found["share"] - found["half"] >= 0.93
