"""One call and its faults on a real Asterisk: the dialplan owns the call, the daemon only advises."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from simulator.lab import Lab
from simulator.lab.sipp import Agents, Answer, Callers, CallPlan, OfferPlan, double_booked, wait_ms
from tests.dialplan.driver import Ami, Event, as_journal, daemon, journal
from tests.lab_fixture import agents_port, lab  # noqa: F401 - the fixture is used by name

pytestmark = pytest.mark.e2e

_numbers = itertools.count(79_001_000_000)
QUICK = OfferPlan(ring_ms=40, talk_ms=200)


def one_caller(lab: Lab, folder: Path, **plan: object) -> Callers:
    values = {"ani": f"+{next(_numbers)}", "did": "74951234567", **plan}
    return Callers(lab.ports.sip, [CallPlan(**values)], folder / "callers", timeout_s=40)


def some_agents(lab: Lab, folder: Path, *plans: OfferPlan) -> Agents:
    return Agents(lab.ports.sip, plans or (QUICK,), folder / "agents", port=agents_port(lab), timeout_s=60)


def names(notes: list[Event]) -> list[str]:
    return [note["UserEvent"] for note in notes]


def test_one_answered_call_is_told_twice_in_the_same_words(lab: Lab, tmp_path: Path):
    """Every note stands in queue_log and came as UserEvent, same order and fields (001-21)."""
    with (
        daemon(lab) as acd,
        some_agents(lab, tmp_path) as phones,
        one_caller(lab, tmp_path, name="Иван") as caller,
    ):
        queued = acd.ami.wait_for("AcdQueued")
        call = queued["Call"]
        assert (queued["Why"], queued["Did"], queued["Subscriber"]) == ("new", "74951234567", "s1")
        assert queued["Needs"] == "ru:3.billing:2"
        assert acd.offer(queued, "a1")["Response"] == "Success"
        acd.ami.wait_for("AcdEnd", Call=call)
        assert caller.wait(5)
        notes = acd.ami.notes(call)
        expected = ["AcdEnter", "AcdQueued", "AcdDial", "AcdAnswer", "AcdTalkEnd", "AcdEnd"]
        assert names(notes) == expected
        assert [as_journal(note) for note in notes] == journal(lab, call)
        end, talk = notes[-1], notes[-2]
        assert (talk["By"], talk["Stays"]) == ("agent", "0")
        assert (end["Stage"], end["By"], end["Cause"]) == ("done", "agent", "16")
        [leg] = phones.records()
        assert (leg.agent, leg.call) == ("a1", call), (
            "the phone is shown our id, not the trunk's forged header"
        )
        [seen] = caller.records()
        assert seen.ani == leg.ani
        assert 0 < seen.at("OFFERED") <= seen.at("ENDED")
        assert call in lab.cel_csv.read_text(encoding="utf-8"), "CEL joins uniqueid and call"


def test_caller_who_hangs_up_in_the_talk_ends_it_himself(lab: Lab, tmp_path: Path):
    """By: caller; the agent's leg gets its BYE."""
    with (
        daemon(lab) as acd,
        some_agents(lab, tmp_path, OfferPlan(40, 60_000)) as phones,
        one_caller(lab, tmp_path, talk_ms=200),
    ):
        queued = acd.ami.wait_for("AcdQueued")
        acd.offer(queued, "a1")
        end = acd.ami.wait_for("AcdEnd", Call=queued["Call"])
        assert acd.ami.wait_for("AcdTalkEnd", Call=queued["Call"])["By"] == "caller"
        assert (end["Stage"], end["By"]) == ("talk", "caller")
        wait_until(lambda: phones.records()[0].at("ENDED"))


def test_agent_who_does_not_answer_costs_the_caller_no_place(lab: Lab, tmp_path: Path):
    """RNA (row 11): back to waiting with the same ENTER_MS, then another agent takes it."""
    plans = (OfferPlan(answer=Answer.SILENT), OfferPlan(answer=Answer.BUSY), QUICK)
    with daemon(lab, ACD_RING_S="1") as acd, some_agents(lab, tmp_path, *plans), one_caller(lab, tmp_path):
        first = acd.ami.wait_for("AcdQueued")
        acd.offer(first, "a1")
        again = acd.ami.wait_for("AcdQueued", Call=first["Call"], Why="returned")
        assert again["Enter_ms"] == first["Enter_ms"]
        assert acd.ami.wait_for("AcdDialEnd", Call=first["Call"])["Status"] == "NOANSWER"
        acd.offer(again, "a2", "2")
        acd.ami.wait_for("AcdQueued", Call=first["Call"], Why="returned", count=2)
        assert acd.ami.wait_for("AcdDialEnd", Attempt="2", Call=first["Call"])["Status"] == "BUSY"
        acd.offer(again, "a3", "3")
        assert acd.ami.wait_for("AcdAnswer", Call=first["Call"])["Agent"] == "a3"
        acd.ami.wait_for("AcdEnd", Call=first["Call"])


