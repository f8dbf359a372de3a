"""The spill file: what it says it kept is there after any cut, and a full disk cannot refuse it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd.adapters.store.spill import Ballast, SpillFile
from acd.ports import PortError

SIZE = 8_192


def opened(path):
    spill = SpillFile(path, SIZE)
    return spill, spill.open()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=12))
def test_records_come_back_as_they_were(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("spill") / "s"
    spill, found = opened(path)
    assert found == []
    for record in records:
        spill.append(record)
    assert spill.records() == records
    spill.close()
    spill, found = opened(path)
    assert (found, spill.torn) == (records, 0)
    spill.close()


def test_a_write_cut_at_any_byte_leaves_the_records_before_it(tmp_path):
    path = tmp_path / "s"
    spill, _ = opened(path)
    spill.append(b"first")
    before = path.read_bytes()
    spill.append(b"second")
    spill.close()
    after = path.read_bytes()
    end = len(after.rstrip(b"\0"))
    for cut in range(end):
        path.write_bytes(after[:cut] + before[cut:])
        spill, found = opened(path)
        assert found in ([b"first"], [b"first", b"second"]) or cut == 0
        spill.append(b"third")
        assert spill.records()[-1] == b"third"
        assert spill.records()[0] == b"first"
        spill.close()


def test_an_old_longer_record_does_not_show_through(tmp_path):
    spill, _ = opened(tmp_path / "s")
    for _ in range(3):
        spill.append(b"x" * 100)
    spill.clear()
    assert spill.records() == []
    spill.append(b"y")
    assert spill.records() == [b"y"]
    spill.close()


def test_the_space_is_reserved_and_a_full_file_says_so(tmp_path):
    path = tmp_path / "s"
    spill, _ = opened(path)
    assert path.stat().st_blocks * 512 >= SIZE
    with pytest.raises(PortError) as caught:  # noqa: PT012 - the last of many is refused
        for _ in range(100):
            spill.append(b"x" * 500)
    assert caught.value.retryable
    assert path.stat().st_size == SIZE
    assert all(record == b"x" * 500 for record in spill.records())
    spill.close()
    with pytest.raises(PortError):
        spill.append(b"x")


def test_wiping_leaves_no_byte(tmp_path):
    path = tmp_path / "s"
    spill, _ = opened(path)
    spill.append(b"+79160000001")
    spill.wipe()
    assert not path.read_bytes().strip(b"\0")
    spill.close()


def test_the_ballast_gives_its_room_back(tmp_path):
    ballast = Ballast(tmp_path / "ballast", 1 << 20)
    assert ballast.inflate()
    assert ballast.is_inflated
    assert ballast.inflate()
    assert ballast.release()
    assert not ballast.is_inflated
    assert not ballast.release()
    assert not Ballast(tmp_path / "huge", 1 << 60).inflate(), "never at the price of filling the disk"
