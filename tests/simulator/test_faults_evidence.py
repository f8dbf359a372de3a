"""The oracle of fault injection sees each way in which six stories of one call can differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from acd.core.events import EndReason
from simulator.centre.oracle import JournalCall, Truth
from simulator.faults.evidence import Evidence, death_to_fallback_s, first_offers_s, judge_all, read_ledger
from simulator.faults.site import Pause
from tests.adapters.store.support import make_card, opened

TALK = (
    ("ACDENTER", {"ms": "1000", "agent": ""}),
    ("ACDQUEUED", {"ms": "1001", "agent": ""}),
    ("ACDDIAL", {"ms": "1002", "agent": "anna"}),
    ("ACDANSWER", {"ms": "1500", "agent": "anna"}),
    ("ACDTALKEND", {"ms": "3000", "agent": "anna", "stays": "0"}),
    ("ACDEND", {"ms": "3001", "agent": "anna"}),
)
CARD = {
    "call": "c1",
    "ani": "+1",
    "did": "7001",
    "end_reason": "handled",
    "agent": "anna",
    "number": "10",
    "answered_at": 1500,
    "ended_at": 3001,
}


def story(**changes: Any):
    told = {
        "truths": [Truth("+1", "7001", 1.0, "answered", "anna", 1.5)],
        "journal": {"c1": JournalCall("c1", "+1", "7001", TALK)},
        "cel_calls": frozenset({"c1"}),
        "cards": [CARD],
        "missed": {},
        "tasks": [],
        "tickets": {"c1": CARD},
    }
    return Evidence(**{**told, **changes})


def gone(reason="abandoned", **changes: Any):
    """The same caller, who hung up waiting."""
    notes = (*TALK[:2], ("ACDEND", {"ms": "3001", "agent": ""}))
    card = {**CARD, "end_reason": reason, "agent": None, "answered_at": None}
    told = {
        "truths": [Truth("+1", "7001", 1.0, "abandoned")],
        "journal": {"c1": JournalCall("c1", "+1", "7001", notes)},
        "cards": [card],
        "tickets": {"c1": card},
        "missed": {"c1": ("+1", "firm")},
        "tasks": [("+1", "firm", True)],
    }
    return story(**{**told, **changes})


def cut(**changes: Any):
    """The same caller in mid-talk when Asterisk died at 2000."""
    card = {**CARD, "end_reason": "pbx_failed"}
    told = {
        "journal": {"c1": JournalCall("c1", "+1", "7001", TALK[:4])},
        "cards": [card],
        "tickets": {"c1": card},
        "missed": {"c1": ("+1", "firm")},
        "tasks": [("+1", "firm", True)],
        "pbx_deaths": [Pause(2000, 4000)],
    }
    return story(**{**told, **changes})


def chose() -> Evidence:
    """The same caller, who had just chosen to be called back when Asterisk died: his card says what he chose."""
    notes = (*TALK[:2], ("ACDCALLBACK", {"ms": "1900", "number": "+1"}))
    card = {**CARD, "end_reason": "callback", "agent": None, "answered_at": None}
    return cut(
        truths=[Truth("+1", "7001", 1.0, "abandoned")],
        journal={"c1": JournalCall("c1", "+1", "7001", notes)},
        cards=[card],
        tickets={"c1": card},
    )


@pytest.mark.parametrize("told", [story(), gone(), cut(), chose()])
def test_stories_that_agree_are_good(told):
    judgement = judge_all(told)
    assert judgement.good, judgement.problems


@pytest.mark.parametrize(
    ("told", "counter", "words"),
    [
        (story(cards=[]), "lost", "has no card"),
        (story(tickets={}), "lost", "no ticket"),
        (story(cel_calls=frozenset()), "lost", "only in queue_log"),
        (story(cel_calls=frozenset({"c1", "c2"})), "lost", "only in CEL"),
        (gone(missed={}, tasks=[]), "lost", "not in the ledger"),
        (story(tickets={"c1": {**CARD, "agent": "boris"}}), "distorted", "card agent 'anna', ticket 'boris'"),
        (story(tickets={"c1": CARD, "c2": CARD}), "distorted", "a ticket of c2, which has no card"),
        (story(tickets_changed=["c1:1"]), "distorted", "twice with different content"),
        (story(extra_double=["anna with two"]), "double_booked", "anna with two"),
        (cut(cards=[{**CARD}], tickets={"c1": CARD}, missed={}, tasks=[]), "distorted", "card says handled"),
        (cut(cards=[], tickets={}), "lost", "cut off by Asterisk's death and has no card"),
        (cut(missed={}, tasks=[]), "lost", "not in the ledger"),
    ],
)
def test_each_difference_is_seen_once_and_named(told, counter, words):
    judgement = judge_all(told)
    assert getattr(judgement.verdict, counter) == 1
    assert any(words in problem for problem in judgement.problems)
    assert not judgement.good


def test_a_caller_who_was_served_must_not_be_called_back():
    judgement = judge_all(story(missed={"c1": ("+1", "firm")}, tasks=[("+1", "firm", True)]))
    assert judgement.duplicate_callbacks == 1


def test_two_open_tasks_for_one_number_and_firm_are_a_duplicate():
    twice = [("+1", "firm", True), ("+1", "firm", True), ("+1", "other", True), ("+1", "firm", False)]
    assert judge_all(gone(tasks=twice)).duplicate_callbacks == 1


def test_a_leak_is_a_problem():
    assert judge_all(story(leaks=["3 channels are left"])).problems == ["leak: 3 channels are left"]


def test_who_rang_while_asterisk_was_dead_is_counted_apart():
    late = Truth("+2", "7001", 3.0, "failed")
    told = cut()
    judgement = judge_all(replace(told, truths=[*told.truths, late]))
    assert judgement.good, judgement.problems
    assert (judgement.interrupted, judgement.not_entered) == (1, 1)
    lost = replace(told, truths=[*told.truths, Truth("+2", "7001", 30.0, "failed")])
    assert judge_all(lost).verdict.lost == 1


def test_restart_to_first_offer_counts_only_lives_that_came_so_far():
    calls = {
        "c1": JournalCall("c1", "+1", "7001", (("ACDDIAL", {"ms": "5000"}), ("ACDDIAL", {"ms": "9000"})))
    }
    lives = [(0, 1000), (2000, 3000), (4000, 6000), (8500, 0)]
    assert first_offers_s(calls, lives, 2) == [1.0, 0.5]


def test_restart_to_first_offer_is_without_the_time_in_which_no_agent_was_free():
    def talk(call: str, begun: str, since: int, until: int) -> JournalCall:
        end = "ACDTALKEND" if begun == "ACDDIAL" else "ACDEND"
        return JournalCall(call, "+1", "7001", ((begun, {"ms": str(since)}), (end, {"ms": str(until)})))

    calls = {
        "both": talk("both", "ACDFALLBACKANSWER", 1000, 6000),
        "one": talk("one", "ACDFALLBACKANSWER", 4500, 5500),
        "first": talk("first", "ACDDIAL", 7000, 9000),
    }
    assert first_offers_s(calls, [(0, 1000), (4000, 0)], 2) == [2.0], "of three seconds one had nobody free"
    assert first_offers_s(calls, [(0, 1000), (4000, 0)], 1) == [1.0], "one agent was taken until 6000"
    assert first_offers_s(calls, [(0, 1000), (4000, 0)], 3) == [3.0]


def test_death_to_fallback_is_measured_from_when_the_caller_began_to_wait_or_the_daemon_died():
    fallback = ("ACDFALLBACK", {"ms": "19000", "why": "heartbeat"})
    before = JournalCall("a", "+1", "1", (("ACDQUEUED", {"ms": "1000"}), fallback))
    after = JournalCall("b", "+2", "1", (("ACDENTER", {"ms": "11000"}), fallback))
    wish = JournalCall(
        "c", "+3", "1", (("ACDENTER", {"ms": "11000"}), ("ACDFALLBACK", {"ms": "12000", "why": "wish"}))
    )
    calls = {"a": before, "b": after, "c": wish}
    assert death_to_fallback_s(calls, [Pause(10_000, 20_000)]) == [9.0, 8.0]


async def test_the_ledger_is_read_from_the_stores_own_schema(tmp_path):
    missed = make_card("c1", end_reason=EndReason.ABANDONED, answered_at=None, agent=None)
    async with opened(tmp_path / "acd.db") as store:
        await store.write_card(missed)
    assert read_ledger(tmp_path / "acd.db") == (
        {"c1": (missed.ani, missed.subscriber)},
        [(missed.ani, missed.subscriber, True)],
    )
