"""What each fault does. A deed begins, holds, ends and leaves the site whole again; it returns a short note.

`NotHere` says why a fault cannot be done on this site; it is then reported as skipped, never silently.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import httpx

from acd.daemon import EXIT_RUNNING
from simulator.centre.config import CentreSpec, write
from simulator.centre.daemon import Api, DaemonProcess
from simulator.centre.driver import StandInDriver
from simulator.centre.lab_driver import LabDriver
from simulator.faults.plan import Fault, Kind
from simulator.faults.site import Pause, Site, now_ms
from simulator.faults.tickets import Mood
from simulator.lab.errors import LabError
from simulator.lab.instance import Lab
from simulator.lab.ports import free_port

if TYPE_CHECKING:
    from simulator.faults.proxy import TcpProxy

TWIN_S = 180.0
START_TRIES = 4


class NotHere(Exception):  # noqa: N818 - it is no error
    """This fault is not possible here; the message says why."""


class Grip(Protocol):
    """What the deeds to the daemon and to its link lay hands on: `bin/load` has this much of a site."""

    @property
    def daemon(self) -> DaemonProcess:
        """The daemon."""

    @property
    def ami(self) -> TcpProxy:
        """The proxy on its manager link."""

    def kill_daemon(self) -> None:
        """Kill -9."""

    def start_daemon(self) -> None:
        """Start it again."""


async def kill(site: Grip, fault: Fault) -> str:
    """Kill -9, dead for a moment, started again; the next fault may come before it serves."""
    site.kill_daemon()
    await asyncio.sleep(fault.hold_s)
    site.start_daemon()
    return f"down {fault.hold_s:.2f} s"


async def dead(site: Site, fault: Fault) -> str:
    """The daemon dies and nobody starts it: the PBX must serve the callers alone."""
    began = now_ms()
    site.kill_daemon()
    await asyncio.sleep(fault.hold_s)
    site.deaths.append(Pause(began, now_ms()))
    site.start_daemon()
    return f"dead {fault.hold_s:.1f} s"


async def stop(site: Grip, fault: Fault) -> str:
    """SIGSTOP and SIGCONT: it wakes with old beliefs."""
    site.daemon.signal(signal.SIGSTOP)
    await asyncio.sleep(fault.hold_s)
    site.daemon.signal(signal.SIGCONT)
    return f"stopped {fault.hold_s:.1f} s"


async def ami_cut(site: Grip, fault: Fault) -> str:
    """The link is reset; new ones are refused for a moment."""
    site.ami.refuse = True
    site.ami.cut()
    await asyncio.sleep(fault.hold_s)
    site.ami.heal()
    return f"refused {fault.hold_s:.1f} s"


async def ami_black_hole(site: Site, fault: Fault) -> str:
    """Nothing passes, nobody is told; then everything held back arrives late."""
    site.ami.black_hole()
    await asyncio.sleep(fault.hold_s)
    site.ami.heal()
    return f"silent {fault.hold_s:.1f} s"


async def ami_drops(site: Site, fault: Fault) -> str:
    """A share of the events never arrives."""
    before = site.ami.dropped
    site.ami.drop_share = 0.02 + 0.3 * fault.size
    share = site.ami.drop_share
    await asyncio.sleep(fault.hold_s)
    site.ami.heal()
    return f"{share:.0%} for {fault.hold_s:.1f} s: {site.ami.dropped - before} events"


async def agi_off(site: Site, fault: Fault) -> str:
    """The door's question is refused."""
    site.agi.refuse = True
    site.agi.cut()
    await asyncio.sleep(fault.hold_s)
    site.agi.heal()
    return f"refused {fault.hold_s:.1f} s"


async def agi_mute(site: Site, fault: Fault) -> str:
    """The door's question is taken and never answered."""
    site.agi.black_hole()
    await asyncio.sleep(fault.hold_s)
    site.agi.heal()
    return f"silent {fault.hold_s:.1f} s"


async def pbx_kill(site: Site, fault: Fault) -> str:
    """Asterisk dies with everybody in it and is started again."""
    lab = _lab(site)
    began = now_ms()
    await asyncio.to_thread(lab.kill_hard)
    await asyncio.sleep(fault.hold_s)
    tries = await _up_again(lab)
    site.pbx_deaths.append(Pause(began, now_ms()))
    return f"away {(site.pbx_deaths[-1].ended_ms - began) / 1000:.1f} s" + "".join(tries)


async def _up_again(lab: Lab) -> list[str]:
    """Start Asterisk as an init system would, again and again; return what was said of starts that failed."""
    said: list[str] = []
    while True:
        try:
            await asyncio.to_thread(lab.up)
        except LabError as failed:
            said.append(f"; a start failed: {str(failed).splitlines()[0]}")
            if len(said) >= START_TRIES:
                raise
        else:
            return said


async def reload(site: Site, _fault: Fault) -> str:
    """The dialplan is read again under load."""
    await asyncio.to_thread(_lab(site).console, "dialplan reload")
    return "done"


async def broker(site: Site, fault: Fault) -> str:
    """The broker is killed and started again."""
    if site.broker is None:
        raise NotHere("no mosquitto here: the built-in broker lives and dies with the daemon")
    site.stop_broker()
    await asyncio.sleep(fault.hold_s)
    site.start_broker()
    return f"away {fault.hold_s:.1f} s"


async def tickets_500(site: Site, fault: Fault) -> str:
    """The ticket system refuses."""
    before = site.tickets.refused
    site.tickets.mood = Mood.BROKEN
    await asyncio.sleep(fault.hold_s)
    site.tickets.mood = Mood.GOOD
    return f"{site.tickets.refused - before} refused in {fault.hold_s:.1f} s"


