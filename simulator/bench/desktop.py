"""From the daemon's pop to the painted screen of an agent, with a hundred agents on one daemon.

The whole way is real: daemon, its broker, its HTTP port, MQTT over WebSocket, the agents' page in Chromium.
One agent has the page, the others a light MQTT client each; calls keep coming to all of them. The time runs
from the stamp the daemon puts into the pop (`at_ms`) to the moment after the frame was painted, on one
machine's clock. With `--dossier token` the page fetches the dossier over HTTP in between, with `pop` it is
in the message. The stand-in switch, 99 clients and the browser share the machine with the daemon, so the
figures are upper bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from simulator.centre.config import CentreSpec, write
from simulator.centre.daemon import Api, DaemonProcess
from simulator.centre.pops import PopWatcher
from simulator.standin import Phone, StandIn
from simulator.standin.dialplan import Caller

TARGET_P95_MS = 300.0
PAINT_LIMIT_S = 10.0
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """One measurement."""

    agents: int = 100
    samples: int = 40
    background_per_s: float = 5.0
    dossier: str = "token"
    chromium: str = "chromium"


async def measure(options: Options) -> dict[str, Any]:
    """Run it; return the figures."""
    with tempfile.TemporaryDirectory(prefix="acd-desktop-") as folder:
        spec = _spec(Path(folder), options)
        phones = [Phone(a, a, answer_after_s=0.5) for a in spec.agent_ids]
        world = StandIn(
            spec.directory / "asterisk", agi=("127.0.0.1", spec.agi_port), users={"acd": "s"}, phones=phones
        )
        spec.ami_port, spec.ami_secret = await world.start(), "s"
        spec.queue_log = Path(world.queue_log.path)
        daemon = DaemonProcess(spec, write(spec))
        pops: PopWatcher | None = None
        try:
            daemon.start()
            await daemon.ready()
            await _log_in(spec)
            pops = PopWatcher(spec.mqtt_port, spec.agent_ids[1:], spec.agents_token)
            await pops.start(60.0)
            figures = await _in_browser(options, spec, world)
            figures["light_clients"] = {"count": options.agents - 1, "messages": pops.messages}
            figures["daemon"] = daemon.usage()
            return figures
        finally:
            if pops is not None:
                await pops.stop()
            await daemon.stop()
            await world.stop()


def _spec(folder: Path, options: Options) -> CentreSpec:
    """The first agent alone serves the first firm; the second firm's calls go to others."""
    spec = CentreSpec(folder, agents=options.agents, firms=2, wrap_up_s=0.3)
    spec.extra = {
        "pops": {"show_ani": options.dossier == "pop"},
        "skills": {"desk": {"display_name": "Desk"}},
        "queues": {
            "romashka": {"needs": [{"skill": "desk", "min_level": 1}]},
            "nadezhda": {"needs": [{"skill": "general", "min_level": 2}]},
        },
        "agents": {spec.agent_ids[0]: {"skills": {"desk": 5}}},
    }
    return spec


async def _log_in(spec: CentreSpec) -> None:
    api = Api(spec)
    try:
        for agent in spec.agent_ids:
            await api.post(f"/agents/{agent}/login")
    finally:
        await api.close()


async def _in_browser(options: Options, spec: CentreSpec, world: StandIn) -> dict[str, Any]:
    from playwright.async_api import async_playwright

    async with async_playwright() as play:
        path = shutil.which(options.chromium) or options.chromium
        browser = await play.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            page = await browser.new_page(viewport={"width": 1440, "height": 900})
            await page.goto(f"http://127.0.0.1:{spec.http_port}/desk/")
            await page.fill("#login-name", spec.agent_ids[0])
            await page.fill("#login-secret", spec.agents_token)
            await page.click("#login-form button[type=submit]")
            await page.wait_for_selector("#link[data-mode=live]")
            noise = asyncio.create_task(_background(world, options.background_per_s))
            try:
                lost = 0
                for n in range(options.samples):
                    lost += not await _one(page, world, n)
                marks = await page.evaluate(_READ)
            finally:
                noise.cancel()
            return _figures(options, browser.version, marks, lost)
        finally:
            await browser.close()


_READ = """() => performance.getEntriesByType('mark').filter((m) => m.name.startsWith('pop-'))
    .map((m) => [m.name, m.detail.call, m.detail.painted_ms - m.detail.at_ms])"""


async def _background(world: StandIn, per_s: float) -> None:
    n = 0
    while per_s > 0:
        world.place_call(Caller("7002", f"+7999{n:07d}", "Background", 30.0, 2.0))
        n += 1
        await asyncio.sleep(1 / per_s)


async def _one(page: Any, world: StandIn, n: int) -> bool:
    """One call to the agent with the page; tell whether it was painted."""
    task = world.place_call(Caller("7001", f"+7916{n:07d}", "Client", 30.0, 0.3))
    wanted = "(n) => performance.getEntriesByName('pop-complete').length > n"
    end = time.monotonic() + PAINT_LIMIT_S
    painted = False
    while not painted and time.monotonic() < end:
        painted = bool(await page.evaluate(wanted, n))
        await asyncio.sleep(0.02)
    async with asyncio.timeout(PAINT_LIMIT_S):
        await task.done.wait()
    await page.wait_for_selector("body[data-phase=idle]")
    return painted


def _figures(options: Options, browser: str, marks: list[list[Any]], lost: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "agents": options.agents, "samples": options.samples, "lost": lost, "dossier": options.dossier,
        "background_calls_per_s": options.background_per_s, "chromium": browser,
    }  # fmt: skip
    for name in ("pop-shown", "pop-complete"):
        first: dict[str, float] = {}
        for kind, call, took in marks:
            if kind == name:
                first.setdefault(call, took)
        found[name.replace("-", "_") + "_ms"] = _spread(list(first.values()))
    p95 = found["pop_complete_ms"]["p95"]
    found["target_p95_ms"] = TARGET_P95_MS
    found["ok"] = lost == 0 and p95 is not None and p95 <= TARGET_P95_MS
    return found


def _spread(values: list[float]) -> dict[str, float | int | None]:
    if len(values) < 2:
        return {"count": len(values), "p50": None, "p95": None, "p99": None, "worst": None}
    cuts = quantiles(values, n=100, method="inclusive")
    p50, p95, p99, worst = (round(v, 1) for v in (cuts[49], cuts[94], cuts[98], max(values)))
    return {"count": len(values), "p50": p50, "p95": p95, "p99": p99, "worst": worst}


def run(options: Options | None = None) -> dict[str, Any]:
    """Measure in a loop of its own."""
    return asyncio.run(measure(options or Options()))


def main(argv: list[str] | None = None) -> int:
    """Parse, measure, tell. Exit 1 when a pop was lost or p95 is above the target."""
    parser = argparse.ArgumentParser(
        prog="bin/bench desktop", description="pop to painted screen, in Chromium"
    )
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--background", type=float, default=5.0, help="calls a second to the other agents")
    parser.add_argument("--dossier", choices=("token", "pop"), default="token")
    parser.add_argument("--chromium", default="chromium", help="the browser's program")
    parser.add_argument("--json", type=Path, dest="json_file")
    given = parser.parse_args(argv)
    options = Options(given.agents, given.samples, given.background, given.dossier, given.chromium)
    figures = run(options)
    text = json.dumps(figures, indent=2)
    print(text)
    if given.json_file is not None:
        given.json_file.write_text(text + "\n", encoding="utf-8")
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
