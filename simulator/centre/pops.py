"""Watch the agents' screen-pops over MQTT, as their desktops do: when did which pop arrive?"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable

import aiomqtt

AGAIN_S = 0.5
"""How long a watcher has to end before it is asked once more."""


class PopWatcher:
    """One MQTT client per agent. `first[(call, agent)]` is when the pop's `show` came, wall seconds."""

    def __init__(self, port: int, agents: Iterable[str], password: str) -> None:
        self._port = port
        self._agents = tuple(agents)
        self._password = password
        self.first: dict[tuple[str, str], float] = {}
        self.messages = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._subscribed = 0

    async def start(self, timeout_s: float = 20.0) -> None:
        """Connect every agent; returns when all are subscribed."""
        self._tasks = [asyncio.create_task(self._watch(agent)) for agent in self._agents]
        async with asyncio.timeout(timeout_s):
            while self._subscribed < len(self._agents):  # noqa: ASYNC110 - a bounded start-up wait
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Disconnect.

        Asked again until they end: up to Python 3.11 `asyncio.wait_for`, which aiomqtt connects with, loses a
        cancellation that meets the broker's answer, and the watcher would then watch for ever.
        """
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=AGAIN_S)

    async def _watch(self, agent: str) -> None:
        first = True
        while True:
            try:
                async with aiomqtt.Client(
                    "127.0.0.1",
                    self._port,
                    username=agent,
                    password=self._password,
                    identifier=f"{agent}-watch",
                ) as client:
                    await client.subscribe(f"acd/v1/agent/{agent}/pop", qos=1)
                    self._subscribed += first
                    first = False
                    async for message in client.messages:
                        self._take(agent, message.payload)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.2)

    def _take(self, agent: str, payload: object) -> None:
        self.messages += 1
        pop = json.loads(bytes(payload)) if isinstance(payload, (bytes, bytearray)) else {}
        if pop.get("kind") == "show":
            self.first.setdefault((str(pop["call"]), agent), time.time())
