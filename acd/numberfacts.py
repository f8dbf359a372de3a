"""What the number plan says about a number: one normal form, its country, and whether dialling it is dear."""

from __future__ import annotations

import re

import phonenumbers
from phonenumbers import PhoneNumberType, shortnumberinfo

from acd.config import numbers as config_numbers
from acd.desk.ledger import NumberFacts, NumberKind

HOME_REGION = "RU"
_LENGTH_LIMIT = 40
_DEAR = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
        PhoneNumberType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER,
        PhoneNumberType.PAGER,
    }
)
_NOT_DIALLED = re.compile(r"[^0-9+*#]")


def facts(number: str, home_region: str = HOME_REGION) -> NumberFacts:
    """Classify a number as delivered or keyed in. Never raises; what is not a number is INVALID."""
    plain = _NOT_DIALLED.sub("", number)
    if not plain or len(number) > _LENGTH_LIMIT:
        return NumberFacts("", "", NumberKind.INVALID)
    try:
        form, valid = config_numbers.normalise(plain, home_region)
        parsed = phonenumbers.parse(form, home_region)
    except (ValueError, phonenumbers.NumberParseException):
        return NumberFacts("", "", NumberKind.INVALID)
    if not valid:
        return NumberFacts("", "", NumberKind.INVALID)
    if not form.startswith("+"):
        short = shortnumberinfo.is_possible_short_number_for_region(parsed, home_region)
        return (
            NumberFacts(form, home_region, NumberKind.SHORT)
            if short
            else NumberFacts("", "", NumberKind.INVALID)
        )
    region = phonenumbers.region_code_for_number(parsed) or ""
    dear = phonenumbers.number_type(parsed) in _DEAR
    return NumberFacts(form, region, NumberKind.PREMIUM if dear else NumberKind.ORDINARY)


def normalise(number: str, home_region: str = HOME_REGION) -> str:
    """Return the form by which a caller is found again, by the rule of the number plan (acd.config.numbers).

    Never raises: what is no number at all stays as dialled, cut to a bounded length.
    """
    plain = _NOT_DIALLED.sub("", number)
    try:
        return config_numbers.normalise(plain, home_region)[0]
    except ValueError:
        return plain[:_LENGTH_LIMIT]
