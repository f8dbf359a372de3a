"""A centre with all its surroundings in our hands: the switch, proxies on every link, a ticket system.

`Site.open()` starts everything, `Site.close()` ends everything it started. Deeds (deeds.py) act on it.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from simulator.centre.config import CentreSpec, write
from simulator.centre.daemon import Api, DaemonProcess
from simulator.centre.driver import Driver, StandInDriver
from simulator.centre.lab_driver import LabDriver
from simulator.faults import callbacks
from simulator.faults.disk import SmallDisk
from simulator.faults.proxy import TcpProxy
from simulator.faults.tickets import TicketStub
from simulator.lab.ports import free_port

CLOCK_SHIM = Path(__file__).with_name("clock_shim")
READY_S = 180.0
"""A start wants 1.5 s of a core; a run that is polite to others on a busy machine may wait long for it."""
CALLBACKS_S = 60.0
"""A call-back waits at most 30 s for an agent, rings 5 s and talks 3."""
ANSWER_S = 0.4
"""A phone rings so long."""


def now_ms() -> int:
    """Return the wall clock in milliseconds."""
    return time.time_ns() // 1_000_000


class NotSyncedError(RuntimeError):
    """The daemon did not find its feet in time; the message ends with its log."""


@dataclass(slots=True)
class Life:
    """One life of the daemon. Milliseconds of the wall clock."""

    started_ms: int
    ended_ms: int = 0
    """0: it still lives."""


@dataclass(slots=True)
class Pause:
    """A time in which the daemon was surely dead, or Asterisk."""

    began_ms: int
    ended_ms: int


@dataclass(slots=True)
class Site:
    """The centre. `asterisk`: real Asterisk with SIPp, else the stand-in."""

    folder: Path
    driver: Driver
    agents: int = 20
    mixed: bool = False
    """Also a small disk and a broker of its own, for the faults that need them."""
    seed: int = 1
    calls: int = 0
    """How many are to come: for the size of the small disk."""
    spec: CentreSpec = field(init=False)
    daemon: DaemonProcess = field(init=False)
    ami: TcpProxy = field(init=False)
    agi: TcpProxy = field(init=False)
    tickets: TicketStub = field(default_factory=TicketStub)
    disk: SmallDisk | None = None
    broker: subprocess.Popen[bytes] | None = None
    broker_port: int = 0
    lives: list[Life] = field(default_factory=list)
    deaths: list[Pause] = field(default_factory=list)
    """The daemon dead for good, as seen by callers: for the way to the fallback."""
    pbx_deaths: list[Pause] = field(default_factory=list)
    baseline: dict[str, float] = field(default_factory=dict)
    # one client: each new one reads the system's certificates
    web: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=2.0, trust_env=False))

    @property
    def real(self) -> bool:
        """Real Asterisk."""
        return isinstance(self.driver, LabDriver)

    async def open(self) -> None:
        """Start switch, proxies, tickets, broker, daemon; log every agent in."""
        self.spec = spec = CentreSpec(
            self.folder,
            agents=self.agents,
            wrap_up_s=0.3,
            ring_timeout_s=4.0,
            max_wait_s=300.0,
            ballast_mib=16,
        )
        if self.mixed:
            self.disk = SmallDisk.make(spec.state_dir, self.calls)
            spec.extra = callbacks.overlay(spec)
        # Asterisk and daemon both go through a proxy, so each learns the proxy's port
        agi_door = spec.agi_port
        await self.driver.open(spec)
        self.ami = TcpProxy(("127.0.0.1", spec.ami_port), frames=True, seed=self.seed)
        spec.ami_port = await self.ami.start()
        spec.agi_port = free_port()
        self.agi = TcpProxy(("127.0.0.1", spec.agi_port))
        await self.agi.start(agi_door)
        spec.webhook = await self.tickets.start()
        if self.mixed:
            self.start_broker()
        self.daemon = DaemonProcess(spec, write(spec))
        self.daemon.environment = {"PYTHONPATH": str(CLOCK_SHIM), "ACD_CLOCK_SHIFT": str(self.clock_file)}
        self.start_daemon()
        await self.until_synced()
        await self._log_in()
        self.baseline = self.daemon.usage()

    @property
    def clock_file(self) -> Path:
        """Seconds in this file are added to the daemon's wall clock."""
        return self.folder / "clock-shift"

    async def close(self) -> None:
        """End everything started here."""
        if hasattr(self, "daemon"):
            await self.daemon.stop()
        for name in ("ami", "agi"):
            if hasattr(self, name):
                await getattr(self, name).stop()
        await self.web.aclose()
        await self.driver.close()
        await self.tickets.stop()
        self.stop_broker()
        if self.disk is not None:
            self.disk.remove()

    # --- the daemon --------------------------------------------------------------------------------

    def start_daemon(self) -> None:
        """Start a life."""
        self.lives.append(Life(now_ms()))
        self.daemon.start()

    def kill_daemon(self) -> None:
        """End a life by kill -9."""
        self.daemon.kill()
        self.lives[-1].ended_ms = now_ms()

    def revive_daemon(self) -> bool:
        """Start a life if the last one ended by itself; return whether it had."""
        process = self.daemon.process
        if process is None or process.poll() is None:
            return False
        self.lives[-1].ended_ms = now_ms()
        self.start_daemon()
        return True

    async def until_synced(self, timeout_s: float = READY_S) -> float:
        """Wait until the daemon is synced with the switch; return the seconds that took."""
        begun = time.monotonic()
        while time.monotonic() - begun < timeout_s:
            troubles = await self.troubles()
            if troubles is not None and "asterisk" not in troubles:
                return time.monotonic() - begun
            await asyncio.sleep(0.05)
        raise NotSyncedError(f"the daemon did not sync within {timeout_s:g} s:\n{self.daemon.tail()}")

    async def troubles(self) -> dict[str, str] | None:
        """What the daemon says does not work; None when it does not answer."""
        try:
            answer = await self.web.get(f"http://127.0.0.1:{self.spec.http_port}/readyz")
            return dict(answer.json()["troubles"])
        except (httpx.HTTPError, ValueError, KeyError):
            return None

    async def finish_callbacks(self) -> None:
        """Let those that are due be made, then make no more and wait for those under way."""
        if not self.mixed:
            return
        await self._until_no_callbacks(due=True)
        self.spec.extra["callbacks"] = {**callbacks.SECTION, "enabled": False}
        write(self.spec)
        self.daemon.signal(signal.SIGHUP)
        await self._until_no_callbacks(due=False)

    async def _until_no_callbacks(self, *, due: bool) -> None:
        end = time.monotonic() + CALLBACKS_S
        database = self.spec.state_dir / "acd.db"
        while time.monotonic() < end:
            if not callbacks.unfinished(await asyncio.to_thread(callbacks.read, database), now_ms(), due=due):
                return
            await asyncio.sleep(0.5)

    async def _log_in(self) -> None:
        api = Api(self.spec)
        try:
            for agent in self.spec.agent_ids:
                await api.post(f"/agents/{agent}/login")
            for _ in range(100):
                agents = (await api.get("/snapshot"))["agents"]
                if all(agent["status"] == "available" for agent in agents):
                    return
                await asyncio.sleep(0.1)
            raise RuntimeError(f"the agents did not log in: {agents}")
        finally:
            await api.close()

    # --- the broker --------------------------------------------------------------------------------

    def start_broker(self) -> None:
        """Start mosquitto, or do without: then the daemon's own broker serves and cannot fail alone."""
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            return
        if not self.broker_port:
            self.broker_port = free_port()
            self.spec.extra["mqtt"] = {"url": f"mqtt://127.0.0.1:{self.broker_port}"}
        conf = self.folder / "mosquitto.conf"
        conf.write_text(
            f"listener {self.broker_port} 127.0.0.1\nallow_anonymous true\npersistence false\n",
            encoding="ascii",
        )
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.broker = subprocess.Popen([program, "-c", str(conf)], stdout=log, stderr=log)

    def stop_broker(self) -> None:
        """Kill mosquitto."""
        if self.broker is not None:
            self.broker.kill()
            self.broker.wait()
            self.broker = None


def make_driver(asterisk: bool) -> Driver:
    """Return the switch with callers and phones."""
    from simulator.centre.driver import PhonePlan

    phones = PhonePlan(answer_after_s=ANSWER_S, talk_s=(1.0, 3.0))
    if asterisk:
        # a call nobody takes leaves the fallback soon; recordings would only fill the disk
        return LabDriver(phones=phones, settings={"record": "0", "fallback_s": "20"})
    return StandInDriver(phones)
