"""Run scenarios in virtual time: `bin/simulate SCENARIO`, `bin/simulate learn`, `bin/simulate replay`."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from acd.config.strict_yaml import ConfigError
from acd.core.errors import InvariantBroken
from simulator.accelerator.build import in_use
from simulator.bounds import BOUNDS, NoBoundError, simulated
from simulator.checkers import Checkers, CheckFailedError
from simulator.experiment import run_experiment
from simulator.plots import PlotsMissingError, draw_all
from simulator.policies import known_policies
from simulator.published import Agreement, agrees, reproduce
from simulator.report import (
    Picture,
    blocks_of,
    published_blocks,
    to_html,
    to_json,
    to_markdown,
)
from simulator.scenario_file import load
from simulator.terminal import print_blocks
from simulator.world import StuckError, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acd.config.strict_yaml import Problem
    from simulator.scenario import Scenario

SCENARIOS = Path(__file__).parent / "scenarios"
PUBLISHED = SCENARIOS / "published"
OK, DISAGREES, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


OTHER_COMMANDS = {"learn": "simulator.learn", "replay": "simulator.replay", "fit": "simulator.fit"}


class UsageError(Exception):
    """The command line asks for something that does not exist."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 done, 1 a check failed or published values were not met, 2 bad input."""
    words = list(sys.argv[1:] if argv is None else argv)
    console = Console(stderr=True)
    try:
        if words[:1] and words[0] in OTHER_COMMANDS:
            command = import_module(OTHER_COMMANDS[words[0]]).main
            return int(command(words[1:]))
        return _run(_parser().parse_args(words), words, console)
    except (ConfigError, UsageError, PlotsMissingError, NoBoundError, OSError) as error:
        console.print(f"simulate: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return BAD_INPUT
    except (CheckFailedError, StuckError, InvariantBroken) as error:
        console.print(
            f"simulate: a check failed: {error}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        return DISAGREES
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/simulate",
        description="Run a centre in virtual time through the production router and report with intervals.",
        epilog=f"Ready scenarios: {', '.join(path.stem for path in sorted(SCENARIOS.glob('*.yaml')))}."
        " Also: simulate learn --help, simulate replay --help, simulate fit --help.",
    )
    parser.add_argument("scenario", nargs="?", help="a scenario file, or the name of a ready one")
    parser.add_argument(
        "--policies", help=f"comma-separated, the first is the base; {', '.join(known_policies())}"
    )
    parser.add_argument(
        "--seeds", type=_at_least_two, help="number of runs per policy (default: the scenario's)"
    )
    parser.add_argument("--first-seed", type=_not_negative, default=1, help="seeds count from here")
    parser.add_argument("--days", type=_positive, help="length of one run, instead of the scenario's")
    parser.add_argument("--jobs", type=_positive, default=1, help="processes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="draw plots into this folder")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a report, .html or .md")
    parser.add_argument(
        "--check", action="store_true", help="run all checkers after every step of one run first"
    )
    parser.add_argument(
        "--check-published", action="store_true", help="reproduce published models; without SCENARIO, all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="with --check-published: fewer runs, wider intervals"
    )
    parser.add_argument(
        "--digest", action="store_true", help="print a digest of all decisions of the first seed"
    )
    return parser


def _not_negative(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError("zero or more")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def _at_least_two(text: str) -> int:
    if not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError("at least 2: one run proves nothing")
    return int(text)


def find_scenario(name: str) -> Path:
    """Return the file of a scenario given by path or by the name of a ready one.

    Raises:
        UsageError: there is none.
    """
    for path in (Path(name), SCENARIOS / f"{name}.yaml", PUBLISHED / f"{name}.yaml"):
        if path.is_file():
            return path
    ready = ", ".join(path.stem for path in sorted(SCENARIOS.glob("*.yaml")))
    raise UsageError(f"there is no scenario {name!r}; ready ones: {ready}")


def _run(options: argparse.Namespace, words: list[str], console: Console) -> int:
    if options.check_published:
        return _check_published(options, console)
    if options.scenario is None:
        raise UsageError("which scenario? See --help")
    scenario, warnings = load(find_scenario(options.scenario))
    if options.days is not None:
        import dataclasses

        scenario = dataclasses.replace(scenario, days=options.days)
    policies = _policies(options, scenario)
    for problem in warnings:
        console.print(f"warning: {problem}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    if in_use() == "compiled":
        console.print(
            "with the compiled core (ACD_FAST=0: plain Python; the decisions are the same)", style="dim"
        )
    if options.digest:
        for policy in simulated(policies):
            print(policy, World(scenario, policy, options.first_seed, digest=True).run().digest)
        return OK
    if options.check:
        _check_one(scenario, [p for p in policies if p not in BOUNDS], options.first_seed)
    return _report(options, scenario, warnings, policies, "bin/simulate " + " ".join(words), console)


def _policies(options: argparse.Namespace, scenario: Scenario) -> list[str]:
    named = [name for name in (options.policies or "").split(",") if name]
    policies = named or list(scenario.policies) or [scenario.policy]
    unknown = sorted(set(policies) - set(known_policies()))
    if unknown:
        raise UsageError(f"there is no policy {unknown[0]!r}; known: {', '.join(known_policies())}")
    if len(set(policies)) < len(policies):
        raise UsageError("a policy stands twice in --policies")
    return policies


def _check_one(scenario: Scenario, policies: list[str], seed: int) -> None:
    for policy in policies:
        checkers = Checkers()
        world = World(scenario, policy, seed, watchers=(checkers,), keep_calls=True)
        world.run()
        checkers.finish(world)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _report(
    options: argparse.Namespace,
    scenario: Scenario,
    warnings: Sequence[Problem],
    policies: list[str],
    command: str,
    console: Console,
) -> int:
    count = options.seeds or scenario.runs
    with _bar(console) as bar:
        task = bar.add_task(scenario.name, total=count * len(simulated(policies)))
        experiment = run_experiment(
            scenario,
            policies,
            range(options.first_seed, options.first_seed + count),
            jobs=options.jobs,
            keep_calls=options.plot is not None,
            progress=partial(bar.advance, task),
        )
    pictures: list[Picture] = draw_all(experiment, options.plot) if options.plot is not None else []
    blocks = blocks_of(experiment, warnings, pictures, command)
    print_blocks(blocks)
    if options.report is not None:
        text = to_markdown(blocks) if options.report.suffix == ".md" else to_html(blocks)
        options.report.write_text(text, encoding="utf-8")
    if options.json is not None:
        data = to_json(experiment, warnings, command)
        options.json.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return OK


def _check_published(options: argparse.Namespace, console: Console) -> int:
    paths = [find_scenario(options.scenario)] if options.scenario else sorted(PUBLISHED.glob("*.yaml"))
    everything: list[Agreement] = []
    data = {}
    for path in paths:
        scenario, _ = load(path)
        if not scenario.expect:
            raise UsageError(f"{path.name} states no published values (expect:)")
        runs = options.seeds or (scenario.quick_runs if options.quick else scenario.runs)
        with _bar(console) as bar:
            task = bar.add_task(scenario.name, total=runs)
            found = reproduce(
                scenario,
                runs,
                first_seed=options.first_seed,
                jobs=options.jobs,
                progress=partial(bar.advance, task),
            )
        print_blocks(published_blocks(scenario, found, runs))
        everything += found
        data[path.stem] = [
            {"metric": one.item.metric, "queue": one.item.queue, "group": one.item.group, "period": one.item.period,
             "published": one.item.value, "half_width": one.item.half_width, "ours": one.ours.value,
             "ours_half_width": one.ours.half_width, "z": one.z}
            for one in found
        ]  # fmt: skip
    if options.json is not None:
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    within = sum(abs(one.z) <= 2 for one in everything)
    largest = max(abs(one.z) for one in everything)
    print(f"{within} of {len(everything)} values within 2 standard errors, largest {largest:.2f}")
    return OK if agrees(everything) else DISAGREES


if __name__ == "__main__":
    sys.exit(main())
