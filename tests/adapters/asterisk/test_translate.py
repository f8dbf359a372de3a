"""Notes and journal rows → facts, table by table; what does not parse becomes no fact (000-06, security 5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.adapters.asterisk import translate
from acd.adapters.asterisk.translate import note_of_user_event, note_to_facts
from acd.core import events as fact
from acd.core import transfer_facts as handed
from acd.core.callback_events import CallbackBegun, NumberCalled, NumberResult
from acd.core.events import EndedBy, EndReason, OfferOutcome, QueuedWhy
from acd.wire import ami
from acd.wire.queue_log import parse_line
from agi_scripts.dialplan_vars import NOTES

CALL = "5f0c1e1a-0d3b-4f6e-9d7e-1b2c3d4e5f60"
BASE = {"call": CALL, "queue": "sales", "agent": "anna", "ms": "1700000000123"}
AT = 1_700_000_000_123


def one(kind, **fields: str):
    facts = note_to_facts(kind, {**BASE, **fields})
    assert facts is not None
    assert len(facts) == 1
    return facts[0]


def test_every_note_of_the_dialplan_has_a_translation():
    assert set(translate._NOTES) == set(NOTES)


def test_a_call_enters():
    assert one("AcdEnter", did="+74951234567", ani="112") == fact.CallEntered(
        CALL, "+74951234567", "112", at=AT
    )


def test_a_call_queues_with_all_it_needs():
    queued = one(
        "AcdQueued",
        why="head",
        subscriber="romashka",
        did="+7495",
        ani="",
        enter_ms="1699999999000",
        card="1234-5",
        priority="1.5",
        needs="english:3.vip:1.broken.x:y",
        sticky="boris",
    )
    assert queued == fact.CallQueued(
        CALL,
        "sales",
        "romashka",
        "+7495",
        "",
        1_699_999_999_000,
        why=QueuedWhy.HEAD,
        card_number="1234-5",
        priority=1.5,
        needs=(("english", 3), ("vip", 1)),
        sticky="boris",
        at=AT,
    )


def test_a_note_without_entry_time_takes_its_own_time_as_entry():
    queued = one("AcdQueued", why="new", enter_ms="", sticky="", priority="")
    assert (queued.entered_at, queued.why, queued.sticky, queued.priority) == (AT, QueuedWhy.NEW, None, 1.0)
    assert note_to_facts("AcdQueued", {**BASE, "ms": "", "enter_ms": ""}) is None


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "1e9", "abc"])
def test_a_strange_priority_is_one(text):
    assert translate.parse_priority(text) == 1.0


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("NOANSWER", OfferOutcome.NO_ANSWER),
        ("BUSY", OfferOutcome.BUSY),
        ("REJECTED", OfferOutcome.REFUSED),
        ("CHANUNAVAIL", OfferOutcome.UNREACHABLE),
        ("CONGESTION", OfferOutcome.UNREACHABLE),
        ("CANCEL", OfferOutcome.CALLER_GONE),
        ("CALLER_GONE", OfferOutcome.CALLER_GONE),
        ("DOUBLE", OfferOutcome.DOUBLE_BOOKED),
        ("UNKNOWN_AGENT", OfferOutcome.FAILED),
        ("something new", OfferOutcome.FAILED),
    ],
)
def test_each_dial_status_has_one_outcome(status, outcome):
    assert one("AcdDialEnd", attempt="3", status=status) == fact.OfferEnded(CALL, "anna", 3, outcome, at=AT)


def test_an_answered_dial_has_notes_of_its_own():
    assert note_to_facts("AcdDialEnd", {**BASE, "attempt": "3", "status": "ANSWER"}) == ()


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("AcdRefused", {"why": "closed"}, fact.CallRefused(CALL, "closed", "sales", at=AT)),
        ("AcdDial", {"attempt": "2"}, fact.OfferConfirmed(CALL, "anna", 2, at=AT, queue="sales")),
        ("AcdAnswer", {"attempt": "2"}, fact.CallAnswered(CALL, "anna", 2, at=AT, queue="sales")),
        (
            "AcdTalkEnd",
            {"attempt": "2", "by": "agent", "stays": "1"},
            fact.TalkEnded(CALL, "anna", 2, EndedBy.AGENT, caller_stays=True, at=AT),
        ),
        (
            "AcdTalkEnd",
            {"attempt": "2", "by": "?", "stays": "0"},
            fact.TalkEnded(CALL, "anna", 2, EndedBy.UNKNOWN, at=AT),
        ),
        ("AcdTransfer", {"to": "boris"}, fact.CallTransferred(CALL, "anna", "boris", at=AT)),
        ("AcdConsult", {"to": "agent_b"}, handed.ConsultStarted(CALL, "anna", "agent_b", at=AT)),
        ("AcdConsultAnswer", {"to": "agent_b"}, handed.ConsultAnswered(CALL, "anna", "agent_b", at=AT)),
        (
            "AcdConsultEnd",
            {"to": "out_7495", "status": "BUSY"},
            handed.ConsultEnded(CALL, "anna", "out_7495", "BUSY", at=AT),
        ),
        (
            "AcdTransferEnd",
            {"to": "out_7495", "status": "OVER"},
            handed.TransferEnded(CALL, "out_7495", "OVER", at=AT),
        ),
        ("AcdFallback", {"why": "heartbeat"}, fact.CallLeftToFallback(CALL, "heartbeat", at=AT)),
        (
            "AcdFallbackAnswer",
            {"agent": "PJSIP:anna"},
            fact.CardFilled(CALL, None, (("fallback_member", "PJSIP:anna"),), at=AT),
        ),
        ("AcdCallback", {"number": "+7912"}, fact.CallbackChosen(CALL, "+7912", at=AT)),
        ("AcdCallbackBegin", {"of": "m-1"}, CallbackBegun(CALL, "m-1", at=AT)),
        ("AcdCallbackBegin", {"of": "NONE"}, CallbackBegun(CALL, "", at=AT)),
        ("AcdNumberDial", {"number": "+7912"}, NumberCalled(CALL, NumberResult.DIALLED, at=AT)),
        ("AcdNumberAnswer", {}, NumberCalled(CALL, NumberResult.ANSWERED, at=AT)),
        ("AcdNumberEnd", {"status": "NOANSWER"}, NumberCalled(CALL, NumberResult.NO_ANSWER, at=AT)),
        ("AcdNumberEnd", {"status": "odd"}, NumberCalled(CALL, NumberResult.FAILED, at=AT)),
        ("AcdVoicemail", {"file": "x.wav"}, fact.CardFilled(CALL, None, (("voicemail", "x.wav"),), at=AT)),
        ("AcdFeature", {"action": "login", "call": ""}, fact.AgentLoggedIn("anna", at=AT)),
        ("AcdFeature", {"action": "logout"}, fact.AgentLoggedOut("anna", at=AT)),
        ("AcdFeature", {"action": "pause", "reason": "7"}, fact.AgentPaused("anna", "7", at=AT)),
        ("AcdFeature", {"action": "pause", "reason": ""}, fact.AgentPaused("anna", "pause", at=AT)),
        ("AcdFeature", {"action": "resume"}, fact.AgentResumed("anna", at=AT)),
        ("AcdFeature", {"action": "wrapdone"}, fact.WrapUpDone("anna", at=AT)),
    ],
)
def test_each_note_is_one_fact(kind, fields, expected):
    assert one(kind, **fields) == expected


@pytest.mark.parametrize(
    ("stage", "cause", "reason"),
    [
        ("wait", "16", None),
        ("wait", "38", EndReason.PBX_FAILED),
        ("dial", "41", EndReason.PBX_FAILED),
        ("talk", "41", None),
        ("fallback", "16", EndReason.FALLBACK),
        ("fallback", "38", EndReason.FALLBACK),
        ("done", "16", None),
        ("", "", None),
    ],
)
def test_an_end_has_the_reason_only_the_switch_knows(stage, cause, reason):
    end = one("AcdEnd", stage=stage, cause=cause, by="caller")
    assert (end.reason, end.cause, end.by) == (reason, int(cause or 0), EndedBy.CALLER)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("AcdNothing", {}),
        ("AcdEnter", {"call": ""}),
        ("AcdEnter", {"call": "a\r\nEvent: Hangup"}),
        ("AcdDial", {"attempt": "x"}),
        ("AcdDial", {"agent": ""}),
        ("AcdDial", {"agent": "a_1"}),
        ("AcdQueued", {"queue": "", "enter_ms": "1"}),
        ("AcdFeature", {"action": "reboot"}),
    ],
)
def test_a_note_that_does_not_parse_is_no_fact(kind, fields):
    assert note_to_facts(kind, {**BASE, **fields}) is None


@given(
    st.sampled_from(sorted(NOTES)),
    st.dictionaries(st.sampled_from(["call", "agent", "ms", "attempt"]), st.text()),
)
def test_no_text_in_a_note_raises(kind, fields):
    note_to_facts(kind, fields)


# --- the two carriers --------------------------------------------------------------------------


def read(stream: str):
    """The one frame of these bytes, as the connection would read it."""
    parser = ami.AmiClientParser()
    (frame,) = parser.feed(ami.encode_banner() + stream.replace("\n", "\r\n").encode())
    return frame


QUEUED = """Event: UserEvent
Privilege: user,all
Timestamp: 1700000000.123456
Channel: PJSIP/trunk-00000000
ChannelState: 6
CallerIDName: Ёж
Language: ru
Context: acd-wait
Exten: s
Priority: 4
Uniqueid: 1700000000.0
Linkedid: 1700000000.0
UserEvent: AcdQueued
Call: call-1
Queue: sales
Agent: NONE
Ms: 1700000000123
Why: new
Subscriber: romashka
Did: 74951234567
Ani: +79121234567
Enter_ms: 1699999999000
Card: 1234-5
Priority: 1.5
Needs: ru:3.billing:2
Sticky:

"""


def test_our_priority_is_not_the_dialplans():
    """Asterisk prints the channel's own Priority (a line number of the dialplan) before our words."""
    kind, fields = note_of_user_event(read(QUEUED))
    facts = note_to_facts(kind, fields)
    assert facts is not None
    assert facts[0].priority == 1.5
    assert facts[0].needs == (("ru", 3), ("billing", 2))


def test_the_same_note_by_event_and_by_journal_is_the_same_fact():
    line = (
        "1700000000|call-1|sales|NONE|ACDQUEUED|ms=1700000000123|why=new|subscriber=romashka|did=74951234567"
        "|ani=+79121234567|enter_ms=1699999999000|card=1234-5|priority=1.5|needs=ru:3.billing:2|sticky="
    )
    row = parse_line(line.encode())
    assert row is not None
    kind, fields = note_of_user_event(read(QUEUED))
    journal = {**row.fields, "call": row.call, "queue": row.queue, "agent": row.agent, "ms": str(row.ms)}
    assert journal == fields
    assert row.kind == kind.upper()


def test_a_foreign_user_event_is_no_note():
    assert note_of_user_event(read("Event: UserEvent\nUserEvent: Other\nCall: x\n\n")) == ("", {})
