"""Records are made the cheap way in production and locked in tests; everything else about them is the same."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from acd.core import record
from acd.core.events import AgentPaused, EndedBy, EndReason, OfferOutcome
from acd.core.ids import AgentId


def made(*, locked: bool, frozen: bool = True) -> type:
    before = record.LOCKED
    record.LOCKED = locked
    try:

        @record.dataclass(frozen=frozen, slots=True)
        class Pair:
            left: int
            right: str = "r"

        return Pair
    finally:
        record.LOCKED = before


def test_tests_run_with_locked_records():
    with pytest.raises(dataclasses.FrozenInstanceError):
        AgentPaused(AgentId("ann"), "lunch").reason = "tea"  # type: ignore[misc]  # what the test is about


@pytest.mark.parametrize("locked", [True, False])
def test_both_makes_have_fields_equality_hash_and_words(locked):
    pair = made(locked=locked)
    one = pair(1)
    assert one == pair(1, "r")
    assert one != pair(2)
    assert hash(one) == hash(pair(1))
    assert repr(one).endswith("Pair(left=1, right='r')")
    assert [field.name for field in dataclasses.fields(one)] == ["left", "right"]
    assert dataclasses.replace(one, right="q") == pair(1, "q")
    with pytest.raises((AttributeError, TypeError)):
        one.middle = 1  # slots


def test_only_the_locked_make_refuses_an_assignment():
    with pytest.raises(dataclasses.FrozenInstanceError):
        made(locked=True)(1).left = 2
    free = made(locked=False)(1)
    free.left = 2
    assert free.left == 2


def test_a_record_that_was_never_frozen_has_no_hash():
    with pytest.raises(TypeError):
        hash(made(locked=False, frozen=False)(1))


def test_a_production_process_makes_the_cheap_ones():
    """The lock belongs to the tests' conftest; outside of it nobody pays for it."""
    code = "from acd.core.events import LinkLost; x = LinkLost(); x.at = 7; print(x.at)"
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root, timeout=60
    )
    assert done.stdout.strip() == "7"


@pytest.mark.parametrize("member", [*EndReason, *EndedBy, *OfferOutcome])
def test_the_word_of_a_member_is_its_value(member):
    assert member.word == member.value
