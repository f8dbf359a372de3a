"""The missed-call ledger: recontacted or explicitly closed, and never dialled by a fraudster's wish."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from acd.desk import ledger
from acd.desk.ledger import (
    TRANSITIONS,
    Dial,
    DialMoment,
    LedgerError,
    LedgerRules,
    MissedCall,
    NumberFacts,
    NumberKind,
    TaskEvent,
    TaskState,
)

T0 = 1_700_000_000_000
HOUR = 3_600_000
RULES = LedgerRules()
DOMESTIC = NumberFacts("+79160000001", "RU", NumberKind.ORDINARY)
NOON = DialMoment(T0 + HOUR, 2, 12 * 60)


def missed_call(**changes: object):
    return replace(MissedCall("c-1", "+79160000001", "acme", T0, "abandoned", 20_000), **changes)


def task(**changes: object):
    return replace(ledger.missed(None, missed_call(), RULES), **changes)


def test_every_pair_of_state_and_event_is_in_the_table_or_refused():
    for state, event in product(TaskState, TaskEvent):
        if (state, event) in TRANSITIONS:
            assert ledger.step(task(state=state), event) is TRANSITIONS[state, event]
        else:
            with pytest.raises(LedgerError):
                ledger.step(task(state=state), event)


def test_finished_tasks_accept_nothing_and_unfinished_ones_can_always_be_finished():
    for state in TaskState:
        events = {event for (left, event) in TRANSITIONS if left is state}
        if state in ledger.FINAL_STATES:
            assert not events
        else:
            assert {TaskEvent.TALKED, TaskEvent.CLOSED_BY_PERSON, TaskEvent.MISSED_AGAIN} & events >= {
                TaskEvent.TALKED,
                TaskEvent.CLOSED_BY_PERSON,
            }


def test_fifty_missed_calls_of_one_number_are_one_task():
    """Failure mode 38."""
    found = None
    for turn in range(50):
        found = ledger.missed(found, missed_call(call=f"c-{turn}", at=T0 + turn), RULES)
    assert (found.missed, found.state, found.last_missed_at) == (50, TaskState.OPEN, T0 + 49)
    assert found.deadline == T0 + RULES.deadline_ms, "the first missed call counts"


def test_calls_reported_out_of_order_give_the_same_task():
    early, late = (
        missed_call(call="a", at=T0, waited_ms=30_000),
        missed_call(call="b", at=T0 + 5, reason="callback"),
    )
    forward = ledger.missed(ledger.missed(None, early, RULES), late, RULES)
    backward = ledger.missed(ledger.missed(None, late, RULES), early, RULES)
    assert replace(forward, next_try_at=0) == replace(backward, next_try_at=0)
    assert forward.asked
    assert forward.waited_ms == 30_000


def test_a_talk_ends_it_recontacted_and_a_person_ends_it_closed():
    talked = ledger.talked(task(), T0 + 1, "call c-2")
    closed = ledger.closed(task(), T0 + 1, " olga ", " reached by e-mail ")
    assert (talked.state, talked.is_open) == (TaskState.RECONTACTED, False)
    assert (closed.state, closed.closed_by, closed.close_reason) == (
        TaskState.CLOSED,
        "olga",
        "reached by e-mail",
    )


@pytest.mark.parametrize(("by", "reason"), [("", "x"), ("olga", " "), (" ", "")])
def test_closing_needs_a_name_and_a_reason(by, reason):
    with pytest.raises(LedgerError, match="a name and a reason"):
        ledger.closed(task(), T0, by, reason)


def test_the_journal_has_time_to_say_how_a_missed_call_ended_before_anybody_is_dialled():
    """Decision 0233; who asked for it is dialled at once, and keeps being so when he calls again meanwhile."""
    settled = T0 + RULES.settle_ms
    assert task().next_try_at == settled
    asked = ledger.missed(None, missed_call(reason="callback"), RULES)
    assert asked.next_try_at == T0
    assert ledger.missed(asked, missed_call(call="c-2", at=T0 + 1), RULES).next_try_at == T0
    assert ledger.missed(task(), missed_call(call="c-2", reason="callback"), RULES).next_try_at == T0
    again = ledger.missed(task(), missed_call(call="c-2", at=T0 + 500), RULES)
    assert again.next_try_at == settled + 500
    paused = task(next_try_at=T0 + HOUR)
    assert ledger.missed(paused, missed_call(call="c-2", at=T0 + 500), RULES).next_try_at == T0 + HOUR


def test_missed_and_lost_are_two_counters():
    """004-16: lost is missed and never recontacted nor closed by the deadline."""
    now = T0 + RULES.deadline_ms + 1
    in_time = ledger.talked(task(), T0 + HOUR, "call x")
    too_late = ledger.talked(task(), now, "call x")
    tasks = [task(missed=3), in_time, too_late, ledger.closed(task(), T0, "o", "r"), ledger.held(task())]
    tally = ledger.tally(tasks, now)
    assert (tally.missed, tally.tasks, tally.open, tally.held) == (7, 5, 2, 1)
    assert (tally.recontacted, tally.closed, tally.lost) == (2, 1, 3)
    assert ledger.tally([task()], T0 + RULES.deadline_ms).lost == 0


def test_a_domestic_number_that_waited_is_dialled():
    assert ledger.may_dial(task(), DOMESTIC, RULES, NOON).dial is Dial.YES


@pytest.mark.parametrize(
    ("facts", "changes", "words"),
    [
        (NumberFacts("+77010000001", "KZ", NumberKind.ORDINARY), {}, "outside the allowed countries"),
        (NumberFacts("+88210000001", "", NumberKind.ORDINARY), {}, "unknown"),
        (NumberFacts("+78091234567", "RU", NumberKind.PREMIUM), {}, "premium"),
        (DOMESTIC, {"waited_ms": 4_999}, "rang less than 5 s"),
        (DOMESTIC, {"attempts": 5}, "5 attempts failed"),
    ],
)
def test_a_doubtful_call_back_needs_a_persons_yes_and_gets_it(facts, changes, words):
    """Security row 9: a one-ring call is never dialled without a human."""
    doubtful = task(**changes)
    verdict = ledger.may_dial(doubtful, facts, RULES, NOON)
    assert verdict.dial is Dial.ASK
    assert words in verdict.why
    waiting = ledger.held(doubtful)
    assert ledger.may_dial(waiting, facts, RULES, NOON).dial is Dial.ASK
    yes = ledger.approved(waiting, "olga", NOON.now)
    assert yes.approved_by == "olga"
    assert ledger.may_dial(yes, facts, RULES, NOON).dial is Dial.YES


def test_approval_needs_a_name():
    with pytest.raises(LedgerError):
        ledger.approved(ledger.held(task()), " ", T0)


def test_who_asked_for_a_call_back_need_not_have_waited():
    asked = ledger.missed(None, missed_call(reason="callback", waited_ms=1_000), RULES)
    assert ledger.may_dial(asked, DOMESTIC, RULES, NOON).dial is Dial.YES


def test_a_further_prefix_is_dialled_without_asking():
    rules = replace(RULES, prefixes=("+7701",))
    facts = NumberFacts("+77010000001", "KZ", NumberKind.ORDINARY)
    assert ledger.may_dial(task(), facts, rules, NOON).dial is Dial.YES


@pytest.mark.parametrize(
    ("changes", "facts", "rules"),
    [
        ({}, DOMESTIC, replace(RULES, do_not_call=frozenset({"+79160000001"}))),
        ({"number": ""}, NumberFacts("", "", NumberKind.INVALID), RULES),
        ({}, NumberFacts("112", "RU", NumberKind.SHORT), RULES),
        ({"state": TaskState.DIALLING}, DOMESTIC, RULES),
        ({"state": TaskState.CLOSED}, DOMESTIC, RULES),
    ],
)
def test_some_are_never_dialled_not_even_with_a_yes(changes, facts, rules):
    assert ledger.may_dial(task(approved_by="olga", **changes), facts, rules, NOON).dial is Dial.NEVER


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (replace(NOON, minute=8 * 60 + 59), "calling hours"),
        (replace(NOON, minute=21 * 60), "calling hours"),
        (replace(NOON, dialled_number=3), "cap of 3 call backs for this number"),
        (replace(NOON, dialled_subscriber=200), "this subscriber"),
        (replace(NOON, dialled_total=2_000), "the centre"),
        (replace(NOON, now=T0 - 1), "a short while ago"),
    ],
)
def test_the_hour_the_caps_and_the_pause_put_it_off(moment, words):
    verdict = ledger.may_dial(task(), DOMESTIC, RULES, moment)
    assert verdict.dial is Dial.LATER
    assert words in verdict.why


def test_days_without_calling_put_it_off():
    rules = replace(RULES, weekdays=(0, 1))
    assert ledger.may_dial(task(), DOMESTIC, rules, NOON).dial is Dial.LATER


def test_failed_attempts_wait_longer_each_time_up_to_a_limit():
    found, pauses = task(), []
    for _ in range(8):
        found = ledger.dial_failed(ledger.dial_started(found), T0, RULES)
        pauses.append((found.next_try_at - T0) // 60_000)
    assert pauses == [10, 20, 40, 80, 160, 240, 240, 240]
    assert found.attempts == 8


def test_the_same_task_cannot_be_dialled_twice_at_once():
    with pytest.raises(LedgerError, match="dialling cannot be dial started"):
        ledger.dial_started(ledger.dial_started(task()))


def test_a_thousand_one_ring_calls_from_premium_numbers_are_never_dialled():
    verdicts = {
        ledger.may_dial(
            task(number=f"+7809{n:07d}", waited_ms=900),
            NumberFacts(f"+7809{n:07d}", "RU", NumberKind.PREMIUM),
            RULES,
            NOON,
        ).dial
        for n in range(1_000)
    }
    assert verdicts == {Dial.ASK}
