"""Who calls, within a budget; names fit for a phone's display (002-10, security 10 and 14)."""

from __future__ import annotations

import asyncio
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_scripts.identify_subscriber import Identity, ask, clean_name, decide, display_name


class FakeDirectory:
    def __init__(self, answer=None, delay_s=0.0) -> None:
        self.answer, self.delay_s = answer, delay_s

    async def find(self, ani, did):
        await asyncio.sleep(self.delay_s)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_dossier_is_read():
    dossier = {
        "name": "Иван",
        "priority": 2,
        "needs": {"english": 3, "accounts": 1},
        "sticky": "anna",
        "x": 1,
    }
    assert decide(dossier) == Identity("Иван", 2.0, (("accounts", 1), ("english", 3)), "anna", known=True)


@pytest.mark.parametrize(
    "dossier",
    [
        {},
        {"name": 5, "priority": "2", "needs": "english", "sticky": "a b"},
        {"priority": -1, "needs": {"a b": 1, 5: 1, "x": "1", "y": 0, "z": True}, "sticky": "Ёж"},
        {"priority": float("nan"), "sticky": ""},
        {"priority": True},
    ],
)
def test_what_does_not_fit_is_left_out(dossier):
    assert decide(dossier) == Identity(known=bool(dossier))


async def test_a_slow_or_broken_directory_is_an_unknown_caller_in_time():
    began = time.monotonic()
    assert await ask(FakeDirectory({"name": "late"}, delay_s=5), "1", "2", budget_s=0.05) == Identity()
    assert time.monotonic() - began < 1
    assert await ask(FakeDirectory(RuntimeError("x")), "1", "2") == Identity()
    assert await ask(FakeDirectory(None), "1", "2") == Identity()
    assert (await ask(FakeDirectory({"name": "Иван"}), "1", "2")).name == "Иван"


def test_the_display_name_is_subscriber_and_client():
    assert display_name("Ромашка", "Иван Ёжиков") == "Ромашка: Иван Ёжиков"
    assert display_name("Ромашка", "") == "Ромашка"
    assert display_name("", "Иван") == "Иван"
    assert display_name("", "") == ""


def test_a_long_name_is_cut_to_forty_and_the_client_stays():
    name = display_name("Общество с ограниченной ответственностью «Ромашка»", "Иван Ёжиков")
    assert len(name) <= 40
    assert name.endswith(": Иван Ёжиков")


def test_bidi_and_control_characters_and_dialplan_signs_are_gone():
    assert clean_name('a\x1b[31m\u202eb\u200b"<x>${SHELL(id)}\r\nc') == "a 31mb x SHELL id c"


@given(st.text(), st.text())
def test_any_name_becomes_printable_and_short(firm, person):
    name = display_name(firm, person)
    assert len(name) <= 40
    assert not any(unicodedata.category(c).startswith("C") for c in name)
    assert not set(name) & set('"<>\\$;,|&{}()[]`\r\n')
