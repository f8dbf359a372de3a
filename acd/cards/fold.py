"""One call's journal rows folded into the same CallCard the core emits.

Who decides what, when both were there:

- the journal: call, did, ani, subscriber, queue, entered_at, answered_at, ended_at, end_reason, ended_by,
  cause, wait_ms, agent, the sum talk_ms + hold_ms, and of each dialled segment agent, attempt,
  answered_at and outcome (`JOURNAL_FIELDS`, `differences`);
- the core, because only it saw it: when an agent was reserved (offered_at), offers that were never
  dialled, hold_ms, acw_ms, history, explanation;
- the desk: fields (but `fallback_member` and `voicemail`, which are the dialplan's);
- the number: the dialplan's if the daemon had given one, else the store gives one at the first write.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from acd.core.card import CallCard, Segment
from acd.core.events import EndedBy, EndReason, OfferOutcome
from acd.core.ids import AgentId, Ani, CallId, Did, QueueId, SubscriberId
from agi_scripts.dialplan_vars import NUMBER_STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from acd.core.instant import Instant
    from acd.wire.queue_log import JournalRow

JOURNAL_FIELDS = (
    "call",
    "did",
    "ani",
    "subscriber",
    "queue",
    "entered_at",
    "answered_at",
    "ended_at",
    "end_reason",
    "ended_by",
    "cause",
    "wait_ms",
    "agent",
)

LOST = "ACDLOST"
"""Not Asterisk's row but ours: the switch has the call no more and wrote no end. A real end outdoes it."""
END = "ACDEND"

OUTCOMES = {
    "NOANSWER": OfferOutcome.NO_ANSWER,
    "BUSY": OfferOutcome.BUSY,
    "CONGESTION": OfferOutcome.UNREACHABLE,
    "CHANUNAVAIL": OfferOutcome.UNREACHABLE,
    "CANCEL": OfferOutcome.CALLER_GONE,
    "CALLER_GONE": OfferOutcome.CALLER_GONE,
    "REJECTED": OfferOutcome.REFUSED,
    "DONTCALL": OfferOutcome.REFUSED,
    "TORTURE": OfferOutcome.REFUSED,
    "DOUBLE": OfferOutcome.DOUBLE_BOOKED,
    "UNKNOWN_AGENT": OfferOutcome.FAILED,
}
"""How the dialplan's status of an offer that was not answered reads on a card; unknown ones are `failed`."""

_FAILED_CAUSES = frozenset({27, 38, 41, 42, 47})
"""Q.850: out of order, temporary failure, congestion, no resource; before a talk the PBX failed the caller."""
_BEFORE_TALK = frozenset({"enter", "wait", "dial"})

_SIDES = {"caller": EndedBy.CALLER, "agent": EndedBy.AGENT, "system": EndedBy.SYSTEM}


@dataclass(slots=True)
class _Leg:
    agent: str
    attempt: int
    offered_at: Instant
    answered_at: Instant | None = None
    ended_at: Instant | None = None
    outcome: str = ""


@dataclass(slots=True)
class _Call:
    """What the rows said so far."""

    entered: bool = False
    did: str = ""
    ani: str = ""
    subscriber: str = ""
    queue: str = ""
    number: str = ""
    entered_at: Instant = 0
    queued_at: Instant | None = None
    answered_at: Instant | None = None
    left_at: Instant | None = None
    ended_at: Instant | None = None
    in_fallback: bool = False
    final: EndReason | None = None
    outbound: bool = False
    reached: bool = False
    by: EndedBy = EndedBy.UNKNOWN
    cause: int = 0
    leg: _Leg | None = None
    legs: list[_Leg] = field(default_factory=list)
    history: list[tuple[Instant, str, str]] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    def note(self, row: JournalRow, state: str, detail: str = "") -> None:
        self.history.append((row.ms, state, detail))


def attempt_number(text: str) -> int:
    """Return the offer's number from the note's `attempt`, which may carry a nonce before a dash or dot."""
    digits = text.replace(".", "-").rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= len("999999999") else 0


