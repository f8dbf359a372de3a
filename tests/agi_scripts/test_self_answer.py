"""The caller hears his answer; a key or silence leads to a person, a hang-up after it all is no lost call (002-18)."""

from __future__ import annotations

import pytest

from acd.core.events import CardFilled
from agi_scripts.self_answer import SelfAnswer, Told
from tests.agi_scripts.fake_session import FakeSession

TOLD = Told(
    "order ready",
    (("sound", "your-order"), ("digits", "108"), ("sound", "ready-on"), ("day", "1795510800"), ("moment", "1795510800")),
    "press-1",
    "Europe/Moscow",
)  # fmt: skip
WHOLE = [
    "your-order", "digits/1", "digits/0", "digits/8", "ready-on", "1795510800 AdB Europe/Moscow",
    "1795510800 AdBR Europe/Moscow",
]  # fmt: skip
CARD = CardFilled("call-1", None, (("self_answer", "order ready"),))


async def talk(session: FakeSession, told: Told | None = TOLD) -> None:
    await SelfAnswer(lambda call: told if call == "call-1" else None)(session)


async def test_everything_is_said_before_it_counts_as_heard():
    session = FakeSession("call-1")
    await talk(session)
    assert session.prompts == [*WHOLE, "press-1"]
    assert session.variables["ACD_SELF"] == "said"
    assert session.facts == [CARD], "the card says which answer he was told"


@pytest.mark.parametrize("prompt", WHOLE)
async def test_the_key_leads_to_a_person_at_once_and_nothing_was_heard(prompt: str):
    session = FakeSession("call-1")
    session.presses = {prompt: "1"}
    await talk(session)
    assert session.prompts == WHOLE[: WHOLE.index(prompt) + 1]
    assert "ACD_SELF" not in session.variables


async def test_another_key_interrupts_nothing():
    session = FakeSession("call-1")
    session.presses = {"ready-on": "5"}
    await talk(session)
    assert session.prompts == [*WHOLE, "press-1"]


async def test_a_call_for_which_nothing_was_decided_hears_nothing():
    """After a restart of the daemon between the two questions, or for a guessed id."""
    session = FakeSession("call-2")
    await talk(session)
    assert (session.prompts, session.facts, session.order) == ([], [], [])
