"""A call and its transition table. Only this file assigns a call's state.

The caller's channel in the dialplan owns the call; this is what we know of it. A pair that is not in
the table is an illegal transition: the caller of `apply` counts it, and nothing changes.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from acd.core.callback_events import NumberResult
from acd.core.events import EndedBy
from acd.core.ids import Ani, Did, QueueId, SubscriberId
from acd.core.record import Worded

if TYPE_CHECKING:
    from acd.core.candidates import Candidates
    from acd.core.card import CallCard
    from acd.core.events import CallQueued, EndReason
    from acd.core.ids import AgentId, CallId, EffectId, SkillId
    from acd.core.instant import Duration, Instant
    from acd.core.rules import Rule
    from acd.core.tally import Left


CALLBACK_RESULT = "callback_result"
"""Card field: what became of the number that is called back."""


class CallState(Worded):
    """What we know of the caller's channel."""

    __hash__ = object.__hash__  # by identity: the tables are looked up thousands of times a second

    NEW = "new"
    """Through the door; identification and greeting."""
    WAITING = "waiting"
    """In the waiting loop."""
    OFFERING = "offering"
    """One agent is reserved or rings."""
    TALKING = "talking"
    FALLBACK = "fallback"
    """The dialplan's own fallback has it; we leave it alone."""
    DONE = "done"
    """Nothing more for us to do; the caller's channel is still up (survey, voice mail, goodbye)."""
    ENDED = "ended"
    """The channel is gone; the card may still be filled."""


class CallSignal(Enum):
    """What can happen to a call."""

    __hash__ = object.__hash__  # by identity: the tables are looked up thousands of times a second

    QUEUED = "queued"
    RESERVED = "reserved"
    RETURNED = "offer ended"
    ANSWERED = "answered"
    AGENT_LOST = "agent's leg died"
    TALK_OVER = "talk over or transferred"
    GONE_SOON = "refused, callback or caller gone"
    LEFT = "left to fallback"
    ENDED = "caller's channel gone"


_NO_QUEUE = QueueId("")
_NO_SUBSCRIBER = SubscriberId("")
_NEW: Final = CallState.NEW
_UNKNOWN: Final = EndedBy.UNKNOWN
_S, _E = CallState, CallSignal

CALL_TRANSITIONS: dict[tuple[CallState, CallSignal], CallState] = {
    (_S.NEW, _E.QUEUED): _S.WAITING,
    (_S.NEW, _E.GONE_SOON): _S.DONE,
    (_S.NEW, _E.LEFT): _S.FALLBACK,
    (_S.NEW, _E.ENDED): _S.ENDED,
    (_S.WAITING, _E.RESERVED): _S.OFFERING,
    (_S.WAITING, _E.GONE_SOON): _S.DONE,
    (_S.WAITING, _E.LEFT): _S.FALLBACK,
    (_S.WAITING, _E.ENDED): _S.ENDED,
    (_S.OFFERING, _E.ANSWERED): _S.TALKING,
    (_S.OFFERING, _E.RETURNED): _S.WAITING,
    (_S.OFFERING, _E.GONE_SOON): _S.DONE,
    (_S.OFFERING, _E.LEFT): _S.FALLBACK,
    (_S.OFFERING, _E.ENDED): _S.ENDED,
    (_S.TALKING, _E.AGENT_LOST): _S.WAITING,
    (_S.TALKING, _E.TALK_OVER): _S.DONE,
    (_S.FALLBACK, _E.QUEUED): _S.WAITING,
    (_S.FALLBACK, _E.GONE_SOON): _S.DONE,
    (_S.FALLBACK, _E.ENDED): _S.ENDED,
    (_S.DONE, _E.QUEUED): _S.WAITING,
    (_S.DONE, _E.LEFT): _S.FALLBACK,
    (_S.DONE, _E.ENDED): _S.ENDED,
}

_MOVES: Final[dict[CallState, dict[CallSignal, CallState]]] = {
    state: {signal: to for (at, signal), to in CALL_TRANSITIONS.items() if at is state} for state in CallState
}
"""The table by state: to look up a pair costs a tuple and its hash, nine times a call."""


class TransferState(Enum):
    """How far handing a call on has come."""

    __hash__ = object.__hash__

    NONE = ""
    ASKED = "asked"
    """Our wish is on its way to the switch."""
    CONSULTING = "consulting"
    """The target is rung; the caller hears music."""
    CONSULT_TALK = "consult_talk"
    """Agent and target speak; the caller hears music."""
    HANDED = "handed"
    """With the target, or on the way there; comes back to the agent when the target fails."""


class TransferSignal(Enum):
    """What can happen to handing a call on."""

    __hash__ = object.__hash__

    ASKED = "asked for"
    REFUSED = "wish failed"
    CONSULT = "target is rung"
    ANSWERED = "target answered"
    RETURNED = "agent and caller joined again"
    HANDED = "talk with the agent over"
    SETTLED = "somebody has the call, or it waits again"


