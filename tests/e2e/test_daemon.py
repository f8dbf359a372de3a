"""The daemon's own life: reload, shutdown, two by mistake, wrong secret, old Asterisk, scanned ports."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from simulator.centre.config import CentreSpec, write
from simulator.centre.daemon import ROOT, DaemonProcess
from simulator.standin import StandIn
from tests.e2e.rigs import Behaviour, Rig, StandInSwitch

pytestmark = pytest.mark.e2e

ANI = "+79160000001"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(StandInSwitch(), tmp_path) as rig:
        yield rig


async def test_sigterm_ends_the_daemon_cleanly_and_the_waiting_caller_does_not_notice(rig: Rig) -> None:
    """The shutdown ladder: callers who wait are the dialplan's already."""
    await rig.open({"a101": Behaviour(talks_s=1.0)})
    assert rig.daemon is not None
    assert rig.api is not None
    await rig.api.post("/agents/a101/pause", {"reason": "lunch"})
    rig.call(ANI)
    await rig.noted("ACDQUEUED")
    assert await rig.daemon.stop() == 0
    assert "ACDEND" not in [kind for kind, _ in rig.notes()]
    rig.daemon.start()
    await rig.daemon.ready()
    assert (await rig.agent("a101"))["pause_reason"] == "lunch"
    await rig.api.post("/agents/a101/resume")
    assert (await rig.card())["end_reason"] == "handled"


async def test_reload_takes_a_good_configuration_and_keeps_the_old_one_over_a_broken_one(rig: Rig) -> None:
    await rig.open({"a101": Behaviour(talks_s=0.3)})
    assert rig.daemon is not None
    daemon = rig.daemon
    numbers = rig.daemon.config / "numbers.yaml"
    good = numbers.read_text(encoding="utf-8")
    numbers.write_text(good + "  '7099': romashka\n", encoding="utf-8")
    daemon.signal(signal.SIGHUP)
    await rig.until(lambda: "reloaded" in daemon.tail())
    numbers.write_text("numbers: {7001: nobody}\n", encoding="utf-8")
    daemon.signal(signal.SIGHUP)
    await rig.until(lambda: "reload_refused" in daemon.tail())
    rig.call(ANI, "7099")
    assert (await rig.card())["subscriber"] == "romashka"


async def test_what_breaks_beside_the_calls_ends_no_call(rig: Rig, tmp_path: Path) -> None:
    """Last good versions of projects cannot be kept (a full disk does the same): it ended the daemon at every start."""
    projects = tmp_path / "config" / "projects"
    shutil.copytree(ROOT / "config" / "projects" / "types", projects / "types")
    (projects / "firm.yaml").write_text(
        "extends: answering-basic\nname: Firm\nnumbers: ['7050']\nneeds: [{skill: general}]\n",
        encoding="utf-8",
    )
    rig.spec.state_dir.mkdir()
    (rig.spec.state_dir / "projects").write_text("in the way", encoding="utf-8")
    await rig.open({"a101": Behaviour(talks_s=0.3)}, projects="projects")
    assert rig.daemon is not None
    await rig.until(lambda: "side_work_broken" in rig.daemon.log.read_text(encoding="utf-8"))  # type: ignore[union-attr]
    status, told = await readyz(rig.spec)
    assert status == 200
    assert "broke and was begun again: desk" in told
    rig.call(ANI)
    assert (await rig.card())["end_reason"] == "handled"


async def test_a_second_daemon_on_the_same_state_is_refused_with_a_sentence(rig: Rig) -> None:
    """Failure mode 35."""
    await rig.open({"a101": Behaviour()})
    assert rig.daemon is not None
    second = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "acd", "run", "--config", str(rig.daemon.config)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 3
    assert "another daemon" in second.stderr


async def test_a_start_that_fails_leaves_no_trace_for_the_next(tmp_path: Path) -> None:
    """A taken port, tried again all night: the beat that still stands must be known as our own afterwards (0232)."""
    spec = CentreSpec(tmp_path, agents=1)
    spec.queue_log = tmp_path / "queue_log"
    daemon = DaemonProcess(spec, write(spec))
    with socket.socket() as other:
        other.bind(("127.0.0.1", spec.agi_port))
        other.listen()
        daemon.start()
        assert await daemon.wait(30) == 1
    assert "FastAGI cannot listen" in daemon.tail()
    assert not (spec.state_dir / "heartbeat").exists()


async def readyz(spec: CentreSpec) -> tuple[int, str]:
    async with httpx.AsyncClient() as client:
        try:
            answer = await client.get(f"http://127.0.0.1:{spec.http_port}/readyz")
        except httpx.HTTPError:
            return 0, ""
        return answer.status_code, answer.text


@pytest.mark.parametrize("fault", ["wrong secret", "old asterisk"])
async def test_an_asterisk_we_must_not_use_is_named_in_plain_words(tmp_path: Path, fault: str) -> None:
    spec = CentreSpec(tmp_path, agents=1)
    world = StandIn(tmp_path / "asterisk", agi=("127.0.0.1", spec.agi_port), users={"acd": "right"})
    if fault == "old asterisk":
        world.version = "20.5.0"
    spec.ami_port = await world.start()
    spec.ami_secret = "wrong" if fault == "wrong secret" else "right"
    spec.queue_log = world.queue_log.path
    daemon = DaemonProcess(spec, write(spec))
    daemon.start()
    try:
        wanted = "refuses AMI user" if fault == "wrong secret" else "too old"
        async with asyncio.timeout(20):
            while wanted not in (await readyz(spec))[1]:
                await asyncio.sleep(0.1)
        assert (await readyz(spec))[0] == 503
    finally:
        await daemon.stop()
        await world.stop()


