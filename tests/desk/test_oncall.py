"""Rotations and calendars of key people (000-11, 000-17)."""

from __future__ import annotations

import datetime as dt

from acd.desk.oncall import Busy, Person, Rotation, next_person, reason
from tests.desk.test_hours import MOSCOW, at

TURNS = Rotation("law", ("a", "b", "c"), dt.date(2026, 11, 2), instead={dt.date(2026, 11, 9): "c"})


def test_turns_follow_each_other_at_the_hand_over() -> None:
    assert TURNS.order(at("2026-11-02T09:00"), MOSCOW) == ("a", "b", "c")
    assert TURNS.order(at("2026-11-09T08:59"), MOSCOW) == ("a", "b", "c")
    assert TURNS.order(at("2026-11-16T10:00"), MOSCOW) == ("c", "a", "b")
    assert TURNS.order(at("2026-10-26T10:00"), MOSCOW) == ("c", "a", "b")


def test_an_exception_puts_somebody_else_first() -> None:
    assert TURNS.order(at("2026-11-09T10:00"), MOSCOW) == ("c", "b", "a")
    assert TURNS.order(at("2026-11-15T10:00"), MOSCOW) == ("c", "b", "a"), "for the whole turn"
    assert Rotation("none", (), dt.date(2026, 1, 1)).order(0, MOSCOW) == ()


def test_everybody_is_asked_round_by_round_and_then_nobody_is_left() -> None:
    asked: list[str] = []
    while (who := next_person(("a", "b"), asked, 2)) is not None:
        asked.append(who)
    assert asked == ["a", "b", "a", "b"]


def test_a_calendar_says_free_or_why_not() -> None:
    busy = (Busy(10, 20, "court"), Busy(30, 40))
    assert (reason(busy, 9), reason(busy, 10)) == ("", "court")
    assert (reason(busy, 15), reason(busy, 35), reason(busy, 20)) == ("court", "busy", "")


def test_a_person_has_one_address_per_channel() -> None:
    person = Person("a", "Anna", "a@x.example", "+7916")
    assert [person.address(c) for c in ("email", "sms", "call", "fax")] == [
        "a@x.example",
        "+7916",
        "+7916",
        "",
    ]
