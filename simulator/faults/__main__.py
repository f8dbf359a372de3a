"""`bin/faults`: break things while people call, and prove that no call is lost.

bin/faults --calls 60 --kills 6                      quick, on the stand-in
bin/faults --asterisk --calls 500 --kills 40         real Asterisk, SIPp callers and phones
bin/faults --asterisk --mix all --minutes 20         every kind of fault
bin/faults --soak 24 --calls 30000                   a day: do memory, descriptors and tasks stay flat?
bin/faults --virtual --seeds 20000                   the same classes in a modelled world, on virtual time
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simulator.centre.driver import PlannedCall
from simulator.faults import plan as plans
from simulator.faults.mutate import BREAKS, Break, survivors
from simulator.faults.plan import Fault, Kind
from simulator.faults.run import Done, Result, plan_faulty_calls, run
from simulator.faults.site import Site, make_driver
from simulator.virtual.batch import run_on_cores

VIRTUAL_NICE = 10


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may choose."""

    calls: int = 500
    kills: int = 40
    rate_per_s: float = 3.0
    seed: int = 1
    asterisk: bool = False
    minutes: float = 0.0
    mix: tuple[Kind, ...] = ()
    agents: int = 20
    keep: Path | None = None
    dense: bool = False

    @property
    def count(self) -> int:
        """How many calls there will be."""
        return round(self.minutes * 60 * self.rate_per_s) if self.minutes else self.calls


def kinds_of(words: str) -> tuple[Kind, ...]:
    """Read `all` or names with commas. Raises typer.BadParameter."""
    if not words:
        return ()
    if words == "all":
        return tuple(kind for kind in Kind if kind is not Kind.CANCELS)
    try:
        return tuple(Kind[word.strip().upper()] for word in words.split(","))
    except KeyError as unknown:
        names = ", ".join(kind.name.lower() for kind in Kind)
        raise typer.BadParameter(f"{unknown} is no fault; there are: {names}") from unknown


