"""`acd callbacks` through the daemon's interface."""

from __future__ import annotations

import json

import httpx
import pytest
from typer.testing import CliRunner

import acd.cli.api as api_module
from acd.cli import main as cli
from acd.cli.api import Api

TASK = {
    "id": 7,
    "number": "+79160000001",
    "subscriber": "shop",
    "state": "held",
    "lost": True,
    "missed": 3,
    "attempts": 5,
    "opened_at": 1_700_000_000_000,
    "next_try_at": 1_700_000_000_000,
    "closed_by": "",
    "close_reason": "",
    "why": "5 attempts failed",
}


@pytest.fixture
def asked(monkeypatch):
    """Requests seen; `answers` of the fixture's value replace the good ones."""
    seen: list[httpx.Request] = []
    answers: dict[str, httpx.Response] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        known = {"GET": {"v": 1, "callbacks": [TASK]}, "POST": {"v": 1}}
        return answers.get(request.method) or httpx.Response(200, json=known[request.method])

    def made(*arguments: object, **_options: object) -> Api:
        return Api(*arguments[:2], transport=httpx.MockTransport(answer))

    monkeypatch.setattr(api_module, "Api", made)
    return seen, answers


def invoke(*arguments: str):
    return CliRunner().invoke(cli.app, [*arguments, "--url", "http://127.0.0.1:1"], env={"COLUMNS": "200"})


def test_the_list_says_who_is_owed_a_call_and_why_it_is_held(asked):
    done = invoke("callbacks", "--held")
    assert done.exit_code == 0
    for text in ("+79160000001", "held, LOST", "5 attempts failed", "acd callbacks approve TASK"):
        assert text in done.output
    assert dict(asked[0][0].url.params) == {"held": "true", "everything": "false"}


def test_json_is_what_the_daemon_said(asked):
    assert json.loads(invoke("callbacks", "--json").output) == {"v": 1, "callbacks": [TASK]}
    assert asked[0]


@pytest.mark.parametrize(
    ("arguments", "path", "body"),
    [
        (("approve", "7"), "/api/v1/callbacks/7/approve", {}),
        (("retry", "7"), "/api/v1/callbacks/7/retry", {}),
        (("close", "7", "--reason", "by mail"), "/api/v1/callbacks/7/close", {"reason": "by mail"}),
    ],
)
def test_decisions_go_to_the_daemon(asked, arguments, path, body):
    done = invoke("callbacks", *arguments)
    assert (done.exit_code, done.output) == (0, f"task 7: {arguments[0]} done\n")
    (request,) = asked[0]
    assert (request.method, request.url.path, json.loads(request.content)) == ("POST", path, body)


def test_a_refusal_is_told_in_the_daemons_words(asked):
    asked[1]["POST"] = httpx.Response(409, json={"detail": "a task that is open cannot be approved"})
    done = invoke("callbacks", "approve", "7")
    assert done.exit_code == 1
    assert "a task that is open cannot be approved" in done.output
    asked[1]["POST"] = httpx.Response(409, text="?")
    assert "cannot be done now" in invoke("callbacks", "approve", "7").output
