"""What comes from outside forges nothing: no note, no event, no leg, no file, no right."""

from __future__ import annotations

import csv
import itertools
import socket
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from simulator.lab import Lab
from simulator.lab.sipp import Agents, Callers, CallPlan, OfferPlan
from tests.dialplan.driver import Ami, as_journal, daemon, journal
from tests.lab_fixture import agents_port, lab  # noqa: F401 - the fixture is used by name

pytestmark = pytest.mark.e2e

LISTENING = "0A"
_numbers = itertools.count(79_003_000_000)
HOSTILE_NAMES = {
    "quotes": 'x\\" <sip:evil@h>;a=\\"',
    "variables": "${SHELL(id)} ${EVAL(${ACD_CALL})} $[1+1]",
    "separators": "a|b|ACDEND|ms=1,Call: x,Agent: y",
    "escaped newline": "x\\r\\nEvent: Hangup\\r\\nChannel: y",
    "cyrillic and emoji": "Вася «Пупкин» 🎉‮gnp",  # noqa: PLE2502 - that is the point
    "long": "Ж" * 250,
    "commas and brackets": "))),((,,^^&&/PJSIP/trunk",
}
HOSTILE_NUMBERS = {
    "dial": "500&PJSIP%2Ftrunk%2F900",
    "function": "%24%7BSHELL(id)%7D",
    "pipes": "7900%7CACDEND%7Cx",
    "path": "..%2F..%2Fetc",
    "newline": "7900%0D%0AEvent%3A%20Hangup",
    "frame": "7900%0D%0A%0D%0AEvent%3A%20UserEvent%0D%0AUserEvent%3A%20AcdFeature%0D%0AAgent%3A%20a1%0D%0AAction%3A%20logout%0D%0A%0D%0AX%3A",
    "long": "7" * 200,
}


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES.keys())
def test_hostile_display_name_forges_nothing(lab: Lab, tmp_path: Path, name: str):
    """Security rows 5 to 7: the name reaches the agent's phone at most as text."""
    plan = CallPlan(ani=f"+{next(_numbers)}", did="74951234567", name=name)
    with (
        daemon(lab, ACD_NAME="") as acd,
        Agents(lab.ports.sip, [OfferPlan(20, 100)], tmp_path / "a", port=agents_port(lab)) as phones,
        Callers(lab.ports.sip, [plan], tmp_path / "c", timeout_s=20),
    ):
        queued = acd.ami.wait_for("AcdQueued")
        acd.offer(queued, "a1")
        acd.ami.wait_for("AcdEnd", Call=queued["Call"])
        check_honest(acd.ami, lab, queued["Call"])
        assert [leg.call for leg in phones.records() if leg.call] == [
            queued["Call"]
        ]  # "": an INVITE left over


@pytest.mark.parametrize("number", HOSTILE_NUMBERS.values(), ids=HOSTILE_NUMBERS.keys())
def test_hostile_numbers_are_filtered_before_anything_else(lab: Lab, tmp_path: Path, number: str):
    """ANI and DID: only digits and plus survive; 0 outbound legs."""
    plan = CallPlan(ani=number, did="74951234567")
    with daemon(lab) as acd, Callers(lab.ports.sip, [plan], tmp_path / "c", timeout_s=20):
        queued = acd.ami.wait_for("AcdQueued")
        assert queued["Did"] == "74951234567"
        assert set(queued["Ani"]) <= set("0123456789+")
        assert len(queued["Ani"]) <= 24
        check_honest(acd.ami, lab, queued["Call"])
        channels = [line for line in lab.console("core show channels concise").splitlines() if "!" in line]
        assert len(channels) == 1, channels


@pytest.mark.parametrize("number", HOSTILE_NUMBERS.values(), ids=HOSTILE_NUMBERS.keys())
def test_hostile_called_number_makes_no_channel_at_all(lab: Lab, tmp_path: Path, number: str):
    """Security row 7: exact patterns; the phone gets 404 before anything is printed anywhere."""
    plan = CallPlan(ani=f"+{next(_numbers)}", did="7495" + number)
    with daemon(lab) as acd, Callers(lab.ports.sip, [plan], tmp_path / "c", timeout_s=8) as caller:
        assert caller.wait(8)
        assert acd.ami.notes() == []
        assert not [event for event in acd.ami.events if event.get("Event") == "Newchannel"]


def check_honest(ami: Ami, lab: Lab, call: str) -> None:
    """The call's notes are the only ones and the same twice; a forged frame lacks Asterisk's random name."""
    name = next(event["SystemName"] for event in ami.events if event.get("Call") == call)
    forged = [event for event in ami.events if event.get("SystemName") != name and "Event" in event]
    ami.events = [event for event in ami.events if event not in forged]
    notes = ami.notes(call)
    assert [as_journal(note) for note in notes] == journal(lab, call)
    assert [note for note in ami.notes() if note["Call"] != call] == []
    assert not [event for event in ami.events if event.get("Channel") in ("y", "x")]
    for line in lab.cel_csv.read_text(encoding="utf-8").splitlines():
        assert len(next(csv.reader([line]))) == 11, line
    for line in lab.queue_log.read_text(encoding="utf-8").splitlines():
        assert line.split("|")[0].isdigit(), line


