"""Routing rules as data, and what decides whether one applies: a pure look at a caller's facts.

A rule is "when all these conditions hold, do these things", once per stay in a queue or again and
again. The form follows OpenACD's recipes; who carries the actions out is `acd.core.rulebook`. How
people write rules, and what is refused at load, stands in acd.config.rule_language and config/README.md.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.core.ids import QueueId, SkillId

if TYPE_CHECKING:
    from collections.abc import Callable

    from acd.core.instant import Duration

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}

WAITED = "waited_ms"
WINDOW = "during"

FACTS: dict[str, str] = {
    "waited_ms": "how long the caller has waited, over all queues of this call",
    "depth": "callers waiting in this queue, this one included",
    "position": "the caller's place in this queue, 1 is next",
    "expected_wait_ms": "how long the caller will still wait, by the estimator of decision 0103",
    "eligible": "agents at work, not paused, who may take this caller as things stand; free or busy",
    "available": "agents free now who may take this caller as things stand",
    "logged_in": "agents logged in, paused ones included, who may take this caller",
    "priority": "the caller's priority, queue's and own multiplied",
    "open": "1 within the queue's opening hours, else 0",
}
"""What a condition may speak of, beside a window of the clock."""

STATE_FACTS = frozenset(FACTS) - {WAITED}
"""Facts that change with what happens, not with time alone."""
AGENT_FACTS = frozenset({"eligible", "available", "logged_in"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. For `during` the window's text stands in `window` and value 1 means inside."""

    fact: str
    operator: str
    value: float
    window: str = ""

    @property
    def key(self) -> str:
        """The name under which its fact is asked for."""
        return f"{WINDOW} {self.window}" if self.window else self.fact

    def holds(self, fact: Callable[[str], float | None]) -> bool:
        """Whether it holds; a fact nobody knows (no honest estimate) makes nothing hold."""
        value = fact(self.key)
        return value is not None and OPERATORS[self.operator](value, self.value)


class Deed:
    """What a rule may do, by name."""

    ADD_SKILL = "add_skill"
    LOWER_SKILL = "lower_skill"
    DROP_SKILL = "drop_skill"
    SET_PRIORITY = "set_priority"
    RAISE_PRIORITY = "raise_priority"
    ANNOUNCE = "announce"
    OVERFLOW = "overflow"
    OFFER_CALLBACK = "offer_callback"
    VOICEMAIL = "voicemail"
    FALLBACK = "fallback"
    OPEN_RESERVE = "open_reserve"


LEAVES = frozenset({Deed.OVERFLOW, Deed.VOICEMAIL, Deed.FALLBACK})
"""Deeds that end the wait in this queue."""

MAX_PRIORITY = 100.0


@dataclass(frozen=True, slots=True)
class Action:
    """One deed with its object: a skill and level, a number, a sound, a queue."""

    deed: str
    name: str = ""
    """Skill, sound or queue."""
    number: float = 0.0
    """Level, priority, factor or reserve class."""

    @property
    def skill(self) -> SkillId:
        """The skill it speaks of."""
        return SkillId(self.name)

    @property
    def queue(self) -> QueueId:
        """The queue it leads to."""
        return QueueId(self.name)

    def __str__(self) -> str:
        number = f"{self.number:g}" if self.number else ""
        return " ".join(part for part in (self.deed, self.name, number) if part)


@dataclass(frozen=True, slots=True)
class Rule:
    """When all conditions hold: do. Once per stay, or every so often while they hold."""

    name: str
    conditions: tuple[Condition, ...]
    actions: tuple[Action, ...]
    every_ms: Duration | None = None
    text: str = ""
    """The condition as it was written, for explanations."""

    @property
    def from_ms(self) -> Duration:
        """The wait below which the rule cannot apply: its moment is a deadline, not a matter of looking."""
        lows = [_first_ms(c) for c in self.conditions if c.fact == WAITED]
        return max(lows, default=0)

    @property
    def until_ms(self) -> Duration | None:
        """The wait from which on the rule can no longer apply; None if it has no such end."""
        ends = [_last_ms(c) for c in self.conditions if c.fact == WAITED and c.operator in {"<", "<=", "="}]
        return min(ends, default=None)

    @property
    def facts(self) -> frozenset[str]:
        """The facts whose change may make it apply, time apart."""
        return frozenset(c.fact for c in self.conditions) & (STATE_FACTS | {WINDOW})

    def applies(self, fact: Callable[[str], float | None]) -> bool:
        """Whether every condition holds; each fact is asked for by its name, and only when needed."""
        return all(condition.holds(fact) for condition in self.conditions)


def _first_ms(condition: Condition) -> Duration:
    value = int(condition.value)
    return {">": value + 1, ">=": value, "=": value}.get(condition.operator, 0)


def _last_ms(condition: Condition) -> Duration:
    value = int(condition.value)
    return {"<": value, "<=": value + 1, "=": value + 1}[condition.operator]
