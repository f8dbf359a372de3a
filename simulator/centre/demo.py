"""The main job at a glance: callers, agents, our daemon, the wallboard, and a summary a person understands.

`bin/demo` runs it on our Asterisk stand-in: no root, no Asterisk. `bin/demo --asterisk` does the same on
a real Asterisk 22 with SIPp callers and SIPp phones.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simulator.centre.config import FIRMS, CentreSpec, write
from simulator.centre.daemon import Api, DaemonProcess
from simulator.centre.driver import Driver, StandInDriver, plan_calls
from simulator.centre.pops import PopWatcher
from simulator.centre.report import read_cards, summarise

if TYPE_CHECKING:
    from simulator.centre.driver import PlannedCall
    from simulator.centre.oracle import Truth

SETTLE_S = 12.0
"""After the last call: wrap-ups end, cards reach the database."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a person may choose."""

    calls: int = 30
    rate_per_s: float = 1.5
    agents: int = 6
    seed: int = 1
    asterisk: bool = False
    headless: bool = False
    json_file: Path | None = None
    keep: Path | None = None
    restart: bool = False
    """Kill the daemon in the middle and start it again: nobody may be lost."""


async def demo(options: DemoOptions, console: Console) -> dict[str, object]:
    """Run one demo; return its figures."""
    folder = options.keep or Path(tempfile.mkdtemp(prefix="acd-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    spec = CentreSpec(folder, agents=options.agents)
    driver = _driver(options, console)
    daemon: DaemonProcess | None = None
    try:
        console.print(f"[dim]starting {'Asterisk' if options.asterisk else 'the stand-in'} ...[/dim]")
        await driver.open(spec)
        daemon = DaemonProcess(spec, write(spec))
        daemon.start()
        await daemon.ready()
        await _log_in(spec)
        pops = PopWatcher(spec.mqtt_port, spec.agent_ids, spec.agents_token)
        await pops.start()
        calls = plan_calls(spec, options.calls, options.rate_per_s, options.seed)
        truths = await _show(options, spec, driver, daemon, calls, console)
        await _settle(spec, len(truths))
        await pops.stop()
        figures = summarise(
            truths,
            spec.queue_log.read_text(encoding="utf-8").splitlines(),
            read_cards(spec.state_dir / "acd.db"),
            pops.first,
            agents=options.agents,
            version=driver.version,
            targets={name: within for name, _, _, within in FIRMS},
        )
        figures["daemon"] = {**daemon.usage(), "starts": daemon.starts}
        figures["where"] = str(folder)
        return figures
    finally:
        if daemon is not None:
            await daemon.stop()
        await driver.close()


def _driver(options: DemoOptions, console: Console) -> Driver:
    if not options.asterisk:
        return StandInDriver()
    from simulator.centre.lab_driver import LabDriver

    return LabDriver(console)


async def _log_in(spec: CentreSpec) -> None:
    api = Api(spec)
    try:
        for agent in spec.agent_ids:
            await api.post(f"/agents/{agent}/login")
    finally:
        await api.close()


async def _show(
    options: DemoOptions,
    spec: CentreSpec,
    driver: Driver,
    daemon: DaemonProcess,
    calls: Sequence[PlannedCall],
    console: Console,
) -> list[Truth]:
    """Make the calls with the wallboard (or a progress bar) before the person's eyes."""
    if options.restart:
        asyncio.get_running_loop().call_later(
            calls[len(calls) // 2].start_s, _kill_and_start, daemon, console
        )
    if not options.headless and sys.stdout.isatty():
        return await _with_wallboard(spec, driver, calls, console)
    with _progress(console) as progress:
        bar = progress.add_task("calls", total=len(calls))
        truths = await driver.make(calls, lambda: progress.advance(bar))
        progress.update(bar, completed=len(calls))  # ends seen together are not all told one by one
        return truths


def _progress(console: Console) -> Progress:
    columns = (TextColumn("calls"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _kill_and_start(daemon: DaemonProcess, console: Console) -> None:
    console.print("[bold]kill -9 of the daemon; starting it again: nobody may be lost[/bold]")
    daemon.kill()
    daemon.start()


async def _with_wallboard(
    spec: CentreSpec, driver: Driver, calls: Sequence[PlannedCall], console: Console
) -> list[Truth]:
    """Show the wallboard while the calls last; who closes it earlier sees a bar for the rest, and may end that too."""
    from acd.wallboard.app import WallboardApp
    from acd.wallboard.source import HttpSource

    source = HttpSource(f"http://127.0.0.1:{spec.http_port}", spec.state_dir / "secrets" / "http-token")
    app = WallboardApp(source)
    with _progress(console) as progress:
        progress.stop()  # the wallboard has the screen first
        bar = progress.add_task("calls", total=len(calls))
        making = asyncio.create_task(driver.make(calls, lambda: progress.advance(bar)))
        making.add_done_callback(lambda _task: app.exit())
        await app.run_async()
        if not making.done():
            console.print("The wallboard is closed; the calls go on to their end. Ctrl-C ends the demo now.")
            progress.start()
        return await making


async def _settle(spec: CentreSpec, wanted: int) -> None:
    """Wait until every call has its card, at most SETTLE_S."""
    loop = asyncio.get_running_loop()
    end = loop.time() + SETTLE_S
    while loop.time() < end:
        cards = await asyncio.to_thread(read_cards, spec.state_dir / "acd.db")
        if len(cards) >= wanted:
            return
        await asyncio.sleep(0.3)


# --- for people --------------------------------------------------------------------------------


def print_summary(figures: dict[str, object], console: Console) -> None:
    """Print what happened in words and numbers."""
    table = Table(title="What happened", show_header=False, title_style="bold")
    level = figures["service_level"]
    assert isinstance(level, dict)  # noqa: S101 - made by summarise
    share = level["value"]
    rows = (
        ("calls offered", figures["offered"]),
        ("answered", figures["answered"]),
        ("abandoned by the caller", figures["abandoned"]),
        ("served by the fallback", figures["fallback"]),
        ("lost", figures["lost"]),
        ("service level", "-" if share is None else f"{share:.1%}  ({level['formula']})"),
        ("screen-pops before hello", f"{figures['pops_before_answer']} of {figures['answered']}"),
        ("enter to ring, p50 / p99", _pair(figures["enter_to_ring_ms"])),
        ("agent free to next ring, p50 / p99", _pair(figures["free_to_ring_ms"])),
        ("call cards written", figures["cards"]),
        ("switch", figures["asterisk_version"]),
    )
    for name, value in rows:
        table.add_row(name, str(value))
    console.print(table)
    for problem in figures["problems"]:  # type: ignore[attr-defined]  # a list, made by summarise
        console.print(f"[red]{problem}[/red]")
    where = Path(str(figures["where"]))
    _print_cards(read_cards(where / "state" / "acd.db")[-5:], console)
    console.print(f"Cards, log and configuration lie in {where}")


def _pair(value: object) -> str:
    assert isinstance(value, dict)  # noqa: S101 - made by summarise
    return "-" if value["p50"] is None else f"{value['p50']} / {value['p99']} ms of {value['count']}"


def _print_cards(cards: list[dict[str, object]], console: Console) -> None:
    table = Table(title="The last cards", title_style="bold")
    for column in ("number", "firm", "caller", "waited", "talked", "agent", "how it ended"):
        table.add_column(column)
    for card in cards:
        waited, talked = int(str(card["wait_ms"])) / 1000, int(str(card["talk_ms"])) / 1000
        cells = (card["number"], card["subscriber"], card["ani"], f"{waited:.1f} s", f"{talked:.1f} s")
        table.add_row(*map(str, cells), str(card["agent"] or "-"), str(card["end_reason"]))
    console.print(table)


app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def main(
    calls: Annotated[int, typer.Option(min=1, max=100_000, help="How many calls.")] = 30,
    rate: Annotated[float, typer.Option(min=0.01, max=100, help="Calls per second.")] = 1.5,
    agents: Annotated[int, typer.Option(min=1, max=500, help="How many agents.")] = 6,
    seed: Annotated[int, typer.Option(help="Same seed, same calls.")] = 1,
    asterisk: Annotated[
        bool, typer.Option("--asterisk", help="Real Asterisk, SIPp callers and phones.")
    ] = False,
    headless: Annotated[bool, typer.Option("--headless", help="No wallboard.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="kill -9 the daemon in the middle.")] = False,
    day: Annotated[
        bool, typer.Option("--day", help="A scripted day of three firms: messages, mail, acknowledgement.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Folder for everything the demo writes.")] = None,
) -> None:
    """Show real callers reaching agents through the router, live, and say how it went."""
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as Ctrl-C does: leave nothing behind
    if day:
        from simulator.centre.day import show

        raise typer.Exit(0 if show(console, asterisk=asterisk, keep=keep) else 1)
    options = DemoOptions(calls, rate, agents, seed, asterisk, headless, json_file, keep, restart)
    figures = asyncio.run(demo(options, console))
    print_summary(figures, console)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    good = not figures["problems"] and figures["cards"] == figures["offered"]
    raise typer.Exit(0 if good else 1)


if __name__ == "__main__":
    app(prog_name="bin/demo")
