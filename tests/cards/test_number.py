"""Card numbers: said on the phone, keyed in by a person, so slips must be noticed (003-04, 003-05)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.cards import number as cardnumber

SEQUENCES = st.integers(cardnumber.FIRST_SEQUENCE, 9_999_999)


@given(SEQUENCES)
def test_a_number_has_six_to_eight_digits_and_is_read_back_from_its_groups(sequence):
    number = cardnumber.from_sequence(sequence)
    assert 6 <= len(number) <= 8
    assert cardnumber.parse(cardnumber.spoken(number)) == number


@given(SEQUENCES, st.data())
def test_every_single_wrong_digit_is_noticed(sequence, data):
    number = cardnumber.from_sequence(sequence)
    place = data.draw(st.integers(0, len(number) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[place]]))
    assert not cardnumber.is_card_number(number[:place] + wrong + number[place + 1 :])


@given(SEQUENCES, st.data())
def test_every_swap_of_neighbours_is_noticed(sequence, data):
    number = cardnumber.from_sequence(sequence)
    place = data.draw(st.integers(0, len(number) - 2))
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert swapped == number or not cardnumber.is_card_number(swapped)


def test_numbers_differ_for_different_cards():
    numbers = {cardnumber.from_sequence(sequence) for sequence in range(10_000, 12_000)}
    assert len(numbers) == 2_000


@pytest.mark.parametrize(
    "typed", ["123459", "12 345 9", "12-345-9", " 12.345.9 ", "№ 123459", "#12\u00a0345\u00a09"]
)
def test_people_may_write_it_with_spaces_and_dashes(typed):
    assert cardnumber.parse(typed) == cardnumber.from_sequence(12345)


def test_the_spoken_form_is_two_digits_then_threes():
    assert cardnumber.spoken("123456") == "12 345 6"
    assert cardnumber.spoken("12345678") == "12 345 678"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "no card number given"),
        ("  - ", "no card number given"),
        ("12a459", "digits only"),
        ("١٢٣٤٥٥", "digits only"),
        ("12345", "at least 6 digits"),
        ("1" * 13, "has 13"),
        ("123456", "12 345 6 is not a card number: its check digit is wrong"),
    ],
)
def test_a_slip_is_answered_with_what_is_wrong(typed, words):
    with pytest.raises(cardnumber.CardNumberError, match=words):
        cardnumber.parse(typed)


def test_a_sequence_below_the_first_is_our_own_mistake():
    with pytest.raises(ValueError, match="below"):
        cardnumber.from_sequence(9_999)


@given(st.text(max_size=30))
def test_any_text_is_either_a_number_or_refused_in_one_way(text):
    try:
        number = cardnumber.parse(text)
    except cardnumber.CardNumberError:
        return
    assert number.isascii()
    assert number.isdigit()
