"""The whole link against a real Asterisk: a SIP caller, a SIP agent, our dialplan (rows 9, 22; security 2)."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import time
from collections.abc import Iterator
from typing import Self

import pytest

from acd.adapters.asterisk.channels import EVENTS, Translator
from acd.adapters.asterisk.connection import AmiConnection
from acd.adapters.asterisk.fastagi import FastAgiServer, Route
from acd.adapters.asterisk.link import AmiSettings
from acd.adapters.asterisk.resync import Synchroniser
from acd.adapters.asterisk.switch import AsteriskSwitch, Heartbeat
from acd.adapters.asterisk.wall import AsteriskWall
from acd.asterisk_files import outside_file
from acd.core import events as fact
from acd.core.effects import OfferCall, SendToFallback
from acd.core.events import LiveAgent, QueuedWhy, WorldSynced
from acd.ports import PortError
from agi_scripts.enter_queue import EnterQuestion
from agi_scripts.route_did import NumberPlan
from simulator.lab.agents import Agent
from simulator.lab.instance import TRUNK_HOST, Lab

pytestmark = pytest.mark.e2e

DID = "74951234567"
CALLER = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="caller that stays until Asterisk hangs up">
<send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "x" <sip:+79121234567@[local_ip]:[local_port]>;tag=[pid]t[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:x@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=c 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000
]]></send>
<recv response="100" optional="true"/><recv response="180" optional="true"/>
<recv response="183" optional="true"/><recv response="200" rrs="true"/>
<send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "x" <sip:+79121234567@[local_ip]:[local_port]>;tag=[pid]t[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv request="BYE" timeout="30000"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""


def free_udp() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    assert shutil.which("sipp"), "SIPp is missing: apt-get install sip-tester"
    agents = [Agent("a1", contact=f"sip:a1@127.0.0.1:{free_udp()}"), Agent("x1")]
    with Lab(f"link{os.getpid()}", agents=agents, die_with_parent=True) as running:
        yield running
    if running._process is not None:
        running._process.wait(5)  # taken from the process table, or Python warns at exit


class Clock:
    def now(self) -> int:
        return int(time.time() * 1000)


class NobodyKnown:
    async def find(self, ani, did):
        return {"name": "Иван", "priority": 2.0}


class Daemon:
    """Everything of the daemon that touches Asterisk; facts end in a list."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.facts: list[object] = []
        self.changed = asyncio.Event()
        translator = Translator({"a1": "PJSIP/a1", "x1": "PJSIP/x1"})
        self.sync = Synchroniser(translator, self.tell, Clock(), known_agents=self.known)
        settings = AmiSettings(lab.router_user, lab.router_secret, port=lab.ports.ami, interest=EVENTS)
        self.connection = AmiConnection(settings, self.sync.on_event, self.sync.on_state)
        self.sync.attach(self.connection)
        self.switch = AsteriskSwitch(self.connection, translator, self.sync.released)
        self.heart = Heartbeat(self.connection, self.sync.released, self.sync.suspect)
        plan = NumberPlan("q1", "s1", "Фирма", ring_s=5)
        enter = EnterQuestion(lambda: {DID: plan}, NobodyKnown(), lambda: "100-7")
        self.agi = FastAgiServer({"enter_queue": Route(enter)}, self.tell)
        self.tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.agi.start(port=self.lab.ports.agi)
        self.tasks = [
            asyncio.create_task(work) for work in (self.connection.run(), self.sync.run(), self.heart.run())
        ]
        await asyncio.wait_for(self.sync.released.wait(), 15)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.agi.close()

    async def known(self):
        return [LiveAgent("a1", logged_in=True), LiveAgent("x1", logged_in=True)]

    def tell(self, one: object) -> None:
        self.facts.append(one)
        self.changed.set()

    async def heard(self, kind: type):
        async with asyncio.timeout(15):
            while True:
                for one in self.facts:
                    if isinstance(one, kind):
                        return one
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def phones(lab, tmp_path):
    """An agent that always answers, and a function that lets a caller call."""
    scenario = tmp_path / "caller.xml"
    scenario.write_text(CALLER)
    running: list[asyncio.subprocess.Process] = []

    async def start(*words: str) -> None:
        quiet = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL, "cwd": tmp_path}
        media = ("-mp", str(free_udp()), "-nostdin")
        running.append(await asyncio.create_subprocess_exec("sipp", *words, *media, **quiet))

    port = lab.agents[0].contact.rpartition(":")[2]
    await start("-sn", "uas", "-i", "127.0.0.1", "-p", port)

    async def call() -> None:
        target = f"127.0.0.1:{lab.ports.sip}"
        await start("-sf", str(scenario), "-i", TRUNK_HOST, "-s", DID, "-m", "1", target)

    yield call
    for process in running:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def channels_of(lab: Lab, word: str) -> list[str]:
    text = await asyncio.to_thread(lab.console, "core show channels concise")
    return [line.split("!")[0] for line in text.splitlines() if word in line.split("!")[0]]