_T, _H = TransferState, TransferSignal

TRANSFER_TRANSITIONS: dict[tuple[TransferState, TransferSignal], TransferState] = {
    (_T.NONE, _H.ASKED): _T.ASKED,
    (_T.ASKED, _H.REFUSED): _T.NONE,
    (_T.NONE, _H.CONSULT): _T.CONSULTING,
    (_T.ASKED, _H.CONSULT): _T.CONSULTING,
    (_T.CONSULTING, _H.ANSWERED): _T.CONSULT_TALK,
    (_T.CONSULTING, _H.RETURNED): _T.NONE,
    (_T.CONSULT_TALK, _H.RETURNED): _T.NONE,
    (_T.NONE, _H.HANDED): _T.HANDED,
    (_T.ASKED, _H.HANDED): _T.HANDED,
    (_T.CONSULTING, _H.HANDED): _T.HANDED,
    (_T.CONSULT_TALK, _H.HANDED): _T.HANDED,
    (_T.NONE, _H.SETTLED): _T.NONE,
    (_T.ASKED, _H.SETTLED): _T.NONE,
    (_T.CONSULTING, _H.SETTLED): _T.NONE,
    (_T.CONSULT_TALK, _H.SETTLED): _T.NONE,
    (_T.HANDED, _H.SETTLED): _T.NONE,
}
"""A pair that is not here is counted and changes nothing."""

CONSULT_STATES = frozenset({TransferState.CONSULTING, TransferState.CONSULT_TALK})
"""The caller hears music while the agent asks somebody."""


_T_NONE: Final = TransferState.NONE


class Leg:
    """One agent offer inside a call, while it may still change. Frozen into a `Segment` on the card."""

    __slots__ = (
        "acw_ms",
        "agent",
        "answered_at",
        "attempt",
        "confirmed_at",
        "consult_over_at",
        "effect",
        "ended_at",
        "hold_ms",
        "hold_since",
        "offered_at",
        "outcome",
        "queue",
        "silent",
    )

    def __init__(
        self,
        agent: AgentId,
        attempt: int,
        offered_at: Instant,
        effect: EffectId,
        queue: QueueId,
    ) -> None:
        self.agent = agent
        self.attempt = attempt
        self.effect = effect
        self.queue = queue
        """Where the call waited then: a transferred call moves on, this talk stays counted there."""
        self.silent = False
        """Its end is overdue and the switch has been asked."""
        self.offered_at = offered_at
        self.confirmed_at: Instant | None = None
        self.answered_at: Instant | None = None
        self.ended_at: Instant | None = None
        self.outcome = ""
        self.hold_ms: Duration = 0
        self.hold_since: Instant | None = None
        self.consult_over_at: Instant = 0
        """When the agent last came back from asking somebody: older news of it is late."""
        self.acw_ms: Duration = 0

    def stop_hold(self, at: Instant) -> None:
        """Close a running hold, if there is one."""
        if self.hold_since is not None:
            self.hold_ms += max(0, at - self.hold_since)
            self.hold_since = None

    @property
    def talk_ms(self) -> Duration:
        """Joined and speaking, without hold; 0 while the talk runs or if it never began."""
        if self.answered_at is None or self.ended_at is None:
            return 0
        return max(0, self.ended_at - self.answered_at - self.hold_ms)


class RuleMarks:
    """What rules did to one call; another queue has other rules and begins without marks."""

    __slots__ = ("eased", "fired", "lift", "needs")

    def __init__(self) -> None:
        self.fired: dict[Rule, Instant] = {}
        """The rules that applied, and when last."""
        self.lift = 1.0
        """Factor on the priority."""
        self.needs: tuple[tuple[SkillId, int], ...] = ()
        """Requirements added."""
        self.eased: tuple[tuple[SkillId, int], ...] = ()
        """Requirements lowered to these levels; 0 is dropped."""


