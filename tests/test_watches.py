"""Troubles that no adapter can know alone, in plain words (degraded modes)."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from acd import watches
from acd.core import events as ev
from acd.watches import ClockWatch, DiskWatch, DoorWatch
from tests.fakes.ports import FakeClock


@pytest.fixture
def clock():
    return FakeClock(0)


@pytest.fixture
def door(clock):
    return DoorWatch(clock)


def test_callers_nobody_asks_about_are_seen_at_the_door(door, clock):
    door.observe(ev.CallEntered("c1", "7001", "1"), ())
    clock.time = watches.DOOR_MS - 1
    assert door.trouble == ""
    clock.time += 1
    assert door.trouble.startswith("1 callers hear music at the door: Asterisk does not reach our FastAGI")


@pytest.mark.parametrize(
    "through",
    [
        ev.CallQueued("c1", "q", "s", "7001", "1", entered_at=0),
        ev.CallRefused("c1", "closed"),
        ev.CallLeftToFallback("c1", "verdict"),
        ev.CallEnded("c1"),
    ],
)
def test_a_call_that_got_through_is_no_trouble(door, clock, through):
    door.observe(ev.CallEntered("c1", "7001", "1"), ())
    door.observe(through, ())
    clock.time = 60_000
    assert door.trouble == ""


def test_an_entry_told_late_by_the_journal_is_no_trouble(door, clock):
    door.observe(ev.CallQueued("c1", "q", "s", "7001", "1", entered_at=0), ())
    door.observe(ev.CallEntered("c1", "7001", "1"), ())
    clock.time = 60_000
    assert door.trouble == ""
    assert not door._outside


def test_after_a_sync_only_those_still_at_the_door_count(door, clock):
    door.observe(ev.CallEntered("gone", "7001", "1"), ())
    door.observe(ev.CallEntered("stays", "7001", "2"), ())
    clock.time = 3_000
    stages = {"stays": "enter", "new": "enter", "in": "wait"}
    live = tuple(ev.LiveCall(call, stage, "q", "s", "7001", "1", 0) for call, stage in stages.items())
    door.observe(ev.WorldSynced(live), ())
    clock.time = 4_000
    assert door.trouble.startswith("1 callers")
    clock.time = 7_000
    assert door.trouble.startswith("2 callers")


def test_the_door_remembers_a_bounded_number(door):
    for n in range(watches.DOOR_LIMIT + 50):
        door.observe(ev.CallEntered(f"c{n}", "7001", "1"), ())
    assert len(door._outside) == watches.DOOR_LIMIT
    for n in range(watches.DOOR_LIMIT + 50):
        door.observe(ev.CallEnded(f"c{n}"), ())
    assert len(door._through) == watches.DOOR_LIMIT


def test_a_disk_nearly_full_is_said_with_figures(tmp_path, monkeypatch):
    about = SimpleNamespace(f_blocks=1000, f_bavail=99, f_frsize=2**20)
    monkeypatch.setattr(os, "statvfs", lambda _path: about)
    assert "10% free (99 MiB)" in DiskWatch(tmp_path).trouble
    about.f_bavail = 100
    assert DiskWatch(tmp_path).trouble == ""
    watch = DiskWatch(tmp_path, ballast_given_up=lambda: True)
    assert watch.trouble.startswith("the disk with the cards was full and has 100 MiB free again")
    about.f_bavail = 99
    assert watch.trouble.endswith("cards use the room that was kept for them: make space now")


def test_a_disk_that_is_gone_is_said(tmp_path):
    assert "cannot be seen" in DiskWatch(tmp_path / "nowhere").trouble


@pytest.mark.parametrize(
    ("drift", "words"), [(0, ""), (1_999, ""), (-3_600_000, "-3600 s"), (7_200_000, "+7200 s")]
)
def test_a_clock_that_was_set_is_said(drift, words):
    trouble = ClockWatch(lambda: drift).trouble
    assert (words in trouble) if words else trouble == ""
