"""The missed-call ledger: every missed call ends recontacted or explicitly closed (003-24, 004-16).

*Missed* and *lost* are two counters: lost is a missed call that by its deadline was neither
recontacted nor explicitly closed. One number of one subscriber has at most one open task.

Whoever calls us chooses the number we call back, so every call back passes `may_dial`: a one-ring
call from a premium number is never dialled without a human's yes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from acd.core.instant import HOUR_MS, MINUTE_MS, SECOND_MS, Duration, Instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class TaskState(Enum):
    """Where one task stands."""

    OPEN = "open"
    HELD = "held"
    """Waits for a person's yes before anybody dials."""
    DIALLING = "dialling"
    RECONTACTED = "recontacted"
    CLOSED = "closed"
    """By a person, with a reason."""


class TaskEvent(Enum):
    """What can happen to a task."""

    MISSED_AGAIN = "missed_again"
    APPROVAL_WANTED = "approval_wanted"
    APPROVED = "approved"
    DIAL_STARTED = "dial_started"
    DIAL_FAILED = "dial_failed"
    POSTPONED = "postponed"
    """It came to no dialling: no agent had time, or the command did not reach the switch."""
    ASKED = "asked"
    """The caller asked to be called back: what was held for a short ring need not be."""
    TALKED = "talked"
    CLOSED_BY_PERSON = "closed_by_person"


TRANSITIONS: Final[Mapping[tuple[TaskState, TaskEvent], TaskState]] = {
    (TaskState.OPEN, TaskEvent.MISSED_AGAIN): TaskState.OPEN,
    (TaskState.OPEN, TaskEvent.APPROVAL_WANTED): TaskState.HELD,
    (TaskState.OPEN, TaskEvent.DIAL_STARTED): TaskState.DIALLING,
    (TaskState.OPEN, TaskEvent.TALKED): TaskState.RECONTACTED,
    (TaskState.OPEN, TaskEvent.CLOSED_BY_PERSON): TaskState.CLOSED,
    (TaskState.HELD, TaskEvent.MISSED_AGAIN): TaskState.HELD,
    (TaskState.HELD, TaskEvent.APPROVED): TaskState.OPEN,
    (TaskState.HELD, TaskEvent.ASKED): TaskState.OPEN,
    (TaskState.HELD, TaskEvent.TALKED): TaskState.RECONTACTED,
    (TaskState.HELD, TaskEvent.CLOSED_BY_PERSON): TaskState.CLOSED,
    (TaskState.DIALLING, TaskEvent.MISSED_AGAIN): TaskState.DIALLING,
    (TaskState.DIALLING, TaskEvent.DIAL_FAILED): TaskState.OPEN,
    (TaskState.DIALLING, TaskEvent.POSTPONED): TaskState.OPEN,
    (TaskState.DIALLING, TaskEvent.APPROVAL_WANTED): TaskState.HELD,
    (TaskState.DIALLING, TaskEvent.TALKED): TaskState.RECONTACTED,
    (TaskState.DIALLING, TaskEvent.CLOSED_BY_PERSON): TaskState.CLOSED,
}
FINAL_STATES: Final = frozenset({TaskState.RECONTACTED, TaskState.CLOSED})
MISSED_REASONS: Final = frozenset(
    {"abandoned", "refused", "fallback", "overflowed", "pbx_failed", "callback", "voicemail"}
)
"""Ends without a talk that open a task; `callback` and `voicemail` because the caller asked for one."""
TALK_REASONS: Final = frozenset({"handled", "transferred"})
"""Ends after a talk with one of ours. Whether the fallback's end was one, its answer tells (`ledger_store`)."""
BY_RULE: Final = "rules"
"""Who closed a task that no person closed."""
ASKED_REASONS: Final = frozenset({"callback", "voicemail"})
PROMISED: Final = "we_call_back"
"""Outcome of a talk: the agent promised that we call back. It is held until a person says that it is time."""


class LedgerError(Exception):
    """The task does not allow this now; the message says why."""


