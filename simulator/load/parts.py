"""What the people on wall time ask of a switch and of a router, and what they count besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Made:
    """A call to be made. `start_ms` counts from the run's beginning; `first`: known before the run."""

    ani: str
    did: str
    start_ms: int
    first: bool = True


@dataclass(frozen=True, slots=True)
class PhoneDoes:
    """What a ringing phone will do: answer, or refuse, after so long; None: ring on."""

    after_ms: int | None
    refuses: bool = False


class Line(Protocol):
    """Makes calls and moves phones on a switch."""

    def place(self, call: Made) -> None:
        """Make a call now; first calls were told at the start and come by themselves."""

    def hang_up(self, number: str) -> None:
        """The caller hangs up."""

    def end_talk(self, number: str) -> None:
        """The agent hangs up."""

    def unplug(self, agent: str, *, away: bool) -> None:
        """An agent's phone is away, or back."""

    def silence(self, number: str, agent: str) -> None:
        """The phone that rings for this caller falls silent."""

    def call_of(self, number: str) -> str:
        """The router's name of this caller's call; empty: not known yet."""


class Desks(Protocol):
    """Tells the router what agents do. Every method returns at once."""

    def say(self, agent: str, action: str, reason: str = "") -> None:
        """`login`, `logout`, `pause`, `resume` or `done`."""

    def hand_on(self, agent: str, call: str, queue: str) -> None:
        """The agent hands a call on to another waiting line."""

    pauses_unanswered: bool
    """The router pauses an agent who let a call ring."""
    hands_on: bool
    """Agents can hand calls on."""


@dataclass(slots=True)
class Oddities:
    """What does not happen in virtual time, counted."""

    raced: int = 0
    """The caller gave up in the very moment of the answer."""
    ended_by_switch: int = 0
    """Calls that the switch ended in talk."""
    strangers: int = 0
    """Events of calls nobody made."""
    not_handed_on: int = 0
    """Calls that should have gone on to another line, and ended with the talk."""
    failed: int = 0
    """Calls that met a SIP error or were never heard of."""
    forgotten: list[str] = field(default_factory=list)
    """Numbers of callers still on the line when time was up."""
