"""Pausing a recording over HTTP: the talk's own agent, an answer that is true, a reason when not (security 22)."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from acd.adapters.http.app import create_app
from acd.adapters.http.services import HttpSettings
from acd.ports import CallGoneError, NotRecordedError, PortError, RefusedError
from tests.adapters.edges_help import CALL, users
from tests.adapters.http.http_help import World, auth


class Desk:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bool]] = []
        self.refuses: Exception | None = None

    async def pause(self, agent, call, *, on):
        if self.refuses:
            raise self.refuses
        self.asked.append((agent, call, on))
        return 120_000 if on else None


def serving(desk: Desk | None) -> httpx.AsyncClient:
    services = replace(World().services(), recording=desk)
    app = create_app(services, HttpSettings(principals=users("ann", "bob")))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://acd/api/v1")


async def test_a_pause_answers_when_it_ends_by_itself():
    desk = Desk()
    async with serving(desk) as http:
        path = f"/calls/{CALL}/recording"
        paused = await http.post(path, json={"paused": True}, headers=auth("ann"))
        on_again = await http.post(path, json={"paused": False}, headers=auth("ann"))
    assert paused.json() == {"v": 1, "paused": True, "until_ms": 120_000}
    assert on_again.json() == {"v": 1, "paused": False, "until_ms": None}
    assert desk.asked == [("ann", CALL, True), ("ann", CALL, False)]


@pytest.mark.parametrize(
    ("refuses", "status", "reason"),
    [
        (ValueError("you are not in a talk"), 409, "refused"),
        (NotRecordedError("no recording"), 409, "not_recorded"),
        (RefusedError("Permission denied"), 409, "refused"),
        (CallGoneError("No such channel"), 409, "refused"),
        (PortError("no answer", retryable=False), 503, "switch_silent"),
        (PortError("not sent", retryable=True), 503, "switch_silent"),
    ],
)
async def test_what_cannot_be_done_says_why_and_only_a_talk_without_recording_says_so(
    refuses, status, reason
):
    desk = Desk()
    desk.refuses = refuses
    async with serving(desk) as http:
        answer = await http.post(f"/calls/{CALL}/recording", json={"paused": True}, headers=auth("ann"))
    assert answer.status_code == status
    assert answer.json() == {"detail": str(refuses), "reason": reason}


@pytest.mark.parametrize(
    ("who", "body", "status"),
    [
        ("boss", {"paused": True}, 403),
        ("ann", {"paused": "maybe"}, 422),
        ("ann", {"paused": True, "call": "x"}, 422),
    ],
)
async def test_what_is_not_allowed_or_not_understood_is_not_asked(who, body, status):
    desk = Desk()
    async with serving(desk) as http:
        answer = await http.post(f"/calls/{CALL}/recording", json=body, headers=auth(who))
    assert answer.status_code == status
    assert desk.asked == []


async def test_without_recordings_there_is_no_such_page():
    async with serving(None) as http:
        answer = await http.post(f"/calls/{CALL}/recording", json={"paused": True}, headers=auth("ann"))
    assert answer.status_code == 404