@dataclass(frozen=True, slots=True)
class MissedTask:
    """One number of one subscriber to be called back. `number` is empty when the caller withheld it."""

    number: str
    subscriber: str
    opened_at: Instant
    deadline: Instant
    reason: str
    """End reason of the last missed call."""
    waited_ms: Duration
    """The longest wait of its missed calls: a single short ring is suspicious."""
    last_missed_at: Instant
    state: TaskState = TaskState.OPEN
    id: int = 0
    missed: int = 1
    asked: bool = False
    """The caller asked to be called back."""
    attempts: int = 0
    next_try_at: Instant = 0
    approved_by: str = ""
    closed_at: Instant | None = None
    closed_by: str = ""
    close_reason: str = ""
    why: str = ""
    """Why it is held, or what the last attempt gave, in plain words."""

    @property
    def is_open(self) -> bool:
        """Return whether somebody still has to do something."""
        return self.state not in FINAL_STATES

    def is_lost(self, now: Instant) -> bool:
        """Return whether the deadline passed before the task was recontacted or closed."""
        return (now if self.closed_at is None else self.closed_at) > self.deadline


@dataclass(frozen=True, slots=True)
class MissedCall:
    """One call that ended without a talk."""

    call: str
    number: str
    subscriber: str
    at: Instant
    reason: str
    waited_ms: Duration


class NumberKind(Enum):
    """What a number is, as far as dialling it can cost us."""

    ORDINARY = "ordinary"
    PREMIUM = "premium"
    SHORT = "short"
    """112, 101 and the like: never a subscriber's number."""
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """What the number plan says about a number. `region` is a two-letter country code or empty."""

    e164: str
    region: str
    kind: NumberKind


@dataclass(frozen=True, slots=True)
class LedgerRules:
    """What may be dialled, when and how often. Times of day are minutes of the subscriber's local day."""

    deadline_ms: Duration = 24 * HOUR_MS
    regions: tuple[str, ...] = ("RU",)
    """Countries we dial without asking: domestic only by default."""
    prefixes: tuple[str, ...] = ()
    """Further prefixes in E.164, with the plus."""
    min_ring_ms: Duration = 5 * SECOND_MS
    hours_from_minute: int = 9 * 60
    hours_to_minute: int = 21 * 60
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """0 is Monday."""
    daily_per_number: int = 3
    daily_per_subscriber: int = 200
    daily_total: int = 2_000
    max_attempts: int = 5
    first_retry_ms: Duration = 10 * MINUTE_MS
    longest_retry_ms: Duration = 4 * HOUR_MS
    postpone_ms: Duration = MINUTE_MS
    """Pause after a call-back for which no agent had time."""
    keep_place_ms: Duration = HOUR_MS
    """A caller who asked to be called back keeps the place in line for so long."""
    settle_ms: Duration = 3 * SECOND_MS
    """Nobody who did not ask is dialled sooner after a missed call: the journal may know more of its end than
    we do, and tells it within two seconds (decision 0233)."""
    close_after_last: bool = False
    """After `max_attempts` the task is closed by rule instead of being handed to a person."""
    do_not_call: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DialMoment:
    """When the question is asked, and what was dialled since local midnight."""

    now: Instant
    weekday: int
    """The subscriber's local day, 0 is Monday."""
    minute: int
    """Minute of the subscriber's local day."""
    dialled_number: int = 0
    dialled_subscriber: int = 0
    dialled_total: int = 0
    keeps_place: bool = False
    """The caller has just left the line and waits for this call: hours do not matter."""


class Dial(Enum):
    """What the rules say about one call back."""

    YES = "yes"
    LATER = "later"
    ASK = "ask"
    """Only with a person's yes."""
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class DialVerdict:
    """The answer and its reason in plain words."""

    dial: Dial
    why: str


def step(task: MissedTask, event: TaskEvent) -> TaskState:
    """Return the next state. Raises LedgerError for a pair that is not in the table."""
    try:
        return TRANSITIONS[task.state, event]
    except KeyError:
        if event is TaskEvent.APPROVED:
            raise LedgerError(
                f"a task that is {task.state.value} cannot be approved: only a held one wants a yes"
            ) from None
        raise LedgerError(
            f"a task that is {task.state.value} cannot be {event.value.replace('_', ' ')}"
        ) from None


