"""Downstream help desks behind one port: a generic webhook, and Zammad's REST API (000-16, 003-08).

Zammad (its documented API): `POST /api/v1/tickets` with title, group, customer and a first article makes a ticket,
`PUT /api/v1/tickets/{id}` changes its state, `GET` shows it, `GET /api/v1/tickets/search` finds it again; the token
goes into `Authorization: Token token=...`. A ticket made while the reply was lost is found by its title's number.
Kayako Classic's API (`/Tickets/Ticket`) has the same three verbs and fits the same port.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import httpx

from acd.desk.case import State
from acd.ports import PortError

if TYPE_CHECKING:
    from acd.desk.case import Case

ZAMMAD_STATES: Final = {
    State.OPEN: "new",
    State.IN_WORK: "open",
    State.WAITING: "pending reminder",
    State.RESOLVED: "closed",
    State.CLOSED: "closed",
}
OUR_STATES: Final = {
    "new": State.OPEN,
    "open": State.IN_WORK,
    "in_work": State.IN_WORK,
    "pending reminder": State.WAITING,
    "pending close": State.RESOLVED,
    "waiting": State.WAITING,
    "resolved": State.RESOLVED,
    "merged": State.CLOSED,
    "closed": State.CLOSED,
}
"""A help desk's words; one we do not know changes nothing."""
MAX_ANSWER: Final = 262_144
PENDING_MS: Final = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class TicketState:
    """How a ticket stands there. `state` None: a word we do not know, or nothing was said."""

    ticket: str
    state: State | None


class HelpDesk(Protocol):
    """A help desk."""

    async def tell(self, case: Case, text: str) -> TicketState:
        """Make the case's ticket or bring it to the case's state. Telling the same again changes nothing."""

    async def ask(self, case: Case) -> TicketState:
        """Return how the ticket stands there."""

    async def close(self) -> None:
        """Close the connections."""


class _Http:
    """Bounded JSON over HTTP; every trouble is one kind of error."""

    def __init__(self, url: str, authorization: str, transport: httpx.AsyncBaseTransport | None) -> None:
        headers = {"User-Agent": "acd-router", "Accept": "application/json"}
        if authorization:
            headers["Authorization"] = authorization
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=15.0,
            transport=transport,
            follow_redirects=False,
            trust_env=False,
        )

    async def call(self, method: str, path: str, **more: Any) -> Any:
        """Return the decoded answer. Raises PortError; 4xx but 408, 409 and 429 are final."""
        try:
            async with self._client.stream(method, path, **more) as reply:
                body = b""
                async for piece in reply.aiter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER:
                        raise PortError("the help desk's answer is too long", retryable=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PortError(
                f"the help desk does not answer: {type(error).__name__}", retryable=True
            ) from error
        if not reply.is_success:
            final = reply.is_client_error and reply.status_code not in {401, 403, 408, 409, 429}
            raise PortError(f"the help desk answered {reply.status_code}", retryable=not final)
        try:
            return httpx.Response(200, content=body).json() if body.strip() else {}
        except (ValueError, RecursionError) as error:
            raise PortError("the help desk's answer is no JSON", retryable=True) from error

    async def close(self) -> None:
        await self._client.aclose()


class WebhookHelpDesk:
    """Any system: one POST per change with an idempotency key; the answer may name `ticket` and `state`."""

    def __init__(self, url: str, token: str = "", transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = _Http(url, f"Bearer {token}" if token else "", transport)

    async def tell(self, case: Case, text: str) -> TicketState:
        """Post the case."""
        body = {
            "v": 1, "number": case.number, "project": case.project, "state": case.state.value,
            "subject": case.subject, "owner": case.owner, "client": case.client, "client_name": case.client_name,
            "client_email": case.client_email, "deadline": case.deadline, "ticket": case.ticket, "text": text,
        }  # fmt: skip
        key = f"{case.number}:{len(case.history)}:{case.state.value}"
        return self._read(
            case, await self._http.call("POST", "", json=body, headers={"Idempotency-Key": key})
        )

    async def ask(self, case: Case) -> TicketState:
        """Get the ticket's state: `GET ?number=`."""
        return self._read(case, await self._http.call("GET", "", params={"number": case.number}))

    @staticmethod
    def _read(case: Case, answer: Any) -> TicketState:
        data = answer if isinstance(answer, dict) else {}
        return TicketState(
            str(data.get("ticket") or case.ticket)[:64], OUR_STATES.get(str(data.get("state", "")).lower())
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


class ZammadHelpDesk:
    """Zammad. `group` gets new tickets; `customer` is theirs when the client left no address."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        group: str = "Users",
        customer: str = "desk@localhost",
        now_ms: Any = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = _Http(f"{url.rstrip('/')}/api/v1", f"Token token={token}", transport)
        self._group, self._customer, self._now_ms = group, customer, now_ms

    async def tell(self, case: Case, text: str) -> TicketState:
        """Make the ticket, or bring it to the case's state."""
        ticket = case.ticket or await self._search(case)
        if ticket:
            answer = await self._http.call("PUT", f"/tickets/{ticket}", json=self._state(case))
        else:
            email = case.client_email
            body = {
                "title": self.title(case),
                "group": self._group,
                "customer_id": f"guess:{email}" if email else f"guess:{self._customer}",
                "article": {
                    "subject": case.subject, "body": text, "type": "note", "internal": False,
                    "content_type": "text/plain",
                },
                **self._state(case),
            }  # fmt: skip
            answer = await self._http.call("POST", "/tickets", json=body)
        return await self._read(answer)

    async def ask(self, case: Case) -> TicketState:
        """Return how the ticket stands."""
        return await self._read(
            await self._http.call("GET", f"/tickets/{case.ticket}", params={"expand": "true"})
        )

    @staticmethod
    def title(case: Case) -> str:
        """Return a ticket's title; our number in it makes a ticket findable whose creation was not heard of."""
        return f"[ACD {case.project} {case.number}] {case.subject}"[:250]

    def _state(self, case: Case) -> dict[str, Any]:
        state: dict[str, Any] = {"state": ZAMMAD_STATES[case.state]}
        if case.state is State.WAITING and self._now_ms is not None:
            import datetime as dt

            at = dt.datetime.fromtimestamp((self._now_ms() + PENDING_MS) / 1000, tz=dt.UTC)
            state["pending_time"] = at.isoformat()  # Zammad wants one with a pending state
        return state

    async def _search(self, case: Case) -> str:
        mark = f"[ACD {case.project} {case.number}]"
        query = f'title:"ACD {case.project} {case.number}"'
        answer = await self._http.call(
            "GET", "/tickets/search", params={"query": query, "limit": 5, "expand": "true"}
        )
        for item in answer if isinstance(answer, list) else []:
            if isinstance(item, dict) and str(item.get("title", "")).startswith(mark):
                return str(item.get("id", ""))
        return ""

    async def _read(self, answer: Any) -> TicketState:
        data = answer if isinstance(answer, dict) else {}
        ticket = str(data.get("id") or "")
        if not ticket.isdigit():
            raise PortError("the help desk named no ticket", retryable=True)
        state = data.get("state")
        if not isinstance(state, str):  # answers to POST and PUT carry only a number for the state
            shown = await self._http.call("GET", f"/tickets/{ticket}", params={"expand": "true"})
            state = shown.get("state") if isinstance(shown, dict) else None
        return TicketState(ticket, OUR_STATES.get(str(state).lower()))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()
