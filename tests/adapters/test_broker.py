"""The embedded broker against real clients and hostile ones (security rows 11, 12 and 23)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from typing import Any

import aiomqtt
import pytest

from acd import topics
from acd.adapters.broker import (
    _MESSAGES_WAITING,
    BrokerCounters,
    BrokerSettings,
    EmbeddedBroker,
    _GuardedBroker,
    _Reader,
)
from acd.credentials import Principal, Role, hash_password
from acd.ports import PortError
from tests.adapters.edges_help import LagMeter, client, embedded, until, users

pytestmark = pytest.mark.e2e


async def heard(subscriber: aiomqtt.Client, wait_s: float = 0.3) -> list[tuple[str, bytes]]:
    """Everything that arrives until nothing came for `wait_s`."""
    got: list[tuple[str, bytes]] = []
    with contextlib.suppress(TimeoutError):
        while True:
            message = await asyncio.wait_for(anext(aiter(subscriber.messages)), wait_s)
            got.append((str(message.topic), bytes(message.payload)))
    return got


async def test_agent_hears_only_its_own_pops():
    """Row 11: agent A subscribes to B, `#`, `+` and `$SYS`: 0 messages of others."""
    async with embedded("ann", "bob") as broker, client(broker.port, "ann") as ann:
        for foreign in (
            "acd/v1/agent/ann/invented",
            "acd/v1/agent/bob/pop", "acd/v1/agent/bob/#", "acd/v1/agent/+/pop", "acd/v1/#", "#", "+/#", "$SYS/#",
            "acd/v1/agent/ann/../bob/pop", "acd/v1/snapshot",
        ):  # fmt: skip
            codes = await ann.subscribe(foreign, qos=1)
            assert codes[0].value == 0x80, foreign
        own = await ann.subscribe("acd/v1/agent/ann/#", qos=1)
        assert own[0].value == 1
        async with client(broker.port, "router") as router:
            await router.publish("acd/v1/agent/bob/pop", b"secret", qos=1)
            await router.publish("acd/v1/snapshot", b"figures", qos=1, retain=True)
            await router.publish("acd/v1/agent/ann/pop", b"mine", qos=1)
        assert await heard(ann) == [("acd/v1/agent/ann/pop", b"mine")]


async def test_agent_cannot_send_pops_to_itself_or_others_nor_commands_for_others():
    async with embedded("ann", "bob") as broker, client(broker.port, "bob") as bob:
        await bob.subscribe("acd/v1/agent/bob/#", qos=1)
        async with client(broker.port, "router") as router, client(broker.port, "ann") as ann:
            await router.subscribe(topics.ALL_COMMANDS, qos=1)
            await ann.publish("acd/v1/agent/bob/pop", b"forged", qos=1)
            await ann.publish("acd/v1/agent/bob/command", b"forged", qos=1)
            await ann.publish("acd/v1/agent/ann/pop", b"forged", qos=1)
            await ann.publish("acd/v1/status", b"forged", qos=1, retain=True)
            await ann.publish("acd/v1/agent/ann/command", b"mine", qos=1)
            assert await heard(router) == [("acd/v1/agent/ann/command", b"mine")]
        assert await heard(bob) == []
        assert broker.counters.forbidden == 4


async def test_last_will_cannot_forge_a_pop():
    """Amqtt publishes a last will without asking anybody; the door refuses the connection."""
    async with embedded("ann", "bob") as broker:
        will = aiomqtt.Will("acd/v1/agent/bob/pop", b"forged", qos=1)
        with pytest.raises(aiomqtt.MqttError):
            await client(broker.port, "ann", will=will).__aenter__()
        will = aiomqtt.Will("acd/v1/agent/ann/presence", b"gone", qos=1)
        async with client(broker.port, "router") as router:
            await router.subscribe(topics.ALL_PRESENCE, qos=1)
            ann = client(broker.port, "ann", will=will)
            await ann.__aenter__()
            broker._links["ann-desk"].cut()
            assert await heard(router, 1.0) == [("acd/v1/agent/ann/presence", b"gone")]
            with contextlib.suppress(aiomqtt.MqttError):
                await ann.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("user", "password", "identifier"),
    [
        ("bob", "bob-secret", "ann-desk"),  # a right password, somebody else's session
        ("bob", "bob-secret", "annbob-1"),
        ("ann", "wrong", "ann-desk"),  # a wrong password must not even disturb the session
        ("nobody", "ann-secret", "nobody-1"),
        (None, None, "ann-desk"),
    ],
)
async def test_session_theft_is_refused_and_disturbs_nobody(user, password, identifier):
    """Amqtt alone would end Ann's connection, or hand out her queue, before asking for the password."""
    async with embedded("ann", "bob") as broker, client(broker.port, "router") as router:
        async with client(broker.port, "ann", clean_session=False) as ann:
            await ann.subscribe("acd/v1/agent/ann/pop", qos=1)
            for clean in (True, False):
                thief = aiomqtt.Client(
                    "127.0.0.1", broker.port, username=user, password=password, identifier=identifier,
                    clean_session=clean, timeout=5,
                )  # fmt: skip
                with pytest.raises(aiomqtt.MqttError):
                    await thief.__aenter__()
            await router.publish("acd/v1/agent/ann/pop", b"for ann", qos=1)
            assert await heard(ann) == [("acd/v1/agent/ann/pop", b"for ann")]
        assert broker.counters.refused == 2