def missed(task: MissedTask | None, call: MissedCall, rules: LedgerRules) -> MissedTask:
    """Return the open task with this call added, or a new one. Raises LedgerError when `task` is finished."""
    asked = call.reason in ASKED_REASONS
    if task is not None and asked and task.is_open:
        state = step(task, TaskEvent.ASKED) if task.state is TaskState.HELD else task.state
        task = replace(task, state=state, next_try_at=min(task.next_try_at, call.at))
    settled_at = call.at if asked else call.at + rules.settle_ms
    if task is None:
        return MissedTask(
            number=call.number,
            subscriber=call.subscriber,
            opened_at=call.at,
            deadline=call.at + rules.deadline_ms,
            reason=call.reason,
            waited_ms=call.waited_ms,
            last_missed_at=call.at,
            next_try_at=settled_at,
            asked=asked,
            state=TaskState.HELD if call.reason == PROMISED else TaskState.OPEN,
            why="promised to the client: approve it when it is time" if call.reason == PROMISED else "",
        )
    return replace(
        task,
        state=step(task, TaskEvent.MISSED_AGAIN),
        missed=task.missed + 1,
        # reported late, an earlier call brings the deadline forward: the first one missed counts
        opened_at=min(task.opened_at, call.at),
        deadline=min(task.deadline, call.at + rules.deadline_ms),
        last_missed_at=max(task.last_missed_at, call.at),
        reason=call.reason if call.at >= task.last_missed_at else task.reason,
        waited_ms=max(task.waited_ms, call.waited_ms),
        asked=task.asked or asked,
        next_try_at=task.next_try_at if task.asked else max(task.next_try_at, settled_at),
    )


def talked(task: MissedTask, at: Instant, by: str) -> MissedTask:
    """Return the task as recontacted: somebody of ours talked with that number. Raises LedgerError."""
    return replace(
        task, state=step(task, TaskEvent.TALKED), closed_at=at, closed_by=by, close_reason="talked"
    )


def closed(task: MissedTask, at: Instant, by: str, reason: str) -> MissedTask:
    """Return the task as closed by a person. Raises LedgerError without a name or a reason."""
    if not by.strip() or not reason.strip():
        raise LedgerError("closing a missed call needs a name and a reason")
    state = step(task, TaskEvent.CLOSED_BY_PERSON)
    return replace(task, state=state, closed_at=at, closed_by=by.strip(), close_reason=reason.strip())


def held(task: MissedTask, why: str = "") -> MissedTask:
    """Return the task waiting for a person's yes. Raises LedgerError."""
    return replace(task, state=step(task, TaskEvent.APPROVAL_WANTED), why=why, approved_by="")


def retried(task: MissedTask, at: Instant) -> MissedTask:
    """Return the task due at once: a person does not want to wait for the pause. Raises LedgerError."""
    if task.state is not TaskState.OPEN:
        raise LedgerError(f"a task that is {task.state.value} cannot be tried now")
    return replace(task, next_try_at=at)


def postponed(task: MissedTask, at: Instant, rules: LedgerRules, why: str) -> MissedTask:
    """Return the task to be tried a little later: the number was not dialled, so no attempt counts."""
    return replace(
        task,
        state=step(task, TaskEvent.POSTPONED),
        attempts=max(0, task.attempts - 1),
        next_try_at=at + rules.postpone_ms,
        why=why,
    )


def approved(task: MissedTask, by: str, at: Instant) -> MissedTask:
    """Return the task released by a person, whose name stays on it. Raises LedgerError."""
    if not by.strip():
        raise LedgerError("approving a call back needs a name")
    state = step(task, TaskEvent.APPROVED)
    return replace(task, state=state, approved_by=by.strip(), next_try_at=at, attempts=0, why="")


def dial_started(task: MissedTask) -> MissedTask:
    """Return the task being dialled. Raises LedgerError: a second dialling at once is refused here."""
    return replace(task, state=step(task, TaskEvent.DIAL_STARTED), attempts=task.attempts + 1)


