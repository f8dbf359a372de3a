"""A scenario file run by the real daemon: `bin/load SCENARIO --engine real`. Help: `bin/load --help`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from acd.config.strict_yaml import ConfigError
from simulator.__main__ import UsageError, find_scenario
from simulator.file_durations import time_of_day
from simulator.lab.errors import LabError
from simulator.lab.sipp import SippError
from simulator.load.appqueue import STRATEGIES
from simulator.load.centre import Centre
from simulator.load.compare import (
    agreement_blocks,
    agreement_json,
    agreements,
    experiment_of,
    experiment_of_the_day,
    load_blocks,
    load_json,
)
from simulator.load.compress import CannotRunError, Stretch, choose_stretch, compress
from simulator.load.run import APP_QUEUE, check_size, run_real_processes, run_virtual
from simulator.plots import PlotsMissingError, draw_all
from simulator.policies import PRODUCTION
from simulator.report import to_html, to_markdown
from simulator.scenario_file import load
from simulator.terminal import print_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.load.run import EngineRun
    from simulator.load.run import Progress as Told
    from simulator.report import Block
    from simulator.scenario import Scenario

ENGINES = ("virtual", "stand-in", "real")
OK, NOT_GOOD, BAD_INPUT, STOPPED = 0, 1, 2, 130
KNOWN = (
    ConfigError,
    UsageError,
    CannotRunError,
    LabError,
    SippError,
    PlotsMissingError,
    OSError,
    RuntimeError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 good, 1 calls lost or unheard, or engines disagree, 2 cannot be run, 130 stopped."""
    words = list(sys.argv[1:] if argv is None else argv)
    console = Console(stderr=True)
    try:
        return _run(_parser().parse_args(words), "bin/load " + " ".join(words), console)
    except KNOWN as error:
        console.print(f"load: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return BAD_INPUT
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("load: stopped; everything started is stopped too", style="yellow")
        return STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/load",
        description="Run a scenario with the real daemon: on our Asterisk stand-in, or on real Asterisk with SIP callers"
        " and phones. The same draws as bin/simulate's for the same seed and stretch.",
    )
    parser.add_argument("scenario", help="a scenario file, or the name of a ready one")
    parser.add_argument("--engine", choices=ENGINES, default="stand-in")
    parser.add_argument("--three-engines", action="store_true", help="all three, same seeds: do they agree?")
    parser.add_argument("--compare", choices=[APP_QUEUE], help="the same day once more, on the same Asterisk")
    parser.add_argument("--strategy", choices=STRATEGIES, default="leastrecent", help="app_queue's")
    much = parser.add_mutually_exclusive_group()
    much.add_argument(
        "--minutes", type=_positive, help="real minutes in which callers arrive (default 2; three engines: 3)"
    )
    much.add_argument("--calls", type=_whole, help="instead: so many expected calls per seed")
    parser.add_argument(
        "--time-scale", type=_positive, default=20.0, help="so many times faster than life (default 20)"
    )
    parser.add_argument("--day", type=_whole, default=1, help="which day of the scenario (default the first)")
    parser.add_argument("--at", help="time of day to start at, HH:MM (default: the busiest stretch)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument(
        "--seeds", type=_whole, help="so many days side by side on one switch (default 1; 12)"
    )
    parser.add_argument(
        "--media",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="on real Asterisk people speak, and every talk's sound is judged (default; costs cores by the talk)",
    )
    parser.add_argument("--policy", choices=PRODUCTION, help="routing rule (default: the scenario's)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="draw plots into this folder")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a report, .html or .md")
    return parser


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"a positive number, not {text!r}")
    return value


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1, not {text!r}")
    return int(text)


def _stretch(options: argparse.Namespace, scenario: Scenario) -> Stretch:
    start = None
    if options.at is not None:
        try:
            start = time_of_day(options.at)
        except ValueError as error:
            raise UsageError(f"--at {error}") from None
    assert start is None or isinstance(start, int)  # noqa: S101 - what time_of_day returns
    usual = 3.0 if options.three_engines else 2.0
    minutes = options.minutes or (None if options.calls else usual)
    return choose_stretch(
        scenario,
        minutes=minutes,
        calls=options.calls,
        scale=options.time_scale,
        day=options.day - 1,
        start_ms=start,
    )


def _run(options: argparse.Namespace, command: str, console: Console) -> int:
    scenario, warnings = load(find_scenario(options.scenario))
    if options.compare and not options.three_engines and options.engine != "real":
        raise UsageError("app_queue lives in Asterisk: --compare app_queue needs --engine real")
    if options.seed < 0:
        raise UsageError("a seed is zero or more")
    part = _stretch(options, scenario)
    short, notes = compress(scenario, part)
    count = options.seeds or (12 if options.three_engines else 1)
    seeds = tuple(range(options.seed, options.seed + count))
    try:
        centre = Centre(short, seeds, options.policy or scenario.policy)
    except ValueError as error:
        raise UsageError(str(error)) from None
    check_size(centre)
    for problem in warnings:
        console.print(f"warning: {problem}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{scenario.name}: {part}", markup=False, highlight=False)
    found = _engines(options, centre, part.scale, console)
    experiment = experiment_of(scenario, part, found, seeds)
    blocks = load_blocks(experiment, found, warnings, notes, part, command)
    data = load_json(experiment, found, warnings, notes, part, command)
    good = not any(one.lost or one.double_booked or one.distorted or one.unheard for one in found)
    if options.three_engines:
        among = [one for one in agreements(experiment) if one.engine != APP_QUEUE]
        blocks += agreement_blocks(among)
        data["agreement"] = agreement_json(among)
        good = good and all(one.agrees for one in among)
    if options.plot is not None:
        blocks += draw_all(experiment_of_the_day(scenario, part, experiment), options.plot)
    _write(options, blocks, data)
    return OK if good else NOT_GOOD


def _engines(options: argparse.Namespace, centre: Centre, scale: float, console: Console) -> list[EngineRun]:
    """Run the engines asked for, with a bar each."""
    wanted = ENGINES if options.three_engines else (options.engine,)
    found: list[EngineRun] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        told = _teller(bar)
        for engine in wanted:
            if engine == "virtual":
                found.append(run_virtual(centre.scenario, centre.seeds, centre.policy, scale, told(engine)))
                continue
            compare = options.compare is not None and engine == "real"
            work = run_real_processes(
                centre, engine, scale, told, compare=compare, strategy=options.strategy, speaks=options.media
            )
            found += asyncio.run(work)
    return found


def _teller(bar: Progress) -> Callable[[str], Told]:
    def told(name: str) -> Told:
        task = bar.add_task(name, total=None)
        return lambda over, drawn: bar.update(task, completed=over, total=drawn)

    return told


def _write(options: argparse.Namespace, blocks: list[Block], data: dict[str, object]) -> None:
    print_blocks(blocks)
    if options.report is not None:
        text = to_markdown(blocks) if options.report.suffix == ".md" else to_html(blocks)
        options.report.write_text(text, encoding="utf-8")
    if options.json is not None:
        options.json.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
