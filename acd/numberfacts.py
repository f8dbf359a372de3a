"""What the number plan says about a number: one normal form, its country, and whether dialling it is dear."""

from __future__ import annotations

import re

import phonenumbers
from phonenumbers import PhoneNumberType, shortnumberinfo

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
        parsed = phonenumbers.parse(plain, home_region)
    except phonenumbers.NumberParseException:
        return NumberFacts("", "", NumberKind.INVALID)
    if not plain.startswith("+") and shortnumberinfo.is_possible_short_number_for_region(parsed, home_region):
        # before validity: 112 would otherwise be read as a subscriber's number of the home country
        return NumberFacts(plain, home_region, NumberKind.SHORT)
    if not phonenumbers.is_valid_number(parsed):
        return NumberFacts("", "", NumberKind.INVALID)
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    region = phonenumbers.region_code_for_number(parsed) or ""
    dear = phonenumbers.number_type(parsed) in _DEAR
    return NumberFacts(e164, region, NumberKind.PREMIUM if dear else NumberKind.ORDINARY)


def normalise(number: str, home_region: str = HOME_REGION) -> str:
    """Return the form by which a caller is found again: E.164 for a valid number, else what was dialled."""
    found = facts(number, home_region)
    return found.e164 or _NOT_DIALLED.sub("", number)[:_LENGTH_LIMIT]
