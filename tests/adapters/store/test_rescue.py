"""Somebody cleans up a folder and deletes the database in use: no card is lost (decision 0231)."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from acd.adapters.store.rescue import Home
from acd.adapters.store.spill import SpillFile
from acd.adapters.store.writer import Writer
from acd.ports import PortError
from tests.adapters.store.support import make_card, opened


def cards_in(path) -> set[str]:
    """What stands under this name, as any other program sees it."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as other:
        assert other.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return {row[0] for row in other.execute("SELECT call FROM cards")}


def delete(path, *suffixes: str) -> None:
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink()


@pytest.mark.parametrize(
    "suffixes",
    [("",), ("-wal",), ("", "-wal", "-shm"), ("", "-wal", "-shm", ".writer", ".spill"), ("-wal", "-shm")],
    ids="+".join,
)
async def test_the_next_card_brings_back_all_others(tmp_path, suffixes):
    path = tmp_path / "acd.db"
    async with opened(path) as store:
        for n in range(20):
            await store.write_card(make_card(f"before-{n}"))
        delete(path, *suffixes)
        await store.write_card(make_card("after"))
        wanted = {f"before-{n}" for n in range(20)} | {"after"}
        assert cards_in(path) == wanted
        assert store.writer.rescued == 1
        assert store.status.ok
        stored = await store.get(call="after")  # the reading connection looks at the new file, too
        assert stored is not None
        for n in range(20):
            await store.write_card(make_card(f"later-{n}"))
        assert store.writer.rescued == 1
        with pytest.raises(PortError, match="another process"):
            await Writer(path).open()
    assert cards_in(path) == wanted | {f"later-{n}" for n in range(20)}
    assert not list(tmp_path.glob("*.rescue*"))


async def test_a_process_that_dies_after_it_has_lost_nothing(tmp_path):
    """The file alone, as a kill -9 leaves it: nothing of it stands only in what is open."""
    path = tmp_path / "acd.db"
    async with opened(path) as store:
        await store.write_card(make_card("before"))
        delete(path, "", "-wal", "-shm")
        await store.write_card(make_card("after"))
        left = tmp_path / "left"
        left.mkdir()
        for suffix in ("", "-wal"):
            (left / f"acd.db{suffix}").write_bytes((tmp_path / f"acd.db{suffix}").read_bytes())
    async with opened(left / "acd.db") as again:
        assert await again.get(call="before") is not None
        assert await again.get(call="after") is not None


async def test_nothing_needs_to_be_written_for_it(tmp_path):
    path = tmp_path / "acd.db"
    async with opened(path) as store:
        await store.write_card(make_card("before"))
        delete(path, "", "-wal", "-shm")
        async with asyncio.timeout(10):
            while not path.exists():
                await asyncio.sleep(0.02)
        assert cards_in(path) == {"before"}


async def test_what_was_put_in_its_place_is_kept(tmp_path):
    path = tmp_path / "acd.db"
    async with opened(path) as store:
        await store.write_card(make_card("before"))
        path.rename(tmp_path / "moved")
        path.write_bytes(b"a file of somebody else")
        await store.write_card(make_card("after"))
        assert cards_in(path) == {"before", "after"}
        (kept,) = tmp_path.glob("acd.db.replaced-*")
        assert kept.read_bytes() == b"a file of somebody else"


async def test_while_it_cannot_be_written_back_it_is_told_and_cards_are_taken(tmp_path, monkeypatch):
    path = tmp_path / "acd.db"
    plain = Home.write_back

    def full(_home, _raw):
        raise sqlite3.OperationalError("database or disk is full")

    async with opened(path) as store:
        await store.write_card(make_card("before"))
        assert store.status.ok
        monkeypatch.setattr(Home, "write_back", full)
        delete(path, "", "-wal", "-shm")
        await store.write_card(make_card("meanwhile"))
        assert "deleted or replaced" in store.status.words
        assert not path.exists()
        monkeypatch.setattr(Home, "write_back", plain)
        store.writer._home._again_at = 0.0  # the seconds are over
        await store.write_card(make_card("after"))
        assert store.status.ok
        assert cards_in(path) == {"before", "meanwhile", "after"}


async def test_a_name_that_another_process_writes_under_is_left_to_it(tmp_path):
    """The lock's file went, too, and somebody was quicker: two must not write to one name."""
    path = tmp_path / "acd.db"
    async with opened(path) as store:
        await store.write_card(make_card("before"))
        delete(path, "", "-wal", "-shm", ".writer")
        async with opened(path) as other:
            await other.write_card(make_card("theirs"))
            await store.write_card(make_card("ours"))
            assert "deleted or replaced" in store.status.words
            assert cards_in(path) == {"theirs"}
        assert store.writer.rescued == 0


def test_what_waits_in_a_spill_file_that_is_deleted_waits_on(tmp_path):
    path = tmp_path / "spill"
    spill = SpillFile(path, 1 << 16)
    spill.open()
    spill.append(b"one")
    path.unlink()
    spill.look()
    spill.append(b"two")
    spill.look()
    spill.close()
    again = SpillFile(path, 1 << 16)
    assert again.open() == [b"one", b"two"]
    again.close()


async def test_a_name_deleted_once_more_before_it_is_opened_is_given_back_too(tmp_path, monkeypatch):
    """An empty database was made in its place, and the old connection was closed: everything was gone."""
    path = tmp_path / "acd.db"
    plain = Home.write_back

    def and_gone(home, raw):
        held = plain(home, raw)
        path.unlink()
        monkeypatch.setattr(Home, "write_back", plain)
        return held

    async with opened(path) as store:
        await store.write_card(make_card("before"))
        monkeypatch.setattr(Home, "write_back", and_gone)
        delete(path, "", "-wal", "-shm")
        await store.write_card(make_card("after"))
        await store.write_card(make_card("later"))
        assert cards_in(path) == {"before", "after", "later"}
