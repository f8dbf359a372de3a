"""Around every request: size, time, security headers, and an end for every exception."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from acd import topics
from acd.adapters.http.piping import PipeCounts

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from acd.adapters.http.services import HttpSettings

_LOG = logging.getLogger(__name__)
_POLICY = b"; ".join(
    (
        b"default-src 'self'", b"connect-src 'self'", b"img-src 'self' data:", b"object-src 'none'",
        b"base-uri 'none'", b"form-action 'self'", b"frame-ancestors 'none'",
    )
)  # fmt: skip
_SECURITY_HEADERS = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=()"),
]  # fmt: skip


@dataclass(slots=True)
class HttpCounters:
    """What came in and what was turned away."""

    requests: int = 0
    too_large: int = 0
    timed_out: int = 0
    faults: int = 0
    """Exceptions of ours: each is a defect to look at in the log."""
    cut: int = 0
    """Connections cut for slow or huge headers, or too many of them."""
    mqtt: PipeCounts = field(default_factory=PipeCounts)
    sip: PipeCounts = field(default_factory=PipeCounts)

    def figures(self) -> dict[str, float]:
        """Return them by name for the metrics."""
        found: dict[str, float] = {}
        for name, value in asdict(self).items():
            parts = value.items() if isinstance(value, dict) else (("", value),)
            found |= {f"http_{name}_{part}".rstrip("_"): float(count) for part, count in parts}
        return found


class _TooLargeError(Exception):
    pass


class Guard:
    """ASGI middleware, outermost."""

    def __init__(self, app: ASGIApp, settings: HttpSettings, counters: HttpCounters) -> None:
        self._app = app
        self._settings = settings
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; WebSockets have their own limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._counters.requests += 1
        exchange = _Exchange(self._settings.max_body_bytes, scope, receive, send)
        try:
            if exchange.declared_too_large():
                raise _TooLargeError  # noqa: TRY301 - the same end as for a body that grows too large
            async with asyncio.timeout(self._settings.request_timeout_s):
                await self._app(scope, exchange.receive, exchange.send)
        except _TooLargeError:
            await exchange.fail(413, "the body is too large")
        except TimeoutError:
            self._counters.timed_out += 1
            await exchange.fail(503, "this took too long")
        except Exception as defect:  # noqa: BLE001 - a defect in one request must not end the server's task
            self._counters.faults += 1
            _LOG.error("http_fault path=%s type=%s", scope.get("path", "")[:80], type(defect).__name__)
            await exchange.fail(500, "internal error")
        self._counters.too_large += exchange.too_large


class _Exchange:
    """One request and its answer."""

    def __init__(self, max_bytes: int, scope: Scope, receive: Receive, send: Send) -> None:
        self._max_bytes = max_bytes
        self._scope = scope
        self._receive = receive
        self._send = send
        self._started = False
        self._received = 0
        self.too_large = False

    def declared_too_large(self) -> bool:
        """Tell whether Content-Length already says too much."""
        for name, value in self._scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value[:20]) > self._max_bytes:
                self.too_large = True
        return self.too_large

    async def receive(self) -> Message:
        """Pass the body on, up to its limit."""
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._max_bytes:
            self.too_large = True
            raise _TooLargeError
        return message

    async def send(self, message: Message) -> None:
        """Pass the answer on with our headers."""
        if message["type"] == "http.response.start":
            self._started = True
            headers = [*message.get("headers", ()), *_SECURITY_HEADERS]
            # The page's files may be kept but are asked for each time: no mixture of two versions.
            desk = self._scope.get("path", "").startswith("/desk/")
            headers.append((b"cache-control", b"no-cache" if desk else b"no-store"))
            # The framework turns our exception in the middle of a body into a 400.
            status = 413 if self.too_large else message["status"]
            message = {**message, "status": status, "headers": headers}
        await self._send(message)

    async def fail(self, status: int, text: str) -> None:
        """Answer with an error, unless an answer is already under way."""
        if self._started:
            return
        body = topics.encode({"detail": text})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if status == 413:  # noqa: PLR2004 - the rest of the body is not worth reading
            headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
