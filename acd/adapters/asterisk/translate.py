"""Pure translation: what Asterisk says → facts of the core. Tables by event name and status; no I/O.

Two ways lead to facts. *Notes* are the dialplan's own words (agi_scripts.dialplan_vars.NOTES): as
UserEvents they are quick, as queue_log rows they are the journal; both pass `note_to_facts`, so one word
has one meaning. *Channel events* add what no dialplan can know: the phone rings, is on hold, is gone.

The dictionary of the trade (house.md, section 3):

| Ours           | Our note      | Asterisk queue log / event                        | FreeSWITCH              | Kazoo     |
|----------------|---------------|---------------------------------------------------|-------------------------|-----------|
| CallQueued     | AcdQueued     | ENTERQUEUE / QueueCallerJoin                      | member Waiting          | waiting   |
| OfferConfirmed | AcdDial       | - / AgentCalled                                   | tier Offering           | ringing   |
| OfferEnded     | AcdDialEnd    | RINGNOANSWER / AgentRingNoAnswer                  | tier No Answer          | miss      |
| CallAnswered   | AcdAnswer     | CONNECT / AgentConnect                            | Answered                | answered  |
| CallEnded      | AcdEnd        | ABANDON, COMPLETEAGENT, COMPLETECALLER            | Abandoned, bridge end   | processed |
| CallLeftTo...  | AcdFallback   | EXITWITHTIMEOUT, EXITEMPTY / QueueCallerLeave     | cancel reason           | exit      |
| AgentPaused    | AcdFeature    | PAUSE, UNPAUSE / QueueMemberPause                 | On Break                | paused    |

Values in notes are filtered by the dialplan; they are checked here again, because a note that does not
parse must be counted and must not become a wrong fact (000-06).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from acd.core import events as fact
from acd.core import transfer_facts as handed
from acd.core.callback_events import CallbackBegun, NumberCalled, NumberResult
from acd.core.events import EndedBy, EndReason, Fact, OfferOutcome, QueuedWhy
from acd.core.ids import AgentId, Ani, CallId, Did, QueueId, SkillId, SubscriberId
from acd.wire.ami import AmiFrame
from agi_scripts.dialplan_vars import NOTES, NUMBER_STATUSES

# --- tables ------------------------------------------------------------------------------------

OFFER_OUTCOMES: Final[Mapping[str, OfferOutcome]] = {
    "NOANSWER": OfferOutcome.NO_ANSWER,
    "BUSY": OfferOutcome.BUSY,
    "REJECTED": OfferOutcome.REFUSED,
    "DONTCALL": OfferOutcome.REFUSED,
    "TORTURE": OfferOutcome.REFUSED,
    "CHANUNAVAIL": OfferOutcome.UNREACHABLE,
    "CONGESTION": OfferOutcome.UNREACHABLE,
    "CANCEL": OfferOutcome.CALLER_GONE,
    "CALLER_GONE": OfferOutcome.CALLER_GONE,
    "DOUBLE": OfferOutcome.DOUBLE_BOOKED,
    "UNKNOWN_AGENT": OfferOutcome.FAILED,
    "INVALIDARGS": OfferOutcome.FAILED,
}
"""DIALSTATUS, and the dialplan's own words, to the outcome of an offer. Unknown words are FAILED."""

ENDED_BY: Final[Mapping[str, EndedBy]] = {
    "caller": EndedBy.CALLER,
    "agent": EndedBy.AGENT,
    "system": EndedBy.SYSTEM,
}

END_REASON_OF_STAGE: Final[Mapping[str, EndReason]] = {
    "fallback": EndReason.FALLBACK,
}
"""Stage in which the caller's channel ended → reason, where the dialplan knows better than the core."""

END_REASON_OF_CAUSE: Final[Mapping[int, EndReason]] = {
    27: EndReason.PBX_FAILED,  # destination out of order
    38: EndReason.PBX_FAILED,  # network out of order
    41: EndReason.PBX_FAILED,  # temporary failure
    42: EndReason.PBX_FAILED,  # switching equipment congestion
    47: EndReason.PBX_FAILED,  # resource unavailable
}
"""Q.850 hangup cause → reason, used only before a talk: a talk cut by the network was still handled."""

_STAGES_BEFORE_TALK: Final = ("enter", "wait", "dial")

UNREACHABLE_STATES: Final = frozenset({"UNAVAILABLE", "INVALID"})
REACHABLE_STATES: Final = frozenset(
    {"NOT_INUSE", "INUSE", "BUSY", "RINGING", "RINGINUSE", "ONHOLD"}
)  # UNKNOWN says nothing

PEER_STATES: Final[Mapping[str, bool]] = {
    "Registered": True,
    "Reachable": True,
    "Unregistered": False,
    "Unreachable": False,
    "Rejected": False,
}

# --- notes -------------------------------------------------------------------------------------

Fields: TypeAlias = Mapping[str, str]
"""A note's values: `call`, `queue`, `agent`, `ms` and its own fields, all names in lower case."""

