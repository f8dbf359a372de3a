"""Number → line, and whether the call may go in."""

from __future__ import annotations

import pytest

from agi_scripts.route_did import ANY, NumberPlan, Route, decide, find

SALES = NumberPlan("sales", "romashka", max_waiting=2, blocked=frozenset({"+7900"}))
REST = NumberPlan("rest", "centre")
NUMBERS = {"+74951230001": SALES, "7001": REST}


def run(did="+74951230001", ani="+7912", numbers=NUMBERS, *, is_open=True, waiting=0):
    return decide(did, ani, numbers, is_open=lambda _q: is_open, waiting=lambda _q: waiting)


@pytest.mark.parametrize("did", ["+74951230001", "74951230001"])
def test_a_listed_number_is_found_with_or_without_plus(did):
    assert run(did) == Route("queue", SALES)


def test_a_short_number_is_found_with_a_plus_a_trunk_added():
    assert run("+7001") == Route("queue", REST)


def test_an_unknown_number_gets_no_verdict_so_the_dialplan_serves_it():
    assert run("+1") == Route("", None)
    assert run("") == Route("", None)


def test_a_line_for_all_others_takes_unknown_numbers():
    assert run("+1", numbers={**NUMBERS, ANY: REST}) == Route("queue", REST)
    assert find("", {ANY: REST}) is REST


def test_closed_full_and_blocked_are_told_apart():
    assert run(is_open=False).verdict == "closed"
    assert run(waiting=1).verdict == "queue"
    assert run(waiting=2).verdict == "full"
    assert run(ani="+7900").verdict == "refused"
    assert run(ani="", is_open=True).verdict == "queue"
