"""A day in less time (failure mode 36): is the clock sound, is a slope a slope, does a short day run?

The long one: `bin/faults --soak 24 --calls 30000`.
"""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.soak.day import MODEL_TASKS, Day, Soak, usage
from simulator.soak.flat import slope
from simulator.standin.dialplan import CallTask

ROOT = Path(__file__).resolve().parents[2]


def samples(hours: int, growth_mib: float = 0.0) -> list[dict[str, float]]:
    return [
        {
            "hour": n / 12,
            "rss_mib": 100 + growth_mib * n / 12 + math.sin(n) / 10,
            "descriptors": 40.0 + n % 2,
            "tasks": 60.0,
        }
        for n in range(12 * hours)
    ]


def test_a_growth_of_two_mib_an_hour_is_seen_through_the_noise():
    found = slope([one["hour"] for one in samples(12, 2.0)], [one["rss_mib"] for one in samples(12, 2.0)])
    assert found.per_hour == pytest.approx(2.0, abs=0.05)
    assert found.half_width < 0.1


def test_less_than_four_hours_tell_nothing():
    with pytest.raises(ValueError, match="four hours"):
        slope([0.0, 1.0, 2.0], [1.0, 1.0, 1.0])
    assert Day(2, 1, samples=samples(2), took_s=1.0, reached_h=2).report()["slope_per_hour"] == {}


@pytest.mark.parametrize(
    ("day", "good"),
    [
        (Day(12, 1, samples=samples(12), took_s=1.0, reached_h=12), True),
        (Day(12, 1, samples=samples(12, 2.0), took_s=1.0, reached_h=12), False),
        (Day(12, 1, samples=samples(12), took_s=1.0, reached_h=12, problems=["lost: one"]), False),
    ],
    ids=["flat", "growing", "a call lost"],
)
def test_a_day_is_good_when_it_is_flat_and_no_call_is_wrong(day, good):
    assert day.report()["good"] is good


async def test_what_is_counted_is_what_stays_not_who_calls_just_now():
    """Two tasks a live call drawn by lot made the first whole day's slope of tasks unreadable: 0.04 ± 0.24 an hour."""

    async def forever():
        await asyncio.Event().wait()

    names = sorted({CallTask.run.__qualname__, Soak._one.__qualname__})
    assert set(names) == MODEL_TASKS
    before = usage()["tasks"]
    made = [asyncio.create_task(forever()) for _ in range(3)]
    for task, name in zip(made, names, strict=False):
        task.get_coro().__qualname__ = name
    assert usage()["tasks"] == before + 1, "the daemon's own is counted, the model's two are not"
    for task in made:
        task.cancel()


def test_time_jumps_when_nobody_works_and_stands_still_while_a_thread_does():
    code = (
        "from simulator.soak.jump import Busy, JumpClock, JumpLoop\n"
        "clock, busy = JumpClock(), Busy(); clock.install()\n"
        "import asyncio, time, ctypes\n"
        "busy.watch_threads()\n"
        "real_sleep = ctypes.CDLL(None).usleep\n"
        "async def main():\n"
        "    before = time.time(), time.monotonic()\n"
        "    await asyncio.sleep(86_400)\n"
        "    print(round(time.time() - before[0]), round(time.monotonic() - before[1]))\n"
        "    before = time.monotonic()\n"
        "    ticks = asyncio.create_task(asyncio.sleep(5))\n"
        "    await asyncio.to_thread(real_sleep, 100_000)\n"
        "    print(ticks.done(), time.monotonic() - before)\n"
        "JumpLoop(clock, busy).run_until_complete(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.splitlines() == ["86400 86400", "False 0.0"]


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_three_minutes_of_a_centre_pass_with_every_call_accounted_for(tmp_path):
    report = tmp_path / "day.json"
    command = [
        sys.executable,
        "-m",
        "simulator.soak",
        "--hours",
        "0.05",
        "--calls",
        "40",
        "--json",
        str(report),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    day = json.loads(report.read_text(encoding="utf-8"))
    assert day["problems"] == []
    assert day["calls"] == sum(day["ended"].values()) > 20
