"""Prints messages in the subscribers' forms: their templates run in the workroom, never in the daemon.

A template that is refused or has to be stopped costs its message nothing but its looks: the plain form goes out, and
the case, the log and the wallboard say why. One that was stopped is not tried again for a while.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog

from acd.adapters.store import cards, desk_store
from acd.core.instant import MINUTE_MS, Instant
from acd.deskside.messages import Draft, Written, draft
from acd.ports import PortError
from acd.workroom.client import RENDERING, Bench, JobRefusedError, JobStoppedError

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.sqlite import SqliteStore
    from acd.config.projects import Projects
    from acd.desk.project import Project
    from acd.deskside.cards import DeskCards
    from acd.ports import Clock

log = structlog.get_logger("acd.desk")

Render: TypeAlias = "Callable[[str, dict[str, object]], Awaitable[str]]"
REST_MS: Final = MINUTE_MS
"""A template that was stopped is not tried for so long: every try costs its whole time limit."""
POLL_S: Final = 0.25
SWEEP_EVERY: Final = 120
"""Polls after which the table is read though nobody said that something is owed."""


class Press:
    """Turns drafts into messages. `troubles`: what is wrong, by project; empty texts never."""

    def __init__(self, clock: Clock, render: Render | None = None) -> None:
        """`render`: runs one template; None: in a process of the workroom."""
        self.bench = Bench("acd.workroom.rendering", RENDERING)
        self._clock, self._render = clock, render or self._in_the_workroom
        self._resting: dict[str, tuple[Instant, str]] = {}
        self._failed: dict[str, tuple[str, str]] = {}
        self.counters: Counter[str] = Counter()

    async def _in_the_workroom(self, source: str, values: dict[str, object]) -> str:
        return str(await self.bench.do(source=source, values=values))

    async def print(self, project: Project, sheet: Draft) -> Written:
        """Return the message in the subscriber's form, else in the plain one with the reason. Never raises for it."""
        if not sheet.owed:
            return sheet.written()
        subject, why = await self._one(project, sheet.subject_template, sheet)
        body, why_body = await self._one(project, sheet.body_template, sheet)
        return sheet.written(subject, body, why_body or why)

    async def _one(self, project: Project, source: str, sheet: Draft) -> tuple[str, str]:
        """Return (text, why not): one of the two is empty."""
        if not source:
            return "", ""
        until, why = self._resting.get(source, (0, ""))
        if self._clock.now() < until:
            return "", why
        try:
            text = await self._render(source, dict(sheet.values))
        except JobRefusedError as refused:
            why = f"the template is refused: {refused}"
        except JobStoppedError as stopped:
            why = f"the template was stopped: {stopped}"
            self._rest(source, why)
        else:
            self._failed = {key: held for key, held in self._failed.items() if held[0] != source}
            return text, ""
        self.counters["plain_forms"] += 1
        self._failed[project.id] = (source, why)
        log.error("template_failed", project=project.id, reason=why)
        return "", why

    def _rest(self, source: str, why: str) -> None:
        now = self._clock.now()
        self._resting = {one: held for one, held in self._resting.items() if held[0] > now}
        self._resting[source] = (now + REST_MS, why)

    def troubles(self, projects: Projects) -> dict[str, str]:
        """Return why messages go out in the plain form, by project; a changed template is none yet."""
        return {
            name: why
            for name, (source, why) in self._failed.items()
            if name in projects.good
            and source in {projects.good[name].form.subject, projects.good[name].form.text}
        }


class OwedMessages:
    """Makes the messages whose template could not run inside the card's transaction. Each exactly once."""

    def __init__(self, store: SqliteStore, clock: Clock, press: Press, watcher: DeskCards) -> None:
        self._store, self._clock, self._press, self._watcher = store, clock, press, watcher
        self._failed: dict[str, Instant] = {}

    async def run(self) -> None:
        """Work for ever; a refusing database pauses the work."""
        await self._press.bench.warm()
        idle = SWEEP_EVERY
        while True:
            idle += 1
            if self._watcher.owes or idle >= SWEEP_EVERY:
                self._watcher.owes, idle = False, 0
                try:
                    await self.turn()
                except PortError as error:
                    self._watcher.owes = True
                    log.warning("desk_store_refuses", reason=str(error))
            await asyncio.sleep(POLL_S)

    async def turn(self) -> int:
        """Try each that is owed now once; return how many there were. Raises PortError.

        What stays owed stands in nobody's way: it is passed over, and after a failure for REST_MS.
        """
        now = self._clock.now()
        self._failed = {call: at for call, at in self._failed.items() if now < at + REST_MS}
        tried: set[str] = set()
        while owed := await self._store.read(partial(desk_store.owed, but=tried | self._failed.keys())):
            for call in owed:
                tried.add(call)
                await self._make(call)
        return len(tried)

    async def _make(self, call: str) -> None:
        stored = await self._store.get(call=call)
        owner = None if stored is None else self._watcher.project_of(stored.card)
        sheet = None if stored is None or owner is None else draft(owner, stored.card)
        written = None if sheet is None or owner is None else await self._press.print(owner, sheet)
        try:
            await self._store.writer.do(partial(self._put, call=call, sheet=sheet, written=written))
        except PortError as error:
            if error.retryable:
                raise
            self._press.counters["defects"] += 1  # it stays owed; the others are not held up by it
            self._failed[call] = self._clock.now()
            log.exception("desk_defect", call=call)

    async def _put(
        self, db: aiosqlite.Connection, call: str, sheet: Draft | None, written: Written | None
    ) -> None:
        """Store the message, unless the card was changed while it was printed: then the next turn does it."""
        stored = await cards.get(db, call=call)
        owner = None if stored is None else self._watcher.project_of(stored.card)
        if owner is None and stored is not None and sheet is not None:
            return  # the project is broken for the moment: the message waits for it
        if stored is not None and owner is not None:
            if draft(owner, stored.card) != sheet:
                self._watcher.owes = True
                return
            if written is not None:
                await self._watcher.put(db, owner, stored.card, written, self._clock.now())
        await desk_store.paid(db, call)
