"""Old fact logs and recordings go, and nothing else (requirement: what is kept has an end)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from acd import assembly
from acd.retention_files import FACT_LOGS, RECORDINGS, FileCounters, KeptFiles, expire, run_daily
from tests.config_help import loaded

DAY_MS = 86_400_000
NOW = 1_790_000_000_000
CALL = "0f8fad5b-d9cb-469f-a165-70867728950e"


def leave(path: Path, days_old: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    at = (NOW - days_old * DAY_MS) / 1000
    os.utime(path, (at, at))
    return path


class Standing:
    def now(self) -> int:
        return NOW


def test_only_what_is_older_than_its_days_goes(tmp_path: Path) -> None:
    old = leave(tmp_path / f"{CALL}.wav", 90.01)
    young = leave(tmp_path / f"{CALL[:-1]}f.wav", 89.99)
    assert expire(KeptFiles(tmp_path, RECORDINGS, 90), NOW) == (1, "")
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize(
    "name", ["facts.jsonl", "acd.db", f"{CALL}.wav.bak", f"x{CALL}.wav", f"{CALL}.wav\n", "facts.jsonl.1.gz"]
)
def test_a_name_that_is_not_ours_stays(tmp_path: Path, name: str) -> None:
    """The live fact log stays too: it is rotated, never removed under its writer."""
    foreign = leave(tmp_path / name, 1_000)
    for names in (FACT_LOGS, RECORDINGS):
        assert expire(KeptFiles(tmp_path, names, 1), NOW) == (0, "")
    assert foreign.exists()


def test_links_folders_and_files_further_down_stay(tmp_path: Path) -> None:
    elsewhere = leave(tmp_path / "elsewhere" / f"{CALL}.wav", 1_000)
    folder = tmp_path / "monitor"
    deeper = leave(folder / "deeper" / f"{CALL}.wav", 1_000)
    link = folder / f"{CALL}.wav"
    link.symlink_to(elsewhere)
    os.utime(link, (1, 1), follow_symlinks=False)
    (folder / f"{CALL[:-1]}f.wav").mkdir()
    os.utime(folder / f"{CALL[:-1]}f.wav", (1, 1))
    assert expire(KeptFiles(folder, RECORDINGS, 1), NOW) == (0, "")
    assert all(path.exists() for path in (elsewhere, deeper))
    assert link.is_symlink()


def test_a_folder_behind_a_link_is_told_and_not_entered(tmp_path: Path) -> None:
    target = leave(tmp_path / "target" / f"{CALL}.wav", 1_000)
    (tmp_path / "monitor").symlink_to(target.parent)
    removed, trouble = expire(KeptFiles(tmp_path / "monitor", RECORDINGS, 1), NOW)
    assert removed == 0
    assert "cannot be looked into" in trouble
    assert target.exists()


def test_no_folder_is_nothing_to_remove(tmp_path: Path) -> None:
    assert expire(KeptFiles(tmp_path / "none", RECORDINGS, 1), NOW) == (0, "")


async def test_the_daily_job_removes_says_what_it_cannot_and_goes_on(tmp_path: Path) -> None:
    counters = FileCounters()
    logs = KeptFiles(tmp_path / "facts", FACT_LOGS, 30)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    task = asyncio.create_task(
        run_daily(lambda: [KeptFiles(blocked, RECORDINGS, 1), logs], Standing(), counters, 0.01)
    )
    try:
        for round_ in (1, 2):
            leave(tmp_path / "facts" / "facts.jsonl.1", 31)
            async with asyncio.timeout(5):
                while counters.removed < round_ or not counters.trouble:
                    await asyncio.sleep(0.005)
        assert "Not a directory" in counters.trouble
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_the_settings_decide_where_and_how_long(tmp_path: Path) -> None:
    config = loaded(tmp_path, "retention.facts_days=7", "retention.recordings_days=8")
    facts, recordings = assembly.kept_files(config)
    assert (facts.days, facts.names) == (7, FACT_LOGS)
    assert facts.folder == config.path(config.tree.store.fact_log)
    assert (recordings.days, recordings.names) == (8, RECORDINGS)
    assert recordings.folder == config.path(config.tree.recording.directory)
