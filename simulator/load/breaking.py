"""A scenario's faults carried out on real processes while the day runs, by the deeds of `bin/faults`.

Phones that are gone are the people's affair (`world.py`: the phone is taken away and comes back). What breaks the
router or its link is done here. What the figures say of it: `effects`.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from acd.core.instant import SECOND_MS
from simulator.faults.deeds import ami_cut, kill, stop
from simulator.faults.plan import Fault as Deed
from simulator.faults.plan import Kind
from simulator.faults.proxy import TcpProxy
from simulator.scenario import PHONE_GONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.centre.config import CentreSpec
    from simulator.centre.daemon import DaemonProcess
    from simulator.results import CallRecord
    from simulator.scenario import Fault

DEED_OF = {
    "kill_router": (Kind.KILL, kill),
    "freeze_router": (Kind.STOP, stop),
    "cut_link": (Kind.AMI_CUT, ami_cut),
}
"""What breaks, in the scenario's words and in those of `bin/faults`."""
LIVE = frozenset({PHONE_GONE, *DEED_OF})
"""Faults that mean something to the live engines; the books have no word for callers whom a dead PBX cut off."""


class Breaking:
    """The faults of one day. `ami` is None when nothing breaks the link."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = [fault for fault in faults if fault.kind in DEED_OF]
        self.ami: TcpProxy | None = None
        self._daemon: DaemonProcess | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._going: set[asyncio.Task[None] | None] = set()
        self.done: list[str] = []
        """What was done, in words."""

    async def open(self, spec: CentreSpec) -> None:
        """Put a proxy before the switch's manager port if the link is to be cut; the spec learns its port."""
        if any(fault.kind == "cut_link" for fault in self._faults):
            self.ami = TcpProxy(("127.0.0.1", spec.ami_port), frames=True)
            spec.ami_port = await self.ami.start()

    def start(self, daemon: DaemonProcess | None, begun_s: float) -> None:
        """Break everything at its time from now on."""
        if daemon is None:
            return
        self._daemon = daemon
        grip = Hands(daemon, self.ami)
        self._tasks = [asyncio.create_task(self._one(grip, fault, begun_s)) for fault in self._faults]

    async def _one(self, grip: Hands, fault: Fault, begun_s: float) -> None:
        await asyncio.sleep(max(0.0, begun_s + fault.at_s - time.time()))
        self._going.add(asyncio.current_task())
        kind, carry_out = DEED_OF[fault.kind]
        note = await carry_out(grip, Deed(kind, fault.at_s, fault.for_s, 0.0))
        self.done.append(f"{fault.kind}: {note}")

    async def finish(self) -> None:
        """Let what is broken heal; what has not begun will not. Raises RuntimeError when the router stays away."""
        for task in self._tasks:
            if task not in self._going:
                task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        if self._going and self._daemon is not None:
            await self._daemon.ready()

    async def close(self) -> None:
        """Take the proxy away."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.ami is not None:
            await self.ami.stop()


class Hands:
    """Implements simulator.faults.deeds.Grip."""

    def __init__(self, daemon: DaemonProcess, ami: TcpProxy | None) -> None:
        self.daemon, self._ami = daemon, ami

    @property
    def ami(self) -> TcpProxy:
        """The proxy on the manager link."""
        assert self._ami is not None  # noqa: S101 - Breaking.open puts it there for whoever cuts the link
        return self._ami

    def kill_daemon(self) -> None:
        """Kill -9."""
        self.daemon.kill()

    def start_daemon(self) -> None:
        """Start it again."""
        self.daemon.start()


def effects(fault: Fault, calls: Sequence[CallRecord]) -> tuple[list[CallRecord], list[CallRecord]]:
    """Split stays into those that waited while the fault lasted, and all others. Both in the scenario's own time."""
    begins = fault.at_s * SECOND_MS
    ends = begins + fault.for_s * SECOND_MS
    met: list[CallRecord] = []
    other: list[CallRecord] = []
    for call in calls:
        waited = call.entered_at < ends and call.entered_at + call.wait_ms >= begins
        (met if waited else other).append(call)
    return met, other
