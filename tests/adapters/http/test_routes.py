"""REST: who may see and do what; every change is a fact; hostile input is never a 500."""

from __future__ import annotations

import dataclasses
import json
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acd import topics
from acd.adapters.http.app import create_app
from acd.adapters.http.services import HttpSettings
from acd.cards.number import from_sequence
from acd.core.card import Segment
from acd.core.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPaused,
    AgentResumed,
    CardFilled,
    WrapUpDone,
    WrapUpExtended,
)
from acd.core.ids import CallId
from acd.credentials import Principal, Role, hash_password
from acd.snapshot_json import decode
from tests.adapters.edges_help import ANI, ANN, BOB, CALL, DID, confirm, show, snapshot, users
from tests.adapters.http.http_help import FakeCards, Stored, World, auth, basic, caller, card

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("action", "body", "fact"),
    [
        ("login", None, AgentLoggedIn(ANN, at=NOW)),
        ("logout", None, AgentLoggedOut(ANN, at=NOW)),
        ("pause", {"reason": "lunch"}, AgentPaused(ANN, "lunch", at=NOW)),
        ("pause", None, AgentPaused(ANN, "pause", at=NOW)),
        ("resume", {}, AgentResumed(ANN, at=NOW)),
        ("done", None, WrapUpDone(ANN, at=NOW)),
        ("extend", {"by_ms": 60_000}, WrapUpExtended(ANN, 60_000, at=NOW)),
    ],
)
async def test_action_of_an_agent_becomes_its_fact(action, body, fact):
    world = World()
    async with caller(world) as http:
        answer = await http.post(f"/api/v1/agents/ann/{action}", json=body, headers=auth("ann"))
        assert (answer.status_code, world.facts) == (202, [fact])


@pytest.mark.parametrize(
    ("method", "path", "who", "status"),
    [
        ("POST", "/api/v1/agents/bob/pause", "ann", 403),
        ("POST", "/api/v1/agents/bob/pause", "boss", 202),
        ("POST", "/api/v1/agents/ann/pause", "wall", 403),
        ("POST", "/api/v1/agents/carl/login", "boss", 404),
        ("POST", "/api/v1/agents/ann/dance", "ann", 422),
        ("POST", "/api/v1/agents/a-nn/login", "boss", 422),
        ("GET", "/api/v1/agents/bob/pop", "ann", 403),
        ("GET", "/api/v1/cards", "wall", 403),
        ("GET", "/api/v1/cards/1042-7", "wall", 403),
        ("GET", "/api/v1/cards/1042-7", "bob", 200),  # 003-05: whoever takes the repeat call
        ("GET", "/api/v1/cards/9999-9", "bob", 404),
        ("GET", f"/api/v1/calls/{CALL}/card", "ann", 200),
        ("GET", f"/api/v1/calls/{CALL}/explain", "ann", 200),
        ("GET", "/api/v1/calls/unknown/explain", "ann", 404),
        ("GET", "/api/v1/pop/aaaaaaaaaaaaaaaaaaaaaaaa", "ann", 404),
        ("GET", "/api/v1/pop/aaaaaaaaaaaaaaaaaaaaaaaa", "boss", 403),
        ("GET", "/api/v1/nothing", "ann", 404),
        ("DELETE", "/api/v1/cards", "boss", 405),
    ],
)
async def test_rights(method, path, who, status, caplog):
    """Bad input: an agent asking for another's pop is refused, and the log says who tried."""
    async with caller(World()) as http:
        assert (await http.request(method, path, headers=auth(who))).status_code == status
    assert (f"refused to {who} (" in caplog.text) == (status == 403)


async def test_every_route_but_health_and_metrics_asks_who_is_there():
    async with caller(World()) as http:
        paths = (await http.get("/api/v1/openapi.json")).json()["paths"]
        assert len(paths) >= 12
        for path, methods in paths.items():
            for method in methods:
                filled = path.replace("{agent}", "ann").replace("{action}", "login").replace("{call}", "x")
                answer = await http.request(method, filled, json={"fields": {"a": "b"}, "by_ms": 2000})
                assert answer.status_code in (401, 422), path
                if answer.status_code == 422:
                    valid = filled.replace("{token}", "a" * 20).replace("{number}", "1-1")
                    body = (
                        {"fields": {"a": "b"}}
                        if "card" in path
                        else {"by_ms": 2000}
                        if "extend" in path
                        else None
                    )
                    assert (await http.request(method, valid, json=body)).status_code == 401, path


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", "bearer ann-secretx", "Basic", "Basic !!!", "Basic YW5u", "Basic " + "A" * 9_000,
     "Digest x", "Bearer \xff\xfe"],
)  # fmt: skip
async def test_nobody_is_answered_with_401_and_no_browser_dialog(header):
    async with caller(World()) as http:
        answer = await http.get("/api/v1/snapshot", headers={"authorization": header.encode("latin-1")})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.slow
