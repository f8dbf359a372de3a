"""Help desks: Zammad's REST API mimicked on its documented answers, and the generic webhook (003-08, 003-09)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from acd.adapters.helpdesk import WebhookHelpDesk, ZammadHelpDesk
from acd.desk.case import Case, State
from acd.ports import PortError

CASE = Case("123459", "servis", 1_000, 9_000, "Broken screen", client_email="olga@client.example")


class Zammad:
    """Tickets in memory; states by name only where `expand=true`, by number elsewhere, as Zammad does."""

    def __init__(self) -> None:
        self.tickets: dict[int, dict[str, Any]] = {}
        self.articles: list[dict[str, Any]] = []
        self.seen: list[httpx.Request] = []
        self.lose_reply = False
        self.down = 0

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:  # noqa: PLR0911 - one answer per case
        self.seen.append(request)
        if request.headers.get("Authorization") != "Token token=t0ken":
            return httpx.Response(401, json={"error": "Authentication required"})
        if self.down:
            self.down -= 1
            return httpx.Response(502)
        path = request.url.path.removeprefix("/api/v1/tickets").strip("/")
        if request.method == "POST" and not path:
            return self.create(json.loads(request.content))
        if path == "search":
            word = request.url.params["query"].split('"')[1]
            return httpx.Response(200, json=[t for t in self.tickets.values() if word in t["title"]])
        ticket = self.tickets.get(int(path)) if path.isdigit() else None
        if ticket is None:
            return httpx.Response(404, json={"error": "Couldn't find Ticket"})
        if request.method == "PUT":
            body = json.loads(request.content)
            if body["state"].startswith("pending") and "pending_time" not in body:
                return httpx.Response(422, json={"error": "Missing required value for field 'pending_time'!"})
            ticket.update(body)
        return httpx.Response(200, json=self.shown(ticket, request))

    def create(self, body: dict[str, Any]) -> httpx.Response:
        missing = {"title", "group", "customer_id", "article"} - set(body)
        if missing:
            return httpx.Response(422, json={"error": f"missing {missing}"})
        number = len(self.tickets) + 1
        self.articles.append(body.pop("article"))
        self.tickets[number] = {"id": number, **body}
        if self.lose_reply:
            self.lose_reply = False
            raise httpx.ReadTimeout("lost")
        return httpx.Response(201, json=self.shown(self.tickets[number], None))

    @staticmethod
    def shown(ticket: dict[str, Any], request: httpx.Request | None) -> dict[str, Any]:
        if request is not None and request.url.params.get("expand") == "true":
            return ticket
        return {**{k: v for k, v in ticket.items() if k != "state"}, "state_id": 1}


def desk(zammad: Zammad, token: str = "t0ken") -> ZammadHelpDesk:
    return ZammadHelpDesk(
        "https://help.example", token, group="2nd line", now_ms=lambda: 0, transport=zammad.transport()
    )


async def test_a_case_becomes_a_ticket_and_its_changes_are_told() -> None:
    zammad = Zammad()
    helpdesk = desk(zammad)
    made = await helpdesk.tell(CASE, "the written message")
    assert (made.ticket, made.state) == ("1", State.OPEN)
    assert zammad.tickets[1]["title"] == "[ACD servis 123459] Broken screen"
    assert zammad.tickets[1]["customer_id"] == "guess:olga@client.example"
    assert zammad.articles[0]["body"] == "the written message"
    mine = replace(CASE, ticket="1")
    for state, word in (
        (State.IN_WORK, "open"),
        (State.WAITING, "pending reminder"),
        (State.RESOLVED, "closed"),
    ):
        await helpdesk.tell(replace(mine, state=state), "")
        assert zammad.tickets[1]["state"] == word
    assert len(zammad.tickets) == 1
    await helpdesk.close()


async def test_a_ticket_whose_creation_was_not_heard_of_is_found_and_not_made_twice() -> None:
    zammad = Zammad()
    zammad.lose_reply = True
    helpdesk = desk(zammad)
    with pytest.raises(PortError) as lost:
        await helpdesk.tell(CASE, "text")
    assert lost.value.retryable
    assert (await helpdesk.tell(CASE, "text")).ticket == "1"
    assert len(zammad.tickets) == 1
    await helpdesk.close()


async def test_what_the_second_line_does_is_heard() -> None:
    zammad = Zammad()
    helpdesk = desk(zammad)
    await helpdesk.tell(CASE, "text")
    zammad.tickets[1]["state"] = "closed"
    assert (await helpdesk.ask(replace(CASE, ticket="1"))).state is State.CLOSED
    zammad.tickets[1]["state"] = "our own invention"
    assert (await helpdesk.ask(replace(CASE, ticket="1"))).state is None
    await helpdesk.close()


@pytest.mark.parametrize(
    ("reply", "retryable"),
    [
        (httpx.Response(500), True),
        (httpx.Response(401), True),
        (httpx.Response(422), False),
        (httpx.Response(302, headers={"Location": "https://evil.example"}), True),
        (httpx.Response(200, content=b"<html>"), True),
        (httpx.Response(200, content=b"x" * 300_000), False),
        (httpx.Response(200, json=[1]), True),
    ],
)
async def test_every_trouble_is_one_kind_of_error(reply: httpx.Response, retryable: bool) -> None:
    helpdesk = ZammadHelpDesk("https://x.example", "t", transport=httpx.MockTransport(lambda _: reply))
    with pytest.raises(PortError) as trouble:
        await helpdesk.ask(replace(CASE, ticket="1"))
    assert trouble.value.retryable is retryable
    await helpdesk.close()


async def test_a_webhook_gets_every_change_once_by_key_and_may_answer_with_its_state() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return (
            httpx.Response(200, json={"ticket": "T-7", "state": "in_work"})
            if len(seen) > 1
            else httpx.Response(204)
        )

    helpdesk = WebhookHelpDesk("https://x.example/hook", "secret", httpx.MockTransport(answer))
    assert (await helpdesk.tell(CASE, "text")).ticket == ""
    told = await helpdesk.tell(CASE, "text")
    assert (told.ticket, told.state) == ("T-7", State.IN_WORK)
    assert seen[0].headers["Idempotency-Key"] == seen[1].headers["Idempotency-Key"]
    assert json.loads(seen[0].content)["number"] == "123459"
    await helpdesk.ask(CASE)
    assert seen[2].url.params["number"] == "123459"
    await helpdesk.close()
