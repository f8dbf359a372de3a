"""CallCard: the one immutable record of a finished call, a fold over that call's facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.core.events import EndReason
from acd.core.ids import AgentId, Ani, CallId, Did, QueueId, SubscriberId

if TYPE_CHECKING:
    from acd.core.call import Call
    from acd.core.events import EndedBy
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


def fold(call: Call) -> CallCard:
    """Fold what is known of an ended call into its card. The same call gives an equal card."""
    ended_at = call.entered_at if call.ended_at is None else call.ended_at
    talked = [leg for leg in call.legs if leg.answered_at is not None]
    waited_from = call.entered_at if call.queued_at is None else call.queued_at
    moments = (call.answered_at, call.left_at, ended_at)
    waited_to = next(moment for moment in moments if moment is not None)
    return CallCard(
        call=call.id,
        number=call.card_number,
        subscriber=call.subscriber,
        queue=call.queue,
        did=call.did,
        ani=call.ani,
        entered_at=call.entered_at,
        answered_at=call.answered_at,
        ended_at=ended_at,
        end_reason=call.reason or EndReason.ABANDONED,
        ended_by=call.by,
        cause=call.cause,
        wait_ms=max(0, waited_to - waited_from) if call.queued_at is not None else 0,
        talk_ms=sum(leg.talk_ms for leg in talked),
        hold_ms=sum(leg.hold_ms for leg in talked),
        acw_ms=sum(leg.acw_ms for leg in talked),
        agent=talked[-1].agent if talked else None,
        segments=tuple(
            Segment(
                agent=leg.agent,
                attempt=leg.attempt,
                offered_at=leg.offered_at,
                answered_at=leg.answered_at,
                ended_at=leg.ended_at,
                outcome="answered" if leg.answered_at is not None else leg.outcome,
                hold_ms=leg.hold_ms,
                acw_ms=leg.acw_ms,
            )
            for leg in call.legs
        ),
        fields=tuple(call.fields.items()),
        history=tuple(call.history),
        explanation=tuple(call.explanation),
    )
