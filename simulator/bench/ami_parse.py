"""CPU per AMI event, asked by `bin/bench decision` as its bar: our parser against a tight full-dict parser, on the stream of routing.md 4.1.

The stream is modelled after one queued call: 66 events, about 18 lines each, Cyrillic names, several
calls interleaved, cut into segments as a socket would give them. Rounds alternate between the parsers,
because the machine is shared; medians are reported. Bars: at most 1.5 with all events, 0.6 filtered.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Final

from acd.wire import ami

KINDS: Final = (
    ("VarSet", 24), ("Newexten", 6), ("Newstate", 3), ("Newchannel", 2), ("BridgeEnter", 2), ("BridgeLeave", 2),
    ("Hangup", 2), ("HangupRequest", 2), ("DialBegin", 2), ("DialState", 2), ("DialEnd", 2), ("UserEvent", 5),
    ("DeviceStateChange", 4), ("NewConnectedLine", 2), ("MusicOnHoldStart", 2), ("NewCallerid", 2), ("Rename", 2),
)  # fmt: skip
EVENTS_PER_CALL: Final = sum(count for _, count in KINDS)
INTEREST: Final = frozenset(
    {"Newchannel", "Newstate", "DialBegin", "DialState", "DialEnd", "Hangup", "UserEvent", "DeviceStateChange",
     "BridgeEnter", "BridgeLeave", "Hold", "Unhold", "BlindTransfer", "AttendedTransfer"}
)  # fmt: skip
SEGMENT: Final = 1_448 * 8


def stream(calls: int) -> bytes:
    """Return the bytes of `calls` interleaved calls."""
    per_call = [kind for kind, count in KINDS for _ in range(count)]
    out: list[bytes] = [ami.encode_banner()]
    for kind in per_call:
        out.extend(_event(kind, call) for call in range(calls))
    return b"".join(out)


def _event(kind: str, call: int) -> bytes:
    channel = f"PJSIP/trunk-{call:08x}"
    headers = [
        ("Privilege", "call,all"),
        ("Timestamp", f"17{call:08d}.123456"),
        ("SequenceNumber", str(call)),
    ]
    headers += [("Channel", channel), ("ChannelState", "6"), ("ChannelStateDesc", "Up")]
    headers += [("CallerIDNum", f"+7495{call:07d}"), ("CallerIDName", f"ООО «Ромашка» {call}")]
    headers += [
        ("ConnectedLineNum", "<unknown>"),
        ("ConnectedLineName", "Василий Ёжиков"),
        ("Language", "ru"),
    ]
    headers += [("AccountCode", ""), ("Context", "acd-wait"), ("Exten", "s"), ("Priority", "4")]
    headers += [
        ("Uniqueid", f"17{call:08d}.{call}"),
        ("Linkedid", f"17{call:08d}.{call}"),
        ("Extra", "value"),
    ]
    return ami.encode_event(kind, headers)


def tight_parser(data: bytes, tail: bytes) -> tuple[list[dict[str, str]], bytes]:
    """The reference: split, decode, one dictionary per frame, no checks at all."""
    frames = (tail + data).split(b"\r\n\r\n")
    rest = frames.pop()
    return [
        dict([ln.split(": ", 1) for ln in f.decode("utf-8", "replace").split("\r\n")]) for f in frames
    ], rest


def _cpu(work: Callable[[], None], events: int) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) / events * 1e6


def _ours(chunks: list[bytes], interest: frozenset[str] | None) -> None:
    parser = ami.AmiClientParser(interest)
    for chunk in chunks:
        parser.feed(chunk)


def _tight(chunks: list[bytes]) -> None:
    tail = b""
    for chunk in chunks:
        _, tail = tight_parser(chunk, tail)


def run(calls: int = 300, rounds: int = 7) -> dict[str, float]:
    """Measure; returns microseconds of CPU per event and the two ratios the design sets bars for."""
    data = stream(calls)
    events = data.count(b"\r\n\r\n")
    chunks = [data[at : at + SEGMENT] for at in range(0, len(data), SEGMENT)]
    # The reference knows no banner.
    plain = [chunks[0].partition(b"\r\n")[2], *chunks[1:]]
    tight: list[float] = []
    full: list[float] = []
    filtered: list[float] = []
    for _ in range(rounds):
        tight.append(_cpu(lambda: _tight(plain), events))
        full.append(_cpu(lambda: _ours(chunks, None), events))
        filtered.append(_cpu(lambda: _ours(chunks, INTEREST), events))
    reference = statistics.median(tight)
    return {
        "events": float(events),
        "tight_us": round(reference, 3),
        "ours_us": round(statistics.median(full), 3),
        "ours_filtered_us": round(statistics.median(filtered), 3),
        "ratio_all": round(statistics.median(full) / reference, 3),
        "ratio_filtered": round(statistics.median(filtered) / reference, 3),
    }
