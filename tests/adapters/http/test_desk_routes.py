"""Pages behind links, and cases: the token is the right, escaped, read only what is yours (003-09, 003-17)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from acd.adapters.http.app import create_app
from acd.adapters.http.services import HttpSettings
from acd.deskside.public import Page
from acd.ports import PortError
from tests.adapters.edges_help import users
from tests.adapters.http.http_help import World, auth

GOOD = "7." + "a" * 32
CASE = {"number": "123459", "state": "open", "history": []}


@dataclass
class FakeDesk:
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    broken: bool = False

    async def message(self, token: str, *, confirm: bool) -> Page | None:
        if self.broken:
            raise PortError("locked", retryable=True)
        self.asked.append((token, confirm))
        return (
            Page(
                "Message <1>", ("<script>alert(1)</script>\nsecond",), "" if confirm else "Acknowledge", "en"
            )
            if token == GOOD
            else None
        )

    async def case(self, token: str) -> Page | None:
        return None

    async def case_of(self, number: str) -> dict[str, object] | None:
        return CASE if number == "123459" else None

    async def change_case(self, number: str, event: str, who: str, text: str, *, public: bool) -> Any:
        self.asked.append((number, event, who, text, public))
        return "case 123459 is open: it cannot be closed" if event == "closed" else await self.case_of(number)


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def client(desk: FakeDesk) -> httpx.AsyncClient:
    services = replace(World().services(), public_desk=desk)
    app = create_app(services, HttpSettings(principals=users("ann")))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x")


async def test_looking_at_a_link_is_no_acknowledgement_and_all_text_is_escaped(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    answer = await client.get(f"/m/{GOOD}")
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;<br>second" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "<form" in answer.text
    done = await client.post(f"/m/{GOOD}")
    assert "<form" not in done.text
    assert desk.asked == [(GOOD, False), (GOOD, True)]


@pytest.mark.parametrize(
    "path",
    [
        "/m/7.b",
        "/m/7." + "b" * 32,
        "/case/1." + "a" * 32,
        "/m/..%2f.." + "a" * 32,
        "/firm/other~1." + "a" * 32,
    ],
)
async def test_a_token_that_is_not_ours_opens_nothing(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code in {404, 422}


async def test_a_refusing_store_asks_for_patience(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    desk.broken = True
    assert (await client.get(f"/m/{GOOD}")).status_code == 503
    assert (await client.post(f"/m/{GOOD}")).status_code == 503


async def test_without_a_desk_there_are_no_such_pages() -> None:
    app = create_app(World().services(), HttpSettings(principals=users()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as bare:
        assert (await bare.get(f"/m/{GOOD}")).status_code == 404


async def test_cases_are_for_agents_and_supervisors_with_a_login(client: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/api/v1/cases/123459"), ("POST", "/api/v1/cases/123459/taken")):
        assert (await client.request(method, path)).status_code == 401


async def test_a_quoted_number_shows_the_case_and_its_changes_say_when_they_cannot_be(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    """003-05: the number as it is read out, with dashes."""
    who = auth("ann")
    assert (await client.get("/api/v1/cases/12-345-9", headers=who)).json()["number"] == "123459"
    assert (await client.get("/api/v1/cases/999999", headers=who)).status_code == 404
    body = {"text": "looked at it", "public": True}
    assert (await client.post("/api/v1/cases/123459/taken", headers=who, json=body)).status_code == 200
    assert desk.asked[-1] == ("123459", "taken", "ann", "looked at it", True)
    refused = await client.post("/api/v1/cases/123459/closed", headers=who)
    assert (refused.status_code, "cannot be closed" in refused.text) == (409, True)
    assert (await client.post("/api/v1/cases/123459/eaten", headers=who)).status_code == 422
    assert (await client.post("/api/v1/cases/123459/noted", headers=who, json={"x": 1})).status_code == 422


class FakeWork:
    def room(self, agent: str) -> dict[str, object]:
        return {"allowed": agent == "ann", "code": "", "why": "0 of 1 in hand"}

    async def next(self, agent: str) -> dict[str, object]:
        if agent != "ann":
            raise PortError("locked", retryable=True)
        return {"allowed": False, "code": "voice", "why": "voice is exclusive: talking", "work": None}


async def test_the_next_written_work_is_asked_by_an_agent_for_himself(client: httpx.AsyncClient) -> None:
    """001-07, 001-08."""
    path = "/api/v1/desk/next-work"
    assert (await client.get(path)).status_code == 401
    assert (await client.post(path, headers=auth("ann"))).status_code == 404, "no desk here"
    services = replace(World().services(), work=FakeWork())
    app = create_app(services, HttpSettings(principals=users("ann", "bob")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as one:
        assert (await one.get(path, headers=auth("ann"))).json()["allowed"] is True
        refused = (await one.post(path, headers=auth("ann"))).json()
        assert (refused["work"], refused["why"]) == (None, "voice is exclusive: talking")
        assert (await one.post(path, headers=auth("bob"))).status_code == 503
