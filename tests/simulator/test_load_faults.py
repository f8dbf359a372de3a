"""A scenario's faults on real processes: what breaks, when, and that nobody is lost by it (004-01)."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.load.breaking import effects
from simulator.load.compress import Stretch, compress
from simulator.results import CallRecord
from simulator.scenario_file import load
from tests.simulator.load_runs import LIVE_ENGINES, run

BROKEN = """
name: A line whose router breaks
queues:
  - name: shop
    needs: {general: 1}
    arrivals: {starts: "09:00", per_hour: [150]}
    patience: {exponential: {mean_s: 900}}
    talk: {exponential: {mean_s: 60}}
    wrap_up: {fixed_s: 10}
agents:
  - {name: desk, count: 3, skills: {general: 2}, ring: {fixed_s: 4}}
  - {name: home, count: 2, skills: {general: 1}, ring: {fixed_s: 4}}
faults:
  - {kind: kill_router, at_s: 32440, for_s: 10}
  - {kind: freeze_router, at_s: 32520, for_s: 20}
  - {kind: cut_link, at_s: 32600, for_s: 10}
  - {kind: phone_gone, at_s: 32460, for_s: 120, target: home}
  - {kind: slow_disk, at_s: 32460, for_s: 60}
"""
WORDS = ("--at", "09:00", "--minutes", "0.3", "--time-scale", "20", "--seed", "5", "--seeds", "2")


@LIVE_ENGINES
@pytest.mark.timeout(150)
def test_the_router_is_killed_frozen_and_cut_off_and_nobody_is_lost(
    engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data = run(tmp_path, BROKEN, engine, *WORDS)
    facts = data["engines"][0]
    assert facts["problems"] == []
    assert facts["calls"] == facts["cards"] >= 15
    assert [text.split(":")[0] for text in facts["faults"]] == ["kill_router", "freeze_router", "cut_link"]
    assert any(note.startswith("slow_disk has no effect here") for note in data["notes"])
    told = " ".join(capsys.readouterr().out.split())
    assert "how those fared who waited while one lasted" in told


def test_faults_are_those_of_the_stretch_in_its_own_time(tmp_path: Path):
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN, encoding="utf-8")
    short, notes = compress(load(path)[0], Stretch(0, 9 * 3_600_000, 180_000, 20.0))
    kept = [(fault.kind, fault.at_s, fault.for_s) for fault in short.faults]
    assert kept == [("kill_router", 2.0, 0.5), ("freeze_router", 6.0, 1.0), ("phone_gone", 3.0, 6.0)]
    assert [note for note in notes if "outside this stretch" in note and note.startswith("cut_link")]
    assert sum("in virtual time nothing happens" in note for note in notes) == 2


def test_who_waited_while_it_lasted_is_told_from_the_others(tmp_path: Path):
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN, encoding="utf-8")
    fault = compress(load(path)[0], Stretch(0, 9 * 3_600_000, 180_000))[0].faults[0]
    assert (fault.at_s, fault.for_s) == (40.0, 10.0)
    waits = [(0, 39_999), (0, 40_000), (45_000, 1), (49_999, 0), (50_000, 5)]
    calls = [
        CallRecord(str(place), 0, 0, entered, wait, "served", "a", 0, 0, True, 0)  # type: ignore[arg-type]
        for place, (entered, wait) in enumerate(waits)
    ]
    met, other = effects(fault, calls)
    assert [call.call for call in met] == ["1", "2", "3"]
    assert [call.call for call in other] == ["0", "4"]
