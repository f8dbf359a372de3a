"""Agents in the office, at home and on outside numbers: what a scenario's `line` does on real phones (000-12, 002-21)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from acd.asterisk_files import DialEntry
from acd.config import loading as config
from acd.core.ids import AgentId
from simulator.centre.config import CentreSpec
from simulator.distributions import Fixed
from simulator.load.__main__ import main
from simulator.load.centre import Centre, write_centre
from simulator.load.compress import LEAST_PRESS_MS, choose_stretch, compress
from simulator.load.lines import lines_of
from simulator.load.puppets import Puppets
from simulator.scenario import Scenario
from simulator.scenario_file import load

THREE_LINES = """
name: Three lines
queues:
  - name: shop
    promise: {share: 0.80, threshold_s: 20}
    needs: {general: 1}
    arrivals: {starts: "09:00", per_hour: [90]}
    patience: {exponential: {mean_s: 600}}
    talk: {uniform: {low_s: 80, high_s: 160}}
    ring_timeout_s: 60
agents:
  - {name: desk, count: 1, skills: {general: 1}, ring: {fixed_s: 4}}
  - {name: kitchen, count: 1, line: home, skills: {general: 1}, ring: {fixed_s: 4}}
  - {name: mobile, count: 2, line: pstn, skills: {general: 1}, ring: {fixed_s: 6}, press_s: 9}
"""


def scenario(folder: Path, text: str = THREE_LINES) -> Scenario:
    path = folder / "lines.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)[0]


def test_pressing_1_lengthens_the_way_to_the_talk_in_every_engine(tmp_path: Path):
    desk, kitchen, mobile = scenario(tmp_path).groups
    assert (desk.ring, kitchen.ring, mobile.ring) == (Fixed(4000.0), Fixed(4000.0), Fixed(15_000.0))
    assert (desk.press_ms, kitchen.press_ms, mobile.press_ms) == (0, 0, 9000)
    usual = scenario(tmp_path, THREE_LINES.replace(", press_s: 9", "")).groups[2]
    assert (usual.press_ms, usual.ring.mean_ms) == (3000, 9000.0)


def test_drawn_ring_times_grow_by_the_same(tmp_path: Path):
    text = THREE_LINES.replace("ring: {fixed_s: 6}", "ring: {uniform: {low_s: 2, high_s: 10}}")
    assert scenario(tmp_path, text).groups[2].ring.mean_ms == 15_000.0


def test_who_is_on_no_outside_number_presses_nothing(tmp_path: Path):
    path = tmp_path / "wrong.yaml"
    path.write_text(THREE_LINES.replace("line: pstn", "line: home"), encoding="utf-8")
    assert main([str(path), "--engine", "virtual"]) == 2


def test_nobody_presses_sooner_than_the_pbx_can_ask(tmp_path: Path):
    whole = scenario(tmp_path)
    short, notes = compress(whole, choose_stretch(whole, calls=5, scale=90.0))
    mobile = short.groups[2]
    assert mobile.press_ms == LEAST_PRESS_MS
    assert mobile.ring.mean_ms == pytest.approx(6000 / 90 + LEAST_PRESS_MS, abs=1)
    assert any("before pressing 1" in note for note in notes)
    slow, quiet = compress(whole, choose_stretch(whole, calls=5, scale=10.0))
    assert (slow.groups[2].press_ms, slow.groups[2].ring.mean_ms) == (900, 1500.0)
    assert not any("pressing" in note for note in quiet)


def test_daemon_and_asterisk_are_told_the_same(tmp_path: Path):
    whole = scenario(tmp_path)
    short, _ = compress(whole, choose_stretch(whole, calls=5, scale=20.0))
    made = Centre(short, (1, 2))
    lines = lines_of(made)
    assert list(lines) == made.devices
    loaded = config.load(write_centre(CentreSpec(tmp_path), made))
    for device, line in lines.items():
        phone, agent = line.phone(device, 5070), AgentId(device)
        assert loaded.dial(agent) == phone.target, (
            "the file Asterisk reads is the one the product would write"
        )
        assert loaded.press_one(agent) == phone.press1 == (line.kind == "pstn")
        assert bool(phone.password) == (line.kind == "home")
        DialEntry(device, phone.target, phone.press1)  # refuses what may not stand in a dialplan file
    numbers = [line.number for line in lines.values() if line.number]
    assert len(set(numbers)) == 4
    assert not any(number.startswith("+79") for number in numbers), "those are callers"


@pytest.mark.e2e
@pytest.mark.timeout(110)
def test_home_registers_and_a_mobile_presses_1_and_every_talk_has_sound_both_ways(tmp_path: Path):
    """Issue 5: SIPp callers and agents with RTP and DTMF, through the dialplan's own "press 1"."""
    path, out = tmp_path / "lines.yaml", tmp_path / "real.json"
    path.write_text(THREE_LINES, encoding="utf-8")
    words = [str(path), "--engine", "real", "--calls", "10", "--time-scale", "40", "--seeds", "2", "--json"]
    assert main([*words, str(out)]) == 0
    [real] = json.loads(out.read_text(encoding="utf-8"))["engines"]
    assert (real["lost"], real["double_booked"], real["distorted"], real["problems"]) == (0, 0, 0, [])
    heard = real["speech"]
    assert heard["talks"] == heard["talks_with_sound_both_ways"] >= 12
    assert heard["speech_heard_share"] > 0.8
    assert heard["calls_with_crossed_sound"] == 0
    assert heard["keys_pressed"] >= 2
    groups = json.loads(out.read_text(encoding="utf-8"))["policies"]["real"]["groups"]
    assert set(groups) == {"desk", "kitchen", "mobile"}
    assert "speech" in real["cpu_share_of_a_core"]