async def test_agent_logs_in_with_name_and_password():
    people = (Principal("ann", Role.AGENT, hash_password("correct horse")),)
    async with caller(World(), principals=people) as http:
        right = await http.get("/api/v1/whoami", headers=basic("ann", "correct horse"))
        assert right.json() == {"v": 1, "name": "ann", "role": "agent"}
        assert (await http.get("/api/v1/whoami", headers=basic("ann", "wrong"))).status_code == 401
        assert (await http.get("/api/v1/whoami", headers=basic("bob", "correct horse"))).status_code == 401


async def test_numbers_are_shown_to_supervisors_and_to_the_agent_of_the_call_only():
    async with caller(World()) as http:
        seen = {}
        for who in ("boss", "ann", "bob", "wall"):
            body = (await http.get("/api/v1/snapshot", headers=auth(who))).json()
            seen[who] = [call["ani"] for call in body["calls"]]
        assert seen == {"boss": [ANI, ANI], "ann": [ANI, ""], "bob": ["", ""], "wall": ["", ""]}
        assert (await http.get("/api/v1/calls", headers=auth("wall"))).json()["calls"][1]["position"] == 1
        assert len((await http.get("/api/v1/agents", headers=auth("wall"))).json()["agents"]) == 2


async def test_snapshot_over_http_and_mqtt_has_the_one_form_the_wallboard_reads():
    view = snapshot()
    async with caller(World()) as http:
        body = (await http.get("/api/v1/snapshot", headers=auth("boss"))).json()
    assert decode(body).snapshot == view
    assert decode(json.loads(topics.snapshot(view).payload)).snapshot == topics.without_numbers(view)


async def test_token_of_a_pop_opens_the_dossier_once_for_its_agent(caplog):
    """Row 12: the number travels over authenticated HTTP only."""
    world = World()
    token = world.pops.show(show(), {"name": "Иван"}, NOW).token
    async with caller(world) as http:
        assert (await http.get(f"/api/v1/pop/{token}", headers=auth("bob"))).status_code == 404
        assert "refused to bob: the pop of agent ann" in caplog.text
        assert token not in caplog.text
        body = (await http.get(f"/api/v1/pop/{token}", headers=auth("ann"))).json()
        assert (body["ani"], body["ani_verified"], body["dossier"]) == (ANI, False, {"name": "Иван"})
        assert (await http.get(f"/api/v1/pop/{token}", headers=auth("ann"))).status_code == 404
        again = await http.get("/api/v1/agents/ann/pop", headers=auth("ann"))
        assert again.json()["call"] == CALL


async def test_card_is_filled_by_who_has_or_had_the_call():
    world = World()
    body = {"fields": {"subject": "Счёт", "note": "line\nline"}}
    async with caller(world) as http:
        mine = await http.put(f"/api/v1/calls/{CALL}/card", json=body, headers=auth("ann"))
        assert mine.status_code == 202
        assert world.facts == [CardFilled(CALL, ANN, (("subject", "Счёт"), ("note", "line\nline")), at=NOW)]
        assert (
            await http.put(f"/api/v1/calls/{CALL}/card", json=body, headers=auth("bob"))
        ).status_code == 403
        world.pops.show(show(BOB, call=CallId("earlier")), {}, NOW)
        world.pops.confirm(confirm(BOB, call=CallId("earlier")), NOW)
        assert (
            await http.put("/api/v1/calls/earlier/card", json=body, headers=auth("bob"))
        ).status_code == 202
        boss = await http.put("/api/v1/calls/any/card", json=body, headers=auth("boss"))
        assert boss.status_code == 202
        assert world.facts[-1].agent is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'{"fields": {}}', b'{"fields": {"Subject": "x"}}', b'{"fields": {"a": 1}}',
        b'{"fields": {"a": "\\u0000"}}', b'{"fields": {"a": "\\u001b[31m"}}', b'{"fields": {"a": "\\ud800"}}',
        b'{"fields": {"\\ud800": "a"}}', b'{"fields": {"a": NaN}}', b'{"fields": {"a": "b"}, "x": 1}',
        b"[" * 60_000, b'{"a":' * 10_000, b"\xff\xfe", b'{"fields": {"a": "' + b"x" * 5_000 + b'"}}',
    ],
)  # fmt: skip
async def test_malformed_card_is_refused_and_changes_nothing(body):
    world = World()
    headers = auth("ann") | {"content-type": "application/json"}
    async with caller(world) as http:
        answer = await http.put(f"/api/v1/calls/{CALL}/card", content=body, headers=headers)
        assert answer.status_code in (400, 422)
        assert b"ud800" not in answer.content or b"where" in answer.content
    assert world.facts == []


