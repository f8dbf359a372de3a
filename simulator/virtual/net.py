"""The modelled wire between a daemon and Asterisk's manager: bytes, latency, and what goes wrong on it.

Actions travel in order. Responses travel in order. Events are told in order *per channel*; across channels
they may overtake each other, be dropped or doubled, which is more than TCP can do and exactly what makes
the daemon's assumptions visible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.virtual.loop import Process


@dataclass(slots=True)
class Weather:
    """What the wire does just now. Chances per frame, times in seconds."""

    latency_s: float = 0.001
    drop: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    delay_most_s: float = 0.0
    action_delay: float = 0.0
    action_delay_most_s: float = 0.0
    black_hole: bool = False
    """Nothing arrives in either direction and nobody is told."""
    refuse: bool = False
    """New connections are refused."""


class Wire(asyncio.Transport):
    """The client's end of one connection, and both directions of travel."""

    def __init__(
        self, client: Process, server: Process, protocol: asyncio.Protocol, weather: Weather, chance: Random
    ) -> None:
        super().__init__()
        self.client, self.server = client, server
        self.open = True
        self._protocol = protocol
        self._weather, self._chance = weather, chance
        self._lanes: dict[str, float] = {}
        self.on_bytes: Callable[[bytes], None] = lambda _data: None
        self.on_closed: Callable[[], None] = lambda: None
        client.on_death.append(self.cut)
        server.on_death.append(self.cut)

    # --- asyncio.Transport, as the client's protocol sees it ---------------------------------------

    def write(self, data: Any) -> None:
        """Send towards the server, in order."""
        weather = self._weather
        if not self.open or weather.black_hole:
            return
        delay = weather.latency_s
        if weather.action_delay and self._chance.random() < weather.action_delay:
            delay += self._chance.uniform(0, weather.action_delay_most_s)
        self.server.at(self._in_lane(">", delay), self._at_server, bytes(data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002 - of asyncio.Transport
        """There is no socket."""
        return default

    def get_write_buffer_size(self) -> int:
        """The modelled network always takes bytes."""
        return 0

    def is_closing(self) -> bool:
        """Whether it is over."""
        return not self.open

    def close(self) -> None:
        """Close."""
        self.abort()

    def abort(self) -> None:
        """Close now; the other side learns of it, unless the wire is dead."""
        if self.open:
            self.open = False
            self.client.later(0, self._protocol.connection_lost, None)
            if not self._weather.black_hole:
                self.server.later(self._weather.latency_s, self.on_closed)

    # --- the server's side ---------------------------------------------------------------------------

    def _at_server(self, data: bytes) -> None:
        if self.open:
            self.on_bytes(data)

    def _at_client(self, data: bytes) -> None:
        if self.open:
            self._protocol.data_received(data)

    def respond(self, data: bytes) -> None:
        """Send an answer, in order and never lost but with the link."""
        if self.open and not self._weather.black_hole:
            self.client.at(self._in_lane("<", self._weather.latency_s), self._at_client, data)

    def tell(self, data: bytes, channel: str) -> None:
        """Send an event about a channel."""
        weather = self._weather
        if not self.open or weather.black_hole:
            return
        if weather.drop and self._chance.random() < weather.drop:
            return
        copies = 2 if weather.double and self._chance.random() < weather.double else 1
        for _ in range(copies):
            delay = weather.latency_s
            if weather.delay and self._chance.random() < weather.delay:
                delay += self._chance.uniform(0, weather.delay_most_s)
            self.client.at(self._in_lane(channel, delay), self._at_client, data)

    def _in_lane(self, lane: str, delay: float) -> float:
        arrival = max(self.client.loop.time() + delay, self._lanes.get(lane, 0.0))
        self._lanes[lane] = arrival
        return arrival

    def cut(self) -> None:
        """The connection breaks, by a fault or because one end died; the living end notices."""
        if not self.open:
            return
        if self._weather.black_hole:
            return  # no FIN arrives: the client must find out by itself
        self.open = False
        if self.client.alive:
            self.client.later(self._weather.latency_s, self._protocol.connection_lost, None)
        if self.server.alive:
            self.server.later(self._weather.latency_s, self.on_closed)
