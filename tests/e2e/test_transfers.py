"""Handing calls on with the real daemon, on the stand-in and on real Asterisk: one card, right credit, a way back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.rigs import Behaviour, LabSwitch, Rig, StandInSwitch

pytestmark = pytest.mark.e2e

ANI, ANOTHER = "+79160000001", "+79160000002"
A, B = "a101", "a102"
TALKS = Behaviour(rings_s=0.2, talks_s=600.0)
SHORT = Behaviour(rings_s=0.2, talks_s=3.0)
DEAF = Behaviour(rings_s=None)


@pytest.fixture(params=["standin", "asterisk"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(StandInSwitch() if request.param == "standin" else LabSwitch(), tmp_path)
    made.spec.ring_timeout_s = 12.0
    made.spec.wrap_up_s = 1.0
    async with made:
        yield made


async def talk(rig: Rig, second: Behaviour, *, caller_s: float | None = None) -> str:
    """A caller talks with the first agent; returns the call's id. `caller_s`: he hangs up so long after the ring."""
    await rig.open({A: TALKS, B: second})
    assert rig.api is not None
    await rig.api.post(f"/agents/{B}/pause")
    rig.call(ANI, ringing_s=caller_s)
    await rig.noted("ACDANSWER")
    await rig.api.post(f"/agents/{B}/resume")
    await rig.until(lambda: state(rig, B, state="idle", status="available"))
    call = next(call for call, told in rig.journal().items() if told.ani == ANI)
    await rig.until(lambda: state(rig, A, state="talking"))
    await asyncio.sleep(0.6)  # nobody hands a call on in the moment of the answer
    return call


async def state(rig: Rig, agent: str, **wanted: str) -> bool:
    found = await rig.agent(agent)
    return all(found[name] == value for name, value in wanted.items())


async def wish(rig: Rig, call: str, how: str, kind: str = "", id_: str = "", who: str = A) -> int:
    """What the page sends, as the agent."""
    url = f"http://127.0.0.1:{rig.spec.http_port}/api/v1/calls/{call}/transfer"
    async with httpx.AsyncClient(auth=(who, rig.spec.agents_token)) as http:
        return (await http.post(url, json={"how": how, "kind": kind, "id": id_})).status_code


def kinds(rig: Rig) -> list[str]:
    return [kind for kind, _ in rig.notes(ANI)]


def legs(card: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(leg["agent"], leg["attempt"], leg["outcome"]) for leg in card["segments"]]


async def test_blind_to_a_colleague(rig: Rig) -> None:
    """The colleague's screen has the case, the card has both talks, nobody has the other's time (row 23)."""
    call = await talk(rig, SHORT)
    assert await wish(rig, call, "blind", "agent", B) == 202
    await rig.until(lambda: state(rig, B, state="talking"))
    card = await rig.card()
    assert legs(card) == [(A, 1, "answered"), (B, 2, "answered")]
    assert (card["end_reason"], card["agent"]) == ("handled", B)
    one, two = card["segments"]
    assert one["ended_at"] <= two["answered_at"]


async def test_blind_to_a_colleague_who_does_not_answer_returns_to_the_agent(rig: Rig) -> None:
    """002-08: not the end of the line, not another person: the one who knows the matter."""
    rig.spec.ring_timeout_s = 2.0
    call = await talk(rig, DEAF)
    assert await wish(rig, call, "blind", "agent", B) == 202
    await rig.until(lambda: kinds(rig).count("ACDANSWER") == 2, 40)
    assert rig.notes(ANI)[-1] == ("ACDANSWER", A)
    await rig.until(lambda: state(rig, A, state="talking"))


