"""The little language of routing rules: two lines that read like a sentence.

    when: waited_s >= 30 and available = 0 and during mon-fri 12:00-14:00
    do: [lower_skill insurance 1, announce acd/sorry-busy]

`when` joins conditions with `and`; there is no `or`: write a second rule. Every mistake of a text comes
out at once, each with its place in the text.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.config.hours import OpeningHours
from acd.core.rules import FACTS, MAX_PRIORITY, OPERATORS, WINDOW, Action, Condition, Deed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IN_SECONDS = {"waited_s": "waited_ms", "expected_wait_s": "expected_wait_ms"}
WORDS = tuple(sorted((set(FACTS) - set(IN_SECONDS.values()) - {"open"}) | set(IN_SECONDS)))
"""The facts as they are written."""

_AND = re.compile(r"\s+and\s+")
_COMPARISON = re.compile(r"([A-Za-z_]+)\s*(>=|<=|=|>|<)\s*(\S+)")
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,6})?")
_SOUND = re.compile(r"[0-9A-Za-z_/-][0-9A-Za-z_/.-]{0,119}")
_ID = re.compile(r"[0-9A-Za-z_-]{1,32}")
_DURING = re.compile(r"during\s+(?:([a-z]+(?:-[a-z]+)?)\s+)?(\S.*)")


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in a text, and at which character."""

    at: int
    message: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A condition and where it stands in its text."""

    at: int
    condition: Condition


def parse_when(text: str) -> tuple[list[Placed], list[Mistake]]:
    """Read a condition line; what could not be read is among the mistakes."""
    found: list[Placed] = []
    wrong: list[Mistake] = []
    for at, part in _parts(text):
        try:
            found.append(Placed(at, _condition(part)))
        except ValueError as error:
            wrong.append(Mistake(at, str(error)))
    return found, wrong


def parse_do(text: str) -> Action:
    """Read one action. Raises ValueError saying what is wrong and how it is written."""
    word, *rest = text.split() or [""]
    form = _ACTIONS.get(word)
    if form is None:
        raise ValueError(f"unknown action {word!r}{_meant(word, _ACTIONS)}")
    usage, build = form
    made = build(word, rest)
    if made is None:
        raise ValueError(f"is written: {usage}")
    return made


def window_hours(window: str) -> OpeningHours:
    """Return the calendar of a window such as ``mon-fri 12:00-14:00``. Raises ValueError for anything else."""
    days, _, hours = window.partition(" ")
    return OpeningHours(week={days: hours})


def _parts(text: str) -> Iterator[tuple[int, str]]:
    at = len(text) - len(text.lstrip())
    start = at
    for joint in _AND.finditer(text):
        yield start, text[start : joint.start()]
        start = joint.end()
    yield start, text[start:].rstrip()


def _condition(text: str) -> Condition:
    if text in {"open", "closed"}:
        return Condition("open", "=", float(text == "open"))
    if during := _DURING.fullmatch(text):
        return _during(during[1] or "daily", during[2])
    match = _COMPARISON.fullmatch(text)
    if match is None:
        if not text:
            raise ValueError("a condition is missing: write a fact, a comparison and a number")
        raise ValueError(
            f"{text!r} is no condition: write a comparison such as waited_s >= 30, or open, closed, "
            f"during mon-fri 12:00-14:00"
        )
    word, operator, number = match.groups()
    if word not in WORDS:
        raise ValueError(f"unknown fact {word!r}{_meant(word, WORDS)}")
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"{number!r} is no number")
    value = float(number)
    if word in IN_SECONDS:
        return Condition(IN_SECONDS[word], operator, float(round(value * 1000)))
    return Condition(word, operator, value)


def _during(days: str, hours: str) -> Condition:
    window = f"{days} {hours}"
    try:
        window_hours(window)
    except ValueError as error:
        told = str(error).split("Value error, ")[-1].split(" [")[0]
        raise ValueError(f"during {window}: {told}") from None
    return Condition(WINDOW, "=", 1.0, window)


def _meant(word: str, known: object) -> str:
    names = sorted(known)  # type: ignore[call-overload]
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"


# --- actions -----------------------------------------------------------------------------------------


def _alone(word: str, rest: list[str]) -> Action | None:
    return None if rest else Action(word)


def _skill(word: str, rest: list[str]) -> Action | None:
    return Action(word, rest[0]) if len(rest) == 1 and _ID.fullmatch(rest[0]) else None


def _skill_level(word: str, rest: list[str]) -> Action | None:
    match rest:
        case [skill, "1" | "2" | "3" | "4" | "5" as level] if _ID.fullmatch(skill):
            return Action(word, skill, float(level))
    return None


def _number(low: float, high: float) -> Callable[[str, list[str]], Action | None]:
    def build(word: str, rest: list[str]) -> Action | None:
        if len(rest) != 1 or not _NUMBER.fullmatch(rest[0]) or not low < float(rest[0]) <= high:
            return None
        return Action(word, "", float(rest[0]))

    return build


def _named(pattern: re.Pattern[str]) -> Callable[[str, list[str]], Action | None]:
    return lambda word, rest: Action(word, rest[0]) if len(rest) == 1 and pattern.fullmatch(rest[0]) else None


def _reserve(word: str, rest: list[str]) -> Action | None:
    return Action(word, "", float(rest[0])) if rest in (["1"], ["2"]) else None


_ACTIONS: dict[str, tuple[str, Callable[[str, list[str]], Action | None]]] = {
    Deed.ADD_SKILL: ("add_skill SKILL LEVEL, level 1 to 5", _skill_level),
    Deed.LOWER_SKILL: ("lower_skill SKILL LEVEL, level 1 to 5", _skill_level),
    Deed.DROP_SKILL: ("drop_skill SKILL", _skill),
    Deed.SET_PRIORITY: ("set_priority NUMBER, above 0 and at most 100", _number(0, MAX_PRIORITY)),
    Deed.RAISE_PRIORITY: ("raise_priority FACTOR, above 1 and at most 100", _number(1, MAX_PRIORITY)),
    Deed.ANNOUNCE: ("announce SOUND, a sound file without its ending", _named(_SOUND)),
    Deed.OVERFLOW: ("overflow QUEUE", _named(_ID)),
    Deed.OFFER_CALLBACK: ("offer_callback", _alone),
    Deed.VOICEMAIL: ("voicemail", _alone),
    Deed.FALLBACK: ("fallback", _alone),
    Deed.OPEN_RESERVE: ("open_reserve CLASS, 1 or 2", _reserve),
}

assert set(OPERATORS) == {">=", "<=", ">", "<", "="}  # noqa: S101 - what _COMPARISON reads