async def test_a_call_is_entered_offered_answered_adopted_by_a_second_daemon_and_ended(lab, phones):
    async with Daemon(lab) as first:
        world = first.facts[0]
        assert isinstance(world, WorldSynced)
        assert [a.reachable for a in world.agents] == [True, False], "x1 never registered"
        await phones()
        queued = await first.heard(fact.CallQueued)
        assert (queued.queue, queued.subscriber, queued.did, queued.ani) == ("q1", "s1", DID, "+79121234567")
        assert (queued.card_number, queued.priority) == ("100-7", 2.0)
        await first.switch.offer(OfferCall(1, queued.call, "a1", 7, 5_000))
        answered = await first.heard(fact.CallAnswered)
        kinds = [type(one) for one in first.facts if getattr(one, "call", "") == queued.call]
        assert kinds == [
            fact.CallEntered, fact.CallQueued, fact.OfferConfirmed, fact.AgentRinging, fact.CallAnswered,
        ]  # fmt: skip
        assert first.heart.counters["refused"] == 0
    # The first daemon is gone in mid-talk; the next one finds the call as it is.
    async with Daemon(lab) as second:
        (live,) = second.facts[0].calls
        assert (live.call, live.stage, live.agent, live.attempt) == (queued.call, "talk", "a1", 7)
        assert (live.entered_at, live.priority, live.card_number) == (queued.entered_at, 2.0, "100-7")
        assert live.answered_at is not None
        assert abs(live.answered_at - answered.at) < 1_000
        assert not second.facts[0].agents[0].in_own_call
        (leg,) = await channels_of(lab, "PJSIP/a1-")
        await second.connection.action("Hangup", {"Channel": leg})
        # Not the agent's own BYE but a leg that broke: the caller stays and goes to the head of the line.
        talk = await second.heard(fact.TalkEnded)
        assert (talk.agent, talk.attempt, talk.caller_stays) == ("a1", 7, True)
        again = await second.heard(fact.CallQueued)
        assert (again.call, again.why, again.entered_at) == (queued.call, QueuedWhy.HEAD, queued.entered_at)
        (caller,) = await channels_of(lab, "PJSIP/")
        await second.connection.action("Hangup", {"Channel": caller})
        ended = await second.heard(fact.CallEnded)
        assert ended.call == queued.call
        assert second.agi.counters["bad_sessions"] == 0
        with pytest.raises(PortError, match="gone"):
            await second.switch.offer(OfferCall(2, queued.call, "a1", 8, 5_000))


async def test_a_call_sent_to_fallback_says_why(lab, phones):
    async with Daemon(lab) as daemon:
        await phones()
        queued = await daemon.heard(fact.CallQueued)
        await daemon.switch.send_to_fallback(SendToFallback(1, queued.call, "no_agents"))
        left = await daemon.heard(fact.CallLeftToFallback)
        assert (left.call, left.why) == (queued.call, "no_agents")
        for channel in await channels_of(lab, "PJSIP/"):
            await daemon.connection.action("Hangup", {"Channel": channel})
        ended = await daemon.heard(fact.CallEnded)
        assert ended.call == queued.call


async def test_the_routers_user_can_do_what_it_needs_and_no_more(lab):
    """Security 2: no console, no files, no calls out, no configuration."""
    async with Daemon(lab) as daemon:
        for name, headers in (
            ("Command", {"Command": "core show version"}),
            (
                "Originate",
                {"Channel": "Local/s@acd-in", "Application": "System", "Data": "true", "Async": "true"},
            ),
            ("GetConfig", {"Filename": "manager.conf"}),
            ("Setvar", {"Variable": "FILE(/tmp/x)", "Value": "x"}),
            ("Getvar", {"Variable": "SHELL(id)"}),
            ("Redirect", {"Channel": "1.1", "Context": "acd-dial", "Exten": "a1_1", "Priority": "1"}),
        ):
            answer = await daemon.connection.action(name, headers)
            assert answer.name == "Error", name
        assert answer.get("Message").startswith("Channel does not exist")


async def test_the_pbx_says_itself_which_outside_numbers_it_would_refuse(lab):
    """Decision 0220: asked with the router's own rights, answered by Asterisk's own expressions and dialplan."""
    home, abroad, unlisted = "+74951234567", "+19005551234", "+78121234567"
    path = lab.etc / "acd-outside.conf"
    async with Daemon(lab) as daemon:
        wall = AsteriskWall(daemon.connection)
        assert await wall.refused([home]) == {home}, "no generated context yet: nobody is rung"
        path.write_text(outside_file(["+7495", "+1900"], "PJSIP/a1"), encoding="utf-8")
        try:
            await asyncio.to_thread(lab.console, "dialplan reload")
            assert await wall.refused([home, abroad, unlisted]) == {abroad, unlisted}
        finally:
            path.unlink()
            await asyncio.to_thread(lab.console, "dialplan reload")
