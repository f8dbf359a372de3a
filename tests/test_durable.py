"""Small files appear whole or not at all, and a name is known to lead to an open file or not (decision 0231)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from acd import durable


def power_goes(_fd: int) -> None:
    raise OSError("power")


def test_a_file_is_put_whole_in_a_new_or_an_old_ones_place_also_after_a_crash_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "moment"
    durable.write(path, "1\n")
    with monkeypatch.context() as dying:
        dying.setattr("os.fsync", power_goes)
        with pytest.raises(OSError, match="power"):
            durable.write(path, "2\n")
    assert path.read_text() == "1\n"
    durable.write(path, "3\n")
    assert path.read_text() == "3\n"
    assert list(tmp_path.iterdir()) == [path], "nothing is left aside"


def test_a_name_that_was_deleted_or_given_to_another_file_leads_there_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "held"
    path.write_text("ours")
    fd = os.open(path, os.O_RDONLY)
    try:
        assert durable.stands_at(path, fd)
        path.rename(tmp_path / "moved")
        assert not durable.stands_at(path, fd)
        path.write_text("another's")
        assert not durable.stands_at(path, fd)
    finally:
        os.close(fd)