@pytest.mark.e2e
@pytest.mark.timeout(110)
def test_a_mobile_that_nobody_answers_for_takes_no_call(tmp_path: Path):
    """Who lifts the phone and presses nothing, as a mailbox does, has refused: the client is not joined with it."""
    text = THREE_LINES.replace("press_s: 9", "press_s: 9, refuse: 1.0").replace(
        "  - {name: desk, count: 1, skills: {general: 1}, ring: {fixed_s: 4}}\n", ""
    )
    text = text.replace("mean_s: 600", "mean_s: 60000")  # one agent for all: nobody may give up meanwhile
    path, out = tmp_path / "lines.yaml", tmp_path / "real.json"
    path.write_text(text, encoding="utf-8")
    words = [str(path), "--engine", "real", "--calls", "6", "--time-scale", "40", "--no-media", "--json"]
    assert main([*words, str(out)]) == 0
    data = json.loads(out.read_text(encoding="utf-8"))
    [real] = data["engines"]
    assert (real["lost"], real["double_booked"], real["distorted"], real["problems"]) == (0, 0, 0, [])
    assert real["speech"] == {"keys_pressed": 0, "keys_not_taken": 0}
    mobile = data["policies"]["real"]["groups"]["mobile"]
    assert mobile["offers_unanswered_share"]["value"] == 1
    assert mobile["occupancy"]["value"] < 0.1, "lifted and laid down again is no talk"
    assert (
        data["policies"]["real"]["all"]["served"]["value"]
        == data["policies"]["real"]["all"]["arrivals"]["value"]
    )


@pytest.mark.e2e
@pytest.mark.timeout(110)
def test_a_one_way_call_is_found_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The callers' phones name a port where nobody listens, as behind a wrong NAT: they speak, and hear nobody."""

    def start(puppets: Puppets, lines: Sequence[str] = (), *options: str) -> None:
        if "callers" in str(puppets.folder):
            puppets.talk_at = "127.0.0.1", puppets.media_port + 1
        started(puppets, lines, *options)

    started = Puppets.start
    monkeypatch.setattr(Puppets, "start", start)
    path, out = tmp_path / "lines.yaml", tmp_path / "real.json"
    path.write_text(THREE_LINES, encoding="utf-8")
    words = [str(path), "--engine", "real", "--calls", "4", "--time-scale", "40", "--json"]
    assert main([*words, str(out)]) == 1
    [real] = json.loads(out.read_text(encoding="utf-8"))["engines"]
    assert (real["lost"], real["distorted"]) == (0, 0), "the calls themselves went well"
    heard = real["speech"]
    assert heard["talks"] == heard["talks_one_way_or_silent"] > 0
    assert (
        sum("one-way" in problem and "was heard for 0.0 s" in problem for problem in real["problems"])
        == heard["talks"]
    )
    assert "had sound both ways" in capsys.readouterr().out
