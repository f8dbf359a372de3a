"""The daemon dies, hangs or lies: callers keep waiting, are asked again, or fall back; none is lost."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.lab import Lab
from simulator.lab.sipp import Agents, Answer, Callers, CallPlan, Leg, OfferPlan
from tests.dialplan.driver import Daemon, Event, as_journal, daemon, journal
from tests.lab_fixture import agents_port, lab  # noqa: F401 - the fixture is used by name

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_numbers = itertools.count(79_002_000_000)


def one_caller(lab: Lab, folder: Path, **plan: object) -> Callers:
    values = {"ani": f"+{next(_numbers)}", "did": "74951234567", **plan}
    return Callers(lab.ports.sip, [CallPlan(**values)], folder / "callers", timeout_s=60)


def busy_phones(lab: Lab, folder: Path) -> Agents:
    """Phones that refuse: an INVITE nobody refuses is repeated for 32 s and would ring in a later test."""
    return Agents(lab.ports.sip, [OfferPlan(answer=Answer.BUSY)], folder / "busy", port=agents_port(lab))


def test_dead_daemon_means_fallback_within_twelve_seconds(lab: Lab, tmp_path: Path):
    """The heartbeat stops under a waiting call: Queue() with static members answers it."""
    with daemon(lab) as acd, one_caller(lab, tmp_path):
        queued = acd.ami.wait_for("AcdQueued")
        acd.die()
        died = time.monotonic()
        with Agents(lab.ports.sip, [OfferPlan(40, 300)], tmp_path / "a", port=agents_port(lab)) as phones:
            note = acd.ami.wait_for("AcdFallback", Call=queued["Call"], timeout=13)
            assert note["Why"] == "heartbeat"
            assert time.monotonic() - died <= 12
            answered = acd.ami.wait_for("AcdFallbackAnswer", Call=queued["Call"], timeout=4)
            assert answered["Agent"] in {agent.id for agent in lab.agents}
            end = acd.ami.wait_for("AcdEnd", Call=queued["Call"])
            assert end["Stage"] == "done"
            assert len(phones.records()) >= 1
        assert [as_journal(note) for note in acd.ami.notes(queued["Call"])] == journal(lab, queued["Call"])


def test_a_phone_that_the_fallback_rings_is_not_rung_for_an_offer(lab: Lab, tmp_path: Path):
    """Row 35: a daemon just back offers callers while others still are in the fallback."""
    ringing = Agents(lab.ports.sip, [OfferPlan(2_500, 300)], tmp_path / "a", port=agents_port(lab))
    with daemon(lab) as acd, ringing as phones, one_caller(lab, tmp_path / "1"):
        first = acd.ami.wait_for("AcdQueued")
        acd.redirect(first, "acd-fallback", "wish")
        rung = until(phones.records)[0]
        with one_caller(lab, tmp_path / "2"):
            second = acd.ami.wait_for("AcdQueued", count=2)
            acd.offer(second, rung.agent)
            refused = acd.ami.wait_for("AcdDialEnd", Call=second["Call"])
            assert refused["Status"] == "DOUBLE"
            assert acd.ami.wait_for("AcdFallbackAnswer", Call=first["Call"])["Agent"] == rung.agent
            acd.ami.wait_for("AcdEnd", Call=first["Call"])
            acd.hang_up(second["Call"])
        assert {leg.ani for leg in phones.records() if leg.agent == rung.agent} == {rung.ani}


def until(look: Callable[[], list[Leg]]) -> list[Leg]:
    """Return what was seen once there is something."""
    end = time.monotonic() + 5
    while not (seen := look()):
        assert time.monotonic() < end, "no phone rang"
        time.sleep(0.02)
    return seen


def test_nobody_in_the_fallback_means_a_voice_message(lab: Lab, tmp_path: Path):
    """Wish of the daemon, every member busy: voice mail under the call's own name (003-21)."""
    with daemon(lab) as acd, busy_phones(lab, tmp_path), one_caller(lab, tmp_path, talk_ms=11_000):
        queued = acd.ami.wait_for("AcdQueued")
        acd.redirect(queued, "acd-fallback", "wish")
        assert acd.ami.wait_for("AcdFallback", Call=queued["Call"])["Why"] == "wish"
        note = acd.ami.wait_for("AcdVoicemail", Call=queued["Call"], timeout=25)
        assert note["File"] == f"{queued['Call']}.wav"
        acd.ami.wait_for("AcdEnd", Call=queued["Call"], timeout=15)


def test_agi_server_that_dies_in_the_question_is_asked_again(lab: Lab, tmp_path: Path):
    """Row 25: an empty verdict takes the default branch within 2.5 s; the next question queues the call."""
    with daemon(lab, agi="die") as acd, one_caller(lab, tmp_path) as caller:
        enter = acd.ami.wait_for("AcdEnter")
        deadline = time.monotonic() + 2.5
        while not caller.records()[0].at("ACCEPTED"):
            assert time.monotonic() < deadline, "the default branch answers the caller"
            time.sleep(0.02)
        assert acd.agi
        acd.agi.mode = "answer"
        queued = acd.ami.wait_for("AcdQueued", Call=enter["Call"])
        assert queued["Enter_ms"] == acd.ami.wait_for("AcdQueued")["Enter_ms"]
        assert queued["Why"] == "new"


