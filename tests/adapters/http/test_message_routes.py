"""Preview, save and identity over HTTP: own call only, what is shown is what is kept, nothing sensitive early."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from acd.core.events import CardFilled
from acd.core.ids import AgentId, CallId
from acd.desk.forms import default_form
from acd.desk.message import About, compose
from acd.ports import PortError
from tests.adapters.edges_help import ANN, CALL, confirm, show
from tests.adapters.http.http_help import Stored, World, auth, caller, card

NOW = 1_700_000_000_000
FIELDS = {
    "caller_name": "Ivanov", "callback_number": "+7 916 1", "subject": "Bill", "note": "Call back",
    "disposition": "message",
}  # fmt: skip
PREVIEW, SAVE = f"/api/v1/calls/{CALL}/message/preview", f"/api/v1/calls/{CALL}/message"


@dataclass
class FakeDesk:
    """What the composition root answers."""

    amended: list[Any] = field(default_factory=list)
    drafts: list[Any] = field(default_factory=list)
    tried: list[CallId] = field(default_factory=list)
    broken: bool = False
    stored: bool = True

    def restore(self, agent: AgentId) -> None:
        return None

    async def message(self, agent: AgentId | None, call: CallId, values: Any) -> Any:
        if self.broken:
            raise PortError("database is locked", retryable=True)
        return compose(default_form("en"), values, About("Acme", "1042-7", agent_name=agent or "")), "default"

    async def amend(self, call: CallId, fields: Any) -> bool:
        self.amended.append((call, fields))
        return self.stored

    async def keep_draft(self, call: CallId, fields: Any) -> bool:
        self.drafts.append((call, fields))
        return not self.broken

    async def send_now(self, agent: AgentId | None, call: CallId, fields: Any) -> bool:
        self.tried.append(call)
        return ("urgency", "urgent") in fields


class DeskWorld(World):
    """A world with a desk."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**changes)
        self.desk = FakeDesk()

    def services(self) -> Any:
        return replace(super().services(), desk=self.desk)


async def test_what_the_preview_shows_is_what_the_card_keeps():
    """000-10."""
    world = DeskWorld()
    async with caller(world) as http:
        seen = await http.post(PREVIEW, json={"fields": FIELDS}, headers=auth("ann"))
        assert (seen.status_code, seen.json()["ready"], world.facts) == (200, True, [])
        saved = await http.put(SAVE, json={"fields": FIELDS}, headers=auth("ann"))
        assert saved.status_code == 202
    (fact,) = world.facts
    assert isinstance(fact, CardFilled)
    kept = dict(fact.fields)
    assert kept["message"] == seen.json()["text"]
    assert (kept["form"], kept["subject"], kept["disposition"]) == ("default", "Bill", "message")
    assert "Agent: ann" in kept["message"]


async def test_an_incomplete_message_is_refused_with_what_is_missing():
    world = DeskWorld()
    async with caller(world) as http:
        answer = await http.put(SAVE, json={"fields": {"disposition": "message"}}, headers=auth("ann"))
    assert (answer.status_code, world.facts) == (422, [])
    assert {p["field"] for p in answer.json()["problems"]} == {
        "caller_name", "callback_number", "subject", "note",
    }  # fmt: skip


@pytest.mark.parametrize(("method", "path"), [("POST", PREVIEW), ("PUT", SAVE)])
async def test_nobody_reads_or_writes_the_message_of_anothers_call(method, path):
    world = DeskWorld()
    async with caller(world) as http:
        for who, status in (("bob", 403), ("wall", 403), ("boss", {"POST": 200, "PUT": 202}[method])):
            answer = await http.request(method, path, json={"fields": FIELDS}, headers=auth(who))
            assert answer.status_code == status, who


@pytest.mark.parametrize(
    "body",
    [{}, {"fields": None}, {"fields": {"a": 1}}, {"fields": {"a": "x" * 4_001}}, {"fields": {"x" * 41: "y"}},
     {"fields": {f"f{n}": "" for n in range(41)}}, {"fields": {}, "more": 1}],
)  # fmt: skip
async def test_a_body_that_is_none_is_refused(body):
    async with caller(DeskWorld()) as http:
        assert (await http.post(PREVIEW, json=body, headers=auth("ann"))).status_code == 422


async def test_a_store_that_does_not_answer_is_told_as_such():
    world = DeskWorld()
    world.desk.broken = True
    async with caller(world) as http:
        assert (await http.post(PREVIEW, json={"fields": FIELDS}, headers=auth("ann"))).status_code == 503


async def test_an_urgent_message_that_nothing_can_keep_is_accepted_and_leaves_with_its_card():
    """The page is told so at once: it does not wait for the stalled disk a second time."""
    world = DeskWorld()

    async def refuse(call: CallId, fields: Any) -> bool:
        return False

    world.desk.keep_draft = refuse  # type: ignore[method-assign]
    body = {"fields": FIELDS | {"urgency": "urgent"}}
    async with caller(world) as http:
        answer = await http.put(SAVE, json=body, headers=auth("ann"))
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["kept"], told["sent"]) == (202, True, False, False)
    assert (len(world.facts), world.desk.tried) == (1, [])