@pytest.mark.parametrize(
    "action",
    [
        {
            "Action": "Originate",
            "Channel": "Local/s@acd-in",
            "Application": "Wait",
            "Data": "1",
            "Async": "true",
        },
        {"Action": "Command", "Command": "core show version"},
        {"Action": "Setvar", "Variable": "FILE(/tmp/acd-forged)", "Value": "x"},
        {"Action": "Getvar", "Variable": "SHELL(id)"},
        {"Action": "GetConfig", "Filename": "manager.conf"},
        {"Action": "UpdateConfig", "SrcFilename": "a.conf", "DstFilename": "a.conf"},
        {"Action": "ModuleLoad", "Module": "func_shell.so", "LoadType": "load"},
        {"Action": "QueueAdd", "Queue": "acd-fallback", "Interface": "PJSIP/a1"},
        {"Action": "DBPut", "Family": "a", "Key": "b", "Val": "c"},
        {"Action": "Reload"},
    ],
    ids=lambda action: f"{action['Action']}-{action.get('Variable', '')}",
)
def test_router_user_has_no_right_it_does_not_need(lab: Lab, action: dict[str, str]):
    """Security row 2."""
    ami = Ami(lab.ports.ami, lab.router_user, lab.router_secret)
    try:
        assert ami.action(**action)["Response"] == "Error"
    finally:
        ami.close()


def test_the_manager_listens_on_the_loopback_only(lab: Lab):
    """Security row 1: what an office or a VPN would see is a closed port."""
    for table in ("tcp", "tcp6"):
        lines = Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        for local, state in ((line.split()[1], line.split()[3]) for line in lines):
            address, port = local.split(":")
            if int(port, 16) == lab.ports.ami and state == LISTENING:
                assert address == "0100007F"


def test_the_right_secret_from_the_wrong_address_does_not_open_the_manager(lab: Lab):
    """Security row 1: `permit` names one address, and 127.0.0.2 is another."""

    def log_in(source: str) -> bytes:
        address = ("127.0.0.1", lab.ports.ami)
        with socket.create_connection(address, timeout=5, source_address=(source, 0)) as link:
            link.sendall(
                f"Action: Login\r\nUsername: {lab.router_user}\r\nSecret: {lab.router_secret}\r\n\r\n".encode()
            )
            answer = b""
            while b"Response: " not in answer or not answer.endswith(b"\r\n"):
                data = link.recv(4_096)
                if not data:
                    break
                answer += data
        return answer

    assert b"Response: Success" in log_in("127.0.0.1")
    assert b"Response: Success" not in log_in("127.0.0.2")


def test_callback_user_can_originate_and_nothing_else(lab: Lab):
    """The second user is no second router."""
    ami = Ami(lab.ports.ami, lab.callback_user, lab.callback_secret)
    try:
        for action in (
            {"Action": "Setvar", "Variable": "ACD_HEARTBEAT", "Value": "x"},
            {"Action": "CoreShowChannels"},
        ):
            assert ami.action(**action)["Response"] == "Error"
        # dangerous applications need the system class
        reply = ami.action(
            Action="Originate", Channel="Local/s@acd-in", Application="System", Data="id", Async="true"
        )
        assert reply["Response"] == "Error"
    finally:
        ami.close()


def test_nothing_dangerous_is_loaded(lab: Lab):
    """Security row 24: autoload is off and only what we use is there."""
    modules = lab.console("module show")
    for name in (
        "app_system",
        "func_shell",
        "func_env",
        "res_ari",
        "func_curl",
        "app_originate",
        "pbx_spool",
        "res_config",
    ):
        assert name not in modules


def invite(host: str, transport: str) -> str:
    """A stranger's INVITE to a number of ours that calls itself the carrier."""
    return "\r\n".join(
        [
            f"INVITE sip:74951234567@{host} SIP/2.0",
            f"Via: SIP/2.0/{transport} 127.0.0.1:5999;branch=z9hG4bK{next(_numbers)};rport",
            "Max-Forwards: 70", "From: <sip:trunk@127.0.0.1>;tag=a", "To: <sip:74951234567@127.0.0.1>",
            f"Call-ID: stranger-{next(_numbers)}", "CSeq: 1 INVITE", "Contact: <sip:trunk@127.0.0.1:5999>",
            "Content-Length: 0", "", "",
        ]
    )  # fmt: skip


@pytest.mark.parametrize("transport", ["UDP", "WS"])
def test_nobody_is_the_carrier_by_its_name(lab: Lab, transport: str):
    """Security row 7: the trunk is known by its address alone; with its name in From a stranger must log in."""
    with daemon(lab) as acd:
        if transport == "UDP":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
                link.settimeout(5)
                link.bind(("127.0.0.1", 0))
                link.sendto(invite("127.0.0.1", transport).encode(), ("127.0.0.1", lab.ports.sip))
                answer = link.recv(4_096).decode()
        else:
            with connect(f"ws://127.0.0.1:{lab.ports.ws}/ws", subprotocols=[Subprotocol("sip")]) as page:
                page.send(invite("127.0.0.1", transport))
                answer = str(page.recv(5))
        assert answer.startswith("SIP/2.0 401 "), answer
        assert not [event for event in acd.ami.events if event.get("Event") == "Newchannel"]