class Call:
    """One caller's channel, from the door to the closed card."""

    __slots__ = (
        "ani",
        "answered_at",
        "attempt",
        "by",
        "card",
        "card_number",
        "cause",
        "close_due",
        "did",
        "ended_at",
        "entered_at",
        "explanation",
        "fallback_effect",
        "fallback_reason",
        "fields",
        "final",
        "from_fallback",
        "history",
        "id",
        "known",
        "left",
        "left_at",
        "leg",
        "legs",
        "marks",
        "missed",
        "missing_since",
        "move_effect",
        "needs",
        "order",
        "place_at",
        "priority",
        "queue",
        "queued_at",
        "queued_last",
        "reason",
        "reason_given",
        "skip",
        "state",
        "stay_at",
        "sticky",
        "subscriber",
        "transfer",
        "transfer_effect",
        "transfer_to",
        "waits_again",
        "wrapping",
    )

    def __init__(self, id: CallId, did: Did, ani: Ani, entered_at: Instant, order: int) -> None:  # noqa: A002, PLR0915 - one line per field
        self.id = id
        self.did = did
        self.ani = ani
        self.entered_at = self.place_at = entered_at
        """Its place in line is its moment of entry; that of a call-back may be the entry of the caller who asked."""
        self.order = order
        self.state: CallState = _NEW
        self.queue = _NO_QUEUE
        self.subscriber = _NO_SUBSCRIBER
        self.card_number = ""
        self.priority = 1.0
        self.needs: tuple[tuple[SkillId, int], ...] = ()
        self.sticky: AgentId | None = None
        self.marks: RuleMarks | None = None
        """What rules did to this call in its present queue; None before the first."""
        self.waits_again: Instant | None = None
        """When the caller came back into a line after a talk."""
        self.skip: tuple[AgentId, ...] = ()
        self.known = True
        """False for a call of which we heard only the end: no card until more is known."""
        self.missed: CallId | None = None
        """Of a call-back of ours: the missed call it answers (or empty). None for callers."""
        self.queued_at: Instant | None = None
        """First entry into a queue: wait times count from here, routing before it does not."""
        self.stay_at: Instant | None = None
        """When the wait in the present queue began, for wait times; the place is `entered_at`."""
        self.queued_last: Instant | None = None
        """`at` of the latest CallQueued: what happened before it is history."""
        self.attempt = 0
        self.leg: Leg | None = None
        self.legs: list[Leg] = []
        self.transfer, self.transfer_to = _T_NONE, ""  # agent_<id>, queue_<id> or out_<number>
        self.transfer_effect: EffectId | None = None
        self.answered_at: Instant | None = None
        self.left: Left | None = None
        """How the present stay was counted, so that late news can correct the count."""
        self.left_at: Instant | None = None
        self.fallback_effect: EffectId | None = None
        self.fallback_reason = "max_wait"
        self.move_effect: EffectId | None = None
        """Our wish that the caller wait in another queue, not yet confirmed."""
        self.missing_since: Instant | None = None
        """When an audit first did not find it; the note of its end may just be on its way."""
        self.final: EndReason | None = None
        """What the end will be called unless something else happens first."""
        self.from_fallback = False
        """Ended while the dialplan's fallback had it."""
        self.reason: EndReason | None = None
        self.reason_given = False
        self.by: EndedBy = _UNKNOWN
        self.cause = 0
        self.ended_at: Instant | None = None
        self.wrapping = 0
        """Open wrap-ups; the card waits for them."""
        self.card: CallCard | None = None
        self.close_due: Instant = 0
        self.fields: dict[str, str] = {}
        self.history: list[tuple[Instant, str, str]] = [(entered_at, "new", "")]
        self.explanation: list[str | Candidates] = []

    def apply(self, signal: CallSignal) -> bool:
        """Move to the next state; False, and nothing changed, when the table has no such pair."""
        following = _MOVES[self.state].get(signal)
        if following is None:
            return False
        self.state = following
        return True

    def settle(self) -> None:
        """Somebody has the call, or it waits again: nothing is being handed on any more."""
        if self.transfer is not _T_NONE:
            self.hand(TransferSignal.SETTLED)

    def hand(self, signal: TransferSignal) -> bool:
        """Go on with handing the call on; False, and nothing changed, when the table has no such pair."""
        following = TRANSFER_TRANSITIONS.get((self.transfer, signal))
        if following is None:
            return False
        self.transfer = following
        if following is TransferState.NONE:
            self.transfer_to = ""
        return True

    def describe(self, fact: CallQueued) -> None:
        """Copy what the dialplan knows of the caller."""
        self.queue = fact.queue
        self.subscriber = fact.subscriber
        self.did = fact.did
        self.ani = fact.ani
        self.card_number = fact.card_number or self.card_number
        self.priority = fact.priority
        self.needs = fact.needs
        self.sticky = fact.sticky

    def leg_of(self, attempt: int) -> Leg | None:
        """Return the offer with this attempt number, running or past."""
        for leg in reversed(self.legs):
            if leg.attempt == attempt:
                return leg
        return None

    @property
    def outbound(self) -> bool:
        """Whether it is a call-back of ours: no caller waits, so it counts in no queue's service level."""
        return self.missed is not None

    @property
    def reached(self) -> bool:
        """Whether the number we call back answered."""
        return self.fields.get(CALLBACK_RESULT) == NumberResult.ANSWERED.value

    @property
    def waits_from(self) -> Instant:
        """From here the longest wait and the rules count: the entry, or the end of the talk before."""
        return self.entered_at if self.waits_again is None else self.waits_again

    @property
    def was_answered(self) -> bool:
        """Whether an agent of ours ever talked to this caller."""
        return self.answered_at is not None
