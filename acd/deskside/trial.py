"""A dossier for the dry run: the daemon's own sources, asked once, without writing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from acd import numberfacts
from acd.adapters.directory import HttpDirectory
from acd.adapters.store.connection import reader
from acd.desk.dossier import Dossier
from acd.deskside.calendars import Calendars
from acd.deskside.dossier import Dossiers
from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path
    from typing import Any

    import aiosqlite

    from acd.adapters.store.cards import CardFilter, StoredCard
    from acd.config.loading import Config
    from acd.desk.oncall import Busy
    from acd.desk.project import Project


class _At:
    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        return self._now


class _ReadOnly:
    """The store's questions on a read-only connection; a database that is not there knows nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self, job: Callable[[aiosqlite.Connection], Awaitable[Any]]) -> Any:
        """As SqliteStore.read."""
        async with reader(self._path) as connection:
            return await job(connection)

    async def find(self, wanted: CardFilter) -> Sequence[StoredCard]:
        from acd.adapters.store import cards

        async with reader(self._path) as connection:
            return await cards.find(connection, wanted)


async def gather(config: Config, project: Project, ani: str) -> Dossier:
    """Return what the project's sources know of a number now."""
    http = HttpDirectory()
    store = _ReadOnly(config.path(config.tree.store.path))
    dossiers = Dossiers(
        lambda: config.projects,
        store,  # type: ignore[arg-type]  # the two questions it is asked
        _At(0),
        http,
        project_of=lambda _did: project,
        busy=lambda _project: {},
        state_dir=config.state_dir,
        budget_ms=config.tree.desk.dossier_budget_ms,
        normalise=partial(numberfacts.normalise, home_region=config.tree.centre.region),
    )
    try:
        return await dossiers.gather(project, ani)
    except PortError:
        return Dossier()
    finally:
        await dossiers.close()
        await http.close()


async def calendars(config: Config, project: Project, at: int) -> dict[str, tuple[Busy, ...]]:
    """Return what the calendars of a project's people say around an instant."""
    held: Mapping[str, tuple[Busy, ...]] = {}
    read = Calendars(lambda: config.projects, _At(at))
    try:
        await asyncio.wait_for(read.refresh(), 60)
    finally:
        await read.bench.close()
    held = read.busy(project.id)
    return dict(held)