async def test_asking_first_and_handing_over(rig: Rig) -> None:
    """The client hears music, the colleague is asked, takes over; the talk before is the first agent's."""
    call = await talk(rig, Behaviour(rings_s=0.2, talks_s=8.0))
    assert await wish(rig, call, "consult", "agent", B) == 202
    await rig.until(lambda: state(rig, A, transfer="consult_talk"))
    await rig.until(lambda: state(rig, B, state="busy_elsewhere"))
    await asyncio.sleep(0.6)
    assert await wish(rig, call, "complete") == 202
    await rig.until(lambda: state(rig, B, state="talking"))
    assert await state(rig, A, state="wrap_up")
    card = await rig.card(timeout_s=40)
    assert legs(card) == [(A, 1, "answered"), (B, 2, "answered")]
    assert card["segments"][0]["hold_ms"] > 0
    assert card["hold_ms"] == card["segments"][0]["hold_ms"]


async def test_asking_first_and_returning(rig: Rig) -> None:
    """The agent lets the colleague go; the same talk goes on, and may ask again."""
    call = await talk(rig, TALKS)
    for _ in range(2):
        assert await wish(rig, call, "consult", "agent", B) == 202
        await rig.until(lambda: state(rig, A, transfer="consult_talk"))
        assert await wish(rig, call, "consult", "agent", B) == 409, "already busy with it"
        await asyncio.sleep(0.6)
        assert await wish(rig, call, "back") == 202
        await rig.until(lambda: state(rig, A, transfer="", state="talking"))
        await rig.until(lambda: state(rig, B, state="idle"))
        await asyncio.sleep(0.6)
    assert kinds(rig).count("ACDCONSULTEND") == 2
    assert "ACDTALKEND" not in kinds(rig)


async def test_only_the_agent_in_the_talk_may_and_only_allowed_targets(rig: Rig) -> None:
    call = await talk(rig, TALKS)
    assert await wish(rig, call, "blind", "agent", B, who=B) == 409
    assert await wish(rig, call, "blind", "number", "+79001234567") == 409, "no outside prefixes configured"
    assert await wish(rig, call, "blind", "agent", "nobody") == 409
    assert await wish(rig, call, "complete", who=B) == 409
    await asyncio.sleep(0.3)
    assert kinds(rig)[-1] == "ACDANSWER", "nothing moved"


async def test_the_daemon_is_killed_while_somebody_is_asked(rig: Rig) -> None:
    """The dialplan owns both legs: the colleague hangs up, agent and client are joined, and a new daemon sees it."""
    call = await talk(rig, Behaviour(rings_s=0.2, talks_s=4.0))
    assert await wish(rig, call, "consult", "agent", B) == 202
    await rig.until(lambda: state(rig, A, transfer="consult_talk"))
    assert rig.daemon is not None
    rig.daemon.kill()
    await rig.noted("ACDCONSULTEND", timeout_s=30)
    rig.daemon.start()
    await rig.daemon.ready()
    await rig.until(lambda: state(rig, A, state="talking", transfer=""))
    await rig.until(lambda: state(rig, B, state="idle"))


async def test_the_caller_hangs_up_while_his_agent_asks_somebody(rig: Rig) -> None:
    """The two go on talking: neither is shown idle, and the next caller waits until a phone is free."""
    call = await talk(rig, Behaviour(rings_s=0.2, talks_s=10.0), caller_s=5.0)
    assert await wish(rig, call, "consult", "agent", B) == 202
    await rig.until(lambda: state(rig, A, transfer="consult_talk"))
    await rig.noted("ACDEND")
    await rig.until(lambda: state(rig, A, state="busy_elsewhere"), 4)
    assert await state(rig, B, state="busy_elsewhere")
    rig.call(ANOTHER)
    await rig.noted("ACDQUEUED", ANOTHER)
    await asyncio.sleep(1.0)
    assert await state(rig, A, state="busy_elsewhere")
    assert [kind for kind, _ in rig.notes(ANOTHER)] == ["ACDENTER", "ACDQUEUED"], "no phone is free"
    await rig.noted("ACDANSWER", ANOTHER)
