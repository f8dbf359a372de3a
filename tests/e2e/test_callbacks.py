"""Call-backs end to end: a missed call becomes a talk, on the stand-in and on real Asterisk with SIP on all sides.

Requirements 003-24, 004-16; failure modes 19, 35, 38; security rows 8, 9.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.rigs import Behaviour, LabSwitch, Rig, StandInSwitch

pytestmark = pytest.mark.e2e

ANI = "+79160000001"
SWITCHES = {"stand-in": StandInSwitch, "asterisk": LabSwitch}
SECTION = {
    "hours_from": "00:00",
    "hours_to": "24:00",
    "first_retry_s": 2.0,
    "postpone_s": 2.0,
    "ring_s": 5,
    "in_line_s": 30,
    "max_attempts": 2,
    "priority": 1.0,  # else the one agent is held back for callers for a minute
}


@pytest.fixture(params=list(SWITCHES))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(SWITCHES[request.param](), tmp_path) as rig:
        yield rig


async def opened(rig: Rig, phones: dict[str, Behaviour], number: Behaviour, **section: Any) -> None:
    await rig.open(phones, callbacks={**SECTION, **section})
    rig.switch.answers(ANI, number)


async def missed(rig: Rig, ani: str = ANI, *, rang_s: float = 5.5) -> str:
    """A caller who waits in vain: every agent is paused meanwhile. Returns the id of the missed call."""
    assert rig.api is not None
    for agent in rig.spec.agent_ids:
        await rig.api.post(f"/agents/{agent}/pause", {"reason": "lunch"})
    rig.call(ani, gives_up_s=rang_s)
    card = await rig.card(ani, 30)
    assert card["end_reason"] == "abandoned"
    return str(card["call"])


async def back_at_work(rig: Rig) -> None:
    assert rig.api is not None
    for agent in rig.spec.agent_ids:
        await rig.api.post(f"/agents/{agent}/resume")


def rows(rig: Rig, sql: str, *values: object) -> list[dict[str, Any]]:
    with sqlite3.connect(f"file:{rig.spec.state_dir / 'acd.db'}?mode=ro", uri=True, timeout=10) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(sql, values)]


def task(rig: Rig) -> dict[str, Any]:
    (found,) = rows(rig, "SELECT * FROM missed_tasks")
    return found


def outbound(rig: Rig) -> list[dict[str, Any]]:
    """The cards of call-backs, with their fields."""
    found = rows(rig, "SELECT * FROM cards ORDER BY entered_at")
    for card in found:
        card["fields"] = {
            row["name"]: row["value"]
            for row in rows(rig, "SELECT name, value FROM card_fields WHERE call = ?", card["call"])
        }
    return [card for card in found if card["fields"].get("direction") == "outbound"]


async def test_a_missed_call_is_called_back_agent_first_and_the_task_is_recontacted(rig: Rig) -> None:
    await opened(rig, {"a101": Behaviour(talks_s=20.0)}, Behaviour(talks_s=0.7))
    call = await missed(rig)
    assert task(rig)["state"] == "open"
    await back_at_work(rig)
    await rig.until(lambda: task(rig)["state"] == "recontacted", 30)
    (card,) = outbound(rig)
    assert (card["end_reason"], card["agent"], card["ani"]) == ("handled", "a101", ANI)
    assert card["fields"]["callback_of"] == call
    assert card["fields"]["callback_result"] == "answered"
    assert rig.switch.dialled() == [ANI]
    assert rig.pops is not None
    assert (card["call"], "a101") in rig.pops.first, "the agent sees whom he is about to talk to"


async def test_a_number_that_does_not_answer_is_tried_again_and_then_handed_to_a_person(rig: Rig) -> None:
    await opened(rig, {"a101": Behaviour(talks_s=20.0)}, Behaviour(rings_s=None))
    await missed(rig)
    await back_at_work(rig)
    await rig.until(lambda: task(rig)["state"] == "held", 60)
    assert (task(rig)["attempts"], task(rig)["why"]) == (2, "2 attempts failed")
    cards = outbound(rig)
    assert [(c["end_reason"], c["fields"]["callback_result"]) for c in cards] == [
        ("not_reached", "no_answer")
    ] * 2
    assert rig.switch.dialled() == [ANI, ANI]
    assert rig.api is not None
    (held,) = (await rig.api.get("/callbacks?held=true"))["callbacks"]
    await rig.api.post(f"/callbacks/{held['id']}/close", {"reason": "wrong number"})
    assert (task(rig)["state"], task(rig)["close_reason"]) == ("closed", "wrong number")
    assert (await rig.api.get("/callbacks"))["callbacks"] == []


async def test_an_agent_who_does_not_answer_passes_the_callback_on_and_nobody_else_is_dialled(
    rig: Rig,
) -> None:
    await opened(
        rig,
        {"a101": Behaviour(rings_s=None), "a102": Behaviour(rings_s=None)},
        Behaviour(talks_s=0.7),
        in_line_s=12,
    )
    await missed(rig)
    await back_at_work(rig)
    await rig.until(lambda: outbound(rig), 60)
    (card, *_) = outbound(rig)
    assert (card["end_reason"], card["agent"], card["fields"]["callback_result"]) == (
        "not_reached",
        None,
        "no_agent",
    )
    assert (task(rig)["state"], task(rig)["attempts"]) == ("open", 0)
    assert rig.switch.dialled() == []


async def test_kill_9_at_any_moment_dials_nobody_twice(rig: Rig) -> None:
    """The claim is committed before the Originate; the waiting call-back outlives the daemon."""
    await opened(rig, {"a101": Behaviour(talks_s=20.0)}, Behaviour(rings_s=1.5, talks_s=2.0))
    await missed(rig)
    assert rig.daemon is not None
    await back_at_work(rig)
    await rig.until(lambda: task(rig)["state"] == "dialling", 20)
    rig.daemon.kill()
    rig.daemon.start()
    await rig.daemon.ready()
    await back_at_work(rig)  # killed so soon, the daemon may not have kept that they are back
    await rig.until(lambda: task(rig)["state"] == "recontacted", 60)
    assert rig.switch.dialled() == [ANI]
    assert rows(rig, "SELECT count(*) AS n FROM missed_dials WHERE outcome = 'answered'") == [{"n": 1}]


async def test_kill_9_while_they_talk_keeps_the_talk_and_settles_the_task(rig: Rig) -> None:
    await opened(rig, {"a101": Behaviour(talks_s=20.0)}, Behaviour(talks_s=4.0))
    await missed(rig)
    await back_at_work(rig)
    assert rig.daemon is not None
    await rig.until(lambda: any(kind == "ACDNUMBERANSWER" for kind, _ in notes(rig)), 30)
    rig.daemon.kill()
    rig.daemon.start()
    await rig.until(lambda: task(rig)["state"] == "recontacted", 60)
    (card,) = outbound(rig)
    assert (card["end_reason"], card["agent"]) == ("handled", "a101")
    assert rig.switch.dialled() == [ANI]


async def test_a_one_ring_call_and_a_foreign_number_wait_for_a_yes(rig: Rig) -> None:
    """Security row 9: nobody is dialled; after a yes the dialplan still has its own word."""
    await opened(rig, {"a101": Behaviour(talks_s=20.0)}, Behaviour(talks_s=0.7))
    foreign = "+380441234567"
    await missed(rig, rang_s=1.0)
    await missed(rig, foreign)
    await back_at_work(rig)
    await rig.until(
        lambda: all(t["state"] == "held" for t in rows(rig, "SELECT state FROM missed_tasks")), 30
    )
    assert rig.switch.dialled() == []
    assert rig.api is not None
    for held in (await rig.api.get("/callbacks?held=true"))["callbacks"]:
        await rig.api.post(f"/callbacks/{held['id']}/approve")
    await rig.until(lambda: states(rig) == {ANI: "recontacted", foreign: "held"}, 60)
    assert rig.switch.dialled() == [ANI]
    (why,) = rows(rig, "SELECT why FROM missed_tasks WHERE number = ?", foreign)
    assert "ACD_OUT_ALLOWED" in why["why"]


async def test_a_client_who_calls_again_meanwhile_is_not_called_back(rig: Rig) -> None:
    await opened(rig, {"a101": Behaviour(rings_s=0.1, talks_s=0.5)}, Behaviour(talks_s=0.7), priority=0.01)
    await missed(rig)
    await back_at_work(rig)
    await rig.until(lambda: task(rig)["state"] == "dialling", 20)
    rig.call(ANI)
    await rig.until(lambda: task(rig)["state"] == "recontacted", 20)
    await rig.until(lambda: len(outbound(rig)) == 1, 20)
    assert outbound(rig)[0]["end_reason"] == "not_reached"
    assert rig.switch.dialled() == []


def notes(rig: Rig) -> list[tuple[str, str]]:
    return [(kind, fields["agent"]) for call in rig.journal().values() for kind, fields in call.notes]


def states(rig: Rig) -> dict[str, str]:
    return {row["number"]: row["state"] for row in rows(rig, "SELECT number, state FROM missed_tasks")}


async def test_a_caller_who_chooses_to_be_called_back_keeps_the_place_in_line(rig: Rig) -> None:
    """Issue 4, item 6: served where he stood: after who came before, before who came after."""
    await rig.open(
        {"a101": Behaviour(talks_s=20.0)},
        callbacks={**SECTION, "priority": 0.01},
        queues={"romashka": {"rules": [{"when": "waited_s > 1", "do": "offer_callback"}]}},
    )
    rig.switch.answers(ANI, Behaviour(talks_s=1.0))
    assert rig.api is not None
    await rig.api.post("/agents/a101/pause", {"reason": "lunch"})
    before, after = "+79160000011", "+79160000012"
    for ani in (before, ANI, after):
        rig.call(ani, ringing_s=1.5)
        await rig.noted("ACDQUEUED", ani)
    await rig.switch.choose_callback(ANI)
    chosen = await rig.card(ANI, 60)
    assert chosen["end_reason"] == "callback"
    await rig.until(lambda: task(rig)["state"] == "dialling", 20)
    await rig.api.post("/agents/a101/resume")
    await rig.until(lambda: task(rig)["state"] == "recontacted", 60)
    await rig.card(after, 60)
    answered = sorted(
        (int(f["ms"]), c.ani) for c in rig.journal().values() for k, f in c.notes if k == "ACDANSWER"
    )
    assert [ani for _, ani in answered] == [before, ANI, after]
    (card,) = outbound(rig)
    queued = next(f for k, f in rig.journal()[card["call"]].notes if k == "ACDQUEUED")
    assert int(queued["enter_ms"]) == pytest.approx(chosen["entered_at"], abs=50)
    assert (queued["priority"], card["fields"]["callback_of"]) == ("1.000", chosen["call"])


async def wish(rig: Rig, call: str, how: str, kind: str = "", id_: str = "") -> int:
    """What the page of a101 sends."""
    url = f"http://127.0.0.1:{rig.spec.http_port}/api/v1/calls/{call}/transfer"
    async with httpx.AsyncClient(auth=("a101", rig.spec.agents_token)) as http:
        return (await http.post(url, json={"how": how, "kind": kind, "id": id_})).status_code


async def is_(rig: Rig, agent: str, **wanted: str) -> bool:
    found = await rig.agent(agent)
    return all(found[name] == value for name, value in wanted.items())


async def test_a_callback_is_handed_on_after_asking_and_stays_one_card(rig: Rig) -> None:
    """002-08: a colleague is asked while the client hears music, takes over, and the promise is kept by that call."""
    phones = {"a101": Behaviour(talks_s=60.0), "a102": Behaviour(talks_s=6.0)}
    await opened(rig, phones, Behaviour(talks_s=60.0))
    await missed(rig)
    assert rig.api is not None
    await rig.api.post("/agents/a101/resume")
    await rig.until(lambda: rig.switch.dialled() == [ANI], 30)
    await rig.until(lambda: is_(rig, "a101", state="talking"))
    await rig.api.post("/agents/a102/resume")
    await rig.until(lambda: is_(rig, "a102", state="idle", status="available"))
    await asyncio.sleep(1.0)
    (live,) = (await rig.api.get("/snapshot"))["calls"]
    assert await wish(rig, live["call"], "consult", "agent", "a102") == 202
    await rig.until(lambda: is_(rig, "a101", transfer="consult_talk"))
    await asyncio.sleep(0.6)
    assert await wish(rig, live["call"], "complete") == 202
    await rig.until(lambda: is_(rig, "a102", state="talking"))
    await rig.until(lambda: outbound(rig), 40)
    (card,) = outbound(rig)
    assert (card["end_reason"], card["agent"], card["fields"]["callback_result"]) == (
        "handled",
        "a102",
        "answered",
    )
    await rig.until(lambda: task(rig)["state"] == "recontacted", 20)
    assert rig.switch.dialled() == [ANI], "the client is dialled once"
