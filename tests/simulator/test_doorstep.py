"""The caller at the door of the modelled switches goes by the same seconds as the dialplan (001-21)."""

from __future__ import annotations

import re
from pathlib import Path

from simulator import doorstep
from simulator.doorstep import ASK, Doorstep

DIALPLAN = Path(__file__).parents[2] / "dialplan" / "20-queue.conf"


def walk(beats: str) -> list[tuple[int, tuple[str, str]]]:
    """One letter a second, the beat seen then; asked in vain whenever it says so."""
    door, found = Doorstep(), []
    door.asked("-")
    for second, beat in enumerate(beats, 1):
        if leaving := door.turn(beat):
            found.append((second, leaving))
            door.asked(beat)
            if leaving != ASK:
                break
    return found


def test_a_beating_heart_is_asked_every_three_seconds_and_has_twelve():
    assert walk("abcdefghijklmno") == [(3, ASK), (6, ASK), (9, ASK), (12, ("acd-fallback", "verdict"))]


def test_a_daemon_just_back_is_asked_at_its_first_beat():
    assert walk("----b")[0] == (5, ASK)


def test_one_missed_beat_is_no_absence():
    assert walk("a-b") == [(3, ASK)]
    assert walk("aab") == [(3, ASK)]
    assert walk("aabbcc")[0] == (3, ASK)


def test_nine_seconds_without_a_beat_are_the_end():
    assert walk("-" * 12) == [(9, ("acd-fallback", "heartbeat"))]


def test_a_daemon_that_comes_and_goes_is_not_waited_for_longer():
    found = walk("---a---b---c---d")
    assert found[-1] == (12, ("acd-fallback", "verdict"))


def test_the_seconds_are_those_of_the_dialplan():
    text = DIALPLAN.read_text(encoding="utf-8")
    part = text[
        text.index("exten => unasked,1") : text.index("exten => T,1", text.index("exten => unasked,1"))
    ]
    numbers = [int(n) for n in re.findall(r"(?:Wait\(|>= )(\d+)", part)]
    assert numbers == [
        doorstep.TURN_S,
        doorstep.GONE_S,
        doorstep.LONGEST_S,
        doorstep.BACK_S,
        doorstep.AGAIN_S,
    ]
