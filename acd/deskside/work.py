"""Written work in hand, told to the core: who took a case, gave it back, finished it, left (001-07, 001-08).

The cases are the truth; the core only counts. After a start what is in hand is told again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING

import structlog

from acd.adapters.store import case_store
from acd.core.capacity import WRITTEN, Room
from acd.core.events import AgentLoggedOut, WorkDone, WorkTaken
from acd.core.ids import AgentId, QueueId
from acd.core.skills import needs_at, pair_level
from acd.desk.case import Case, CaseError, Event
from acd.deskside.public import case_data
from acd.ports import PortError

if TYPE_CHECKING:
    from acd.adapters.store.sqlite import SqliteStore
    from acd.core.policy import Policy
    from acd.desk.project import Project
    from acd.deskside.cases import CaseDesk

log = structlog.get_logger("acd.desk")

RETRY_S = 2.0


def works_for(policy: Policy, agent: str, projects: Iterable[Project]) -> list[str]:
    """Return ids of the projects whose calls this agent could take: he may do their written work too."""
    skills = next((dict(one.skills) for one in policy.agents if one.id == agent), {})
    needs = {queue.id: needs_at(queue, (), (), None) for queue in policy.queues}
    return [p.id for p in projects if p.queue in needs and pair_level(skills, needs[QueueId(p.queue)])]


class WorkDesk:
    """Gives agents their next case when the phones can spare them."""

    def __init__(
        self,
        store: SqliteStore,
        cases: CaseDesk,
        tell: Callable[[object], None],
        room_for: Callable[[AgentId, str], Room],
        agents: Callable[[], Container[str]],
        projects: Callable[[str], Sequence[str]],
    ) -> None:
        """`projects`: those an agent may work for; `agents`: ids of all, as a help desk takes cases too."""
        self._store, self._cases, self._tell_core = store, cases, tell
        self._room_for, self._agents, self._projects = room_for, agents, projects
        self._one_at_a_time = asyncio.Lock()
        self._left: set[str] = set()
        self._somebody_left = asyncio.Event()
        cases.watchers.append(self._changed)

    # --- asked by agents ---------------------------------------------------------------------------

    def room(self, agent: str) -> dict[str, object]:
        """Say whether he would get a piece now, and why."""
        room = self._room_for(AgentId(agent), WRITTEN)
        return {"allowed": room.allowed, "code": room.code, "why": room.why}

    async def next(self, agent: str) -> dict[str, object]:
        """Give him the next case; `work` is None when `why` forbids it or nothing waits. Raises PortError."""
        async with self._one_at_a_time:  # a second press must see the first one's piece in hand
            room = self.room(agent)
            if not room["allowed"]:
                held = await self._store.writer.do(case_store.in_work)
                return {**room, "work": None, "in_hand": [case_data(c) for c in held if c.holder == agent]}
            case = await self._cases.take_next(agent, self._projects(agent))
            await asyncio.sleep(0)  # the core steps its facts at the loop's next turn
        if case is None:
            return {"allowed": True, "code": "none", "why": "no written work waits for you", "work": None}
        return {**room, "work": case_data(case)}

    async def take(
        self, agent: str, number: str, text: str, *, public: bool
    ) -> dict[str, object] | str | None:
        """Let him take this case; a text says why not, None: there is none. Raises PortError.

        Only how much he may have in hand counts: whoever asks for a certain case has its client on the phone, or knows it.
        """
        async with self._one_at_a_time:
            held = await self._store.read(lambda db: case_store.case(db, number))
            full = self._room_for(AgentId(agent), WRITTEN).left < 1
            if full and held is not None and held.hand != agent:
                return "you have as much in hand as you may: finish or give back a piece first"
            try:
                case = await self._cases.change(number, Event.TAKEN, agent, text=text, public=public)
            except CaseError as error:
                return str(error)
            await asyncio.sleep(0)  # the core steps its facts at the loop's next turn
            return case_data(case) if case else None

    # --- told to the core --------------------------------------------------------------------------

    def _changed(self, before: Case, after: Case) -> None:
        was, now = before.holder, after.holder
        if was == now:
            return
        known = self._agents()
        if was in known:
            self._tell_core(WorkDone(AgentId(was), after.number))
        if now in known:
            self._tell_core(WorkTaken(AgentId(now), after.number))

    def observe(self, fact: object, _wishes: object) -> None:
        """An agent who logs out has nothing in hand: his cases go back to the line."""
        if isinstance(fact, AgentLoggedOut):
            self._left.add(fact.agent)
            self._somebody_left.set()

    async def run(self) -> None:
        """Tell what is in hand since an earlier life, then give back what leaving agents had, for ever."""
        told = False
        while True:
            try:
                if not told:
                    await self.tell_again()
                    told = True
                await self._give_back()
            except PortError as error:
                log.warning("desk_store_refuses", reason=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            await self._somebody_left.wait()

    async def tell_again(self) -> None:
        """Tell the core of every case in an agent's hand. Raises PortError."""
        for case in await self._store.writer.do(case_store.in_work):
            if case.holder in self._agents():
                self._tell_core(WorkTaken(AgentId(case.holder), case.number))

    async def _give_back(self) -> None:
        self._somebody_left.clear()
        while self._left:
            agent = next(iter(self._left))
            for case in await self._store.writer.do(lambda db, who=agent: case_store.in_hand(db, who)):  # type: ignore[misc]
                try:
                    await self._cases.change(case.number, Event.RELEASED, agent)
                except CaseError:
                    continue  # finished meanwhile
            self._left.discard(agent)
