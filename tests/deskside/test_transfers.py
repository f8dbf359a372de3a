"""Whom a call may be handed to: the pool, the subscriber's own lines and people, allowed numbers (security 8)."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from acd.core.effects import TransferCall
from acd.core.ids import AgentId, CallId, EffectId
from acd.core.snapshot import AgentView, CallView, Snapshot
from acd.core.transfer_facts import TransferHow
from acd.desk.oncall import Person
from acd.desk.project import Project
from acd.deskside.transfers import TransferDesk, TransferError

NOW = 1_700_000_000_000
ANN, CALL = AgentId("ann"), CallId("c1")


def agent(name: str, status: str = "available", state: str = "idle", reachable: bool = True) -> AgentView:
    return AgentView(name, status, "", state, NOW, reachable, None, 0, 0)


def world(**transfers: object) -> tuple[TransferDesk, SimpleNamespace]:
    call = CallView(CALL, "talking", "law", "firm", "100", "+79161234567", "1042-7", NOW, 0, ANN, 1, 0)
    state = SimpleNamespace(
        view=Snapshot(
            NOW, True, (call,),
            (agent("ann", state="talking"), agent("bob"), agent("eve", state="talking"), agent("out", "logged_out")),
            (),
        )
    )  # fmt: skip
    state.looks = 0

    def look() -> Snapshot:
        state.looks += 1
        return state.view

    state.look = look
    state.refused = frozenset()

    async def wall(numbers: object) -> frozenset[str]:
        return state.refused & frozenset(numbers)

    state.wall = wall
    queue = SimpleNamespace
    tree = SimpleNamespace(
        agents={name: SimpleNamespace(name=name.title()) for name in ("ann", "bob", "eve")},
        queues={
            "law": queue(subscriber="firm", display_name="Law"),
            "tax": queue(subscriber="firm", display_name="Tax"),
            "bank": queue(subscriber="other", display_name="Bank"),
        },
        transfers=SimpleNamespace(**{"outside_prefixes": ("+7495",), "outside_per_hour": 2, **transfers}),
    )
    people = {
        "ivan": Person("ivan", "Иван", phone="+7 (495) 123-45-67"),
        "far": Person("far", "Far", phone="+1900555"),
        "mute": Person("mute", "Mute"),
    }
    project = Project("firm", "Firm", "law", "firm", people=people)
    desk = TransferDesk(
        lambda: SimpleNamespace(tree=tree),
        state.look,
        lambda q: project if q == "law" else None,
        SimpleNamespace(now=lambda: state.view.now),
        state.wall,
    )
    return desk, state


async def test_the_page_is_shown_names_and_never_a_number():
    desk, _ = world()
    found = await desk.choices(ANN, CALL)
    assert [(c["kind"], c["id"], c["free"]) for c in found] == [
        ("agent", "bob", True), ("queue", "tax", True), ("person", "ivan", True), ("agent", "eve", False),
    ]  # fmt: skip
    assert "495" not in str(found)


async def test_whom_the_pbx_does_not_dial_the_page_shows_with_the_reason_and_hands_on_to_nobody():
    """One wall (decision 0191): what it refuses is said before the caller hears music for nothing."""
    desk, state = world()
    state.refused = frozenset({"+74951234567", "+74957654321"})
    [ivan] = [c for c in await desk.choices(ANN, CALL) if c["kind"] == "person"]
    assert (ivan["id"], ivan["able"], ivan["free"], ivan["note"]) == ("ivan", False, False, "not_dialled")
    for kind, name in (("person", "ivan"), ("number", "+7 495 765-43-21")):
        with pytest.raises(TransferError, match="ACD_OUT_ALLOWED"):
            await desk.target(ANN, CALL, kind, name)
    assert await desk.target(ANN, CALL, "number", "+74950000000") == "out_+74950000000"
    assert all(c["able"] for c in await desk.choices(ANN, CALL) if c["kind"] != "person")


async def test_a_choice_becomes_what_the_switch_knows():
    desk, _ = world()
    assert await desk.target(ANN, CALL, "agent", "bob") == "agent_bob"
    assert await desk.target(ANN, CALL, "queue", "tax") == "queue_tax"
    assert await desk.target(ANN, CALL, "person", "ivan") == "out_+74951234567"
    assert await desk.target(ANN, CALL, "number", "+7 495 765-43-21") == "out_+74957654321"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("agent", "eve"), ("agent", "out"), ("agent", "nobody"), ("agent", "ann"), ("queue", "bank"), ("queue", "law"),
        ("person", "far"), ("person", "mute"), ("person", "x"), ("number", "+190055512"), ("number", "88005553535"),
        ("number", "+7495&PJSIP/trunk/900"), ("number", ""), ("agent", "bob&x"), ("shell", "id"),
    ],
)  # fmt: skip
async def test_everything_else_is_refused(kind: str, name: str):
    desk, _ = world()
    if "&" in name and kind == "number":
        assert await desk.target(ANN, CALL, kind, name) == "out_+7495900", "what is not a digit is dropped"
        return
    with pytest.raises(TransferError):
        await desk.target(ANN, CALL, kind, name)


async def test_only_the_agent_in_the_talk_hands_it_on():
    desk, state = world()
    with pytest.raises(TransferError, match="not in a talk"):
        await desk.target(AgentId("bob"), CALL, "queue", "tax")
    state.view = replace(state.view, calls=(replace(state.view.calls[0], state="offering"),))
    with pytest.raises(TransferError, match="not in a talk"):
        await desk.choices(ANN, CALL)


def wish(to: str) -> tuple[TransferCall, ...]:
    return (TransferCall(EffectId(1), CALL, ANN, TransferHow.BLIND, to),)


async def test_outside_calls_are_counted_by_the_hour():
    """A stolen password does not become a telephone bill (row 8)."""
    desk, state = world()
    for _ in range(2):
        desk.observe(None, wish(await desk.target(ANN, CALL, "person", "ivan")))
    with pytest.raises(TransferError, match="too many"):
        await desk.target(ANN, CALL, "person", "ivan")
    assert await desk.target(ANN, CALL, "queue", "tax"), "colleagues and lines are not counted"
    state.view = replace(state.view, now=NOW + 3_600_000)
    assert await desk.target(ANN, CALL, "person", "ivan")


async def test_what_the_core_refused_costs_no_quota():
    desk, state = world()
    for _ in range(5):
        to = await desk.target(ANN, CALL, "person", "ivan")
        desk.observe(None, ())
    looks = state.looks
    desk.observe(None, wish("agent_bob"))
    desk.observe(None, wish(to))
    assert state.looks == looks, (
        "every fact of every call comes by here: no view of the centre is made for it"
    )
    assert await desk.target(ANN, CALL, "person", "ivan")


@pytest.mark.parametrize(
    ("under_way", "ends"), [("", False), ("asked", False), ("consulting", True), ("consult_talk", True)]
)
async def test_one_thing_at_a_time(under_way: str, ends: bool):
    """The page hears at once why not; the core would only count it."""
    desk, state = world()
    state.view = replace(
        state.view, agents=(replace(state.view.agents[0], transfer=under_way), *state.view.agents[1:])
    )
    if under_way:
        with pytest.raises(TransferError, match="already"):
            await desk.target(ANN, CALL, "queue", "tax")
    if ends:
        desk.ending(ANN, CALL)
    else:
        with pytest.raises(TransferError, match="asking nobody"):
            desk.ending(ANN, CALL)
    with pytest.raises(TransferError, match="not in a talk"):
        desk.ending(AgentId("bob"), CALL)


@pytest.mark.parametrize("number", ["112", "8911", "8-911", "1", ""])
async def test_a_short_number_is_never_dialled_whatever_the_prefixes_allow(number: str):
    """Nobody dials an emergency number by a slip; the dialplan refuses it too (acd-out-allowed)."""
    desk, _ = world(outside_prefixes=("1", "8"))
    with pytest.raises(TransferError, match="fewer than 5"):
        await desk.target(ANN, CALL, "number", number)


async def test_a_number_the_dialplan_would_cut_is_not_dialled():
    """Of 21 characters the switch would take 20: another number."""
    desk, _ = world(outside_prefixes=("8",))
    assert await desk.target(ANN, CALL, "number", "8" + "1" * 19) == "out_8" + "1" * 19
    with pytest.raises(TransferError, match="not allowed"):
        await desk.target(ANN, CALL, "number", "8" + "1" * 20)


async def test_without_prefixes_nobody_outside_is_reached():
    desk, _ = world(outside_prefixes=())
    assert not [c for c in await desk.choices(ANN, CALL) if c["kind"] == "person"]
    with pytest.raises(TransferError, match="outside_prefixes"):
        await desk.target(ANN, CALL, "person", "ivan")


@pytest.mark.parametrize(("meanwhile", "told"), [("handed on", "already"), ("hung up", "not in a talk")])
async def test_what_happens_while_the_pbx_is_asked_counts(meanwhile: str, told: str):
    """A second window that was let through meanwhile sent the written message to somebody who was never rung."""
    desk, state = world()

    async def slow(_numbers: object) -> frozenset[str]:
        calls = state.view.calls if meanwhile != "hung up" else ()
        busy = (replace(state.view.agents[0], transfer="asked"), *state.view.agents[1:])
        state.view = replace(state.view, calls=calls, agents=busy)
        return frozenset()

    desk._refused = slow
    with pytest.raises(TransferError, match=told):
        await desk.target(ANN, CALL, "person", "ivan")
