"""The two lines of a rule: what is understood, and what is said of what is not."""

import pytest

from acd.config.rule_language import parse_do, parse_when, window_hours
from acd.core.rules import Action, Condition, Deed


def test_conditions_are_joined_by_and_and_seconds_become_milliseconds():
    placed, wrong = parse_when(
        "waited_s >= 10.5 and available=0  and depth > 3 and open and during mon-fri 12:00-14:00"
    )
    assert wrong == []
    assert [p.condition for p in placed] == [
        Condition("waited_ms", ">=", 10_500.0),
        Condition("available", "=", 0.0),
        Condition("depth", ">", 3.0),
        Condition("open", "=", 1.0),
        Condition("during", "=", 1.0, "mon-fri 12:00-14:00"),
    ]
    assert [p.at for p in placed] == [0, 21, 38, 52, 61]


def test_a_window_without_days_is_every_day_and_a_calendar():
    placed, _ = parse_when("during 22:00-06:00")
    assert placed[0].condition.window == "daily 22:00-06:00"
    assert window_hours("sat-sun 10:00-12:00").week == {"sat-sun": "10:00-12:00"}


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("waited >= 3", 0, "unknown fact 'waited'; did you mean 'waited_s'?"),
        ("depth > 1 and xyzzy = 0", 14, "unknown fact 'xyzzy'; known: available, depth, "),
        ("depth is 3", 0, "'depth is 3' is no condition: write a comparison such as waited_s >= 30"),
        ("depth > three", 0, "'three' is no number"),
        ("depth > 1 and ", 14, "a condition is missing"),
        ("during mon-fri", 0, "during daily mon-fri"),
        ("during fri-mon 10:00-12:00", 0, "'fri-mon' is no day"),
        ("during 25:00-26:00", 0, "'25:00-26:00' is no interval"),
        ("", 0, "a condition is missing"),
    ],
)
def test_what_is_not_understood_is_said_with_its_place(text: str, at: int, said: str):
    _, wrong = parse_when(text)
    assert [(w.at, said in w.message) for w in wrong] == [(at, True)], wrong


def test_all_mistakes_of_a_text_come_at_once():
    _, wrong = parse_when("wait > 1 and depht > 2 and depth > 3")
    assert [w.at for w in wrong] == [0, 13]


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("add_skill law 2", Action(Deed.ADD_SKILL, "law", 2.0)),
        ("lower_skill law 1", Action(Deed.LOWER_SKILL, "law", 1.0)),
        ("drop_skill law", Action(Deed.DROP_SKILL, "law")),
        ("set_priority 2.5", Action(Deed.SET_PRIORITY, "", 2.5)),
        ("raise_priority 1.5", Action(Deed.RAISE_PRIORITY, "", 1.5)),
        ("announce acd/sorry", Action(Deed.ANNOUNCE, "acd/sorry")),
        ("overflow main", Action(Deed.OVERFLOW, "main")),
        ("offer_callback", Action(Deed.OFFER_CALLBACK)),
        ("voicemail", Action(Deed.VOICEMAIL)),
        ("fallback", Action(Deed.FALLBACK)),
        ("open_reserve 2", Action(Deed.OPEN_RESERVE, "", 2.0)),
    ],
)
def test_every_action(text: str, action: Action):
    assert parse_do(text) == action


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drop_skil law", "unknown action 'drop_skil'; did you mean 'drop_skill'?"),
        (" ", "unknown action ''; known: add_skill"),
        ("hang_up", "unknown action 'hang_up'; known: add_skill, announce, "),
        ("lower_skill law", "is written: lower_skill SKILL LEVEL, level 1 to 5"),
        ("lower_skill law 0", "is written: lower_skill SKILL LEVEL, level 1 to 5"),
        ("raise_priority 0.5", "is written: raise_priority FACTOR, above 1 and at most 100"),
        ("set_priority 101", "is written: set_priority NUMBER, above 0 and at most 100"),
        ("announce ../../etc/passwd;x", "is written: announce SOUND"),
        ("voicemail now", "is written: voicemail"),
        ("open_reserve 3", "is written: open_reserve CLASS, 1 or 2"),
    ],
)
def test_an_action_that_is_none(text: str, said: str):
    with pytest.raises(ValueError, match="^" + said.replace("?", r"\?").replace("(", r"\(")):
        parse_do(text)
