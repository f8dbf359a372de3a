"""The agent's wish to hand a call on, over HTTP: a fact for the core, or a reason why not (002-08, security 8)."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest

from acd.adapters.http.app import create_app
from acd.adapters.http.services import HttpSettings
from acd.core.transfer_facts import TransferAsked, TransferHow
from acd.deskside.transfers import TransferDesk
from acd.ports import PortError
from tests.adapters.edges_help import ANN, CALL, users
from tests.adapters.http.http_help import World, auth, caller


async def no_wall(_numbers: object) -> frozenset[str]:
    return frozenset()


class Transfers:
    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    async def choices(self, agent, call):
        self._own(agent)
        return [{"kind": "agent", "id": "bob", "label": "Bob", "free": True, "note": ""}]

    async def target(self, agent, call, kind, name):
        self._own(agent)
        self.asked.append((agent, call, kind, name))
        if name == "busy":
            raise ValueError("this colleague is not free")
        return f"{kind}_{name}"

    def ending(self, agent, call):
        self._own(agent)
        if call != CALL:
            raise ValueError("you are asking nobody just now")

    def _own(self, agent):
        if agent != "ann":
            raise ValueError("you are not in a talk with this caller")


def serving(world: World, transfers: Transfers | TransferDesk | None) -> httpx.AsyncClient:
    services = replace(world.services(), transfers=transfers)
    app = create_app(services, HttpSettings(principals=users("ann", "bob")))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://acd/api/v1")


def asking(world: World, state: str) -> None:
    """How far Ann's handing on has come."""
    world.view = replace(
        world.view,
        agents=tuple(replace(a, transfer=state) if a.agent == ANN else a for a in world.view.agents),
    )


@pytest.mark.parametrize(
    ("how", "state"),
    [("complete", ""), ("back", ""), ("complete", "asked"), ("blind", "consulting"), ("consult", "handed")],
)
async def test_a_wish_that_fits_no_consultation_is_refused_with_the_reason(how: str, state: str) -> None:
    """202 says that something will happen: nothing can be completed that was not begun, nor begun twice."""
    world = World()
    asking(world, state)
    desk = TransferDesk(
        lambda: SimpleNamespace(tree=SimpleNamespace(agents={}, queues={})),  # type: ignore[arg-type, return-value]
        lambda: world.view,
        lambda _queue: None,
        world.clock,
        no_wall,
    )
    async with serving(world, desk) as http:
        body = {"how": how} | ({"kind": "agent", "id": "bob"} if how in {"blind", "consult"} else {})
        answer = await http.post(f"/calls/{CALL}/transfer", json=body, headers=auth("ann"))
    assert (answer.status_code, world.facts) == (409, [])
    assert answer.json()["detail"] in {
        "this call is being handed on already: wait, or take the caller back",
        "you are asking nobody just now: there is no consultation to end",
    }


@pytest.mark.parametrize(
    "refusal", [ValueError("a card holds at most 100 fields"), PortError("locked", retryable=True)]
)
async def test_a_call_that_is_on_its_way_is_no_error_because_the_card_has_no_room(refusal: Exception) -> None:
    """An error would make the agent hand the caller on a second time."""
    world = World()

    async def refuse(*_: object) -> bool:
        raise refusal

    desk = SimpleNamespace(keep_draft=refuse, amend=refuse)
    forgotten = isinstance(refusal, PortError)  # by the core: then the stored card is written
    services = replace(
        world.services(), transfers=Transfers(), desk=desk, explain=lambda _call: None if forgotten else []
    )
    app = create_app(services, HttpSettings(principals=users("ann", "bob")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://acd") as http:
        answer = await http.post(
            f"/api/v1/calls/{CALL}/transfer",
            json={"how": "blind", "kind": "person", "id": "ivan"},
            headers=auth("ann"),
        )
    assert answer.status_code == 202
    assert [type(fact) for fact in world.facts] == [TransferAsked]


async def test_each_verb_becomes_one_fact():
    world, transfers = World(), Transfers()
    async with serving(world, transfers) as http:
        shown = await http.get(f"/calls/{CALL}/targets", headers=auth("ann"))
        assert [t["id"] for t in shown.json()["targets"]] == ["bob"]
        for body in (
            {"how": "blind", "kind": "queue", "id": "tax"}, {"how": "consult", "kind": "agent", "id": "bob"},
            {"how": "complete"}, {"how": "back"},
        ):  # fmt: skip
            asking(world, "" if "kind" in body else "consult_talk")
            answer = await http.post(f"/calls/{CALL}/transfer", json=body, headers=auth("ann"))
            assert answer.status_code == 202
    assert [(f.call, f.agent, f.how, f.to) for f in world.facts if isinstance(f, TransferAsked)] == [
        (CALL, ANN, TransferHow.BLIND, "queue_tax"), (CALL, ANN, TransferHow.CONSULT, "agent_bob"),
        (CALL, ANN, TransferHow.COMPLETE, ""), (CALL, ANN, TransferHow.BACK, ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("who", "body", "status"),
    [
        ("ann", {"how": "blind", "kind": "agent", "id": "busy"}, 409),
        ("ann", {"how": "consult", "kind": "queue", "id": "tax"}, 409),
        ("bob", {"how": "blind", "kind": "queue", "id": "tax"}, 409),
        ("bob", {"how": "back"}, 409),
        ("boss", {"how": "back"}, 403),
        ("ann", {"how": "originate"}, 422),
        ("ann", {"how": "blind", "kind": "shell", "id": "x"}, 422),
        ("ann", {"how": "blind", "kind": "agent", "id": "x" * 65}, 422),
        ("ann", {"how": "blind", "kind": "agent", "id": "bob", "exten": "x"}, 422),
    ],
)
async def test_what_is_not_allowed_changes_nothing(who, body, status):
    world = World()
    async with serving(world, Transfers()) as http:
        answer = await http.post(f"/calls/{CALL}/transfer", json=body, headers=auth(who))
    assert (answer.status_code, world.facts) == (status, [])


async def test_who_asks_nobody_has_nothing_to_complete():
    world = World()
    async with serving(world, Transfers()) as http:
        answer = await http.post("/calls/other/transfer", json={"how": "complete"}, headers=auth("ann"))
    assert (answer.status_code, answer.json()["detail"], world.facts) == (
        409, "you are asking nobody just now", [],
    )  # fmt: skip


async def test_without_a_transfer_desk_there_is_no_such_page():
    world = World()
    async with caller(world) as http:
        assert (await http.get(f"/api/v1/calls/{CALL}/targets", headers=auth("ann"))).status_code == 404
