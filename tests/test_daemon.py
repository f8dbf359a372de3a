"""The process around the house."""

from __future__ import annotations

import gc

import pytest

from acd.daemon import set_aside


def test_what_is_made_at_the_start_is_never_looked_at_again_by_the_collector():
    before = gc.get_freeze_count()
    try:
        with set_aside():
            assert not gc.isenabled()
            made = [[n] for n in range(1_000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(made)
    finally:
        gc.unfreeze()


def test_the_collector_works_again_after_a_start_that_failed():
    try:
        with pytest.raises(OSError, match="taken"), set_aside():
            raise OSError("taken")
        assert gc.isenabled()
    finally:
        gc.unfreeze()