async def test_second_login_with_the_same_client_id_ends_the_first():
    async with embedded("ann") as broker, client(broker.port, "router") as router:
        first = client(broker.port, "ann")
        await first.__aenter__()
        async with client(broker.port, "ann") as second:
            await second.subscribe("acd/v1/agent/ann/pop", qos=1)
            with pytest.raises(aiomqtt.MqttError):
                await asyncio.wait_for(anext(aiter(first.messages)), 5)
            await router.publish("acd/v1/agent/ann/pop", b"once", qos=1)
            assert await heard(second) == [("acd/v1/agent/ann/pop", b"once")]
            assert broker.counters.takeovers == 1
        with contextlib.suppress(aiomqtt.MqttError):
            await first.__aexit__(None, None, None)


async def test_number_of_clients_of_one_agent_is_bounded_and_others_are_not_hurt():
    async with embedded("ann", "bob", clients_per_agent=2) as broker:
        async with client(broker.port, "ann", "a"), client(broker.port, "ann", "b", clean_session=False):
            with pytest.raises(aiomqtt.MqttError):
                await client(broker.port, "ann", "c").__aenter__()
            async with client(broker.port, "bob"):
                pass
        async with client(broker.port, "ann", "b"):  # its own session again
            pass


async def test_retained_snapshot_reaches_wallboards_and_no_agent():
    """Amqtt hands a connecting client the retained messages of everybody's filters; ours does not."""
    async with embedded("ann") as broker, client(broker.port, "router") as router:
        await router.publish(topics.SNAPSHOT, b"figures", qos=1, retain=True)
        async with client(broker.port, "wall") as wall:
            await wall.subscribe(topics.SNAPSHOT, qos=1)
            assert await heard(wall) == [(topics.SNAPSHOT, b"figures")]
            async with client(broker.port, "ann", clean_session=False) as ann:
                await ann.subscribe("acd/v1/agent/ann/#", qos=1)
                assert await heard(ann) == []
            async with client(broker.port, "ann", clean_session=False) as ann:
                assert await heard(ann) == []


async def test_queue_of_an_absent_agent_is_bounded_and_delivered_on_return():
    async with embedded("ann", offline_messages=5) as broker, client(broker.port, "router") as router:
        async with client(broker.port, "ann", clean_session=False) as ann:
            await ann.subscribe("acd/v1/agent/ann/pop", qos=1)
        for n in range(12):
            await router.publish("acd/v1/agent/ann/pop", b"%d" % n, qos=1)
        session = broker._broker.sessions["ann-desk"][0]
        await until(lambda: session.retained_messages.qsize() == 5, "queue cut to its bound")
        async with client(broker.port, "ann", clean_session=False) as ann:
            got = sorted(int(payload) for _, payload in await heard(ann))
        assert got == [7, 8, 9, 10, 11]


