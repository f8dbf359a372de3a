"""Every fact the core can be told. Frozen, past tense.

`at` is when the switch says it happened (milliseconds, same timeline as `now`), or None when the
switch did not say; cards and service levels use it. Deadlines use the `now` given to `step`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from acd.core.callback_events import CallbackBegun, NumberCalled
from acd.core.ids import AgentId, Ani, CallId, Did, EffectId, QueueId, SkillId, SubscriberId
from acd.core.record import Worded
from acd.core.transfer_facts import (
    ConsultAnswered,
    ConsultEnded,
    ConsultStarted,
    TransferAsked,
    TransferEnded,
)

if TYPE_CHECKING:
    from dataclasses import dataclass

    from acd.core.instant import Instant
    from acd.core.policy import Policy
else:
    from acd.core.record import dataclass


class OfferOutcome(Worded):
    """Why one agent offer ended without an answer. Translated from DIALSTATUS by one table."""

    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    DOUBLE_BOOKED = "double_booked"
    FAILED = "failed"
    CALLER_GONE = "caller_gone"


class EndReason(Worded):
    """How a call left us, as its one terminal state."""

    HANDLED = "handled"
    ABANDONED = "abandoned"
    OVERFLOWED = "overflowed"
    FALLBACK = "fallback"
    REFUSED = "refused"
    CALLBACK = "callback"
    TRANSFERRED = "transferred"
    PBX_FAILED = "pbx_failed"
    SELF_SERVED = "self_served"
    """The caller heard the answer to his question at the door and hung up content: nobody is owed anything (002-18)."""
    NOT_REACHED = "not_reached"
    """A call-back of ours that did not lead to a talk with the number: no agent, or no answer there."""


class EndedBy(Worded):
    """Which side hung up first."""

    CALLER = "caller"
    AGENT = "agent"
    SYSTEM = "system"
    UNKNOWN = "unknown"


class QueuedWhy(Worded):
    """Why a call starts to wait."""

    NEW = "new"
    RETURNED = "returned"
    """An offer failed: same place, original queue time."""
    HEAD = "head"
    """The agent's leg died in mid-talk: head of the line."""


# --- calls -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallEntered:
    """A call came through the door; nothing is known but the two numbers."""

    call: CallId
    did: Did
    ani: Ani
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class CallQueued:
    """The caller's channel is in the waiting loop and may be offered to an agent.

    `entered_at` is the original moment of entry and keeps the place in line over every return.
    `needs` are requirements beyond the queue's own (language, department), with minimum levels.
    """

    call: CallId
    queue: QueueId
    subscriber: SubscriberId
    did: Did
    ani: Ani
    entered_at: Instant
    why: QueuedWhy = QueuedWhy.NEW
    card_number: str = ""
    priority: float = 1.0
    needs: tuple[tuple[SkillId, int], ...] = ()
    sticky: AgentId | None = None
    """The agent of the last talk, the responsible person of the case or the account manager."""
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class CallRefused:
    """The call was not queued: closed, full, unknown number, blocked."""

    call: CallId
    reason: str
    queue: QueueId = QueueId("")
    subscriber: SubscriberId = SubscriberId("")
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class CallSelfServed:
    """The caller was told what he wanted to know before anybody was rung, and hangs up."""

    call: CallId
    queue: QueueId = QueueId("")
    subscriber: SubscriberId = SubscriberId("")
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class OfferConfirmed:
    """The dialplan says it is dialling this agent for this call (its AcdDial note). `queue`: if it said so."""

    call: CallId
    agent: AgentId
    attempt: int
    at: Instant | None = None
    queue: QueueId = QueueId("")


@dataclass(frozen=True, slots=True)
class AgentRinging:
    """The agent's phone rings."""

    call: CallId
    agent: AgentId
    attempt: int
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """Agent and caller are joined. `queue`: if the note said so."""

    call: CallId
    agent: AgentId
    attempt: int
    at: Instant | None = None
    queue: QueueId = QueueId("")


