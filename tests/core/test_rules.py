"""Rules as data: when one may apply, by time and by facts."""

import pytest

from acd.core.rules import Action, Condition, Deed, Rule


def rule(*conditions: Condition) -> Rule:
    return Rule("r", conditions, (Action(Deed.VOICEMAIL),))


@pytest.mark.parametrize(
    ("operator", "value", "holds"),
    [(">=", 5, True), (">", 5, False), ("<=", 5, True), ("<", 5, False), ("=", 5, True), ("=", 4, False)],
)
def test_every_comparison(operator: str, value: float, holds: bool):
    assert Condition("depth", operator, value).holds({"depth": 5.0}.get) is holds


def test_what_nobody_knows_holds_for_nothing():
    assert not Condition("expected_wait_ms", "<", 1e9).holds(lambda _: None)


def test_a_window_is_asked_for_by_its_text():
    inside = Condition("during", "=", 1.0, "daily 12:00-13:00")
    assert inside.holds({"during daily 12:00-13:00": 1.0}.get)
    assert not inside.holds({"during daily 12:00-13:00": 0.0}.get)


@pytest.mark.parametrize(
    ("operator", "first", "end"),
    [(">=", 10_000, None), (">", 10_001, None), ("=", 10_000, 10_001), ("<", 0, 10_000), ("<=", 0, 10_001)],
)
def test_the_wait_gives_the_moment_of_a_rule(operator: str, first: int, end: int | None):
    one = rule(Condition("waited_ms", operator, 10_000))
    assert (one.from_ms, one.until_ms) == (first, end)


def test_the_later_of_two_waits_counts_and_only_what_happens_is_watched():
    one = rule(
        Condition("waited_ms", ">=", 5_000), Condition("waited_ms", ">=", 9_000), Condition("depth", ">", 2)
    )
    assert one.from_ms == 9_000
    assert one.facts == {"depth"}
    assert rule(Condition("waited_ms", ">=", 1)).facts == frozenset()


def test_actions_read_as_they_are_written():
    assert str(Action(Deed.LOWER_SKILL, "law", 2.0)) == "lower_skill law 2"
    assert str(Action(Deed.VOICEMAIL)) == "voicemail"
