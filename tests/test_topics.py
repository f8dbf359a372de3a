"""The MQTT contract: every payload is of its schema, and no command can be more than a command."""

from __future__ import annotations

import json
import string
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd import topics
from acd.core.effects import CloseWrapUp, OpenWrapUp, WithdrawPop
from acd.core.events import AgentLoggedIn, AgentLoggedOut, AgentPaused, AgentResumed, WrapUpDone
from acd.core.ids import AgentId, Ani, EffectId
from tests.adapters.edges_help import ANI, ANN, CALL, DID, confirm, show, snapshot

NOW = 1_700_000_000_000
TOKEN = "t" * 24


def check(name: str, payload: bytes) -> dict[str, object]:
    body = json.loads(payload)
    jsonschema.Draft202012Validator(topics.schema(name)).validate(body)
    return body


@pytest.mark.parametrize("name", topics.SCHEMAS)
def test_schema_itself_is_valid_and_of_version_one(name):
    schema = topics.schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert '"const": 1' in json.dumps(schema)


@pytest.mark.parametrize(
    "message",
    [
        topics.show(show(), TOKEN, NOW, NOW + 60_000),
        topics.show(show(), TOKEN, NOW, NOW + 60_000, {"name": "Иван", "notes": ["a", 1, None]}),
        topics.confirm(confirm(), NOW, NOW + 1),
        topics.withdraw(WithdrawPop(EffectId(1), CALL, ANN, "no_answer"), NOW, NOW + 1),
        topics.open_wrap_up(OpenWrapUp(EffectId(2), CALL, ANN, NOW + 120_000), NOW, NOW + 1),
        topics.close_wrap_up(CloseWrapUp(EffectId(3), CALL, ANN, "deadline"), NOW, NOW + 1),
    ],
    ids=lambda m: m.kind,
)
def test_pop_is_of_its_schema_goes_to_its_agent_and_is_not_retained(message):
    body = check("pop", message.payload)
    assert message.topic == "acd/v1/agent/ann/pop"
    assert not message.retain
    assert body["expires_at_ms"] == message.expires_at


def test_minimal_pop_holds_no_number_but_says_which_firm_calls():
    """Row 12: call id and one-time token; 000-09: the firm's greeting is known before the first word."""
    minimal = topics.show(show(), TOKEN, NOW, NOW + 60_000).payload.decode()
    assert ANI not in minimal
    assert DID not in minimal
    assert json.loads(minimal)["subscriber"] == "acme"
    assert ANI in topics.show(show(), TOKEN, NOW, NOW + 60_000, {}).payload.decode()


def test_snapshot_and_agent_state_are_retained_of_their_schema_and_without_numbers():
    view = snapshot()
    message = topics.snapshot(view)
    body = check("snapshot", message.payload)
    assert body["queues"][0]["sl_of_offered"] == 0.6
    assert message.retain
    assert ANI not in message.payload.decode()
    assert DID not in message.payload.decode()
    state = topics.agent_state(view.agents[0])
    assert check("state", state.payload)["call"] == CALL
    assert (state.topic, state.retain) == ("acd/v1/agent/ann/state", True)


def test_status_and_presence_are_of_their_schema():
    check("status", topics.status("up", "at work", NOW).payload)
    check("status", topics.status("down", "gone", None).payload)
    check("presence", topics.presence(ANN, online=False).payload)
    assert topics.read_presence("acd/v1/agent/ann/presence", topics.presence(ANN, online=True).payload) == (
        ANN,
        True,
    )


