"""Asterisk's side of one FastAGI question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from acd.wire.agi import encode_reply, encode_request, parse_command

if TYPE_CHECKING:
    from simulator.standin.channels import Channel

QUESTION_S = 2.5
"""The dead-man's limit on a question (failure mode 25)."""


async def ask(server: tuple[str, int], script: str, channel: Channel, arguments: Sequence[str] = ()) -> str:
    """Put one question; return AGISTATUS: SUCCESS also when the server dies, as in Asterisk."""
    try:
        async with asyncio.timeout(QUESTION_S):
            reader, writer = await asyncio.open_connection(*server)
    except (OSError, TimeoutError):
        return "FAILURE"
    try:
        async with asyncio.timeout(QUESTION_S):
            writer.write(encode_request(_headers(script, channel, arguments)))
            while line := await reader.readline():
                writer.write(_obey(parse_command(line), channel))
                await writer.drain()
    except (OSError, TimeoutError, ValueError):
        return "SUCCESS"
    finally:
        writer.close()
    return "SUCCESS"


def _headers(script: str, channel: Channel, arguments: Sequence[str]) -> list[tuple[str, str]]:
    return [
        ("agi_network", "yes"),
        ("agi_network_script", script),
        ("agi_request", f"agi://127.0.0.1/{script}"),
        ("agi_channel", channel.name),
        ("agi_language", channel.variables.get("ACD_LANG", "en")),
        ("agi_type", "PJSIP"),
        ("agi_uniqueid", channel.uniqueid),
        ("agi_callerid", channel.caller_num or "unknown"),
        ("agi_context", channel.context),
        ("agi_extension", channel.exten),
        ("agi_priority", "1"),
        ("agi_enhanced", "0.0"),
        *((f"agi_arg_{n}", argument) for n, argument in enumerate(arguments, 1)),
    ]


def _obey(words: list[str], channel: Channel) -> bytes:  # noqa: PLR0911 - one return per command
    command = [w.upper() for w in words[:2]]
    match command:
        case ["SET", "VARIABLE"] if len(words) == 4:
            channel.variables[words[2]] = words[3]
            return encode_reply(200, "1")
        case ["EXEC", "MSET"] if len(words) == 3:
            for pair in words[2].split(","):
                name, _, value = pair.partition("=")
                channel.variables[name] = value
            return encode_reply(200, "0")
        case ["GET", "VARIABLE"] if len(words) == 3:
            found = channel.variables.get(words[2])
            return encode_reply(200, "0") if found is None else encode_reply(200, "1", found)
        case ["GET", "FULL"] if len(words) >= 4:
            value = channel.variables.get(words[3].strip("${}"), "")
            return encode_reply(200, "1", value)
        case ["VERBOSE", *_] | ["NOOP", *_] | ["ANSWER", *_]:
            return encode_reply(200, "0")
        case ["STREAM", _] | ["SAY", _] | ["EXEC", _] | ["GET", "DATA"]:
            return encode_reply(200, "0")
        case _:
            return encode_reply(510)
