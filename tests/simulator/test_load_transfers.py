"""Callers handed on with the real daemon: the agent says so over HTTP, the caller waits in the other line (002-08, 004-08)."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
import yaml

from acd.core.instant import HOUR_MS
from simulator.centre.config import CentreSpec
from simulator.distributions import Fixed, Never
from simulator.load.centre import Centre, write_centre
from simulator.load.world import HAND_ON_TRIES, LiveWorld
from simulator.scenario import Arrivals, Group, Queue, Scenario, Transfer
from tests.simulator.load_runs import LIVE_ENGINES, run_beside_virtual
from tests.simulator.test_load_world import FakeDesks, FakeLine, Scene

TWO_LINES = """
name: A first and a second line
queues:
  - name: first
    needs: {general: 1}
    arrivals: {starts: "09:00", per_hour: [120]}
    patience: {exponential: {mean_s: 400}}
    talk: {exponential: {mean_s: 100}}
    wrap_up: {fixed_s: 10}
    transfers: [{to: second, probability: 0.5}]
  - name: second
    needs: {deep: 1}
    arrivals: {starts: "09:00", per_hour: [10]}
    patience: {exponential: {mean_s: 120}}
    talk: {exponential: {mean_s: 120}}
    transfers: [{to: first, probability: 0.2}]
agents:
  - {name: desk, count: 4, skills: {general: 2}, ring: {fixed_s: 2}}
  - {name: expert, count: 1, skills: {deep: 2}, ring: {fixed_s: 2}}
"""
WORDS = ("--at", "09:00", "--minutes", "0.2", "--time-scale", "40", "--seed", "7", "--seeds", "3")


@LIVE_ENGINES
@pytest.mark.timeout(120)
def test_a_share_of_the_callers_goes_on_to_the_second_line(engine: str, tmp_path: Path):
    """The oracle follows both stretches: who handed on, to which line, who talked, who gave up there."""
    found = run_beside_virtual(tmp_path, TWO_LINES, engine, *WORDS)
    facts = found[engine]["engines"][0]
    assert facts["problems"] == []
    assert facts["calls"] == facts["cards"] >= 30, "a call handed on is one call with one card"
    assert not {"not_handed_on", "strangers"} & set(facts["oddities"])
    virtual, ours = (found[name]["policies"][name]["queues"] for name in ("virtual", engine))
    stays = {name: value["arrivals"]["value"] * 3 for name, value in ours.items()}
    assert stays["first"] + stays["second"] > facts["calls"] + 5
    for name in ("first", "second"):
        assert stays[name] == pytest.approx(virtual[name]["arrivals"]["value"] * 3, abs=6)


def two_lines(**changes: object) -> Scenario:
    first = Queue(
        "first", "one firm", Arrivals(0, 50, (5 * HOUR_MS / 50,)), Fixed(10), Never(),
        transfers=(Transfer("second", 1.0),),
    )  # fmt: skip
    second = Queue("second", "another firm", Arrivals(), Fixed(40), Never())
    third = Queue("third", "a third firm", Arrivals(), Fixed(40), Never())
    made = Scenario(name="two", queues=(first, second, third), groups=(Group("crew", 2, ring=Fixed(5)),))
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


class TwoLines(Scene):
    """One caller who will be handed on."""

    def __init__(self) -> None:
        self.line, self.desks = FakeLine(), FakeDesks()
        self.begun = time.time()
        self.world = LiveWorld(Centre(two_lines(), (3,)), 0, self.line, self.desks, lambda: self.begun)
        del self.world.drawn[1:]
        self.world.staff()
        self.begun = time.time()
        self.world.open()


async def test_the_same_call_waits_in_the_other_line_and_is_answered_there():
    scene = TwoLines()
    number = await scene.caller()
    scene.world.rang(number, "c0g0n0", time.time())
    scene.world.answered(number, "c0g0n0", time.time())
    await scene.until(lambda: scene.desks.handed == [("c0g0n0", f"call of {number}", "c0q1")])
    assert scene.world.people[scene.world.agent_of["c0g0n0"]].busy, "he talks until the caller is gone"
    scene.world.handed_on(number, "c0g0n0", "c0q1", time.time())
    scene.world.rang(number, "c0g0n1", time.time())
    scene.world.answered(number, "c0g0n1", time.time())
    await scene.until(lambda: scene.line.talks_ended == [number])
    assert len(scene.line.placed) == 1, "no second call"
    books = scene.world.close()
    assert (books.tally().served, books.tally().transferred_in, books.counters) == (2, 1, {})
    truth = scene.world.truths[number]
    assert truth.answers == ["c0g0n0", "c0g0n1"]
    assert (truth.handed, truth.outcome) == ([("c0g0n0", "c0q1")], "answered")


async def test_a_router_that_will_not_hand_on_is_asked_again_and_then_the_talk_ends(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("simulator.load.world.HAND_ON_AGAIN_MS", 20)
    scene = TwoLines()
    number = await scene.caller()
    scene.world.rang(number, "c0g0n0", time.time())
    scene.world.answered(number, "c0g0n0", time.time())
    await scene.until(lambda: scene.line.talks_ended == [number])
    assert len(scene.desks.handed) == HAND_ON_TRIES
    scene.world.handed_on(number, "c0g0n0", "c0q1", time.time())
    books = scene.world.close()
    assert books.counters == {"not_handed_on": 1}
    assert (books.tally().served, books.tally().transferred_in) == (1, 0)


def test_firms_that_hand_callers_to_each_other_are_one_firm_to_the_router(tmp_path: Path):
    folder = write_centre(CentreSpec(tmp_path), Centre(two_lines(), (1,)))
    queues = yaml.safe_load((folder / "queues.yaml").read_text(encoding="utf-8"))["queues"]
    firms = [queues[f"c0q{number}"]["subscriber"] for number in range(3)]
    assert firms[0] == firms[1] != firms[2]
