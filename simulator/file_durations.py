"""How scenario files write times of day, shares and distributions of durations."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from acd.config.strict_yaml import Flag, Number, Section, Whole
from acd.core.instant import SECOND_MS
from simulator import distributions as dist

if TYPE_CHECKING:
    from typing import Self

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

Share = Annotated[Number, Field(ge=0, le=1)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Count = Annotated[Whole, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,60}$")]
GroupName = Annotated[str, Field(pattern=r"^[A-Za-z][0-9A-Za-z]{0,40}$")]


def time_of_day(value: object) -> object:
    """Turn HH:MM (00:00 to 48:00, beyond 24 is the next day) into milliseconds since midnight."""
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != 2 or not all(part.isdigit() and len(part) == 2 for part in parts):
        raise ValueError("must be a time of day such as 09:30")
    hours, minutes = map(int, parts)
    if minutes > 59 or hours * 60 + minutes > 48 * 60:
        raise ValueError("must be a time of day from 00:00 to 48:00 (beyond 24:00 is the next day)")
    return (hours * 60 + minutes) * 60 * SECOND_MS


def parse_date(value: object) -> object:
    """Read an ISO date."""
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        raise ValueError("must be a date such as 2026-03-02") from None


TimeOfDay = Annotated[int, BeforeValidator(time_of_day)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Month = Literal["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def ms(seconds: float) -> int:
    """Return whole milliseconds."""
    return round(seconds * SECOND_MS)


# --- durations -------------------------------------------------------------------------------------


class ExponentialSection(Section):
    """A mean."""

    mean_s: Positive

    def build(self) -> dist.Exponential:
        """Return the distribution in milliseconds."""
        return dist.Exponential(self.mean_s * SECOND_MS)


class LognormalSection(Section):
    """Mean and coefficient of variation, or the two parameters of the logarithm of seconds."""

    mean_s: Positive | None = None
    cv: Positive | None = None
    mu: Number | None = None
    sigma: Positive | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = {key for key in ("mean_s", "cv", "mu", "sigma") if getattr(self, key) is not None}
        if given not in ({"mean_s", "cv"}, {"mu", "sigma"}):
            raise ValueError("a lognormal needs mean_s and cv, or mu and sigma")
        return self

    def build(self) -> dist.Lognormal:
        """Return the distribution in milliseconds."""
        if self.mean_s is not None and self.cv is not None:
            return dist.Lognormal.of_mean(self.mean_s * SECOND_MS, self.cv)
        return dist.Lognormal((self.mu or 0.0) + math.log(SECOND_MS), self.sigma or 0.0)


class UniformSection(Section):
    """Anything between two durations."""

    low_s: NotNegative
    high_s: NotNegative

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low_s > self.high_s:
            raise ValueError("low_s must not exceed high_s")
        return self

    def build(self) -> dist.Uniform:
        """Return the distribution in milliseconds."""
        return dist.Uniform(self.low_s * SECOND_MS, self.high_s * SECOND_MS)


class GammaSection(Section):
    """Mean and shape."""

    mean_s: Positive
    shape: Positive

    def build(self) -> dist.Gamma:
        """Return the distribution in milliseconds."""
        return dist.Gamma(self.mean_s * SECOND_MS, self.shape)


class ParetoSection(Section):
    """Scale and tail index; the mean is infinite for an index of 1 or less."""

    scale_s: Positive
    index: Positive

    def build(self) -> dist.Pareto:
        """Return the distribution in milliseconds."""
        return dist.Pareto(self.scale_s * SECOND_MS, self.index)


class PartSection(Section):
    """One part of a mixture."""

    share: Share
    of: Duration


class PointSection(Section):
    """One point of a survival curve."""

    at_s: Positive
    share: Annotated[Number, Field(gt=0, le=1)]


class DurationSection(Section):
    """Exactly one kind of distribution."""

    fixed_s: NotNegative | None = None
    exponential: ExponentialSection | None = None
    lognormal: LognormalSection | None = None
    uniform: UniformSection | None = None
    gamma: GammaSection | None = None
    pareto: ParetoSection | None = None
    mixture: Annotated[list[PartSection], Field(min_length=1)] | None = None
    survival: Annotated[list[PointSection], Field(min_length=1)] | None = None
    never: Flag | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [key for key in type(self).model_fields if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one kind of distribution, not {len(given)}")
        if self.mixture and abs(sum(part.share for part in self.mixture) - 1.0) > 1e-6:
            raise ValueError("the shares of a mixture must add up to 1")
        if self.survival:
            for before, after in zip(self.survival, self.survival[1:], strict=False):
                if after.at_s <= before.at_s or after.share > before.share:
                    raise ValueError("a survival curve rises in at_s and never rises in share")
        return self

    def build(self) -> dist.Distribution:
        """Return the distribution in milliseconds."""
        for part in (self.lognormal, self.exponential, self.uniform, self.gamma, self.pareto):
            if part is not None:
                return part.build()
        if self.mixture:
            shares, parts = zip(*((part.share, part.of.build()) for part in self.mixture), strict=True)
            return dist.Mixture(shares, parts)
        if self.survival:
            return dist.Survival(
                tuple(point.at_s * SECOND_MS for point in self.survival),
                tuple(point.share for point in self.survival),
            )
        return dist.Never() if self.never else dist.Fixed((self.fixed_s or 0.0) * SECOND_MS)


def _short_form(value: object) -> object:
    """A bare number is a fixed duration in seconds, the word never is endless."""
    if value == "never":
        return {"never": True}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"fixed_s": value}
    if not isinstance(value, (dict, DurationSection)):
        raise ValueError(  # noqa: TRY004 - pydantic's way
            "must be seconds (a number without unit), never, or a distribution such as {exponential: {mean_s: 180}}"
        )
    return value


Duration = Annotated[DurationSection, BeforeValidator(_short_form)]
PartSection.model_rebuild()
DurationSection.model_rebuild()
