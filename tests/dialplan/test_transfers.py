"""Handing a call on, on a real Asterisk: every step has a way back that needs no daemon (002-08, 004-08)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from acd.asterisk_files import outside_file
from simulator.lab import Lab
from simulator.lab.sipp import Agents, Answer, Callers, CallPlan, OfferPlan
from tests.dialplan.driver import Talk, daemon, wait_until_silent
from tests.dialplan.spoken import Ears
from tests.lab_fixture import agents_port, lab  # noqa: F401 - the fixture is used by name

pytestmark = pytest.mark.e2e

_numbers = itertools.count(79_006_000_000)
LONG = OfferPlan(20, 60_000)
PERSON = "+79990001122"


@contextmanager
def talk(lab: Lab, folder: Path, *plans: OfferPlan, talk_ms: int = 60_000) -> Iterator[Talk]:
    """a1 talks with a caller; `plans` are what the next phones do, in order."""
    plan = CallPlan(ani=f"+{next(_numbers)}", did="74951234567", talk_ms=talk_ms)
    phones = Agents(lab.ports.sip, [LONG, *plans], folder / "a", port=agents_port(lab), timeout_s=90)
    with (
        daemon(lab, ACD_RING_S="2") as acd,
        phones,
        Callers(lab.ports.sip, [plan], folder / "c", timeout_s=90),
    ):
        queued = acd.ami.wait_for("AcdQueued")
        acd.offer(queued, "a1")
        answer = acd.ami.wait_for("AcdAnswer")
        time.sleep(0.6)  # the note of the answer is written just before the legs are joined
        try:
            yield Talk(acd, queued, answer)
        finally:
            # while the phones live: a BYE repeated to a port of yesterday would eat the next test's first plan
            lab.console("channel request hangup all")
            wait_until_silent(lab)


@pytest.fixture
def outside(lab: Lab) -> Iterator[None]:
    """Numbers that begin with +7999 are allowed, and ring the phone of a6."""
    path = lab.etc / "acd-outside.conf"
    path.write_text(outside_file(["+7999"], "PJSIP/a6"), encoding="utf-8")
    lab.console("dialplan reload")
    yield
    path.unlink()
    lab.console("dialplan reload")


def test_blind_to_a_colleague_is_his_talk(lab: Lab, tmp_path: Path):
    """No credit to the agent who left (row 23): a talk's end, then an offer of the next number."""
    with talk(lab, tmp_path, OfferPlan(20, 300)) as it:
        it.blind("agent_a2")
        assert it.wait("AcdTransfer")["Agent"] == "a1"
        answer = it.wait("AcdAnswer", Agent="a2")
        assert answer["Attempt"] == "2"
        end = it.wait("AcdEnd")
        assert (end["Stage"], end["By"]) == ("done", "agent")
        assert it.names() == [
            "AcdEnter", "AcdQueued", "AcdDial", "AcdAnswer", "AcdTransfer", "AcdDial", "AcdAnswer",
            "AcdTalkEnd", "AcdEnd",
        ]  # fmt: skip
        it.said_twice(lab)


@pytest.mark.parametrize("plan", [OfferPlan(answer=Answer.BUSY), OfferPlan(answer=Answer.SILENT)])
def test_blind_to_a_colleague_who_does_not_take_it_comes_back(lab: Lab, tmp_path: Path, plan: OfferPlan):
    """002-08: the same person again, who knows the case; not the end of the line."""
    with talk(lab, tmp_path, plan, OfferPlan(20, 300)) as it:
        it.blind("agent_a2")
        assert it.wait("AcdDialEnd", Agent="a2")["Status"] in {"BUSY", "NOANSWER"}
        assert it.wait("AcdAnswer", Agent="a1", Attempt="3")
        it.wait("AcdEnd")


def test_nobody_left_to_return_to_waits_at_the_head(lab: Lab, tmp_path: Path):
    """Target and first agent fail: the line, with the time of entry of the beginning and its own agent named."""
    busy = OfferPlan(answer=Answer.BUSY)
    with talk(lab, tmp_path, busy, busy) as it:
        it.blind("agent_a2")
        back = it.wait("AcdQueued", Why="returned")
        assert (back["Enter_ms"], back["Sticky"]) == (it.queued["Enter_ms"], "a1")


def test_blind_to_an_unknown_colleague_comes_back(lab: Lab, tmp_path: Path):
    with talk(lab, tmp_path, LONG) as it:
        it.blind("agent_nobody")
        assert it.wait("AcdTransferEnd")["Status"] == "UNKNOWN_AGENT"
        it.wait("AcdAnswer", Agent="a1", Attempt="2")


def test_blind_to_another_line_keeps_the_time_of_entry(lab: Lab, tmp_path: Path):
    with talk(lab, tmp_path, LONG) as it:
        it.blind("queue_other-1")
        again = it.wait("AcdQueued", Why="returned")
        assert (again["Queue"], again["Enter_ms"], again["Card"]) == (
            "other-1",
            it.queued["Enter_ms"],
            "1234-5",
        )
        it.acd.offer(again, "a3", "2")
        it.wait("AcdAnswer", Agent="a3")


