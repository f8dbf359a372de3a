"""Keeps what key people's calendars say for today and tomorrow. A calendar that breaks keeps its last answer.

They are read in a process of the workroom: one that takes too long is killed there, and ours may end at any time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from acd import unhurried
from acd.adapters import calendars
from acd.desk.oncall import Busy
from acd.ports import PortError
from acd.workroom.client import CALENDAR, Bench, JobRefusedError, JobStoppedError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from acd.config.projects import Projects
    from acd.desk.oncall import Person
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
        self.bench = Bench("acd.workroom.ical", CALENDAR)
        self._busy: dict[tuple[str, str], tuple[Busy, ...]] = {}
        self.troubles: dict[str, str] = {}

    def busy(self, project: str) -> Mapping[str, tuple[Busy, ...]]:
        """Return what is known of a project's people."""
        return {person: spans for (owner, person), spans in self._busy.items() if owner == project}

    async def refresh(self) -> None:
        """Read every calendar once."""
        try:
            for project in self._projects().good.values():
                for person in project.people.values():
                    if person.calendar:
                        await self._read(project, person)
        finally:
            await self.bench.rest()

    async def _read(self, project: Project, person: Person) -> None:
        name = f"{project.id}/{person.id}"
        now = dt.datetime.fromtimestamp(self._clock.now() / 1000, tz=dt.UTC)
        folder = self._projects().folder
        try:
            async with asyncio.timeout(LIMIT_S):
                if person.calendar.startswith("https://"):
                    text = await calendars.fetch(person.calendar)
                elif folder is not None:
                    text = await unhurried.in_thread(calendars.read_file, folder / person.calendar, folder)
                else:
                    return
            spans = await self._expand(text, now, project.hours.zone)
        except (PortError, TimeoutError, JobRefusedError, JobStoppedError) as error:
            self.troubles[name] = str(error) or "too slow"
            log.warning("calendar_failed", person=name, reason=self.troubles[name])
            return
        self._busy[project.id, person.id] = spans
        self.troubles.pop(name, None)

    async def _expand(self, text: bytes, now: dt.datetime, zone: ZoneInfo) -> tuple[Busy, ...]:
        until = now + AHEAD
        found = await self.bench.do(
            text=text.decode("latin-1"),  # bytes as they are, in JSON
            start=round(now.timestamp() * 1000),
            end=round(until.timestamp() * 1000),
            zone=zone.key,
        )
        return tuple(Busy(int(start), int(end), str(summary)) for start, end, summary in found)

    async def run(self) -> None:
        """Read them for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(EVERY_S)
