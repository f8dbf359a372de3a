"""`acd outbox` through the daemon's interface."""

from __future__ import annotations

import httpx
import pytest
from typer.testing import CliRunner

import acd.cli.api as api_module
from acd.cli import main as cli
from acd.cli.api import Api

COUNTS = {"v": 1, "waiting": 3, "sent": 5, "dead": 2, "oldest_waiting_at": 1_700_000_000_000}


@pytest.fixture
def asked(monkeypatch):
    """Requests seen; `counts` of the fixture's value is the answer."""
    seen: list[httpx.Request] = []
    counts = dict(COUNTS)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=counts if request.method == "GET" else {"v": 1, "revived": 2})

    monkeypatch.setattr(
        api_module, "Api", lambda *given, **_: Api(*given[:2], transport=httpx.MockTransport(answer))
    )
    return seen, counts


def invoke(*arguments: str):
    return CliRunner().invoke(cli.app, [*arguments, "--url", "http://127.0.0.1:1"])


def test_it_says_how_many_wait_and_what_to_do_about_those_given_up(asked):
    done = invoke("outbox")
    assert done.exit_code == 0
    assert "3 wait since 2023-11-1" in done.output
    assert "2 were given up" in done.output
    assert "acd outbox revive" in done.output
    asked[1].update(dead=0, waiting=0, oldest_waiting_at=None)
    assert "revive" not in invoke("outbox").output


def test_revive_asks_the_daemon(asked):
    assert invoke("outbox", "revive").output == "2 are sent again\n"
    assert (asked[0][0].method, asked[0][0].url.path) == ("POST", "/api/v1/outbox/revive")
