"""Where the milliseconds between an agent's hang-up and the same agent's next INVITE go: `bin/bench calls --stages`.

Every stage is read off the loopback wire with the kernel's own stamps, so neither daemon nor Asterisk does anything
more than without it: the phone's BYE, Asterisk's HangupRequest (it carries the moment it was made), our Redirect,
the INVITE. Needs the right to listen on loopback (root, or CAP_NET_RAW).
"""

from __future__ import annotations

import ctypes
import re
import select
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from simulator.lab.sipp import Leg, free_pairs, percentile

_SO_ATTACH_FILTER: Final = 26
_SO_TIMESTAMPNS: Final = 35
_PACKET_HOST: Final = 0
_ETH_P_IP: Final = 0x0800
_TCP: Final = 6
_BUFFER: Final = 32 << 20
_REST_S: Final = 0.1

STAGES: Final = (
    "hung_up", "bye", "request_made", "request_sent", "redirect", "invite", "invited",
)  # fmt: skip
"""In the order of time: SIPp's two stamps are the first and the last."""

_AGENT_OF_BYE = re.compile(rb"^BYE .*?\r\nFrom:[^\r]*?sip:([0-9A-Za-z]+)@", re.DOTALL)
_AGENT_OF_INVITE = re.compile(rb"^INVITE sip:([0-9A-Za-z]+)@")
_AGENT_OF_REDIRECT = re.compile(rb"Exten: ([0-9A-Za-z]+)_[0-9]+\r\n")
_DEVICE = re.compile(rb"\r\nChannel: PJSIP/([0-9A-Za-z]+)-")
_MADE = re.compile(rb"\r\nTimestamp: ([0-9.]+)\r\n")


class StagesError(Exception):
    """The wire cannot be read here; the message says why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing on the wire: which stage, of whose agent, when (epoch seconds)."""

    stage: str
    agent: str
    at: float


class Trace:
    """What went over the wire, packet by packet, between one Asterisk, its phones and the daemon."""

    def __init__(self, ami_port: int) -> None:
        self._ami = ami_port
        self._seen: list[Seen] = []
        self._frames = 0

    def packet(self, data: bytes, at: float) -> None:
        """Take one IP packet and the moment it was seen, in epoch seconds."""
        start = (data[0] & 15) * 4
        if data[9] != _TCP:
            self._sip_message(data[start + 8 :], at)
            return
        source = int.from_bytes(data[start : start + 2], "big")
        payload = data[start + (data[start + 12] >> 4) * 4 :]
        if source != self._ami:
            if b"Action: Redirect\r\n" in payload and (found := _AGENT_OF_REDIRECT.search(payload)):
                self._note("redirect", found, at)
            return
        for frame in payload.split(b"\r\n\r\n"):
            self._frames += frame.startswith(b"Event: ")
            self._event(frame, at)

    def _sip_message(self, message: bytes, at: float) -> None:
        if found := _AGENT_OF_BYE.match(message):
            self._note("bye", found, at)
        elif found := _AGENT_OF_INVITE.match(message):
            self._note("invite", found, at)

    def _event(self, frame: bytes, at: float) -> None:
        made = _MADE.search(frame)
        if made is None:
            return
        if frame.startswith(b"Event: HangupRequest") and (found := _DEVICE.search(frame)):
            self._note("request_made", found, float(made[1]))
            self._note("request_sent", found, at)

    def _note(self, stage: str, found: re.Match[bytes], at: float) -> None:
        self._seen.append(Seen(stage, found[1].decode("ascii"), at))

    def report(self, callers: Sequence[Leg], agents: Sequence[Leg]) -> dict[str, object]:
        """Milliseconds between neighbouring stages over the same pairs of talks as the whole figure."""
        by_agent: dict[tuple[str, str], list[float]] = {}
        for one in self._seen:
            by_agent.setdefault((one.stage, one.agent), []).append(one.at)
        gaps: dict[str, list[float]] = {f"{a} -> {b}": [] for a, b in pairwise(STAGES)}
        for before, after in free_pairs(callers, agents):
            start, end = before.over_at, after.at("INVITE")
            inner = [_first(by_agent.get((stage, after.agent), ()), start, end) for stage in STAGES[1:-1]]
            moments = [start, *inner, end]
            if None in moments:
                continue  # the caller hung up first: no BYE of the phone
            for name, (a, b) in zip(gaps, pairwise(moments), strict=True):
                gaps[name].append((b - a) * 1000)  # type: ignore[operator]  # no None left
        return {
            "p50_ms": {name: round(percentile(values, 0.5), 2) for name, values in gaps.items()},
            "pairs": min(map(len, gaps.values())),
            "ami_events": self._frames,
        }


class Wire:
    """Listens on loopback to one Asterisk's manager and SIP ports."""

    def __init__(self, ami_port: int, sip_port: int) -> None:
        self.trace = Trace(ami_port)
        self._stop = threading.Event()
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
        except PermissionError as refused:
            raise StagesError("--stages listens on loopback: run it as root or with CAP_NET_RAW") from refused
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._only((ami_port, sip_port))
        self._socket.bind(("lo", 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _only(self, ports: tuple[int, int]) -> None:
        """Let the kernel throw away what is of neither port: the callers' music would drown us."""
        one, two = ports
        code = [
            (0xB1, 0, 0, 0),  # X = length of the IP header
            (0x48, 0, 0, 0),  # source port: one or two, else look at the destination
            (0x15, 5, 0, one),
            (0x15, 4, 0, two),
            (0x48, 0, 0, 2),
            (0x15, 2, 0, one),
            (0x15, 1, 0, two),
            (0x06, 0, 0, 0),  # refuse
            (0x06, 0, 0, 0xFFFF),  # accept
        ]
        held = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in code))
        program = struct.pack("HL", len(code), ctypes.addressof(held))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen while the block runs."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
            self._socket.close()

    def _listen(self) -> None:
        while True:
            # rarely: the stamps are the kernel's, and the cores are for the calls
            ended = self._stop.wait(_REST_S)
            while select.select([self._socket], [], [], 0)[0]:
                data, extra, _, address = self._socket.recvmsg(65_535, 64)
                if address[2] != _PACKET_HOST:
                    continue  # loopback shows each packet going out and coming in
                seconds, nanos = struct.unpack("qq", extra[0][2][:16])
                self.trace.packet(data, seconds + nanos / 1e9)
            if ended:
                return


def _first(moments: Sequence[float], start: float, end: float) -> float | None:
    """The first moment of a stage between two stamps; SIPp writes its own a little after or before the wire's."""
    slack_s = 0.002
    return next((moment for moment in moments if start - slack_s <= moment <= end + slack_s), None)
