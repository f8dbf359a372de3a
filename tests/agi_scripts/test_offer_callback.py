"""A number to call back, kept before it is promised; also as a process while the daemon is down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from acd.adapters.spool import parse_item
from acd.core.events import CallbackChosen
from acd.wire import agi
from agi_scripts.offer_callback import ask, decide
from tests.agi_scripts.fake_session import FakeSession

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("keyed", "ani", "number"),
    [
        ("84951234567#", "+7912", "84951234567"),
        ("", "+79121234567", "+79121234567"),
        ("123", "+79121234567", "+79121234567"),
        ("123", "", None),
        ("1234567890123456", "", None),
        ("12345\n", "", None),
        ("5*12345", "anonymous", None),
    ],
)
def test_the_keyed_number_wins_then_the_callers_own(keyed, ani, number):
    assert decide(keyed, ani) == number


async def test_a_delivered_number_is_taken_without_asking():
    session = FakeSession("call-1", "+79121234567")
    await ask(session)
    assert session.facts == [CallbackChosen("call-1", "+79121234567")]
    assert session.order == ["CallbackChosen", "ACD_VERDICT"]
    assert session.prompts == []


async def test_a_withheld_number_is_asked_twice_and_then_left():
    session = FakeSession("call-1")
    session.keyed = ["12", "84951234567"]
    await ask(session)
    assert session.facts == [CallbackChosen("call-1", "84951234567")]
    silent = FakeSession("call-1")
    await ask(silent)
    assert (silent.facts, silent.order, len(silent.prompts)) == ([], [], 2)


def test_as_a_process_it_leaves_the_number_durably(tmp_path):
    """The daemon is down: Asterisk starts the script itself, the fact waits in the spool."""
    request = agi.encode_request({"agi_network_script": "", "agi_arg_1": "call-1", "agi_arg_2": ""})
    replies = (
        agi.encode_reply(200, "1", "")
        + agi.encode_reply(200, "84951234567", "timeout")
        + agi.encode_reply(200, "1")
    )
    done = subprocess.run(
        [sys.executable, "-m", "agi_scripts.offer_callback", str(tmp_path)],
        input=request + b"HANGUP\n" + replies,
        capture_output=True,
        cwd=ROOT,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""  # nothing of the call in Asterisk's log
    commands = [agi.parse_command(line) for line in done.stdout.splitlines()]
    assert commands == [
        ["GET", "VARIABLE", "ACD_ANI"],
        ["GET", "DATA", "vm-enter-num-to-call", "8000", "15"],
        ["SET", "VARIABLE", "ACD_VERDICT", "callback"],
    ]
    (left,) = tmp_path.glob("*.json")
    item = parse_item(left.read_bytes())
    assert (item.kind, item.call, item.text("number")) == ("CallbackChosen", "call-1", "84951234567")


@pytest.mark.slow
def test_the_command_asterisk_starts_leaves_the_number_in_the_spool(tmp_path):
    """bin/agi-offer-callback with the arguments of the dialplan; Asterisk may stand in any folder."""
    spool = tmp_path / "spool"
    request = agi.encode_request(
        {"agi_network_script": "", "agi_arg_1": "call-2", "agi_arg_2": "+79160000002"}
    )
    done = subprocess.run(
        [str(ROOT / "bin" / "agi-offer-callback"), "call-2", "+79160000002"],
        input=request + agi.encode_reply(200, "1"),
        capture_output=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "ACD_VENV": sys.prefix, "ACD_SPOOL": str(spool)},
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    (left,) = spool.glob("*.json")
    assert parse_item(left.read_bytes()).text("number") == "+79160000002"
