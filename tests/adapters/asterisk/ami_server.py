"""A small manager for tests, written with acd.wire in the server role. Says only what it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

from acd.adapters.asterisk.link import AmiSettings
from acd.wire import ami

Handler = Callable[["AmiServer", ami.AmiAction], bytes]


def ok(action: ami.AmiAction, message: str = "", **headers: str) -> bytes:
    return ami.encode_response("Success", {"Message": message, **headers}, action_id=action.get("ActionID"))


def error(action: ami.AmiAction, message: str) -> bytes:
    return ami.encode_response("Error", {"Message": message}, action_id=action.get("ActionID"))


def listing(action: ami.AmiAction, events: list[tuple[str, list[tuple[str, str]]]], complete: str) -> bytes:
    action_id = ("ActionID", action.get("ActionID"))
    parts = [ok(action, EventList="start")]
    parts += [ami.encode_event(name, [action_id, *headers]) for name, headers in events]
    parts.append(ami.encode_event(complete, [action_id, ("EventList", "Complete")]))
    return b"".join(parts)


class AmiServer:
    """Listens on a free port of the loopback. `handlers` override the answers by action name."""

    def __init__(self) -> None:
        self.actions: list[ami.AmiAction] = []
        self.logins = 0
        self.handlers: dict[str, Handler] = {}
        self.version = "22.10.1~dfsg+1"
        self.secret = "s3cret"
        self.booted = True
        self.banner = ami.encode_banner()
        self.mute = False
        """Read and say nothing: a link without a peer."""
        self.port = 0
        self.arrived = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.sleep(0)

    def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def send(self, data: bytes) -> None:
        for writer in self._writers:
            writer.write(data)

    def named(self, name: str) -> list[ami.AmiAction]:
        return [a for a in self.actions if a.name == name]

    async def saw(self, name: str, count: int = 1) -> list[ami.AmiAction]:
        async with asyncio.timeout(5):
            while len(self.named(name)) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.named(name)

    def settings(self, **changes: object) -> AmiSettings:
        values: dict[str, object] = {"username": "acd", "secret": "s3cret", "port": self.port}
        return AmiSettings(**{**values, **changes})  # type: ignore[arg-type]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        parser = ami.AmiServerParser()
        try:
            if not self.mute:
                writer.write(self.banner)
            while data := await reader.read(65536):
                for action in parser.feed(data):
                    self.actions.append(action)
                    if not self.mute:
                        writer.write(self._answer(action))
                    self.arrived.set()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _answer(self, action: ami.AmiAction) -> bytes:
        if action.name in self.handlers:
            return self.handlers[action.name](self, action)
        if action.name == "Login":
            self.logins += 1
            if action.get("Secret") != self.secret:
                return error(action, "Authentication failed")
            return ok(action, "Authentication accepted") + (
                ami.encode_event("FullyBooted", {"Status": "Fully Booted"}) if self.booted else b""
            )
        if action.name == "CoreSettings":
            return ok(action, AsteriskVersion=self.version)
        return ok(action)
