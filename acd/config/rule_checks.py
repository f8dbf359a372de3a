"""What is wrong with rules beyond their form: names nobody has, rules that never apply, contradictions.

Each finding says where it stands (file, line, column of the word) and what would happen. Rules of a queue
are checked together with the defaults that follow them.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, NamedTuple

from acd.config.rule_language import IN_SECONDS, parse_do, parse_when
from acd.config.yaml_reader import Problem, dotted
from acd.core.rules import AGENT_FACTS, LEAVES, WAITED, Action, Condition, Deed, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from acd.config.rules import RuleSettings
    from acd.config.strict_yaml import Document, Location

SHOWN_QUEUES = 12
"""Of a circle; a longer one is shown with its middle left out."""
_WRITTEN = {inner: written for written, inner in IN_SECONDS.items()}


class Span(NamedTuple):
    """The values of one fact that a rule allows, ends included."""

    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class QueueFacts:
    """What the checks must know of one queue."""

    name: str
    max_wait_ms: int
    max_waiting: int
    needs: Mapping[str, int]
    able: int
    """Agents who could take its calls after the longest wait."""
    reserve: int
    """The highest reserve class among them."""
    always_open: bool


@dataclass(frozen=True)
class Known:
    """What the checks must know of the centre. None: cannot be said, some agent had a mistake."""

    queues: frozenset[str]
    skills: frozenset[str]
    holders: Mapping[str, int] | None
    """Skill: the highest level any agent has."""


@dataclass(frozen=True)
class Written:
    """A rule with its place in the files."""

    place: Location
    settings: RuleSettings
    rule: Rule
    is_default: bool = False

    @cached_property
    def spans(self) -> dict[str, Span]:
        """Its condition as one span per fact. Worked out once: every rule is held against every other."""
        return spans_of(self.rule.conditions)

    @cached_property
    def leaves(self) -> bool:
        """Whether it ends the wait in the queue, at the first time it applies."""
        return any(action.deed in LEAVES for action in self.rule.actions)


def spans_of(conditions: tuple[Condition, ...]) -> dict[str, Span]:
    """Join the conditions into one span per fact. All facts but waits are whole numbers, or treated as such."""
    spans: dict[str, Span] = {}
    for c in conditions:
        low, high = {
            ">=": (c.value, math.inf),
            ">": (
                math.nextafter(c.value, math.inf) if c.fact == "priority" else math.floor(c.value) + 1,
                math.inf,
            ),
            "<=": (-math.inf, c.value),
            "<": (
                -math.inf,
                math.nextafter(c.value, -math.inf) if c.fact == "priority" else math.ceil(c.value) - 1,
            ),
            "=": (c.value, c.value),
        }[c.operator]
        old = spans.get(c.key, Span())
        spans[c.key] = Span(max(old.low, low), min(old.high, high))
    return spans


class Checker:
    """Collects problems of rules; errors and warnings apart."""

    def __init__(self, document: Document, known: Known) -> None:
        self.document, self.known = document, known
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self._defaults_held = False
        """The defaults were held against each other, with an earlier queue."""

    def _problem(self, place: Location, message: str, at: int = 0) -> Problem:
        mark = self.document.mark(place)
        return Problem(mark.file, mark.line, mark.column + at, dotted(place), message)

    def error(self, place: Location, message: str, at: int = 0) -> None:
        """Note a mistake."""
        self.errors.append(self._problem(place, message, at))

    def warn(self, place: Location, message: str) -> None:
        """Note something that will not do what was meant."""
        self.warnings.append(self._problem(place, message))

    # --- one rule -------------------------------------------------------------------------------

    def read(
        self, place: Location, settings: RuleSettings, number: int, *, is_default: bool = False
    ) -> Written | None:
        """Read a rule's texts; None, and every mistake noted, when they cannot be read."""
        placed, mistakes = parse_when(settings.when)
        for mistake in mistakes:
            self.error((*place, "when"), mistake.message, mistake.at)
        actions = []
        for index, text in enumerate(settings.do):
            where = self._do(place, index)
            try:
                action = parse_do(text)
            except ValueError as error:
                self.error(where, str(error))
                continue
            actions.append(action)
            self._names(where, action)
        if mistakes or len(actions) < len(settings.do):
            return None
        every = None if settings.every_s is None else round(settings.every_s * 1000)
        rule = Rule(
            settings.name or str(number),
            tuple(p.condition for p in placed),
            tuple(actions),
            every,
            settings.when,
        )
        written = Written(place, settings, rule, is_default)
        self._alone(written)
        return written

    def _do(self, place: Location, index: int) -> Location:
        as_item = (*place, "do", index)
        return as_item if as_item in self.document.values else (*place, "do")

    def _names(self, where: Location, action: Action) -> None:
        known, at = self.known, len(action.deed) + 1
        if action.deed == Deed.OVERFLOW and action.name not in known.queues:
            self.error(where, f"unknown queue {action.name!r}: the caller could not be moved", at)
        if action.deed not in {Deed.ADD_SKILL, Deed.LOWER_SKILL, Deed.DROP_SKILL}:
            return
        if action.name not in known.skills:
            self.error(where, f"unknown skill {action.name!r}; skills.yaml does not have it", at)
        elif (
            action.deed == Deed.ADD_SKILL
            and known.holders is not None
            and known.holders.get(action.name, 0) < action.number
        ):
            self.error(
                where,
                f"no agent has skill {action.name!r} at level {action.number:g}: "
                "the caller would wait for nobody until max_wait_s",
                at,
            )

    def _alone(self, written: Written) -> None:
        """What is wrong with a rule whatever its queue."""
        when, rule = (*written.place, "when"), written.rule
        for key, span in written.spans.items():
            if span.low > span.high:
                self.error(when, f"never applies: {_WRITTEN.get(key, key)} cannot be all of that at once")
        deeds = [action.deed for action in rule.actions]
        for index, deed in enumerate(deeds[:-1]):
            if deed in LEAVES:
                where = self._do(written.place, index + 1)
                self.error(where, f"is never done: after {deed} the caller has left the queue")
                break
        if rule.every_ms is not None and written.leaves:
            self.error(
                (*written.place, "every_s"),
                "does nothing: after the first time the caller has left the queue",
            )
        for one, other in _pairs(rule.actions):
            if clash := _clash(one, other):
                self.error((*written.place, "do"), clash)
                break

    # --- a rule in its queue ----------------------------------------------------------------------

    def in_queue(self, queue: QueueFacts, rules: list[Written]) -> None:
        """What is wrong with the rules of one queue, taken together."""
        for number, written in enumerate(rules):
            if not written.is_default:
                self._here(queue, written)
            for earlier in rules[:number]:
                if not self._known_pair(earlier, written):
                    self._against(earlier, written)
            for later in rules[number + 1 :]:
                if (
                    later.leaves
                    and not self._known_pair(written, later)
                    and _soonest(later, written)
                    and _within(written.spans, later.spans)
                ):
                    self._shadow(later, written)
        self._defaults_held |= any(written.is_default for written in rules)

    def _known_pair(self, one: Written, other: Written) -> bool:
        """Defaults stand behind the rules of every queue: held against each other they say the same each time."""
        return self._defaults_held and one.is_default and other.is_default

    def _against(self, earlier: Written, written: Written) -> None:
        if earlier.leaves and _within(written.spans, earlier.spans):
            self._shadow(earlier, written)
        elif earlier.spans == written.spans:
            for one in earlier.rule.actions:
                for other in written.rule.actions:
                    if clash := _clash(one, other):
                        where = self._line(earlier)
                        self.error(
                            (*written.place, "do"),
                            f"{clash}; the other rule stands in {where}, same condition",
                        )

    def _shadow(self, leaving: Written, written: Written) -> None:
        self.error(
            (*written.place, "when"),
            f"never applies: by then the rule of {self._line(leaving)} has led the caller away "
            f"({leaving.settings.do[-1]})",
        )

    def _line(self, written: Written) -> str:
        mark = self.document.mark(written.place)
        return f"line {mark.line}" if mark.line else f"the defaults ({written.rule.name})"

    def _here(self, queue: QueueFacts, written: Written) -> None:
        when, spans = (*written.place, "when"), written.spans
        if written.rule.from_ms >= queue.max_wait_ms:
            longest = queue.max_wait_ms / 1000
            self.error(when, f"never applies: after max_wait_s {longest:g} the caller goes to the fallback")
        for fact in ("depth", "position"):
            if spans.get(fact, Span()).low > queue.max_waiting:
                self.error(
                    when, f"never applies: max_waiting is {queue.max_waiting}, more callers are refused"
                )
        if queue.always_open and spans.get("open", Span()).high < 1:
            self.warn(when, f"never applies: queue {queue.name!r} is always open")
        for fact in sorted(AGENT_FACTS):
            if self.known.holders is not None and spans.get(fact, Span()).low > queue.able:
                self.warn(
                    when, f"never applies: only {queue.able} agents can ever take calls of {queue.name!r}"
                )
        for index, action in enumerate(written.rule.actions):
            self._deed_here(queue, action, self._do(written.place, index))

    def _deed_here(self, queue: QueueFacts, action: Action, where: Location) -> None:
        least = queue.needs.get(action.name, 0)
        if (
            action.deed in {Deed.DROP_SKILL, Deed.LOWER_SKILL}
            and not least
            and action.name in self.known.skills
        ):
            self.warn(
                where,
                f"queue {queue.name!r} does not need {action.name!r}: helps only callers who bring the need",
            )
        elif action.deed == Deed.LOWER_SKILL and 0 < least <= action.number:
            self.warn(where, f"does nothing: queue {queue.name!r} needs only level {least}")
        if (
            action.deed == Deed.OPEN_RESERVE
            and self.known.holders is not None
            and queue.reserve < action.number
        ):
            self.warn(
                where, f"does nothing: no agent of reserve {action.number:g} can take calls of {queue.name!r}"
            )

    # --- over all queues ----------------------------------------------------------------------------

    def circles(self, rules: Mapping[str, list[Written]]) -> None:
        """Overflows that lead back where they came from."""
        ways: dict[str, list[tuple[str, Location]]] = {}
        for queue, written_rules in rules.items():
            for written in written_rules:
                for index, action in enumerate(written.rule.actions):
                    if action.deed == Deed.OVERFLOW and action.name in self.known.queues:
                        ways.setdefault(queue, []).append((action.name, self._do(written.place, index)))
        try:
            TopologicalSorter({queue: {to for to, _ in steps} for queue, steps in ways.items()}).prepare()
        except CycleError:
            pass
        else:
            return
        for queue, steps in ways.items():
            for target, where in steps:
                path = _path(target, queue, ways)
                if path is not None:
                    self.error(where, f"the caller would be moved in a circle: {_circle((queue, *path))}")


