"""Every wish the core can utter. Frozen, imperative, numbered.

Whoever decides does not act: the runner hands each wish to the port that can carry it out, and the
outcome comes back as a fact (`WishFailed` with the same number, or what the switch then reports).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from acd.core.ids import AgentId, Ani, CallId, Did, EffectId, QueueId, SubscriberId

if TYPE_CHECKING:
    from dataclasses import dataclass

    from acd.core.card import CallCard
    from acd.core.instant import Duration, Instant
    from acd.core.transfer_facts import TransferHow
else:
    from acd.core.record import dataclass


@dataclass(frozen=True, slots=True)
class OfferCall:
    """Ring this agent for this call: one Redirect into acd-dial, extension `<agent>_<attempt>`."""

    effect: EffectId
    call: CallId
    agent: AgentId
    attempt: int
    ring_timeout_ms: Duration


@dataclass(frozen=True, slots=True)
class ShowPop:
    """Show the agent who calls, before the phone is picked up. Same number as its OfferCall."""

    effect: EffectId
    call: CallId
    agent: AgentId
    attempt: int
    queue: QueueId
    subscriber: SubscriberId
    did: Did
    ani: Ani
    card_number: str
    waited_ms: Duration
    """Since the door, greeting and announcements included: what the caller went through. A card's `wait_ms` counts
    from the queue, as service level does."""


@dataclass(frozen=True, slots=True)
class ConfirmPop:
    """The offer was answered: the pop becomes the call in hand."""

    effect: EffectId
    call: CallId
    agent: AgentId


@dataclass(frozen=True, slots=True)
class WithdrawPop:
    """The offer ended without answer: take the pop away, saying why."""

    effect: EffectId
    call: CallId
    agent: AgentId
    reason: str


@dataclass(frozen=True, slots=True)
class OpenWrapUp:
    """The talk is over: ask the agent for the card until `deadline`."""

    effect: EffectId
    call: CallId
    agent: AgentId
    deadline: Instant


@dataclass(frozen=True, slots=True)
class CloseWrapUp:
    """The wrap-up ended: `by` is done, deadline or logout."""

    effect: EffectId
    call: CallId
    agent: AgentId
    by: str


@dataclass(frozen=True, slots=True)
class SendToFallback:
    """Take the call out of waiting into the dialplan's fallback (overflow, closing, no agents)."""

    effect: EffectId
    call: CallId
    reason: str


@dataclass(frozen=True, slots=True)
class MoveToQueue:
    """Let the caller wait in another queue, at the place the original entry gives: one Redirect.

    The dialplan's note that it waits there is the move; until then nobody is offered the call.
    """

    effect: EffectId
    call: CallId
    queue: QueueId


@dataclass(frozen=True, slots=True)
class Announce:
    """Play this sound file to the waiting caller at the loop's next turn."""

    effect: EffectId
    call: CallId
    sound: str


@dataclass(frozen=True, slots=True)
class OfferCallback:
    """Let the waiting loop offer a callback to this caller at its next turn."""

    effect: EffectId
    call: CallId
    reason: str


@dataclass(frozen=True, slots=True)
class HangUpStrayLeg:
    """An agent's leg without a caller of ours: hang it up."""

    effect: EffectId
    call: CallId
    agent: AgentId


@dataclass(frozen=True, slots=True)
class TransferCall:
    """Hand the call on, ask somebody first, or end the asking; `to` as in TransferAsked."""

    effect: EffectId
    call: CallId
    agent: AgentId
    how: TransferHow
    to: str


@dataclass(frozen=True, slots=True)
class KeepAgentStatus:
    """Remember the agent's status durably: it survives our restart."""

    effect: EffectId
    agent: AgentId
    logged_in: bool
    paused_reason: str
    device: str
    since: Instant
    wrap_up_until: Instant | None = None


@dataclass(frozen=True, slots=True)
class AskForSync:
    """Something that had to be reported was not: ask the switch for its whole truth now.

    The answer is a `WorldSynced` with audit set; without one the core helps itself a little later.
    """

    effect: EffectId
    reason: str


@dataclass(frozen=True, slots=True)
class WriteCallCard:
    """The call is finished: store its one immutable card. Sent again if late data change it."""

    effect: EffectId
    card: CallCard


Effect: TypeAlias = (
    OfferCall
    | ShowPop
    | ConfirmPop
    | WithdrawPop
    | OpenWrapUp
    | CloseWrapUp
    | SendToFallback
    | MoveToQueue
    | Announce
    | OfferCallback
    | HangUpStrayLeg
    | TransferCall
    | KeepAgentStatus
    | AskForSync
    | WriteCallCard
)
