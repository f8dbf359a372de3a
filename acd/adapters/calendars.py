"""Where key people's calendars come from: files beside the projects and https addresses, bounded in size and time.

What is in them is read in a process of its own (acd.workroom.ical).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx

from acd.ports import PortError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 1_000_000


async def fetch(
    url: str, timeout_s: float = 10.0, transport: httpx.AsyncBaseTransport | None = None
) -> bytes:
    """Return a calendar from its https address, bounded. Raises PortError."""
    try:
        async with (
            httpx.AsyncClient(timeout=timeout_s, transport=transport, trust_env=False) as client,
            client.stream("GET", url) as reply,
        ):
            if reply.status_code != httpx.codes.OK:
                raise PortError(f"the calendar's address answered {reply.status_code}", retryable=True)
            body = b""
            async for piece in reply.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise PortError(f"the calendar is larger than {MAX_BYTES} bytes", retryable=False)
            return body
    except httpx.HTTPError as error:
        raise PortError(
            f"the calendar's address does not answer: {type(error).__name__}", retryable=True
        ) from error


def read_file(path: Path, folder: Path) -> bytes:
    """Return a calendar file beside the projects, never one outside that folder. Raises PortError."""
    target = path.resolve()
    if not target.is_relative_to(folder.resolve()):
        raise PortError("a calendar file must lie beside the project", retryable=False)
    try:
        with target.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise PortError(f"the calendar cannot be read: {error.strerror}", retryable=True) from error
