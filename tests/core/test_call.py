"""The call's machine: only the pairs of the table move it."""

from itertools import product

import pytest

from acd.core.call import CALL_TRANSITIONS, Call, CallSignal, CallState, Leg


@pytest.mark.parametrize(("state", "signal"), list(product(CallState, CallSignal)), ids=str)
def test_every_pair_moves_as_the_table_says_or_changes_nothing(state, signal):
    call = Call("c1", "100", "200", 5, 1)
    call.state = state
    following = CALL_TRANSITIONS.get((state, signal))
    assert call.apply(signal) is (following is not None)
    assert call.state is (following or state)


def test_an_ended_call_never_lives_again():
    assert not [pair for pair in CALL_TRANSITIONS if pair[0] is CallState.ENDED]


def test_every_state_but_the_first_can_be_reached_and_every_state_can_end():
    assert set(CALL_TRANSITIONS.values()) == set(CallState) - {CallState.NEW}
    ending = {state for (state, _), following in CALL_TRANSITIONS.items() if following is CallState.ENDED}
    assert ending == set(CallState) - {CallState.ENDED, CallState.TALKING}  # a talk is over first


def test_a_leg_is_found_by_its_attempt():
    call = Call("c1", "100", "200", 5, 1)
    call.legs = [Leg("anna", 1, 5, 1, "desk"), Leg("boris", 2, 6, 2, "desk")]
    assert call.leg_of(1).agent == "anna"
    assert call.leg_of(3) is None


def test_talk_time_is_without_hold_and_never_negative():
    leg = Leg("anna", 1, 5, 1, "desk")
    assert leg.talk_ms == 0
    leg.answered_at = 100
    assert leg.talk_ms == 0
    leg.hold_since = 150
    leg.stop_hold(170)
    leg.stop_hold(190)
    leg.ended_at = 200
    assert (leg.hold_ms, leg.talk_ms) == (20, 80)
    leg.ended_at = 90
    assert leg.talk_ms == 0


def test_a_call_was_answered_once_an_agent_talked():
    call = Call("c1", "100", "200", 5, 1)
    assert not call.was_answered
    call.answered_at = 0
    assert call.was_answered
