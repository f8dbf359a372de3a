"""A fact left while the daemon is down is there when it lives again, whole or not at all (row 32)."""

from __future__ import annotations

import time

import pytest

from acd import durable
from acd.adapters.spool import Spool, parse_item
from acd.core.events import CallbackChosen, CallEnded, CardFilled
from agi_scripts._spool import spool

FACTS = [
    CallbackChosen("call-1", "+7912", at=5),
    CallbackChosen("call-2", "+7913", at=6),
    CallbackChosen("call-3", "+7914"),
]


async def test_what_was_left_is_collected_once_by_the_daemon(tmp_path):
    for fact in FACTS:
        spool(tmp_path / "box", fact)
    got: list[object] = []

    async def take(item):
        got.append(item)

    box = Spool(tmp_path / "box", {"CallbackChosen": take})
    assert await box.collect() == 3
    assert [(item.kind, item.call) for item in got] == [
        ("CallbackChosen", "call-1"),
        ("CallbackChosen", "call-2"),
        ("CallbackChosen", "call-3"),
    ]
    assert got[0].text("number") == "+7912"
    assert await box.collect() == 0
    assert box.counters.bad == 0


def test_a_fact_without_time_gets_the_time_it_was_left(tmp_path):
    before = time.time_ns() // 1_000_000
    item = parse_item(spool(tmp_path, FACTS[2]).read_bytes())
    assert item.at is not None
    assert before <= item.at <= before + 60_000
    assert parse_item(spool(tmp_path, FACTS[0]).read_bytes()).at == 5


def test_only_facts_that_may_wait_are_taken(tmp_path):
    """The daemon collects call-backs and nothing else: a kind it does not know would lie there for ever."""
    for fact in (CallEnded("c"), CardFilled("c", None, (("rating", "5"),))):
        with pytest.raises(TypeError):
            spool(tmp_path, fact)
    assert list(tmp_path.iterdir()) == []


def test_a_crash_before_the_rename_leaves_nothing_to_collect(tmp_path, monkeypatch):
    def dies(_fd):
        raise OSError("power")

    monkeypatch.setattr(durable.os, "fsync", dies)
    with pytest.raises(OSError, match="power"):
        spool(tmp_path, FACTS[0])
    assert list(tmp_path.glob("*.json")) == []
