"""One instance, a watchdog, and a loop that notices it slept."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acd.adapters.service import AlreadyRunningError, InstanceLock, LoopWatch, Promptness, notify

HOLD = """
import sys, time
from pathlib import Path
from acd.adapters.service import InstanceLock
with InstanceLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""

PROMPT = """
import asyncio, os, sys, threading
from acd import unhurried
from acd.adapters.service import Promptness
from acd.credentials import _SLOWLY

def told():
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, os.sched_getparam(0).sched_priority

def in_a_thread(first=lambda: None):
    found = []
    thread = threading.Thread(target=lambda: (first(), found.append(told())))
    thread.start()
    thread.join()
    return found[0]

asked = Promptness(sys.argv[1])
try:
    asked.prepare()
except PermissionError:
    print("refused")
    sys.exit()
store = in_a_thread()
early = asyncio.run(unhurried.in_thread(told)), _SLOWLY.submit(told).result()
asked.begin()
print(store, told(), in_a_thread(), in_a_thread(asked.beside), *early, asyncio.run(unhurried.in_thread(told)))
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


@pytest.mark.slow
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


def prompt(wish: str, *before: str) -> str:
    """What a process of its own is given: its store's threads, its loop, a later thread."""
    command = [*before, sys.executable, "-c", PROMPT, wish]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    return ended.stdout.strip()


def test_the_loop_comes_first_and_what_it_starts_later_does_not() -> None:
    """ACD_LOOP_PRIORITY: the loop as asked, the store's threads behind Asterisk's 10, passwords and files without."""
    normal, real_time = os.SCHED_OTHER, os.SCHED_RR
    wanted = f"({real_time}, 1) ({real_time}, 11) ({normal}, 0) ({real_time}, 1)" + f" ({normal}, 0)" * 3
    assert prompt("11") in (wanted, "refused"), "a machine may refuse"
    assert prompt("") == " ".join([f"({normal}, 0)"] * 7)


def test_what_takes_long_has_no_real_time_priority_though_it_began_before_the_house_was_open() -> None:
    """A thread made between `prepare` and `begin` inherits the loop's of that moment and is used again for ever."""
    long_work = {
        "daemon.py": "_read_anew", "deskside/inmail.py": "inmail.read", "adapters/imap.py": "call", "retention_files.py": "expire",
    }  # fmt: skip
    for file, call in long_work.items():
        text = (Path(__file__).parents[2] / "acd" / file).read_text(encoding="utf-8")
        assert f"unhurried.in_thread({call}," in text, file


def test_the_unit_lets_a_long_statement_of_the_database_end() -> None:
    """LimitRTTIME counts for the store's real-time threads too; a hung loop is the watchdog's."""
    unit = (Path(__file__).parents[2] / "config/systemd/acd.service").read_text(encoding="utf-8")
    limits = dict(
        line.split("=", 1) for line in unit.splitlines() if line.startswith(("LimitRTTIME", "Watchdog"))
    )
    assert int(limits["LimitRTTIME"].removesuffix("s")) >= 4 * int(limits["WatchdogSec"]) >= 20


@pytest.mark.parametrize("wish", ["high", "-1", "1000"])
def test_a_priority_that_is_none_is_refused(wish: str) -> None:
    with pytest.raises(ValueError, match="invalid literal|no real-time priority"):
        Promptness(wish)
