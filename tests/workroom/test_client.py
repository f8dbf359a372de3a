"""The workroom: whatever foreign text does, its process ends and the daemon's loop goes on (bad input of the issue)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from acd.workroom.client import Bench, JobRefusedError, JobStoppedError, Limits

HERE = Path(__file__).resolve().parent
ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(wall_s=30.0, cpu_s=0.2, memory=300 << 20, answer=10_000)


QUICK = replace(LIMITS, wall_s=1.0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench("hostile", LIMITS, HERE)
    yield made
    await made.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_one_warm_child_does_job_after_job(bench: Bench) -> None:
    await bench.warm()
    first = bench.pid
    assert [await bench.do(what="echo", say=n) for n in ("а", "b")] == ["а", "b"]
    assert first is not None
    assert bench.pid == first
    assert bench.counters == {"started": 1, "done": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "limits", "why"),
    [
        ("stuck", LIMITS, "0.2 s of processor time"),
        ("asleep", QUICK, "more than 1 s"),
        ("greedy", LIMITS, "300 MiB of memory"),
        ("crash", LIMITS, "ended with -11"),
    ],
)
async def test_what_takes_too_much_is_ended_said_and_the_next_job_is_done(
    what: str, limits: Limits, why: str
) -> None:
    bench = Bench("hostile", limits, HERE)
    try:
        with pytest.raises(JobStoppedError, match=why):
            await bench.do(what=what)
        assert await bench.do(what="echo", say="again") == "again"
        assert bench.counters["stopped"] == 1
    finally:
        await bench.close()


async def test_a_child_that_somebody_killed_is_replaced_and_its_job_done_once_more(bench: Bench) -> None:
    await bench.warm()
    assert bench.pid is not None
    os.kill(bench.pid, signal.SIGKILL)
    assert await bench.do(what="echo", say="here") == "here"


async def test_a_child_killed_again_and_again_is_given_up(bench: Bench) -> None:
    async def killer() -> None:
        while True:
            if bench.pid is not None and bench.counters["started"] > bench.counters["died"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(bench.pid, signal.SIGKILL)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(killer())
    with pytest.raises(JobStoppedError, match="killed twice"):
        await bench.do(what="asleep")
    task.cancel()


@pytest.mark.slow
async def test_a_stopped_child_is_killed_by_the_clock() -> None:
    bench = Bench("hostile", QUICK, HERE)
    await bench.warm()
    assert bench.pid is not None
    os.kill(bench.pid, signal.SIGSTOP)
    with pytest.raises(JobStoppedError, match="more than 1 s"):
        await bench.do(what="echo", say="x")
    await bench.close()


async def test_the_loop_goes_on_and_closing_waits_for_nothing(bench: Bench) -> None:
    """The exit of the daemon: a job under way does not hold it up, and its process is gone."""
    job = asyncio.create_task(bench.do(what="asleep"))
    beats = 0
    async with asyncio.timeout(10):
        while bench.counters["started"] == 0:
            await asyncio.sleep(0.01)
            beats += 1
    pid = bench.pid
    assert pid is not None
    assert beats > 1
    begun = time.monotonic()
    await bench.close()
    assert time.monotonic() - begun < 1
    with pytest.raises(JobStoppedError):
        await job
    assert not alive(pid)
    with pytest.raises(JobStoppedError, match="stopping"):
        await bench.do(what="echo", say="x")


async def test_who_is_cancelled_leaves_no_half_answer_to_the_next(bench: Bench) -> None:
    await bench.warm()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await bench.do(what="asleep")
    assert await bench.do(what="echo", say="mine") == "mine"


async def test_a_child_prints_to_nobody_writes_no_file_and_knows_no_secret(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACD_TOKEN", "secret")
    assert "ACD_TOKEN" not in await bench.do(what="secrets")
    with pytest.raises(JobRefusedError, match="longer than 10000"):
        await bench.do(what="talkative")
    target = tmp_path / "x"
    with pytest.raises((JobStoppedError, JobRefusedError)):
        await bench.do(what="file", path=str(target))
    assert not target.exists() or not target.read_bytes()


async def test_a_child_that_cannot_be_started_says_so_and_is_not_tried_at_every_job() -> None:
    bench = Bench("no_such_trade", LIMITS, HERE)
    for _ in range(3):
        with pytest.raises(JobStoppedError, match="cannot be started"):
            await bench.do(what="echo")
    assert bench.counters["not_started"] == 1
    await bench.close()


@pytest.mark.slow
def test_a_child_at_work_dies_with_its_parent() -> None:
    """Kill -9 of the daemon: no stuck process is left behind."""
    code = (
        "import asyncio\nfrom acd.workroom.client import *\n"
        f"bench = Bench('hostile', RENDERING, {str(HERE)!r})\n"
        "async def main():\n    await bench.warm()\n    print(bench.pid, flush=True)\n    await bench.do(what='asleep')\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)
