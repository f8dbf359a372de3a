"""State holidays and transferred working days, by country (libraries.md 4.11).

Days beyond the published decree are the library's expectation; a project's own exceptions always win.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

COUNTRIES = ("RU", "BY", "KZ")


@dataclass(frozen=True, slots=True)
class StateDays:
    """Days off by date with their names, and weekend days that are worked."""

    off: Mapping[dt.date, str]
    worked: frozenset[dt.date]


@lru_cache(maxsize=32)
def _read(country: str, years: tuple[int, ...]) -> StateDays:
    import holidays  # only who names a country needs its calendar: not at every start

    found = holidays.country_holidays(
        country, years=list(years), language="en_US" if country != "RU" else "ru"
    )
    worked = frozenset(day for day in found.weekend_workdays if day.year in years)
    off = {day: str(name) for day, name in sorted(found.items()) if day.year in years}
    return StateDays(MappingProxyType(off), worked)


def state_days(country: str, years: Iterable[int]) -> StateDays:
    """Return the state's days of some years. Raises ValueError for a country that is not offered."""
    if country not in COUNTRIES:
        raise ValueError(f"state holidays are known for {', '.join(COUNTRIES)}")
    return _read(country, tuple(sorted(years)))
