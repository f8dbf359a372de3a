"""A message on its way to one recipient, until somebody has it (000-11, 002-17).

A delivery is one message version to one address by one channel; its key is unique, so nothing is sent
twice by key. Acknowledgement by anybody settles the message; otherwise it goes to the next person on call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from acd.core.instant import HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant
from acd.desk.hours import ALL_DAY, Intervals, contains, end_of_quiet, local, next_of_day

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


CHANNELS: Final = ("email", "sms", "webhook", "call")
"""The ways a message can take: what a project's `deliver.by` may be."""


class State(Enum):
    """Where one delivery stands."""

    WAITING = "waiting"
    """To be sent at `next_try_at`: now, after quiet hours, at the next digest, or after a failure."""
    SENT = "sent"
    """The channel took it and no answer is wanted."""
    UNREAD = "unread"
    """The channel took it; an acknowledgement is awaited."""
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    """Nobody acknowledged in time, or it could not be sent: the next person was asked."""
    SETTLED = "settled"
    """Somebody else has it."""
    UNDELIVERED = "undelivered"
    """Nobody is left to ask: an alarm until a person looks."""


class Event(Enum):
    """What can happen to a delivery."""

    TAKEN = "taken"
    TAKEN_ACK_WANTED = "taken_ack_wanted"
    FAILED = "failed"
    GAVE_UP = "gave_up"
    ACKNOWLEDGED = "acknowledged"
    OTHER_ACKNOWLEDGED = "other_acknowledged"
    ESCALATED = "escalated"
    NOBODY_LEFT = "nobody_left"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.WAITING, Event.TAKEN): State.SENT,
    (State.WAITING, Event.TAKEN_ACK_WANTED): State.UNREAD,
    (State.WAITING, Event.FAILED): State.WAITING,
    (State.WAITING, Event.GAVE_UP): State.UNDELIVERED,
    (State.WAITING, Event.ESCALATED): State.ESCALATED,
    (State.WAITING, Event.NOBODY_LEFT): State.UNDELIVERED,
    (State.WAITING, Event.ACKNOWLEDGED): State.ACKNOWLEDGED,
    (State.WAITING, Event.OTHER_ACKNOWLEDGED): State.SETTLED,
    (State.SENT, Event.ACKNOWLEDGED): State.ACKNOWLEDGED,
    (State.SENT, Event.ESCALATED): State.ESCALATED,
    (State.SENT, Event.NOBODY_LEFT): State.UNDELIVERED,
    (State.UNREAD, Event.ACKNOWLEDGED): State.ACKNOWLEDGED,
    (State.UNREAD, Event.OTHER_ACKNOWLEDGED): State.SETTLED,
    (State.UNREAD, Event.ESCALATED): State.ESCALATED,
    (State.UNREAD, Event.NOBODY_LEFT): State.UNDELIVERED,
    (State.ESCALATED, Event.ACKNOWLEDGED): State.ACKNOWLEDGED,
    (State.ESCALATED, Event.OTHER_ACKNOWLEDGED): State.SETTLED,
    (State.UNDELIVERED, Event.ACKNOWLEDGED): State.ACKNOWLEDGED,
    (State.UNDELIVERED, Event.OTHER_ACKNOWLEDGED): State.SETTLED,
}
"""A late acknowledgement always counts: whoever has the message has it. What was sent moves on when it bounces."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a refused delivery waits: at first, and at most; doubled in between."""

    first_ms: Duration = 2 * SECOND_MS
    longest_ms: Duration = 10 * MINUTE_MS


USUAL: Final = Pace()
GIVE_UP_MS: Final = 24 * HOUR_MS
URGENT_GIVE_UP_MS: Final = 15 * MINUTE_MS
"""A channel that refuses an urgent message for so long is passed over: the next person is asked."""
_DOUBLINGS: Final = 12


