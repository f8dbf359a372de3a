"""To whom a call may be handed: colleagues at work, the subscriber's own lines and people, allowed numbers.

Part of the composition root. The page never learns a person's number: it names the person, and only here
the name becomes a number. The dialplan's generated context `acd-outside` refuses what is not allowed a
second time (security 8); this list is the first.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import structlog

from acd.core.call import CONSULT_STATES
from acd.core.effects import TransferCall
from acd.core.ids import AgentId, CallId
from acd.core.instant import HOUR_MS
from acd.desk.oncall import dialled

if TYPE_CHECKING:
    from acd.config.loading import Config
    from acd.core.snapshot import AgentView, CallView, Snapshot
    from acd.desk.project import Project
    from acd.ports import Clock

log = structlog.get_logger("acd.deskside.transfers")

_ASKING: Final = frozenset(state.value for state in CONSULT_STATES)
KINDS: Final = ("agent", "queue", "person", "number")
SHORTEST: Final = 5
_NUMBER = re.compile(r"(?=.{5,20}\Z)\+?[0-9]+\Z", re.ASCII)
"""As the dialplan: it refuses fewer than five characters (acd-out-allowed) and cuts after twenty (acd-transfer)."""


class TransferError(ValueError):
    """The target is not allowed or not there; the text tells the agent what to do instead."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One target on the agent's screen."""

    kind: str
    id: str
    label: str
    free: bool
    """Worth trying now: a colleague is available and idle, a person is on call or has no rotation."""
    note: str = ""
    able: bool = True
    """False: the PBX does not dial this person, `note` says so; shown all the same, or the agent looks for him."""


