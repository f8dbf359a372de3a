"""Journal rows of one call, told as a table, and the card they give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acd.adapters.asterisk.translate import OFFER_OUTCOMES
from acd.cards import fold as cardfold
from acd.core import events as ev
from acd.core import transfer_facts
from acd.core.card import Segment, handed_to
from acd.core.events import EndedBy, EndReason, OfferOutcome
from acd.core.ids import AgentId
from acd.wire.queue_log import JournalRow
from tests.core.telling import Telling

T0 = 1_700_000_000_000


def told(text):
    """Turn `seconds KIND agent k=v ...` lines into the rows of call c-1 in queue acme."""
    rows = []
    for line in text.strip().splitlines():
        if not line.strip():
            continue
        when, kind, agent, *pairs = line.split()
        fields = dict(pair.split("=", 1) for pair in pairs)
        ms = T0 + round(float(when) * 1000)
        rows.append(JournalRow("ACD" + kind, "c-1", "acme", "" if agent == "-" else agent, ms, fields))
    return rows


DOOR = """
0      ENTER   -  did=+74950000001 ani=+79160000001
0.2    QUEUED  -  why=new subscriber=acme did=+74950000001 ani=+79160000001 enter_ms=1700000000000 card=123459
"""
HANDLED = (
    DOOR
    + """
