"""Chosen call-backs with the real daemon: it offers them, keeps the place, and calls back by itself (003-24)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from simulator.centre.config import CentreSpec
from simulator.centre.oracle import Truth, read_journal
from simulator.distributions import Fixed
from simulator.faults.callbacks import Ledger, Task
from simulator.load.backs import judge_with_callbacks
from simulator.load.centre import Centre, write_centre
from simulator.load.compress import TURN_MS, Stretch, compress
from simulator.scenario import Callback
from simulator.scenario_file import load
from tests.simulator.load_runs import LIVE_ENGINES, run_beside_virtual
from tests.simulator.test_load_world import Scene

CALLS_BACK = """
name: A line that calls back
queues:
  - name: shop
    needs: {general: 1}
    arrivals: {starts: "09:00", per_hour: [90]}
    patience: {exponential: {mean_s: 900}}
    talk: {exponential: {mean_s: 80}}
    callback: {after_s: 50, accept: 0.7, dial: {fixed_s: 20}}
agents:
  - {name: desk, count: 2, skills: {general: 2}, ring: {fixed_s: 4}}
"""
WORDS = ("--at", "09:00", "--minutes", "0.25", "--time-scale", "20", "--seed", "3", "--seeds", "4")


@LIVE_ENGINES
@pytest.mark.timeout(150)
def test_who_chooses_to_be_called_back_keeps_the_place_and_is_called_back(engine: str, tmp_path: Path):
    found = run_beside_virtual(tmp_path, CALLS_BACK, engine, *WORDS)
    facts = found[engine]["engines"][0]
    assert facts["problems"] == []
    assert not {"strangers", "failed"} & set(facts["oddities"])
    virtual, ours = (
        {what: estimate["value"] * 4 for what, estimate in found[name]["policies"][name]["all"].items()}
        for name in ("virtual", engine)
    )
    assert virtual["callbacks"] >= 4
    assert ours["callbacks"] == pytest.approx(virtual["callbacks"], abs=4)
    assert ours["callbacks"] >= 2
    assert facts["cards"] == facts["calls"] + round(ours["callbacks"]), "each call-back has a card of its own"


def test_the_offer_is_made_after_whole_turns_of_the_dialplan(tmp_path: Path):
    path = tmp_path / "back.yaml"
    path.write_text(CALLS_BACK, encoding="utf-8")
    for scale, turns in ((20.0, 1), (1.0, 17)):
        short, notes = compress(load(path)[0], Stretch(0, 9 * 3_600_000, 3_600_000, scale))
        assert short.queues[0].callback == Callback(turns * TURN_MS, 0.7, Fixed(20_000 / scale))
        assert any("call-back" in note for note in notes)
    folder = write_centre(CentreSpec(tmp_path), Centre(short, (1,)))
    queue = yaml.safe_load((folder / "queues.yaml").read_text(encoding="utf-8"))["queues"]["c0q0"]
    assert [rule["do"] for rule in queue["rules"]] == ["offer_callback"]
    assert queue["callbacks"] is False, "who gave up is not called back: virtual time does not either"


class CallsBack(Scene):
    """One caller who takes the offer."""

    def __init__(self) -> None:
        super().__init__(callback=Callback(10, 1.0, Fixed(40)))


async def test_a_call_back_is_the_same_person_under_the_same_number():
    scene = CallsBack()
    number = await scene.caller()
    assert scene.world.takes_callback(number)
    assert scene.world.callback_chosen(number, time.time()) == 40
    assert not scene.world.takes_callback(number), "nobody is asked twice"
    await scene.until(lambda: scene.world.live)
    assert not scene.world.over
    scene.world.rang(number, "c0g0n0", time.time())
    scene.world.answered(number, "c0g0n0", time.time())
    await scene.until(lambda: scene.line.talks_ended == [number])
    assert len(scene.line.placed) == 1
    books = scene.world.close().tally()
    assert (books.callbacks, books.called_back, books.served) == (1, 1, 1)
    assert scene.world.truths[number].outcome == "callback"
    assert (scene.world.backs[number].outcome, scene.world.backs[number].answers) == ("answered", ["c0g0n0"])


CALL = [
    "1|c1|NONE|NONE|ACDENTER|ms=1000|did=7001|ani=791",
    "1|c1|q|NONE|ACDQUEUED|ms=1001|why=new|enter_ms=1000",
    "4|c1|q|NONE|ACDCALLBACK|ms=4000|number=791",
    "4|c1|q|NONE|ACDEND|ms=4001|cause=16|stage=done|by=system",
]
BACK = [
    "5|c2|q|NONE|ACDENTER|ms=5000|did=7001|ani=791",
    "5|c2|q|NONE|ACDCALLBACKBEGIN|ms=5000|of=c1",
    "5|c2|q|NONE|ACDQUEUED|ms=5001|why=new|enter_ms=1000",
    "6|c2|q|a1|ACDDIAL|ms=6000|attempt=1",
    "7|c2|q|a1|ACDANSWER|ms=7000|attempt=1",
    "7|c2|q|a1|ACDNUMBERDIAL|ms=7001|number=791",
    "8|c2|q|a1|ACDNUMBERANSWER|ms=8000",
    "9|c2|q|a1|ACDNUMBEREND|ms=9000|status=ANSWER",
    "9|c2|q|a1|ACDTALKEND|ms=9000|attempt=1|by=agent|stays=0",
    "9|c2|q|a1|ACDEND|ms=9001|cause=16|stage=talk|by=agent",
]
CARDS = [
    {"call": "c1", "ani": "791", "did": "7001", "end_reason": "callback", "agent": None},
    {"call": "c2", "ani": "791", "did": "7001", "end_reason": "handled", "agent": "a1"},
]
CHOSE = Truth("791", "7001", 1.0, "callback")
CALLED = Truth("791", "7001", 4.0, "answered", answered_by="a1", answers=["a1"])
LEDGER = Ledger({1: Task(1, "791", "s", "recontacted", 0)}, [(1, "c2")])


def test_a_call_and_its_call_back_are_two_calls_and_one_story():
    assert judge_with_callbacks([CHOSE], [CALLED], read_journal([*CALL, *BACK]), CARDS, LEDGER).problems == []


def test_a_promise_not_kept_a_stranger_called_and_another_agent_are_seen():
    journal = read_journal([*CALL, *BACK])
    assert judge_with_callbacks([CHOSE], [CALLED], read_journal(CALL), CARDS[:1], Ledger()).lost == 1
    assert judge_with_callbacks([CHOSE], [], journal, CARDS, LEDGER).distorted == 1
    other = Truth("791", "7001", 4.0, "answered", answered_by="a2", answers=["a2"])
    assert judge_with_callbacks([CHOSE], [other], journal, CARDS, LEDGER).distorted == 1
    assert judge_with_callbacks([CHOSE], [CALLED], journal, CARDS, Ledger()).distorted >= 1, "no claim"