def _circle(queues: tuple[str, ...]) -> str:
    shown = queues if len(queues) <= SHOWN_QUEUES else (*queues[: SHOWN_QUEUES - 2], "…", queues[-1])
    return " → ".join(shown)


def _path(start: str, goal: str, ways: Mapping[str, list[tuple[str, Location]]]) -> tuple[str, ...] | None:
    """Return the queues on the shortest way from start to goal, both included."""
    before: dict[str, str] = {start: ""}
    line = deque([start])
    while line:
        here = line.popleft()
        if here == goal:
            way = [here]
            while before[way[-1]]:
                way.append(before[way[-1]])
            return tuple(reversed(way))
        for target, _ in ways.get(here, ()):
            if target not in before:
                before[target] = here
                line.append(target)
    return None


def _soonest(later: Written, written: Written) -> bool:
    """Whether `later`, though written after, applies before: it asks for a shorter wait and nothing else."""
    return set(later.spans) == {WAITED} and later.rule.from_ms < written.rule.from_ms


def _within(inner: Mapping[str, Span], outer: Mapping[str, Span]) -> bool:
    """Whether whenever the inner condition holds the outer one does."""
    return all(
        key in inner and inner[key].low >= span.low and inner[key].high <= span.high
        for key, span in outer.items()
    )


def _pairs(actions: tuple[Action, ...]) -> Iterator[tuple[Action, Action]]:
    for number, one in enumerate(actions):
        for other in actions[number + 1 :]:
            yield one, other


_SKILLS = {Deed.ADD_SKILL, Deed.LOWER_SKILL, Deed.DROP_SKILL}


def _clash(one: Action, other: Action) -> str:
    """Say how two actions under one condition contradict each other; empty if they do not."""
    if one == other:
        return f"{one} stands twice under one condition"
    deeds = {one.deed, other.deed}
    if deeds <= _SKILLS and one.name == other.name:
        return f"contradiction: {one} and {other}"
    if deeds in ({Deed.SET_PRIORITY}, {Deed.SET_PRIORITY, Deed.RAISE_PRIORITY}):
        return f"contradiction: {one} and {other}"
    if deeds <= LEAVES:
        return f"contradiction: {one} and {other}, the caller can go only one way"
    return ""
