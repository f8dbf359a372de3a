"""The snapshot survives the wire, and nothing but a ValueError comes out of nonsense."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd.snapshot_json import Frame, Labels, decode, encode
from tests.wallboard.board_help import agent, call, queue, snapshot

WHOLE = snapshot(
    calls=(call(), call("c2", agent=None, expected_wait_ms=None, state="waiting")),
    agents=(agent(), agent("102", wrap_up_until=5)),
    queues=(queue(expected_wait_ms=18_000), queue("empty", offered=0, answered=0)),
    counters=(("late_outcome", 2),),
)
LABELS = Labels("Центр", {"sales": "Sales"}, {"101": "Ann"}, ("mqtt: no broker",))


def test_a_snapshot_comes_back_equal_through_json():
    assert decode(json.loads(json.dumps(encode(WHOLE, LABELS)))) == Frame(WHOLE, LABELS)


def test_the_wire_form_carries_the_named_formula():
    """house.md 3: a percentage never without its formula."""
    queues = encode(WHOLE)["queues"]
    assert queues[0]["sl_of_offered"] == 0.9
    assert queues[0]["asa_ms"] == 5_000
    assert queues[1]["sl_of_offered"] is None


def test_an_older_wallboard_survives_keys_of_a_newer_daemon():
    data = encode(WHOLE)
    data["new"] = 1
    data["queues"][0]["new"] = {"x": 1}
    assert decode(data).snapshot == WHOLE


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("v",), 2, "version '2' is not 1"),
        (("now",), "later", "now: not of type int"),
        (("now",), True, "now: not of type int"),
        (("synced",), 1, "synced: not of type bool"),
        (("calls",), {}, "calls: not a list"),
        (("queues", 0), [], "queues: not an object"),
        (("queues", 0, "waiting"), None, "queues.waiting: not of type int"),
        (("agents", 0, "agent"), 101, "agents.agent: not of type str"),
        (("counters",), [1], "counters: not an object"),
        (("labels", "degraded"), "x", "degraded: not a list"),
        (("labels", "agents"), {"101": 5}, "agents: not of type str"),
    ],
)
def test_what_does_not_fit_says_where(path, value, said):
    data = encode(WHOLE, LABELS)
    place = data
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=said):
        decode(data)


def test_a_missing_key_says_which():
    data = encode(WHOLE)
    del data["agents"][0]["state"]
    with pytest.raises(ValueError, match=r"agents\.state: missing"):
        decode(data)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    data=JSON, key=st.sampled_from(["", "now", "calls", "queues", "agents", "labels", "counters", "synced"])
)
def test_any_json_gives_a_frame_or_a_value_error(data, key):
    whole = encode(WHOLE, LABELS)
    if key:
        whole[key] = data
    try:
        made = decode(whole if key else data)
    except ValueError:
        return
    assert isinstance(made, Frame)
