"""Rules as configuration: the section people write, the defaults, and the way into the core's words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from acd.config.rule_language import parse_do, parse_when
from acd.config.strict_yaml import Section
from acd.config.system import Name, Seconds
from acd.core.rules import Rule

_Text = Annotated[str, Field(min_length=1, max_length=400)]


MAX_RULES = 100
"""Of one queue, and again of the defaults. Every rule is held against every other, and against every caller who waits."""


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class RuleSettings(Section):
    """One rule: when this holds, do that."""

    name: Name | None = Field(default=None, description="For explanations; absent = its number")
    when: _Text = Field(description="Conditions joined by `and`; see Rules")
    do: Annotated[tuple[_Text, ...], BeforeValidator(_one_or_more), Field(min_length=1, max_length=10)] = (
        Field(description="One action or a list of them")
    )
    every_s: Seconds | None = Field(
        default=None, description="Again after this while the condition holds; absent = once"
    )


BUILT_IN = (
    RuleSettings(name="nobody logged in", when="waited_s >= 20 and logged_in = 0", do=("voicemail",)),
)
"""What a caller would want where nothing is configured: not to wait for people who are not there."""


def rule_of(settings: RuleSettings, number: int) -> Rule:
    """Return a rule as the core knows it; its texts were checked (acd.config.rule_checks)."""
    placed, _ = parse_when(settings.when)
    return Rule(
        name=settings.name or f"{number}",
        conditions=tuple(item.condition for item in placed),
        actions=tuple(parse_do(text) for text in settings.do),
        every_ms=None if settings.every_s is None else round(settings.every_s * 1000),
        text=" ".join(settings.when.split()),
    )


def rules_of(settings: tuple[RuleSettings, ...]) -> tuple[Rule, ...]:
    """Return a queue's rules in their order."""
    return tuple(rule_of(one, number + 1) for number, one in enumerate(settings))
