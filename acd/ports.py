"""What the runner needs from the outside world. Fakes for tests live in tests/fakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from acd.core.card import CallCard
    from acd.core.effects import (
        Announce,
        CloseWrapUp,
        ConfirmPop,
        HangUpStrayLeg,
        KeepAgentStatus,
        MoveToQueue,
        OfferCall,
        OfferCallback,
        OpenWrapUp,
        SendToFallback,
        ShowPop,
        TransferCall,
        WithdrawPop,
    )
    from acd.core.events import Fact, LiveAgent
    from acd.core.ids import Ani, Did
    from acd.core.instant import Instant
    from acd.core.snapshot import Snapshot


class PortError(Exception):
    """A port could not do its work. `retryable`: the same wish may succeed later."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class RefusedError(PortError):
    """The other side answered, and refused: nothing has changed there."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class NotRecordedError(RefusedError):
    """The talk has no recording: there is nothing to mute or to end."""


class CallGoneError(RefusedError):
    """The call's channel is gone."""


class Clock(Protocol):
    """The one timeline of the process (acd.core.instant)."""

    def now(self) -> Instant:
        """Return milliseconds: anchored wall time plus monotonic time; never steps back."""


class Inbox(Protocol):
    """Where adapters put facts. Never blocks, never raises; called only from the loop's thread."""

    def __call__(self, fact: Fact) -> None:
        """Tell the runner."""


class Switch(Protocol):
    """The telephone switch: carries out wishes about calls. Outcomes come back as facts."""

    def offer(self, wish: OfferCall) -> Coroutine[Any, Any, None]:
        """Send the one Redirect, at once if that can be. Awaited: PortError when it surely was not sent or was refused."""

    async def send_to_fallback(self, wish: SendToFallback) -> None:
        """Redirect the caller to acd-fallback."""

    async def move_to_queue(self, wish: MoveToQueue) -> None:
        """Redirect the caller to wait in another queue. Raises PortError when it surely was not."""

    async def announce(self, wish: Announce) -> None:
        """Set the channel variable that makes the waiting loop play a sound file."""

    async def offer_callback(self, wish: OfferCallback) -> None:
        """Set the channel variable that makes the waiting loop offer a callback."""

    async def hang_up_stray_leg(self, wish: HangUpStrayLeg) -> None:
        """Hang up an agent's leg that has no caller."""

    async def transfer(self, wish: TransferCall) -> None:
        """Hand a talk on, let the agent ask somebody first, or end the asking."""


class ScreenPop(Protocol):
    """The agents' screens. Pops are hints: a lost one costs comfort, never a call."""

    async def show(self, wish: ShowPop, dossier: Mapping[str, object]) -> None:
        """Publish the pop."""

    async def confirm(self, wish: ConfirmPop) -> None:
        """The call is in hand."""

    async def withdraw(self, wish: WithdrawPop) -> None:
        """Take it away."""

    async def open_wrap_up(self, wish: OpenWrapUp) -> None:
        """Ask for the card."""

    async def close_wrap_up(self, wish: CloseWrapUp) -> None:
        """The card's time is over."""

    async def publish_snapshot(self, snapshot: Snapshot) -> None:
        """Retained state for wallboards, a few times a second at most."""


class CardStore(Protocol):
    """The durable store of cards, intents, agent status and the outbox."""

    async def intend(self, wish: OfferCall, at: Instant) -> None:
        """Commit the intent row. Raises PortError when the database refuses; routing goes on."""

    async def write_card(self, card: CallCard) -> None:
        """Store card, segments, history and the outbox row in one transaction, keyed by call id."""

    async def keep_agent(self, wish: KeepAgentStatus) -> None:
        """Remember status over restarts."""

    async def load_agents(self) -> tuple[LiveAgent, ...]:
        """Status as kept; phones unknown (reachable=True)."""

    def next_card_number(self) -> str:
        """Hand out the next short number from a block reserved durably. Never blocks, never repeats."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One written message for one recipient, ready for its channel."""

    key: str
    """Idempotency key: the same parcel sent again has the same one."""
    recipient: str
    subject: str
    text: str
    facts: tuple[tuple[str, str], ...] = ()
    """For machines: card number, subscriber, urgency ..."""
    reference: str = ""
    """Signed name by which a bounce or a reply is recognised; empty: none is expected."""


class Courier(Protocol):
    """One channel for written messages: e-mail, SMS, webhook."""

    async def send(self, parcel: Parcel) -> None:
        """Hand it over. Raises PortError: retryable, or final when this recipient can never be reached."""


class Directory(Protocol):
    """Who calls: found within a time budget, else a safe default."""

    async def find(self, ani: Ani, did: Did, quoted: str = "", call: str = "") -> Mapping[str, object]:
        """Return the dossier, empty when unknown. Must answer within the configured budget.

        `quoted`: digits of an earlier card's number that the caller keyed in (003-05), in this `call`: what it brings
        back is the call's, not the telephone's.
        """