def fold(rows: Iterable[JournalRow], *, pbx_failed_at: Instant | None = None) -> CallCard | None:
    """Return the card of one call, or None when it has not ended or never entered.

    `rows` are the call's rows in the order of the file; a row read twice changes nothing. With
    `pbx_failed_at` a call that entered and never ended is one the switch lost at that moment.
    """
    call, first = _Call(), ""
    seen: set[tuple[object, ...]] = set()
    rows = list(rows)
    ended = any(row.kind == END for row in rows)
    for row in rows:
        if ended and row.kind == LOST:
            continue
        key = (row.kind, row.ms, row.agent, *sorted(row.fields.items()))
        if key in seen:
            continue
        seen.add(key)
        first = first or row.call
        handler = _HANDLERS.get(row.kind)
        if handler is not None:
            handler(call, row)
    if not first or not (call.entered or call.queued_at is not None):
        return None
    if call.ended_at is None:
        if pbx_failed_at is None:
            return None
        if call.final is None:  # a talk that had ended stays handled
            call.final, call.by = EndReason.PBX_FAILED, EndedBy.SYSTEM
        _end(call, max(pbx_failed_at, call.entered_at))
    return _card(call, first)


def _entered(call: _Call, row: JournalRow) -> None:
    if not call.entered:
        call.entered = True
        call.entered_at = row.ms
        call.did, call.ani = row.fields.get("did", ""), row.fields.get("ani", "")
        call.history.insert(0, (row.ms, "new", ""))


def _queued(call: _Call, row: JournalRow) -> None:
    if not call.entered and call.queued_at is None:
        enter_ms = row.fields.get("enter_ms", "")
        call.entered_at = int(enter_ms) if enter_ms.isascii() and enter_ms.isdigit() else row.ms
    if call.leg is not None:  # the note of the offer's end is lost
        _close_leg(call, row.ms, "unknown")
    call.queued_at = row.ms if call.queued_at is None else call.queued_at
    call.queue = row.queue
    for name in ("subscriber", "did", "ani"):
        setattr(call, name, row.fields.get(name, "") or getattr(call, name))
    call.number = row.fields.get("card", "") or call.number
    call.final = call.left_at = None
    call.in_fallback = False
    call.note(row, "waiting", f"{row.queue} {row.fields.get('why', '')}".strip())


def _refused(call: _Call, row: JournalRow) -> None:
    call.queue = QueueId(row.queue) or call.queue
    call.subscriber = SubscriberId(row.fields.get("subscriber", "")) or call.subscriber
    _gone_soon(call, row, EndReason.REFUSED, f"refused {row.fields.get('why', '')}".strip())


def _self_served(call: _Call, row: JournalRow) -> None:
    call.queue = QueueId(row.queue) or call.queue
    call.subscriber = SubscriberId(row.fields.get("subscriber", "")) or call.subscriber
    _gone_soon(call, row, EndReason.SELF_SERVED, "told what he wanted to know")


def _callback(call: _Call, row: JournalRow) -> None:
    if call.leg is not None:
        _close_leg(call, row.ms, OfferOutcome.CALLER_GONE.value)
    _gone_soon(call, row, EndReason.CALLBACK, "callback chosen")


def _gone_soon(call: _Call, row: JournalRow, final: EndReason, detail: str) -> None:
    call.final = final
    call.left_at = row.ms if call.left_at is None else call.left_at
    call.note(row, "done", detail)


def _dial(call: _Call, row: JournalRow) -> None:
    if call.leg is not None:
        _close_leg(call, row.ms, "superseded")
    call.leg = _Leg(row.agent, attempt_number(row.fields.get("attempt", "")), row.ms)
    call.legs.append(call.leg)
    call.note(row, "offering", f"{row.agent} {call.leg.attempt}")


def _leg_of(call: _Call, row: JournalRow) -> _Leg:
    attempt = attempt_number(row.fields.get("attempt", ""))
    for leg in reversed(call.legs):
        if leg.attempt == attempt and (not row.agent or leg.agent == row.agent):
            return leg
    leg = _Leg(row.agent, attempt, row.ms)  # the note of the dialling is lost
    call.legs.append(leg)
    return leg


