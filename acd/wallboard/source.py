"""Where the wallboard's frames come from: the daemon's HTTP API, or any function for demo and tests."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import httpx

from acd.snapshot_json import Frame, decode

Source: TypeAlias = Callable[[], Awaitable[Frame]]
"""Returns the newest frame. Raises SourceError while there is none; asked again a moment later."""

TIMEOUT_S = 2.0
MAX_ANSWER_BYTES = 20_000_000
_UNAUTHORISED = (401, 403)


class SourceError(Exception):
    """No frame now; the text says why in words for the operator."""


def read_token(path: Path | None) -> str:
    """Return the bearer token from its file; empty without a file. Raises SourceError if unreadable."""
    if path is None:
        return ""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"token file {path}: {getattr(error, 'strerror', None) or 'not plain text'};"
            " `bin/acd make-secrets` makes it on a fresh machine"
        ) from error


class HttpSource:
    """Polls ``GET /api/v1/snapshot``. The token is read again after a refusal, so it may be replaced."""

    def __init__(
        self,
        url: str,
        token_file: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._token_file = token_file
        self._token: str | None = None
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_S, transport=transport, verify=verify, trust_env=False
        )

    async def __call__(self) -> Frame:
        """Fetch one frame."""
        if self._token is None:
            self._token = read_token(self._token_file)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            async with asyncio.timeout(2 * TIMEOUT_S):  # also against an answer that only drips
                answer = await self._client.get(f"{self._url}/api/v1/snapshot", headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise SourceError(f"{self._url}: {type(error).__name__}") from error
        if answer.status_code in _UNAUTHORISED:
            self._token = None
            raise SourceError("the daemon refuses the token")
        if answer.status_code != httpx.codes.OK or len(answer.content) > MAX_ANSWER_BYTES:
            raise SourceError(f"the daemon answers {answer.status_code}")
        try:
            return decode(answer.json())
        except (ValueError, RecursionError) as error:
            raise SourceError(f"not a snapshot: {str(error)[:120]}") from error

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
