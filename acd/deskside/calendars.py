"""Keeps what key people's calendars say for today and tomorrow. A calendar that breaks keeps its last answer."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from acd.adapters import calendars
from acd.ports import PortError

if TYPE_CHECKING:
    from acd.config.projects import Projects
    from acd.desk.oncall import Busy, Person
    from acd.desk.project import Project
    from acd.ports import Clock

log = structlog.get_logger("acd.desk")

EVERY_S = 300.0
AHEAD = dt.timedelta(days=2)
LIMIT_S = 15.0


class Calendars:
    """Busy spans by project and person."""

    def __init__(self, projects: Callable[[], Projects], clock: Clock) -> None:
        self._projects, self._clock = projects, clock
        self._busy: dict[tuple[str, str], tuple[Busy, ...]] = {}
        self.troubles: dict[str, str] = {}

    def busy(self, project: str) -> Mapping[str, tuple[Busy, ...]]:
        """Return what is known of a project's people."""
        return {person: spans for (owner, person), spans in self._busy.items() if owner == project}

    async def refresh(self) -> None:
        """Read every calendar once."""
        for project in self._projects().good.values():
            for person in project.people.values():
                if person.calendar:
                    await self._read(project, person)

    async def _read(self, project: Project, person: Person) -> None:
        name = f"{project.id}/{person.id}"
        now = dt.datetime.fromtimestamp(self._clock.now() / 1000, tz=dt.UTC)
        folder = self._projects().folder
        try:
            async with asyncio.timeout(LIMIT_S):
                if person.calendar.startswith("https://"):
                    text = await calendars.fetch(person.calendar)
                elif folder is not None:
                    text = await asyncio.to_thread(calendars.read_file, folder / person.calendar, folder)
                else:
                    return
                spans = await asyncio.to_thread(calendars.expand, text, now, now + AHEAD, project.hours.zone)
        except (PortError, TimeoutError) as error:
            self.troubles[name] = str(error) or "too slow"
            log.warning("calendar_failed", person=name, reason=self.troubles[name])
            return
        self._busy[project.id, person.id] = spans
        self.troubles.pop(name, None)

    async def run(self) -> None:
        """Read them for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(EVERY_S)
