"""Telephone numbers as people write them, into one form: E.164, or as it stands.

Short numbers (112, 101, extensions) are classified first: the number library turns them into nonsense
such as +7112. What is no valid number of the country stays as written, digits only.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

from acd.core.ids import Did

SHORT_DIGITS = 6
"""Numbers up to this length are extensions or services and stay as they are."""
MAX_DIGITS = 18
_DECORATION = re.compile(r"[ ().-]")
_DIALLED = re.compile(r"\+?[0-9]{1,18}")


def bare(text: str) -> str:
    """Return a number without the decoration people put in; raises ValueError when no number is left."""
    digits = _DECORATION.sub("", text)
    if not _DIALLED.fullmatch(digits):
        raise ValueError(f"not a telephone number: 1 to {MAX_DIGITS} digits with an optional leading +")
    return digits


@lru_cache(maxsize=10_000)
def normalise(text: str, region: str) -> tuple[Did, bool]:
    """Return the one form of a number and whether it is a valid number (or a short one) of the region.

    Args:
        text: as written or as dialled: ``8 (495) 123-45-67``, ``+7…``, ten digits, ``101``.
        region: two-letter country in which national numbers are read.

    Raises:
        ValueError: the text is no number at all.
    """
    digits = bare(text)
    if len(digits.lstrip("+")) <= SHORT_DIGITS and not digits.startswith("+"):
        return Did(digits), True
    for candidate in (digits, f"+{digits}"):
        try:
            parsed = phonenumbers.parse(candidate, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            return Did(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)), True
        if digits.startswith("+"):
            break
    return Did(digits), False