async def test_scanned_ports_and_half_open_connections_cost_no_call(rig: Rig) -> None:
    """Bad input: port scans and half-open connections on every port; security row 23."""
    await rig.open({"a101": Behaviour(talks_s=0.5)})
    ports = (rig.spec.agi_port, rig.spec.http_port, rig.spec.mqtt_port)
    half_open = []
    for port in ports:
        for n in range(60):
            link = socket.create_connection(("127.0.0.1", port), timeout=5)
            if n % 3 == 0:
                link.close()
            elif n % 3 == 1:
                link.sendall(os.urandom(64))
                link.close()
            else:
                half_open.append(link)
    try:
        rig.call(ANI)
        assert (await rig.card())["end_reason"] == "handled"
    finally:
        for link in half_open:
            link.close()


async def test_cards_are_found_and_explained_from_the_command_line(rig: Rig) -> None:
    """bin/acd cards, card, explain, status against a running daemon."""
    await rig.open({"a101": Behaviour(talks_s=0.3)})
    rig.call(ANI)
    card = await rig.card()
    assert rig.daemon is not None

    def acd(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "acd", *words, "--config", str(rig.daemon.config)],  # type: ignore[union-attr]
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert card["number"] in await asyncio.to_thread(acd, "cards", "--json")
    assert ANI in await asyncio.to_thread(acd, "card", card["number"], "--json")
    assert "a101" in await asyncio.to_thread(acd, "explain", card["call"])
    assert "agents" in await asyncio.to_thread(acd, "status", "--json")


def _before_the_library(folder: Path, name: str, text: str) -> str:
    """Return a PYTHONPATH under which importing the library runs this text."""
    folder.mkdir()
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return str(folder)


async def test_a_caller_who_waited_over_a_restart_is_offered_before_the_page_answers(
    rig: Rig, tmp_path: Path
) -> None:
    """What no call needs is loaded when calls are routed (decision 0230); here its loading takes ten seconds."""
    await rig.open({"a101": Behaviour(talks_s=0.3)})
    assert rig.daemon is not None
    assert rig.api is not None
    rig.daemon.kill()
    rig.call(ANI)
    slow = "import sys, time; time.sleep(10); sys.path.remove({0!r}); del sys.modules['prometheus_client']\nimport prometheus_client\n"
    folder = tmp_path / "before"
    path = _before_the_library(folder, "prometheus_client", slow.format(str(folder)))
    rig.daemon.environment["PYTHONPATH"] = path
    rig.daemon.start()
    await rig.noted("ACDANSWER")
    with pytest.raises(httpx.ConnectError):
        await rig.api.get("/agents")
    await rig.daemon.ready()
    assert (await rig.card())["end_reason"] == "handled"


async def test_a_library_that_cannot_be_loaded_ends_the_start_and_is_named(rig: Rig, tmp_path: Path) -> None:
    """Not hours later, when somebody first needs it."""
    await rig.open({"a101": Behaviour()})
    assert rig.daemon is not None
    assert await rig.daemon.stop() == 0
    rig.daemon.environment["PYTHONPATH"] = _before_the_library(
        tmp_path / "broken", "holidays", "raise ImportError('half unpacked')"
    )
    rig.daemon.start()
    assert await rig.daemon.wait(30) == 1
    assert "cannot_start" in rig.daemon.tail()
    assert "half unpacked" in rig.daemon.tail()


async def test_a_database_deleted_while_calls_run_is_written_back_and_survives_a_kill(rig: Rig) -> None:
    """Somebody cleans up the folder: cards come back from the journal, who was paused and every number would not."""
    await rig.open({"a101": Behaviour(talks_s=0.3), "a102": Behaviour(talks_s=0.3)})
    assert rig.daemon is not None
    assert rig.api is not None
    await rig.api.post("/agents/a102/pause", {"reason": "lunch"})
    callers = [f"+7916000000{n}" for n in range(1, 7)]
    database = rig.spec.state_dir / "acd.db"
    rig.call(callers[0])
    before = (await rig.card(callers[0]))["number"]
    for n, ani in enumerate(callers[1:]):
        rig.call(ani)
        await rig.noted("ACDQUEUED", ani)
        if n % 2 == 0:
            for file in database.parent.glob("acd.db*"):
                if file.is_file():
                    file.unlink()
    for ani in callers:
        assert (await rig.card(ani))["end_reason"] == "handled"
    assert "database_written_back" in rig.daemon.log.read_text(encoding="utf-8")
    rig.daemon.kill()
    rig.daemon.start()
    await rig.daemon.ready()
    cards = rig.all_cards()
    assert len(cards) == len(callers)
    assert len({card["number"] for card in cards}) == len(callers)
    assert rig.cards()[callers[0]]["number"] == before
    assert (await rig.agent("a102"))["pause_reason"] == "lunch"
