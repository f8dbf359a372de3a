"""What a caller is told before anybody is rung: only what is surely about his question (002-18, 002-06)."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from acd.desk.answers import Answer, Spoken, moment, spoken
from acd.desk.dossier import Dossier, Matter
from tests.desk.test_hours import at

MOSCOW = ZoneInfo("Europe/Moscow")
READY = Answer(
    name="order ready", person="servis/press-1", before="servis/your-order", number=True, after="servis/ready-on",
    date=True, open_kind="order", open_state="ready",
)  # fmt: skip
ORDER = Matter("order", "A-108", "Phone", "Ready", "2026-11-27")
CLIENT = Dossier("Olga", matters=(ORDER, Matter("order", "77", state="delivered")))
NOON_S = str(at("2026-11-27T12:00") // 1000)


def told(client: Dossier, *answers: Answer, is_open: bool = True) -> Spoken | None:
    return spoken(answers or (READY,), client, MOSCOW, is_open=is_open)


def test_the_sentence_is_said_whole_number_and_date_in_their_places():
    assert told(CLIENT) == Spoken(
        "order ready",
        (("sound", "servis/your-order"), ("digits", "108"), ("sound", "servis/ready-on"), ("day", NOON_S)),
        "servis/press-1",
    )
    short = replace(READY, before="", number=False, date=False)
    assert told(CLIENT, short) == Spoken("order ready", (("sound", "servis/ready-on"),), "servis/press-1")


@pytest.mark.parametrize(
    "client",
    [
        Dossier(),
        replace(CLIENT, matters=()),
        replace(CLIENT, matters=(replace(ORDER, state="in repair"),)),
        replace(CLIENT, matters=(replace(ORDER, kind="complaint"),)),
        replace(CLIENT, matters=(ORDER, Matter("complaint", "9", state="new"))),
        replace(CLIENT, matters=(ORDER, replace(ORDER, id="109"))),
        replace(CLIENT, late=("http",)),
        replace(CLIENT, matters=(replace(ORDER, id="none"),)),
        replace(CLIENT, matters=(replace(ORDER, id="1" * 13),)),
        replace(CLIENT, matters=(replace(ORDER, due=""),)),
        replace(CLIENT, matters=(replace(ORDER, due="soon"),)),
    ],
    ids=[
        "unknown", "nothing open", "another state", "another kind", "something else is open too", "two of them",
        "a source is late", "no number", "too long a number", "no date", "no real date",
    ],
)  # fmt: skip
def test_whoever_may_want_something_else_waits_for_a_person_at_once(client: Dossier):
    assert told(client) is None


def test_the_first_that_fits_is_said_and_conditions_hold_as_for_rules():
    second = replace(READY, name="any order", open_state="")
    assert told(CLIENT, replace(READY, when_open=False), second).name == "any order"  # type: ignore[union-attr]
    assert told(CLIENT, replace(READY, when_open=False), is_open=True) is None
    assert spoken((), CLIENT, MOSCOW, is_open=True) is None


def test_a_due_moment_is_local_to_the_firm_unless_it_says_its_own_zone():
    assert moment("2026-11-27", MOSCOW) == ("day", NOON_S)
    assert moment("2026-11-27T12:00", MOSCOW) == ("moment", NOON_S)
    assert moment("2026-11-27T09:00+00:00", MOSCOW) == ("moment", NOON_S)
    for odd in (
        "0001-01-01",
        "0001-01-01T00:00",
        "2026-13-01",
        "1764234000",
        "",
        "2026-11-27T12:00; rm",
        "9" * 400,
    ):
        assert moment(odd, MOSCOW) is None, odd
