"""What the agent says, stage by stage, and only about what this call is about (001-18, 002-13, 002-14).

A step names its stage and, if it likes, which caller it is for. A step that speaks of a value nobody knows (a name, an
order's date) is left out: the agent never reads a gap aloud.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from acd.core.instant import Instant
from acd.desk.dossier import About, Dossier
from acd.desk.instructions import ALWAYS, Window

STAGES: Final = ("greeting", "talk", "closing")
"""While it rings; while the form is being filled; once it is complete."""
VALUES: Final = ("name", "organisation", "product", "kind", "id", "title", "state", "due", "person")
"""What `{...}` in a step may name: the caller, and the first open matter the step is about."""
MAX_STEPS: Final = 12
_VALUE = re.compile(r"\{([a-z]{1,20})\}")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to say."""

    text: str
    stage: str = "talk"
    note: str = ""
    """For the agent's eyes."""
    about: About = field(default_factory=About)
    window: Window = ALWAYS
    topic: str = ""
    """Of one topic only the first step that fits is said."""


@dataclass(frozen=True, slots=True)
class Line:
    """A step as the agent sees it."""

    stage: str
    say: str
    note: str = ""


def unknown_values(text: str) -> tuple[str, ...]:
    """Return what a step's text names that nobody can fill in."""
    return tuple(name for name in _VALUE.findall(text) if name not in VALUES)


def lines(
    steps: Iterable[Step], dossier: Dossier, at: Instant, zone: ZoneInfo, *, is_open: bool
) -> tuple[Line, ...]:
    """Return what to say to this caller now, by stage, in the order written."""
    found: list[Line] = []
    topics: set[str] = set()
    for step in steps:
        if not (step.window.holds(at, zone) and step.about.fits(dossier, is_open=is_open)):
            continue
        said = _filled(step, dossier)
        if said and (not step.topic or step.topic not in topics):
            topics.add(step.topic)
            found.append(Line(step.stage, said, step.note))
    return tuple(sorted(found, key=lambda line: STAGES.index(line.stage))[:MAX_STEPS])


def _filled(step: Step, dossier: Dossier) -> str:
    """The text with its values; empty when one of them is missing."""
    matter = next(iter(step.about.matters(dossier)), None)
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        name = match[1]
        source = dossier if name in {"name", "organisation", "product"} else matter
        known = str(getattr(source, name, "") or "") if name in VALUES else match[0]
        missing |= not known
        return known

    text = _VALUE.sub(value, step.text)
    return "" if missing else text
