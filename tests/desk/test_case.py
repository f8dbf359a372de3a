"""A case stays open until resolved; two-way with help desks (001-22, 003-09, 000-16)."""

from __future__ import annotations

import pytest

from acd.desk import case
from acd.desk.case import Case, CaseError, Event, State

OPEN = Case("123459", "servis", 1_000, 5_000, "Broken screen")


def test_a_case_lives_from_open_to_closed_with_its_history() -> None:
    one = case.happen(OPEN, Event.TAKEN, 1_100, "104", owner="104")
    one = case.happen(one, Event.ASKED_CLIENT, 1_200, "104", text="serial number?", public=True)
    one = case.happen(one, Event.CLIENT_ANSWERED, 1_300, "client")
    one = case.happen(one, Event.RESOLVED, 1_400, "104", public=True)
    assert (one.state, one.owner, one.resolved_at, one.is_open) == (State.RESOLVED, "104", 1_400, False)
    assert [e.event for e in one.history] == ["taken", "asked_client", "client_answered", "resolved"]
    assert [e.public for e in one.history] == [False, True, False, True]
    assert case.happen(one, Event.CLOSED, 1_500, "104").state is State.CLOSED


def test_a_client_who_comes_back_opens_it_again() -> None:
    closed = case.happen(case.happen(OPEN, Event.RESOLVED, 2, "a"), Event.CLOSED, 3, "a")
    again = case.happen(closed, Event.CLIENT_ANSWERED, 4, "client")
    assert again.is_open
    assert again.resolved_at is None


def test_what_the_state_does_not_allow_is_refused_in_words() -> None:
    with pytest.raises(CaseError, match="case 123459 is open: it cannot be closed"):
        case.happen(OPEN, Event.CLOSED, 1, "a")


def test_a_case_that_waits_for_its_client_stays_in_a_hand_only_as_long_as_its_holder_has_it() -> None:
    """001-22: nobody's case must not come back to somebody who is not there."""
    happen = case.happen
    taken = happen(OPEN, Event.TAKEN, 2, "ann")
    waiting = happen(taken, Event.ASKED_CLIENT, 3, "ann")
    assert (waiting.holder, waiting.hand) == ("", "ann")
    back = happen(waiting, Event.CLIENT_ANSWERED, 4, "")
    assert (back.state, back.holder) == (State.IN_WORK, "ann")
    left = happen(waiting, Event.RELEASED, 4, "ann")  # she logged out meanwhile
    assert (left.state, left.hand) == (State.WAITING, "")
    free = happen(left, Event.CLIENT_ANSWERED, 5, "")
    assert (free.state, free.holder) == (State.OPEN, "")
    never = happen(happen(OPEN, Event.ASKED_CLIENT, 2, "ann"), Event.CLIENT_ANSWERED, 3, "")
    assert never.state is State.OPEN  # asked without being taken: in work with nobody would be lost


def test_late_counts_until_resolved() -> None:
    assert not OPEN.is_late(5_000)
    assert OPEN.is_late(5_001)
    assert not case.happen(OPEN, Event.RESOLVED, 4_000, "a").is_late(9_000)


@pytest.mark.parametrize("begin", list(State))
@pytest.mark.parametrize("told", list(State))
def test_whatever_a_help_desk_tells_the_case_follows(begin: State, told: State) -> None:
    """003-09: two-way state. An open ticket of a case in work changes nothing, nor a resolved one of a closed case."""
    now = case.told(OPEN, begin, 10, "zammad")
    after = case.told(now, told, 20, "zammad")
    same = (told is State.OPEN and now.is_open) or (told is State.RESOLVED and not now.is_open)
    assert after.state is (begin if same else told)
    assert case.told(after, told, 30, "zammad") == after