def test_blind_to_an_outside_number_that_is_not_allowed_comes_back(lab: Lab, tmp_path: Path):
    """Security row 8: no context acd-outside, no outside leg."""
    with talk(lab, tmp_path, LONG) as it:
        it.blind("out_881012345678")
        assert it.wait("AcdTransferEnd")["Status"] == "REFUSED"
        it.wait("AcdAnswer", Agent="a1", Attempt="2")


@pytest.fixture
def abroad(lab: Lab) -> Iterator[None]:
    """The list of transfers has been widened beyond what the PBX dials outside at all."""
    path = lab.etc / "acd-outside.conf"
    path.write_text(outside_file(["+1900", "8"], "PJSIP/a6"), encoding="utf-8")
    lab.console("dialplan reload")
    yield
    path.unlink()
    lab.console("dialplan reload")


@pytest.mark.usefixtures("abroad")
@pytest.mark.parametrize("number", ["+19005551234", "881012345678", "8#1"])
def test_one_wall_stands_before_every_outside_number(lab: Lab, tmp_path: Path, number: str):
    """Security row 8: what call-backs may not dial, no transfer dials, at once or after asking."""
    with talk(lab, tmp_path, LONG, LONG) as it:
        it.consult(f"out_{number}")
        assert it.wait("AcdConsultEnd")["Status"] == "REFUSED"
        time.sleep(0.6)
        it.blind(f"out_{number}")
        assert it.wait("AcdTransferEnd")["Status"] == "REFUSED"
        assert it.wait("AcdAnswer", Agent="a1", Attempt="2")


@pytest.mark.usefixtures("outside")
def test_blind_to_a_person_who_does_not_press_1_comes_back(lab: Lab, tmp_path: Path):
    """A mobile's mailbox answers and presses nothing."""
    with talk(lab, tmp_path, OfferPlan(20, 1_500), LONG) as it:
        it.blind(f"out_{PERSON}")
        assert it.wait("AcdTransferEnd")["To"] == f"out_{PERSON}"
        it.wait("AcdAnswer", Agent="a1", Attempt="2")
        it.said_twice(lab)


@pytest.fixture
def pressing(lab: Lab) -> Iterator[None]:
    """Numbers that begin with +7998 ring a person who listens, presses 1, talks for two seconds and hangs up."""
    lab.console("module load app_senddtmf.so")
    path, site = lab.etc / "acd-outside.conf", lab.etc / "acd-site.conf"
    path.write_text(outside_file(["+7998"], "Local/s@test-person/n"), encoding="utf-8")
    site.write_text(
        "[test-person]\nexten => s,1,Answer()\n same => n,Wait(6)\n same => n,SendDTMF(1)\n"
        " same => n,Wait(2)\n same => n,SendDTMF(1)\n same => n,Wait(4)\n same => n,Hangup()\n",
        encoding="utf-8",
    )
    lab.console("dialplan reload")
    yield
    path.unlink()
    site.unlink()
    lab.console("dialplan reload")
    lab.console("module unload app_senddtmf.so")


@pytest.mark.usefixtures("pressing")
def test_blind_to_a_person_who_presses_1_is_nobodys_talk(lab: Lab, tmp_path: Path):
    """004-08: the firm's person has the caller; no agent is credited, the call ends as handed on."""
    with talk(lab, tmp_path) as it:
        it.blind("out_+79980001122")
        assert it.wait("AcdTransferEnd")["Status"] == "OVER"
        assert it.wait("AcdEnd")["Stage"] == "done"
        assert it.names()[4:] == ["AcdTransfer", "AcdTransferEnd", "AcdEnd"]
        it.said_twice(lab)


@pytest.mark.usefixtures("pressing")
def test_a_person_is_asked_first_and_takes_the_caller_over(lab: Lab, tmp_path: Path):
    """The warm patch: who and which card is said, 1 is pressed, the agent speaks, hangs up, and is out of it."""
    with talk(lab, tmp_path) as it:
        it.consult("out_+79980001122")
        assert it.wait("AcdConsultAnswer")["To"] == "out_+79980001122"
        it.hang_up(it.answer["Uniqueid"])
        assert it.wait("AcdTransfer")["Agent"] == "a1"
        assert it.wait("AcdTransferEnd")["Status"] == "OVER"
        it.wait("AcdEnd")
        it.said_twice(lab)


def test_a_stale_transfer_does_not_take_a_waiting_caller(lab: Lab, tmp_path: Path):
    plan = CallPlan(ani=f"+{next(_numbers)}", did="74951234567")
    with daemon(lab) as acd, Callers(lab.ports.sip, [plan], tmp_path / "c", timeout_s=20):
        queued = acd.ami.wait_for("AcdQueued")
        for number, (context, target) in enumerate(
            (("acd-transfer", "agent_a2"), ("acd-consult", "agent_a2"), ("acd-transfer", "back")), start=2
        ):
            acd.redirect(queued, context, target)
            acd.ami.wait_for("AcdQueued", Call=queued["Call"], count=number)
        assert not acd.ami.notes(queued["Call"], "AcdTransfer")


