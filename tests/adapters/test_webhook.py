"""The webhook worker against a real HTTP server that fails in every way it can."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import asynccontextmanager

import pytest

from acd.adapters.store import outbox as outbox_module
from acd.adapters.webhook import WebhookWorker
from tests.adapters.store.support import StandingClock, make_card, opened, rows, until

DAY_MS = 24 * 3_600_000


class LiveClock:
    """Real milliseconds, from any thread: back-off passes in real time."""

    def now(self):
        return 1_700_000_000_000 + int(time.monotonic() * 1000)


class Downstream:
    """A receiver that keeps what it took by key, answers 500 and drops replies as often as told."""

    def __init__(self, errors=0.0, drops=0.0, seed=1) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - repeatable
        self.errors, self.drops = errors, drops
        self.taken = {}
        self.order = []
        self.requests = 0
        self.reply = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests += 1
                if self.draw.random() < self.errors:
                    writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
                    continue
                key = headers["idempotency-key"]
                if key not in self.taken:
                    self.order.append(key)
                self.taken.setdefault(key, json.loads(body))
                if self.draw.random() < self.drops:
                    return  # taken, but the sender never hears of it
                writer.write(self.reply)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(downstream):
    server = await asyncio.start_server(downstream.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/cards"
    finally:
        server.close()


@asynccontextmanager
async def working(worker):
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        done, _ = await asyncio.wait({task}, timeout=10)
        assert done
        assert task.exception() is None


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(outbox_module, "FIRST_RETRY_MS", 2)
    monkeypatch.setattr(outbox_module, "LONGEST_RETRY_MS", 20)
    monkeypatch.setattr("acd.adapters.webhook.POLL_S", 0.01)


def states(path):
    return dict(rows(path, "SELECT state, count(*) FROM outbox GROUP BY state"))


@pytest.mark.slow
async def test_every_card_arrives_exactly_once_by_key_though_replies_fail_and_vanish(tmp_path, impatient):
    """Failure mode 30, scaled down: 30 % errors, 10 % lost replies."""
    downstream = Downstream(errors=0.3, drops=0.1)
    path = tmp_path / "acd.db"
    cards = [make_card() for _ in range(400)]
    async with (
        listening(downstream) as url,
        opened(path, clock=LiveClock(), destinations=("webhook",)) as store,
    ):
        worker = WebhookWorker(store.outbox, LiveClock(), url)
        async with working(worker):
            await asyncio.gather(*(store.write_card(card) for card in cards))
            async with asyncio.timeout(60):
                while (await store.outbox.counts()).sent < len(cards):
                    await asyncio.sleep(0.02)
        assert set(downstream.taken) == {f"{card.call}:1" for card in cards}
        assert {body["call"] for body in downstream.taken.values()} == {card.call for card in cards}
        assert downstream.requests > len(cards)
        assert worker.counters.sent == len(cards)
        assert worker.counters.failed > 0


@pytest.mark.slow
async def test_messages_about_one_call_arrive_in_order(tmp_path, impatient):
    downstream = Downstream(errors=0.4)
    async with (
        listening(downstream) as url,
        opened(tmp_path / "acd.db", clock=LiveClock(), destinations=("webhook",)) as store,
        working(WebhookWorker(store.outbox, LiveClock(), url)),
    ):
        for acw_ms in range(10):
            await store.write_card(make_card("c-1", acw_ms=acw_ms))
        await until(lambda: len(downstream.taken) == 10)
    assert downstream.order == [f"c-1:{version}" for version in range(1, 11)]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"this is not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
    ],
)
async def test_a_message_not_taken_stays_and_says_why(tmp_path, impatient, reply):
    downstream = Downstream()
    downstream.reply = reply
    path = tmp_path / "acd.db"
    async with (
        listening(downstream) as url,
        opened(path, clock=LiveClock(), destinations=("webhook",)) as store,
    ):
        worker = WebhookWorker(store.outbox, LiveClock(), url, timeout_s=1.0)
        await store.write_card(make_card("c-1"))
        async with working(worker):
            await until(lambda: worker.counters.failed >= 2)
        assert states(path) == {"waiting": 1}
        assert worker.counters.last_error


@pytest.mark.slow
async def test_a_silent_receiver_and_a_closed_port_are_failures_with_an_end(tmp_path, impatient):
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with opened(tmp_path / "acd.db", clock=LiveClock(), destinations=("webhook",)) as store:
        await store.write_card(make_card("c-1"))
        worker = WebhookWorker(store.outbox, LiveClock(), f"http://127.0.0.1:{port}/", timeout_s=0.2)
        async with working(worker):
            await until(lambda: worker.counters.failed >= 1)
            server.close()
            failed = worker.counters.failed
            await until(lambda: worker.counters.failed > failed + 1)
        assert (await store.outbox.counts()).waiting == 1


@pytest.mark.slow
async def test_after_a_day_it_is_given_up_loudly_kept_and_can_be_revived(tmp_path, impatient):
    clock = StandingClock()
    path = tmp_path / "acd.db"
    downstream = Downstream(errors=1.0)
    async with listening(downstream) as url, opened(path, clock=clock, destinations=("webhook",)) as store:
        await store.write_card(make_card("c-1"))
        await store.write_card(make_card("c-1", acw_ms=1))
        clock.at += DAY_MS
        worker = WebhookWorker(store.outbox, clock, url)
        async with working(worker):
            await until(lambda: worker.counters.dead == 2)
        assert states(path) == {"dead": 2}
        again = WebhookWorker(store.outbox, clock, url)
        async with working(again):
            await until(lambda: again.counters.dead == 2)  # after a restart it is an alarm still
        downstream.errors = 0.0
        assert await store.writer.do(lambda db: outbox_module.revive(db, clock.now())) == 2
        async with working(WebhookWorker(store.outbox, clock, url)):
            await until(lambda: len(downstream.taken) == 2)


async def test_what_several_lanes_give_up_at_once_is_counted_whole(tmp_path, impatient):
    clock = StandingClock()
    async with (
        listening(Downstream(errors=1.0)) as url,
        opened(tmp_path / "acd.db", clock=clock, destinations=("webhook",)) as store,
    ):
        for turn in range(12):
            await store.write_card(make_card(f"c-{turn}"))
        clock.at += DAY_MS
        worker = WebhookWorker(store.outbox, clock, url)
        async with working(worker):
            await until(lambda: worker.counters.failed == 12)
            await until(lambda: states(tmp_path / "acd.db") == {"dead": 12})
            await until(lambda: worker.counters.dead == 12)


async def test_the_receivers_wish_for_a_pause_is_respected(tmp_path, impatient):
    clock = StandingClock()
    downstream = Downstream()
    downstream.reply = b"HTTP/1.1 429 Slow\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"
    path = tmp_path / "acd.db"
    async with listening(downstream) as url, opened(path, clock=clock, destinations=("webhook",)) as store:
        await store.write_card(make_card("c-1"))
        worker = WebhookWorker(store.outbox, clock, url)
        async with working(worker):
            await until(lambda: worker.counters.failed == 1)
        assert rows(path, "SELECT next_try_at FROM outbox") == [(clock.at + 60_000,)]


def test_only_web_addresses_are_accepted():
    with pytest.raises(ValueError, match="http"):
        WebhookWorker(None, StandingClock(), "file:///etc/passwd")


def test_the_pause_grows_has_jitter_and_a_limit():
    draw = random.Random(7)  # noqa: S311 - repeatable
    pauses = [outbox_module.retry_wait_ms(attempt, draw) for attempt in range(30)]
    assert 500 <= pauses[0] <= 1_000
    assert max(pauses) <= outbox_module.LONGEST_RETRY_MS
    assert len({outbox_module.retry_wait_ms(20, draw) for _ in range(50)}) > 10
