"""One digit from 1 to 5 on the card (003-10, 003-11)."""

from __future__ import annotations

import pytest

from acd.core.events import CardFilled
from agi_scripts.after_call_survey import ask, decide
from tests.agi_scripts.fake_session import FakeSession


@pytest.mark.parametrize(
    ("digits", "rating"), [("1", "1"), ("5", "5"), ("0", ""), ("6", ""), ("", ""), ("#", ""), ("12", "")]
)
def test_only_one_to_five_is_a_rating(digits, rating):
    assert decide(digits) == rating


async def test_a_rating_goes_on_the_card_with_the_agent_who_talked():
    session = FakeSession("call-1", "firm/rate", ACD_AGENT="anna")
    session.keyed = ["5"]
    await ask(session)
    assert session.facts == [CardFilled("call-1", None, (("rating", "5"), ("rated_agent", "anna")))]


@pytest.mark.parametrize("keyed", [[], ["9"]])
async def test_silence_or_a_wrong_key_is_no_rating(keyed):
    session = FakeSession("call-1", "firm/rate", ACD_AGENT="anna")
    session.keyed = keyed
    await ask(session)
    assert session.facts == []


async def test_without_a_sound_nobody_is_asked():
    session = FakeSession("call-1", "", ACD_AGENT="anna")
    session.keyed = ["5"]
    await ask(session)
    assert session.facts == []
    assert session.keyed == ["5"]
