"""The short number of a call card: easy to say, easy to key in, a slip of the finger is noticed.

A number is a sequence number followed by one Damm check digit, which catches every single wrong digit
and every swap of neighbours. Six to eight digits while fewer than ten million cards were written.
Spoken and printed in groups: two digits, then threes, so `123459` reads `12 345 9`.
"""

from __future__ import annotations

from stdnum import damm

FIRST_SEQUENCE = 10_000
"""Numbers start with six digits, so that nobody takes one for an extension."""

MAX_DIGITS = 12
_SEPARATORS = str.maketrans("", "", " \u00a0\t-–—./#№")


class CardNumberError(ValueError):
    """What was keyed in is not a card number; the message is meant for the person who keyed it."""


def from_sequence(sequence: int) -> str:
    """Return the number for the n-th card. Raises ValueError below `FIRST_SEQUENCE`."""
    if sequence < FIRST_SEQUENCE:
        raise ValueError(f"card sequence {sequence} is below {FIRST_SEQUENCE}")
    body = str(sequence)
    return body + str(damm.calc_check_digit(body))


def parse(text: str) -> str:
    """Return the bare digits of what a person typed or read out.

    Spaces, dashes, dots and a leading number sign are ignored. Raises CardNumberError saying what is wrong.
    """
    digits = text.strip().translate(_SEPARATORS)
    if not digits:
        raise CardNumberError("no card number given")
    if not (digits.isascii() and digits.isdigit()):
        raise CardNumberError("a card number has digits only, for example 12 345 9")
    shortest = len(str(FIRST_SEQUENCE)) + 1
    if not shortest <= len(digits) <= MAX_DIGITS:
        raise CardNumberError(
            f"a card number has at least {shortest} digits and at most {MAX_DIGITS}, this one has {len(digits)}"
        )
    if not damm.is_valid(digits):
        raise CardNumberError(
            f"{spoken(digits)} is not a card number: its check digit is wrong, one digit was mistyped or misheard"
        )
    return digits


def is_card_number(text: str) -> bool:
    """Return whether `parse` would accept this text."""
    try:
        parse(text)
    except CardNumberError:
        return False
    return True


def spoken(number: str) -> str:
    """Return the number in groups for reading aloud: `123459` → `12 345 9`."""
    groups = [number[:2]] + [number[i : i + 3] for i in range(2, len(number), 3)]
    return " ".join(group for group in groups if group)
