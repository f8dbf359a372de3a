"""The process around the house."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from types import SimpleNamespace

import pytest

from acd import daemon
from acd.config.projects import Projects
from acd.config.strict_yaml import ConfigError, Problem
from acd.daemon import set_aside


@pytest.mark.slow
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


class _House:
    def __init__(self) -> None:
        self.taken: list[object] = []
        self.config = SimpleNamespace(projects=Projects())
        self.runner = self

    def reconfigure(self, config: object) -> None:
        self.taken.append(config)

    def tell(self, _fact: object) -> None: ...

    def needs_restart(self) -> list[str]:
        return []


async def test_after_a_reload_that_broke_the_next_one_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody expected ended the task that listens, silently: a mended file was never taken."""
    results = [OSError("odd"), ConfigError([]), RecursionError("deep"), SimpleNamespace(policy=None)]

    def load(_directory: Path, _overrides: tuple[str, ...]) -> object:
        found = results.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(daemon, "load", load)
    house, asked = _House(), asyncio.Event()
    task = asyncio.create_task(daemon._reload_when_asked(house, asked, tmp_path, ()))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        while not house.taken:
            asked.set()
            await asyncio.sleep(0.01)
    task.cancel()
    assert len(house.taken) == 1


def test_of_very_many_problems_the_log_gets_the_first() -> None:
    problems = [Problem("f.yaml", n, 1, "a", "wrong") for n in range(1, 60_001)]
    told = daemon._first(ConfigError(problems))
    assert told.splitlines()[0] == "f.yaml:1:1: a: wrong"
    assert told.endswith("and 59950 more: bin/acd check-config")
    assert daemon._first(ConfigError(problems[:1])) == "f.yaml:1:1: a: wrong"
