"""A manager on the loopback and a connection to it, both gone after the test."""

from __future__ import annotations

import asyncio

import pytest

from acd.adapters.asterisk.connection import AmiConnection
from acd.wire.ami import AmiFrame
from tests.adapters.asterisk.ami_server import AmiServer


class Client:
    """A running connection with what it told."""

    def __init__(self, settings) -> None:
        self.events: list[AmiFrame] = []
        self.states: list[str] = []
        self.changed = asyncio.Event()
        self.connection = AmiConnection(settings, self.take, self.state)
        self.task = asyncio.create_task(self.connection.run())

    def take(self, event: AmiFrame) -> None:
        self.events.append(event)
        self.changed.set()

    def state(self, state: str) -> None:
        self.states.append(state)
        self.changed.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(8):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def up(self, times: int = 1) -> None:
        await self.until(lambda: self.states.count("up") >= times)


@pytest.fixture
async def server():
    async with AmiServer() as server:
        yield server


@pytest.fixture
async def connect():
    clients: list[Client] = []

    def start(settings) -> Client:
        client = Client(settings)
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)
