"""Reports: no bare figure, everything escaped, the same content in every form."""

import json
from pathlib import Path

import pytest

from acd.config.strict_yaml import Problem
from simulator.experiment import Experiment, run_experiment
from simulator.intervals import Estimate
from simulator.plots import draw_all
from simulator.published import reproduce
from simulator.report import (
    Heading,
    Picture,
    Table,
    blocks_of,
    percent,
    published_blocks,
    to_html,
    to_json,
    to_markdown,
    verdict,
    write_figure,
)
from simulator.scenario import Expectation, single_pool

WARNING = Problem("s.yaml", 3, 5, "queues[0]", "the line <grows>")


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    pool = single_pool(per_hour=120, agents=5, talk_s=120, patience_s=60, hours=2)
    return run_experiment(pool, ["fifo", "random"], [1, 2, 3], keep_calls=True)


def test_every_figure_of_the_report_has_its_interval(experiment: Experiment) -> None:
    blocks = blocks_of(experiment, [WARNING], [], "bin/simulate pool")
    tables = [block for block in blocks if isinstance(block, Table)]
    assert len(tables) == 4
    for table in tables:
        for row in table.rows:
            for head, cell in zip(table.head, row, strict=True):
                if head in {"queue", "policy", "group", "promise", "verdict", "agents"} or head.startswith(
                    "minus"
                ):
                    continue
                assert "±" in cell, (head, cell)


def test_markdown_and_html_say_the_same_and_escape(experiment: Experiment) -> None:
    blocks = blocks_of(experiment, [WARNING], [], "bin/simulate <pool>")
    markdown, page = to_markdown(blocks), to_html(blocks)
    assert "the line <grows>" in markdown
    assert "the line &lt;grows&gt;" in page
    assert "<grows>" not in page
    assert "bin/simulate &lt;pool&gt;" in page
    for block in blocks:
        if isinstance(block, Table):
            for cell in block.rows[0]:
                assert cell in markdown
                assert cell in page


def test_json_gives_value_half_width_and_formula(experiment: Experiment) -> None:
    data = json.loads(json.dumps(to_json(experiment, [WARNING], "cmd"), allow_nan=False))
    figure = data["policies"]["fifo"]["queues"]["calls"]["sl_of_offered"]
    assert 0 < figure["value"] < 1
    assert figure["half_width"] > 0
    assert figure["runs"] == 3
    assert set(data["differences"]) == {"random"}
    assert data["formulas"]["sl_of_offered"] == "answered within the threshold / offered"
    assert data["policies"]["fifo"]["groups"]["agent"]["occupancy"]["value"] > 0


@pytest.mark.slow
def test_plots_are_drawn_and_stand_inside_the_page(experiment: Experiment, tmp_path: Path) -> None:
    pictures = draw_all(experiment, tmp_path / "plots")
    assert [p.path.name for p in pictures] == [
        "arrivals.png", "waits.png", "service-level.png", "occupancy.png", "staffing.png",
    ]  # fmt: skip
    assert all(p.path.read_bytes().startswith(b"\x89PNG") for p in pictures)
    page = to_html([Heading("x"), *pictures])
    assert page.count("data:image/png;base64,") == 5
    assert "![Arrivals" in to_markdown([Picture(pictures[0].path, "Arrivals")])


def test_a_promise_is_kept_broken_or_open() -> None:
    assert verdict(Estimate(0.95, 0.01), 0.93) == "kept"
    assert verdict(Estimate(0.90, 0.01), 0.93) == "broken"
    assert verdict(Estimate(0.93, 0.01), 0.93) == "open"


def test_figures_are_written_in_their_unit() -> None:
    one = Estimate(0.5, 0.01)
    assert write_figure("asa_s", one) == "0.500 ±0.010 s"
    assert write_figure("sl_of_offered", one) == percent(one) == "50.0 ±1.0 %"
    assert write_figure("served", Estimate(50.0, 2.0)) == "50.0 ±2.0"


def test_a_published_comparison_shows_both_values_and_z() -> None:
    import dataclasses

    pool = single_pool(per_hour=120, agents=5, talk_s=120, patience_s=60, hours=1)
    wanted = (Expectation("served", 100.0, 5.0), Expectation("occupancy", 0.7, group="agent", period=0))
    pool = dataclasses.replace(pool, expect=wanted, source="a book")
    table = published_blocks(pool, reproduce(pool, 2), 2)[-1]
    assert isinstance(table, Table)
    assert table.rows[0][:3] == ("served", "all", "100 ±5")
    assert table.rows[1][1:3] == ("agent period 0", "0.7 (exact)")
