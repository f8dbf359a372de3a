"""Subscribers' own on-call swaps, laid over their projects: whoever asks for the projects sees them applied."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from acd.adapters.store import swap_store
from acd.adapters.store.swap_store import KeptSwap
from acd.core.instant import HOUR_MS
from acd.desk.hours import instant
from acd.desk.oncall import Swap

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.sqlite import SqliteStore
    from acd.config.projects import Projects
    from acd.desk.project import Project
    from acd.ports import Clock

MAX_DAYS: Final = 92
MAX_SWAPS: Final = 40
"""Of one project at a time."""


def lay_over(projects: Projects, swaps: Sequence[KeptSwap]) -> Projects:
    """Return the projects with the swaps in their rotations; a swap of a person who is gone does nothing."""
    if not swaps:
        return projects
    loaded = dict(projects.loaded)
    for name in {one.project for one in swaps}:
        held = loaded.get(name)
        if held is not None and held.project is not None:
            own = [one for one in swaps if one.project == name]
            loaded[name] = replace(held, project=_with(held.project, own))
    return replace(projects, loaded=MappingProxyType(loaded))


def _with(project: Project, swaps: Sequence[KeptSwap]) -> Project:
    rotations = {
        name: replace(
            rotation,
            swaps=tuple(
                Swap(s.person, s.starts_at, s.ends_at)
                for s in swaps
                if s.rotation == name and s.person in project.people
            ),
        )
        for name, rotation in project.rotations.items()
    }
    return replace(project, rotations=rotations)


class Swaps:
    """The swaps in force. `projects` is what everybody asks; changes count from the next question on."""

    def __init__(self, store: SqliteStore, clock: Clock, source: Callable[[], Projects]) -> None:
        self._store, self._clock, self._source = store, clock, source
        self.current: tuple[KeptSwap, ...] = ()
        self._laid: tuple[Projects, tuple[KeptSwap, ...], Projects] | None = None

    def projects(self) -> Projects:
        """Return the projects in force with the swaps in force."""
        source, swaps, kept = self._source(), self.current, self._laid
        if kept is None or kept[0] is not source or kept[1] is not swaps:
            # asked from the database's thread too: what was laid over and over what is kept as one
            kept = self._laid = (source, swaps, lay_over(source, swaps))
        return kept[2]

    async def refresh(self) -> None:
        """Read what is kept. Raises PortError."""
        found = tuple(await self._store.writer.do(lambda db: swap_store.current(db, self._clock.now())))
        if found != self.current:
            self.current = found

    async def add(self, project: Project, rotation: str, person: str, first: str, last: str, who: str) -> str:
        """Keep a swap from the hand-over of the first day to that after the last; return why not, empty when done.

        Days as YYYY-MM-DD in the firm's own time. Raises PortError.
        """
        turns, now = project.rotations.get(rotation), self._clock.now()
        if turns is None or person not in project.people:
            return "unknown"
        try:
            days = (dt.date.fromisoformat(first), dt.date.fromisoformat(last))
            starts = instant(days[0], turns.hand_over, project.hours.zone)
            ends = instant(days[1] + dt.timedelta(days=1), turns.hand_over, project.hours.zone)
        except (ValueError, OverflowError):
            return "days"
        if not starts < ends or ends <= now or ends - now > MAX_DAYS * 24 * HOUR_MS:
            return "days"
        swap = KeptSwap(0, project.id, rotation, person, starts, ends, who)

        async def job(db: aiosqlite.Connection) -> bool:
            held = [one for one in await swap_store.current(db, now) if one.project == project.id]
            if len(held) >= MAX_SWAPS:
                return False
            await swap_store.add(db, swap, now)
            return True

        done = await self._store.writer.do(job)
        await self.refresh()
        return "" if done else "many"

    async def remove(self, project: Project, swap: int, who: str) -> bool:
        """Take a swap back; False when it is not this project's. Raises PortError."""
        now = self._clock.now()
        done = await self._store.writer.do(lambda db: swap_store.remove(db, project.id, swap, who, now))
        await self.refresh()
        return done