async def test_half_characters_are_no_fault():
    body = b'{"fields": {"subject": "\\ud800", "disposition": "wrong"}}'
    async with caller(DeskWorld()) as http:
        headers = auth("ann") | {"content-type": "application/json"}
        assert (await http.put(SAVE, content=body, headers=headers)).status_code == 202


async def test_after_our_restart_the_stored_card_says_whose_call_it_was():
    """The core has forgotten the call: the fields go into the stored card, for its own agent, for an hour."""
    world = DeskWorld()
    world.cards.stored = [Stored(card(call=CallId("old"), agent=ANN, ended_at=NOW - 1_000))]
    path = "/api/v1/calls/old/message"
    async with caller(world) as http:
        assert (await http.put(path, json={"fields": FIELDS}, headers=auth("ann"))).status_code == 202
        assert (world.facts, world.desk.amended[0][0]) == ([], "old")
        assert (await http.put(path, json={"fields": FIELDS}, headers=auth("bob"))).status_code == 403
        world.cards.stored = [Stored(card(call=CallId("old"), agent=ANN, ended_at=NOW - 3_600_001))]
        assert (await http.put(path, json={"fields": FIELDS}, headers=auth("ann"))).status_code == 403


async def test_fields_that_do_not_fit_on_the_card_are_refused_and_none_is_told():
    """202 with `kept` means that every field is on the card (000-06)."""
    world = DeskWorld()
    many = {f"f{n}": "x" for n in range(40)}
    async with caller(world) as http:
        path = f"/api/v1/calls/{CALL}/card"
        assert (await http.put(path, json={"fields": many}, headers=auth("ann"))).status_code == 202
        world.desk.keep_draft = full  # type: ignore[method-assign]
        answer = await http.put(path, json={"fields": {"one_more": "x"}}, headers=auth("ann"))
    assert (answer.status_code, len(world.facts)) == (422, 1)
    assert "at most 100 fields" in answer.json()["detail"]


async def full(_call: CallId, _fields: Any) -> bool:
    raise ValueError("a card holds at most 100 fields: none of these was kept")


async def test_a_call_nobody_knows_yet_is_not_called_somebody_elses():
    """Seconds after a restart the card is still to be made from the journal: the page tries again."""
    world = DeskWorld()
    world.cards.stored = []
    async with caller(world) as http:
        path = "/api/v1/calls/unknown/message"
        assert (await http.put(path, json={"fields": FIELDS}, headers=auth("ann"))).status_code == 404
    assert (world.facts, world.desk.amended) == ([], [])


async def test_a_card_that_is_not_stored_yet_goes_through_the_core():
    world = DeskWorld()
    world.desk.stored = False
    world.pops.show(show(call=CallId("fresh")), {}, NOW)
    world.pops.confirm(confirm(call=CallId("fresh")), NOW)
    async with caller(world) as http:
        path = "/api/v1/calls/fresh/message"
        assert (await http.put(path, json={"fields": FIELDS}, headers=auth("ann"))).status_code == 202
    assert len(world.facts) == 1


async def test_sensitive_fields_open_when_the_agent_confirms_who_calls_and_the_card_says_so():
    """002-07 and row 10: a caller id is a hint, never proof."""
    world = DeskWorld()
    world.pops.show(show(), {"name": "Ivanov", "sensitive": {"balance": "100 000"}}, NOW)
    async with caller(world) as http:
        before = (await http.get("/api/v1/agents/ann/pop", headers=auth("ann"))).json()
        assert (before["identified"], before["dossier"]["sensitive"]) == (False, {"balance": None})
        path = f"/api/v1/calls/{CALL}/identity"
        assert (await http.post(path, json={"how": "code\nword"}, headers=auth("bob"))).status_code == 403
        opened = await http.post(path, json={"how": "code\nword"}, headers=auth("ann"))
        assert opened.json()["dossier"]["sensitive"] == {"balance": "100 000"}
        after = (await http.get("/api/v1/agents/ann/pop", headers=auth("ann"))).json()
        assert after["dossier"]["sensitive"] == {"balance": "100 000"}
    assert world.facts == [CardFilled(CALL, ANN, (("identity_confirmed", "code word"),), at=NOW)]
    assert world.audit == [("ann", "identity confirmed", f"call {CALL}")]


async def test_identity_of_a_call_that_is_not_on_the_screen_is_not_found():
    async with caller(DeskWorld()) as http:
        answer = await http.post(f"/api/v1/calls/{CALL}/identity", json={}, headers=auth("ann"))
        assert answer.status_code == 404


async def test_an_agent_asks_for_its_own_state():
    async with caller(DeskWorld()) as http:
        body = (await http.get("/api/v1/agents/ann", headers=auth("ann"))).json()
        assert (body["now"], body["state"]["state"], body["state"]["call"]) == (NOW, "talking", CALL)
        assert (await http.get("/api/v1/agents/bob", headers=auth("ann"))).status_code == 403
        assert (await http.get("/api/v1/agents/carl", headers=auth("boss"))).status_code == 404


async def test_the_pop_on_the_wire_names_sensitive_fields_and_holds_none():
    from acd import topics

    message = topics.show(show(), "t" * 20, NOW, NOW + 1, {"sensitive": {"balance": "100 000"}})
    assert b"100 000" not in message.payload
    assert b'"balance":null' in message.payload