def dial_failed(task: MissedTask, at: Instant, rules: LedgerRules, why: str = "") -> MissedTask:
    """Return the task to be tried again after a pause that doubles; after the last attempt perhaps closed.

    Raises LedgerError.
    """
    pause = min(rules.longest_retry_ms, rules.first_retry_ms * 2 ** max(0, min(task.attempts, 16) - 1))
    failed = replace(task, state=step(task, TaskEvent.DIAL_FAILED), next_try_at=at + pause, why=why)
    if rules.close_after_last and failed.attempts >= rules.max_attempts:
        return closed(failed, at, BY_RULE, f"{failed.attempts} attempts, the last: {why or 'failed'}")
    return failed


def may_dial(task: MissedTask, facts: NumberFacts, rules: LedgerRules, moment: DialMoment) -> DialVerdict:
    """Say whether this call back may be dialled now."""
    if not task.is_open or task.state is TaskState.DIALLING:
        return DialVerdict(Dial.NEVER, f"the task is {task.state.value}")
    if task.number in rules.do_not_call or facts.e164 in rules.do_not_call:
        return DialVerdict(Dial.NEVER, "the number is on the do-not-call list")
    if not task.number or facts.kind is NumberKind.INVALID:
        return DialVerdict(Dial.NEVER, "there is no number that could be dialled; close the task by hand")
    if facts.kind is NumberKind.SHORT:
        return DialVerdict(Dial.NEVER, "short numbers are never called back")
    doubt = "" if task.approved_by else _doubt(task, facts, rules)
    if task.attempts >= rules.max_attempts:
        doubt = f"{task.attempts} attempts failed"
    if doubt:
        return DialVerdict(Dial.ASK, doubt)
    return _when(task, rules, moment)


def _doubt(task: MissedTask, facts: NumberFacts, rules: LedgerRules) -> str:
    """Return why a person must say yes first, or an empty string."""
    if facts.kind is NumberKind.PREMIUM:
        return "a premium-rate number"
    if facts.region not in rules.regions and not any(
        facts.e164.startswith(prefix) for prefix in rules.prefixes
    ):
        return f"a number outside the allowed countries ({facts.region or 'unknown'})"
    if task.waited_ms < rules.min_ring_ms and not task.asked:
        return f"it rang less than {rules.min_ring_ms / 1000:g} s, as fraud calls do"
    return ""


def _when(task: MissedTask, rules: LedgerRules, moment: DialMoment) -> DialVerdict:
    in_hours = rules.hours_from_minute <= moment.minute < rules.hours_to_minute
    if not moment.keeps_place and (moment.weekday not in rules.weekdays or not in_hours):
        return DialVerdict(Dial.LATER, "outside the subscriber's calling hours")
    caps = (
        (moment.dialled_number, rules.daily_per_number, "this number"),
        (moment.dialled_subscriber, rules.daily_per_subscriber, "this subscriber"),
        (moment.dialled_total, rules.daily_total, "the centre"),
    )
    for dialled, cap, whose in caps:
        if dialled >= cap:
            return DialVerdict(Dial.LATER, f"today's cap of {cap} call backs for {whose} is reached")
    if moment.now < task.next_try_at:
        return DialVerdict(Dial.LATER, "the last attempt failed a short while ago")
    return DialVerdict(Dial.YES, "allowed")


@dataclass(frozen=True, slots=True)
class MissedTally:
    """Tasks by outcome. `lost` overlaps the others: past the deadline before it was finished."""

    missed: int = 0
    """Missed calls, several of which may share a task."""
    tasks: int = 0
    open: int = 0
    held: int = 0
    recontacted: int = 0
    closed: int = 0
    lost: int = 0


def tally(tasks: Iterable[MissedTask], now: Instant) -> MissedTally:
    """Count tasks by outcome."""
    found = list(tasks)
    return MissedTally(
        missed=sum(task.missed for task in found),
        tasks=len(found),
        open=sum(task.is_open for task in found),
        held=sum(task.state is TaskState.HELD for task in found),
        recontacted=sum(task.state is TaskState.RECONTACTED for task in found),
        closed=sum(task.state is TaskState.CLOSED for task in found),
        lost=sum(task.is_lost(now) for task in found),
    )
