"""The Originate command: what goes over the wire, and what its answers mean (failure modes 18, 19, 21)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acd.adapters.asterisk.link import NoAnswer, NotSent
from acd.adapters.asterisk.originate import CallbackCaller, CallbackOrder
from acd.ports import PortError
from tests.adapters.asterisk.ami_server import AmiServer, error, ok

ORDER = CallbackOrder(
    call="0b7f0b64-5c1f-4b4e-9f0e-0d6f3f6a1c11",
    number="+79160000001",
    did="74951230001",
    queue="sales",
    subscriber="shop",
    missed="c-1",
    place_at=1_700_000_000_000,
    priority=0.01,
    needs="ru:3.billing:2",
    sticky="anna",
    agent_ring_s=12,
    number_ring_s=40,
    in_line_s=120,
    approved=False,
    card="100014",
)


@pytest.fixture
async def manager():
    async with AmiServer() as server:
        server.handlers["Originate"] = lambda _s, a: ok(a, "Originate successfully queued")
        yield server


async def test_one_session_logs_in_originates_and_leaves(manager):
    caller = CallbackCaller(manager.settings())
    await caller.dial(ORDER)
    (action,) = manager.named("Originate")
    assert {name: action.get(name) for name in ("Channel", "Context", "Exten", "Priority", "Async")} == {
        "Channel": f"Local/{ORDER.call}@acd-callback-out/n",
        "Context": "acd-callback-number",
        "Exten": "s",
        "Priority": "1",
        "Async": "true",
    }
    assert (action.get("ChannelId"), action.get("OtherChannelId")) == (ORDER.call, f"{ORDER.call}-2")
    assert int(action.get("Timeout")) > 1000 * (ORDER.in_line_s + ORDER.agent_ring_s)
    given = dict(line.split("=", 1) for line in action.get_all("Variable"))
    assert given == {
        "ACD_ANI": "+79160000001",
        "ACD_DID": "74951230001",
        "ACD_QUEUE": "sales",
        "ACD_SUBSCRIBER": "shop",
        "ACD_BACK_OF": "c-1",
        "ACD_ENTER_MS": "1700000000000",
        "ACD_PRIORITY": "0.010",
        "ACD_NEEDS": "ru:3.billing:2",
        "ACD_STICKY": "anna",
        "ACD_RING_S": "12",
        "ACD_BACK_RING_S": "40",
        "ACD_MAX_TURNS": "40",
        "ACD_CARD": "100014",
    }
    assert manager.logins == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"call": "x"},
        {"call": "0b7f0b64-5c1f-4b4e-9f0e-0d6f3f6a1c11@evil"},
        {"number": "+7916&PJSIP/trunk/900"},
        {"number": ""},
        {"number": "+79160000001\r\nAction: Command"},
        {"queue": "a,ACD_BACK_APPROVED=1"},
        {"missed": "a b"},
        {"needs": "${SHELL(id)}"},
        {"did": "7\n8"},
    ],
)
async def test_nothing_that_could_become_something_else_is_sent(manager, changes):
    with pytest.raises(PortError):
        await CallbackCaller(manager.settings()).dial(replace(ORDER, **changes))
    assert manager.actions == []


async def test_a_refusal_is_a_refusal(manager):
    manager.handlers["Originate"] = lambda _s, a: error(a, "Permission denied")
    with pytest.raises(PortError, match="Permission denied"):
        await CallbackCaller(manager.settings()).dial(ORDER)


async def test_a_wrong_secret_says_where_to_look(manager):
    with pytest.raises(PortError, match=r"callbacks\.secret"):
        await CallbackCaller(manager.settings(secret="wrong")).dial(ORDER)
    assert manager.named("Originate") == []


async def test_no_answer_is_doubt_not_failure(manager):
    manager.handlers["Originate"] = lambda _s, _a: b""
    with pytest.raises(NoAnswer):
        await CallbackCaller(manager.settings(action_timeout_s=0.1)).dial(ORDER)


async def test_a_link_cut_after_sending_is_doubt_too(manager):
    def cut(server, _action):
        server.cut()
        return b""

    manager.handlers["Originate"] = cut
    with pytest.raises(NoAnswer):
        await CallbackCaller(manager.settings()).dial(ORDER)


async def test_a_manager_that_is_not_there_is_surely_not_sent():
    async with AmiServer() as server:
        settings = server.settings(connect_timeout_s=0.3)
    with pytest.raises(NotSent):
        await CallbackCaller(settings).dial(ORDER)


async def test_a_mute_manager_is_surely_not_sent(manager):
    manager.mute = True
    with pytest.raises(NotSent):
        await CallbackCaller(manager.settings(connect_timeout_s=0.2)).dial(ORDER)
