"""From `kill -9` and start to the first offer: the real daemon on the stand-in, callers coming all the time (decision 0230).

`--against DIR` starts another checkout's daemon in turn with ours, on the same state: what differs is the program.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from simulator.centre.config import CentreSpec, write
from simulator.centre.daemon import ROOT, Api, DaemonProcess
from simulator.centre.driver import StandInDriver
from simulator.standin.dialplan import Caller

CALLER_EVERY_S = 0.03
LIMIT_S = 60.0
REST_S = 1.0
"""After each start, so that talks and wrap-ups of the last one are over."""


class Starts:
    """One centre, started again and again."""

    def __init__(self, folder: Path, roots: Sequence[Path]) -> None:
        self.spec = CentreSpec(folder, agents=6, wrap_up_s=0.1)
        self.driver = StandInDriver()
        self.roots = roots
        self.found: dict[str, list[dict[str, float]]] = {str(root): [] for root in roots}
        self._callers = 0

    async def run(self, repeats: int) -> dict[str, Any]:
        """Start each `repeats` times, in turn; return the figures by root."""
        await self.driver.open(self.spec)
        daemon = DaemonProcess(self.spec, write(self.spec))
        try:
            await self._log_in(daemon)
            for n in range(repeats):
                for root in self.roots if n % 2 == 0 else reversed(self.roots):
                    daemon.environment["PYTHONPATH"] = str(root)
                    self.found[str(root)].append(await self._once(daemon))
        finally:
            daemon.kill()
            await self.driver.close()
        return {root: _figures(rows) for root, rows in self.found.items()}

    async def _log_in(self, daemon: DaemonProcess) -> None:
        daemon.start()
        await daemon.ready()
        api = Api(self.spec)
        for agent in self.spec.agent_ids:
            await api.post(f"/agents/{agent}/login")
        await api.close()

    async def _once(self, daemon: DaemonProcess) -> dict[str, float]:
        world = self.driver.world
        assert world is not None  # noqa: S101 - it is open
        daemon.kill()
        for call in list(world.calls.values()):
            call.hang_up("caller")
        offered = asyncio.Event()
        row: dict[str, float] = {}
        begun = time.monotonic()

        def noted(kind: str, _fields: dict[str, str]) -> None:
            if kind == "AcdDial" and not offered.is_set():
                row["offer_s"] = time.monotonic() - begun
                row["offer_cpu_s"] = daemon.usage().get("cpu_s", 0.0)
                offered.set()

        world.listener_hook = noted
        daemon.start()
        callers = asyncio.create_task(self._call_until(offered))
        try:
            async with asyncio.timeout(LIMIT_S):
                await daemon.ready()
                row["http_s"] = time.monotonic() - begun
                await offered.wait()
        finally:
            callers.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await callers
            world.listener_hook = None
        await asyncio.sleep(REST_S)
        return row

    async def _call_until(self, offered: asyncio.Event) -> None:
        world = self.driver.world
        assert world is not None  # noqa: S101 - it is open
        while not offered.is_set():
            self._callers += 1
            world.place_call(
                Caller(self.spec.dids[0], f"+7916{self._callers:07d}", patience_s=10.0, talk_s=0.3)
            )
            await asyncio.sleep(CALLER_EVERY_S)


def _figures(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    figures: dict[str, Any] = {"starts": len(rows)}
    for name in ("offer_s", "offer_cpu_s", "http_s"):
        values = sorted(row[name] for row in rows)
        figures[name] = {
            "median": round(median(values), 3),
            "mean": round(mean(values), 3),
            "worst": round(values[-1], 3),
        }
    figures["rows"] = [{name: round(value, 3) for name, value in row.items()} for row in rows]
    return figures


async def measure(repeats: int, against: Sequence[Path] = ()) -> dict[str, Any]:
    """Return the figures of our daemon, and of each other checkout's, by its path."""
    with tempfile.TemporaryDirectory(prefix="acd-start-") as folder:
        return await Starts(Path(folder), [ROOT, *against]).run(repeats)


def main(argv: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bin/bench start", description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--against", type=Path, action="append", default=[], help="another checkout")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    figures = asyncio.run(measure(options.repeats, [path.resolve() for path in options.against]))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for root, found in figures.items():
        offer, cpu, http = found["offer_s"], found["offer_cpu_s"], found["http_s"]
        print(
            f"{root}: {found['starts']} starts; first offer after {offer['median']:.2f} s (worst {offer['worst']:.2f}),"
            f" {cpu['median']:.2f} s of a core; HTTP after {http['median']:.2f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
