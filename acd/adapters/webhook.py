"""Tells one downstream system what the outbox holds, until it has taken it.

At least once from here; with the Idempotency-Key header the receiver makes it exactly once. Whatever goes
wrong (refused, 500, timeout, taken but the reply lost) the message stays and comes again with the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import httpx

from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acd.core.instant import Duration, Instant
    from acd.ports import Clock

TIMEOUT_S = 10.0
PARALLEL = 8
BATCH = 64
POLL_S = 0.5
TROUBLE_PAUSE_S = 1.0
RETRY_AFTER_LIMIT_S = 3_600
_TAKEN = range(200, 300)


class Message(Protocol):
    """One outbox message."""

    @property
    def kind(self) -> str:
        """What it tells: card, erased ..."""

    @property
    def key(self) -> str:
        """Idempotency key."""

    @property
    def payload(self) -> str:
        """JSON text."""


class Counts(Protocol):
    """How the outbox stands."""

    @property
    def dead(self) -> int:
        """Given up."""


class OutboxPort(Protocol):
    """The durable outbox (adapters.store.outbox.Outbox)."""

    async def due(self, destination: str, now: Instant, limit: int) -> Sequence[Message]:
        """Return what is to be sent now, of each call only the oldest."""

    async def sent(self, message: Message, now: Instant) -> None:
        """It was taken."""

    async def failed(
        self, message: Message, error: str, now: Instant, *, retry_after_ms: Duration = 0
    ) -> bool:
        """It was not; return whether it was given up for good."""

    async def counts(self) -> Counts:
        """Return how many were given up and wait for a person."""


@dataclass(slots=True)
class WebhookCounters:
    """What happened since start, but for `dead`."""

    sent: int = 0
    failed: int = 0
    dead: int = 0
    """Given up and kept, in earlier lives too: an alarm until a person sends them again."""
    last_error: str = ""
    """Why the last attempt failed, in plain words; empty once one succeeded."""


class WebhookWorker:
    """Sends due messages to one URL. Run `run()` as a task; `stop()` lets what is under way finish."""

    def __init__(
        self,
        outbox: OutboxPort,
        clock: Clock,
        url: str,
        *,
        destination: str = "webhook",
        token: str = "",
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if httpx.URL(url).scheme not in {"http", "https"}:
            raise ValueError("the webhook's URL must begin with http:// or https://")
        self.counters = WebhookCounters()
        self._outbox = outbox
        self._clock = clock
        self._url = url
        self._destination = destination
        self._headers = {"Content-Type": "application/json", "User-Agent": "acd-router"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout_s = timeout_s
        self._transport = transport
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Send until stopped. A refusing database pauses the work; nothing is forgotten."""
        async with httpx.AsyncClient(
            headers=self._headers,
            timeout=self._timeout_s,
            transport=self._transport,
            follow_redirects=False,  # a redirect would carry callers' data to a place nobody configured
            trust_env=False,
            limits=httpx.Limits(max_connections=PARALLEL),
        ) as client:
            counted = False
            while not self._stopping.is_set():
                try:
                    if not counted:
                        self.counters.dead = (await self._outbox.counts()).dead
                        counted = True
                    worked = await self._round(client)
                    pause_s = 0.0 if worked else POLL_S
                except PortError as error:
                    self.counters.last_error = str(error)
                    pause_s = TROUBLE_PAUSE_S
                if pause_s:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(pause_s):
                            await self._stopping.wait()

    def stop(self) -> None:
        """Ask `run` to return after the round under way, at most one timeout later."""
        self._stopping.set()

    async def _round(self, client: httpx.AsyncClient) -> bool:
        """Send one batch, a few at a time; return whether there was anything."""
        messages = list(await self._outbox.due(self._destination, self._clock.now(), BATCH))
        waiting = iter(messages)

        async def lane() -> None:
            for message in waiting:
                if self._stopping.is_set():
                    return
                await self._send(client, message)

        results = await asyncio.gather(*(lane() for _ in range(PARALLEL)), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return bool(messages)

    async def _send(self, client: httpx.AsyncClient, message: Message) -> None:
        error, retry_after_ms = "", 0
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                client.stream(
                    "POST",
                    self._url,
                    content=message.payload.encode("utf-8"),
                    headers={"Idempotency-Key": message.key, "X-ACD-Kind": message.kind},
                ) as reply,
            ):
                # only the status counts; an endless body is not read
                if reply.status_code not in _TAKEN:
                    error = f"answered {reply.status_code}"
                    retry_after_ms = _retry_after_ms(reply.headers.get("Retry-After", ""))
        except (httpx.HTTPError, TimeoutError) as failure:
            error = f"{type(failure).__name__}: {failure}".rstrip(": ")
        now = self._clock.now()
        if not error:
            await self._outbox.sent(message, now)
            self.counters.sent += 1
            self.counters.last_error = ""
            return
        self.counters.failed += 1
        self.counters.last_error = error
        given_up = await self._outbox.failed(message, error, now, retry_after_ms=retry_after_ms)
        self.counters.dead += given_up  # not in one line: other lanes count while this one waits


def _retry_after_ms(text: str) -> Duration:
    """Return the receiver's own wish for a pause, in seconds form only, bounded."""
    seconds = text.strip()
    if not (seconds.isascii() and seconds.isdigit()) or len(seconds) > len("99999999"):
        return 0
    return min(int(seconds), RETRY_AFTER_LIMIT_S) * 1000
