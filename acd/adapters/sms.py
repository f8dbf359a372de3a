"""Messages by HTTP: SMS through a gateway, and webhooks. One POST with an idempotency key per message.

Whatever goes wrong (500, timeout, taken but the reply lost) the message stays and comes again with its key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx

from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Callable

    from acd.ports import Parcel

SMS_CHARACTERS: Final = 600
FINAL: Final = frozenset({400, 404, 410, 422})
"""The gateway says that this message can never be sent."""
TIMEOUT_S: Final = 10.0


def sms_body(parcel: Parcel) -> dict[str, Any]:
    """Return the gateway's JSON: `to`, `text`, `key`."""
    return {"to": parcel.recipient, "text": parcel.text[:SMS_CHARACTERS], "key": parcel.key}


def webhook_body(parcel: Parcel) -> dict[str, Any]:
    """Return a webhook's JSON."""
    return {"v": 1, "key": parcel.key, "subject": parcel.subject, "text": parcel.text, **dict(parcel.facts)}


class HttpCourier:
    """Posts parcels. Without `url` the recipient is the address (webhooks)."""

    def __init__(
        self,
        body: Callable[[Parcel], dict[str, Any]],
        *,
        url: str = "",
        token: str = "",
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._body, self._url = body, url
        headers = {"User-Agent": "acd-router"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=timeout_s,
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=8),
        )

    async def send(self, parcel: Parcel) -> None:
        """Post it. Raises PortError; only answers that say "never" are final."""
        url = self._url or parcel.recipient
        if not url.startswith(("http://", "https://")):
            raise PortError("not an http address", retryable=False)
        try:
            async with self._client.stream(
                "POST", url, json=self._body(parcel), headers={"Idempotency-Key": parcel.key}
            ) as reply:
                status = reply.status_code  # only the status counts; an endless body is not read
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PortError(f"{type(error).__name__}: {error}".rstrip(": "), retryable=True) from error
        if not httpx.codes.is_success(status):
            raise PortError(f"answered {status}", retryable=status not in FINAL)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