async def faults(options: Options, console: Console) -> Result:
    """Run once; prints one line per fault."""
    folder = options.keep or Path(tempfile.mkdtemp(prefix="acd-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    site = Site(
        folder,
        make_driver(options.asterisk),
        agents=options.agents,
        mixed=bool(options.mix),
        seed=options.seed,
        calls=options.count,
    )
    try:
        console.print(
            f"[dim]starting {'Asterisk' if options.asterisk else 'the stand-in'} in {folder} ...[/dim]"
        )
        await site.open()
        calls = plan_faulty_calls(
            site, options.count, options.rate_per_s, options.seed, cancels=bool(options.mix)
        )
        span_s = calls[-1].start_s
        faults = (
            (plans.dense_mix if options.dense else plans.mix)(options.mix, span_s, options.seed)
            if options.mix
            else plans.kills(options.kills, span_s, options.seed)
        )
        return await _show(site, calls, faults, options, console)
    finally:
        await site.close()


async def _show(
    site: Site, calls: Sequence[PlannedCall], faults: Sequence[Fault], options: Options, console: Console
) -> Result:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar_calls = progress.add_task("calls", total=len(calls))
        bar_faults = progress.add_task("faults", total=len(faults))

        def tell(done: Done) -> None:
            progress.advance(bar_faults)
            said = "; ".join(f"{name}: {words}" for name, words in done.troubles.items())
            text = f"skipped: {done.skipped}" if done.skipped else done.note
            progress.console.print(
                f"{done.fault.at_s:7.1f} s  {done.fault.kind.value:34} {text}", highlight=False
            )
            if said:
                progress.console.print(
                    f"           status said: {said}", style="dim", highlight=False, markup=False
                )

        return await run(
            site, calls, faults, seed=options.seed, on_call=lambda: progress.advance(bar_calls), on_fault=tell
        )


def print_result(result: Result, console: Console) -> None:
    """Print the table and what is wrong."""
    table = Table(title=f"{result.calls} calls on {result.version}, seed {result.seed}", show_header=False)
    verdict, judgement, back = result.judgement.verdict, result.judgement, result.judgement.callbacks
    for name, value in result.figures().items():
        table.add_row(
            name, ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        )
    rows = (
        ("answered / abandoned / refused", f"{verdict.answered} / {verdict.abandoned} / {verdict.refused}"),
        ("served by the fallback", verdict.fallback),
        ("cut off by Asterisk's death, in the ledger", judgement.interrupted),
        ("rang while Asterisk was dead", judgement.not_entered),
        ("call-backs made / numbers rung / reached", f"{back.made} / {back.dialled} / {back.reached}"),
        ("of callers who pressed 1, their place kept", back.kept_place),
        ("left over (channels, agents, files)", len(judgement.leaks)),
        ("daemon ended by itself", result.ended_by_itself),
        (
            "daemon files at start / end",
            f"{result.baseline.get('descriptors', 0):.0f} / {result.usage.get('descriptors', 0):.0f}",
        ),
        ("took", f"{result.took_s:.0f} s"),
    )
    for name, value in rows:
        table.add_row(str(name), "– (none seen)" if value is None else str(value))
    console.print(table)
    silent = sorted({one.fault.kind.value for one in result.done if one.shown is False})
    if silent:
        console.print(f"[yellow]not shown in plain words while it lasted: {', '.join(silent)}[/yellow]")
    if back.made and not back.kept_place:
        console.print(
            "[yellow]nobody pressed 1 in this run: it says nothing about places that are kept[/yellow]"
        )
    for problem in judgement.problems[:30]:
        console.print(f"[red]{problem}[/red]", markup=True, highlight=False)


def try_mutations(console: Console) -> int:
    """Make every deliberate break and say which ones the tests caught; 0 when all."""

    def tell(one: Break, caught: bool) -> None:
        verdict = "caught" if caught else "[red]SURVIVED[/red]"
        console.print(
            f"{verdict:9} {one.name}  [dim]({', '.join(one.tests)})[/dim]", highlight=False, soft_wrap=True
        )

    left = survivors(BREAKS, tell)
    console.print(f"{len(BREAKS) - len(left)} of {len(BREAKS)} caught", highlight=False)
    return 1 if left else 0


def try_seeds(first: int, count: int, jobs: int, json_file: Path | None, console: Console) -> int:
    """Run seeds of the virtual world on all cores and print what failed; 0 when nothing did."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar, failed = progress.add_task("seeds, 0 failed", total=count), 0

        def tell(done: int, bad: int) -> None:
            nonlocal failed
            failed += bad
            progress.update(bar, advance=done, description=f"seeds, {failed} failed")

        report = run_on_cores(range(first, first + count), jobs, progress=tell, nice=VIRTUAL_NICE)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for failure in report["failures"]:
        console.print(f"[red]seed {failure['seed']}[/red]: {failure['problems'][0]}", highlight=False)
        console.print(
            f"    its story: python -m simulator.virtual --trace {failure['seed']}", highlight=False
        )
    console.print(
        f"{report['seeds']} seeds from {first}: {report['calls']} calls, {sum(report['virtual_faults'].values())}"
        f" faults in {report['seconds']} s on {jobs} processes; {report['failed']} seeds failed",
        highlight=False,
    )
    return 1 if report["failed"] else 0


def try_soak(hours: float, calls: int, seed: int, json_file: Path | None) -> int:
    """Live through simulated hours in a process of its own, whose clock jumps; 0 when all stayed flat and right."""
    command = [sys.executable, "-m", "simulator.soak", "--hours", f"{hours:g}", "--calls", str(calls)]
    command += ["--seed", str(seed)] + (["--json", str(json_file)] if json_file is not None else [])
    return subprocess.run(command, check=False).returncode


app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None)


@app.command()
def main(
    calls: Annotated[int, typer.Option(min=1, max=100_000, help="How many calls.")] = 500,
    kills: Annotated[
        int, typer.Option(min=0, max=10_000, help="Kills of the daemon; once more it stays dead.")
    ] = 40,
    rate: Annotated[float, typer.Option(min=0.1, max=50, help="Calls per second.")] = 3.0,
    seed: Annotated[
        int | None, typer.Option(help="Same seed, same plan. Default: drawn and printed.")
    ] = None,
    asterisk: Annotated[
        bool, typer.Option("--asterisk", help="Real Asterisk, SIPp callers and phones.")
    ] = False,
    mix: Annotated[str, typer.Option(help="Kinds of fault with commas, or all.")] = "",
    minutes: Annotated[float, typer.Option(min=0, max=10_000, help="With --mix: how long.")] = 0.0,
    dense: Annotated[
        bool, typer.Option("--dense", help="With --mix: faults half as long and close together.")
    ] = False,
    agents: Annotated[int, typer.Option(min=2, max=500, help="How many agents.")] = 20,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Folder for everything the run writes.")] = None,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="Virtual time and a modelled Asterisk; --seed is the first.")
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, max=10_000_000, help="With --virtual: how many.")] = 200,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="With --virtual: processes.")] = os.cpu_count()
    or 1,
    soak: Annotated[
        float,
        typer.Option(min=0, max=1_000, help="So many simulated hours with --calls; fast: its clock jumps."),
    ] = 0.0,
    mutations: Annotated[
        bool, typer.Option("--mutations", help="Break the code itself: do the tests notice?")
    ] = False,
) -> None:
    """Break things while people call, and prove that no call is lost."""
    console = Console()
    if virtual:
        raise typer.Exit(try_seeds(1 if seed is None else seed, seeds, jobs, json_file, console))
    if soak:
        raise typer.Exit(try_soak(soak, calls, 1 if seed is None else seed, json_file))
    if mutations:
        raise typer.Exit(try_mutations(console))
    chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    options = Options(calls, kills, rate, chosen, asterisk, minutes, kinds_of(mix), agents, keep, dense)
    result = asyncio.run(faults(options, console))
    print_result(result, console)
    if json_file is not None:
        json_file.write_text(json.dumps(result.figures(), indent=2) + "\n", encoding="utf-8")
    again = f"bin/faults --seed {chosen}" + (" --asterisk" if asterisk else "")
    again += (
        f" --mix {mix} --minutes {minutes:g}{' --dense' * dense}"
        if mix
        else f" --calls {calls} --kills {kills}"
    )
    console.print(f"again with: {again} --rate {rate:g} --agents {agents}", highlight=False)
    raise typer.Exit(0 if result.good else 1)


if __name__ == "__main__":
    app(prog_name="bin/faults")
