"""The tracer of `bin/bench calls --stages`: packets in, milliseconds by stage out."""

from __future__ import annotations

import struct

import pytest

from simulator.bench.stages import STAGES, Trace
from simulator.lab.sipp import Leg, free_pairs

AMI, SIP, PHONES = 5038, 5060, 5070


def packet(protocol: int, source: int, to: int, payload: bytes) -> bytes:
    ports = struct.pack("!HH", source, to)
    head = ports + (b"\0" * 4 if protocol == 17 else b"\0" * 8 + b"\x50" + b"\0" * 7)
    return b"\x45" + b"\0" * 8 + bytes([protocol]) + b"\0" * 10 + head + payload


def request(made: str) -> bytes:
    return (
        f"Event: HangupRequest\r\nTimestamp: {made}\r\nChannel: PJSIP/a101-0000002a\r\n\r\n"
        "Event: Hangup\r\nTimestamp: 100.9\r\nChannel: PJSIP/a101-0000002a\r\n\r\n"
    ).encode()


def legs() -> tuple[list[Leg], list[Leg]]:
    callers = [Leg("+1", times={"ACCEPTED": 1.0}), Leg("+2", times={"ACCEPTED": 2.0})]
    agents = [
        Leg("+1", "a101", times={"INVITE": 90.0, "HUNGUP": 100.0}),
        Leg("+2", "a101", times={"INVITE": 100.005}),
    ]
    return callers, agents


def test_each_stage_is_read_off_its_own_packet():
    trace = Trace(AMI)
    bye = b"BYE sip:x SIP/2.0\r\nVia: v\r\nFrom: <sip:a101@h>;tag=1\r\n\r\n"
    trace.packet(packet(17, PHONES, SIP, bye), 100.0001)
    trace.packet(packet(6, AMI, 999, request("100.0006")), 100.0007)
    trace.packet(packet(6, 999, AMI, b"Action: Redirect\r\nExten: a101_1\r\n\r\n"), 100.0012)
    trace.packet(packet(17, SIP, PHONES, b"INVITE sip:a102@h SIP/2.0\r\n"), 100.0031)
    trace.packet(packet(17, SIP, PHONES, b"INVITE sip:a101@h SIP/2.0\r\n"), 100.0048)
    report = trace.report(*legs())
    assert report["pairs"] == 1
    assert report["ami_events"] == 2
    assert list(report["p50_ms"].values()) == pytest.approx([0.1, 0.5, 0.1, 0.5, 3.6, 0.2])
    assert len(report["p50_ms"]) == len(STAGES) - 1


def test_a_pair_with_a_stage_missing_counts_for_no_stage():
    trace = Trace(AMI)
    trace.packet(packet(17, SIP, PHONES, b"INVITE sip:a101@h SIP/2.0\r\n"), 100.0048)
    assert trace.report(*legs())["pairs"] == 0


def test_only_a_caller_who_waited_makes_a_pair():
    callers, agents = legs()
    assert [(a.ani, b.ani) for a, b in free_pairs(callers, agents)] == [("+1", "+2")]
    callers[1].times["ACCEPTED"] = 100.001
    assert free_pairs(callers, agents) == []
