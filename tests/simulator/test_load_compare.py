"""Engines side by side: what counts as agreement, and that one seed proves nothing."""

from __future__ import annotations

import dataclasses

import pytest

from simulator.experiment import Experiment
from simulator.load.compare import (
    agreement_blocks,
    agreement_json,
    agreements,
    experiment_of,
    experiment_of_the_day,
    load_blocks,
    load_json,
)
from simulator.load.compress import Stretch, compress
from simulator.load.run import EngineRun, run_virtual
from simulator.report import Heading, Table, Text, to_markdown
from simulator.scenario import Scenario, single_pool

PART = Stretch(0, 0, 3_600_000, 10.0)


def pool() -> Scenario:
    return single_pool(per_hour=100, agents=5, talk_s=150, patience_s=200, hours=2)


def engine_run(name: str, seeds: tuple[int, ...], agents: int = 5) -> EngineRun:
    scenario = single_pool(per_hour=100, agents=agents, talk_s=150, patience_s=200, hours=2)
    short, _ = compress(scenario, PART)
    made = run_virtual(short, seeds, "recommended", PART.scale, lambda _over, _all: None)
    return dataclasses.replace(made, engine=name)


def compared(other_agents: int, seeds: tuple[int, ...] = (1, 2, 3, 4)) -> Experiment:
    found = [engine_run("virtual", seeds), engine_run("real", seeds, other_agents)]
    return experiment_of(pool(), PART, found, seeds)


def test_equal_engines_agree_on_every_figure():
    among = agreements(compared(5))
    assert all(one.agrees for one in among)
    assert {one.difference.value for one in among} == {0.0}
    heading = agreement_blocks(among)[0]
    assert isinstance(heading, Heading)
    assert "engines agree" in heading.text


def test_an_engine_with_half_the_agents_does_not_agree():
    """The comparison can fail: it is no rubber stamp."""
    among = agreements(compared(2))
    assert not all(one.agrees for one in among)
    assert next(one for one in among if one.metric == "occupancy").difference.value > 0.1
    heading = agreement_blocks(among)[0]
    assert isinstance(heading, Heading)
    assert "do not agree" in heading.text


def test_one_seed_proves_nothing():
    among = agreements(compared(5, seeds=(1,)))
    assert not any(one.agrees for one in among)
    rows = agreement_blocks(among)[1]
    assert isinstance(rows, Table)
    assert {row[-1] for row in rows.rows} == {"no interval"}
    assert agreement_json(among)[0]["allowed"] is None


def test_the_report_has_the_virtual_ones_shape_and_speaks_of_engines():
    seeds = (1, 2)
    found = [engine_run("virtual", seeds), engine_run("real", seeds)]
    found[1].lost, found[1].problems, found[1].cards = 1, ["+79000000001: never ended"], 99
    experiment = experiment_of(pool(), PART, found, seeds)
    blocks = load_blocks(experiment, found, [], ["transfers are left out"], PART, "bin/load pool")
    heads = [name for block in blocks if isinstance(block, Table) for name in block.head]
    assert "policy" not in heads
    assert "engine" in heads
    text = to_markdown(blocks)
    assert "transfers are left out" in text
    assert "never ended" in text
    data = load_json(experiment, found, [], [], PART, "bin/load pool")
    assert data["policies"]["real"]["queues"]["calls"]["sl_of_offered"]["runs"] == 2
    assert data["formulas"]["sl_of_offered"] == "answered within the threshold / offered"
    assert [one["lost"] for one in data["engines"]] == [0, 1]
    assert data["stretch"]["time_scale"] == 10.0


def test_one_seed_is_said_aloud():
    found = [engine_run("virtual", (1,))]
    blocks = load_blocks(experiment_of(pool(), PART, found, (1,)), found, [], [], PART, "x")
    last = blocks[-1]
    assert isinstance(last, Text)
    assert "no interval" in last.text


def test_plots_lie_at_the_hours_of_the_day_they_come_from():
    part = Stretch(0, 3_600_000, 3_600_000, 10.0)
    short, _ = compress(pool(), part)
    found = [run_virtual(short, (1, 2), "recommended", 10.0, lambda _over, _all: None)]
    day = experiment_of_the_day(pool(), part, experiment_of(pool(), part, found, (1, 2)))
    starts = [call.entered_at for run in day.runs["virtual"] for call in run.calls]
    assert min(starts) >= 3_600_000
    assert max(starts) == pytest.approx(7_200_000, rel=0.1)
