"""How scenario files write queues and their callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from acd.config.rules import RuleSettings, rules_of
from acd.config.strict_yaml import Number, Section, Whole
from acd.core.instant import HOUR_MS
from simulator import scenario as sc
from simulator.file_durations import (
    DAYS,
    MONTHS,
    Duration,
    DurationSection,
    GroupName,
    Month,
    Name,
    NotNegative,
    Positive,
    Share,
    TimeOfDay,
    Weekday,
    ms,
)

if TYPE_CHECKING:
    from typing import Self

    from acd.core.rules import Rule

WEEKS_PER_MONTH = 365.25 / 7 / 12


class ArrivalsSection(Section):
    """Rates in calls per hour from a time of day on, step by step, and the factors."""

    starts: TimeOfDay = 0
    step_s: Positive = 3600.0
    per_hour: Annotated[list[NotNegative], Field(min_length=1)]
    """One rate around the clock, or one per step."""
    per_month: NotNegative | None = None
    """Scale everything so that a month whose factor is 1 has so many calls."""
    weekday: dict[Weekday, NotNegative] = Field(default_factory=dict)
    season: dict[Month, NotNegative] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _around_the_clock(cls, data: object) -> object:
        if (
            isinstance(data, dict)
            and isinstance(data.get("per_hour"), (int, float))
            and not {"starts", "step_s"} & set(data)
        ):
            return {**data, "per_hour": [data["per_hour"]] * 24}
        return data

    def build(self, factor: float) -> sc.Arrivals:
        """Return the arrivals, volume times `factor`."""
        weekday = tuple(self.weekday.get(day, 1.0) for day in DAYS)  # type: ignore[call-overload]
        season = tuple(self.season.get(month, 1.0) for month in MONTHS)  # type: ignore[call-overload]
        start, step, rates = self.starts, ms(self.step_s), tuple(self.per_hour)
        made = sc.Arrivals(start, step, rates, weekday, season)
        if self.per_month is not None:
            daily = sum(rates) * step / HOUR_MS
            month = daily * sum(weekday) * WEEKS_PER_MONTH
            factor *= self.per_month / month if month else 0.0
        return (
            sc.Arrivals(start, step, tuple(rate * factor for rate in rates), weekday, season)
            if factor != 1
            else made
        )


class PromiseSection(Section):
    """Share answered within the threshold."""

    share: Annotated[Number, Field(gt=0, lt=1)] = 0.80
    threshold_s: Positive = 20.0


class RetrySection(Section):
    """What a caller does who gave up."""

    probability: Share
    after: Duration
    patience: Literal["same", "new"] = "same"
    talk: Literal["same", "new"] = "same"
    waits: Literal["separate", "added"] = "separate"
    most: Annotated[Whole, Field(ge=1, le=1000)] = 50


class CallbackSection(Section):
    """A place kept in line."""

    after_s: NotNegative
    accept: Share
    dial: Duration = DurationSection(fixed_s=15.0)


class TransferSection(Section):
    """A share of answered calls that goes on."""

    to: Name
    probability: Share


class SpreadSection(Section):
    """Volumes of copies, evenly from low to high times the given one."""

    low: NotNegative
    high: NotNegative


class QueueSection(Section):
    """One waiting line; `copies` makes many alike, named name-1, name-2 and so on."""

    name: Name
    copies: Annotated[Whole, Field(ge=1, le=5000)] = 1
    volumes: SpreadSection | None = None
    subscriber: str = ""
    promise: PromiseSection = PromiseSection()
    priority: Positive = 1.0
    needs: dict[Name, Annotated[Whole, Field(ge=1, le=5)]] = Field(default_factory=dict)
    served_by: list[GroupName] = Field(default_factory=list)
    arrivals: ArrivalsSection
    patience: Duration = DurationSection(never=True)
    patience_by_period: list[Duration] = Field(default_factory=list)
    talk: Duration | None = None
    talk_by_period: list[Duration] = Field(default_factory=list)
    talk_by_group: dict[GroupName, Duration] = Field(default_factory=dict)
    wrap_up: Duration = DurationSection(fixed_s=0.0)
    retry: RetrySection | None = None
    callback: CallbackSection | None = None
    transfers: list[TransferSection] = Field(default_factory=list)
    ring_timeout_s: Positive = 12.0
    wrap_up_limit_s: Positive = 120.0
    max_wait_s: Positive = 600.0
    max_waiting: Annotated[Whole, Field(ge=0)] = 200
    short_abandon_s: NotNegative = 5.0
    rules: list[RuleSettings] = Field(default_factory=list)

    @model_validator(mode="after")
    def _talk_given(self) -> Self:
        if self.talk is None and not self.talk_by_period:
            raise ValueError("needs talk or talk_by_period")
        return self

    def build(self) -> list[sc.Queue]:
        """Return the queue or its copies."""
        if self.copies == 1:
            return [self._one(self.name, self.subscriber or self.name, 1.0)]
        low, high = (self.volumes.low, self.volumes.high) if self.volumes else (1.0, 1.0)
        step = (high - low) / (self.copies - 1)
        names = [f"{self.name}-{number + 1}" for number in range(self.copies)]
        return [self._one(name, name, low + step * number) for number, name in enumerate(names)]

    def _one(self, name: str, subscriber: str, volume: float) -> sc.Queue:
        by_period = tuple(part.build() for part in self.talk_by_period)
        talk = self.talk.build() if self.talk else by_period[0]
        return sc.Queue(
            name=name,
            subscriber=subscriber,
            arrivals=self.arrivals.build(volume),
            talk=talk,
            patience=self.patience_by_period[0].build() if self.patience_by_period else self.patience.build(),
            wrap_up=self.wrap_up.build(),
            share=self.promise.share,
            threshold_ms=ms(self.promise.threshold_s),
            priority=self.priority,
            needs=tuple(self.needs.items()),
            served_by=tuple(self.served_by),
            talk_by_period=by_period,
            patience_by_period=tuple(part.build() for part in self.patience_by_period),
            talk_by_group=tuple((group, part.build()) for group, part in self.talk_by_group.items()),
            retry=self._retry(),
            callback=sc.Callback(ms(self.callback.after_s), self.callback.accept, self.callback.dial.build())
            if self.callback
            else None,
            transfers=tuple(sc.Transfer(part.to, part.probability) for part in self.transfers),
            ring_timeout_ms=ms(self.ring_timeout_s),
            wrap_up_limit_ms=ms(self.wrap_up_limit_s),
            max_wait_ms=ms(self.max_wait_s),
            max_waiting=self.max_waiting,
            short_abandon_ms=ms(self.short_abandon_s),
            rules=self._rules(),
        )

    def _rules(self) -> tuple[Rule, ...]:
        """Return the rules; unreadable ones are none here: simulator.file_rules tells of them."""
        try:
            return rules_of(tuple(self.rules))
        except ValueError:
            return ()

    def _retry(self) -> sc.Retry | None:
        given = self.retry
        if given is None:
            return None
        return sc.Retry(
            given.probability,
            given.after.build(),
            same_patience=given.patience == "same",
            same_talk=given.talk == "same",
            add_waits=given.waits == "added",
            most=given.most,
        )