1      DIAL     boris attempt=n7-1
5      DIALEND  boris attempt=n7-1 status=NOANSWER
5.01   QUEUED   -     why=returned subscriber=acme enter_ms=1700000000000 card=123459
6      DIAL     anna  attempt=n7-2
8      ANSWER   anna  attempt=n7-2
68     TALKEND  anna  attempt=n7-2 by=agent stays=0
68.1   END      anna  cause=16 stage=done by=agent enter_ms=1700000000000
"""
)


def test_a_handled_call_with_one_unanswered_offer():
    card = cardfold.fold(told(HANDLED))
    assert (card.call, card.number, card.subscriber, card.queue) == ("c-1", "123459", "acme", "acme")
    assert (card.did, card.ani) == ("+74950000001", "+79160000001")
    assert (card.entered_at, card.answered_at, card.ended_at) == (T0, T0 + 8_000, T0 + 68_100)
    assert (card.wait_ms, card.talk_ms, card.cause) == (7_800, 60_000, 16)
    assert (card.end_reason, card.ended_by, card.agent) == (EndReason.HANDLED, EndedBy.AGENT, "anna")
    assert [(leg.agent, leg.attempt, leg.outcome) for leg in card.segments] == [
        ("boris", 1, "no_answer"),
        ("anna", 2, "answered"),
    ]


@pytest.mark.parametrize(
    ("rest", "reason", "by", "wait_s"),
    [
        ("9 END - cause=16 stage=wait by=caller", EndReason.ABANDONED, EndedBy.CALLER, 8.8),
        (
            "1 DIAL anna attempt=1\n4 DIALEND anna attempt=1 status=CALLER_GONE\n4 END anna cause=16 by=caller",
            EndReason.ABANDONED,
            EndedBy.CALLER,
            3.8,
        ),
        ("2 REFUSED - why=closed\n9 END - cause=16 by=system", EndReason.REFUSED, EndedBy.SYSTEM, 1.8),
        ("9 FALLBACK - why=heartbeat\n30 END - cause=16 by=caller", EndReason.FALLBACK, EndedBy.CALLER, 8.8),
        (
            "9 FALLBACK - why=heartbeat\n11 QUEUED - why=returned subscriber=acme\n12 END - cause=16 by=caller",
            EndReason.ABANDONED,
            EndedBy.CALLER,
            11.8,
        ),
        (
            "9 FALLBACK - why=wish\n30 END - cause=16 stage=fallback by=caller",
            EndReason.FALLBACK,
            EndedBy.CALLER,
            8.8,
        ),
        ("9 END - cause=41 stage=wait by=system", EndReason.PBX_FAILED, EndedBy.SYSTEM, 8.8),
        ("9 CALLBACK - number=+7916\n12 END - cause=16 by=system", EndReason.CALLBACK, EndedBy.SYSTEM, 8.8),
        (
            "1 DIAL anna attempt=1\n2 ANSWER anna attempt=1\n9 TRANSFER anna to=boris\n99 END - cause=16 by=caller",
            EndReason.TRANSFERRED,
            EndedBy.CALLER,
            1.8,
        ),
        (
            "1 DIAL anna attempt=1\n2 ANSWER anna attempt=1\n9 END anna cause=16 by=caller",
            EndReason.HANDLED,
            EndedBy.CALLER,
            1.8,
        ),
        (
            (
                "1 DIAL anna attempt=1\n2 ANSWER anna attempt=1\n9 TALKEND anna attempt=1 by=agent stays=1\n"
                "9 QUEUED - why=head subscriber=acme\n20 END - cause=16 by=caller"
            ),
            EndReason.HANDLED,
            EndedBy.CALLER,
            1.8,
        ),
        ("9 END - cause=16 stage=enter by=caller", EndReason.ABANDONED, EndedBy.CALLER, 8.8),
        (  # transferred to another queue, hung up while waiting there
            (
                "1 DIAL anna attempt=1\n2 ANSWER anna attempt=1\n9 TRANSFER anna to=law\n"
                "9 QUEUED - why=new subscriber=acme\n20 END - cause=16 stage=wait by=caller"
            ),
            EndReason.HANDLED,
            EndedBy.CALLER,
            1.8,
        ),
        (  # the same while a phone rang there
            (
                "1 DIAL anna attempt=1\n2 ANSWER anna attempt=1\n9 TRANSFER anna to=law\n"
                "9 QUEUED - why=new subscriber=acme\n10 DIAL boris attempt=2\n"
                "20 DIALEND boris attempt=2 status=CALLER_GONE\n20 END - cause=16 stage=dial by=caller"
            ),
            EndReason.HANDLED,
            EndedBy.CALLER,
            1.8,
        ),
    ],
)
def test_how_a_call_ends_decides_reason_side_and_wait(rest, reason, by, wait_s):
    card = cardfold.fold(told(DOOR + rest))
    assert (card.end_reason, card.ended_by, card.wait_ms) == (reason, by, round(wait_s * 1000))


def test_whom_it_was_handed_to_reads_the_same_from_the_journal_as_from_the_core():
    """The written message follows the call (000-06): it needs no note of ours that could be lost."""
    steps = (
        "1 DIAL anna attempt=1\n2 ANSWER anna attempt=1\n5 CONSULT anna to=out_+74951234567\n"
        "7 CONSULTEND anna to=out_+74951234567 status=BUSY\n9 TRANSFER anna to=agent_boris\n"
        "10 TRANSFEREND anna to=agent_boris status=BUSY\n99 END - cause=16 by=caller"
    )
    card = cardfold.fold(told(DOOR + steps))
    assert handed_to(card) == ("out_+74951234567", "agent_boris")
    t = Telling("anna", "boris")
    t.talking(0)
    t.tell(5_000, transfer_facts.ConsultStarted("c1", "anna", "out_+74951234567"))
    t.tell(7_000, transfer_facts.ConsultEnded("c1", "anna", "out_+74951234567", "BUSY"))
    t.tell(9_000, ev.CallTransferred("c1", "anna", "agent_boris"))
    t.tell(10_000, transfer_facts.TransferEnded("c1", "agent_boris", "BUSY"))
    t.tell(12_000, ev.CallEnded("c1"), ev.WrapUpDone("anna"))
    assert handed_to(t.cards()[-1]) == handed_to(card)


def test_what_the_dialplan_tells_of_the_fallback_stands_on_the_card():
    rest = (
        "9 FALLBACK - why=wish\n12 FALLBACKANSWER SIP:1\n20 VOICEMAIL - file=c-1.wav\n30 END - stage=fallback"
    )
    card = cardfold.fold(told(DOOR + rest))
    assert card.fields == (("fallback_member", "SIP:1"), ("voicemail", "c-1.wav"))


def test_offer_outcomes_read_as_the_live_feed_reads_them():
    assert {
        status: cardfold.OUTCOMES[status] for status in OFFER_OUTCOMES if status in cardfold.OUTCOMES
    } == {status: outcome for status, outcome in OFFER_OUTCOMES.items() if status in cardfold.OUTCOMES}
    assert {OFFER_OUTCOMES[status] for status in set(OFFER_OUTCOMES) - set(cardfold.OUTCOMES)} <= {
        OfferOutcome.FAILED
    }


def test_a_call_at_the_door_only_still_gets_a_card():
    card = cardfold.fold(told("0 ENTER - did=1 ani=2\n3 END - cause=16 by=caller"))
    assert (card.end_reason, card.wait_ms, card.queue) == (EndReason.ABANDONED, 0, "")


def test_rows_read_twice_change_nothing():
    rows = told(HANDLED)
    doubled = [row for row in rows for _ in range(2)]
    assert cardfold.fold(doubled) == cardfold.fold(rows) == cardfold.fold(rows + rows)


def test_no_end_is_no_card_unless_the_switch_lost_the_call():
    rows = told(DOOR)
    assert cardfold.fold(rows) is None
    card = cardfold.fold(rows, pbx_failed_at=T0 + 30_000)
    assert (card.end_reason, card.ended_at, card.ended_by) == (
        EndReason.PBX_FAILED,
        T0 + 30_000,
        EndedBy.SYSTEM,
    )


def test_a_finished_talk_stays_handled_though_the_switch_died_before_the_end_note():
    card = cardfold.fold(told(HANDLED)[:-1], pbx_failed_at=T0 + 70_000)
    assert card.end_reason is EndReason.HANDLED


def test_rows_without_an_entry_are_no_call():
    assert cardfold.fold(told("3 END - cause=16 by=caller")) is None
    assert cardfold.fold([]) is None


@pytest.mark.parametrize("missing", range(2, 9))
def test_any_lost_note_still_gives_a_card_with_the_same_end(missing):
    rows = told(HANDLED)
    card = cardfold.fold(rows[:missing] + rows[missing + 1 :], pbx_failed_at=T0 + 69_000)
    assert (card.end_reason, card.agent) == (EndReason.HANDLED, "anna")
    assert all(leg.ended_at is not None for leg in card.segments)


def test_hostile_values_do_not_stop_the_fold():
    rows = told(
        "0 ENTER - did=1\n1 QUEUED - enter_ms=x\n2 DIAL a attempt=x\n3 DIALEND a attempt=-\n4 END - cause=x"
    )
    card = cardfold.fold(rows)
    assert (card.cause, card.segments[0].outcome) == (0, "failed")


@pytest.mark.parametrize(
    ("text", "number"), [("3", 3), ("n7-3", 3), ("a.b.12", 12), ("", 0), ("x", 0), ("²", 0), ("9" * 30, 0)]
)
def test_the_attempt_is_the_number_behind_the_nonce(text, number):
    assert cardfold.attempt_number(text) == number


def test_what_only_core_and_desk_know_makes_no_difference():
    folded = cardfold.fold(told(HANDLED))
    given_up = Segment(AgentId("carl"), 9, T0 + 100, None, T0 + 2_100, "given_up")
    stored = replace(
        folded,
        talk_ms=50_000,
        hold_ms=10_000,
        acw_ms=7_000,
        fields=(("subject", "x"),),
        history=(),
        explanation=("because",),
        segments=(given_up, *(replace(leg, offered_at=leg.offered_at - 90) for leg in folded.segments)),
    )
    assert cardfold.differences(folded, stored) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ended_at": 1}, "ended_at"),
        ({"end_reason": EndReason.ABANDONED}, "end_reason: journal handled, card abandoned"),
        ({"number": "99"}, "number"),
        ({"talk_ms": 1}, "talk_ms"),
        ({"segments": ()}, "segments"),
        ({"agent": None}, "agent"),
    ],
)
def test_a_card_that_says_otherwise_is_named_field_by_field(change, words):
    folded = cardfold.fold(told(HANDLED))
    (line,) = cardfold.differences(folded, replace(folded, **change))
    assert words in line


def test_completing_keeps_the_desks_part_and_takes_the_journals():
    folded = cardfold.fold(told(HANDLED))
    stored = replace(
        folded,
        ended_at=1,
        number="10000",
        fields=(("note", "x"),),
        hold_ms=10_000,
        acw_ms=5,
        explanation=("e",),
    )
    card = cardfold.completed(folded, stored)
    assert cardfold.differences(replace(folded, number=""), card) == []
    assert (card.number, card.fields, card.acw_ms, card.explanation) == ("10000", (("note", "x"),), 5, ("e",))
    assert cardfold.completed(folded, None) == folded


CALLBACK = """
    0 ENTER - did=100 ani=79160000001
    0 CALLBACKBEGIN - of=m-1
    0 QUEUED - why=new subscriber=acme did=100 ani=79160000001 enter_ms=1699999999000 card=77
    1 DIAL anna attempt=1
    3 ANSWER anna attempt=1
    3 NUMBERDIAL - number=79160000001
