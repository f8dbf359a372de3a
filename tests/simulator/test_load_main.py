"""`bin/load`: bad input is refused in words; a tiny day on the stand-in; one on real Asterisk with app_queue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator.load.__main__ import main

TINY = """
name: A tiny centre
queues:
  - name: shop
    promise: {share: 0.80, threshold_s: 20}
    needs: {general: 1}
    arrivals: {starts: "09:00", per_hour: [60, 60]}
    patience: {exponential: {mean_s: 120}}
    talk: {exponential: {mean_s: 90}}
    wrap_up: {uniform: {low_s: 10, high_s: 30}}
    retry: {probability: 0.5, after: {exponential: {mean_s: 100}}, patience: new, talk: same}
agents:
  - name: desk
    count: 2
    skills: {general: 2}
    ring: {uniform: {low_s: 1, high_s: 4}}
    refuse: 0.02
  - name: late
    count: 1
    skills: {general: 1}
    shifts: [{starts: "09:05", ends: "18:00"}]
    ring: {fixed_s: 2}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "no scenario"),
        (["bank", "--compare", "app_queue"], "needs --engine real"),
        (["bank", "--at", "25h"], "time of day"),
        (["bank", "--day", "99"], "days 1 to 7"),
        (["bank", "--calls", "99999"], "fewer than"),
        (["bank", "--seed", "-4"], "zero or more"),
        (["bank", "--seeds", "61"], "different seeds"),
        (["secretarial-pool", "--seeds", "60"], "too many for one machine"),
    ],
)
def test_what_cannot_be_run_is_refused_in_words(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
):
    assert main(words) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["bank", "--minutes", "0"], ["bank", "--time-scale", "x"], ["bank", "--seeds", "0"]]
)
def test_nonsense_numbers_are_refused_by_the_command_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "not '" in capsys.readouterr().err


def test_the_virtual_engine_answers_at_once(tiny: str, tmp_path: Path):
    out = tmp_path / "out.json"
    assert main([tiny, "--engine", "virtual", "--calls", "30", "--seeds", "3", "--json", str(out)]) == 0
    data = json.loads(out.read_text(encoding="utf-8"))
    assert data["policies"]["virtual"]["all"]["arrivals"]["value"] > 20
    assert data["promises"]["shop"]["formula"] == "sl_of_offered"


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_thirty_calls_on_the_stand_in_meet_the_fate_of_virtual_time(tiny: str, tmp_path: Path):
    """The same seed, the same callers: the real daemon loses nobody and does what the core did in virtual time."""
    words = [tiny, "--calls", "15", "--at", "09:00", "--time-scale", "60", "--seeds", "2", "--json"]
    found = {}
    for engine in ("virtual", "stand-in"):
        out = tmp_path / f"{engine}.json"
        assert main([*words, str(out), "--engine", engine, "--report", str(tmp_path / "report.md")]) == 0
        found[engine] = json.loads(out.read_text(encoding="utf-8"))
    facts = found["stand-in"]["engines"][0]
    assert facts["calls"] == facts["cards"] >= 20
    assert (facts["lost"], facts["double_booked"], facts["distorted"], facts["problems"]) == (0, 0, 0, [])
    virtual, ours = (found[name]["policies"][name]["all"] for name in ("virtual", "stand-in"))
    assert ours["first_calls"]["value"] == virtual["first_calls"]["value"]
    # 60 times faster a millisecond counts 60; decisions may differ for a call or two, not for the day
    assert ours["served"]["value"] == pytest.approx(virtual["served"]["value"], abs=2)
    assert ours["occupancy"]["value"] == pytest.approx(virtual["occupancy"]["value"], abs=0.1)
    assert ours["asa_s"]["value"] == pytest.approx(virtual["asa_s"]["value"], abs=12)
    assert "A tiny centre" in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.e2e
@pytest.mark.timeout(110)
def test_the_same_day_on_real_asterisk_and_through_app_queue_on_the_same_asterisk(tiny: str, tmp_path: Path):
    """003-22: real SIP callers and phones; the comparator meets the same callers in the same run."""
    out = tmp_path / "real.json"
    words = [tiny, "--engine", "real", "--compare", "app_queue", "--calls", "8", "--at", "09:00"]
    assert main([*words, "--time-scale", "60", "--seeds", "2", "--json", str(out)]) == 0
    data = json.loads(out.read_text(encoding="utf-8"))
    ours, theirs = data["engines"]
    assert (ours["engine"], theirs["engine"]) == ("real", "app_queue")
    assert ours["version"] == theirs["version"]
    assert ours["version"].startswith("Asterisk 22")
    assert ours["calls"] == ours["cards"] >= 8
    assert (ours["lost"], theirs["lost"], ours["double_booked"]) == (0, 0, 0)
    counts = {name: data["policies"][name]["all"]["first_calls"]["value"] for name in ("real", "app_queue")}
    assert counts["real"] == counts["app_queue"] > 3
    assert {"asterisk", "daemon"} <= set(ours["cpu_share_of_a_core"])
