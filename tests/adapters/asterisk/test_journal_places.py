"""The journal's files moved, copied, hidden and broken by people, disks and boots: nothing is lost, nothing read twice."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from tests.adapters.asterisk.test_journal import MemorySink, append, line, tailer


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "asterisk"
    folder.mkdir()
    return folder / "queue_log"


@pytest.fixture
def sink():
    return MemorySink()


async def read_once(path, sink):
    """One life of a daemon: it looks twice and dies."""
    reader = tailer(path, sink)
    await reader.poll()
    await reader.poll()
    reader.close()
    return reader


def refuse_open(monkeypatch, name):
    """Let nobody open this file (the tests run as root, for whom no right is missing)."""
    true_open = os.open

    def opened(path, *args: object, **kwargs: object):
        if str(path) == str(name):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return true_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", opened)


async def test_a_journal_that_may_not_be_read_at_the_start_goes_on_where_it_was(path, sink, monkeypatch):
    append(path, 1, 2)
    await read_once(path, sink)
    append(path, 3)
    reader = tailer(path, sink)
    with monkeypatch.context() as closed:
        refuse_open(closed, path)
        await reader.poll()
        assert reader.counters.unreadable == f"{path} cannot be read: Permission denied"
    await reader.poll()
    assert (sink.numbers, reader.counters.gaps, reader.counters.unreadable) == ([1, 2, 3], 0, "")
    reader.close()


async def test_a_rotated_file_that_may_not_be_read_at_the_start_is_read_later(path, sink, monkeypatch):
    append(path, 1)
    await read_once(path, sink)
    append(path, 2)
    rotated = path.with_name("queue_log.1")
    path.rename(rotated)
    append(path, 3)
    reader = tailer(path, sink)
    with monkeypatch.context() as closed:
        refuse_open(closed, rotated)
        await reader.poll()
        assert sink.numbers == [1, 3]
    await reader.poll()
    await reader.poll()
    assert (sink.numbers, reader.counters.gaps) == ([1, 3, 2], 0)
    reader.close()
    assert await read_once(path, sink)
    assert sink.numbers == [1, 3, 2]


async def test_a_disk_that_is_mounted_after_our_start_goes_on_where_it_was(path, sink):
    append(path, 1, 2)
    await read_once(path, sink)
    append(path, 3)
    for missing in ("folder", "file"):
        away = path.parent.with_name("away")
        path.parent.rename(away)
        if missing == "file":
            path.parent.mkdir()  # the empty folder that a disk is mounted on
        reader = tailer(path, sink)
        await reader.poll()
        if missing == "file":
            path.parent.rmdir()
        away.rename(path.parent)
        await reader.poll()
        await reader.poll()
        assert (sink.numbers, reader.counters.gaps) == ([1, 2, 3], 0)
        reader.close()


async def test_a_journal_moved_to_another_disk_is_known_by_what_is_in_it(path, sink):
    """`cp -a` of the folder, `sed -i`, a restored machine: the same text under another inode."""
    append(path, 1, 2)
    await read_once(path, sink)
    append(path, 3)
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    copy.replace(path)
    await read_once(path, sink)
    assert sink.numbers == [1, 2, 3]
    reader = tailer(path, sink)
    await reader.poll()
    append(path, 4)
    shutil.copy2(path, copy)
    copy.replace(path)
    append(path, 5)
    for _ in range(3):
        await reader.poll()
    assert (sink.numbers, reader.counters.gaps) == ([1, 2, 3, 4, 5], 0)
    reader.close()


async def test_somebodys_copy_of_the_journal_is_not_read_at_the_next_rotation(path, sink):
    append(path, 1, 2)
    reader = tailer(path, sink)
    await reader.poll()
    shutil.copy(path, path.with_name("queue_log.bak"))  # later than the journal's last line
    path.rename(path.with_name("queue_log.1"))
    append(path, 3)
    for _ in range(3):
        await reader.poll()
    assert sink.numbers == [1, 2, 3]
    reader.close()


async def test_zeros_that_a_power_cut_left_cost_no_line(path, sink):
    append(path, 1)
    with path.open("ab") as file:
        file.write(b"\0" * 5_000 + line(2))
    with path.open("ab") as file:
        file.write(b"\0" * 50_000)
        file.flush()
    reader = tailer(path, sink)
    await reader.poll()
    append(path, 3)
    await reader.poll()
    assert sink.numbers == [1, 2, 3]
    reader.close()


async def test_the_half_line_of_a_dead_asterisk_costs_not_the_first_of_the_next(path, sink):
    whole = line(1)
    for cut in range(1, len(whole) - 1):
        with path.open("ab") as file:
            file.write(whole[:cut] + line(cut + 100))
    reader = tailer(path, sink)
    await reader.poll()
    assert sink.numbers == [cut + 100 for cut in range(1, len(whole) - 1)]
    reader.close()


async def test_a_callers_text_in_a_line_of_app_queue_is_no_note(path, sink):
    with path.open("ab") as file:
        file.write(b"1700000000|9|q|NONE|ENTERQUEUE||" + line(8).strip() + b"|1\n")
    reader = tailer(path, sink)
    await reader.poll()
    assert (sink.numbers, reader.counters.foreign) == ([], 1)
    reader.close()


async def test_what_could_not_be_read_for_a_moment_is_no_trouble_for_ever(path, sink, monkeypatch):
    append(path, 1)
    reader = tailer(path, sink)
    await reader.poll()
    with monkeypatch.context() as broken:

        def pread(*_: object):
            raise OSError(errno.EIO, "Input/output error")

        broken.setattr(os, "pread", pread)
        append(path, 2)
        await reader.poll()
        assert reader.counters.unreadable
    await reader.poll()
    assert (sink.numbers, reader.counters.unreadable) == ([1, 2], "")
    reader.close()
