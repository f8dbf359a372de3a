"""A limit of lines and closing time with the real daemon: who is let in is said by trunk and router, not by us."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from acd.config.loading import load
from acd.core.ids import QueueId
from simulator.centre.config import ZONE, CentreSpec
from simulator.centre.oracle import Truth, judge, read_journal
from simulator.load.centre import Centre, write_centre
from simulator.load.notes import Notes
from simulator.load.trunk import Lines
from simulator.load.world import without_doors
from simulator.scenario import Closing, single_pool
from tests.simulator.load_runs import LIVE_ENGINES, run_beside_virtual

DOORS = """
name: Two lines, and closed early
lines: 2
closing: {clears_at: "09:07", turns_away: true}
queues:
  - name: shop
    needs: {general: 1}
    arrivals: {starts: "09:00", per_hour: [150]}
    patience: {exponential: {mean_s: 600}}
    talk: {exponential: {mean_s: 120}}
    wrap_up: {fixed_s: 10}
agents:
  - {name: desk, count: 1, skills: {general: 2}, ring: {fixed_s: 2}}
"""
WORDS = ("--at", "09:00", "--minutes", "0.2", "--time-scale", "60", "--seed", "4", "--seeds", "3")


@LIVE_ENGINES
@pytest.mark.timeout(150)  # the daemon closes by the clock, in whole minutes: the run waits for the next
def test_busy_lines_and_closing_time_are_the_switchs_and_the_daemons_work(engine: str, tmp_path: Path):
    found = run_beside_virtual(tmp_path, DOORS, engine, *WORDS)
    virtual, ours = (
        {what: estimate["value"] * 3 for what, estimate in found[name]["policies"][name]["all"].items()}
        for name in ("virtual", engine)
    )
    facts = found[engine]["engines"][0]
    assert facts["problems"] == []
    assert ours["first_calls"] == virtual["first_calls"] > 20
    assert virtual["cleared"] >= 2
    # at 60 times life one decision more or less goes otherwise, and each opens or takes a line
    for what in ("served", "blocked", "cleared"):
        assert ours[what] == pytest.approx(virtual[what], abs=3), what
    assert ours["cleared"] > 0
    # a busy line never reached the router, a closed one did: fewer cards than calls, more than were let in
    assert facts["cards"] < facts["calls"]
    assert facts["cards"] > ours["served"] + ours["abandoned"] + ours["cleared"]


def test_the_people_themselves_let_everybody_in():
    scenario = dataclasses.replace(
        single_pool(per_hour=10, agents=1, talk_s=60), lines=3, closing=Closing(1000)
    )
    open_to_all = without_doors(scenario)
    assert (open_to_all.lines, open_to_all.closing) == (None, None)
    assert open_to_all.queues[0].max_waiting > 10**9


async def test_the_daemon_is_told_to_close_at_that_minute_and_to_send_the_waiting_away(tmp_path: Path):
    """Also when closing time falls just after midnight."""
    centre = Centre(single_pool(per_hour=10, agents=1, talk_s=60), (1,))
    for hour, minute in ((17, 5), (0, 1)):
        closes = dt.datetime(2026, 11, 26, hour, minute, tzinfo=ZoneInfo(ZONE))
        spec = CentreSpec(tmp_path)
        folder = write_centre(spec, centre, closes.timestamp())
        config = await asyncio.to_thread(load, folder)
        name = QueueId(centre.queue_id(0, 0))
        assert config.is_open(name, closes - dt.timedelta(seconds=1))
        assert not config.is_open(name, closes)
        assert not config.is_open(name, closes + dt.timedelta(hours=5, minutes=59))
        queue = yaml.safe_load((folder / "queues.yaml").read_text(encoding="utf-8"))["queues"][name]
        assert [(rule["when"], rule["do"]) for rule in queue["rules"]] == [("closed", "voicemail")]


def test_lines_are_counted_for_each_copy_and_come_free():
    lines = Lines(2)
    took = [lines.take(number) for number in ("+79000000001", "+79000000002", "+79000000003", "+79010000001")]
    assert took == [True, True, False, True]
    lines.free("+79000000001")
    assert lines.take("+79000000003")
    assert all(Lines(None).take(f"+7900000{number:04d}") for number in range(300))


def test_a_busy_line_never_reaches_the_router():
    truth = Truth("+79000000001", "7001", 0.0, "busy")
    assert not judge([truth], {}, []).problems
    journal = read_journal(["1|call-1|NONE|NONE|ACDENTER|ms=1|did=7001|ani=+79000000001"])
    assert judge([truth], journal, []).distorted == 1


def test_notes_are_read_as_they_grow(tmp_path: Path):
    path = tmp_path / "queue_log"
    notes = Notes(path)
    assert not list(notes.news())
    path.write_text("1|c1|q|NONE|ACDREFUSED|ms=1500|why=closed\n1|NONE|q|a|ACDFEATURE|ms=1\n1|c2|q|a1|ACDA")
    (note,) = notes.news()
    assert (note.kind, note.call, note.agent, note.fields["why"], note.ms) == (
        "ACDREFUSED", "c1", "", "closed", 1_500,
    )  # fmt: skip
    with path.open("a") as file:
        file.write("NSWER|ms=2000|attempt=1\n2|c3|q|a1|CONNECT|3\n")
    assert [(one.kind, one.agent) for one in notes.news()] == [("ACDANSWER", "a1")]
