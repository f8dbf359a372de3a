"""The deliberate breaks still fit the source; `bin/faults --mutations` runs them all."""

from __future__ import annotations

import pytest

from simulator.faults.mutate import BREAKS, ROOT, Break, MutationError, is_caught


def test_there_are_at_least_ten_and_each_is_another():
    assert len({one.name for one in BREAKS}) == len(BREAKS) >= 10


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.name)
def test_each_break_fits_the_source_and_its_tests_are_there(one, tmp_path):
    target = tmp_path / one.file
    target.parent.mkdir(parents=True)
    before = (ROOT / one.file).read_text(encoding="utf-8")
    target.write_text(before, encoding="utf-8")
    one.apply(tmp_path)
    assert target.read_text(encoding="utf-8") != before
    assert all((ROOT / test).exists() for test in one.tests)


def test_a_break_that_no_longer_fits_is_an_error(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(MutationError, match="stands 0 times"):
        Break("gone", "a.py", "y = 2", "", ()).apply(tmp_path)


@pytest.mark.slow
def test_a_break_is_caught_and_no_break_is_not():
    gate = next(one for one in BREAKS if one.name == "drop the note gate")
    assert is_caught(gate)
    assert not is_caught(Break("none", gate.file, '"""Tells', '"""Says', gate.tests))
