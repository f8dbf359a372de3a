"""The agent's machine, readiness and the time that makes occupancy."""

from itertools import product

import pytest

from acd.core.agent import AGENT_TRANSITIONS, Agent, AgentSignal, AgentState, AgentStatus
from acd.core.policy import AgentPolicy


def available(now: int = 0) -> Agent:
    agent = Agent(AgentPolicy("anna"), now)
    agent.choose(AgentStatus.AVAILABLE, "", now)
    return agent


@pytest.mark.parametrize(("state", "signal"), list(product(AgentState, AgentSignal)), ids=str)
def test_every_pair_moves_as_the_table_says_or_changes_nothing(state, signal):
    agent = available()
    agent.state = state
    following = AGENT_TRANSITIONS.get((state, signal))
    assert agent.apply(signal, 7) is (following is not None)
    assert agent.state is (following or state)
    assert agent.since == (0 if following is None else 7)


def test_every_state_leads_back_to_idle():
    back = {AgentState.IDLE}
    for _ in AgentState:
        back |= {state for (state, _), following in AGENT_TRANSITIONS.items() if following in back}
    assert back == set(AgentState)


def test_ready_means_available_idle_reachable_rested_and_still_employed():
    assert available().ready
    for name, value in (
        ("status", AgentStatus.PAUSED),
        ("state", AgentState.RINGING),
        ("reachable", False),
        ("resting", True),
        ("retired", True),
    ):
        agent = available()
        setattr(agent, name, value)
        assert not agent.ready, name


def test_time_is_ready_or_busy_and_pauses_are_neither():
    agent = available(0)
    agent.apply(AgentSignal.RESERVED, 100)
    agent.apply(AgentSignal.RINGING, 110)
    agent.apply(AgentSignal.ANSWERED, 200)
    agent.apply(AgentSignal.TALK_OVER, 500)
    agent.apply(AgentSignal.WRAP_UP_OVER, 600)
    agent.choose(AgentStatus.PAUSED, "tea", 650)
    agent.choose(AgentStatus.AVAILABLE, "", 900)
    assert agent.accounted(1_000) == (100 + 50 + 100, 490)
    agent.account(1_000)
    agent.reachable = False
    assert agent.accounted(2_000) == (250, 490)


def test_a_new_interval_counts_from_zero():
    agent = available(0)
    agent.handled = agent.rna = 3
    agent.start_interval(500)
    assert (agent.ready_ms, agent.busy_ms, agent.handled, agent.rna) == (0, 0, 0, 0)
    assert agent.accounted(600) == (100, 0)
