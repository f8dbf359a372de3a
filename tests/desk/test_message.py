"""The written message: rendered from fields, typed, complete, harmless (000-06, 000-10)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.desk.forms import Field, Form, Outcome, default_form, from_data
from acd.desk.message import About, Problem, compose, one_line, tidy

ABOUT = About("ООО «Ромашка»", "1042-7", "22.11.2026 09:20", "Анна", "+79160000001")
GOOD = {
    "caller_name": "Иванов Пётр", "callback_number": "+7 916 000-00-01", "urgency": "urgent", "subject": "Счёт",
    "note": "Не сходится сумма.\nЖдёт ответа.", "disposition": "message",
}  # fmt: skip


def form_of(*fields: Field) -> Form:
    return Form("f", "Message", "en", fields, (Outcome("message", "Message"), Outcome("spam", "Spam", False)))


def shown(kind: str, value: str, language: str = "en", **more: object) -> tuple[str, list[str]]:
    """Return the line of one field, and the codes of its problems."""
    form = from_data([{"name": "x", "label": "X", "kind": kind, **more}], language=language)
    message = compose(form, {"x": value, "disposition": "message"}, About())
    line = next((line for line in message.text.split("\n") if line.startswith("X:")), "")
    return line.removeprefix("X: "), [p.code for p in message.problems]


def test_a_message_in_the_agreed_form():
    message = compose(default_form("ru"), GOOD, ABOUT)
    assert message.ready
    assert message.text == (
        "Сообщение для ООО «Ромашка»\n"
        "Карточка 1042-7 · 22.11.2026 09:20\n"
        "Звонок с номера: +79160000001\n"
        "Оператор: Анна\n"
        "\n"
        "Кто звонит: Иванов Пётр\n"
        "Перезвонить по номеру: +7 916 000-00-01\n"
        "Срочность: срочно\n"
        "Тема: Счёт\n"
        "Сообщение:\n"
        "  Не сходится сумма.\n"
        "  Ждёт ответа.\n"
        "\n"
        "Итог: Передать сообщение\n"
    )
    assert message.subject == "ООО «Ромашка»: Счёт"
    assert dict(message.fields) == GOOD


def test_required_fields_are_named_until_they_are_filled():
    message = compose(default_form("en"), {"subject": " "}, About())
    assert [(p.field, p.code) for p in message.problems] == [
        ("disposition", "required"), ("caller_name", "required"), ("callback_number", "required"),
        ("subject", "required"), ("note", "required"),
    ]  # fmt: skip


def test_an_outcome_without_a_message_needs_nothing_else():
    assert compose(default_form("en"), {"disposition": "wrong", "callback_number": "12"}, About()).ready


def test_what_was_emptied_is_emptied_on_the_card_too():
    message = compose(default_form("en"), {"disposition": "wrong", "subject": ""}, About())
    assert dict(message.fields) == {"subject": "", "disposition": "wrong"}


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [
        ("phone", "8 (495) 123-45-67 доб. 12", "8 (495) 123-45-67 доб. 12"),
        ("email", "ольга@пример.рф", "ольга@пример.рф"),
        ("number", "1 234,50", "1 234,50"),
        ("date", "2026-11-05", "5 Nov 2026"),
        ("time", "09:30", "09:30"),
        ("datetime", "2026-11-05T09:30", "5 Nov 2026 09:30"),
        ("yesno", "no", "no"),
    ],
)
def test_typed_values_are_shown_in_the_message_language(kind, value, line):
    assert shown(kind, value) == (line, [])


def test_a_date_in_russian():
    assert shown("date", "2026-11-05", "ru") == ("05.11.2026", [])
    assert shown("yesno", "yes", "ru") == ("да", [])


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("phone", "call me", "not_a_phone"), ("phone", "12", "not_a_phone"), ("phone", "1" * 30, "not_a_phone"),
        ("email", "a@b", "not_an_email"), ("email", "a b@c.de", "not_an_email"), ("email", "a@b.c,d@e.fg", "not_an_email"),
        ("number", "ten", "not_a_number"), ("number", "1e999", "not_a_number"), ("number", "nan", "not_a_number"),
        ("number", "1_0", "not_a_number"), ("number", "٣", "not_a_number"),
        ("date", "2026-02-30", "not_a_date"), ("date", "tomorrow", "not_a_date"), ("time", "24:00", "not_a_time"),
        ("datetime", "2026-11-05", "not_a_date"), ("yesno", "maybe", "not_a_choice"), ("text", "x" * 301, "too_long"),
        ("lines", "x" * 4_001, "too_long"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_the_text_stays(kind, value, code):
    form = from_data([{"name": "x", "label": "X", "kind": kind}])
    message = compose(form, {"x": value, "disposition": "message"}, About())
    assert message.problems == (Problem("x", code),)
    assert value in message.text


def test_limits_of_a_number():
    assert shown("number", "0", minimum=1)[1] == ["too_small"]
    assert shown("number", "11", maximum=10)[1] == ["too_large"]
    assert shown("number", "5", minimum=1, maximum=10)[1] == []


def test_a_choice_is_shown_by_its_label_and_nothing_else_is_accepted():
    choices = {"a": "Alpha", "b": "Beta"}
    assert shown("choice", "a", choices=choices) == ("Alpha", [])
    assert shown("choice", "c", choices=choices)[1] == ["not_a_choice"]


def test_a_message_longer_than_the_card_holds_is_refused_not_cut():
    form = form_of(*(Field(f"f{n}", f"F{n}", "lines") for n in range(5)))
    message = compose(form, {f"f{n}": "x" * 4_000 for n in range(5)} | {"disposition": "spam"}, About())
    assert message.problems == (Problem("message", "too_long"),)


def test_unknown_fields_and_outcomes_are_refused():
    message = compose(form_of(Field("x", "X")), {"y": "1", "disposition": "hack"}, About())
    assert set(message.problems) == {Problem("y", "unknown"), Problem("disposition", "not_a_choice")}


def test_a_callers_text_forges_no_field_no_header_and_no_formula():
    """Bad input: CR/LF, direction marks, a formula, a second `Bcc:` line."""
    evil = "x\r\nBcc: all@example.org\n=1+1\n\u202egnirts\x00"
    form = form_of(Field("x", "X"), Field("y", "Y", "lines"))
    message = compose(form, {"x": evil, "y": evil, "disposition": "message"}, About("A\r\nB: c"))
    lines = message.text.rstrip("\n").split("\n")
    assert lines[0] == "Message for A B: c"
    assert lines[2] == "X: x Bcc: all@example.org =1+1 gnirts"
    assert lines[4:8] == ["  x", "  Bcc: all@example.org", "  =1+1", "  gnirts"]
    assert "\n" not in message.subject
    assert not [line for line in lines if line[:1] in "=+-@" and line]


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from([*GOOD, "other"]), st.text(max_size=400)))
def test_whatever_is_typed_gives_a_message_and_never_an_error(values):
    message = compose(default_form("ru"), values, ABOUT)
    kept = dict(message.fields)
    again = compose(default_form("ru"), kept, ABOUT)
    assert again.text == message.text  # preview and delivery agree, whoever renders
    assert all(c == "\n" or c.isprintable() or c.isspace() for c in message.text if ord(c) < 127)


@given(st.text())
def test_tidy_is_stable(text):
    assert tidy(tidy(text)) == tidy(text)
    assert tidy(tidy(text, lines=True), lines=True) == tidy(text, lines=True)


def test_a_header_is_one_line() -> None:
    assert one_line("a\r\nBcc: evil@x\0") == "a Bcc: evil@x"
    assert len(one_line("я" * 1000)) == 150
