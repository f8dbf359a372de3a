"""Broken frames at the four ports of a running daemon (failure-modes.md 1.2, fuzzing; security row 23).

The long run, a hundred thousand at each door: `bin/fuzz --live --frames 100000`.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulator.faults.live import junk
from simulator.faults.live.run import DOORS, PULSE_SHIM, LiveResult, Turn, live_fuzz, read_pulse


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_junk_at_every_door_neither_ends_nor_holds_the_daemon_and_good_calls_are_served(tmp_path):
    result = await live_fuzz(tmp_path, 700, 3)
    assert result.good, result.figures()
    assert result.frames == dict.fromkeys(DOORS, 700)
    assert_no_secret_in_the_log(tmp_path)
    assert result.calls >= 5
    assert result.requests >= 10


def assert_no_secret_in_the_log(folder: Path) -> None:
    """Security row 19: right secrets were all over the junk, and none of them is in the log."""
    log = (folder / "daemon.log").read_text(encoding="utf-8", errors="replace")
    assert log, "the junk leaves lines in the log"
    for name in ("ami", "mqtt", "http-token", "agents-token", "agents-hash"):
        secret = (folder / "state" / "secrets" / name).read_text(encoding="ascii").strip()
        assert secret not in log, name


def test_a_seed_throws_the_same_junk_again_and_a_manager_frame_is_closed():
    def some(seed: int) -> list[bytes]:
        chance = random.Random(seed)  # noqa: S311 - junk is no secret
        return [junk.ami_frame(chance, "s") for _ in range(200)]

    assert some(1) == some(1)
    assert some(1) != some(2)
    assert all(frame.endswith(junk.FRAME_END) for frame in some(1))


def test_a_packet_over_127_bytes_has_a_length_of_two_bytes():
    assert junk.mqtt_packet(3, 0, b"x" * 200)[:3] == bytes([0x30, 0xC8, 0x01])


@pytest.mark.parametrize(
    "broken",
    [
        {"crashed": True},
        {"turns": [Turn(1.0, 180.0, 20.0)]},
        {"rss_after_mib": 21.0},
        {"problems": ["lost: one"]},
        {"pops_missing": 1},
        {"requests_bad": 1},
        {"answered": 2},
        {"defects": {"acd_agi_script_errors": 1.0}},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_each_thing_that_must_hold_is_looked_at(broken):
    well = {"calls": 3, "answered": 3, "turns": [Turn(1.0, 180.0, 120.0)], "rss_after_mib": 19.0}
    assert LiveResult(1, **well).good
    assert not LiveResult(1, **(well | broken)).good


def test_the_pulse_tells_a_long_turn_and_leaves_short_ones_out(tmp_path):
    code = (
        "import asyncio, time\n"
        "async def main():\n"
        "    await asyncio.sleep(0.01); time.sleep(0.12); await asyncio.sleep(0.01)\n"
        "asyncio.run(main())"
    )
    environment = {"PYTHONPATH": str(PULSE_SHIM), "ACD_PULSE": str(tmp_path / "pulse")}
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    turns = [turn for turn in read_pulse(tmp_path / "pulse") if turn.own_ms > 90]
    assert len(turns) == 1
    assert turns[0].wall_ms >= 120
    assert begun <= turns[0].at_s <= time.monotonic()
