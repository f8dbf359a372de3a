"""CallCard: the one immutable record of a finished call, a fold over that call's facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.events import EndReason
from acd.core.ids import AgentId, Ani, CallId, Did, QueueId, SubscriberId

if TYPE_CHECKING:
    from dataclasses import dataclass

    from acd.core.call import Call
    from acd.core.candidates import Candidates
    from acd.core.events import EndedBy
    from acd.core.instant import Duration, Instant
else:
    from acd.core.record import dataclass


TARGETS = ("agent_", "queue_", "out_")
"""How a target of a transfer begins."""


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
    """From the queue to the answer (or the end): the time of service level. The screen-pop says the time since the door."""
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
    explanation: tuple[str | Candidates, ...] = ()
    """Why this agent, why it waited: one line per decision; what the matcher kept in numbers becomes text where the
    card is stored (`str`)."""


def handed_to(card: CallCard) -> tuple[str, ...]:
    """Return whom the call was handed to or who was asked first, as the dialplan names them, each once, in order.

    `agent_<id>`, `queue_<id>` or `out_<number>`. Read from the history, which says it in the same words whether the
    core saw the steps or the journal alone did: nobody had to write it down a second time.
    """
    words = (word for _, _, detail in card.history for word in detail.split())
    return tuple(dict.fromkeys(word.rstrip(":") for word in words if word.startswith(TARGETS)))


def told(call: Call) -> tuple[str, ...]:
    """Return the call's explanation as text."""
    return tuple([str(line) for line in call.explanation])


def fold(call: Call) -> CallCard:
    """Fold what is known of an ended call into its card. The same call gives an equal card."""
    ended_at = call.entered_at if call.ended_at is None else call.ended_at
    wait_ms = talk_ms = hold_ms = acw_ms = 0
    if call.queued_at is not None:
        waited_to = ended_at if call.left_at is None else call.left_at
        wait_ms = max(0, (waited_to if call.answered_at is None else call.answered_at) - call.queued_at)
    executor: AgentId | None = None
    segments = []
    for leg in call.legs:
        outcome = leg.outcome
        if leg.answered_at is not None:
            executor, outcome = leg.agent, "answered"
            talk_ms += leg.talk_ms
            hold_ms += leg.hold_ms
            acw_ms += leg.acw_ms
        segments.append(
            Segment(
                leg.agent,
                leg.attempt,
                leg.offered_at,
                leg.answered_at,
                leg.ended_at,
                outcome,
                leg.hold_ms,
                leg.acw_ms,
            )
        )
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
        end_reason=EndReason.ABANDONED if call.reason is None else call.reason,
        ended_by=call.by,
        cause=call.cause,
        wait_ms=wait_ms,
        talk_ms=talk_ms,
        hold_ms=hold_ms,
        acw_ms=acw_ms,
        agent=executor,
        segments=tuple(segments),
        fields=tuple(call.fields.items()) if call.fields else (),
        history=tuple(call.history),
        explanation=tuple(call.explanation),
    )
