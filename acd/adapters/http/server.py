"""uvicorn inside our own loop: signals stay ours, slow and huge headers are cut.

uvicorn has no limit on how long or how large the head of a request may be, so one line a minute would
hold a connection for ever (security row 23). The protocol below adds a deadline, a size and a number.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING, Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from acd import listening
from acd.adapters.http.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acd.adapters.http.guard import HttpCounters
    from acd.adapters.http.metrics import Metrics
    from acd.adapters.http.services import HttpServices, HttpSettings
    from acd.credentials import Principal

_STOP_LIMIT_S = 5.0
_ACCEPTS_PER_TURN, _BACKLOG = 32, 512


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Give the kernel a longer queue than asyncio accepts in one turn, so that a flood does not lag us."""
        await super().startup(sockets)
        for sock in sockets or ():
            sock.listen(_BACKLOG)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave SIGTERM and SIGINT to the daemon's shutdown ladder."""
        yield


class HttpServer:
    """`run()` serves until `stop()`."""

    def __init__(self, services: HttpServices, settings: HttpSettings) -> None:
        self._settings = settings
        self._app = create_app(services, settings)
        self._server: _Server | None = None
        self._stopped = asyncio.Event()
        self._socket: socket.socket | None = None

    @property
    def counters(self) -> HttpCounters:
        """Return what came in and what was turned away."""
        counters: HttpCounters = self._app.state.counters
        return counters

    @property
    def metrics(self) -> Metrics:
        """Return the metrics; the daemon calls `call_finished(card)` for each WriteCallCard."""
        metrics: Metrics = self._app.state.metrics
        return metrics

    @property
    def port(self) -> int:
        """Return the port in use; 0 before `bind()`."""
        return int(self._socket.getsockname()[1]) if self._socket and self._socket.fileno() >= 0 else 0

    @property
    def listening(self) -> bool:
        """Tell whether requests are served."""
        return self._server is not None and self._server.started and not self._stopped.is_set()

    def replace_principals(self, principals: tuple[Principal, ...]) -> None:
        """Take new people at a reload."""
        self._app.state.keeper.replace(principals)

    def bind(self, taken: socket.socket | None = None) -> None:
        """Take the port, or what was bound before. Raises PortError (retryable). `run()` calls this if needed."""
        self._socket = taken or listening.take("HTTP", self._settings.host, self._settings.port)

    async def run(self) -> None:
        """Serve until `stop()` or cancel."""
        if self._socket is None:
            self.bind()
        # A peer's nonsense is counted, not logged; our own defects are logged by the guard.
        for name in ("uvicorn.error", "uvicorn.access"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        config = uvicorn.Config(
            self._app,
            http=_guarded(self._settings, self.counters),
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            ws_max_size=self._settings.max_body_bytes,
            ws_max_queue=8,
            ws_per_message_deflate=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=2,
            backlog=_ACCEPTS_PER_TURN,
        )
        config.load()
        config.ssl = self._settings.tls
        self._server = _Server(config)
        try:
            await self._server.serve(sockets=[self._socket] if self._socket else None)
        finally:
            self._stopped.set()
            if self._socket is not None:
                self._socket.close()

    async def stop(self) -> None:
        """Let running requests end within two seconds, then close."""
        if self._server is None:
            return
        self._server.should_exit = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_LIMIT_S):
                await self._stopped.wait()


class _Guarded(HttpToolsProtocol):
    """uvicorn's protocol with limits on heads, on connections, and on answers that nobody reads."""

    limits: ClassVar[HttpSettings]
    counts: ClassVar[HttpCounters]

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _unread: asyncio.TimerHandle | None = None
    """Runs while the other side does not read what it asked for."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            self._cut()
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_complete()
        self._is_read()
        super().connection_lost(exc)
        # uvicorn forgets it when the other side resets: each such connection then stays in memory until it goes off
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.max_header_bytes:
                self._cut()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._head_is_complete()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.limits.max_header_bytes:  # it came in one piece, before its bytes were counted
            self._cut()
            return
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.limits.unread_deadline_s, self._cut)

    def resume_writing(self) -> None:
        self._is_read()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self._cut()  # closing would wait for a reader that is none
        else:
            super().timeout_keep_alive_handler()

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(self.limits.header_deadline_s, self._cut)

    def _head_is_complete(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut(self) -> None:
        self.counts.cut += 1
        self._head_is_complete()
        self.transport.abort()


def _guarded(settings: HttpSettings, counters: HttpCounters) -> type[HttpToolsProtocol]:
    """Return the protocol class for one server: uvicorn makes the instances itself."""
    return type("Guarded", (_Guarded,), {"limits": settings, "counts": counters})
