"""The stand-in itself: manager sessions, the walk through the dialplan, the rows of its journal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from acd.wire.ami import AmiClientParser, AmiFrame, encode_action
from simulator.standin import Phone, StandIn
from simulator.standin.dialplan import Caller, clean


class Manager:
    """A bare manager client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.parser = AmiClientParser()
        self.frames: list[AmiFrame] = []

    @classmethod
    async def login(cls, port: int, secret: str = "secret") -> Manager:
        self = cls(*await asyncio.open_connection("127.0.0.1", port))
        self.send("Login", Username="acd", Secret=secret)
        return self

    def send(self, action: str, **headers: str) -> None:
        self.writer.write(encode_action(action, headers))

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def until(self, what: str, **headers: str) -> AmiFrame:
        """Read until a frame of this event or user event with these headers came."""
        async with asyncio.timeout(10):
            while True:
                for n, frame in enumerate(self.frames):
                    name = frame.get("UserEvent") if frame.name == "UserEvent" else frame.name
                    if name == what and all(frame.get(k) == v for k, v in headers.items()):
                        del self.frames[: n + 1]
                        return frame
                data = await self.reader.read(65_536)
                assert data, f"link closed while waiting for {what}"
                self.frames += self.parser.feed(data)


async def say_queue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A FastAGI server that sends everybody to queue q."""
    while await reader.readline() not in (b"\n", b""):
        pass
    for name, value in (("ACD_QUEUE", "q"), ("ACD_VERDICT", "queue")):
        writer.write(f'SET VARIABLE {name} "{value}"\n'.encode())
        await reader.readline()
    writer.close()
    await writer.wait_closed()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[StandIn]:
    agi = await asyncio.start_server(say_queue, "127.0.0.1", 0)
    phones = [Phone("a1", "a1", answer_after_s=0.02), Phone("a2", "a2", answer_after_s=None)]
    standin = StandIn(tmp_path, agi=agi.sockets[0].getsockname(), phones=phones, wait_turn_s=0.1, ring_s=0.3)
    standin.port = await standin.start()  # type: ignore[attr-defined]
    yield standin
    await standin.stop()
    agi.close()
    await agi.wait_closed()


@pytest.fixture
async def client(world: StandIn) -> AsyncIterator[Manager]:
    manager = await Manager.login(world.port)  # type: ignore[attr-defined]
    await manager.until("FullyBooted")
    yield manager
    await manager.close()


def journal(world: StandIn) -> list[str]:
    rows = world.queue_log.path.read_text(encoding="utf-8").splitlines()
    return [row.split("|")[4] for row in rows]


async def test_a_redirect_connects_caller_and_agent_and_leaves_every_row(
    world: StandIn, client: Manager
) -> None:
    call = world.place_call(Caller("100", "+79161234567", talk_s=0.05))
    queued = await client.until("AcdQueued")
    client.send("Redirect", Channel=queued.get("Uniqueid"), Context="acd-dial", Exten="a1_1", Priority="1")
    await client.until("AcdEnd")
    await call.done.wait()
    assert [agent for agent, _ in call.answered] == ["a1"]
    assert journal(world) == ["ACDENTER", "ACDQUEUED", "ACDDIAL", "ACDANSWER", "ACDTALKEND", "ACDEND"]


async def test_without_heartbeat_the_caller_falls_back_by_himself(world: StandIn) -> None:
    world.agi = ("127.0.0.1", 1)
    call = world.place_call(Caller("100", "200", talk_s=0.05))
    async with asyncio.timeout(10):
        await call.done.wait()
    assert call.outcome == "fallback"
    assert "ACDFALLBACKANSWER" in journal(world)


async def test_no_answer_brings_the_caller_back_to_waiting_with_the_same_entry_time(
    world: StandIn, client: Manager
) -> None:
    world.globals["ACD_HEARTBEAT"] = "x-1"
    world.place_call(Caller("100", "200"))
    first = await client.until("AcdQueued")
    client.send("Redirect", Channel=first.get("Uniqueid"), Context="acd-dial", Exten="a2_1", Priority="1")
    await client.until("AcdDialEnd", Status="NOANSWER")
    again = await client.until("AcdQueued", Why="returned")
    assert again.get("Enter_ms") == first.get("Enter_ms")


async def test_an_unknown_agent_and_a_busy_agent_lead_back_to_waiting(
    world: StandIn, client: Manager
) -> None:
    world.phones["a1"].in_use = 1
    world.place_call(Caller("100", "200"))
    for exten, status in (("nobody_1", "UNKNOWN_AGENT"), ("a1_2", "DOUBLE")):
        queued = await client.until("AcdQueued")
        client.send("Redirect", Channel=queued.get("Uniqueid"), Context="acd-dial", Exten=exten, Priority="1")
        await client.until("AcdDialEnd", Status=status)


async def test_an_agents_leg_that_dies_sends_the_caller_to_the_head(world: StandIn, client: Manager) -> None:
    world.place_call(Caller("100", "200", talk_s=None))
    queued = await client.until("AcdQueued")
    client.send("Redirect", Channel=queued.get("Uniqueid"), Context="acd-dial", Exten="a1_1", Priority="1")
    await client.until("AcdAnswer")
    leg = next(name for name in world.channels if "a1" in name)
    client.send("Hangup", Channel=leg)
    await client.until("AcdTalkEnd", Stays="1")
    await client.until("AcdQueued", Why="head")


async def test_a_wrong_secret_is_refused_and_the_link_closed(world: StandIn) -> None:
    client = await Manager.login(world.port, secret="wrong")  # type: ignore[attr-defined]
    assert (await client.until("Error")).get("Message") == "Authentication failed"
    assert await client.reader.read() == b""
    await client.close()


async def test_a_channel_that_is_not_there_has_no_variables(world: StandIn, client: Manager) -> None:
    """As Asterisk answers: else a call-back claimed and never begun would be taken for one that is up."""
    client.send("Getvar", Channel="no-such-channel", Variable="ACD_CALL")
    assert (await client.until("Error")).get("Message") == "No such channel"
    client.send("Getvar", Variable="ACD_HEARTBEAT")
    assert (await client.until("Success")).get("Variable") == "ACD_HEARTBEAT"


async def test_the_routers_rights_are_least(world: StandIn, client: Manager) -> None:
    for action in ("Originate", "Command"):
        client.send(action, Channel="x")
        assert (await client.until("Error")).get("Message") == "Permission denied"


def test_numbers_are_filtered_as_the_dialplan_filters_them() -> None:
    assert clean("+7 (916) ${SHELL(id)}&PJSIP/x\r\n") == "+7916"