def _answered(call: _Call, row: JournalRow) -> None:
    leg = _leg_of(call, row)
    leg.answered_at = row.ms if leg.answered_at is None else leg.answered_at
    call.leg = leg
    call.final = None
    call.answered_at = row.ms if call.answered_at is None else call.answered_at
    call.note(row, "talking", leg.agent)


def _dial_ended(call: _Call, row: JournalRow) -> None:
    leg = _leg_of(call, row)
    if leg.answered_at is not None:
        return
    outcome = OUTCOMES.get(row.fields.get("status", ""), OfferOutcome.FAILED)
    leg.ended_at, leg.outcome = row.ms, outcome.value
    call.leg = None
    if outcome is OfferOutcome.CALLER_GONE:
        call.left_at = row.ms if call.left_at is None else call.left_at
        call.note(row, "done", "caller gone")
    else:
        call.note(row, "waiting", f"{leg.agent} {outcome.value}")


def _talk_ended(call: _Call, row: JournalRow) -> None:
    leg = _leg_of(call, row)
    if leg.ended_at is not None and leg.answered_at is not None:
        return
    if leg.answered_at is None:  # the note of the answer is lost; the talk was real
        leg.answered_at = row.ms
        call.answered_at = row.ms if call.answered_at is None else call.answered_at
    call.leg = leg
    _close_leg(call, row.ms, "answered")
    call.by = _SIDES.get(row.fields.get("by", ""), EndedBy.UNKNOWN)
    if row.fields.get("stays") != "1":
        call.final = call.final or EndReason.HANDLED
    call.note(row, "waiting" if row.fields.get("stays") == "1" else "done", f"talk with {leg.agent} over")


def _transferred(call: _Call, row: JournalRow) -> None:
    if call.leg is not None and call.leg.answered_at is not None:
        _close_leg(call, row.ms, "answered")
    call.by = EndedBy.AGENT
    call.final = EndReason.TRANSFERRED
    call.note(row, "done", f"transferred to {row.fields.get('to', '')}")


def _told(call: _Call, row: JournalRow) -> None:
    """A step of handing on that only the history tells: it moves nothing."""
    what = {"ACDCONSULT": "asks", "ACDCONSULTANSWER": "speaks with", "ACDCONSULTEND": "back from"}
    words = (row.agent, what.get(row.kind, "target"), row.fields.get("to", ""), row.fields.get("status", ""))
    call.note(row, "talking" if row.kind in what else "done", " ".join(word for word in words if word))


def _fallback(call: _Call, row: JournalRow) -> None:
    if call.leg is not None:
        _close_leg(call, row.ms, OfferOutcome.CALLER_GONE.value)
    call.in_fallback = True
    call.left_at = row.ms if call.left_at is None else call.left_at
    call.note(row, "fallback", row.fields.get("why", ""))


def _fallback_answered(call: _Call, row: JournalRow) -> None:
    call.fields["fallback_member"] = row.agent


def _callback_begun(call: _Call, row: JournalRow) -> None:
    call.outbound = True
    call.fields["direction"] = "outbound"
    if row.fields.get("of", "NONE") != "NONE":
        call.fields["callback_of"] = row.fields["of"]


def _number(call: _Call, row: JournalRow) -> None:
    """What became of the number that is called back; as in core/calls.py an answer outdoes every other news."""
    if row.kind == "ACDNUMBEREND":
        result = NUMBER_STATUSES.get(row.fields.get("status", ""), "failed")
    else:
        result = "answered" if row.kind == "ACDNUMBERANSWER" else "dialled"
    if call.reached or (result == "dialled" and "callback_result" in call.fields):
        return
    call.reached = result == "answered"
    call.fields["callback_result"] = result
    call.note(row, "talking", f"number {result}")


def _voicemail(call: _Call, row: JournalRow) -> None:
    call.fields["voicemail"] = row.fields.get("file", "")