def test_unreachable_phone_sends_the_caller_back_at_once(lab: Lab, tmp_path: Path):
    """An agent without a registration: CHANUNAVAIL, not a hangup."""
    with daemon(lab) as acd, one_caller(lab, tmp_path):
        queued = acd.ami.wait_for("AcdQueued")
        acd.offer(queued, "x1")
        assert acd.ami.wait_for("AcdDialEnd", Call=queued["Call"])["Status"] == "CHANUNAVAIL"
        acd.ami.wait_for("AcdQueued", Call=queued["Call"], Why="returned")


def test_second_call_to_a_busy_agent_is_refused_by_the_dialplan(lab: Lab, tmp_path: Path):
    """Double booking (rows 2, 35): two daemons' decisions, one talk."""
    talk = OfferPlan(ring_ms=20, talk_ms=1500)
    with daemon(lab) as acd, some_agents(lab, tmp_path, talk) as phones:
        with one_caller(lab, tmp_path / "one"):
            one = acd.ami.wait_for("AcdQueued")
            acd.offer(one, "a4")
            acd.ami.wait_for("AcdAnswer", Call=one["Call"])
            with one_caller(lab, tmp_path / "two"):
                two = acd.ami.wait_for("AcdQueued", count=2)
                acd.offer(two, "a4", "1")
                assert acd.ami.wait_for("AcdDialEnd", Call=two["Call"])["Status"] == "DOUBLE"
                back = acd.ami.wait_for("AcdQueued", Call=two["Call"], Why="returned")
                assert back["Enter_ms"] == two["Enter_ms"]
                acd.ami.wait_for("AcdEnd", Call=one["Call"])
                # free again: the same agent may now have the second call
                acd.offer(two, "a4", "2")
                acd.ami.wait_for("AcdAnswer", Call=two["Call"])
        assert double_booked(phones.records()) == []


@pytest.mark.parametrize("exten", ["nobody_1", "zz", "../etc/passwd", "a1&PJSIP/trunk/900_1", "9", "h", "i_"])
def test_redirect_to_nowhere_leads_back_to_waiting(lab: Lab, tmp_path: Path, exten: str):
    """Row 7: a Redirect to an unknown extension answers Success and must not hang the caller up."""
    with daemon(lab) as acd, one_caller(lab, tmp_path):
        queued = acd.ami.wait_for("AcdQueued")
        acd.redirect(queued, "acd-dial", exten)
        acd.ami.wait_for("AcdQueued", Call=queued["Call"], count=2)
        assert not acd.ami.notes(queued["Call"], "AcdEnd")


def test_a_rule_plays_a_file_moves_the_caller_and_ends_in_a_message(lab: Lab, tmp_path: Path):
    """Announce, MoveToQueue and voice mail as the dialplan carries them out; place and card stay the caller's."""
    with daemon(lab) as acd, one_caller(lab, tmp_path):
        first = acd.ami.wait_for("AcdQueued")
        channel = first["Uniqueid"]
        acd.ami.action(Action="Setvar", Channel=channel, Variable="ACD_SAY_FILE", Value="vm-goodbye")
        wait_until(lambda: not variable(acd.ami, channel, "ACD_SAY_FILE"))
        acd.ami.action(
            Action="Redirect", Channel=channel, Context="acd-overflow", Exten="night-desk_2", Priority="1"
        )
        moved = acd.ami.wait_for("AcdQueued", Call=first["Call"], Why="returned")
        assert moved["Queue"] == "night-desk_2"
        assert (moved["Enter_ms"], moved["Card"]) == (first["Enter_ms"], first["Card"])
        acd.ami.action(
            Action="Redirect", Channel=channel, Context="acd-fallback", Exten="voicemail", Priority="1"
        )
        assert acd.ami.wait_for("AcdFallback", Call=first["Call"])["Why"] == "voicemail"
        assert acd.ami.wait_for("AcdVoicemail", Call=first["Call"])["Queue"] == "night-desk_2"


def variable(ami: Ami, channel: str, name: str) -> str:
    return ami.action(Action="Getvar", Channel=channel, Variable=name).get("Value", "")


def test_every_context_takes_a_lost_call_back(lab: Lab, tmp_path: Path):
    """Row 7 for the contexts a daemon could name by mistake."""
    with daemon(lab) as acd, one_caller(lab, tmp_path):
        queued = acd.ami.wait_for("AcdQueued")
        for number, context in enumerate(("acd-wait", "acd-in", "acd-callback", "acd-dial"), start=2):
            acd.redirect(queued, context, "?")
            acd.ami.wait_for("AcdQueued", Call=queued["Call"], count=number)


