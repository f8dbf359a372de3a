"""Credentials of the phone in the page: over the page's own session, to their own agent (security 8, 19)."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from acd.adapters.http.app import create_app
from acd.adapters.http.services import HttpSettings
from acd.adapters.http.sip_pipe import ticket
from acd.core.ids import AgentId
from tests.adapters.edges_help import users
from tests.adapters.http.http_help import World, auth


class Phones:
    websocket = "ws://127.0.0.1:1/ws"

    def password(self, agent):
        return "sip-secret" if agent == "ann" else None

    def endpoint(self, agent):
        return f"sip-{agent}"


@pytest.mark.parametrize(
    ("path", "who", "status"),
    [
        ("ann", "ann", 200), ("ann", "bob", 403), ("bob", "bob", 404), ("ann", "boss", 403), ("ann", "nobody", 401),
    ],
)  # fmt: skip
async def test_only_its_own_agent_gets_them_and_no_log_does(path, who, status, caplog):
    app = create_app(
        replace(World().services(), phones=Phones()), HttpSettings(principals=users("ann", "bob"))
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://acd") as http:
        answer = await http.get(f"/api/v1/agents/{path}/phone", headers=auth(who))
    assert answer.status_code == status
    assert ("sip-secret" in answer.text) is (status == 200)
    assert "sip-secret" not in caplog.text
    if status == 200:
        assert answer.json() == {
            "v": 1, "user": "sip-ann", "password": "sip-secret", "ticket": ticket(AgentId("ann"), "sip-secret"),
        }  # fmt: skip
        assert answer.headers["cache-control"] == "no-store"
