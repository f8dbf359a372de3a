"""What agents tell our router: log in, pause, resume, done, log out, over its HTTP interface, in order."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from simulator.centre.daemon import Api

if TYPE_CHECKING:
    from simulator.centre.config import CentreSpec


@dataclass(frozen=True, slots=True)
class Order:
    """One request. `agent`: in whose name; empty: the supervisor's."""

    path: str
    body: dict[str, object]
    agent: str = ""


AGAIN_S = 30.0
"""So long an agent tries to reach a router that does not answer."""
MOST_WAITING = 10_000
WORKERS = 4


class RouterDesks:
    """Implements simulator.load.world.Desks. What one agent says is heard in order."""

    pauses_unanswered = True
    hands_on = True

    def __init__(self, spec: CentreSpec) -> None:
        self._api = Api(spec)
        self._agents_token = spec.agents_token
        self._orders: list[asyncio.Queue[Order]] = [asyncio.Queue(MOST_WAITING) for _ in range(WORKERS)]
        self._tasks = [asyncio.create_task(self._work(orders)) for orders in self._orders]
        self.refused = 0
        """Orders the daemon did not take."""

    def say(self, agent: str, action: str, reason: str = "") -> None:
        """Send one order; returns at once."""
        # the same agent always has the same worker, so a pause never overtakes a login
        self._put(agent, Order(f"/agents/{agent}/{action}", {"reason": reason} if reason else {}))

    def hand_on(self, agent: str, call: str, queue: str) -> None:
        """Send what the agent's page sends for a blind transfer to a waiting line, as the agent."""
        body: dict[str, object] = {"how": "blind", "kind": "queue", "id": queue}
        self._put(agent, Order(f"/calls/{call}/transfer", body, agent))

    def _put(self, agent: str, order: Order) -> None:
        self._orders[sum(agent.encode()) % WORKERS].put_nowait(order)

    async def _work(self, orders: asyncio.Queue[Order]) -> None:
        while True:
            order = await orders.get()
            try:
                await self._send(order)
            except httpx.HTTPError:
                self.refused += 1
            finally:
                orders.task_done()

    async def _send(self, order: Order) -> None:
        """Send one order; while nobody listens, the agent tries again. Raises httpx.HTTPError."""
        who = (order.agent, self._agents_token) if order.agent else None
        end = time.monotonic() + AGAIN_S
        while True:
            try:
                await self._api.post(order.path, order.body, who)
            except httpx.TransportError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.2)
            else:
                return

    async def settle(self) -> None:
        """Wait until everything said is heard."""
        for orders in self._orders:
            await orders.join()

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._api.close()
