"""Backups are tested by restoring them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from acd.adapters.store import backup, cards
from acd.ports import PortError
from tests.adapters.store.support import make_card, opened


async def calls(path):
    async with opened(path) as store:
        return {item.card.call for item in await store.find(cards.CardFilter(limit=10_000))}


@pytest.mark.slow
async def test_a_backup_under_load_is_one_moment_and_restores_to_it(tmp_path):
    path, folder = tmp_path / "acd.db", tmp_path / "backups"
    stop = asyncio.Event()
    written = []
    async with opened(path) as store:

        async def writing():
            while not stop.is_set():
                card = make_card()
                await store.write_card(card)
                written.append(card.call)

        task = asyncio.create_task(writing())
        while len(written) < 20:
            await asyncio.sleep(0.005)
        before = set(written)
        report = await backup.backup(path, folder, "1")
        after = set(written)
        stop.set()
        await task
    assert report.path.stat().st_mode & 0o077 == 0, "callers' numbers are nobody else's business"
    assert not list(folder.glob("*.part"))
    aside = await backup.restore(report.path, path, "2")
    restored = await calls(path)
    assert before <= restored <= after
    assert len(restored) == report.cards
    assert await calls(aside) == set(written), "what was replaced is whole and can be put back"


async def test_numbers_handed_out_after_the_backup_are_not_handed_out_again(tmp_path):
    path = tmp_path / "acd.db"
    async with opened(path):
        pass
    report = await backup.backup(path, tmp_path, "1")
    async with opened(path) as store:
        given = {store.next_card_number() for _ in range(200)}
    await backup.restore(report.path, path, "2")
    async with opened(path) as store:
        assert not given & {store.next_card_number() for _ in range(200)}
    path.unlink()
    await backup.restore(report.path, path, "3")
    async with opened(path) as store:
        assert not given & {store.next_card_number() for _ in range(200)}, "nor with the old database gone"


async def test_a_restore_beside_a_running_daemon_is_refused_and_changes_nothing(tmp_path):
    path = tmp_path / "acd.db"
    card = make_card()
    async with opened(path) as store:
        report = await backup.backup(path, tmp_path, "1")
        await store.write_card(card)
        with pytest.raises(PortError, match="only one may"):
            await backup.restore(report.path, path, "2")
        assert await store.get(call=card.call) is not None


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["text", "empty", "torn", "foreign", "missing"])
async def test_what_is_no_sound_backup_is_refused_and_changes_nothing(tmp_path, damage):
    path = tmp_path / "acd.db"
    card = make_card()
    async with opened(path) as store:
        for _ in range(50):
            await store.write_card(make_card())
        await store.write_card(card)
    report = await backup.backup(path, tmp_path, "1")
    bad = tmp_path / "bad.db"
    data = report.path.read_bytes()
    if damage == "torn":
        bad.write_bytes(data[: len(data) // 2])
    elif damage == "foreign":
        other = sqlite3.connect(bad)
        other.execute("CREATE TABLE t (x)")
        other.close()
    elif damage != "missing":
        bad.write_bytes(b"" if damage == "empty" else b"not a database" * 1_000)
    with pytest.raises(PortError):
        await backup.restore(bad, path, "2")
    assert card.call in await calls(path)


async def test_old_backups_go_when_so_many_are_kept(tmp_path):
    path, folder = tmp_path / "acd.db", tmp_path / "backups"
    async with opened(path):
        for stamp in ("1", "2", "3", "4"):
            await backup.backup(path, folder, stamp, keep=2)
    assert sorted(file.name for file in folder.iterdir()) == ["acd-3.db", "acd-4.db"]


async def test_no_database_no_backup(tmp_path):
    with pytest.raises(PortError):
        await backup.backup(tmp_path / "none.db", tmp_path / "backups", "1")
    assert not list((tmp_path / "backups").iterdir())


class KilledError(BaseException):
    """The process ends here."""


async def test_a_restore_killed_at_any_step_leaves_one_whole_database_or_the_other(tmp_path, monkeypatch):
    """Between two renames there was none: the daemon would have begun a new one and called everybody in the journal back."""
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        folder.mkdir()
        path = folder / "acd.db"
        async with opened(path) as store:
            await store.write_card(make_card("old"))
        report = await backup.backup(path, folder, "1")
        async with opened(path) as store:
            await store.write_card(make_card("new"))
            for suffix in ("", "-wal"):  # as kill -9 leaves it: the log is not in the file yet
                shutil.copy(f"{path}{suffix}", f"{folder}/kept{suffix}")
        for suffix in ("", "-wal"):
            shutil.copy(f"{folder}/kept{suffix}", f"{path}{suffix}")
        with monkeypatch.context() as killing:
            kill_at(killing, steps)
            finished = False
            with contextlib.suppress(KilledError):
                await backup.restore(report.path, path, "2")
                finished = True
        assert path.exists()
        assert await calls(path) in ({"old"}, {"old", "new"})
        if finished:
            break
        await backup.restore(report.path, path, "3")
        assert await calls(path) == {"old"}, "and may be run again"
        steps += 1
    assert steps >= 2


def kill_at(monkeypatch, step):
    """End the process before this change of the folder, counted from 0."""
    done = [0]

    def guarded(true):
        def change(*args: Any, **kwargs: Any):
            if done[0] == step:
                raise KilledError
            done[0] += 1
            return true(*args, **kwargs)

        return change

    for owner, name in ((Path, "rename"), (Path, "replace"), (Path, "unlink"), (os, "link")):
        monkeypatch.setattr(owner, name, guarded(getattr(owner, name)))
