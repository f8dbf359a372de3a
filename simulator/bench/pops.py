"""How long a pop takes from the daemon's wish to the agent's desk: broker, port and desks in one process.

One process and one loop carry router, broker and all desks, so the figures are upper bounds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import asdict, dataclass
from statistics import quantiles

import aiomqtt

from acd import topics
from acd.adapters.broker import BrokerSettings, EmbeddedBroker
from acd.adapters.mqtt import MqttScreenPop, MqttSettings
from acd.core.effects import ShowPop
from acd.core.events import Fact
from acd.core.ids import AgentId, Ani, CallId, Did, EffectId, QueueId, SubscriberId
from acd.credentials import Principal, Role, hash_token, new_token
from acd.pops import PopBook

_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class PopFigures:
    """Latencies in milliseconds; `lost` must be 0."""

    agents: int
    pops: int
    lost: int
    p50: float
    p95: float
    p99: float
    worst: float


def _ignore(fact: Fact) -> None:
    """Agents of the benchmark command nothing."""


class _WallClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000


async def measure(agents: int = 100, pops: int = 500, rate_per_s: float = 100.0) -> PopFigures:
    """Publish `pops` pops at a steady rate, in turn to each agent, and time their arrival."""
    names = [f"agent{n}" for n in range(agents)]
    token = new_token()
    people = [Principal("router", Role.ROUTER, hash_token(token))]
    people += [Principal(name, Role.AGENT, hash_token(token)) for name in names]
    broker = EmbeddedBroker(BrokerSettings(port=0), tuple(people))
    await broker.start()
    settings = MqttSettings(url=f"mqtt://127.0.0.1:{broker.port}", password=token)
    port = MqttScreenPop(settings, _WallClock(), _ignore, PopBook())
    link = asyncio.create_task(port.run())
    sent: dict[int, float] = {}
    arrived: dict[int, float] = {}
    complete = asyncio.Event()
    try:
        async with contextlib.AsyncExitStack() as stack:
            desks = [await stack.enter_async_context(_desk(broker.port, name, token)) for name in names]
            listening = [asyncio.create_task(_listen(desk, arrived, pops, complete)) for desk in desks]
            for desk, name in zip(desks, names, strict=True):
                await desk.subscribe(topics.agent_topic(name, "pop"), qos=1)
            await port.wait_connected(_LIMIT_S)
            for n in range(pops):
                sent[n] = time.perf_counter()
                await port.show(_wish(n, AgentId(names[n % agents])), {})
                await asyncio.sleep(1 / rate_per_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(complete.wait(), _LIMIT_S)
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
    finally:
        await port.stop()
        await link
        await broker.stop()
    delays = [(arrived[n] - sent[n]) * 1000 for n in arrived]
    cuts = quantiles(delays, n=100, method="inclusive") if len(delays) > 1 else [0.0] * 99
    figures = (round(value, 2) for value in (cuts[49], cuts[94], cuts[98], max(delays, default=0.0)))
    return PopFigures(agents, pops, pops - len(arrived), *figures)


def run(agents: int = 100, pops: int = 500, rate_per_s: float = 100.0) -> dict[str, float]:
    """Measure in a loop of its own; milliseconds."""
    return asdict(asyncio.run(measure(agents, pops, rate_per_s)))


def _desk(port: int, name: str, token: str) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", port, username=name, password=token, identifier=f"{name}-desk")


async def _listen(
    desk: aiomqtt.Client, arrived: dict[int, float], pops: int, complete: asyncio.Event
) -> None:
    async for message in desk.messages:
        now = time.perf_counter()
        arrived.setdefault(json.loads(str(message.payload, "utf-8"))["effect"], now)
        if len(arrived) == pops:
            complete.set()


def _wish(n: int, agent: AgentId) -> ShowPop:
    return ShowPop(
        EffectId(n), CallId(f"bench-{n}"), agent, 1, QueueId("bench"), SubscriberId("bench"), Did("100"), Ani(""), "",
        0,
    )  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(run()))
