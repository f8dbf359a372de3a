"""Call-backs over HTTP: the supervisor's list and decisions."""

from __future__ import annotations

from typing import Any

import pytest

from acd.ports import PortError
from tests.adapters.http.http_help import World, auth, caller


class Book:
    def __init__(self, answer: str | None = None, *, broken: bool = False) -> None:
        self.answer, self.broken = answer, broken
        self.acts: list[tuple[object, ...]] = []

    async def tasks(self, **asked: bool) -> list[dict[str, Any]]:
        if self.broken:
            raise PortError("no", retryable=True)
        return [{"id": 1, **asked}]

    async def act(self, *deed: object) -> str | None:
        if self.broken:
            raise PortError("no", retryable=True)
        self.acts.append(deed)
        return self.answer


BOSS = auth("boss")


async def test_the_supervisor_lists_and_decides():
    book = Book()
    async with caller(World(callbacks=book)) as http:
        answer = await http.get("/api/v1/callbacks?held=true", headers=BOSS)
        assert answer.json() == {"v": 1, "callbacks": [{"id": 1, "everything": False, "held": True}]}
        done = await http.post("/api/v1/callbacks/1/close", json={"reason": "by mail"}, headers=BOSS)
        assert done.json() == {"v": 1, "task": 1, "done": "close"}
        assert (await http.post("/api/v1/callbacks/1/approve", headers=BOSS)).status_code == 200
    assert [deed[:2] for deed in book.acts] == [(1, "close"), (1, "approve")]
    assert book.acts[0][3] == "by mail"


@pytest.mark.parametrize(
    ("book", "method", "path", "status"),
    [
        (Book("it is open"), "POST", "/callbacks/1/approve", 409),
        (Book(""), "POST", "/callbacks/1/approve", 404),
        (Book(broken=True), "POST", "/callbacks/1/approve", 503),
        (Book(broken=True), "GET", "/callbacks", 503),
        (None, "GET", "/callbacks", 404),
        (Book(), "POST", "/callbacks/1/dial", 422),
        (Book(), "POST", "/callbacks/0/retry", 422),
    ],
)
async def test_what_cannot_be_is_said(book, method, path, status):
    async with caller(World(callbacks=book)) as http:
        answer = await http.request(method, f"/api/v1{path}", headers=BOSS)
        assert answer.status_code == status
        if status == 409:
            assert answer.json()["detail"] == "it is open"


async def test_agents_see_no_numbers_of_others_and_approve_nothing():
    async with caller(World(callbacks=Book())) as http:
        assert (await http.get("/api/v1/callbacks", headers=auth("ann"))).status_code == 403
        assert (await http.post("/api/v1/callbacks/1/approve", headers=auth("ann"))).status_code == 403
        assert (await http.get("/api/v1/callbacks")).status_code == 401
