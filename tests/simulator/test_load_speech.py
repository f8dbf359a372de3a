"""Every talk's sound is judged by what both sides heard: one-way, silent and crossed sound are findings."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

from simulator.load.media import HOST
from simulator.load.speech import Side, Speech, judge
from simulator.load.voice import PER_S, Mouth, listen


def talk(first: int, number: str, caller_hears: int, agent_hears: int, seconds: float = 2.0) -> list[Side]:
    caller = Side(first, number, begun_s=99.0, ended_s=105.0, heard={first + 1: (caller_hears, 0)})
    agent = Side(first + 1, number, "a1", 99.9, 100.0, 100.0 + seconds, {first: (agent_hears, 1)})
    return [caller, agent]


def test_talks_with_sound_one_way_or_none_are_told_apart():
    sides = talk(1, "+1", 100, 95) + talk(3, "+2", 100, 0) + talk(5, "+3", 0, 2) + talk(7, "+4", 0, 0, 0.2)
    found = judge(sides)
    assert (found.talks, found.both_ways, found.too_short) == (3, 1, 1)
    assert len(found.one_way) == 2
    assert "+2: one-way: in 2.0 s with a1 the agent heard 0.0 s and was heard for 2.0 s" in found.one_way
    assert found.one_way[1].startswith("+3: silent")
    assert found.as_json()["talks_one_way_or_silent"] == 2
    assert found.frames_due == 3 * 2 * 2 * PER_S
    assert found.frames_missing == 3


def test_who_hears_another_calls_voice_is_crossed_and_a_colleague_of_the_same_call_is_not():
    caller, agent = talk(1, "+1", 100, 100)
    colleague = Side(3, "+1", "a2", 102.9, 103.0, 105.0, {2: (90, 0)})
    agent.heard[3] = (90, 0)
    other = talk(5, "+2", 100, 100)
    assert judge([caller, agent, colleague, *other]).problems == []
    caller.heard[6] = (25, 0)
    [problem] = judge([caller, agent, colleague, *other]).problems
    assert problem == "+1: 0.5 s of a voice of another call was heard"


def test_whoever_waits_must_hear_music():
    quick, patient = talk(1, "+1", 100, 100), talk(3, "+2", 100, 100)
    left = Side(5, "+3", begun_s=90.0, ended_s=93.0, other=120)
    patient[0].begun_s = 96.0
    found = judge([*quick, *patient, left])
    assert (found.waits, found.waits_with_music) == (2, 1)
    assert found.problems == [], "told, not judged: a short prompt may be all there is"


def test_a_key_that_the_pbx_did_not_take_is_told():
    joined, refused, left = (talk(n, f"+{n}", 0, 0, 0.1) for n in (1, 3, 5))
    for _, phone in (joined, refused, left):
        phone.pressed = True
    refused[1].ended_by_pbx = True
    found = judge([*joined, *refused, *left])
    assert found.problems == ["+3: a1 pressed 1, and the PBX hung up on him"]
    assert found.too_short == 2


def test_a_run_without_talks_has_no_share():
    assert judge([]).as_json()["speech_heard_share"] is None


def test_the_media_end_speaks_hears_and_presses():
    """Two legs and a switch between them, played by one socket of ours."""

    async def scene() -> None:
        speech = Speech(speaks=True)
        await speech.open()
        ears = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        try:
            for ear in ears:
                ear.bind((HOST, 0))
                ear.settimeout(0)
            ports = [ear.getsockname()[1] for ear in ears]
            speech.begin("c", "+1", str(ports[0]), 99.0)
            speech.begin("p", "+1", str(ports[1]), 99.9, "a1")
            speech.begin("x", "+1", "", 99.0)  # an SDP without audio
            speech.joined("p", 100.0)
            kinds: set[int] = set()
            for turn in range(60):
                await asyncio.sleep(0.02)
                if turn == 20:
                    speech.press("p", "1")
                for ear, back in ((ears[0], ears[1]), (ears[1], ears[0])):
                    kinds |= _pass_on(ear, back, speech.port)
            speech.end("c", 101.0)
            speech.end("p", 101.0)
            found = await speech.verdict(102.0)
            assert kinds == {8, 101}
            assert (found.talks, found.both_ways, found.problems) == (1, 1, [])
            assert found.as_json()["keys_pressed"] == 1
            assert found.frames_heard > 20
        finally:
            await speech.close()
            for ear in ears:
                ear.close()

    asyncio.run(scene())


def _pass_on(ear: socket.socket, back: socket.socket, port: int) -> set[int]:
    """What one leg says goes to the other, as through a bridge: from the address that the other leg knows."""
    kinds = set()
    while True:
        try:
            packet = ear.recv(2048)
        except OSError:
            return kinds
        kinds.add(packet[1] & 0x7F)
        back.sendto(packet, (HOST, port))


def test_the_media_end_without_voices_sends_nothing():
    async def scene() -> None:
        speech = Speech(speaks=False)
        await speech.open()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
            ear.bind((HOST, 0))
            ear.settimeout(0)
            speech.begin("c", "+1", str(ear.getsockname()[1]), 0.0)
            await asyncio.sleep(0.2)
            try:
                heard = listen(ear.recv(2048)[12:])
            except BlockingIOError:
                heard = None
            assert heard is None
        found = await speech.verdict(1.0)
        assert found.as_json() == {"keys_pressed": 0, "keys_not_taken": 0}
        await speech.close()

    asyncio.run(scene())


def test_an_end_of_the_speakers_is_told_and_nobody_is_called_deaf_for_it():
    """failure-modes: the tool's own death must not read as a fault of the PBX, nor as silence kept."""

    async def scene() -> None:
        speech = Speech(speaks=True)
        await speech.open()
        speech.begin("c", "+1", "40000", 99.0)
        os.kill(speech.pid, signal.SIGKILL)
        while speech.pid:
            await asyncio.sleep(0.01)
        speech.end("c", 100.0)
        found = await speech.verdict(101.0)
        assert found.problems == [
            "the process that speaks for everybody has ended: nothing is known of the sound"
        ]
        assert found.as_json()["talks_one_way_or_silent"] == 1
        await speech.close()

    asyncio.run(scene())


def test_a_mouth_says_who_it_is():
    assert listen(Mouth(3, 1, speaks=True).tick()[0][12:]) == (3, 1)
