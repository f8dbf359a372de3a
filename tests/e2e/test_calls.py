"""Real calls end to end, the same suite on the stand-in and on real Asterisk with SIP callers and phones.

Requirements 000-08, 000-09, 003-04, 004-16; failure modes 10, 11, 26; the issue's named races.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.rigs import Behaviour, LabSwitch, Rig, StandInSwitch

pytestmark = pytest.mark.e2e

ANI = "+79160000001"
SWITCHES = {"stand-in": StandInSwitch, "asterisk": LabSwitch}


@pytest.fixture(params=list(SWITCHES))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(SWITCHES[request.param](), tmp_path) as rig:
        yield rig


async def test_a_call_reaches_an_agent_with_a_pop_before_hello_and_ends_in_a_card(rig: Rig) -> None:
    """The main job: 000-09 greeting knowledge at the moment of answer, 003-04 the card."""
    await rig.open({"a101": Behaviour(rings_s=0.3, talks_s=0.7)})
    rig.call(ANI, "7001")
    card = await rig.card()
    assert (card["end_reason"], card["agent"], card["subscriber"]) == ("handled", "a101", "romashka")
    assert 0.4 < card["talk_ms"] / 1000 < 2.0
    assert card["number"]
    call = rig.journal()[card["call"]]
    answered_ms = next(int(f["ms"]) for k, f in call.notes if k == "ACDANSWER")
    assert rig.pops is not None
    assert rig.pops.first[card["call"], "a101"] * 1000 < answered_ms


async def test_an_agent_who_does_not_answer_is_paused_and_the_caller_keeps_his_place(rig: Rig) -> None:
    """Failure mode 11: second offer within 15 s, to another agent; the entry time never changes."""
    await rig.open({"a101": Behaviour(rings_s=None), "a102": Behaviour(rings_s=None)})
    rig.call(ANI)
    await rig.until(lambda: len({agent for kind, agent in rig.notes() if kind == "ACDDIAL"}) == 2, 15)
    call = next(iter(rig.journal().values()))
    entered = {f["enter_ms"] for kind, f in call.notes if kind == "ACDQUEUED"}
    assert len(entered) == 1
    first = next(agent for kind, agent in rig.notes() if kind == "ACDDIAL")
    seen = await rig.agent(first)
    assert (seen["status"], seen["pause_reason"]) == ("paused", "RNA")


async def test_a_caller_who_hangs_up_during_the_ring_leaves_an_abandoned_card_and_a_free_agent(
    rig: Rig,
) -> None:
    """Failure mode 10; the agent is not punished for it."""
    await rig.open({"a101": Behaviour(rings_s=None)})
    rig.call(ANI, ringing_s=0.5)
    card = await rig.card()
    assert (card["end_reason"], card["agent"]) == ("abandoned", None)

    async def free() -> bool:
        agent = await rig.agent("a101")
        return (agent["status"], agent["state"]) == ("available", "idle")

    await rig.until(free)


async def test_an_agent_who_pauses_during_the_ring_takes_this_call_and_no_other(rig: Rig) -> None:
    await rig.open({"a101": Behaviour(rings_s=1.5, talks_s=0.5)})
    rig.call(ANI)
    await rig.noted("ACDDIAL")
    assert rig.api is not None
    await rig.api.post("/agents/a101/pause", {"reason": "lunch"})
    assert (await rig.card())["agent"] == "a101"
    rig.call("+79160000002", gives_up_s=1.5)
    assert (await rig.card("+79160000002"))["end_reason"] == "abandoned"
    assert not [kind for kind, _ in rig.notes("+79160000002") if kind == "ACDDIAL"]


async def test_a_phone_that_is_gone_sends_the_call_to_another_agent(rig: Rig) -> None:
    """The agent's phone is unregistered: nobody waits for it."""
    await rig.open({"a101": Behaviour(registered=False), "a102": Behaviour(talks_s=0.5)})
    rig.call(ANI)
    assert (await rig.card(timeout_s=25))["agent"] == "a102"


