"""One instance, a watchdog, and a loop that notices it slept."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acd.adapters.service import AlreadyRunningError, InstanceLock, LoopWatch, notify

HOLD = """
import sys, time
from pathlib import Path
from acd.adapters.service import InstanceLock
with InstanceLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_daemon_is_told_who_runs_and_what_to_do(tmp_path: Path) -> None:
    """Failure mode 35; and a kill -9 leaves nothing to clean up."""
    path = tmp_path / "acd.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunningError, match=f"process {holder.pid}"), InstanceLock(path):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with InstanceLock(path):
        pass


def test_systemd_hears_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(address)
        supervisor.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify("READY=1")
        assert supervisor.recv(100) == b"READY=1"
    notify("STOPPING=1")  # nobody listens any more: silent


def test_a_supervisor_that_does_not_read_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queue is full after some ten words; the eleventh would block the event loop, and with it every call."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        begun = time.monotonic()
        for _ in range(2_000):
            notify("WATCHDOG=1")
        assert time.monotonic() - begun < 2


async def test_a_loop_that_slept_says_so_once() -> None:
    slept: list[int] = []
    watch = LoopWatch(lambda: slept.append(1), slept_s=0.3)
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0.05)
    time.sleep(0.7)  # noqa: ASYNC251 - the stall is the point
    await asyncio.sleep(0.3)
    task.cancel()
    assert slept == [1]
    assert watch.max_lag_s > 0.3