async def tickets_lose(site: Site, fault: Fault) -> str:
    """The ticket system takes a card and its answer is lost: it will come again."""
    before = sum(site.tickets.deliveries.values())
    site.tickets.mood = Mood.FORGETFUL
    await asyncio.sleep(fault.hold_s)
    site.tickets.mood = Mood.GOOD
    return f"{sum(site.tickets.deliveries.values()) - before} taken without an answer"


async def disk_full(site: Site, fault: Fault) -> str:
    """Not a byte can be written where the daemon keeps its data."""
    if site.disk is None:
        raise NotHere("a small disk needs root (tmpfs mount)")
    await asyncio.to_thread(site.disk.fill)
    await asyncio.sleep(fault.hold_s)
    site.disk.free()
    return f"full {fault.hold_s:.1f} s"


async def clock(site: Site, fault: Fault) -> str:
    """The clocks of daemon and switch part by up to an hour.

    The daemon's timeline is anchored when it starts. So it is started under a wrong clock and the clock is put
    right: the same to it as a clock set in mid-run, for Asterisk's stamps are now off by so much.
    """
    jump_s = int((fault.size * 2 - 1) * 3_600)
    site.kill_daemon()
    site.clock_file.write_text(str(jump_s), encoding="ascii")
    try:
        site.start_daemon()
        await site.until_synced()
    finally:  # a start too slow must not leave the rest of the run under a wrong clock
        site.clock_file.write_text("0", encoding="ascii")
    await asyncio.sleep(fault.hold_s)
    site.kill_daemon()
    site.start_daemon()
    return f"{-jump_s:+d} s for {fault.hold_s:.1f} s"


async def phones(site: Site, fault: Fault) -> str:
    """Some agents' phones are gone."""
    count = 1 + int(fault.size * len(site.spec.agent_ids) / 3)
    gone = site.spec.agent_ids[:count]
    driver = site.driver
    assert isinstance(driver, (StandInDriver, LabDriver))  # noqa: S101 - there are two
    await driver.unplug(gone)
    await asyncio.sleep(fault.hold_s)
    await driver.plug(gone)
    return f"{count} phones for {fault.hold_s:.1f} s"


async def twins(site: Site, fault: Fault) -> str:
    """Two daemons by mistake: with the same state the second refuses; with another one of the two stands by."""
    await _until_first_serves(site)
    second = DaemonProcess(site.spec, site.daemon.config)
    second.log = site.folder / "second.log"
    second.start()
    status = await second.wait(TWIN_S)
    if status != EXIT_RUNNING:
        second.kill()
        return f"DEFECT: a second daemon with the same state did not refuse (exit {status})"
    folder = site.folder / "twin"
    spec = replace(
        site.spec,
        directory=folder,
        agi_port=free_port(),
        http_port=free_port(),
        mqtt_port=free_port(),
        webhook="",
        extra={},
    )
    twin = DaemonProcess(spec, write(spec))
    twin.start()
    try:
        stands_by = await _stands_by(spec, TWIN_S)
        api = Api(spec)
        try:
            for agent in spec.agent_ids:
                await api.post(f"/agents/{agent}/login")
        finally:
            await api.close()
        await asyncio.sleep(fault.hold_s)
    finally:
        twin.kill()
    what = "the second stood by" if stands_by else "both were let in"
    return f"same state refused; another state: {what}, {fault.hold_s:.1f} s"


async def _stands_by(spec: CentreSpec, limit_s: float) -> bool:
    """Wait until the second daemon says that another serves, or serves itself. Raises RuntimeError for neither."""
    end = asyncio.get_running_loop().time() + limit_s
    async with httpx.AsyncClient(timeout=2.0) as web:
        while asyncio.get_running_loop().time() < end:
            with contextlib.suppress(httpx.HTTPError, ValueError):
                answer = await web.get(f"http://127.0.0.1:{spec.http_port}/readyz")
                if answer.status_code == httpx.codes.OK:
                    return False
                if "twin" in answer.json().get("troubles", {}):
                    return True
            await asyncio.sleep(0.05)
    raise RuntimeError(f"the second daemon neither served nor stood by within {limit_s:g} s")


async def _until_first_serves(site: Site) -> None:
    """A first daemon that is still starting might come second: then it would be the one to refuse."""
    end = asyncio.get_running_loop().time() + TWIN_S
    while (  # noqa: ASYNC110 - a bounded wait for a process
        await site.troubles() is None and asyncio.get_running_loop().time() < end
    ):
        await asyncio.sleep(0.1)


def _lab(site: Site) -> Lab:
    driver = site.driver
    if not isinstance(driver, LabDriver) or driver.lab is None:
        raise NotHere("needs real Asterisk (--asterisk)")
    return driver.lab


DEEDS: dict[Kind, Callable[[Site, Fault], Awaitable[str]]] = {
    Kind.KILL: kill,
    Kind.DEAD: dead,
    Kind.STOP: stop,
    Kind.AMI_CUT: ami_cut,
    Kind.AMI_BLACK_HOLE: ami_black_hole,
    Kind.AMI_DROPS: ami_drops,
    Kind.AGI_OFF: agi_off,
    Kind.AGI_MUTE: agi_mute,
    Kind.PBX_KILL: pbx_kill,
    Kind.RELOAD: reload,
    Kind.BROKER: broker,
    Kind.TICKETS_500: tickets_500,
    Kind.TICKETS_LOSE: tickets_lose,
    Kind.DISK_FULL: disk_full,
    Kind.CLOCK: clock,
    Kind.PHONES: phones,
    Kind.TWINS: twins,
}