@pytest.mark.parametrize(
    ("command", "reason", "fact"),
    [
        ("login", "", AgentLoggedIn(ANN, at=NOW)),
        ("logout", "", AgentLoggedOut(ANN, at=NOW)),
        ("pause", "обед", AgentPaused(ANN, "обед", at=NOW)),
        ("pause", "", AgentPaused(ANN, "pause", at=NOW)),
        ("pause", "a\x1b[31m\r\n${X}" + "b" * 100, AgentPaused(ANN, ("a31mX" + "b" * 100)[:64], at=NOW)),
        ("resume", "", AgentResumed(ANN, at=NOW)),
        ("done", "", WrapUpDone(ANN, at=NOW)),
    ],
)
def test_command_becomes_the_fact_of_the_topics_agent(command, reason, fact):
    payload = topics.command(command, reason)
    check("command", payload)
    assert topics.read_command("acd/v1/agent/ann/command", payload, NOW) == fact


@pytest.mark.parametrize(
    ("topic", "payload", "retained"),
    [
        ("acd/v1/agent/ann/command", b"", False),
        ("acd/v1/agent/ann/command", b"[]", False),
        ("acd/v1/agent/ann/command", b"[" * 2_000, False),
        ("acd/v1/agent/ann/command", b"\xff\xfe", False),
        ("acd/v1/agent/ann/command", b'{"v":1}', False),
        ("acd/v1/agent/ann/command", b'{"v":2,"command":"login"}', False),
        ("acd/v1/agent/ann/command", b'{"v":true,"command":"login"}', False),
        ("acd/v1/agent/ann/command", b'{"v":1,"command":"LOGIN"}', False),
        ("acd/v1/agent/ann/command", b'{"v":1,"command":["login"]}', False),
        ("acd/v1/agent/ann/command", b'{"v":1,"command":"pause","reason":5}', False),
        ("acd/v1/agent/ann/command", b'{"v":1,"command":"login","agent":"bob"}', False),
        ("acd/v1/agent/ann/command", b'{"v":1,"command":"login","device":"PJSIP/trunk"}', False),
        ("acd/v1/agent/ann/command", b'{"v":1,"command":"login"' + b" " * 3_000 + b"}", False),
        ("acd/v1/agent/ann/command", b'{"v":1,"command":"login"}', True),
        ("acd/v1/agent/ann/pop", b'{"v":1,"command":"login"}', False),
        ("acd/v1/agent/a-b/command", b'{"v":1,"command":"login"}', False),
        ("acd/v1/agent//command", b'{"v":1,"command":"login"}', False),
    ],
)
def test_malformed_command_is_refused_with_one_error_type(topic, payload, retained):
    """An agent names neither another agent nor a device of its own: that would be toll fraud (row 8)."""
    with pytest.raises(topics.MalformedMessage):
        topics.read_command(topic, payload, NOW, retained=retained)


@given(st.text(max_size=60), st.binary(max_size=300))
def test_any_bytes_on_any_topic_fail_in_one_way_only(topic, payload):
    for reader in (topics.read_command, topics.read_presence):
        try:
            reader(topic, payload, *((NOW,) if reader is topics.read_command else ()))
        except topics.MalformedMessage:
            continue


@pytest.mark.slow
@given(
    st.dictionaries(
        st.text(st.characters(), max_size=80),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=50) | st.binary(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=5,
    )
)  # fmt: skip
def test_any_dossier_makes_a_pop_of_the_schema(dossier):
    """Hostile names: surrogates, control characters, NaN, bytes, any depth."""
    message = topics.show(show(), TOKEN, NOW, NOW + 1, dossier)
    check("pop", message.payload)


def test_hostile_ani_and_names_stay_inside_their_field():
    wish = replace(show(), ani=Ani('"},"kind":"confirm"\ud800\r\n'))
    body = check("pop", topics.show(wish, TOKEN, NOW, NOW + 1, {}).payload)
    assert body["kind"] == "show"


@given(st.text(string.ascii_letters + string.digits + "-_/+#.$я", max_size=70))
def test_agent_id_of_a_topic_is_always_a_plain_word(agent):
    place = topics.split_agent_topic(f"acd/v1/agent/{agent}/pop")
    assert (place == (AgentId(agent), "pop")) == topics.is_agent_id(agent)