"""


@pytest.mark.parametrize(
    ("rest", "reason", "result"),
    [
        ("9 NUMBERANSWER -\n 20 NUMBEREND - status=ANSWER\n 20 TALKEND anna attempt=1 by=caller stays=0",
         EndReason.HANDLED, "answered"),
        ("43 NUMBEREND - status=NOANSWER\n 43 TALKEND anna attempt=1 by=caller stays=0",
         EndReason.NOT_REACHED, "no_answer"),
        ("5 TALKEND anna attempt=1 by=agent stays=0\n 5 NUMBEREND - status=CANCEL",
         EndReason.NOT_REACHED, "cancelled"),
        ("5 TALKEND anna attempt=1 by=agent stays=0", EndReason.NOT_REACHED, "dialled"),
    ],
)  # fmt: skip
def test_a_callback_is_handled_only_when_the_number_answered(rest, reason, result):
    """Failure mode 19: outcome from the journal; the number's answer, not the agent's."""
    card = cardfold.fold(told(f"{CALLBACK} {rest}\n 50 END - cause=16 stage=talk by=caller enter_ms=1"))
    fields = dict(card.fields)
    assert (card.end_reason, fields["callback_result"], card.agent) == (reason, result, "anna")
    assert (fields["direction"], fields["callback_of"]) == ("outbound", "m-1")


def test_a_callback_cut_by_the_pbx_is_not_reached_by_the_pbx_failing():
    card = cardfold.fold(told(CALLBACK), pbx_failed_at=T0 + 60_000)
    assert card.end_reason is EndReason.PBX_FAILED


def test_who_heard_his_answer_at_the_door_has_a_card_that_says_so():
    """002-18, also when the daemon was dead by then: the dialplan notes it itself."""
    card = cardfold.fold(
        told("0 ENTER - did=1 ani=2\n9 SELFSERVED - subscriber=acme\n9 END - cause=16 stage=enter by=caller")
    )
    assert (card.end_reason, card.subscriber, card.queue, card.wait_ms) == (
        EndReason.SELF_SERVED,
        "acme",
        "acme",
        0,
    )
