"""Keeps cases and help-desk tickets in step, both ways, and changes cases for agents and clients.

Who changed last since the last talk wins: what changed here is told; otherwise what the ticket says counts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from acd.adapters.store import case_store, desk_store
from acd.core.instant import MINUTE_MS, SECOND_MS, Duration
from acd.desk import case as machine
from acd.desk.case import Case, CaseError, Event, State
from acd.desk.operations import Operation
from acd.deskside.notices import TOLD, tell_client
from acd.ports import PortError

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.helpdesk import HelpDesk, TicketState
    from acd.adapters.store.case_store import Ticket
    from acd.adapters.store.sqlite import SqliteStore
    from acd.desk.project import Project
    from acd.deskside.links import Links
    from acd.ports import Clock

log = structlog.get_logger("acd.desk")

EVERY_S = 1.0
RETRY_MS: Duration = 30 * SECOND_MS
FINAL_RETRY_MS: Duration = 30 * MINUTE_MS
"""A help desk that refuses a ticket for good is asked again this seldom: a person must look."""
LIMIT_S = 30.0


class CaseDesk:
    """Cases in the store, tickets elsewhere."""

    def __init__(
        self,
        store: SqliteStore,
        clock: Clock,
        helpdesks: Mapping[str, HelpDesk],
        poll_ms: Callable[[str], Duration],
        notices: Callable[[str], tuple[Project, Links] | None] = lambda _project: None,
    ) -> None:
        """`notices`: a case's project and the links its client gets; None: this project tells clients nothing."""
        self._store, self._clock, self._helpdesks, self._poll_ms = store, clock, helpdesks, poll_ms
        self._notices = notices
        self.watchers: list[Callable[[Case, Case], None]] = []
        """Told each kept change of a case: before, after. Must not raise or wait."""
        self.counters: Counter[str] = Counter()
        self.last_error: dict[str, str] = {}

    async def change(
        self, number: str, event: Event, who: str, *, text: str = "", public: bool = False
    ) -> Case | None:
        """Let something happen to a case; None when there is none. Raises CaseError, PortError."""

        async def job(db: aiosqlite.Connection) -> tuple[Case, Case] | CaseError | None:
            held = await case_store.case(db, number)
            if held is None:
                return None
            try:
                changed = machine.happen(held, event, self._clock.now(), who, text=text, public=public)
            except CaseError as error:
                return error
            await self._save(db, held, changed)
            return held, changed

        answer = await self._store.writer.do(job)
        if isinstance(answer, CaseError):
            raise answer
        return self._tell(answer)

    async def take_next(self, agent: str, projects: Sequence[str]) -> Case | None:
        """Give an agent the next open case of these projects, in one transaction: never to two. Raises PortError."""

        async def job(db: aiosqlite.Connection) -> tuple[Case, Case] | None:
            found = await case_store.next_open(db, agent, projects)
            if found is None:
                return None
            taken = machine.happen(found, Event.TAKEN, self._clock.now(), agent)
            await self._save(db, found, taken)
            return found, taken

        return self._tell(await self._store.writer.do(job))

    def _tell(self, change: tuple[Case, Case] | None) -> Case | None:
        """Tell the watchers what is kept, not before."""
        if change is None:
            return None
        for watcher in self.watchers:
            watcher(*change)
        return change[1]

    async def _save(self, db: aiosqlite.Connection, before: Case, after: Case) -> None:
        now = self._clock.now()
        await case_store.save_case(db, after, len(before.history))
        events = {entry.event for entry in after.history[len(before.history) :]}
        if events & {Event.ASKED_CLIENT.value, Event.TAKEN.value, Event.RESOLVED.value}:
            await desk_store.stop_clock(db, after.project, Operation.FIRST_REPLY, after.number, now)
        if not after.is_open:
            await desk_store.stop_clock(db, after.project, Operation.TICKET_RESOLVED, after.number, now)
        await case_store.wake_sync(db, after.number, now)
        told = self._notices(after.project)
        entry = next((e for e in reversed(after.history[len(before.history) :]) if e.event in TOLD), None)
        if told is not None and entry is not None:
            await tell_client(db, told[0], after, entry, told[1], now)

    # --- help desks ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep in step for ever."""
        while True:
            try:
                await self.turn()
            except PortError as error:
                log.warning("desk_store_refuses", reason=str(error))
            await asyncio.sleep(EVERY_S)

    async def turn(self) -> None:
        """Talk about every case whose time has come. Raises PortError of the store."""
        now = self._clock.now()
        for ticket in await self._store.writer.do(lambda db: case_store.to_sync(db, now)):
            await self._talk(ticket)

    async def _talk(self, ticket: Ticket) -> None:
        number = ticket.number
        case = await self._store.writer.do(lambda db: case_store.case(db, number))
        helpdesk = self._helpdesks.get(ticket.helpdesk)
        if case is None:
            return
        told, error, wait = ticket.told_state, "", self._poll_ms(ticket.helpdesk)
        answer: TicketState | None = None
        try:
            if helpdesk is None:
                raise PortError(f"no help desk {ticket.helpdesk!r} is configured", retryable=False)  # noqa: TRY301
            async with asyncio.timeout(LIMIT_S):
                if case.state.value != told or not case.ticket:
                    answer = await helpdesk.tell(case, await self._text(case))
                    told = case.state.value
                    self.counters["told"] += 1
                else:
                    answer = await helpdesk.ask(case)
        except PortError as failure:
            error, wait = str(failure), RETRY_MS if failure.retryable else FINAL_RETRY_MS
        except TimeoutError:
            error, wait = f"no answer within {LIMIT_S:g} s", RETRY_MS
        self.last_error[ticket.helpdesk] = error
        if error:
            self.counters["failed"] += 1
            log.warning("helpdesk_failed", case=number, reason=error)
        await self._note(ticket, case, answer, told, error, self._clock.now() + wait)

    async def _note(
        self, ticket: Ticket, seen: Case, answer: TicketState | None, told: str, error: str, next_at: int
    ) -> None:
        asked = seen.state.value == ticket.told_state

        async def job(db: aiosqlite.Connection) -> tuple[Case, Case] | None:
            change = None
            name, following, state = answer.ticket if answer else "", told, answer.state if answer else None
            fresh = await case_store.case(db, ticket.number)
            if fresh is None:
                return None
            changed_here = fresh.state is not seen.state
            if asked and state is not None and not changed_here and not _same(state, fresh.state):
                after = machine.told(fresh, state, self._clock.now(), ticket.helpdesk)
                await self._save(db, fresh, after)
                change = (fresh, after)
                following = after.state.value
                self.counters["heard"] += 1
            at = self._clock.now() if changed_here else next_at
            await case_store.synced(
                db, ticket.number, ticket=name, told_state=following, next_at=at, error=error
            )
            return change

        self._tell(await self._store.writer.do(job))

    async def _text(self, case: Case) -> str:
        """Return what the help desk is told: the written message of the case's first call."""
        for call in case.calls:
            message = await self._store.writer.do(lambda db, c=call: desk_store.message(db, c))  # type: ignore[misc]
            if message is not None:
                return str(message.body)
        return case.subject

    async def close(self) -> None:
        """Close connections."""
        for helpdesk in self._helpdesks.values():
            await helpdesk.close()


def _same(there: State, here: State) -> bool:
    """Tell whether a help desk's word means the state we have: theirs knows no difference of resolved and closed."""
    finished = {State.RESOLVED, State.CLOSED}
    return there is here or {there, here} <= finished
