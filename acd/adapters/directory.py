"""Who calls, from a system of the subscriber's own: one HTTP GET, JSON read by the project's mapping (002-10, 002-12).

The address is the project's and never the caller's; redirects are not followed, answers are bounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from acd.ports import PortError

if TYPE_CHECKING:
    from acd.desk.project import Source

MAX_ANSWER: Final = 262_144
MAX_ITEMS: Final = 50
PLAIN: Final = (
    "name",
    "organisation",
    "taxpayer_number",
    "language",
    "product",
    "region",
    "person",
    "priority",
)


class HttpDirectory:
    """Asks subscribers' systems. One connection pool; `close` it."""

    def __init__(self, timeout_s: float = 2.0, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=20),
            headers={"User-Agent": "acd-router", "Accept": "application/json"},
        )

    async def find(self, source: Source, number: str, token: str = "") -> dict[str, object]:
        """Return what the source knows of a number, in the words of desk.dossier; empty when nothing (404).

        Raises:
            PortError: no answer, refused, no JSON, too long.
        """
        url = source.url.replace("{number}", quote(number, safe=""))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self._client.stream("GET", url, headers=headers) as reply:
                if reply.status_code == httpx.codes.NOT_FOUND:
                    return {}
                if reply.status_code != httpx.codes.OK:
                    raise PortError(f"the directory answered {reply.status_code}", retryable=True)
                body = b""
                async for piece in reply.aiter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER:
                        raise PortError(
                            f"the directory's answer is longer than {MAX_ANSWER} bytes", retryable=False
                        )
        except httpx.HTTPError as error:
            raise PortError(
                f"the directory does not answer: {type(error).__name__}", retryable=True
            ) from error
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise PortError("the directory's answer is no JSON", retryable=False) from error
        return read(source, answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def at_path(data: Any, path: str) -> Any:
    """Return the value at a dotted path such as `client.phones.0`; None where there is none."""
    for step in path.split(".")[:12]:
        if isinstance(data, Mapping):
            data = data.get(step)
        elif isinstance(data, list) and step.isdigit():
            data = data[int(step)] if int(step) < len(data) else None
        else:
            return None
    return data


def read(source: Source, answer: Any) -> dict[str, object]:
    """Bring an answer into the words of desk.dossier by the source's mapping; identity where it says nothing."""
    found: dict[str, object] = {}
    for name in PLAIN:
        value = at_path(answer, source.mapping.get(name, name))
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            found[name] = value
    sensitive = at_path(answer, source.mapping.get("sensitive", "sensitive"))
    if isinstance(sensitive, Mapping):
        found["sensitive"] = {str(name): value for name, value in list(sensitive.items())[:MAX_ITEMS]}
    items = at_path(answer, source.mapping.get("matters", "matters"))
    if isinstance(items, list):
        found["matters"] = [_matter(source, item) for item in items[:MAX_ITEMS] if isinstance(item, Mapping)]
    return found


def _matter(source: Source, item: Mapping[str, Any]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in ("kind", "id", "title", "state", "due", "person"):
        path = source.matter.get(name, name)
        found[name] = path[1:] if path.startswith("=") else at_path(item, path)
    return found