async def test_oversized_message_ends_only_its_sender():
    async with embedded("ann", "bob") as broker, client(broker.port, "bob") as bob:
        await bob.subscribe("acd/v1/agent/bob/#", qos=1)
        ann = client(broker.port, "ann", timeout=2)
        await ann.__aenter__()
        with pytest.raises(aiomqtt.MqttError):
            await ann.publish("acd/v1/agent/ann/command", b"x" * 20_000, qos=1)
        with contextlib.suppress(aiomqtt.MqttError):
            await ann.__aexit__(None, None, None)
        await until(lambda: broker.counters.cut >= 1, "the sender is cut")
        async with client(broker.port, "router") as router:
            await router.publish("acd/v1/agent/bob/pop", b"still here", qos=1)
        assert await heard(bob) == [("acd/v1/agent/bob/pop", b"still here")]


def connect_packet(client_id: bytes, user: bytes, password: bytes) -> bytes:
    def text(value: bytes) -> bytes:
        return struct.pack("!H", len(value)) + value

    body = text(b"MQTT") + bytes([4, 0b11000010, 0, 30]) + text(client_id) + text(user) + text(password)
    return bytes([0x10, len(body)]) + body


async def test_reader_that_never_reads_is_cut_before_it_costs_memory():
    async with embedded("ann", unacknowledged=20) as broker, client(broker.port, "router") as router:
        reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        writer.write(connect_packet(b"ann-slow", b"ann", b"ann-secret"))
        assert (await reader.readexactly(4))[3] == 0
        topic = b"acd/v1/agent/ann/pop"
        writer.write(bytes([0x82, 5 + len(topic), 0, 1, 0, len(topic)]) + topic + b"\x01")
        await reader.readexactly(5)
        for _ in range(60):
            await router.publish("acd/v1/agent/ann/pop", b"x" * 500, qos=1)
        await until(lambda: broker.counters.cut == 1, "the silent reader is cut")
        await until(lambda: "ann-slow" not in broker._links, "the link is gone")
        writer.close()


async def test_silent_client_is_cut_after_its_keep_alive():
    async with embedded("ann") as broker:
        reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        packet = bytearray(connect_packet(b"ann-mute", b"ann", b"ann-secret"))
        packet[11] = 1  # keep-alive of one second
        writer.write(packet)
        assert (await reader.readexactly(4))[3] == 0
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert broker.counters.cut == 1
        writer.close()


async def test_hostile_bytes_leave_counters_and_a_quick_loop():
    """Row 23: garbage, half-open connections and connect-and-close; loop lag under 100 ms."""
    dice = random.Random(7)  # noqa: S311 - a test's dice
    async with embedded("ann", connect_deadline_s=0.5, max_knocking=50) as broker, LagMeter() as lag:  # noqa: SIM117 - lines
        async with client(broker.port, "router") as router, client(broker.port, "ann") as ann:
            await ann.subscribe("acd/v1/agent/ann/pop", qos=1)
            good = connect_packet(b"ann-x", b"ann", b"ann-secret")
            pieces = [
                b"", b"\x10", b"\x10\xff\xff\xff\x7f", b"\x10\xff\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n",
                b"\x00\x00", b"\xf0\x00", b"\x30\x03\x00\x01a", good[:-4],
                good.replace(b"MQTT", b"MQIs"), good + b"\xff" * 40, good + b"\x30\xff\xff\xff\x7f",
                good + b"\x82\x02\x00\x01", good + b"\x10\x00", good + b"\x90\x00" * 30, good + b"\x30\x02\xff\xff",
                good[:11] + b"\x00" + b"\xff\xff" + good[14:],
            ]  # fmt: skip
            held = []
            for _ in range(300):
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", broker.port)
                    writer.write(dice.choice([*pieces, dice.randbytes(dice.randrange(1, 200))]))
                    if dice.random() < 0.2:
                        held.append(writer)
                    else:
                        writer.close()
            await until(lambda: broker._knocking == 0, "every half-open connection met its deadline")
            await router.publish("acd/v1/agent/ann/pop", b"alive", qos=1)
            assert (await heard(ann))[-1] == ("acd/v1/agent/ann/pop", b"alive")
            for writer in held:
                writer.close()
    assert broker.counters.not_mqtt > 50
    assert lag.worst_ms < 100


