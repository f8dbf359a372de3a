"""Fitting weights: judged on unseen days, the defaults in doubt, and the file the configuration reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from acd.config.loading import load as load_config
from acd.core.policy import RoutingWeights
from simulator.fit import Effort, Fit, fit, judge, main, objective, summary, to_yaml
from simulator.intervals import Estimate
from simulator.scenario_file import load
from simulator.world import World
from tests.config_help import write

TEXT = """\
name: tiny
policy: recommended
queues:
  - name: strict
    promise: {share: 0.93, threshold_s: 15}
    needs: {law: 1}
    arrivals: {starts: "08:00", per_hour: [40, 40]}
    talk: {exponential: {mean_s: 150}}
    patience: {exponential: {mean_s: 120}}
  - name: easy
    arrivals: {starts: "08:00", per_hour: [40, 40]}
    talk: {exponential: {mean_s: 150}}
    patience: {exponential: {mean_s: 120}}
agents:
  - {name: lawyer, count: 3, skills: {law: 3}}
  - {name: clerk, count: 1}
"""
QUICK = Effort(trials=4, days=1, blocks=4, block_days=1)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_the_objective_is_shortfall_and_a_third_of_the_lost(tiny: Path):
    scenario, _ = load(tiny)
    run = World(scenario, "recommended", 1).run()
    offered = [sum(t.offered for t in row) for row in run.tallies]
    missing = sum(
        max(0.0, queue.share * n - sum(t.in_target for t in row))
        for queue, row, n in zip(scenario.queues, run.tallies, offered, strict=True)
    )
    lost = sum(t.abandoned for row in run.tallies for t in row)
    assert objective(scenario, [run]) == pytest.approx((missing + lost / 3) / sum(offered))


@pytest.mark.slow
def test_bad_weights_lose_against_the_defaults_and_the_defaults_stay(tiny: Path):
    scenario, _ = load(tiny)
    good, bad = RoutingWeights(), replace(RoutingWeights(), hold_back=1.0, opportunity=50.0)
    kept = judge(scenario, good, bad, QUICK)
    assert (kept.better, kept.weights) == (False, good)
    assert kept.found > kept.defaults
    assert summary(kept).startswith("the defaults stay: no certain gain on unseen days")


def test_a_certain_gain_is_taken(tiny: Path):
    scenario, _ = load(tiny)
    bad = replace(RoutingWeights(), hold_back=1.0, opportunity=50.0)
    won = judge(scenario, bad, RoutingWeights(), QUICK)
    assert (won.better, won.weights) == (True, RoutingWeights())
    assert won.gain.value + won.gain.half_width < 0
    assert "better on unseen days" in summary(won)


@pytest.mark.slow
def test_equal_weights_are_no_gain(tiny: Path):
    scenario, _ = load(tiny)
    assert not judge(scenario, RoutingWeights(), RoutingWeights(), QUICK).better


@pytest.mark.slow
def test_the_same_seed_finds_the_same(tiny: Path):
    scenario, _ = load(tiny)
    told: list[str] = []
    assert fit(scenario, QUICK, told.append) == fit(scenario, QUICK)


def test_the_written_file_is_what_the_configuration_reads(tiny: Path, tmp_path: Path):
    scenario, _ = load(tiny)
    weights = replace(RoutingWeights(), level=1.25)
    found = Fit(weights, True, 0.2, 0.1, Estimate(-0.1, 0.01, 0.95, 10), 40)
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "weights.yaml").write_text(to_yaml(found, scenario, tiny.read_bytes()), encoding="utf-8")
    config = load_config(write(folder, acd="routing: {weights: {auto: true}}\n"))
    assert config.policy.weights == replace(weights, auto=True)
    assert not [w for w in config.warnings if "weights" in str(w)]


@pytest.mark.slow
def test_the_command_writes_the_file_and_says_what_came_of_it(tiny: Path, tmp_path: Path, capsys):
    out = tmp_path / "weights.yaml"
    words = [
        str(tiny),
        "--out",
        str(out),
        "--trials",
        "2",
        "--days",
        "1",
        "--blocks",
        "2",
        "--block-days",
        "1",
    ]
    assert main(words) == 0
    assert f"written to {out}" in capsys.readouterr().out
    assert out.read_text(encoding="utf-8").startswith("# Written by `bin/simulate fit`. Do not edit")
    with pytest.raises(SystemExit):
        main([str(tiny), "--blocks", "1"])
