"""Feature codes: the daemon says whether it knows the person."""

from __future__ import annotations

import pytest

from agi_scripts.agent_login import FeatureQuestion, agent_of_channel, decide
from tests.agi_scripts.fake_session import FakeSession


@pytest.mark.parametrize(
    ("action", "agent", "verdict"),
    [
        ("login", "anna", "ok"),
        ("wrapdone", "anna", "ok"),
        ("login", "eve", "refused"),
        ("reboot", "anna", "refused"),
    ],
)
def test_only_known_people_do_known_things(action, agent, verdict):
    assert decide(action, agent, {"anna"}) == verdict


def test_the_endpoint_names_the_agent():
    assert agent_of_channel("PJSIP/anna-0000002a") == "anna"
    assert agent_of_channel("odd") == ""


@pytest.mark.parametrize(("arguments", "agent"), [(("pause",), "anna"), (("pause", "boris"), "boris")])
async def test_the_answer_names_the_agent_and_the_verdict_last(arguments, agent):
    session = FakeSession(*arguments, channel="PJSIP/anna-0000002a")
    await FeatureQuestion(lambda: {"anna", "boris"})(session)
    assert session.variables == {"ACD_AGENT": agent, "ACD_VERDICT": "ok"}
    assert session.order == ["ACD_AGENT", "ACD_VERDICT"]


async def test_a_stranger_is_refused():
    session = FakeSession("login", channel="PJSIP/eve-1")
    await FeatureQuestion(lambda: {"anna"})(session)
    assert session.variables == {"ACD_VERDICT": "refused"}