async def test_a_client_with_hundreds_of_buffered_packets_lets_others_have_their_turn():
    stream = asyncio.StreamReader()
    stream.feed_data(b"x" * 600)
    reader = _Reader(stream, BrokerSettings(), BrokerCounters())
    reader.admit(60, agent=True)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    for _ in range(600):
        await reader.read(1)
    task.cancel()
    assert turns >= 20


async def test_who_sends_faster_than_messages_are_handed_out_is_not_read_meanwhile(monkeypatch):
    """Without a limit all of it waited, each message with its sender's session: 33 MiB of a flood of broken frames."""
    gate, plain = asyncio.Event(), _GuardedBroker._run_broadcast

    async def held(self: Any, running: Any) -> None:
        await gate.wait()
        await plain(self, running)

    monkeypatch.setattr(_GuardedBroker, "_run_broadcast", held)
    sent = 3 * _MESSAGES_WAITING
    async with (
        embedded("ann") as broker,
        client(broker.port, "ann") as ann,
        client(broker.port, "router") as router,
    ):
        await ann.subscribe("acd/v1/agent/ann/#")
        for number in range(sent):
            router._client.publish("acd/v1/agent/ann/pop", str(number))
        waiting = broker._broker._broadcast_queue
        await until(lambda: waiting.qsize() >= _MESSAGES_WAITING, "it is full")
        await asyncio.sleep(0.2)
        assert waiting.qsize() == _MESSAGES_WAITING
        gate.set()
        got = await heard(ann, 1.0)
        assert [int(payload) for _, payload in got] == list(range(sent)), "in order, none lost"


async def test_slow_passwords_do_not_stop_the_loop_and_are_checked_once():
    """argon2 takes tens of milliseconds of computing; it runs in a thread and its success is remembered."""
    stored = hash_password("correct horse")
    broker = EmbeddedBroker(BrokerSettings(port=0), (Principal("ann", Role.AGENT, stored),))
    await broker.start()
    try:
        async with LagMeter() as lag:
            for _ in range(3):
                async with client(broker.port, "ann", password="correct horse"):
                    pass
            with pytest.raises(aiomqtt.MqttError):
                await client(broker.port, "ann", password="correct hors").__aenter__()
        assert lag.worst_ms < 100
        assert len(broker._passwords._known) == 1
    finally:
        await broker.stop()


async def test_reload_cuts_a_user_who_is_no_longer_known():
    async with embedded("ann") as broker:
        ann = client(broker.port, "ann")
        await ann.__aenter__()
        broker.replace_principals(users("bob"))
        with pytest.raises(aiomqtt.MqttError):
            await asyncio.wait_for(anext(aiter(ann.messages)), 5)
        with pytest.raises(aiomqtt.MqttError):
            await client(broker.port, "ann").__aenter__()
        with contextlib.suppress(aiomqtt.MqttError):
            await ann.__aexit__(None, None, None)


async def test_taken_port_is_a_clear_error():
    async with embedded() as broker:
        second = EmbeddedBroker(BrokerSettings(port=broker.port), users())
        with pytest.raises(PortError, match="cannot listen on 127.0.0.1") as caught:
            await second.start()
        assert caught.value.retryable
        assert "stopped" in second.status().text