async def test_cards_are_listed_newest_first_and_an_agent_lists_its_own():
    world = World()
    async with caller(world) as http:
        body = (await http.get("/api/v1/cards?agent=bob&limit=5&since_ms=1", headers=auth("boss"))).json()
        assert body["cards"][0]["fields"] == [["subject", "Счёт"]]
        assert body["cards"][0]["end_reason"] == "handled"
        await http.get("/api/v1/cards?agent=bob", headers=auth("ann"))
        assert [asked["agent"] for asked in world.cards.asked] == ["bob", "ann"]
        for bad in ("limit=0", "limit=1001", "limit=x", "since_ms=-1", "queue=';drop", "agent=%00"):
            assert (await http.get(f"/api/v1/cards?{bad}", headers=auth("boss"))).status_code == 422


async def test_refusing_database_is_503_in_plain_words():
    async with caller(World(cards=FakeCards(broken=True))) as http:
        for path in ("/api/v1/cards", "/api/v1/cards/1042-7", f"/api/v1/calls/{CALL}/card"):
            answer = await http.get(path, headers=auth("boss"))
            assert (answer.status_code, answer.json()["detail"]) == (503, "the card store does not answer")


async def test_health_readiness_and_metrics_need_no_name_and_hold_no_number():
    world = World()
    async with caller(world) as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        assert (await http.get("/readyz")).status_code == 200
        world.troubles["ami"] = "no connection to Asterisk"
        answer = await http.get("/readyz")
        assert (answer.status_code, answer.json()["troubles"]) == (503, {"ami": "no connection to Asterisk"})
        text = (await http.get("/metrics")).text
        assert 'acd_queue_offered{queue="sales"} 10.0' in text
        assert "acd_loop_lag_seconds 0.001" in text
        assert "acd_ami_up 1.0" in text
        assert (await http.get("/api/v1/cards", headers={"authorization": "Bearer wrong"})).status_code == 401
        text = (await http.get("/metrics")).text
        assert "acd_http_logins_refused 1.0" in text
        for name in (
            "requests 6",
            "faults 0",
            "cut 0",
            "mqtt_open 0",
            "sip_late 0",
            "sip_refused 0",
            "sip_replaced 0",
        ):
            assert f"acd_http_{name}.0" in text
        assert ANI not in text
        assert DID not in text


# one application for all examples: building it is the slow part
_SHARED = httpx.ASGITransport(app=create_app(World().services(), HttpSettings(principals=users("ann"))))


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
    st.lists(
        st.sampled_from(["api", "v1", "calls", "cards", "agents", "ann", "pop", "card", "desk", "..", "%2e%2e", "snapshot"])
        | st.text(max_size=12), max_size=6,
    ),
    st.text(max_size=30),
    st.binary(max_size=200),
)  # fmt: skip
async def test_no_request_ends_in_500(method, parts, query, body):
    """Schemathesis' check without it: whatever is asked, the answer is not our failure."""
    path = "/" + "/".join(quote(p, safe="%.") for p in parts).lstrip("/")  # `//x` is another host to httpx
    async with httpx.AsyncClient(transport=_SHARED, base_url="http://acd") as http:
        answer = await http.request(
            method, f"{path}?{quote(query)}", content=body,
            headers=auth("boss") | {"content-type": "application/json"},
        )  # fmt: skip
    assert answer.status_code < 500


@pytest.mark.parametrize("said", [CALL, CALL[:4], "17.42"])
async def test_a_live_call_is_explained_by_its_id_by_how_it_begins_and_by_its_channel(said):
    async with caller(World()) as http:
        answer = await http.get(f"/api/v1/calls/{said}/explain", headers=auth("boss"))
    assert (answer.status_code, answer.json()["call"]) == (200, CALL)
    assert answer.json()["lines"] == ["longest idle: ann"]


