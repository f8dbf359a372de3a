"""pyst2 behind guards: end of file, usage loops, HANGUP, forged headers, quotes, silence (libraries 2.2)."""

from __future__ import annotations

import io
import os
import signal
import time

import pytest

from acd.adapters.spool import parse_item
from acd.core.events import CallbackChosen
from acd.wire import agi
from agi_scripts import _session
from agi_scripts._session import CallerGone, OneShotSession, argument, plain, run_one_shot, wall_time

REQUEST = agi.encode_request({"agi_network_script": "x", "agi_arg_1": "call-1"}).decode()


@pytest.fixture(autouse=True)
def _hangup_handler():
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def start(tmp_path, replies="", request=REQUEST):
    out = io.StringIO()
    return OneShotSession(tmp_path, io.StringIO(request + replies), out), out


async def test_it_reads_sets_plays_and_collects_digits(tmp_path):
    replies = (
        "200 result=1 (+7495)\n200 result=0\n200 result=1\n200 result=53 endpos=8\n200 result=42 (timeout)\n"
    )
    session, out = start(tmp_path, replies)
    assert argument(session, 1) == "call-1"
    assert await session.get("ACD_DID") == "+7495"
    assert await session.get("UNSET") == ""
    await session.set("ACD_NAME", 'a "b" \\ c')
    assert await session.stream("hello there", "5") == "5"
    assert await session.read_digits("number", most=5, timeout_ms=100) == "42"
    commands = [agi.parse_command(line) for line in out.getvalue().splitlines()]
    assert commands[2:4] == [
        ["SET", "VARIABLE", "ACD_NAME", 'a "b" \\ c'],
        ["STREAM", "FILE", "hello there", "5", "0"],
    ]


@pytest.mark.parametrize(
    "replies",
    [
        "",
        "520-Invalid command syntax.  Proper usage follows:\n",  # pyst2 alone loops for ever here
        "520-Invalid\nusage\n520 End of proper usage.\n",
        "510 Invalid or unknown command\n",
        "511 Command Not Permitted on a dead channel\n",
        "nonsense\n",
        "200 result=-1\n",
        "200 result=1 (x",
        "HANGUP\n",
        "x" * 10_000,
    ],
)
async def test_whatever_goes_wrong_is_the_end_of_the_talk_and_never_a_loop(tmp_path, replies):
    session, _ = start(tmp_path, replies)
    with wall_time(5), pytest.raises(CallerGone):
        await session.set("A", "b")


async def test_hangup_lines_shift_no_reply(tmp_path):
    """Row 25."""
    session, _ = start(tmp_path, "HANGUP\n200 result=1 (yes)\n")
    assert await session.get("A") == "yes"
    assert session.hung_up


@pytest.mark.parametrize("value", ["a\nEXEC System rm", "a\rb", "a\0b"])
async def test_a_control_character_never_becomes_a_command(tmp_path, value):
    """Security 6."""
    session, out = start(tmp_path, "200 result=1\n")
    with pytest.raises(CallerGone):
        await session.set("A", value)
    with pytest.raises(CallerGone):
        await session.stream("hi", value)
    assert out.getvalue() == ""


def test_the_first_header_wins_and_forged_arguments_are_dropped(tmp_path):
    forged = "agi_calleridname: x\nagi_arg_1: evil\nagi_network_script: a\nagi_network_script: b\nagi_arg_1: call\n\n"
    session, _ = start(tmp_path, request=forged)
    assert session.request["agi_network_script"] == "a"
    assert argument(session, 1) == ""


@pytest.mark.parametrize("request_text", ["", "agi_x: 1\n", "agi_x: 1\n" * 300])
def test_a_request_that_is_not_whole_starts_nothing(tmp_path, request_text):
    with pytest.raises(CallerGone):
        start(tmp_path, request=request_text)


def test_nothing_is_written_to_stderr(tmp_path, capsys):
    start(tmp_path)
    assert capsys.readouterr().err == ""


def test_text_for_a_variable_has_no_control_characters():
    assert plain("a\r\nb\x00c" + "x" * 10, 5) == "abcxx"


def test_a_talk_ends_after_its_time_whatever_it_waits_for():
    began = time.monotonic()
    with pytest.raises(CallerGone, match="over after"), wall_time(0.05):
        time.sleep(5)
    assert time.monotonic() - began < 2
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_run_reports_through_the_spool_and_ends_well(tmp_path, monkeypatch):
    async def script(session):
        session.report(CallbackChosen(argument(session, 1), "+7912345"))
        await session.get("A")  # end of file: the caller is gone

    monkeypatch.setattr(_session.sys, "stdin", io.StringIO(REQUEST))
    monkeypatch.setattr(_session.sys, "stdout", io.StringIO())
    before = signal.getsignal(signal.SIGHUP)
    assert run_one_shot(script, tmp_path) == 0
    assert signal.getsignal(signal.SIGHUP) == before
    (left,) = tmp_path.glob("*.json")
    item = parse_item(left.read_bytes())
    assert (item.kind, item.call, item.text("number")) == ("CallbackChosen", "call-1", "+7912345")


def test_a_run_that_hangs_in_a_read_is_ended(tmp_path, monkeypatch):
    read, write = os.pipe()
    try:
        with os.fdopen(read) as pipe:
            monkeypatch.setattr(_session.sys, "stdin", pipe)
            assert run_one_shot(lambda _session: None, tmp_path, seconds=0.1) == 0
    finally:
        os.close(write)
