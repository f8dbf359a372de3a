"""What SIPp saw is read right, and a small scene on real Asterisk gives the figures."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from simulator.lab import Lab
from simulator.lab.sipp import (
    Agents,
    Answer,
    Callers,
    CallPlan,
    Leg,
    OfferPlan,
    double_booked,
    enter_to_ring_ms,
    exponential_plans,
    free_to_ring_ms,
    percentile,
    random_offers,
    register,
    wait_ms,
)
from tests.dialplan.driver import daemon
from tests.lab_fixture import agents_port, lab  # noqa: F401 - the fixture is used by name


def caller(ani: str, invite: float) -> Leg:
    return Leg(ani=ani, times={"INVITE": invite, "ACCEPTED": invite + 0.01})


def agent(name: str, ani: str, invite: float, answer: float, end: float) -> Leg:
    return Leg(ani=ani, agent=name, times={"INVITE": invite, "ANSWER": answer, "HUNGUP": end})


def test_gap_counts_only_when_a_caller_was_waiting():
    """free_to_ring: the second call waited, the third came later."""
    callers = [caller("1", 0.0), caller("2", 1.0), caller("3", 20.0)]
    agents = [
        agent("a", "1", 0.1, 0.2, 5.0),
        agent("a", "2", 5.003, 5.1, 9.0),
        agent("a", "3", 20.1, 20.2, 21.0),
    ]
    assert free_to_ring_ms(callers, agents) == [pytest.approx(3.0)]
    assert enter_to_ring_ms(callers, agents) == [pytest.approx(100), pytest.approx(4003), pytest.approx(100)]
    assert wait_ms(callers, agents)["2"] == pytest.approx(4100)


def test_overlapping_talks_of_one_agent_are_found():
    one, two = agent("a", "1", 0, 1, 5), agent("a", "2", 4, 4.5, 6)
    assert double_booked([two, one]) == [(one, two)]
    assert double_booked([one, agent("b", "2", 4, 4.5, 6)]) == []


def test_percentile_is_a_value_that_occurred():
    assert percentile([3, 1, 2, 4], 0.5) == 2
    assert percentile([3, 1, 2, 4], 0.99) == 4
    assert percentile([], 0.5) == 0.0


def test_plans_repeat_with_their_seed():
    """A seed is a bug report."""
    assert exponential_plans(5, seed=1, did="1", patience_mean_s=10) == exponential_plans(
        5, seed=1, did="1", patience_mean_s=10
    )
    assert random_offers(3, seed=1, ring_ms=(1, 9), talk_ms=(1, 9)) != random_offers(
        3, seed=2, ring_ms=(1, 9), talk_ms=(1, 9)
    )
    assert len({plan.ani for plan in exponential_plans(50, seed=1, did="1")}) == 50


def test_torn_log_lines_are_passed_over(tmp_path: Path):
    callers = Callers(5060, [CallPlan("+7", "8")], tmp_path)
    (tmp_path / "events.log").write_text(
        "acd INVITE ani=+7 2026-11-22\t05:00:00.000001\t1795.5\nnoise\nacd ENDED ani=+7 2026-11",
        encoding="utf-8",
    )
    [leg] = callers.records()
    assert (leg.at("INVITE"), leg.at("ENDED")) == (1795.5, 0.0)


@pytest.mark.e2e
@pytest.mark.slow
def test_small_scene_gives_figures_and_leaves_nothing(lab: Lab, tmp_path: Path):
    """Thirty callers, six agents, one of them busy at times; nobody lost, nobody double-booked."""
    plans = exponential_plans(30, seed=7, did="74951234567", first_ani=79_005_000_000)
    offers = [*random_offers(9, seed=7, ring_ms=(20, 80), talk_ms=(100, 400)), OfferPlan(answer=Answer.BUSY)]
    with daemon(lab) as acd, Agents(lab.ports.sip, offers, tmp_path / "a", port=agents_port(lab)) as phones:
        acd.route(itertools.cycle([f"a{number}" for number in range(1, 7)]))
        with Callers(lab.ports.sip, plans, tmp_path / "c", rate=6, timeout_s=30) as callers:
            assert callers.wait(30)
            seen, rung = callers.records(), phones.records()
        assert len(wait_ms(seen, rung)) == 30
        assert double_booked(rung) == []
        rings = enter_to_ring_ms(seen, rung)
        assert len(rings) == 30
        # the budget is 10 ms on a quiet machine; here only the order of magnitude can fail
        assert 0 < percentile(rings, 0.5) < 200
        assert not phones.process or phones.running
    assert not phones.running


@pytest.mark.e2e
def test_impatient_caller_leaves_while_waiting(lab: Lab, tmp_path: Path):
    plan = CallPlan("+79005100000", "74951234567", patience_ms=300)
    with daemon(lab) as acd, Callers(lab.ports.sip, [plan], tmp_path / "c", timeout_s=20) as callers:
        end = acd.ami.wait_for("AcdEnd")
        assert (end["Stage"], end["By"]) == ("wait", "caller")
        assert callers.wait(5)
        [leg] = callers.records()
        assert 0.25 < leg.at("ABANDONED") - leg.at("ACCEPTED") < 1.5


@pytest.mark.e2e
def test_registered_phone_is_reached_by_its_password(lab: Lab, tmp_path: Path):
    """r1 has no static contact: it registers, then is offered a call."""
    with daemon(lab) as acd, Agents(lab.ports.sip, [OfferPlan(20, 100)], tmp_path / "a") as phones:
        register(lab.ports.sip, [("r1", "pw1")], phones.port, tmp_path / "r")
        with Callers(lab.ports.sip, [CallPlan("+79005200000", "74951234567")], tmp_path / "c", timeout_s=20):
            queued = acd.ami.wait_for("AcdQueued")
            acd.offer(queued, "r1")
            assert acd.ami.wait_for("AcdAnswer")["Agent"] == "r1"
            acd.ami.wait_for("AcdEnd")
        [leg] = phones.records()
        assert leg.call == queued["Call"], "X-ACD-Call names the call to the softphone (decision 0112)"