async def test_a_call_in_its_wrap_up_is_explained_though_no_card_is_stored_yet():
    # `acd agents` showed its id, `acd explain` of that id said "no such call" for two minutes
    world = World()
    ann = dataclasses.replace(world.view.agents[0], call=CALL)
    world.view = dataclasses.replace(world.view, calls=(), agents=(ann, *world.view.agents[1:]))
    world.cards.stored = []
    async with caller(world) as http:
        answer = await http.get(f"/api/v1/calls/{CALL[:4]}/explain", headers=auth("boss"))
    assert (answer.status_code, answer.json()["call"]) == (200, CALL)


async def test_a_beginning_that_fits_two_calls_says_so():
    world = World()
    first = world.view.calls[0]
    world.view = dataclasses.replace(
        world.view, calls=(first, dataclasses.replace(first, call=CallId(CALL + "x")))
    )
    async with caller(world) as http:
        answer = await http.get(f"/api/v1/calls/{CALL[:4]}/explain", headers=auth("boss"))
    assert answer.status_code == 409
    assert "say more" in answer.json()["detail"]


async def test_a_finished_call_is_explained_by_its_cards_number():
    world = World()
    number = from_sequence(10_000)
    world.cards.stored = [
        Stored(card(call=CallId("gone"), number=number, explanation=("it was ann's turn",)))
    ]
    async with caller(world) as http:
        answer = await http.get(f"/api/v1/calls/{number}/explain", headers=auth("boss"))
    assert (answer.json()["call"], answer.json()["lines"]) == ("gone", ["it was ann's turn"])


@pytest.mark.parametrize("name", ["message", "form", "identity_confirmed"])
async def test_an_agent_does_not_write_what_the_desk_vouches_for(name, caplog):
    """The message as agreed, its form and the identity check are written by the desk's own routes."""
    world = World()
    body = {"fields": {name: "forged", "subject": "x"}}
    async with caller(world) as http:
        answer = await http.put(f"/api/v1/calls/{CALL}/card", json=body, headers=auth("ann"))
        assert (answer.status_code, world.facts) == (403, [])
        assert name in answer.json()["detail"]
        assert "refused to ann" in caplog.text
        assert "forged" not in caplog.text
        boss = await http.put(f"/api/v1/calls/{CALL}/card", json=body, headers=auth("boss"))
        assert boss.status_code == 202, "a supervisor's correction stands in the card's versions"


async def test_an_agent_reads_by_call_id_only_cards_it_has_a_part_in(caplog):
    """A guessed or seen call id opens nobody else's card; the number a client quotes does (003-05)."""
    world = World()
    async with caller(world) as http:
        assert (await http.get(f"/api/v1/calls/{CALL}/card", headers=auth("ann"))).status_code == 200
        refused = await http.get(f"/api/v1/calls/{CALL}/card", headers=auth("bob"))
        assert refused.status_code == 403
        assert "refused to bob" in caplog.text
        assert (await http.get("/api/v1/cards/1042-7", headers=auth("bob"))).status_code == 200
        assert (await http.get(f"/api/v1/calls/{CALL}/card", headers=auth("boss"))).status_code == 200
        part = Segment(BOB, 1, NOW, None, NOW, "no_answer")
        world.cards.stored = [Stored(card(segments=(part,)))]
        assert (await http.get(f"/api/v1/calls/{CALL}/card", headers=auth("bob"))).status_code == 200


async def test_logins_and_opened_cards_are_noted_before_they_are_shown():
    """Security row 21: who opened. An agent's list of its own cards is its work and is not noted."""
    world = World()
    async with caller(world) as client:
        await client.get("/api/v1/whoami", headers=auth("ann"))
        number = world.cards.stored[0].card.number
        assert (await client.get(f"/api/v1/cards/{number}", headers=auth("bob"))).status_code == 200
        await client.get("/api/v1/cards", headers=auth("ann"))
        await client.get("/api/v1/cards", headers=auth("boss"))
        await client.get("/api/v1/cards/100023", headers=auth("bob"))
        assert world.audit == [
            ("ann", "login", "agent"),
            ("bob", "open", f"card {number}"),
            ("boss", "list", "1 cards"),
        ]
        world.audit_refuses = True
        refused = await client.get(f"/api/v1/cards/{number}", headers=auth("bob"))
        assert (refused.status_code, refused.json()["detail"]) == (503, "the audit log does not answer")
