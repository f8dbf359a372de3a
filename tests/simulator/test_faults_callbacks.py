"""The oracle of call-backs: each thing that must not happen is seen, and what may happen is not (003-24, mode 38)."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.centre.config import CentreSpec
from simulator.centre.driver import plan_calls
from simulator.centre.oracle import JournalCall, Verdict
from simulator.faults import callbacks as cb
from simulator.faults import evidence as ev

ANI, DID, ENTERED = "+79160000001", "7002", 1_000


def note(kind: str, ms: int, **fields: Any) -> tuple[str, dict[str, str]]:
    return kind, {"ms": str(ms), "agent": "", **{name: str(value) for name, value in fields.items()}}


def caller() -> JournalCall:
    """Waited, pressed 1."""
    notes = [
        note("ACDENTER", ENTERED, ani=ANI, did=DID),
        note("ACDQUEUED", ENTERED, enter_ms=ENTERED),
        note("ACDCALLBACK", 5_000, number=ANI),
        note("ACDEND", 5_500),
    ]
    return JournalCall("missed", ANI, DID, tuple(notes))


def back(
    name: str = "back1", at: int = 10_000, *, answered: bool = True, place: int = ENTERED, dials: int = 1
) -> JournalCall:
    notes = [
        note("ACDENTER", at, ani=ANI, did=DID),
        note("ACDCALLBACKBEGIN", at, of="missed"),
        note("ACDQUEUED", at, enter_ms=place),
        note("ACDANSWER", at + 500),
        *[note("ACDNUMBERDIAL", at + 600 + n, number=ANI) for n in range(dials)],
        *([note("ACDNUMBERANSWER", at + 1_000)] if answered else []),
        note("ACDNUMBEREND", at + 3_000, status="ANSWER" if answered else "NOANSWER"),
        note("ACDTALKEND", at + 3_000, stays=0),
        note("ACDEND", at + 3_100),
    ]
    return JournalCall(name, ANI, DID, tuple(notes))


def card(call: JournalCall, reason: str) -> dict[str, Any]:
    return {"call": call.call, "ani": call.ani, "did": call.did, "end_reason": reason, "agent": None}


def ledger(*calls: str, state: str = "recontacted", next_try_at: int = 0) -> cb.Ledger:
    return cb.Ledger({1: cb.Task(1, ANI, "s", state, next_try_at)}, [(1, call) for call in calls])


def judged(
    *backs: tuple[JournalCall, str], told: cb.Ledger | None = None, **more: Any
) -> tuple[Verdict, cb.Finding]:
    journal = {"missed": caller()} | {call.call: call for call, _ in backs}
    cards = [card(caller(), "callback"), *(card(call, reason) for call, reason in backs if reason)]
    verdict = Verdict()
    finding = cb.judge(verdict, journal, cards, told or ledger(*(call.call for call, _ in backs)), **more)
    return verdict, finding


def test_a_call_back_that_reached_the_number_at_its_place_is_good():
    verdict, finding = judged((back(), "handled"), rung={ANI: 1}, now_ms=20_000)
    assert verdict.problems == finding.duplicates == []
    assert (finding.made, finding.dialled, finding.reached, finding.kept_place) == (1, 1, 1, 1)


def test_two_attempts_and_a_talk_in_the_second_are_good():
    first, second = back(answered=False), back("back2", 20_000)
    verdict, finding = judged((first, "not_reached"), (second, "handled"), rung={ANI: 2})
    assert verdict.problems == finding.duplicates == []


@pytest.mark.parametrize(
    ("backs", "more", "words"),
    [
        ([(back(), "handled")], {"told": ledger()}, "without a claim"),
        ([(back(dials=2), "handled")], {}, "dialled 2 times"),
        ([(back(), "handled"), (back("back2", 20_000), "handled")], {}, "again after a talk"),
        ([(back(answered=False), "not_reached"), (back("back2", 11_000), "handled")], {}, "twice at once"),
        (
            [(back(f"b{n}", 10_000 * (n + 1), answered=False), "not_reached") for n in range(3)],
            {},
            "3 times, 2 are allowed",
        ),
        ([(back(), "handled")], {"rung": {ANI: 2}}, "rang 2 times, the journal knows 1"),
        ([], {"rung": {ANI: 1}}, "rang 1 times, the journal knows 0"),
    ],
)
def test_a_number_dialled_more_than_it_may_be_is_a_duplicate(backs, more, words):
    _, finding = judged(*backs, **more)
    assert [text for text in finding.duplicates if words in text]


@pytest.mark.parametrize(
    ("backs", "more", "counter", "words"),
    [
        ([(back(), "")], {}, "lost", "has no card"),
        ([(back(), "not_reached")], {}, "distorted", "journal reached=True"),
        ([(back(place=10_000), "handled")], {}, "distorted", "lost the place"),
        ([(back(), "handled")], {"told": ledger("back1", state="open")}, "distorted", "its task is open"),
        ([], {"told": ledger(state="dialling")}, "lost", "still being dialled"),
        (
            [],
            {"told": ledger(state="open", next_try_at=3_600_000), "now_ms": 20_000},
            "distorted",
            "wrong clock",
        ),
    ],
)
def test_each_difference_is_counted_and_named(backs, more, counter, words):
    verdict, _ = judged(*backs, **more)
    assert getattr(verdict, counter) == 1
    assert words in verdict.problems[0]


def test_a_call_back_cut_off_by_asterisks_death_may_be_dialled_again():
    first = back()
    verdict, finding = judged((first, "pbx_failed"), (back("back2", 20_000), "handled"), cut={"back1"})
    assert verdict.problems == finding.duplicates == []


def test_what_asterisks_death_cut_off_is_no_attempt():
    """Seen in the virtual world (seed 901257): cut off in the talk, no answer, then a talk."""
    rung = [
        (back("b0"), "pbx_failed"),
        (back("b1", 20_000, answered=False), "not_reached"),
        (back("b2", 30_000), "handled"),
    ]
    assert judged(*rung, cut={"b0"})[1].duplicates == []
    silent = [(back(f"b{n}", 10_000 * (n + 1), answered=False), "not_reached") for n in range(3)]
    assert judged(*silent)[1].duplicates


def test_the_whole_oracle_does_not_take_a_call_back_for_a_caller_nobody_made():
    first = back()
    evidence = ev.Evidence(
        truths=[ev.Truth(ANI, DID, 1.0, "failed")],
        journal={"missed": caller(), "back1": first},
        cel_calls=None,
        cards=[
            {**card(caller(), "callback"), "number": "1", "answered_at": None, "ended_at": 5_500},
            {**card(first, "handled"), "number": "2", "answered_at": 11_000, "ended_at": 13_100},
        ],
        missed={"missed": (ANI, "s")},
        tasks=[(ANI, "s", False)],
        tickets={},
        dialling=ledger("back1"),
    )
    evidence.tickets = {str(one["call"]): one for one in evidence.cards}
    judgement = ev.judge_all(evidence)
    assert judgement.problems == []
    evidence.rung = {ANI: 2}
    assert ev.judge_all(evidence).duplicate_callbacks == 1


def test_a_mix_has_callers_who_press_1_and_callers_who_give_up_late(tmp_path):
    spec = CentreSpec(tmp_path, agents=20)
    calls = cb.with_callbacks(spec, plan_calls(spec, 900, 3.0, 1), 1)
    scarce = [call for call in calls if call.did == cb.scarce_did(spec)]
    assert len(scarce) == 90
    assert 20 < sum(call.takes_callback for call in scarce) < 50
    assert all(call.takes_callback or call.patience_s > 5 for call in scarce)
    assert cb.with_callbacks(spec, plan_calls(spec, 900, 3.0, 1), 1) == calls
