"""Voices that name their speaker, and keys as RFC 4733 wants them."""

from __future__ import annotations

import struct

import pytest

from simulator.load.voice import (
    ALAW,
    EVENT,
    FRAME_SAMPLES,
    Heard,
    Mouth,
    alaw,
    listen,
    press,
    speak,
)


def rtp(packet: bytes) -> tuple[int, bool, int, int, bytes]:
    """Payload type, marker, sequence, timestamp, payload."""
    first, second, sequence, at, _ = struct.unpack_from("!BBHII", packet)
    assert first == 0x80, "version 2, no padding, no extension, no sources"
    return second & 0x7F, bool(second & 0x80), sequence, at, packet[12:]


@pytest.mark.parametrize(
    ("sample", "code"),
    [(0, 0xD5), (-1, 0x55), (32_767, 0xAA), (-32_768, 0x2A), (8, 0xD5), (16, 0xD4), (1_000, 0xFA)],
)
def test_a_law_is_that_of_g711(sample: int, code: int):
    """Values of ITU-T G.711, as any decoder has them."""
    assert alaw(sample) == code


def test_a_frame_names_its_speaker_and_music_names_nobody():
    frame = speak(70_000, 5)
    assert len(frame) == FRAME_SAMPLES
    assert listen(frame) == (70_000, 5)
    assert listen(bytes(alaw(n) for n in range(FRAME_SAMPLES))) is None
    assert listen(frame[:12]) is None, "torn in its head"
    assert listen(b"\xd5" * 7 + frame[:-7]) == (70_000, 5), "another packet length moves it"


def test_a_key_is_held_for_a_tenth_of_a_second_and_ends_three_times():
    packets = press("1")
    assert [first for first, _ in packets] == [True] + [False] * 6
    events = [struct.unpack("!BBH", payload) for _, payload in packets]
    assert {code for code, _, _ in events} == {1}
    assert [length for _, _, length in events] == [160, 320, 480, 640, 800, 800, 800]
    assert [flags >> 7 for _, flags, _ in events] == [0, 0, 0, 0, 1, 1, 1]
    assert struct.unpack("!BBH", press("#")[0][1])[0] == 11
    for wrong in ("x", "", "12"):
        with pytest.raises(ValueError, match="no key"):
            press(wrong)


def test_who_presses_is_silent_meanwhile_and_one_time_stamp_holds_for_the_key():
    mouth = Mouth(leg=9, port=4000, speaks=True)
    first = [rtp(packet) for packet in mouth.tick()]
    assert [(kind, marked) for kind, marked, *_ in first] == [(ALAW, True)]
    mouth.hold_down("1")
    key = [rtp(packet) for _ in range(5) for packet in mouth.tick()]
    assert {kind for kind, *_ in key} == {EVENT}
    assert [marked for _, marked, *_ in key] == [True] + [False] * 6
    assert len({at for *_, at, _ in key}) == 1
    after = [rtp(packet) for packet in mouth.tick()]
    assert after[0][0] == ALAW
    assert after[0][3] - first[0][3] == 6 * FRAME_SAMPLES, "time goes on while a key is held"
    assert [sequence for _, _, sequence, _, _ in first + key + after] == list(range(1, 10))


def test_a_silent_phone_sends_only_keys():
    mouth = Mouth(leg=9, port=4000, speaks=False)
    assert mouth.tick() == []
    mouth.hold_down("1")
    assert len([packet for _ in range(9) for packet in mouth.tick()]) == 7


def test_what_was_heard_is_counted_by_speaker_with_its_gaps():
    speaker, listener = Mouth(1, 4000, speaks=True), Mouth(2, 4001, speaks=True)
    for n in range(10):
        [packet] = speaker.tick()
        if n not in (3, 4):
            listener.hear(packet)
    listener.hear(b"\x80\x08" + bytes(10) + b"\xd5" * 160)
    listener.hear(b"short")
    assert listener.heard == {1: Heard(frames=8, first=1, last=10)}
    assert listener.heard[1].missing == 2
    assert listener.other == 2
