"""What the agent is told: of all instructions valid now, the most specific time window wins (000-17)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from acd.core.instant import Instant
from acd.desk.hours import ALL_DAY, Intervals, local

WEEK_MINUTES: Final = 7 * 1440
ENDLESS_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True)
class Window:
    """When something holds: days of the week, hours of the day, a span of dates. The default is always."""

    days: frozenset[int] = frozenset(range(7))
    """0 is Monday; an interval over midnight belongs to the day on which it starts."""
    hours: Intervals = ALL_DAY
    first: dt.date | None = None
    last: dt.date | None = None
    """Both dates included."""

    def holds(self, at: Instant, zone: ZoneInfo) -> bool:
        """Tell whether the window is open at an instant."""
        now = local(at, zone)
        minute = now.hour * 60 + now.minute
        yesterday = now.date() - dt.timedelta(days=1)
        return any(
            day.weekday() in self.days
            and (self.first is None or day >= self.first)
            and (self.last is None or day <= self.last)
            and any(start <= minute + shift < end for start, end in self.hours)
            for day, shift in ((now.date(), 0), (yesterday, 1440))
        )

    @property
    def width(self) -> tuple[int, int]:
        """How wide it is: (days of its dates, minutes of a week). Smaller is more specific."""
        if self.first is None or self.last is None:
            dates = ENDLESS_DAYS if self.first is None and self.last is None else ENDLESS_DAYS - 1
        else:
            dates = (self.last - self.first).days + 1
        return dates, len(self.days) * sum(end - start for start, end in self.hours)


ALWAYS: Final = Window()


@dataclass(frozen=True, slots=True)
class Instruction:
    """One thing the agent is told. `call_type` empty: for every call. Only the winner of a `topic` is shown."""

    text: str
    window: Window = ALWAYS
    call_type: str = ""
    topic: str = ""


def valid(
    instructions: Iterable[Instruction], at: Instant, zone: ZoneInfo, call_type: str = ""
) -> tuple[Instruction, ...]:
    """Return what holds now, the most specific first.

    Within one topic the narrowest window wins; those of the same window stand side by side. An instruction for
    this type of call beats one for all. Without a `call_type` (the agent does not know yet) the types do not compete.
    """
    found = [
        ((i.call_type == "", *i.window.width), number, i)
        for number, i in enumerate(instructions)
        if i.window.holds(at, zone) and (not call_type or i.call_type in {"", call_type})
    ]
    best: dict[tuple[str, str], tuple[bool, int, int]] = {}
    kept = []
    for rank, _, instruction in sorted(found, key=lambda item: item[:2]):
        about = (instruction.topic, "" if call_type else instruction.call_type)
        if best.setdefault(about, rank) == rank:
            kept.append(instruction)
    return tuple(kept)
