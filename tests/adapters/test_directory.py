"""A subscriber's own system behind HTTP/JSON with a mapping (002-10..12)."""

from __future__ import annotations

import httpx
import pytest

from acd.adapters.directory import HttpDirectory, at_path
from acd.desk.project import Source
from acd.ports import PortError

SOURCE = Source(
    "http",
    "https://crm.example/find?phone={number}",
    mapping={"name": "client.full_name", "matters": "client.orders", "sensitive": "client.secret"},
    matter={"id": "no", "kind": "=order", "state": "status"},
)
ANSWER = {
    "client": {
        "full_name": "Ольга",
        "orders": [{"no": 8, "status": "ready", "title": "Phone"}, "junk"],
        "secret": {"passport": 4500},
    }
}


def asked(handler) -> HttpDirectory:
    return HttpDirectory(transport=httpx.MockTransport(handler))


async def test_an_answer_is_read_by_the_projects_mapping() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ANSWER)

    directory = asked(handler)
    found = await directory.find(SOURCE, "+7916&x=1", "secret")
    await directory.close()
    assert found["name"] == "Ольга"
    assert found["matters"] == [
        {"kind": "order", "id": 8, "title": "Phone", "state": "ready", "due": None, "person": None}
    ]
    assert found["sensitive"] == {"passport": 4500}
    assert seen[0].url.params["phone"] == "+7916&x=1", "the caller's number cannot add parameters"
    assert seen[0].headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(500),
        httpx.Response(302, headers={"Location": "https://evil.example/"}),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, content=b"x" * 300_000),
    ],
)
async def test_whatever_else_comes_is_one_kind_of_error(reply: httpx.Response) -> None:
    directory = asked(lambda _: reply)
    with pytest.raises(PortError):
        await directory.find(SOURCE, "+7916")
    await directory.close()


async def test_nobody_found_is_empty_and_odd_shapes_are_left_out() -> None:
    directory = asked(lambda _: httpx.Response(404))
    assert await directory.find(SOURCE, "+7916") == {}
    await directory.close()
    odd = asked(lambda _: httpx.Response(200, json={"client": [1, 2]}))
    assert await odd.find(SOURCE, "+7916") == {}
    await odd.close()
    assert at_path({"a": [{"b": 1}]}, "a.0.b") == 1
    assert at_path({"a": [1]}, "a.9") is None