@dataclass(frozen=True, slots=True)
class Rule:
    """When which message goes to whom, how. Empty parts mean any."""

    to: str
    """`on_call:ROTATION`, `person:ID`, or an address."""
    by: str = "email"
    urgency: str = ""
    hours: Intervals = ALL_DAY
    when_open: bool | None = None
    """True: only while the subscriber works; False: only outside."""
    call_types: frozenset[str] = frozenset()
    acknowledge_ms: Duration = 0
    """Somebody must acknowledge within this; 0: no answer is wanted."""
    rounds: int = 2
    """How often each person of a rotation is asked before the alarm."""
    digest: tuple[int, ...] = ()
    """Local minutes of the day at which what came is sent as one; empty: at once."""
    quiet: Intervals = ()

    def fits(self, *, urgency: str, minute: int, is_open: bool, call_type: str) -> bool:
        """Tell whether this rule speaks of such a message at such a time."""
        return (
            self.urgency in {"", urgency}
            and contains(self.hours, minute)
            and self.when_open in {None, is_open}
            and (not self.call_types or call_type in self.call_types)
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message version to one recipient by one channel."""

    message: str
    """Id of the message: the call it came from."""
    version: int
    project: str
    rule: int
    """Index of the rule in the project, for escalation."""
    channel: str
    recipient: str
    next_try_at: Instant
    created_at: Instant
    person: str = ""
    urgent: bool = False
    acknowledge_ms: Duration = 0
    step: int = 0
    """0 is the first person asked, 1 the next ..."""
    digest: bool = False
    state: State = State.WAITING
    id: int = 0
    attempts: int = 0
    first_tried_at: Instant | None = None
    sent_at: Instant | None = None
    deadline: Instant | None = None
    """An acknowledgement is expected by then."""
    acknowledged_at: Instant | None = None
    acknowledged_by: str = ""
    last_error: str = ""

    @property
    def key(self) -> str:
        """The idempotency key: one message version, one recipient, one step of escalation."""
        return f"{self.message}:{self.version}:{self.channel}:{self.recipient}:{self.step}"


def move(delivery: Delivery, event: Event) -> State | None:
    """Return the next state, or None when the table has no such transition: then nothing changes."""
    return TRANSITIONS.get((delivery.state, event))


def first_try(rule: Rule, now: Instant, zone: ZoneInfo, quiet: Intervals, *, urgent: bool) -> Instant:
    """Return when a new delivery may leave: at once, at the next digest, or after quiet hours."""
    if urgent:
        return now
    if rule.digest:
        return next_of_day(now, rule.digest, zone)
    return end_of_quiet(now, (*rule.quiet, *quiet), zone)


def minute_of(at: Instant, zone: ZoneInfo) -> int:
    """Return the local minute of the day."""
    moment = local(at, zone)
    return moment.hour * 60 + moment.minute


def taken(delivery: Delivery, now: Instant) -> Delivery:
    """Return the delivery after the channel took it."""
    wanted = delivery.acknowledge_ms > 0
    state = move(delivery, Event.TAKEN_ACK_WANTED if wanted else Event.TAKEN)
    if state is None:
        return delivery
    return replace(
        delivery,
        state=state,
        attempts=delivery.attempts + 1,
        sent_at=now,
        deadline=now + delivery.acknowledge_ms if wanted else None,
        last_error="",
    )


def failed(
    delivery: Delivery,
    error: str,
    now: Instant,
    *,
    retryable: bool,
    retry_after_ms: int = 0,
    pace: Pace = USUAL,
) -> Delivery:
    """Return the delivery after the channel refused it; the state says whether it is tried again.

    Delays double up to the pace's longest. A final refusal, or one that lasts too long, gives up.
    """
    limit = URGENT_GIVE_UP_MS if delivery.urgent or delivery.acknowledge_ms else GIVE_UP_MS
    since = now if delivery.first_tried_at is None else delivery.first_tried_at
    over = not retryable or now - since >= limit
    state = move(delivery, Event.GAVE_UP if over else Event.FAILED)
    if state is None:
        return delivery
    wait = max(retry_after_ms, min(pace.longest_ms, pace.first_ms * 2 ** min(delivery.attempts, _DOUBLINGS)))
    return replace(
        delivery,
        state=state,
        attempts=delivery.attempts + 1,
        first_tried_at=since,
        next_try_at=now + wait,
        last_error=error[:500],
    )


def overdue(delivery: Delivery, now: Instant) -> bool:
    """Tell whether an acknowledgement did not come in time."""
    return delivery.state is State.UNREAD and delivery.deadline is not None and now >= delivery.deadline