def _ended(call: _Call, row: JournalRow) -> None:
    if call.ended_at is not None:
        return
    cause = row.fields.get("cause", "")
    call.cause = int(cause) if cause.isascii() and cause.isdigit() and len(cause) <= len("999") else 0
    by = _SIDES.get(row.fields.get("by", ""), EndedBy.UNKNOWN)
    if by is not EndedBy.UNKNOWN or call.answered_at is None:
        call.by = by
    stage = row.fields.get("stage", "")
    if stage == "fallback":
        call.final = EndReason.FALLBACK
    elif stage in _BEFORE_TALK and call.cause in _FAILED_CAUSES:
        call.final = EndReason.PBX_FAILED
    _end(call, row.ms)


def _lost(call: _Call, row: JournalRow) -> None:
    if call.ended_at is not None:
        return
    cause = row.fields.get("cause", "")
    call.cause = int(cause) if cause.isascii() and cause.isdigit() and len(cause) <= len("999") else 0
    if call.final is None:  # a talk that had ended stays handled
        call.final, call.by = EndReason.PBX_FAILED, EndedBy.SYSTEM
    _end(call, max(row.ms, call.entered_at))


def _end(call: _Call, at: Instant) -> None:
    talking = call.leg is not None and call.leg.answered_at is not None
    if call.leg is not None:
        _close_leg(call, at, OfferOutcome.CALLER_GONE.value)
    call.ended_at = at
    if call.outbound and call.final in (None, EndReason.HANDLED):
        call.final = EndReason.HANDLED if call.reached else EndReason.NOT_REACHED
    if call.final is None:
        if call.in_fallback and not talking:
            call.final = EndReason.FALLBACK
        else:  # abandoned is only who never spoke to an agent, as in core/cards.py
            call.final = EndReason.ABANDONED if call.answered_at is None else EndReason.HANDLED
    call.history.append((at, "ended", call.final.value))


def _close_leg(call: _Call, at: Instant, outcome: str) -> None:
    leg = call.leg
    if leg is not None and leg.ended_at is None:
        leg.ended_at = at
        leg.outcome = "answered" if leg.answered_at is not None else outcome
    call.leg = None


_HANDLERS: dict[str, Callable[[_Call, JournalRow], None]] = {
    "ACDENTER": _entered,
    "ACDQUEUED": _queued,
    "ACDREFUSED": _refused,
    "ACDSELFSERVED": _self_served,
    "ACDDIAL": _dial,
    "ACDANSWER": _answered,
    "ACDDIALEND": _dial_ended,
    "ACDTALKEND": _talk_ended,
    "ACDTRANSFER": _transferred,
    "ACDCONSULT": _told,
    "ACDCONSULTANSWER": _told,
    "ACDCONSULTEND": _told,
    "ACDTRANSFEREND": _told,
    "ACDFALLBACK": _fallback,
    "ACDFALLBACKANSWER": _fallback_answered,
    "ACDCALLBACK": _callback,
    "ACDCALLBACKBEGIN": _callback_begun,
    "ACDNUMBERDIAL": _number,
    "ACDNUMBERANSWER": _number,
    "ACDNUMBEREND": _number,
    "ACDVOICEMAIL": _voicemail,
    END: _ended,
    LOST: _lost,
}