async def test_kill_9_of_the_daemon_drops_no_talk_and_no_waiting_caller(rig: Rig) -> None:
    """call-control.md, the rule: nothing the daemon holds may be needed for a caller."""
    await rig.open({"a101": Behaviour(talks_s=4.0)})
    rig.call(ANI)
    await rig.noted("ACDANSWER")
    rig.call("+79160000002")
    await rig.noted("ACDQUEUED", "+79160000002")
    assert rig.daemon is not None
    rig.daemon.kill()
    rig.daemon.start()
    first, second = await rig.card(ANI), await rig.card("+79160000002", 30)
    assert (first["end_reason"], first["agent"]) == ("handled", "a101")
    assert (second["end_reason"], second["agent"]) == ("handled", "a101")
    assert second["answered_at"] - second["entered_at"] > 2_000
    assert not [kind for kind, _ in rig.notes("+79160000002") if kind == "ACDFALLBACK"]


async def test_with_the_daemon_dead_the_pbx_serves_the_caller_alone_and_the_card_comes_later(
    rig: Rig,
) -> None:
    """Dead for good: fallback within 12 s; the card is written from the journal at the next start."""
    await rig.open({"a101": Behaviour(talks_s=0.5)})
    assert rig.daemon is not None
    rig.daemon.kill()
    rig.call(ANI)
    await rig.noted("ACDFALLBACKANSWER", timeout_s=20)
    call = next(iter(rig.journal().values()))
    at = {kind: int(fields["ms"]) for kind, fields in call.notes}
    assert at["ACDFALLBACK"] - at["ACDENTER"] <= 12_500
    await rig.noted("ACDEND", timeout_s=20)
    rig.daemon.start()
    card = await rig.card(timeout_s=30)
    assert (card["end_reason"], card["did"]) == ("fallback", "7001")


async def test_an_unknown_number_is_served_by_the_fallback_and_gets_its_card(rig: Rig) -> None:
    """Bad input: unknown DID. Never the void."""
    await rig.open({"a101": Behaviour(talks_s=0.5)})
    rig.call(ANI, "5555")
    card = await rig.card(timeout_s=40)
    assert (card["did"], card["end_reason"]) == ("5555", "fallback")


async def test_a_closed_firm_refuses_the_call_politely_and_keeps_a_card(rig: Rig) -> None:
    closed = {"queues": {"romashka": {"opening": {"week": {"mon": "closed"}}}}}
    await rig.open({"a101": Behaviour()}, **closed)
    rig.call(ANI, "7001", gives_up_s=4)  # he does not wait to be offered a message
    card = await rig.card()
    assert (card["end_reason"], card["subscriber"]) == ("refused", "romashka")


async def test_a_caller_without_a_number_is_served_and_nobody_is_called_back(rig: Rig) -> None:
    """Bad input: a withheld number."""
    await rig.open({"a101": Behaviour(talks_s=0.3)})
    assert rig.api is not None
    rig.call("anonymous")
    card = await rig.card("")
    assert (card["end_reason"], card["agent"]) == ("handled", "a101")
    await rig.api.post("/agents/a101/pause", {"reason": "lunch"})
    rig.call("anonymous", "7002", gives_up_s=1.0)
    await rig.until(lambda: len(rig.journal()) == 2 and len(rig.all_cards()) == 2)
    ends = {card["subscriber"]: card["end_reason"] for card in rig.all_cards()}
    assert ends == {"romashka": "handled", "nadezhda": "abandoned"}
    owed = await rig.api.get("/callbacks")
    assert all(not task["number"] for task in owed["callbacks"])


HOSTILE = (
    "${SHELL(id)}",
    "Иван Пётр 🎉",
    "\u202egnirts",
    "a,b;c|d=e&PJSIP/x",
    "%0d%0aEvent: Hangup",
    "x" * 500,
)


async def test_hostile_names_change_nothing_but_the_name(rig: Rig) -> None:
    """Security rows 4 to 7: caller text is hostile everywhere."""
    await rig.open(
        {"a101": Behaviour(rings_s=0.05, talks_s=0.2), "a102": Behaviour(rings_s=0.05, talks_s=0.2)}
    )
    numbers = [f"+7916000010{n}" for n in range(len(HOSTILE))]
    for ani, name in zip(numbers, HOSTILE, strict=True):
        rig.call(ani, "7002", name)
    for ani in numbers:
        card = await rig.card(ani, 30)
        assert (card["end_reason"], card["did"]) == ("handled", "7002")
    assert len(rig.journal()) == len(HOSTILE)
