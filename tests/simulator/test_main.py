"""The command line: what a tester types, and what happens when it is wrong."""

import json
from pathlib import Path

import pytest

from simulator.__main__ import main

SMALL = """\
name: small
queues:
  - name: line
    arrivals: {starts: "08:00", per_hour: [20]}
    talk: {exponential: {mean_s: 120}}
    patience: {exponential: {mean_s: 60}}
agents:
  - {name: agent, count: 2}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_scenario_is_run_checked_and_written(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page, note = tmp_path / "o.json", tmp_path / "r.html", tmp_path / "r.md"
    words = [
        str(small),
        "--policies",
        "recommended,fifo",
        "--seeds",
        "3",
        "--check",
        "--plot",
        str(tmp_path / "p"),
    ]
    assert main([*words, "--json", str(out), "--report", str(page)]) == 0
    shown = capsys.readouterr().out
    assert "±" in shown
    assert "recommended" in shown
    assert json.loads(out.read_text())["seeds"] == [1, 2, 3]
    assert "data:image/png" in page.read_text()
    assert main([str(small), "--seeds", "2", "--report", str(note)]) == 0
    assert note.read_text().startswith("# small")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nowhere"], "no scenario 'nowhere'; ready ones: back-office-peak, bank"),
        ([], "which scenario?"),
        (["bank", "--policies", "magic"], "no policy 'magic'"),
        (["bank", "--policies", "fifo,fifo"], "twice"),
        (["bank", "--check-published"], "states no published values"),
    ],
)
def test_what_does_not_exist_is_named(words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert why in " ".join(capsys.readouterr().err.split())


def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(SMALL.replace("[20]", "[-20]"), encoding="utf-8")
    assert main([str(bad)]) == 2
    assert "bad.yaml:4:44" in capsys.readouterr().err


def test_one_run_is_refused(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(small), "--seeds", "1"])
    assert "one run proves nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--jobs", "0"], ["--days", "0"], ["--first-seed", "-1"], ["--seeds", "x"]]
)
def test_numbers_out_of_range_are_refused(words: list[str], small: Path) -> None:
    with pytest.raises(SystemExit):
        main([str(small), *words])


def test_a_failed_check_names_policy_seed_and_moment(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.checkers.can_serve", lambda *_: False)
    assert main([str(small), "--check", "--seeds", "2"]) == 1
    assert "policy fifo, seed 1, at" in " ".join(capsys.readouterr().err.split())


def test_a_warning_names_the_consequence(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small.write_text(SMALL.replace("[20]", "[200]"), encoding="utf-8")
    assert main([str(small), "--seeds", "2", "--days", "1"]) == 0
    assert "will be lost at that time" in capsys.readouterr().err


def test_the_digest_of_a_seed_is_printed_and_stays(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(small), "--digest"]) == main([str(small), "--digest"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert len(first.split()[1]) == 128


def test_published_values_decide_the_exit_status(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "z.json"
    good = SMALL + "source: none\nexpect:\n  - {metric: first_calls, value: 20}\n"
    small.write_text(good, encoding="utf-8")
    assert main([str(small), "--check-published", "--seeds", "4", "--json", str(out)]) == 0
    assert "1 of 1 values within 2 standard errors" in capsys.readouterr().out
    assert json.loads(out.read_text())["small"][0]["published"] == 20
    small.write_text(good.replace("value: 20", "value: 2000"), encoding="utf-8")
    assert main([str(small), "--check-published", "--seeds", "4"]) == 1


def test_learn_and_replay_are_reached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn", "--csv", str(tmp_path / "none.csv")]) == 2
    assert (
        main(["replay", "--csv", str(tmp_path / "none.csv"), "--scenario", str(tmp_path / "none.yaml")]) == 2
    )
    assert "simulate learn:" in capsys.readouterr().err