def _card(call: _Call, call_id: str) -> CallCard:
    talked = [leg for leg in call.legs if leg.answered_at is not None]
    ended_at = call.entered_at if call.ended_at is None else call.ended_at
    waited_to = next(at for at in (call.answered_at, call.left_at, ended_at) if at is not None)
    return CallCard(
        call=CallId(call_id),
        number=call.number,
        subscriber=SubscriberId(call.subscriber),
        queue=QueueId(call.queue),
        did=Did(call.did),
        ani=Ani(call.ani),
        entered_at=call.entered_at,
        answered_at=call.answered_at,
        ended_at=ended_at,
        end_reason=call.final or EndReason.ABANDONED,
        ended_by=call.by,
        cause=call.cause,
        wait_ms=0 if call.queued_at is None else max(0, waited_to - call.queued_at),
        talk_ms=sum(max(0, (leg.ended_at or 0) - (leg.answered_at or 0)) for leg in talked),
        hold_ms=0,
        acw_ms=0,
        agent=AgentId(talked[-1].agent) if talked else None,
        segments=tuple(
            Segment(
                AgentId(leg.agent),
                leg.attempt,
                leg.offered_at,
                leg.answered_at,
                leg.ended_at,
                "answered" if leg.answered_at is not None else leg.outcome,
            )
            for leg in call.legs
        ),
        fields=tuple((name, value) for name, value in call.fields.items() if value),
        history=tuple(call.history),
    )


def completed(folded: CallCard, stored: CallCard | None) -> CallCard:
    """Return the card to store: what the journal decides from `folded`, all else from the stored card."""
    if stored is None:
        return folded
    known = {(leg.agent, leg.attempt): leg for leg in stored.segments}
    segments = tuple(
        replace(leg, offered_at=old.offered_at, hold_ms=old.hold_ms, acw_ms=old.acw_ms)
        if (old := known.get((leg.agent, leg.attempt))) is not None
        else leg
        for leg in folded.segments
    )
    hold_ms = min(stored.hold_ms, folded.talk_ms)
    return replace(
        folded,
        number=stored.number or folded.number,
        talk_ms=folded.talk_ms - hold_ms,
        hold_ms=hold_ms,
        acw_ms=stored.acw_ms,
        segments=_with_never_dialled(segments, stored.segments),
        fields=tuple({**dict(folded.fields), **dict(stored.fields)}.items()),
        history=stored.history or folded.history,
        explanation=stored.explanation,
    )


def _with_never_dialled(dialled: tuple[Segment, ...], stored: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Put the offers which only the core knows between the dialled ones, by their time."""
    known = {(leg.agent, leg.attempt) for leg in dialled}
    merged = list(dialled)
    for leg in stored:
        if leg.answered_at is None and (leg.agent, leg.attempt) not in known:
            later = (n for n, other in enumerate(merged) if other.offered_at > leg.offered_at)
            merged.insert(next(later, len(merged)), leg)
    return tuple(merged)


def number_in(rows: Iterable[JournalRow]) -> str:
    """Return the number which the dialplan carried for this call, empty when it had none."""
    given = [row.fields.get("card", "") for row in rows if row.kind == "ACDQUEUED"]
    return next((number for number in reversed(given) if number), "")


def differences(folded: CallCard, stored: CallCard) -> list[str]:
    """Return one line per field the journal decides and the stored card has otherwise; empty when they agree."""
    found = []
    for name in JOURNAL_FIELDS:
        want, have = getattr(folded, name), getattr(stored, name)
        if want != have:
            found.append(f"{name}: journal {_shown(want)}, card {_shown(have)}")
    if folded.number and folded.number != stored.number:
        found.append(f"number: journal {folded.number}, card {stored.number}")
    spoken = stored.talk_ms + stored.hold_ms
    if folded.talk_ms != spoken:
        found.append(f"talk_ms + hold_ms: journal {folded.talk_ms}, card {spoken}")
    want_legs = _comparable(folded.segments, folded.segments)
    have_legs = _comparable(stored.segments, folded.segments)
    if want_legs != have_legs:
        found.append(f"segments: journal {want_legs}, card {have_legs}")
    return found


def _comparable(
    segments: tuple[Segment, ...], dialled: tuple[Segment, ...]
) -> list[tuple[str, int, Instant | None, str]]:
    """Return what the journal can know of segments; offers it never saw dialled are the core's own."""
    known = {(leg.agent, leg.attempt) for leg in dialled}
    return [
        (leg.agent, leg.attempt, leg.answered_at, leg.outcome)
        for leg in segments
        if leg.answered_at is not None or (leg.agent, leg.attempt) in known
    ]


def _shown(value: object) -> object:
    return getattr(value, "value", value)
