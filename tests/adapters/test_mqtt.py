"""The MQTT port against the embedded broker and a real mosquitto; failure mode 29."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import replace

import pytest

from acd import topics
from acd.adapters.mqtt import MqttCounters, MqttScreenPop, MqttSettings, Outbox
from acd.core.effects import CloseWrapUp, OpenWrapUp, WithdrawPop
from acd.core.events import AgentLoggedIn, AgentPaused
from acd.core.ids import AgentId, EffectId
from acd.pops import PopBook
from acd.topics import Message
from simulator.lab.ports import free_port
from tests.adapters.edges_help import (
    ANI,
    ANN,
    CALL,
    DID,
    FakeClock,
    LagMeter,
    client,
    confirm,
    embedded,
    mosquitto,
    show,
    snapshot,
    until,
)

pytestmark = pytest.mark.e2e


@contextlib.asynccontextmanager
async def screen_pop(port: int, clock: FakeClock | None = None, **settings: object):
    """The port with its task running, and the list of facts it told."""
    facts: list[object] = []
    settings.setdefault("password", "router-secret")
    settings.setdefault("backoff_max_s", 0.3)
    pop = MqttScreenPop(
        MqttSettings(url=f"mqtt://127.0.0.1:{port}", **settings),
        clock or FakeClock(real=True),
        facts.append,
        PopBook(),
    )
    task = asyncio.create_task(pop.run())
    try:
        yield pop, facts
    finally:
        await pop.stop()
        await asyncio.wait_for(task, 5)


@contextlib.asynccontextmanager
async def either(kind: str, tmp_path, *agents: str):
    """The same test on the broker that comes along and on mosquitto, so that neither drifts."""
    if kind == "mosquitto":
        async with mosquitto(tmp_path, free_port(), *agents) as port:
            yield port
    else:
        async with embedded(*agents) as broker:
            yield broker.port


both = pytest.mark.parametrize("kind", ["embedded", "mosquitto"])


async def read(desk, count: int) -> list[tuple[str, dict]]:
    """The next `count` messages, JSON decoded."""
    got = []
    async with asyncio.timeout(5):
        while len(got) < count:
            message = await anext(aiter(desk.messages))
            got.append((str(message.topic), json.loads(message.payload)))
    return got


@both
async def test_agent_sees_the_whole_life_of_a_pop_in_order(kind, tmp_path):
    async with (
        either(kind, tmp_path, "ann", "bob") as port,
        client(port, "ann") as desk,
        screen_pop(port) as (pop, _),
    ):
        await desk.subscribe("acd/v1/agent/ann/pop", qos=1)
        await pop.show(show(), {"name": "Иван"})
        await pop.confirm(confirm())
        await pop.open_wrap_up(OpenWrapUp(EffectId(2), CALL, ANN, 5))
        await pop.close_wrap_up(CloseWrapUp(EffectId(3), CALL, ANN, "done"))
        await pop.show(show(AgentId("bob"), effect=4), {})
        await pop.withdraw(WithdrawPop(EffectId(5), CALL, ANN, "no_answer"))
        bodies = [body for _, body in await read(desk, 5)]
        assert [b["kind"] for b in bodies] == ["show", "confirm", "wrapup", "wrapup_closed", "withdraw"]
        assert ANI not in json.dumps(bodies)
        assert "Иван" not in json.dumps(bodies, ensure_ascii=False)
        assert pop.status().connected
        assert "connected to the broker" in pop.status().text


@both
async def test_command_of_an_agent_becomes_a_fact_and_nonsense_a_count(kind, tmp_path):
    async with (
        either(kind, tmp_path, "ann", "bob") as port,
        client(port, "ann") as desk,
        screen_pop(port) as (pop, facts),
    ):
        await until(lambda: pop.status().connected, "connected")
        await desk.publish("acd/v1/agent/bob/command", topics.command("logout"), qos=1)
        await desk.publish("acd/v1/agent/ann/command", b"{", qos=1)
        await desk.publish("acd/v1/agent/ann/presence", b'{"v":1,"online":true}', qos=1, retain=True)
        await desk.publish("acd/v1/agent/ann/command", topics.command("login"), qos=1)
        await desk.publish("acd/v1/agent/ann/command", topics.command("pause", "lunch"), qos=1)
        await until(lambda: len(facts) == 2, "two facts")
        assert [type(f) for f in facts] == [AgentLoggedIn, AgentPaused]
        assert {f.agent for f in facts} == {ANN}
        assert pop.counters.malformed == 1
        assert pop.status().desks_online == 1


@both
async def test_state_is_retained_for_who_comes_later_and_says_when_the_router_stops(kind, tmp_path):
    async with either(kind, tmp_path, "ann") as port:
        async with screen_pop(port) as (pop, _):
            await pop.publish_snapshot(snapshot())
            await until(lambda: pop.counters.published >= 3, "published")
            async with client(port, "wall") as wall, client(port, "ann") as desk:
                await wall.subscribe(topics.SNAPSHOT, qos=1)
                await desk.subscribe("acd/v1/agent/ann/+", qos=1)
                ((_, body),) = await read(wall, 1)
                assert ANI not in json.dumps(body)
                assert DID not in json.dumps(body)
                assert (await read(desk, 1))[0][1]["state"] == "talking"
        async with client(port, "wall") as wall:
            await wall.subscribe(topics.STATUS, qos=1)
            ((_, body),) = await read(wall, 1)
            assert (body["state"], body["text"]) == ("down", "the router was stopped")


async def test_running_times_of_a_snapshot_do_not_send_a_message_per_agent():
    async with embedded("ann") as broker, screen_pop(broker.port) as (pop, _):
        await pop.publish_snapshot(snapshot())
        await until(lambda: pop.counters.published == 4, "status, snapshot, two agents")
        view = snapshot()
        later = replace(
            view, now=view.now + 1_000, agents=tuple(replace(a, ready_ms=1_000) for a in view.agents)
        )
        await pop.publish_snapshot(later)
        assert pop.status().waiting == 1


async def test_last_will_says_down_when_the_router_dies(tmp_path):
    async with mosquitto(tmp_path, free_port(), "ann") as port:
        pop = MqttScreenPop(
            MqttSettings(url=f"mqtt://127.0.0.1:{port}", password="router-secret"),
            FakeClock(real=True), print, PopBook(),
        )  # fmt: skip
        made = []
        original = pop._client

        async def remembered():
            made.append(await original())
            return made[-1]

        pop._client = remembered
        task = asyncio.create_task(pop.run())
        await until(lambda: pop.counters.published, "status up")
        async with client(port, "wall") as wall:
            await wall.subscribe(topics.STATUS, qos=1)
            assert (await read(wall, 1))[0][1]["state"] == "up"
            pop._stopping.set()  # so that it does not come back, and
            made[0]._client.socket().shutdown(2)  # the line is cut
            assert (await read(wall, 1))[0][1]["state"] == "down"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_broker_outage_delays_nothing_and_pops_of_the_last_minute_arrive_after_it(tmp_path):
    """Row 29: the port answers at once, old pops become "no pop", the backlog drains quickly."""
    clock, port = FakeClock(), free_port()
    async with screen_pop(port, clock) as (pop, _):
        began = time.monotonic()
        for n in range(100):
            await pop.show(show(effect=n), {})
        assert time.monotonic() - began < 0.1
        clock.ms += 61_000
        await until(lambda: pop.counters.no_pop == 100, "a minute later nobody needs these")
        for n in range(100, 200):
            await pop.show(show(effect=n), {})
        await pop.publish_snapshot(snapshot())
        assert "no connection to the broker" in pop.status().text
        async with mosquitto(tmp_path, port, "ann"), client(port, "ann") as desk:
            await desk.subscribe("acd/v1/agent/ann/pop", qos=1)
            effects = [body["effect"] for _, body in await read(desk, 100)]
            assert effects == list(range(100, 200))
            await until(lambda: pop.status().waiting == 0, "drained")


async def test_restarted_broker_gets_the_retained_state_again(tmp_path):
    port = free_port()
    async with screen_pop(port) as (pop, _):
        async with mosquitto(tmp_path, port, "ann"):
            await pop.publish_snapshot(snapshot())
            await until(lambda: pop.counters.published >= 3, "published")
        await until(lambda: not pop.status().connected, "the outage is noticed")
        async with mosquitto(tmp_path, port, "ann"), client(port, "wall") as wall:
            await wall.subscribe(topics.SNAPSHOT, qos=1)
            assert (await read(wall, 1))[0][0] == topics.SNAPSHOT
            assert pop.counters.connects == 2


async def test_pop_cut_off_in_flight_is_sent_again():
    """The line breaks between PUBLISH and its acknowledgement: at least once, not at most once."""
    async with embedded("ann") as broker, client(broker.port, "ann") as desk:
        await desk.subscribe("acd/v1/agent/ann/pop", qos=1)
        cuts = []

        async def carry(reader, writer, *, watch: bool):
            while data := await reader.read(65_536):
                if watch and not cuts and b"/pop" in data:
                    cuts.append(data)
                    break
                writer.write(data)
            writer.close()

        async def proxy(reader, writer):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", broker.port)
            ways = [carry(reader, far_writer, watch=True), carry(far_reader, writer, watch=False)]
            tasks = [asyncio.create_task(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            writer.close()
            far_writer.close()
            await asyncio.gather(*tasks, return_exceptions=True)

        server = await asyncio.start_server(proxy, "127.0.0.1", 0)
        async with screen_pop(server.sockets[0].getsockname()[1]) as (pop, _):
            assert await pop.wait_connected(5)
            await pop.show(show(effect=7), {})
            ((_, body),) = await read(desk, 1)
            assert (body["effect"], len(cuts)) == (7, 1)
        server.close()
        await server.wait_closed()


async def test_wrong_password_is_said_in_plain_words_and_tried_again_politely():
    async with embedded("ann") as broker, screen_pop(broker.port, password="wrong") as (pop, _):
        await until(lambda: broker.counters.refused >= 2, "tried again")
        assert "next try within" in pop.status().text
        assert not pop.status().connected
        assert "wrong" not in pop.status().text


async def test_broker_that_accepts_and_never_answers_holds_nothing_up():
    """A black hole: each attempt ends by its time limit, sockets are not piled up."""
    open_links = []

    async def silent(reader, writer):
        open_links.append(writer)
        await reader.read()
        await reader.read(1)
        open_links.remove(writer)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with LagMeter() as lag, screen_pop(port, timeout_s=0.2, backoff_max_s=0.1) as (pop, _):
        await pop.show(show(), {})
        await until(lambda: "timed out" in pop.status().text, "the limit is named")
        await asyncio.sleep(1)
        assert len(open_links) <= 2
    assert lag.worst_ms < 100
    server.close()
    await server.wait_closed()


async def test_told_to_stop_while_connecting_it_leaves_nothing_behind():
    """SIGTERM in the daemon's first second: the broker's late answer met a cancelled future, and a traceback was printed."""
    links = asyncio.Queue()

    async def silent(reader, writer):
        await reader.read(200)
        await links.put(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    settings = MqttSettings(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    pop = MqttScreenPop(settings, FakeClock(), [].append, PopBook())
    task = asyncio.create_task(pop.run())
    writer = await asyncio.wait_for(links.get(), 5)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    with contextlib.suppress(OSError):
        writer.write(b"\x20\x02\x00\x00")
        await writer.drain()
    writer.close()
    await asyncio.sleep(0.2)
    assert complaints == []
    server.close()


async def test_full_privacy_is_an_explicit_choice():
    async with embedded("ann") as broker, client(broker.port, "ann") as desk:
        await desk.subscribe("acd/v1/agent/ann/pop", qos=1)
        async with screen_pop(broker.port, privacy="full") as (pop, _):
            await pop.show(show(), {"name": "Иван"})
            ((_, body),) = await read(desk, 1)
            assert (body["ani"], body["dossier"]) == (ANI, {"name": "Иван"})


async def test_hundred_agents_each_get_their_own_pop():
    agents = [f"a{n}" for n in range(100)]
    async with (
        embedded(*agents) as broker,
        screen_pop(broker.port) as (pop, _),
        contextlib.AsyncExitStack() as stack,
    ):
        desks = await asyncio.gather(*(stack.enter_async_context(client(broker.port, a)) for a in agents))
        await asyncio.gather(
            *(d.subscribe(f"acd/v1/agent/{a}/#", qos=1) for a, d in zip(agents, desks, strict=True))
        )
        await until(lambda: pop.status().connected, "connected")
        began = time.monotonic()
        async with LagMeter() as lag:
            for n, agent in enumerate(agents):
                await pop.show(show(AgentId(agent), effect=n), {})
            got = await asyncio.gather(*(read(desk, 1) for desk in desks))
        assert [messages[0][1]["agent"] for messages in got] == agents
        assert time.monotonic() - began < 3
        assert lag.worst_ms < 250  # a hundred clients of the test share this loop


def test_full_outbox_loses_its_oldest_pop_and_counts_it():
    counters = MqttCounters()
    box = Outbox(3, counters)
    for n in range(5):
        box.put(Message("t", b"%d" % n, expires_at=100, kind="show"))
    assert [box.take(0)[1].payload for _ in range(3)] == [b"2", b"3", b"4"]
    assert box.take(0) is None
    assert (counters.dropped, counters.no_pop) == (2, 2)


def test_unacknowledged_message_keeps_its_place_and_newer_state_wins():
    box = Outbox(10, MqttCounters())
    box.put(Message("pop", b"1", expires_at=100, kind="show"))
    box.put(Message("state", b"old", retain=True))
    first, old = box.take(0), box.take(0)
    box.put(Message("pop", b"2", expires_at=100, kind="show"))
    box.put(Message("state", b"new", retain=True))
    box.give_back(*first)
    box.give_back(*old)
    assert [box.take(0)[1].payload for _ in range(3)] == [b"1", b"2", b"new"]


@pytest.mark.parametrize("url", ["", "http://x", "mqtt://", "mqtt://u:p@host", "mqtt://host:99999"])
def test_unusable_broker_url_is_refused_at_once(url):
    with pytest.raises(ValueError, match=r"mqtt\.url|Port"):
        _ = MqttSettings(url=url).port


def test_password_is_not_in_the_text_form_of_the_settings():
    assert "hunter2" not in repr(MqttSettings(password="hunter2"))