_CALL = re.compile(r"[0-9A-Za-z._-]{1,64}\Z", re.ASCII)
_NAME = re.compile(r"[0-9A-Za-z_.-]{1,64}\Z", re.ASCII)
_AGENT = re.compile(r"[0-9A-Za-z]{1,40}\Z", re.ASCII)
_NUMBER = re.compile(r"\+?[0-9]{0,20}\Z", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,15}\Z", re.ASCII)
_SKILL = re.compile(r"([0-9A-Za-z_-]{1,40}):([0-9]{1,2})\Z", re.ASCII)


class _BadNote(Exception):  # noqa: N818 - never leaves this module
    """A value that must not become a fact."""


def _take(pattern: re.Pattern[str], fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    if not pattern.match(value):
        raise _BadNote(f"{name}={value[:40]!r}")
    return value


def _call(fields: Fields) -> CallId:
    return CallId(_take(_CALL, fields, "call"))


def _agent(fields: Fields) -> AgentId:
    return AgentId(_take(_AGENT, fields, "agent"))


def _queue(fields: Fields) -> QueueId:
    """Return the queue if the note says it: useful, but no reason to refuse a note."""
    value = fields.get("queue", "")
    return QueueId(value if _NAME.match(value) else "")


def _attempt(fields: Fields) -> int:
    return int(_take(_DIGITS, fields, "attempt"))


def noted_at(fields: Fields) -> int | None:
    """When the dialplan made this note, ms by Asterisk's clock; None when it does not say."""
    value = fields.get("ms", "")
    return int(value) if _DIGITS.match(value) else None


def _number(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    return value if _NUMBER.match(value) else ""


def parse_needs(text: str) -> tuple[tuple[SkillId, int], ...]:
    """Read `skill:level.skill:level`; what does not parse is left out."""
    found = (_SKILL.match(part) for part in text.split(".") if part)
    return tuple((SkillId(m[1]), int(m[2])) for m in found if m)


def parse_priority(text: str) -> float:
    """Read a multiplier such as `1.5`; anything else, and what is not in (0, 100], is 1."""
    try:
        value = float(text)
    except ValueError:
        return 1.0
    return value if 0 < value <= 100 else 1.0  # noqa: PLR2004 - the bound named in the docstring


def _queued(f: Fields) -> tuple[Fact, ...]:
    at = noted_at(f)
    entered = f.get("enter_ms", "")
    if not _DIGITS.match(entered) and at is None:
        raise _BadNote("neither enter_ms nor ms")
    why = {"returned": QueuedWhy.RETURNED, "head": QueuedWhy.HEAD}.get(f.get("why", ""), QueuedWhy.NEW)
    sticky = f.get("sticky", "")
    return (
        fact.CallQueued(
            call=_call(f),
            queue=QueueId(_take(_NAME, f, "queue")),
            subscriber=SubscriberId(f.get("subscriber", "")),
            did=Did(_number(f, "did")),
            ani=Ani(_number(f, "ani")),
            entered_at=int(entered) if _DIGITS.match(entered) else at or 0,
            why=why,
            card_number=f.get("card", ""),
            priority=parse_priority(f.get("priority", "")),
            needs=parse_needs(f.get("needs", "")),
            sticky=AgentId(sticky) if _AGENT.match(sticky) else None,
            at=at,
        ),
    )


def _ended(f: Fields) -> tuple[Fact, ...]:
    cause_text = f.get("cause", "")
    cause = int(cause_text) if _DIGITS.match(cause_text) else 0
    stage = f.get("stage", "")
    reason = END_REASON_OF_STAGE.get(stage)
    if stage in _STAGES_BEFORE_TALK:
        reason = END_REASON_OF_CAUSE.get(cause)
    by = ENDED_BY.get(f.get("by", ""), EndedBy.UNKNOWN)
    return (fact.CallEnded(_call(f), cause=cause, by=by, reason=reason, at=noted_at(f)),)


def _dial_ended(f: Fields) -> tuple[Fact, ...]:
    status = f.get("status", "")
    if status == "ANSWER":
        return ()  # the answer and the end of the talk have notes of their own
    outcome = OFFER_OUTCOMES.get(status, OfferOutcome.FAILED)
    return (fact.OfferEnded(_call(f), _agent(f), _attempt(f), outcome, at=noted_at(f)),)


def _talk_ended(f: Fields) -> tuple[Fact, ...]:
    by = ENDED_BY.get(f.get("by", ""), EndedBy.UNKNOWN)
    stays = f.get("stays", "") == "1"
    return (fact.TalkEnded(_call(f), _agent(f), _attempt(f), by, caller_stays=stays, at=noted_at(f)),)


def _card_field(name: str, source: str) -> Callable[[Fields], tuple[Fact, ...]]:
    def made(f: Fields) -> tuple[Fact, ...]:
        value = f.get(source, "")
        return (fact.CardFilled(_call(f), None, ((name, value),), at=noted_at(f)),) if value else ()

    return made


def _missed(text: str) -> CallId:
    return CallId(text if text != "NONE" and _CALL.match(text) else "")


def _number_ended(f: Fields) -> tuple[Fact, ...]:
    result = NumberResult(NUMBER_STATUSES.get(f.get("status", ""), "failed"))
    return (NumberCalled(_call(f), result, at=noted_at(f)),)


def _feature(f: Fields) -> tuple[Fact, ...]:
    agent, at = _agent(f), noted_at(f)
    table: dict[str, Fact] = {
        "login": fact.AgentLoggedIn(agent, at=at),
        "logout": fact.AgentLoggedOut(agent, at=at),
        "pause": fact.AgentPaused(agent, f.get("reason", "") or "pause", at=at),
        "resume": fact.AgentResumed(agent, at=at),
        "wrapdone": fact.WrapUpDone(agent, at=at),
    }
    action = f.get("action", "")
    if action not in table:
        raise _BadNote(f"action={action[:40]!r}")
    return (table[action],)


_NOTES: Final[Mapping[str, Callable[[Fields], tuple[Fact, ...]]]] = {
    "AcdEnter": lambda f: (
        fact.CallEntered(_call(f), Did(_number(f, "did")), Ani(_number(f, "ani")), at=noted_at(f)),
    ),
    "AcdQueued": _queued,
    "AcdRefused": lambda f: (
        fact.CallRefused(
            _call(f),
            f.get("why", ""),
            QueueId(f.get("queue", "")),
            SubscriberId(f.get("subscriber", "")),
            at=noted_at(f),
        ),
    ),
    "AcdSelfServed": lambda f: (
        fact.CallSelfServed(
            _call(f), QueueId(f.get("queue", "")), SubscriberId(f.get("subscriber", "")), at=noted_at(f)
        ),
    ),
    "AcdDial": lambda f: (
        fact.OfferConfirmed(_call(f), _agent(f), _attempt(f), at=noted_at(f), queue=_queue(f)),
    ),
    "AcdAnswer": lambda f: (
        fact.CallAnswered(_call(f), _agent(f), _attempt(f), at=noted_at(f), queue=_queue(f)),
    ),
    "AcdDialEnd": _dial_ended,
    "AcdTalkEnd": _talk_ended,
    "AcdTransfer": lambda f: (fact.CallTransferred(_call(f), _agent(f), f.get("to", ""), at=noted_at(f)),),
    "AcdConsult": lambda f: (handed.ConsultStarted(_call(f), _agent(f), f.get("to", ""), at=noted_at(f)),),
    "AcdConsultAnswer": lambda f: (
        handed.ConsultAnswered(_call(f), _agent(f), f.get("to", ""), at=noted_at(f)),
    ),
    "AcdConsultEnd": lambda f: (
        handed.ConsultEnded(_call(f), _agent(f), f.get("to", ""), f.get("status", ""), at=noted_at(f)),
    ),
    "AcdTransferEnd": lambda f: (
        handed.TransferEnded(_call(f), f.get("to", ""), f.get("status", ""), at=noted_at(f)),
    ),
    "AcdFallback": lambda f: (fact.CallLeftToFallback(_call(f), f.get("why", ""), at=noted_at(f)),),
    "AcdFallbackAnswer": _card_field("fallback_member", "agent"),
    "AcdCallback": lambda f: (fact.CallbackChosen(_call(f), Ani(_number(f, "number")), at=noted_at(f)),),
    "AcdCallbackBegin": lambda f: (CallbackBegun(_call(f), _missed(f.get("of", "")), at=noted_at(f)),),
    "AcdNumberDial": lambda f: (NumberCalled(_call(f), NumberResult.DIALLED, at=noted_at(f)),),
    "AcdNumberAnswer": lambda f: (NumberCalled(_call(f), NumberResult.ANSWERED, at=noted_at(f)),),
    "AcdNumberEnd": _number_ended,
    "AcdVoicemail": _card_field("voicemail", "file"),
    "AcdEnd": _ended,
    "AcdFeature": _feature,
}


def note_to_facts(kind: str, fields: Fields) -> tuple[Fact, ...] | None:
    """Translate one note, from wherever it came.

    Returns:
        The facts, possibly none; None when the note is unknown or a value is not what it must be, so
        that the caller can count it.
    """
    make = _NOTES.get(kind)
    if make is None:
        return None
    try:
        return make(fields)
    except _BadNote:
        return None


# --- notes as events -------------------------------------------------------------------------

_CHANNEL_HEADERS: Final = frozenset({"Priority", "Context", "Exten", "Channel", "Language", "Uniqueid"})
"""Asterisk prints the channel itself before our words; where a name is the same, ours is the second."""


def note_of_user_event(frame: AmiFrame) -> tuple[str, dict[str, str]]:
    """Read the note inside a UserEvent: its kind and its fields; kind empty if it is not ours."""
    kind = frame.get("UserEvent")
    if kind not in NOTES:
        return "", {}
    fields: dict[str, str] = {}
    for name in ("call", "queue", "agent", "ms", *NOTES[kind]):
        header = name[0].upper() + name[1:]
        values = frame.get_all(header)[:2] or [""]
        value = values[-1] if header in _CHANNEL_HEADERS else values[0]
        fields[name] = "" if value == "NONE" else value
    return kind, fields
