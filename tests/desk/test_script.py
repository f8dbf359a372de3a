"""What the agent says, stage by stage, only of what this call is about (001-18, 002-13, 002-14)."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

from acd.desk.dossier import About, Dossier, Matter
from acd.desk.instructions import Window
from acd.desk.script import MAX_STEPS, Step, lines, unknown_values

ZONE = ZoneInfo("Europe/Moscow")
NOON = round(dt.datetime(2026, 11, 26, 12, 0, tzinfo=ZONE).timestamp() * 1000)
READY = Matter("order", "42", "кресло", "готов", due="завтра в 12:00")
CALLER = Dossier(name="Анна", matters=(READY,))
STEPS = (
    Step("Здравствуйте, {name}!", "greeting", about=About(known=True)),
    Step("{title} можно забрать {due}. Привезти?", topic="order", about=About(open_kind="order", open_state="ГОТОВ")),
    Step("{title}: {state}", topic="order", about=About(open_kind="order")),
    Step("Что передать?"),
    Step("Повторить записанное", "closing", note="вслух"),
)  # fmt: skip


def say(dossier, steps=STEPS, at=NOON, *, is_open=True):
    return [(line.stage, line.say) for line in lines(steps, dossier, at, ZONE, is_open=is_open)]


def test_by_name_with_the_state_of_the_order_and_an_offer():
    """002-13, 002-14: the manager greets by name, says that the order is ready and offers delivery."""
    assert say(CALLER) == [
        ("greeting", "Здравствуйте, Анна!"),
        ("talk", "кресло можно забрать завтра в 12:00. Привезти?"),
        ("talk", "Что передать?"),
        ("closing", "Повторить записанное"),
    ]


def test_another_state_says_the_other_line_and_a_stranger_hears_neither():
    assert ("talk", "кресло: в работе") in say(replace(CALLER, matters=(replace(READY, state="в работе"),)))
    assert say(Dossier()) == [("talk", "Что передать?"), ("closing", "Повторить записанное")]


def test_a_gap_is_never_read_aloud():
    """The order is ready, nobody knows when: the step with the date gives way to the next of its topic."""
    assert ("talk", "кресло: готов") in say(replace(CALLER, matters=(replace(READY, due=""),)))


def test_a_step_keeps_to_its_window_and_to_the_firms_hours():
    night = Step("ночью", window=Window(hours=((0, 360),)))
    shut = Step("закрыто", about=About(when_open=False))
    assert say(CALLER, (night, shut)) == []
    assert say(CALLER, (night, shut), is_open=False) == [("talk", "закрыто")]
    assert say(CALLER, (night,), NOON - 10 * 3_600_000) == [("talk", "ночью")]


def test_values_of_the_caller_are_text_and_never_steps():
    """A name with braces is not filled in again."""
    assert say(Dossier(name="{state}"), STEPS[:1]) == [("greeting", "Здравствуйте, {state}!")]


def test_short_and_in_the_order_of_the_talk():
    many = tuple(Step(f"{n}", ("closing", "greeting")[n % 2]) for n in range(40))
    found = say(Dossier(), many)
    assert len(found) == MAX_STEPS
    assert [stage for stage, _ in found] == ["greeting"] * MAX_STEPS


def test_what_nobody_can_fill_in_is_found_before_any_call():
    assert unknown_values("{name} {price} {due}") == ("price",)
