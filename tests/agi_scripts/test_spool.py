"""A fact left while the daemon is down is there when it lives again, whole or not at all (row 32)."""

from __future__ import annotations

import json

import pytest

from acd.core.events import CallbackChosen, CallEnded, CardFilled
from agi_scripts import _spool
from agi_scripts._spool import collect, spool

FACTS = [
    CallbackChosen("call-1", "+7912", at=5),
    CardFilled("call-2", None, (("rating", "5"), ("note", "Ёж"))),
    CardFilled("call-3", "anna", ()),
]


def test_what_was_left_is_collected_once_in_order(tmp_path):
    for fact in FACTS:
        spool(tmp_path / "box", fact)
    got: list[object] = []
    assert collect(tmp_path / "box", got.append) == (3, 0)
    assert got == FACTS
    assert collect(tmp_path / "box", got.append) == (0, 0)
    assert collect(tmp_path / "nowhere", got.append) == (0, 0)


def test_only_facts_that_may_wait_are_taken(tmp_path):
    with pytest.raises(TypeError):
        spool(tmp_path, CallEnded("c"))


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", '{"kind": "CallEnded", "call": "c"}', '{"kind": "CallbackChosen", "call": "c"}',
        '{"kind": "CallbackChosen", "call": 5, "number": "1"}', '{"kind": "CallbackChosen", "call": "c", "number": ""}',
        '{"kind": "CardFilled", "call": "c", "fields": [["a"]]}', '{"kind": "CardFilled", "call": "c", "fields": 5}',
        '{"kind": "CallbackChosen", "call": "c", "number": "1", "at": "x"}',
        json.dumps({"kind": "CardFilled", "call": "c", "agent": None, "fields": [["a", "x" * 20_000]]}),
    ],
)  # fmt: skip
def test_what_is_no_fact_is_set_aside_and_stops_nothing(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    spool(tmp_path, FACTS[0])
    got: list[object] = []
    assert collect(tmp_path, got.append) == (1, 1)
    assert got == [FACTS[0]]
    assert (tmp_path / "a.bad").exists()


def test_bytes_that_are_no_text_are_set_aside(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    assert collect(tmp_path, lambda _fact: None) == (0, 1)


def test_a_crash_before_the_rename_leaves_nothing_to_collect(tmp_path, monkeypatch):
    def dies(_fd):
        raise OSError("power")

    monkeypatch.setattr(_spool.os, "fsync", dies)
    with pytest.raises(OSError, match="power"):
        spool(tmp_path, FACTS[0])
    assert list(tmp_path.glob("*.json")) == []


def test_a_taker_that_fails_keeps_the_file(tmp_path):
    spool(tmp_path, FACTS[0])

    def fails(_fact):
        raise RuntimeError("inbox")

    with pytest.raises(RuntimeError):
        collect(tmp_path, fails)
    assert collect(tmp_path, lambda _fact: None) == (1, 0)