class TransferDesk:
    """Answers for the page: who may be chosen, and what the choice means to the switch."""

    def __init__(
        self,
        config: Callable[[], Config],
        snapshot: Callable[[], Snapshot],
        project: Callable[[str], Project | None],
        clock: Clock,
        refused: Callable[[Collection[str]], Awaitable[frozenset[str]]],
    ) -> None:
        """`refused`: which of these numbers the PBX surely does not dial (acd.adapters.asterisk.wall)."""
        self._config, self._snapshot, self._project, self._clock = config, snapshot, project, clock
        self._refused = refused
        self._outside: dict[AgentId, deque[int]] = {}

    async def choices(self, agent: AgentId, call: CallId) -> list[Mapping[str, object]]:
        """Return the targets for this agent's call, those worth trying first. Raises TransferError."""
        view = self._snapshot()
        live = _own(view, agent, call)
        found = [self._colleague(a) for a in view.agents if a.agent != agent and a.status != "logged_out"]
        found += self._lines(live)
        found += await self._people(live, view.now)
        found.sort(key=lambda c: (not c.free, KINDS.index(c.kind), c.label))
        return [asdict(choice) for choice in found]

    async def target(self, agent: AgentId, call: CallId, kind: str, name: str) -> str:
        """Return agent_<id>, queue_<id> or out_<number>. Raises TransferError, and logs who tried what."""
        try:
            if kind not in {"agent", "queue"}:
                return await self._dialled_target(agent, call, kind, name)
            return self._target(agent, call, kind, name)
        except TransferError as refused:
            log.warning("transfer_refused", agent=agent, call=call, kind=kind, why=str(refused))
            raise

    def ending(self, agent: AgentId, call: CallId) -> None:
        """The agent wants to end his asking, one way or the other. Raises TransferError when he asks nobody."""
        view = self._snapshot()
        _own(view, agent, call)
        if _under_way(view, agent) not in _ASKING:
            raise TransferError("you are asking nobody just now: there is no consultation to end")

    def observe(self, _fact: object, wishes: tuple[object, ...]) -> None:
        """Count the calls to outside numbers that the core did wish for: a refused wish costs no one's quota."""
        for wish in wishes:
            if isinstance(wish, TransferCall) and wish.to.startswith("out_"):
                self._outside.setdefault(wish.agent, deque()).append(self._clock.now())

    def _target(self, agent: AgentId, call: CallId, kind: str, name: str) -> str:
        view = self._snapshot()
        live = self._free_to_begin(view, agent, call)
        colleagues = [self._colleague(a) for a in view.agents if a.agent != agent]
        known = colleagues if kind == "agent" else self._lines(live)
        choice = next((c for c in known if c.id == name), None)
        if choice is None or not choice.free:
            raise TransferError("this colleague is not free" if choice else "there is no such target")
        return f"{kind}_{name}"

    async def _dialled_target(self, agent: AgentId, call: CallId, kind: str, name: str) -> str:
        live = self._free_to_begin(self._snapshot(), agent, call)
        target = self._outside_target(agent, live, kind, name, self._clock.now())
        if await self._refused([target.removeprefix("out_")]):
            raise TransferError(
                "the PBX does not dial this number: ACD_OUT_ALLOWED, or acd-outside.conf is old"
            )
        self._free_to_begin(
            self._snapshot(), agent, call
        )  # the PBX took its time: what was so may be no more
        return target

    @staticmethod
    def _free_to_begin(view: Snapshot, agent: AgentId, call: CallId) -> CallView:
        live = _own(view, agent, call)
        if _under_way(view, agent):
            raise TransferError("this call is being handed on already: wait, or take the caller back")
        return live

    # --- inside ----------------------------------------------------------------------------------

    def _colleague(self, agent: AgentView) -> Choice:
        entry = self._config().tree.agents.get(agent.agent)
        free = agent.status == "available" and agent.state == "idle" and agent.reachable
        note = "" if free else agent.state if agent.state != "idle" else agent.status
        return Choice("agent", agent.agent, entry.name if entry else agent.agent, free, note)

    def _lines(self, live: CallView) -> list[Choice]:
        """Only lines of the same subscriber: a client never ends at another firm."""
        queues = self._config().tree.queues
        return [
            Choice("queue", name, entry.display_name, free=True)
            for name, entry in queues.items()
            if name != live.queue and entry.subscriber == live.subscriber
        ]

    async def _people(self, live: CallView, now: int) -> list[Choice]:
        project = self._project(live.queue)
        if project is None:
            return []
        on_call = {r.order(now, project.hours.zone)[0] for r in project.rotations.values() if r.people}
        people = [(p, number) for p in project.people.values() if self._allowed(number := dialled(p.phone))]
        refused = await self._refused(sorted({number for _, number in people}))
        if refused:
            names = [person.id for person, number in people if number in refused]
            log.warning(
                "people_not_dialled", project=project.id, people=names, why="ACD_OUT_ALLOWED or acd-outside"
            )
        return [
            Choice("person", person.id, person.name, free=False, note="not_dialled", able=False)
            if number in refused
            else Choice(
                "person", person.id, person.name, free=not on_call or person.id in on_call,
                note="on_call" if person.id in on_call else "",
            )
            for person, number in people
        ]  # fmt: skip

    def _allowed(self, number: str) -> bool:
        prefixes = self._config().tree.transfers.outside_prefixes
        return bool(_NUMBER.match(number)) and number.startswith(prefixes)

    def _outside_target(self, agent: AgentId, live: CallView, kind: str, name: str, now: int) -> str:
        if kind == "person":
            project = self._project(live.queue)
            person = project.people.get(name) if project else None
            if person is None:
                raise TransferError("this subscriber has no such person")
            name = person.phone
        number = dialled(name)
        if len(number) < SHORTEST:
            raise TransferError(f"numbers of fewer than {SHORTEST} digits are never dialled, as 112")
        if not self._allowed(number):
            raise TransferError("calls to this number are not allowed: transfers.outside_prefixes")
        recent = self._outside.setdefault(agent, deque())
        while recent and recent[0] <= now - HOUR_MS:
            recent.popleft()
        if len(recent) >= self._config().tree.transfers.outside_per_hour:
            raise TransferError("too many calls to outside numbers within the hour")
        return f"out_{number}"


def _under_way(view: Snapshot, agent: AgentId) -> str:
    return next((a.transfer for a in view.agents if a.agent == agent), "")


def _own(view: Snapshot, agent: AgentId, call: CallId) -> CallView:
    live = next((c for c in view.calls if c.call == call and c.agent == agent), None)
    if live is None or live.state != "talking":
        raise TransferError("you are not in a talk with this caller")
    return live
