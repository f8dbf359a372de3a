"""What is thrown at each door: seeds of good traffic, injured. Pure: a seed gives the same bytes again."""

from __future__ import annotations

import base64
import random
import struct

from simulator.faults.fuzz import TARGETS, mutate

FRAME_END = b"\r\n\r\n"
BIG_SHARE = 0.002
"""Frames over every limit: 200,000 bytes in one line, or 3,000 lines."""
TRUE_NAME_SHARE = 0.25
"""Hostile manager frames that know the switch's system name, so that they pass the forgery check."""

AGI_QUESTION = (
    b"agi_network: yes\nagi_network_script: enter_queue\nagi_request: agi://127.0.0.1/enter_queue\n"
    b"agi_channel: PJSIP/trunk-000000ff\nagi_uniqueid: 9.9\nagi_callerid: 79160000000\nagi_arg_1: c-fuzz\n\n"
)
AGI_SEEDS = (
    *TARGETS["agi_request"][1],
    AGI_QUESTION,
    AGI_QUESTION + b"200 result=1 (7001)\n200 result=1 (+7912)\n200 result=0\n",
    AGI_QUESTION + b"HANGUP\n511 Command Not Permitted on a dead channel or intercept routine\n",
    AGI_QUESTION + b"520-Invalid command syntax.  Proper usage follows:\nx\n520 End of proper usage.\n",
    AGI_QUESTION.replace(b"enter_queue", b"announce_wait"),
    AGI_QUESTION.replace(b"enter_queue", b"after_call_survey"),
)


def big(chance: random.Random, piece: bytes) -> bytes:
    """Return something over the limits."""
    return piece * (200_000 // len(piece)) if chance.random() < 0.5 else (piece + b"\r\n") * 3_000


def ami_frame(chance: random.Random, system_name: str) -> bytes:
    """Return one broken frame, closed as a frame: what follows it is not its part."""
    if chance.random() < BIG_SHARE:
        return b"Event: UserEvent\r\nX: " + big(chance, b"Y: z") + FRAME_END
    raw = mutate(chance, TARGETS["ami"][1])
    if chance.random() < TRUE_NAME_SHARE:
        first, _, rest = raw.partition(b"\r\n")
        raw = first + b"\r\nSystemName: " + system_name.encode() + b"\r\n" + rest
    return raw.rstrip(b"\r\n") + FRAME_END


def agi_request(chance: random.Random) -> bytes:
    """Return one broken request, perhaps with broken answers behind it."""
    if chance.random() < BIG_SHARE:
        return b"agi_network: yes\n" + big(chance, b"agi_arg_1: c\n")
    return mutate(chance, AGI_SEEDS)


def http_seeds(token: str, agent: str, password: str) -> tuple[bytes, ...]:
    """Return good requests of every kind, with the right names and secrets: only so the depths are reached."""
    bearer = f"Authorization: Bearer {token}\r\n"
    basic = f"Authorization: Basic {base64.b64encode(f'{agent}:{password}'.encode()).decode()}\r\n"

    def request(line: str, headers: str = "", body: str = "") -> bytes:
        length = f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n" if body else ""
        return f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}{length}\r\n{body}".encode()

    card = '{"fields": {"subject": "Ёж", "disposition": "message"}}'
    return (
        request("GET /api/v1/snapshot", bearer),
        request("GET /api/v1/cards?since_ms=1&until_ms=2&limit=5&agent=a101", bearer),
        request("GET /api/v1/cards/17", basic),
        request("GET /api/v1/calls/c-1/explain", bearer),
        request("GET /api/v1/pop/0123456789abcdef", basic),
        request("PUT /api/v1/calls/c-1/card", basic, card),
        request("PUT /api/v1/calls/c-1/message", basic, card),
        request("POST /api/v1/calls/c-1/message/preview", basic, card),
        request(f"POST /api/v1/agents/{agent}/pause", basic, '{"reason": "lunch"}'),
        request(f"POST /api/v1/agents/{agent}/extend", basic, '{"by_ms": 60000}'),
        request("POST /api/v1/cases/17/noted", basic, '{"text": "x", "public": true}'),
        request("GET /m/AAAA.BBBB"),
        request("POST /case/AAAA.BBBB"),
        request("GET /desk/../../etc/passwd"),
        request("GET /metrics"),
        request(
            "GET /mqtt",
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n",
        ),
        b"POST /api/v1/agents/a101/pause HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    )


def http_request(chance: random.Random, seeds: tuple[bytes, ...]) -> bytes:
    """Return one broken request."""
    if chance.random() < BIG_SHARE:
        return b"GET / HTTP/1.1\r\nHost: x\r\nX: " + big(chance, b"Y: z")
    return mutate(chance, seeds)


# --- MQTT ----------------------------------------------------------------------------------------


def mqtt_packet(kind: int, flags: int, body: bytes) -> bytes:
    """Return one MQTT 3.1.1 packet."""
    length, size = b"", len(body)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (128 if size else 0)])
        if not size:
            return bytes([kind << 4 | flags]) + length + body


def mqtt_text(text: str) -> bytes:
    """Return a string as MQTT writes it."""
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def mqtt_connect(client_id: str, user: str, password: str) -> bytes:
    """Return a CONNECT with a name and a password."""
    head = mqtt_text("MQTT") + bytes([4, 0b1100_0010]) + struct.pack(">H", 60)
    return mqtt_packet(1, 0, head + mqtt_text(client_id) + mqtt_text(user) + mqtt_text(password))


def mqtt_publish(topic: str, payload: bytes) -> bytes:
    """Return a PUBLISH of QoS 0."""
    return mqtt_packet(3, 0, mqtt_text(topic) + payload)


def mqtt_knock(chance: random.Random, user: str, password: str) -> bytes:
    """Return a broken greeting, perhaps with packets behind it."""
    hello = mqtt_connect(f"{user}-knock{chance.randint(0, 3)}", user, password)
    seeds = (
        hello,
        mqtt_connect("nobody-1", "nobody", "x"),
        hello + mqtt_packet(8, 2, b"\0\1" + mqtt_text(f"acd/v1/agent/{user}/pop") + b"\1"),
        hello + mqtt_publish(f"acd/v1/agent/{user}/command", TARGETS["mqtt"][1][0]),
        mqtt_packet(12, 0, b"") + hello,
    )
    if chance.random() < BIG_SHARE:
        return mqtt_packet(1, 0, big(chance, b"MQTT"))
    return mutate(chance, seeds)


def mqtt_message(chance: random.Random, user: str) -> bytes:
    """Return a well-formed packet with a broken payload, from somebody who is let in."""
    leaf = chance.choice(("command", "command", "presence"))
    return mqtt_publish(f"acd/v1/agent/{user}/{leaf}", mutate(chance, TARGETS["mqtt"][1], most=200))
