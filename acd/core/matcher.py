"""The one assignment pass. Nothing else in the house gives a call to an agent.

The engine tells the matcher every change of who waits and who is ready, then calls `assign` once at
the end of each step. The matcher keeps its own indexes, so a pass costs what changed, not what exists.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass

    from acd.core.candidates import Candidates
    from acd.core.ids import AgentId, CallId, QueueId, SkillId
    from acd.core.instant import Duration, Instant
    from acd.core.policy import Policy
else:
    from acd.core.record import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call as the matcher sees it."""

    call: CallId
    queue: QueueId
    entered_at: Instant
    order: int
    """Serial of arrival; ties by this. Calls at the head (agent's leg died) get negative orders."""
    priority: float = 1.0
    needs: tuple[tuple[SkillId, int], ...] = ()
    sticky: AgentId | None = None
    skip: tuple[AgentId, ...] = ()
    """Agents who already let this call ring: not offered again at once."""
    eased: tuple[tuple[SkillId, int], ...] = ()
    """Requirements lowered by rule to these levels, whoever asked for them; 0 drops one."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One decision, with its reason in one line (always on: O9, 001-21)."""

    call: CallId
    agent: AgentId
    why: str
    over: Candidates | None = None
    """Who else could have taken it, and why each was passed over."""


@dataclass(frozen=True, slots=True)
class Demand:
    """How much the phones need one agent now."""

    price: float = 0.0
    """What it would cost the agent's queues to lose him for a while, in missed promises times c_o."""
    called_by: QueueId | None = None
    """The queue that calls upon this agent of the reserve."""


class Matcher(metaclass=ABCMeta):
    """What the engine needs of an assignment pass. A base and not a protocol: compiled calls find it at once."""

    __slots__ = ()

    @abstractmethod
    def set_policy(self, policy: Policy) -> None:
        """Start or reload; waiting calls and ready agents stay."""

    @abstractmethod
    def add_call(self, call: Waiting) -> None:
        """A call starts (or again starts) to wait."""

    @abstractmethod
    def remove_call(self, call: CallId) -> None:
        """It no longer waits: assigned, gone or left. Unknown ids are harmless."""

    @abstractmethod
    def add_agent(self, agent: AgentId, idle_since: Instant) -> None:
        """The agent is ready: available and idle and reachable."""

    @abstractmethod
    def remove_agent(self, agent: AgentId) -> None:
        """The agent is not ready any more. Unknown ids are harmless."""

    @abstractmethod
    def record_outcome(self, queue: QueueId, waited_ms: Duration, *, answered: bool) -> None:
        """A call left the line: feeds the service-level debt and the arrival estimate."""

    @abstractmethod
    def record_talk(self, queue: QueueId, agent: AgentId, busy_ms: Duration) -> None:
        """An agent finished talk and wrap-up: feeds the rate at which agents become free."""

    @abstractmethod
    def assign(self, now: Instant) -> tuple[Assignment, ...]:
        """Decide. The assigned calls and agents are removed from the indexes."""

    @abstractmethod
    def next_check(self, now: Instant) -> Instant | None:
        """When a call held back, or a requirement about to relax, wants to be tested again."""

    @abstractmethod
    def explain(self, call: CallId, now: Instant) -> tuple[str, ...]:
        """Why this call waits: one line per candidate agent and reason."""

    def tell_wait(self, call: CallId, now: Instant) -> str:  # noqa: ARG002 -- a matcher without a log
        """Where this call's wait went so far, in one line; empty if it does not wait or nothing was kept."""
        return ""

    @abstractmethod
    def position(self, call: CallId) -> int:
        """Place of the call in its own queue, 1 is next; 0 when it does not wait."""

    @abstractmethod
    def open_reserve(self, queue: QueueId, upto: int, now: Instant) -> None:
        """A rule opens this queue's reserve up to that class; it closes by load like any other."""

    @abstractmethod
    def reserve_open(self, queue: QueueId) -> int:
        """The highest reserve class that is open for this queue, 0 none."""

    @abstractmethod
    def demand(self, agent: AgentId) -> Demand:
        """How much the phones need this agent; nothing for unknown ones."""

    @abstractmethod
    def explain_reserve(self, queue: QueueId) -> str:
        """What opened or closed this queue's reserve last; empty if nothing did."""

    @abstractmethod
    def expected_wait_ms(self, queue: QueueId, place: int) -> Duration | None:
        """Time still to wait at this place of the queue, 1 is next; None without an honest estimate."""
