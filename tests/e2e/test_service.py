"""The daemon as a service: the watchdog, a log without people, a database that is locked or read-only."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.centre.daemon import ROOT
from tests.e2e.rigs import Behaviour, Rig, StandInSwitch

pytestmark = pytest.mark.e2e

ANI = "+79160000001"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(StandInSwitch(), tmp_path) as rig:
        yield rig


class Supervisor:
    """What systemd does with Type=notify: a datagram socket, read like systemd reads it."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """Everything said since the last look."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(200).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


async def test_the_watchdog_hears_a_living_loop_and_not_a_hung_one_and_the_kill_costs_no_call(
    rig: Rig,
) -> None:
    """READY=1, WATCHDOG=1 several times a second, STOPPING=1; a hang is a kill, a kill an ordinary event."""
    folder = Path(tempfile.mkdtemp())  # a socket's path has 107 characters at most
    supervisor = Supervisor(folder / "notify")
    rig.environment["NOTIFY_SOCKET"] = str(folder / "notify")
    try:
        await rig.open({"a101": Behaviour(talks_s=0.3)})
        daemon = rig.daemon
        assert daemon is not None
        assert "READY=1" in supervisor.heard()
        await asyncio.sleep(1.5)
        assert supervisor.heard().count("WATCHDOG=1") >= 3
        daemon.signal(signal.SIGSTOP)
        await asyncio.sleep(0.5)
        supervisor.heard()
        await asyncio.sleep(1.0)
        assert supervisor.heard() == [], "what hangs must not say that it lives"
        daemon.kill()
        rig.call(ANI)
        daemon.start()
        assert (await rig.card(timeout_s=40))["end_reason"] in {"handled", "fallback"}, "served either way"
        supervisor.heard()
        await daemon.stop()
        assert "STOPPING=1" in supervisor.heard()
    finally:
        supervisor.close()
        shutil.rmtree(folder)


async def test_the_log_of_the_running_daemon_names_nobody(rig: Rig) -> None:
    """Security rows 19 and 20, at the chattiest level, with things going wrong."""
    await rig.open({"a101": Behaviour(talks_s=0.3)}, log={"level": "debug"})
    daemon, api = rig.daemon, rig.api
    assert daemon is not None
    assert api is not None
    rig.call(ANI, "7001", "Client Ivanov")
    card = await rig.card()
    await api.post("/agents/a101/pause", {"reason": "lunch"})
    rig.call("+79160000002", "7001", "Client Petrov", gives_up_s=0.5)
    await rig.card("+79160000002")
    for path in (b"who+79160000003", b"enter_queue"):
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.spec.agi_port)
        writer.write(
            b"agi_network_script: " + path + b"\nagi_arg_3: +79160000003\nagi_callerid: +79160000003\n\n"
        )
        await reader.read(200)
        writer.close()
    (daemon.config / "numbers.yaml").write_text("numbers: {'+79160000004': nobody}\n", encoding="utf-8")
    daemon.signal(signal.SIGHUP)
    await rig.until(lambda: "reload_refused" in daemon.tail())
    said = daemon.log.read_text(encoding="utf-8")
    assert card["call"]
    assert "started" in said
    for personal in ("7916000000", "Ivanov", "Petrov", rig.spec.agents_token):
        assert personal not in said
    assert not re.search(r"\+?79\d{9}", said)


async def test_a_locked_database_holds_up_no_call_and_its_card_comes_later(rig: Rig) -> None:
    """Bad input: another program holds the write lock for longer than our patience."""
    await rig.open({"a101": Behaviour(talks_s=0.3)})
    other = sqlite3.connect(rig.spec.state_dir / "acd.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        begun = time.monotonic()
        rig.call(ANI)
        await rig.noted("ACDANSWER", timeout_s=10)
        assert time.monotonic() - begun < 4, "the talk does not wait for the disk"
        await rig.noted("ACDEND", timeout_s=10)
        assert rig.cards() == {}
        await asyncio.sleep(max(0.0, begun + 6.5 - time.monotonic()))
    finally:
        other.execute("ROLLBACK")
        other.close()
    card = await rig.card(timeout_s=30)
    assert (card["end_reason"], card["agent"]) == ("handled", "a101")


async def test_a_read_only_database_is_named_at_the_start_in_a_sentence(rig: Rig) -> None:
    """Bad input: a state directory that came back read-only. Root ignores file modes, so it is really mounted so."""
    await rig.open({"a101": Behaviour()})
    daemon = rig.daemon
    assert daemon is not None
    await daemon.stop()
    state = rig.spec.state_dir
    mount = f"mount --bind {state} {state} && mount -o remount,bind,ro {state}"
    command = f"{mount} && exec {sys.executable} -m acd run --config {daemon.config}"
    done = await asyncio.to_thread(
        subprocess.run,
        ["unshare", "--mount", "--map-root-user", "sh", "-c", command]
        if os.getuid()
        else ["unshare", "--mount", "sh", "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode not in {0, 139}
    assert "Traceback" not in done.stderr
    assert re.search(r"(?i)read-only", done.stderr), done.stderr
    assert str(state) in done.stderr
