"""Rights on topics (security row 11)."""

from __future__ import annotations

import pytest

from acd.rights import Rights
from tests.adapters.edges_help import users


@pytest.mark.parametrize(
    "topic", ["acd/v1/agent/ann", "acd/v1/agent/ann/pop/x", "acd/v1/agent//pop", "", "/", "acd"]
)
def test_odd_topics_are_outside_every_agents_rights(topic):
    rights = Rights(users("ann"))
    assert not rights.may_write("ann", topic)
    assert not rights.may_read("ann", topic)
    assert not rights.may_read("stranger", "acd/v1/agent/stranger/pop")


@pytest.mark.parametrize(
    ("user", "topic", "read", "write"),
    [
        ("router", "acd/v1/agent/ann/pop", True, True),
        ("router", "acd/v1/agent/+/command", True, True),
        ("router", "#", False, False),
        ("ann", "acd/v1/agent/ann/pop", True, False),
        ("ann", "acd/v1/agent/ann/+", True, False),
        ("ann", "acd/v1/agent/ann/command", False, True),
        ("ann", "acd/v1/agent/ann/presence", False, True),
        ("ann", "acd/v1/agent/bob/pop", False, False),
        ("ann", "acd/v1/agent/bob/command", False, False),
        ("ann", "acd/v1/snapshot", False, False),
        ("wall", "acd/v1/snapshot", True, False),
        ("wall", "acd/v1/agent/ann/pop", False, False),
        ("boss", "acd/v1/status", True, False),
        (None, "acd/v1/status", False, False),
    ],
)
def test_rights_of_each_role(user, topic, read, write):
    rights = Rights(users("ann", "bob"))
    assert (rights.may_read(user, topic), rights.may_write(user, topic)) == (read, write)
