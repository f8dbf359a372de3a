"""What simulated people say and press: G.711 frames that name their speaker, and RFC 4733 key presses.

A frame is 20 ms of a 500 Hz tone in A-law. Its first 16 samples carry a mark, the speaker and a count, so whoever
hears it knows whose voice it is and what is missing. Music from the PBX has no mark and counts as no voice. A frame
survives a decoding to linear samples and back, for every A-law byte does; a change of volume it does not.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

FRAME_MS = 20
FRAME_SAMPLES = 160
PER_S = 1000 // FRAME_MS
ALAW, EVENT = 8, 101
"""RTP payload types: PCMA (RFC 3551), telephone-event as our SDP names it."""
KEYS = "0123456789*#ABCD"
"""A key's place is its event code (RFC 4733, section 3.2)."""
PRESS_FRAMES = 5
PRESS_MS = PRESS_FRAMES * FRAME_MS
"""How long a key is held: Asterisk takes 80 ms and more."""
_MARK = b"acd-vox\xd5"
_HEAD = struct.Struct(f"!{len(_MARK)}sII")
_RTP = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")


def alaw(sample: int) -> int:
    """Return the A-law byte of a 16 bit sample (ITU-T G.711)."""
    sign, size = (0xD5, sample) if sample >= 0 else (0x55, -sample - 1)
    size >>= 3
    segment = max(0, size.bit_length() - 5)
    return (segment << 4 | size >> max(segment, 1) & 0x0F) ^ sign


_TONE = bytes(alaw(round(8_000 * math.sin(2 * math.pi * n / 16))) for n in range(FRAME_SAMPLES))


def speak(speaker: int, count: int) -> bytes:
    """Return one frame: the speaker's number and the frame's, both 32 bits, then the tone."""
    return _HEAD.pack(_MARK, speaker, count) + _TONE[_HEAD.size :]


def listen(payload: bytes) -> tuple[int, int] | None:
    """Return (speaker, count) of a frame; None for anything else, music and silence included."""
    at = payload.find(_MARK)
    if at < 0 or at + _HEAD.size > len(payload):
        return None
    _, speaker, count = _HEAD.unpack_from(payload, at)
    return speaker, count


def press(key: str) -> list[tuple[bool, bytes]]:
    """Return what a pressed key sends, as (first, payload), one each 20 ms; the last three end it and go together.

    Raises:
        ValueError: no such key.
    """
    code = KEYS.find(key)
    if code < 0 or len(key) != 1:
        raise ValueError(f"there is no key {key!r} on a telephone: one of {KEYS}")
    held = [(n == 1, _EVENT.pack(code, 10, n * FRAME_SAMPLES)) for n in range(1, PRESS_FRAMES)]
    return held + [(False, _EVENT.pack(code, 0x80 | 10, PRESS_FRAMES * FRAME_SAMPLES))] * 3


@dataclass(slots=True)
class Heard:
    """What one leg heard of one speaker."""

    frames: int = 0
    first: int = 0
    last: int = 0

    @property
    def missing(self) -> int:
        """Frames between the first and the last heard that did not come."""
        return max(0, self.last - self.first + 1 - self.frames)


@dataclass(slots=True)
class Mouth:
    """One leg's outgoing stream and what it heard. `port`: Asterisk's, on 127.0.0.1."""

    leg: int
    port: int
    speaks: bool
    sent: int = 0
    heard: dict[int, Heard] = field(default_factory=dict)
    other: int = 0
    """Packets without a voice: music, tones."""
    _sequence: int = 0
    _time: int = 0
    _keys: list[tuple[bool, bytes]] = field(default_factory=list)
    _key_time: int = 0

    def hold_down(self, key: str) -> None:
        """Press a key, after those still being pressed. Raises ValueError for a key there is not."""
        self._keys += press(key)

    def tick(self) -> list[bytes]:
        """Return the packets due now: a voice's frame, or a key's; nothing from who is silent."""
        self._time = self._time + FRAME_SAMPLES & 0xFFFFFFFF
        if self._keys:
            first, payload = self._keys[0]
            if first:
                self._key_time = self._time
            count = 3 if payload[1] & 0x80 else 1
            now, self._keys = self._keys[:count], self._keys[count:]
            return [self._packet(EVENT, one, self._key_time, marked=begins) for begins, one in now]
        if not self.speaks:
            return []
        self.sent += 1
        return [self._packet(ALAW, speak(self.leg, self.sent), self._time, marked=self.sent == 1)]

    def _packet(self, kind: int, payload: bytes, at: int, *, marked: bool) -> bytes:
        self._sequence = self._sequence + 1 & 0xFFFF
        return _RTP.pack(0x80, kind | marked << 7, self._sequence, at, self.leg) + payload

    def hear(self, packet: bytes) -> None:
        """Take in one RTP packet; anything shorter than its header is no sound."""
        found = listen(packet[_RTP.size :]) if len(packet) > _RTP.size and packet[1] & 0x7F == ALAW else None
        if found is None:
            self.other += 1
            return
        speaker, count = found
        heard = self.heard.get(speaker)
        if heard is None:
            heard = self.heard[speaker] = Heard(first=count)
        heard.frames += 1
        heard.last = max(heard.last, count)
