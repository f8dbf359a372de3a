"""A case: what one call did not settle, open until it is resolved, over all channels (001-22, 000-16).

Cards, messages and tickets hang on it; its history is what the client's state page and the agent's pop show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from acd.core.instant import Instant


class State(Enum):
    """Where a case stands."""

    OPEN = "open"
    IN_WORK = "in_work"
    WAITING = "waiting"
    """For the client."""
    RESOLVED = "resolved"
    CLOSED = "closed"


class Event(Enum):
    """What can happen to a case."""

    TAKEN = "taken"
    RELEASED = "released"
    """Given back by who had it in hand: anybody may take it."""
    ASKED_CLIENT = "asked_client"
    CLIENT_ANSWERED = "client_answered"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    CLOSED = "closed"
    NOTED = "noted"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.OPEN, Event.TAKEN): State.IN_WORK,
    (State.OPEN, Event.ASKED_CLIENT): State.WAITING,
    (State.OPEN, Event.RESOLVED): State.RESOLVED,
    (State.OPEN, Event.CLIENT_ANSWERED): State.OPEN,
    (State.OPEN, Event.NOTED): State.OPEN,
    (State.IN_WORK, Event.TAKEN): State.IN_WORK,
    (State.IN_WORK, Event.RELEASED): State.OPEN,
    (State.IN_WORK, Event.ASKED_CLIENT): State.WAITING,
    (State.IN_WORK, Event.CLIENT_ANSWERED): State.IN_WORK,
    (State.IN_WORK, Event.RESOLVED): State.RESOLVED,
    (State.IN_WORK, Event.NOTED): State.IN_WORK,
    (State.WAITING, Event.TAKEN): State.IN_WORK,
    (State.WAITING, Event.RELEASED): State.WAITING,
    (State.WAITING, Event.CLIENT_ANSWERED): State.IN_WORK,
    (State.WAITING, Event.RESOLVED): State.RESOLVED,
    (State.WAITING, Event.NOTED): State.WAITING,
    (State.RESOLVED, Event.REOPENED): State.OPEN,
    (State.RESOLVED, Event.CLIENT_ANSWERED): State.OPEN,
    (State.RESOLVED, Event.CLOSED): State.CLOSED,
    (State.RESOLVED, Event.NOTED): State.RESOLVED,
    (State.CLOSED, Event.REOPENED): State.OPEN,
    (State.CLOSED, Event.CLIENT_ANSWERED): State.OPEN,
}
"""A client who comes back about a finished case opens it again: a good first moment is worthless otherwise."""

STILL_OPEN: Final = frozenset({State.OPEN, State.IN_WORK, State.WAITING})

TOWARDS: Final[Mapping[State, Event]] = {
    State.OPEN: Event.REOPENED,
    State.IN_WORK: Event.TAKEN,
    State.WAITING: Event.ASKED_CLIENT,
    State.RESOLVED: Event.RESOLVED,
    State.CLOSED: Event.CLOSED,
}
"""Which event a state told by a downstream help desk means."""


_HANDS: Final = frozenset(
    {Event.TAKEN.value, Event.RELEASED.value, Event.RESOLVED.value, Event.REOPENED.value}
)
"""Events that change in whose hand a case is; all but the first leave it in nobody's."""


class CaseError(Exception):
    """The case does not allow this now; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a case's history. `public`: the client may see it."""

    at: Instant
    who: str
    event: str
    text: str = ""
    public: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One matter. `number` is that of the card it began with, which the client can quote (003-05)."""

    number: str
    project: str
    opened_at: Instant
    deadline: Instant | None
    subject: str
    state: State = State.OPEN
    owner: str = ""
    """The responsible person: agent id or person id of the project."""
    client: str = ""
    client_name: str = ""
    client_email: str = ""
    ticket: str = ""
    """Id in the downstream help desk; empty: none (yet)."""
    history: tuple[Entry, ...] = ()
    calls: tuple[str, ...] = ()
    resolved_at: Instant | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether somebody still has to do something."""
        return self.state in STILL_OPEN

    @property
    def holder(self) -> str:
        """Who has it in hand: who took it last, while it is in work; a help desk's name too. Empty: nobody."""
        return self.hand if self.state is State.IN_WORK else ""

    @property
    def hand(self) -> str:
        """Who took it last and did not give it back; the case may wait for the client meanwhile. Empty: nobody."""
        for entry in reversed(self.history):
            if entry.event in _HANDS:
                return entry.who if entry.event == Event.TAKEN.value else ""
        return ""

    def is_late(self, now: Instant) -> bool:
        """Tell whether it was not resolved by its deadline."""
        return self.deadline is not None and (self.resolved_at or now) > self.deadline


def happen(
    case: Case, event: Event, now: Instant, who: str, *, text: str = "", public: bool = False, owner: str = ""
) -> Case:
    """Return the case after an event. Raises CaseError when its state does not allow it."""
    state = TRANSITIONS.get((case.state, event))
    if state is None:
        raise CaseError(
            f"case {case.number} is {case.state.value}: it cannot be {event.value.replace('_', ' ')}"
        )
    if state is State.IN_WORK and event is not Event.TAKEN and not case.hand:
        state = State.OPEN  # the client answered, and nobody has it in hand any more: it is for the next one
    resolved_at = case.resolved_at
    if state in STILL_OPEN:
        resolved_at = None
    elif state is State.RESOLVED and case.state is not State.RESOLVED:
        resolved_at = now
    return replace(
        case,
        state=state,
        owner=owner or case.owner,
        resolved_at=resolved_at,
        history=(*case.history, Entry(now, who, event.value, text, public)),
    )


def told(case: Case, state: State, now: Instant, who: str) -> Case:
    """Return the case after a help desk told its ticket's state; the same state again changes nothing."""
    if state is case.state:
        return case
    if case.is_open and state is State.OPEN:
        return case
    if not case.is_open and state is State.RESOLVED:
        return case
    if state is State.CLOSED and case.is_open:
        case = happen(case, Event.RESOLVED, now, who, public=True)
    elif state in STILL_OPEN and not case.is_open:
        case = happen(case, Event.REOPENED, now, who, public=True)
        if state is State.OPEN:
            return case
    return happen(case, TOWARDS[state], now, who, public=True)