def test_consult_completed_by_the_agents_hangup(lab: Lab, tmp_path: Path):
    """The caller hears music, the colleague is asked, the agent hangs up: the colleague has the caller."""
    with talk(lab, tmp_path, OfferPlan(20, 2_000)) as it:
        it.consult("agent_a2")
        assert it.wait("AcdConsult")["To"] == "agent_a2"
        it.wait("AcdConsultAnswer")
        it.hang_up(it.answer["Uniqueid"])
        answer = it.wait("AcdAnswer", Agent="a2")
        assert answer["Attempt"] == "2"
        end = it.wait("AcdEnd")
        assert (end["Stage"], end["By"]) == ("done", "agent")
        assert it.names()[4:] == [
            "AcdConsult", "AcdConsultAnswer", "AcdTransfer", "AcdDial", "AcdAnswer", "AcdTalkEnd", "AcdEnd",
        ]  # fmt: skip
        it.said_twice(lab)


def test_consult_ended_by_the_colleague_returns_the_caller(lab: Lab, tmp_path: Path):
    """The colleague hangs up: agent and caller are joined again, the same talk goes on."""
    with talk(lab, tmp_path, OfferPlan(20, 500)) as it:
        it.consult("agent_a2")
        assert it.wait("AcdConsultEnd")["Status"] == "RETURNED"
        it.hang_up(it.queued["Uniqueid"])
        assert it.wait("AcdTalkEnd")["Attempt"] == "1"
        it.wait("AcdEnd")
        assert it.names()[4:] == ["AcdConsult", "AcdConsultAnswer", "AcdConsultEnd", "AcdTalkEnd", "AcdEnd"]


def test_consult_of_a_busy_colleague_returns_the_caller(lab: Lab, tmp_path: Path):
    with talk(lab, tmp_path, OfferPlan(answer=Answer.BUSY)) as it:
        it.consult("agent_a2")
        assert it.wait("AcdConsultEnd")["Status"] == "BUSY"
        assert not it.acd.ami.notes(it.call, "AcdEnd")


def test_a_colleague_who_must_press_1_is_asked_in_his_own_language(lab: Lab, tmp_path: Path):
    """Also after a colleague without one of his own: what the last target left behind does not count."""
    ears = Ears(lab)
    with talk(lab, tmp_path, OfferPlan(20, 1_500), OfferPlan(20, 1_500)) as it:
        it.consult("agent_m1")
        assert ears.wait_for("priv-callpending", on="PJSIP/m1-") == "en"
        it.wait("AcdConsultEnd")
        time.sleep(0.6)
        it.blind("agent_m1")
        it.wait("AcdDial", Agent="m1")
        ears = Ears(lab)
        assert ears.wait_for("priv-callpending", on="PJSIP/m1-") == "en"


def test_a_second_consult_after_a_return(lab: Lab, tmp_path: Path):
    """Legs that were joined by Bridge() can be parted and joined again."""
    with talk(lab, tmp_path, OfferPlan(answer=Answer.BUSY), OfferPlan(20, 3_000)) as it:
        it.consult("agent_a2")
        it.wait("AcdConsultEnd")
        it.consult("agent_a3")
        it.wait("AcdConsultAnswer")
        it.hang_up(it.answer["Uniqueid"])
        assert it.wait("AcdAnswer", Agent="a3")
        it.wait("AcdEnd")


def test_agent_who_hangs_up_before_the_answer_sends_the_caller_after(lab: Lab, tmp_path: Path):
    """The "blonde" transfer: what was asked becomes blind, with the same way back."""
    with talk(lab, tmp_path, OfferPlan(answer=Answer.SILENT), OfferPlan(20, 300)) as it:
        it.consult("agent_a2")
        it.wait("AcdConsult")
        it.hang_up(it.answer["Uniqueid"])
        assert it.wait("AcdTransfer")["To"] == "agent_a2"
        it.wait("AcdAnswer", Agent="a2")
        it.wait("AcdEnd")


def test_caller_who_hangs_up_in_the_consult_ends_once(lab: Lab, tmp_path: Path):
    """One end, one talk's end by the caller, and no leg left when the colleague has hung up."""
    with talk(lab, tmp_path, OfferPlan(20, 5_000)) as it:
        it.consult("agent_a2")
        it.wait("AcdConsultAnswer")
        it.hang_up(it.queued["Uniqueid"])
        end = it.wait("AcdEnd")
        assert (end["Stage"], it.wait("AcdTalkEnd")["Stays"]) == ("talk", "0")
        wait_until_silent(lab)


def test_daemon_killed_in_the_consult_costs_nothing(lab: Lab, tmp_path: Path):
    """The dialplan owns both legs: the colleague hangs up, agent and caller are together again."""
    with talk(lab, tmp_path, OfferPlan(20, 1_500)) as it:
        it.consult("agent_a2")
        it.acd.die()
        it.wait("AcdConsultEnd")
        it.hang_up(it.answer["Uniqueid"])
        # the manager's hangup is a broken leg: the caller waits again and, the heart being still, falls back
        assert it.wait("AcdTalkEnd")["Stays"] == "1"
        it.wait("AcdQueued", Why="head")
        it.acd.hang_up(it.call)