@dataclass(frozen=True, slots=True)
class OfferEnded:
    """An offer ended without answer; the caller, if still there, waits again."""

    call: CallId
    agent: AgentId
    attempt: int
    outcome: OfferOutcome
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class TalkEnded:
    """The talk with this agent is over. `caller_stays`: the agent's leg died and the caller waits on."""

    call: CallId
    agent: AgentId
    attempt: int
    by: EndedBy
    caller_stays: bool = False
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class HoldStarted:
    """The agent put the caller on hold."""

    call: CallId
    agent: AgentId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """The caller is off hold."""

    call: CallId
    agent: AgentId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class CallTransferred:
    """The agent handed the caller to somebody else: another queue, agent or outside number."""

    call: CallId
    agent: AgentId
    to: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class CallLeftToFallback:
    """The dialplan took the call into its fallback, by itself or at our wish."""

    call: CallId
    why: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class CallbackChosen:
    """The caller asked to be called back and keeps the place in line."""

    call: CallId
    number: Ani
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The caller's channel is gone. `cause` is the network's hangup cause (Q.850), 0 if unknown.

    `reason` is given when the switch knows better than our own state (fallback answered,
    refused, the PBX died); otherwise the call's state decides.
    """

    call: CallId
    cause: int = 0
    by: EndedBy = EndedBy.UNKNOWN
    reason: EndReason | None = None
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class CardFilled:
    """The agent (or a later correction) set fields of the card: subject, answer, disposition, notes."""

    call: CallId
    agent: AgentId | None
    fields: tuple[tuple[str, str], ...]
    at: Instant | None = None


# --- agents ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentLoggedIn:
    """The agent is at work. `device` overrides the configured dial target when not empty."""

    agent: AgentId
    device: str = ""
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class AgentLoggedOut:
    """The agent left. A talk in progress goes on and is credited."""

    agent: AgentId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class AgentPaused:
    """The agent is at work but takes no calls, for a reason code."""

    agent: AgentId
    reason: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class AgentResumed:
    """The agent takes calls again."""

    agent: AgentId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class WrapUpDone:
    """The agent finished the work after the call (card saved, or the feature code)."""

    agent: AgentId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class WrapUpExtended:
    """The agent needs longer for the card; the deadline moves."""

    agent: AgentId
    by_ms: int
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class OwnCallStarted:
    """The agent's phone is in a call that is not ours."""

    agent: AgentId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class OwnCallEnded:
    """The agent's phone is free of calls that are not ours."""

    agent: AgentId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class DeviceReachable:
    """The agent's phone registered or answered a qualify."""

    agent: AgentId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class DeviceUnreachable:
    """The agent's phone is unregistered or does not answer: no offers until it returns."""

    agent: AgentId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class WorkTaken:
    """The agent has a piece of written work in hand (e-mail, message, case)."""

    agent: AgentId
    work: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class WorkDone:
    """The piece is finished or given back."""

    agent: AgentId
    work: str
    at: Instant | None = None


# --- system ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """Start or reload: the whole policy as data."""

    policy: Policy
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class QueueOpened:
    """Opening hours are facts: the calendar lives outside the core."""

    queue: QueueId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class QueueClosed:
    """No new calls; those waiting stay, by rule."""

    queue: QueueId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class ClockWindow:
    """A stretch of the clock that a rule speaks of began (`inside`) or ended; the calendar lives outside."""

    window: str
    inside: bool
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The instant named by `next_deadline()` came."""

    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class IntervalStarted:
    """A new counting interval (the local day by default) began: tallies start from zero."""

    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class WishFailed:
    """A wish could not be carried out: refused, timed out, link down."""

    effect: EffectId
    reason: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class LinkLost:
    """We no longer hear the switch. Nothing may be offered until `WorldSynced`."""

    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class LiveCall:
    """One caller's channel as the switch sees it at a sync."""

    call: CallId
    stage: str
    """enter, wait, dial, talk, fallback or done (agi_scripts.dialplan_vars)."""
    queue: QueueId
    subscriber: SubscriberId
    did: Did
    ani: Ani
    entered_at: Instant
    agent: AgentId | None = None
    attempt: int = 0
    answered_at: Instant | None = None
    card_number: str = ""
    priority: float = 1.0
    needs: tuple[tuple[SkillId, int], ...] = ()
    sticky: AgentId | None = None
    missed: CallId | None = None
    """For a call-back of ours: the missed call it answers; None for callers."""


@dataclass(frozen=True, slots=True)
class LiveAgent:
    """One agent's status and phone at a sync: status from our store, the phone from the switch."""

    agent: AgentId
    logged_in: bool
    paused_reason: str = ""
    device: str = ""
    reachable: bool = True
    in_own_call: bool = False
    wrap_up_until: Instant | None = None


@dataclass(frozen=True, slots=True)
class WorldSynced:
    """The whole truth of the switch in one fact: after start, reconnect, a stall, or the audit.

    Calls the core knows and the switch does not have ended; calls the switch has and the core does
    not are adopted at their original place. `audit`: the link was never lost, so every difference
    counts as drift.
    """

    calls: tuple[LiveCall, ...] = ()
    agents: tuple[LiveAgent, ...] = ()
    audit: bool = False
    at: Instant | None = None


# fmt: off
Fact: TypeAlias = (
      CallEntered | CallQueued | CallRefused | CallSelfServed | OfferConfirmed | AgentRinging | CallAnswered
    | OfferEnded | TalkEnded | HoldStarted | HoldEnded | CallTransferred
    | TransferAsked | ConsultStarted | ConsultAnswered | ConsultEnded | TransferEnded | CallLeftToFallback
    | CallbackChosen | CallbackBegun | NumberCalled | CallEnded | CardFilled | AgentLoggedIn
    | AgentLoggedOut | AgentPaused | AgentResumed | WrapUpDone | WrapUpExtended
    | OwnCallStarted | OwnCallEnded | WorkTaken | WorkDone | DeviceReachable
    | DeviceUnreachable | PolicyChanged | QueueOpened | QueueClosed | ClockWindow
    | DeadlinePassed | IntervalStarted | WishFailed | LinkLost | WorldSynced
)
# fmt: on
