"""The section `callbacks` of acd.yaml: whom we call back by ourselves, when and how often (003-24, security row 9)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from acd.config.strict_yaml import Flag, Number, Section, Whole
from acd.config.system import Account, Seconds, SecretReference
from acd.desk.ledger import LedgerRules

TimeOfDay: TypeAlias = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-4]):[0-5][0-9]$")]
Region: TypeAlias = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Prefix: TypeAlias = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{0,14}$")]
E164: TypeAlias = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{4,14}$")]
Cap: TypeAlias = Annotated[Whole, Field(ge=0, le=1_000_000)]


class Callbacks(Section):
    """Call-backs the daemon dials by itself. Without this section the ledger only lists them."""

    enabled: Flag = Field(default=True, description="false: list them, dial none")
    user: Account = Field(
        default="acd-callback", description="Manager user with `originate` and nothing else"
    )
    secret: SecretReference = Field(
        default=SecretReference(file=Path("secrets/ami-callback")), description="Its secret"
    )
    regions: tuple[Region, ...] = Field(
        default=(), description="Countries dialled without asking; absent = the centre's region"
    )
    prefixes: tuple[Prefix, ...] = Field(default=(), description="Further prefixes dialled without asking")
    do_not_call: tuple[E164, ...] = Field(
        default=(), description="Numbers never called back; their tasks close"
    )
    min_ring_s: Annotated[Number, Field(ge=5, le=600)] = Field(
        default=5.0, description="Who rang shorter is called back only with a person's yes"
    )
    hours_from: TimeOfDay = Field(default="09:00", description="Nobody is called back earlier, local time")
    hours_to: TimeOfDay = Field(
        default="21:00", description="Nor from then on; opening hours of the queue also hold"
    )
    daily_per_number: Cap = Field(default=3, description="Call-backs of one number a day")
    daily_per_subscriber: Cap = Field(default=200, description="Of one subscriber's callers a day")
    daily_total: Cap = Field(default=2_000, description="Of the whole centre a day")
    max_attempts: Annotated[Whole, Field(ge=1, le=100)] = Field(
        default=5, description="So often the number is dialled"
    )
    after_last: Literal["ask", "close"] = Field(
        default="ask", description="Then: ask a person, or close the task by rule"
    )
    first_retry_s: Seconds = Field(default=600.0, description="Pause after the first attempt; it doubles")
    longest_retry_s: Seconds = Field(default=14_400.0, description="The longest pause")
    deadline_h: Annotated[Number, Field(gt=0, le=8_760)] = Field(
        default=24.0, description="A task not settled by then counts as lost"
    )
    in_line_s: Annotated[Number, Field(ge=9, le=600)] = Field(
        default=120.0, description="So long one call-back waits for an agent, then it is put off"
    )
    ring_s: Annotated[Whole, Field(ge=5, le=120)] = Field(
        default=40, description="The number is rung for this long"
    )
    at_once: Annotated[Whole, Field(ge=1, le=1_000)] = Field(
        default=3, description="Call-backs of missed calls under way at once"
    )
    priority: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.01, description="Multiplier on urgency of call-backs of missed calls: callers come first"
    )
    keep_place_s: Annotated[Number, Field(ge=0, le=86_400)] = Field(
        default=3_600.0, description="Who chose to be called back keeps the place in line for so long"
    )
    postpone_s: Seconds = Field(default=60.0, description="Pause after a call-back that got no agent")

    @field_validator("hours_to")
    @classmethod
    def _not_past_midnight(cls, value: str) -> str:
        if minute_of(value) > 24 * 60:
            raise ValueError("24:00 is the end of the day")
        return value


def minute_of(text: str) -> int:
    """Return the minute of the day of HH:MM."""
    hours, minutes = re.split(":", text)
    return int(hours) * 60 + int(minutes)


def ledger_rules(settings: Callbacks | None, home_region: str) -> LedgerRules:
    """Return the ledger's rules; without the section the defaults, for the country the centre is in."""
    if settings is None:
        return LedgerRules(regions=(home_region,))
    return LedgerRules(
        deadline_ms=round(settings.deadline_h * 3_600_000),
        regions=settings.regions or (home_region,),
        prefixes=settings.prefixes,
        min_ring_ms=round(settings.min_ring_s * 1000),
        hours_from_minute=minute_of(settings.hours_from),
        hours_to_minute=minute_of(settings.hours_to),
        daily_per_number=settings.daily_per_number,
        daily_per_subscriber=settings.daily_per_subscriber,
        daily_total=settings.daily_total,
        max_attempts=settings.max_attempts,
        first_retry_ms=round(settings.first_retry_s * 1000),
        longest_retry_ms=round(settings.longest_retry_s * 1000),
        postpone_ms=round(settings.postpone_s * 1000),
        keep_place_ms=round(settings.keep_place_s * 1000),
        close_after_last=settings.after_last == "close",
        do_not_call=frozenset(settings.do_not_call),
    )
