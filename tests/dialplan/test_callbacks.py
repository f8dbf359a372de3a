"""Call-backs on a real Asterisk: agent first, then the number, and who may start them.

Requirements 003-24, 004-16; failure modes 18, 19; security rows 2, 8, 9.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulator.lab import Lab
from simulator.lab.sipp import Agents, Answer, Callers, CallPlan, OfferPlan
from tests.dialplan.driver import (
    Ami,
    Daemon,
    Event,
    Talk,
    as_journal,
    daemon,
    journal,
    wait_until_silent,
)
from tests.dialplan.spoken import Ears
from tests.lab_fixture import agents_port, lab, numbers_port  # noqa: F401 - the fixture is used by name

pytestmark = pytest.mark.e2e

_numbers = itertools.count(79_161_000_000)
QUICK = OfferPlan(ring_ms=40, talk_ms=300)
LONG = OfferPlan(ring_ms=40, talk_ms=60_000)


def names(notes: list[Event]) -> list[str]:
    return [note["UserEvent"] for note in notes]


@contextmanager
def originator(lab: Lab) -> Iterator[Ami]:
    link = Ami(lab.ports.ami, lab.callback_user, lab.callback_secret)
    try:
        yield link
    finally:
        link.close()


def originate(link: Ami, call: str, number: str, **variables: str) -> Event:
    """What the daemon sends; one Variable header takes them all, separated by commas."""
    given = {
        "ACD_ANI": number,
        "ACD_DID": "74951234567",
        "ACD_QUEUE": "q1",
        "ACD_SUBSCRIBER": "s1",
        "ACD_BACK_OF": "missed-1",
        "ACD_RING_S": "2",
        "ACD_MAX_TURNS": "100",
        **variables,
    }
    return link.action(
        Action="Originate",
        Channel=f"Local/{call}@acd-callback-out/n",
        Context="acd-callback-number",
        Exten="s",
        Priority="1",
        Timeout="60000",
        Async="true",
        ChannelId=call,
        OtherChannelId=f"{call}-2",
        Variable=",".join(f"{name}={value}" for name, value in given.items()),
    )


@contextmanager
def phones(lab: Lab, folder: Path, agent: OfferPlan, number: OfferPlan) -> Iterator[tuple[Agents, Agents]]:
    with (
        Agents(lab.ports.sip, [agent], folder / "agents", port=agents_port(lab), timeout_s=60) as agents,
        Agents(lab.ports.sip, [number], folder / "numbers", port=numbers_port(lab), timeout_s=60) as numbers,
    ):
        try:
            yield agents, numbers
        finally:
            # while the phones live: a BYE repeated to a port of yesterday would eat the next test's first plan
            lab.console("channel request hangup all")
            wait_until_silent(lab)


def begin(acd: Daemon, link: Ami, **variables: str) -> tuple[Event, str]:
    call, number = str(uuid.uuid4()), f"+{next(_numbers)}"
    assert originate(link, call, number, **variables)["Response"] == "Success"
    return acd.ami.wait_for("AcdQueued", Call=call), number


def test_the_agent_is_dialled_first_then_the_number_and_the_notes_tell_all(lab: Lab, tmp_path: Path):
    with daemon(lab) as acd, originator(lab) as link, phones(lab, tmp_path, LONG, QUICK) as (agents, numbers):
        queued, number = begin(acd, link, ACD_ENTER_MS="1700000000000")
        call = queued["Call"]
        assert (queued["Enter_ms"], queued["Ani"]) == ("1700000000000", number)
        time.sleep(0.3)
        assert not numbers.records(), "nothing is dialled before an agent has it"
        acd.offer(queued, "a1")
        acd.ami.wait_for("AcdEnd", Call=call, timeout=10)
        notes = acd.ami.notes(call)
        expected = [
            "AcdEnter",
            "AcdCallbackBegin",
            "AcdQueued",
            "AcdDial",
            "AcdAnswer",
            "AcdNumberDial",
            "AcdNumberAnswer",
        ]
        assert names(notes)[:7] == expected
        assert set(names(notes)[7:]) == {"AcdNumberEnd", "AcdTalkEnd", "AcdEnd"}
        assert acd.ami.wait_for("AcdNumberEnd", Call=call)["Status"] == "ANSWER"
        assert acd.ami.wait_for("AcdTalkEnd", Call=call)["By"] == "caller"
        assert acd.ami.wait_for("AcdEnd", Call=call)["Stage"] == "talk"
        assert sorted(as_journal(note) for note in acd.ami.notes(call)) == sorted(journal(lab, call))
        [agent], [client] = agents.records(), numbers.records()
        assert (agent.agent, agent.call, client.agent) == ("a1", call, number)
        assert client.ani == "74951234567", "the client sees the firm's number"
        assert agent.at("ANSWER") <= client.at("INVITE")


@pytest.mark.parametrize("asked", ["ACD_OFFER_CALLBACK=1", "ACD_SAY_FILE=vm-goodbye"])
def test_a_waiting_callback_is_told_and_offered_nothing(lab: Lab, tmp_path: Path, asked: str):
    """A prompt would answer it, and its number be rung without an agent (met when the note of its beginning was lost)."""
    name, value = asked.split("=")
    with daemon(lab) as acd, originator(lab) as link, phones(lab, tmp_path, LONG, LONG) as (_, numbers):
        queued, _ = begin(acd, link)
        acd.ami.action(Action="Setvar", Channel=queued["Uniqueid"], Variable=name, Value=value)
        time.sleep(4.0)  # one turn of the waiting loop takes three
        assert not numbers.records()
        assert names(acd.ami.notes(queued["Call"])) == ["AcdEnter", "AcdCallbackBegin", "AcdQueued"]


def test_a_number_that_does_not_answer_ends_both_legs(lab: Lab, tmp_path: Path):
    silent = OfferPlan(answer=Answer.SILENT)
    with daemon(lab) as acd, originator(lab) as link, phones(lab, tmp_path, LONG, silent):
        queued, _ = begin(acd, link, ACD_BACK_RING_S="1")
        acd.offer(queued, "a2")
        end = acd.ami.wait_for("AcdNumberEnd", Call=queued["Call"], timeout=10)
        assert end["Status"] == "NOANSWER"
        acd.ami.wait_for("AcdEnd", Call=queued["Call"])
        assert "AcdNumberAnswer" not in names(acd.ami.notes(queued["Call"]))


def test_an_agent_who_does_not_answer_costs_the_callback_no_place_and_dials_nobody(lab: Lab, tmp_path: Path):
    silent = OfferPlan(answer=Answer.SILENT)
    with daemon(lab) as acd, originator(lab) as link, phones(lab, tmp_path, silent, QUICK) as (_, numbers):
        queued, _ = begin(acd, link, ACD_RING_S="1")
        acd.offer(queued, "a3")
        again = acd.ami.wait_for("AcdQueued", Call=queued["Call"], Why="returned")
        assert again["Enter_ms"] == queued["Enter_ms"]
        assert not numbers.records()


def test_an_agent_who_hangs_up_while_the_number_rings_ends_it(lab: Lab, tmp_path: Path):
    silent = OfferPlan(answer=Answer.SILENT)
    brief = OfferPlan(ring_ms=40, talk_ms=500)
    with daemon(lab) as acd, originator(lab) as link, phones(lab, tmp_path, brief, silent) as (_, numbers):
        queued, _ = begin(acd, link)
        acd.offer(queued, "a4")
        assert acd.ami.wait_for("AcdTalkEnd", Call=queued["Call"])["By"] == "agent"
        assert acd.ami.wait_for("AcdNumberEnd", Call=queued["Call"])["Status"] in ("CANCEL", "NOANSWER")
        acd.ami.wait_for("AcdEnd", Call=queued["Call"])
        deadline = time.monotonic() + 5
        while not numbers.records()[0].at("CANCELLED"):
            assert time.monotonic() < deadline, "the number rings on"
            time.sleep(0.05)


def test_an_agent_in_a_callback_is_not_offered_a_call_as_well(lab: Lab, tmp_path: Path):
    """Row 35: the GROUP guard counts a call-back like any call."""
    with daemon(lab) as acd, originator(lab) as link, phones(lab, tmp_path, LONG, LONG):
        one, _ = begin(acd, link)
        acd.offer(one, "a5")
        acd.ami.wait_for("AcdNumberAnswer", Call=one["Call"])
        two, _ = begin(acd, link)
        acd.offer(two, "a5")
        assert acd.ami.wait_for("AcdDialEnd", Call=two["Call"])["Status"] == "DOUBLE"


@contextmanager
def talk(lab: Lab, folder: Path, *plans: OfferPlan, number: OfferPlan = LONG) -> Iterator[Talk]:
    """a1 talks with a client who is called back; `plans` are what the next phones do, in order."""
    with (
        daemon(lab) as acd,
        originator(lab) as link,
        Agents(lab.ports.sip, [LONG, *plans], folder / "agents", port=agents_port(lab), timeout_s=90),
        Agents(lab.ports.sip, [number], folder / "numbers", port=numbers_port(lab), timeout_s=90),
    ):
        queued, _ = begin(acd, link)
        acd.offer(queued, "a1")
        answer = acd.ami.wait_for("AcdAnswer", Call=queued["Call"])
        acd.ami.wait_for("AcdNumberAnswer", Call=queued["Call"])
        time.sleep(0.6)
        try:
            yield Talk(acd, queued, answer)
        finally:
            lab.console("channel request hangup all")
            wait_until_silent(lab)


def test_a_callback_is_handed_on_at_once(lab: Lab, tmp_path: Path):
    """002-08: the client of a call-back may need a colleague like any other."""
    with talk(lab, tmp_path, OfferPlan(20, 1_500)) as it:
        it.blind("agent_a2")
        assert it.wait("AcdTransfer")["Agent"] == "a1"
        assert it.wait("AcdAnswer", Agent="a2")["Attempt"] == "2"
        end = it.wait("AcdEnd")
        assert (end["Stage"], end["By"]) == ("done", "agent")
        assert "AcdDialEnd" not in it.names()
        assert len(it.acd.ami.notes(it.call, "AcdNumberDial")) == 1, "the client is dialled once"
        it.said_twice(lab)


def test_a_callback_handed_to_a_colleague_who_is_busy_comes_back(lab: Lab, tmp_path: Path):
    with talk(lab, tmp_path, OfferPlan(answer=Answer.BUSY), LONG) as it:
        it.blind("agent_a2")
        assert it.wait("AcdDialEnd", Agent="a2")["Status"] == "BUSY"
        assert it.wait("AcdAnswer", Agent="a1", Attempt="3")


def test_a_callback_moves_to_another_line_with_its_client(lab: Lab, tmp_path: Path):
    with talk(lab, tmp_path, OfferPlan(20, 1_500)) as it:
        it.blind("queue_other-1")
        again = it.wait("AcdQueued", Why="returned")
        assert again["Queue"] == "other-1"
        it.acd.offer(again, "a3", "2")
        assert it.wait("AcdAnswer", Agent="a3")
        assert it.wait("AcdEnd")["By"] == "agent"


def test_in_a_callback_a_colleague_is_asked_and_lets_go_and_another_takes_over(lab: Lab, tmp_path: Path):
    """Joining again and joining with the target are written on the half that dialled the number."""
    with talk(lab, tmp_path, OfferPlan(20, 800), OfferPlan(20, 3_000)) as it:
        it.consult("agent_a2")
        it.wait("AcdConsultAnswer")
        assert it.wait("AcdConsultEnd")["Status"] == "RETURNED"
        it.consult("agent_a3")
        it.wait("AcdConsultAnswer", Agent="a3")
        it.hang_up(it.answer["Uniqueid"])
        assert it.wait("AcdAnswer", Agent="a3")["Attempt"] == "2"
        assert it.wait("AcdEnd")["By"] == "agent"
        it.said_twice(lab)


def test_the_client_of_a_callback_hangs_up_while_somebody_is_asked(lab: Lab, tmp_path: Path):
    with talk(lab, tmp_path, OfferPlan(20, 5_000), number=OfferPlan(40, 4_000)) as it:
        it.consult("agent_a2")
        it.wait("AcdConsultAnswer")
        assert it.wait("AcdNumberEnd")["Status"] == "ANSWER"
        assert it.wait("AcdTalkEnd")["Stays"] == "0"
        it.wait("AcdEnd")


def test_a_mobile_agent_who_pressed_1_and_hangs_up_first_has_finished(lab: Lab, tmp_path: Path):
    """He did press it, whatever half of the channel says so: the client is offered to nobody else."""
    lab.console("module load app_senddtmf.so")
    brief = OfferPlan(ring_ms=40, talk_ms=5_000)
    ears = Ears(lab)
    with daemon(lab) as acd, originator(lab) as link, phones(lab, tmp_path, brief, LONG):
        queued, _ = begin(acd, link)
        acd.offer(queued, "m1")
        call = queued["Call"]
        end = time.monotonic() + 4
        while not acd.ami.notes(call, "AcdAnswer"):
            assert time.monotonic() < end, "1 was not heard"
            for channel in {
                e["Channel"] for e in acd.ami.events if e.get("Channel", "").startswith("PJSIP/m1-")
            }:
                acd.ami.action(Action="PlayDTMF", Channel=channel, Digit="1", Receive="true")
            time.sleep(0.5)
        assert ears.wait_for("priv-callpending", on="PJSIP/m1-") == "en", "the agent's own language"
        acd.ami.wait_for("AcdNumberAnswer", Call=call)
        assert acd.ami.wait_for("AcdTalkEnd", Call=call, timeout=12)["By"] == "agent"
        acd.ami.wait_for("AcdEnd", Call=call)
        assert "AcdDialEnd" not in names(acd.ami.notes(call))
        assert len(acd.ami.notes(call, "AcdQueued")) == 1
    lab.console("module unload app_senddtmf.so")


def test_a_mobile_agents_mailbox_after_another_agents_talk_took_nothing(lab: Lab, tmp_path: Path):
    """What the last agent's answer wrote must not make this one's silence a talk."""
    with talk(lab, tmp_path, OfferPlan(20, 1_500)) as it:
        it.hang_up(it.answer["Uniqueid"])  # the leg breaks: the client waits at the head
        again = it.wait("AcdQueued", Why="head")
        it.acd.offer(again, "m1", "2")
        assert it.wait("AcdDialEnd", Agent="m1")["Status"] == "REJECTED"
        it.wait("AcdQueued", Why="returned")


def test_a_client_reached_is_not_hung_up_on_when_leg_and_daemon_break(lab: Lab, tmp_path: Path):
    """Row 18: somebody is on the line, so the PBX serves him as it serves a caller."""
    with talk(lab, tmp_path, OfferPlan(20, 60_000)) as it:
        it.acd.die()
        it.hang_up(it.answer["Uniqueid"])
        assert it.wait("AcdTalkEnd")["Stays"] == "1"
        assert it.wait("AcdFallback")["Why"] == "heartbeat"
        assert it.wait("AcdFallbackAnswer")["Agent"]
        assert "AcdNumberEnd" not in it.names()
        assert "AcdEnd" not in it.names()


def test_a_dead_daemon_ends_the_callback_instead_of_sending_it_to_the_fallback(lab: Lab, tmp_path: Path):
    with (
        daemon(lab) as acd,
        originator(lab) as link,
        phones(lab, tmp_path, QUICK, QUICK) as (agents, numbers),
    ):
        queued, _ = begin(acd, link)
        acd.die()
        end = acd.ami.wait_for("AcdNumberEnd", Call=queued["Call"], timeout=16)
        assert end["Status"] == "NO_AGENT"
        acd.ami.wait_for("AcdEnd", Call=queued["Call"])
        assert "AcdFallback" not in names(acd.ami.notes(queued["Call"]))
        assert not agents.records()
        assert not numbers.records()


@pytest.mark.parametrize(
    "number",
    [
        "+380441234567",
        "+88299912345",
        "+78091234567",  # premium inside the country code
        "112",
        "9161234567",
        "+7916123456",
        "+79161234567890",
        "79161234567",
        "+79161234567&PJSIP/trunk/900",
        "",
    ],
)
def test_the_dialplan_itself_refuses_numbers_outside_the_pattern(lab: Lab, number: str):
    """Security rows 8 and 9: whoever has the originate user still does not reach these through our context."""
    with daemon(lab) as acd, originator(lab) as link:
        call = str(uuid.uuid4())
        originate(link, call, number, ACD_BACK_APPROVED="1")
        cleaned = "".join(c for c in number if c in "0123456789+")
        end = acd.ami.wait_for("AcdNumberEnd", Call=call)
        assert end["Status"] == "REFUSED", cleaned
        acd.ami.wait_for("AcdEnd", Call=call)
        assert "AcdQueued" not in names(acd.ami.notes(call))


def test_one_id_cannot_be_dialled_twice_at_once(lab: Lab, tmp_path: Path):
    """A replayed Originate with the preset ids is refused while the first lives."""
    with daemon(lab) as acd, originator(lab) as link, phones(lab, tmp_path, QUICK, QUICK):
        queued, number = begin(acd, link)
        originate(link, queued["Call"], number)
        time.sleep(0.5)
        assert len(acd.ami.notes(queued["Call"], "AcdEnter")) == 1


@pytest.mark.parametrize(
    "action",
    [
        {"Action": "Redirect", "Channel": "x", "Context": "acd-dial", "Exten": "a1_1", "Priority": "1"},
        {"Action": "Setvar", "Variable": "ACD_OUT_ALLOWED", "Value": ".*"},
        {"Action": "Getvar", "Variable": "ACD_OUT_ALLOWED"},
        {"Action": "Command", "Command": "core show channels"},
        {"Action": "Status"},
        {"Action": "CoreShowChannels"},
        {"Action": "Hangup", "Channel": "x"},
        {"Action": "UpdateConfig", "SrcFilename": "manager.conf", "DstFilename": "manager.conf"},
        {"Action": "ModuleLoad", "LoadType": "load", "Module": "app_system.so"},
        {"Action": "Originate", "Channel": "Local/s@acd/n", "Application": "System", "Data": "id"},
    ],
    ids=lambda action: str(action["Action"]),
)
def test_the_originate_user_may_do_nothing_else(lab: Lab, action: dict[str, str]):
    """Security row 2: least rights, on a real Asterisk."""
    with originator(lab) as link:
        reply = link.action(**action)
        assert reply["Response"] == "Error", reply


def test_the_router_may_not_originate(lab: Lab):
    with daemon(lab) as acd:
        reply = originate(acd.ami, str(uuid.uuid4()), "+79161234567")
        assert (reply["Response"], reply["Message"]) == ("Error", "Permission denied")


SPOOLER = """#!/bin/sh
# stands in for bin/agi-offer-callback: this Asterisk's tree has no Python
while read -r line && [ -n "$line" ]; do echo "$line" >> "$0.seen"; done
echo 'SET VARIABLE ACD_VERDICT "callback"'
read -r reply
"""


def test_with_the_daemon_down_a_script_of_asterisk_takes_the_number(tmp_path: Path):
    """The one-shot script gets call and number; a verdict means it is kept, so nobody is asked twice."""
    settings = {"fallback_s": "1", "out_port": "5060"}
    with Lab(f"spool{uuid.uuid4().hex[:6]}", settings=settings, die_with_parent=True) as own:
        script = own.run / "spooler.sh"
        script.write_text(SPOOLER, encoding="utf-8")
        script.chmod(0o755)
        own.console(f"dialplan set global ACD_SPOOL_AGI {script}")
        watcher = Ami(own.ports.ami, own.router_user, own.router_secret)
        plan = CallPlan("112", "74951234567")
        with Callers(own.ports.sip, [plan], tmp_path / "caller", timeout_s=60):
            call = watcher.wait_for("AcdFallback", timeout=20)["Call"]
            watcher.wait_for("AcdVoicemail", Call=call, timeout=20)
        seen = (own.run / "spooler.sh.seen").read_text(encoding="utf-8")
        assert f"agi_arg_1: {call}" in seen
        assert "agi_arg_2: 112" in seen
        assert watcher.notes(call, "AcdCallback") == []
        watcher.close()
