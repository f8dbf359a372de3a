"""CallCard: the one immutable record of a finished call, a fold over that call's facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.core.ids import AgentId, Ani, CallId, Did, QueueId, SubscriberId

if TYPE_CHECKING:
    from acd.core.events import EndedBy, EndReason
    from acd.core.instant import Duration, Instant


@dataclass(frozen=True, slots=True)
class Segment:
    """One agent offer, answered or not, inside a call."""

    agent: AgentId
    attempt: int
    offered_at: Instant
    answered_at: Instant | None
    ended_at: Instant | None
    outcome: str
    """answered, or the OfferOutcome that ended the offer."""
    hold_ms: Duration = 0
    acw_ms: Duration = 0


@dataclass(frozen=True, slots=True)
class CallCard:
    """003-04: who called, subject, what was answered, duration, responsible executor, number."""

    call: CallId
    number: str
    """Short unique number with a check digit, easy to say and to key in; empty until given."""
    subscriber: SubscriberId
    queue: QueueId
    did: Did
    ani: Ani
    entered_at: Instant
    answered_at: Instant | None
    ended_at: Instant
    end_reason: EndReason
    ended_by: EndedBy
    cause: int
    wait_ms: Duration
    talk_ms: Duration
    hold_ms: Duration
    acw_ms: Duration
    agent: AgentId | None
    """The responsible executor: the last agent who talked."""
    segments: tuple[Segment, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    """What the desk added: subject, answer, disposition, note, caller_name ..."""
    history: tuple[tuple[Instant, str, str], ...] = ()
    """(when, state, detail): every transition, for 001-21."""
    explanation: tuple[str, ...] = ()
    """Why this agent, why it waited: one line per decision."""