def test_agi_server_that_hangs_is_left_by_the_dead_man(lab: Lab, tmp_path: Path):
    """TIMEOUT(absolute) before, T after; the timeout must not follow the call into its talk."""
    plan = OfferPlan(20, 2500)
    with (
        daemon(lab, agi="hang") as acd,
        Agents(lab.ports.sip, [plan], tmp_path / "a", port=agents_port(lab)),
        one_caller(lab, tmp_path),
    ):
        acd.ami.wait_for("AcdEnter")
        started = time.monotonic()
        assert acd.agi
        acd.agi.mode = "answer"
        queued = acd.ami.wait_for("AcdQueued", timeout=8)
        assert time.monotonic() - started < 6
        acd.offer(queued, "a1")
        acd.ami.wait_for("AcdAnswer")
        answered = time.monotonic()
        acd.ami.wait_for("AcdTalkEnd", By="agent")
        assert time.monotonic() - answered > 2, "no timer of ours ended the talk"


@pytest.mark.parametrize("away_s", [3.3, 4.2, 5.1])
def test_who_came_while_the_daemon_was_away_is_asked_within_a_second_of_its_return(
    lab: Lab, tmp_path: Path, away_s: float
):
    """A restart costs the callers at the door a second more, at whatever moment of a turn it ends (001-21, 004-01)."""
    with daemon(lab, agi="die", heartbeat=False) as acd, one_caller(lab, tmp_path):
        enter = acd.ami.wait_for("AcdEnter")
        time.sleep(away_s)
        assert not acd.ami.notes(name="AcdFallback")
        back = time.monotonic()
        acd.come_back()
        acd.ami.wait_for("AcdQueued", Call=enter["Call"])
        assert time.monotonic() - back <= 1.6, "half a second of the heart, one of the turn"
        acd.hang_up(enter["Call"])


def test_agi_absent_while_the_heart_beats_leads_to_fallback_for_want_of_a_verdict(lab: Lab, tmp_path: Path):
    """Nobody listens on the AGI port: asked again each turn, then the PBX serves the caller itself."""
    with daemon(lab, agi="absent") as acd, busy_phones(lab, tmp_path), one_caller(lab, tmp_path):
        enter = acd.ami.wait_for("AcdEnter")
        assert acd.ami.wait_for("AcdFallback", Call=enter["Call"], timeout=14)["Why"] == "verdict"
        acd.hang_up(enter["Call"])


def test_caller_who_cancels_during_the_question_ends_once(lab: Lab, tmp_path: Path):
    """CANCEL before any answer: one AcdEnd in stage enter, nothing else."""
    plan = CallPlan(ani=f"+{next(_numbers)}", did="74951234567")
    with (
        daemon(lab, agi="hang") as acd,
        Callers(lab.ports.sip, [plan], tmp_path / "callers", cancel=True, timeout_s=20) as caller,
    ):
        end = acd.ami.wait_for("AcdEnd")
        assert (end["Stage"], end["By"]) == ("enter", "caller")
        assert caller.wait(5)
        assert [note["UserEvent"] for note in acd.ami.notes(end["Call"])] == ["AcdEnter", "AcdEnd"]


def test_callback_offer_is_taken_from_the_waiting_loop(lab: Lab, tmp_path: Path):
    """The daemon sets ACD_OFFER_CALLBACK; a caller who does not press stays in line, at the same place."""
    with daemon(lab) as acd, one_caller(lab, tmp_path) as caller:
        queued = acd.ami.wait_for("AcdQueued")
        acd.ami.action(Action="Setvar", Channel=queued["Uniqueid"], Variable="ACD_OFFER_CALLBACK", Value="1")
        assert acd.agi
        wait_exten(acd, queued, "ask")
        # no digit: back in the loop, where the announcement question is asked again
        before = len(acd.agi.asked)
        deadline = time.monotonic() + 30  # the number is read out meanwhile
        while len(acd.agi.asked) == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert caller.running
        assert not acd.ami.notes(queued["Call"], "AcdEnd")


def test_announcement_is_spoken_and_may_be_cut_by_an_offer(lab: Lab, tmp_path: Path):
    """Position and wait are said; a Redirect in mid-sentence works and no dead-man timer stays armed."""
    with (
        daemon(lab) as acd,
        Agents(lab.ports.sip, [OfferPlan(20, 2500)], tmp_path / "a", port=agents_port(lab)),
        one_caller(lab, tmp_path),
    ):
        assert acd.agi
        acd.agi.announcement = {"ACD_SAY_POSITION": "3", "ACD_SAY_WAIT_MIN": "4"}
        queued = acd.ami.wait_for("AcdQueued")
        wait_exten(acd, queued, "say")
        acd.offer(queued, "a1")
        acd.ami.wait_for("AcdAnswer", Call=queued["Call"])
        answered = time.monotonic()
        assert acd.ami.wait_for("AcdTalkEnd", Call=queued["Call"])["By"] == "agent"
        assert time.monotonic() - answered > 2


def wait_exten(acd: Daemon, note: Event, exten: str, timeout: float = 8) -> None:
    """Wait until the caller's channel executes this extension."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        acd.ami.action(Action="Status", Channel=note["Uniqueid"])
        time.sleep(0.05)
        if any(event.get("Event") == "Status" and event["Exten"] == exten for event in acd.ami.events):
            return
    raise AssertionError(f"the channel never was in {exten}")
