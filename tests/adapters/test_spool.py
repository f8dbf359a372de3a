"""What one-shot scripts leave while the daemon is down is collected, once, and never thrown away."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.adapters import spool as spool_module
from acd.adapters.spool import BATCH, SIZE_LIMIT, Spool, SpoolItemError, parse_item
from acd.core.events import CallbackChosen
from acd.core.ids import Ani, CallId
from acd.ports import PortError
from agi_scripts._spool import spool as write_fact

ITEM = {"kind": "CallbackChosen", "call": "c-1", "at": 1_700_000_000_000, "number": "+79160000001"}


def leave(folder, name="c-1.json", content=None):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(ITEM) if content is None else content)
    return path


@pytest.fixture
def got():
    return []


@pytest.fixture
def spool(tmp_path, got):
    async def handler(item):
        got.append(item)

    return Spool(tmp_path / "spool", {"CallbackChosen": handler})


async def test_an_item_is_handed_over_and_leaves_the_spool(tmp_path, spool, got):
    path = leave(tmp_path / "spool")
    assert await spool.collect() == 1
    assert (got[0].call, got[0].at, got[0].text("number")) == ("c-1", ITEM["at"], "+79160000001")
    assert not path.exists()
    assert await spool.collect() == 0


async def test_an_item_stays_until_its_handler_has_stored_it(tmp_path, got):
    refusals = iter([True, False])

    async def handler(item):
        if next(refusals):
            raise PortError("the disk is full", retryable=True)
        got.append(item)

    path = leave(tmp_path / "spool")
    spool = Spool(tmp_path / "spool", {"CallbackChosen": handler})
    with pytest.raises(PortError):
        await spool.collect()
    assert path.exists()
    await spool.collect()
    assert len(got) == 1


async def test_what_nobody_can_read_is_moved_aside_and_counted(tmp_path, spool, got):
    folder = tmp_path / "spool"
    leave(folder, "1.json", "no json")
    leave(folder, "2.json", json.dumps([ITEM]))
    leave(folder, "3.json", "x" * (SIZE_LIMIT + 1))
    secret = leave(tmp_path, "secret.txt")
    (folder / "4.json").symlink_to(secret)
    (folder / "5.json").mkdir()
    os.mkfifo(folder / "6.json")
    leave(folder, "7.json")
    async with asyncio.timeout(5):
        await spool.collect()
    assert spool.counters.bad == 6
    assert f"6 files nobody can read were moved to {folder / 'bad'}" in spool.trouble
    assert len(got) == 1
    assert {path.name for path in (folder / "bad").iterdir()} == {f"{n}.json" for n in range(1, 7)}
    assert secret.exists()


async def test_a_file_we_may_not_read_stays_and_is_told_until_somebody_gives_us_the_right(
    tmp_path, spool, got, monkeypatch
):
    """003-24: a wrong mode is no reason to lose a caller's number; it went to `bad/`, and nobody heard of it."""
    folder, denied = tmp_path / "spool", True
    read = spool_module._read

    def guarded(path):
        if denied and path.name != "last.json":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(spool_module, "_read", guarded)
    for number in range(BATCH):
        leave(folder, f"{number:03}.json")
    leave(folder, "last.json")
    await spool.collect()
    assert "Permission denied" in spool.trouble
    await spool.collect()
    assert (len(got), spool.counters.bad) == (1, 0), "and they are in nobody's way"
    denied = False
    await spool.collect()
    assert (len(got), spool.trouble) == (BATCH + 1, "")


async def test_a_kind_without_a_handler_stays_and_is_in_nobodys_way(tmp_path, spool, got):
    """A survey's answer is no rubbish because this daemon does not collect it."""
    answer = json.dumps({**ITEM, "kind": "CardFilled"})
    for number in range(BATCH):
        leave(tmp_path / "spool", f"{number:03}.json", answer)
    chosen = leave(tmp_path / "spool", "last.json")
    os.utime(chosen, (2e9, 2e9))
    assert await spool.collect() + await spool.collect() == 1
    assert (len(got), spool.counters.waiting, spool.counters.bad) == (1, BATCH, 0)
    assert len(list((tmp_path / "spool").iterdir())) == BATCH
    (tmp_path / "spool" / "000.json").unlink()
    await spool.collect()
    assert spool.counters.waiting == BATCH - 1


async def test_files_still_being_written_are_left_alone(tmp_path, spool, got):
    leave(tmp_path / "spool", ".c-1.json", '{"kind": 1')
    leave(tmp_path / "spool", "c-1.tmp", '{"kind": 1')
    assert await spool.collect() == 0
    assert spool.counters.bad == 0


async def test_no_folder_is_an_empty_spool(spool):
    assert await spool.collect() == 0


@given(
    st.one_of(
        st.binary(max_size=200), st.dictionaries(st.text(), st.text()).map(lambda d: json.dumps(d).encode())
    )
)
def test_any_bytes_are_an_item_or_the_one_error(data):
    try:
        parse_item(data)
    except SpoolItemError:
        return


@pytest.mark.parametrize(
    "change",
    [{"kind": ""}, {"kind": 1}, {"call": ""}, {"call": "x" * 200}, {"at": "1"}, {"at": True}, {"at": -1}],
)
def test_a_wrong_part_is_refused(change):
    with pytest.raises(SpoolItemError):
        parse_item(json.dumps({**ITEM, **change}).encode())


async def test_what_the_scripts_write_is_what_we_read(tmp_path, spool, got):
    write_fact(tmp_path / "spool", CallbackChosen(CallId("c-9"), Ani("+74950000009"), at=5))
    assert await spool.collect() == 1
    assert (got[0].call, got[0].text("number"), got[0].at) == ("c-9", "+74950000009", 5)
