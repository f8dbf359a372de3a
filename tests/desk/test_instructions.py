"""Instructions valid now: the most specific time window wins (000-17, feature 3.15)."""

from __future__ import annotations

import datetime as dt

from acd.desk.instructions import Instruction, Window, valid
from tests.desk.test_hours import MOSCOW, at

EVERY = Instruction("always", Window())
NIGHT = Instruction("night", Window(hours=((18 * 60, 33 * 60),)))
HOLIDAYS = Instruction("holidays", Window(first=dt.date(2026, 12, 31), last=dt.date(2027, 1, 10)))
WEEKEND = Instruction("weekend", Window(days=frozenset({5, 6})))
ALL = (EVERY, NIGHT, HOLIDAYS, WEEKEND)


def told(moment: str, call_type: str = "", given: tuple[Instruction, ...] = ALL) -> list[str]:
    return [i.text for i in valid(given, at(moment), MOSCOW, call_type)]


def test_the_narrowest_window_wins() -> None:
    assert told("2026-11-25T12:00") == ["always"]
    assert told("2026-11-25T20:00") == ["night"]
    assert told("2026-11-28T12:00") == ["weekend"]
    assert told("2027-01-02T20:00") == ["holidays"]


def test_a_window_over_midnight_belongs_to_the_day_it_starts() -> None:
    friday_night = Instruction("friday night", Window(frozenset({4}), ((20 * 60, 32 * 60),)))
    assert told("2026-11-28T07:00", given=(friday_night,)) == ["friday night"]
    assert told("2026-11-27T07:00", given=(friday_night,)) == []


def test_equal_windows_stand_side_by_side_and_topics_do_not_compete() -> None:
    given = (EVERY, Instruction("second"), Instruction("other", topic="parking"), NIGHT)
    assert told("2026-11-25T12:00", given=given) == ["always", "second", "other"]
    assert told("2026-11-25T20:00", given=given) == ["night", "other"]


def test_an_instruction_for_this_type_of_call_beats_one_for_all() -> None:
    given = (EVERY, Instruction("arrest", call_type="arrest"), Instruction("bill", call_type="bill"))
    assert told("2026-11-25T12:00", "arrest", given) == ["arrest"]
    assert told("2026-11-25T12:00", "other", given) == ["always"]
    assert told("2026-11-25T12:00", "", given) == ["arrest", "bill", "always"]
