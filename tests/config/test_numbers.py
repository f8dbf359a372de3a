"""Telephone numbers into one form; short numbers stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.config.numbers import bare, normalise


@pytest.mark.parametrize(
    ("text", "region", "form"),
    [
        ("8 (495) 123-45-67", "RU", "+74951234567"),
        ("+7 495 123.45.67", "RU", "+74951234567"),
        ("74951234567", "RU", "+74951234567"),
        ("4951234567", "RU", "+74951234567"),
        ("81049301234567", "RU", "+49301234567"),
        ("030 1234567", "DE", "+49301234567"),
        ("+442079460018", "RU", "+442079460018"),
    ],
)
def test_usual_writings_become_one_form(text, region, form):
    assert normalise(text, region) == (form, True)


@pytest.mark.parametrize("text", ["112", "101", "7001", "999999"])
def test_short_numbers_stay_as_they_are(text):
    """libraries.md 4.12: the number library makes +7112 of 112."""
    assert normalise(text, "RU") == (text, True)


def test_a_number_outside_every_plan_is_kept_and_marked():
    assert normalise("+70001112233", "RU") == ("+70001112233", False)
    assert normalise("5550001", "RU") == ("5550001", False)


@pytest.mark.parametrize("text", ["", "+", "anonymous", "1" * 19, "12a", "٣٤٥", "1;2", "1\n2", "++7"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="not a telephone number"):
        bare(text)


@pytest.mark.slow
@given(st.from_regex(r"\A[0-9+() .-]{1,24}\Z"))
def test_normalising_twice_changes_nothing_and_only_value_errors_leave(text):
    try:
        once, _ = normalise(text, "RU")
    except ValueError:
        return
    assert normalise(once, "RU")[0] == once