def test_caller_who_hangs_up_while_an_agent_rings_leaves_nothing_ringing(lab: Lab, tmp_path: Path):
    """Row 10: DialEnd CALLER_GONE, CANCEL at the agent, abandoned."""
    with (
        daemon(lab) as acd,
        some_agents(lab, tmp_path, OfferPlan(answer=Answer.SILENT)) as phones,
        one_caller(lab, tmp_path, talk_ms=400),
    ):
        queued = acd.ami.wait_for("AcdQueued")
        acd.offer(queued, "a1")
        end = acd.ami.wait_for("AcdEnd", Call=queued["Call"])
        assert (end["Stage"], end["By"]) == ("dial", "caller")
        assert acd.ami.wait_for("AcdDialEnd", Call=queued["Call"])["Status"] == "CALLER_GONE"
        wait_until(lambda: phones.records()[0].at("CANCELLED"))


def test_dead_agent_leg_puts_the_caller_at_the_head(lab: Lab, tmp_path: Path):
    """Row 37: the leg dies (not hung up by the agent), the caller waits on with why=head."""
    with (
        daemon(lab) as acd,
        # a third line: an INVITE left over from an earlier test may take the first, and the file begins anew
        some_agents(lab, tmp_path, OfferPlan(20, 60_000), QUICK, QUICK),
        one_caller(lab, tmp_path),
    ):
        queued = acd.ami.wait_for("AcdQueued")
        acd.offer(queued, "a1")
        answer = acd.ami.wait_for("AcdAnswer", Call=queued["Call"])
        # cause 41: what a lost network looks like; the channel is the agent's own
        acd.ami.action(Action="Hangup", Channel=answer["Uniqueid"], Cause="41")
        head = acd.ami.wait_for("AcdQueued", Call=queued["Call"], Why="head")
        assert head["Enter_ms"] == queued["Enter_ms"]
        talk = acd.ami.wait_for("AcdTalkEnd", Call=queued["Call"])
        assert (talk["By"], talk["Stays"]) == ("agent", "1")
        acd.offer(head, "a2", "2")
        assert acd.ami.wait_for("AcdAnswer", Call=queued["Call"], Attempt="2")["Agent"] == "a2"
        acd.ami.wait_for("AcdEnd", Call=queued["Call"])


def test_mobile_that_does_not_press_one_never_gets_the_call(lab: Lab, tmp_path: Path):
    """A mailbox that answers must not take a caller: REJECTED, back to waiting."""
    with daemon(lab) as acd, some_agents(lab, tmp_path, OfferPlan(20, 60_000)), one_caller(lab, tmp_path):
        queued = acd.ami.wait_for("AcdQueued")
        acd.offer(queued, "m1")
        ended = acd.ami.wait_for("AcdDialEnd", Call=queued["Call"], timeout=25)
        assert ended["Status"] == "REJECTED"
        acd.ami.wait_for("AcdQueued", Call=queued["Call"], Why="returned")
        assert not acd.ami.notes(queued["Call"], "AcdAnswer")


def test_refused_call_is_told_why_and_ends(lab: Lab, tmp_path: Path):
    """Closed hours: AcdRefused, the closed hook, then the end; never queued."""
    with daemon(lab, ACD_VERDICT="closed") as acd, one_caller(lab, tmp_path):
        refused = acd.ami.wait_for("AcdRefused")
        assert refused["Why"] == "closed"
        end = acd.ami.wait_for("AcdEnd", Call=refused["Call"], timeout=20)
        assert (end["Stage"], end["By"]) == ("done", "system")
        assert names(acd.ami.notes(refused["Call"])) == ["AcdEnter", "AcdRefused", "AcdEnd"]


def test_redirects_in_the_moment_of_queueing_are_all_dialled(lab: Lab, tmp_path: Path):
    """Row 5: AcdQueued is written only when a Redirect is safe; none may be lost or hang a caller up."""
    plans = [CallPlan(ani=f"+{next(_numbers)}", did="74951234567") for _ in range(60)]
    with daemon(lab) as acd, some_agents(lab, tmp_path, OfferPlan(0, 20)) as phones:
        acd.route(itertools.cycle([f"a{n}" for n in range(1, 7)]))
        with Callers(lab.ports.sip, plans, tmp_path / "callers", rate=10, timeout_s=30) as callers:
            assert callers.wait(30)
            assert len(wait_ms(callers.records(), phones.records())) == 60
        queued, dialled = acd.ami.notes(name="AcdQueued"), acd.ami.notes(name="AcdDial")
        double = [note for note in acd.ami.notes(name="AcdDialEnd") if note["Status"] == "DOUBLE"]
        assert len(dialled) + len(double) == len(queued), "each Redirect was carried out"


def wait_until(condition: object, timeout: float = 5) -> None:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.02)
    raise AssertionError("the condition never came true")
