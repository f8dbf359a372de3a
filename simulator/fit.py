"""`bin/simulate fit`: fit the routing weights to one centre's own scenario; keep the defaults when in doubt.

A search changes a few weights at a time by factors; every trial meets the same callers as the present best. What
it found must then beat the defaults on days it never saw: the whole 95 % interval of the paired difference on
the right side of zero. If not, the file says so and holds the defaults. The objective is the shortfall of
the promises plus a third of the share of lost calls, over blocks of days.

The file is what `routing: {weights: {auto: true}}` reads (acd.config.fitted).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import yaml

from acd import __version__
from acd.config.fitted import FORMAT, NAME
from acd.config.system import WEIGHT_LIMITS
from acd.core.policy import RoutingWeights
from simulator.intervals import Estimate, difference
from simulator.scenario_file import load
from simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.results import RunResult
    from simulator.scenario import Scenario

TUNED = (
    "urgency_hard",
    "urgency_age",
    "free_rate",
    "urgency_allowance",
    "lost_cost",
    "debt_step",
    "promise_margin",
    "level",
    "level_low",
    "level_pickup",
    "opportunity",
    "opportunity_decay",
    "opportunity_allowance",
    "hold_back",
)
LOST_SHARE = 1 / 3
"""What a lost call counts beside a point of shortfall."""
CHANGED_AT_ONCE = 3
FIRST_CHECK_SEED = 1_000_000
"""Days of the check are never days of the search."""


@dataclass(frozen=True)
class Effort:
    """How much to try."""

    trials: int = 40
    days: int = 10
    """Days of the search, the same for every trial."""
    blocks: int = 10
    """Blocks of the check; the interval is over them."""
    block_days: int = 4
    seed: int = 1


@dataclass(frozen=True)
class Fit:
    """What came of it. Objectives are of the check's days; less is better."""

    weights: RoutingWeights
    """The weights to use: those found, or the defaults."""
    better: bool
    defaults: float
    found: float
    gain: Estimate
    """Found minus defaults, paired."""
    trials: int
    effort: Effort = field(default_factory=Effort)


def objective(scenario: Scenario, runs: Sequence[RunResult]) -> float:
    """Return shortfall of the promises plus a third of the share of lost calls, over these runs together."""
    came = [0] * len(scenario.queues)
    in_time = [0] * len(scenario.queues)
    lost = 0
    for run in runs:
        for number, row in enumerate(run.tallies):
            for tally in row:
                came[number] += tally.offered
                in_time[number] += tally.in_target
                lost += tally.abandoned + tally.cleared + tally.overflowed
    total = max(sum(came), 1)
    missing = sum(
        max(0.0, queue.share * offered - served)
        for queue, offered, served in zip(scenario.queues, came, in_time, strict=True)
    )
    return (missing + LOST_SHARE * lost) / total


def fit(scenario: Scenario, effort: Effort = Effort(), tell: Callable[[str], None] = lambda _: None) -> Fit:
    """Search around the scenario's weights and judge what was found on other days."""
    start = RoutingWeights(**dict(scenario.weights))  # type: ignore[arg-type]  # checked names
    rng = Random(effort.seed)
    days = range(1, effort.days + 1)
    best, least = start, _value(scenario, start, days)
    step = 0.7
    for trial in range(effort.trials):
        tried = _changed(best, rng, step)
        value = _value(scenario, tried, days)
        if value < least:
            best, least = tried, value
            tell(f"trial {trial + 1}: {value:.5f}")
        else:
            step = max(0.15, step * 0.97)
    return judge(scenario, start, best, effort)


def judge(scenario: Scenario, start: RoutingWeights, best: RoutingWeights, effort: Effort) -> Fit:
    """Compare on days that the search never saw; the defaults stay unless the gain is certain."""
    pairs: list[tuple[float, float]] = []
    for block in range(effort.blocks):
        first = FIRST_CHECK_SEED + effort.seed * 10_000 + block * effort.block_days
        days = range(first, first + effort.block_days)
        pairs.append((_value(scenario, start, days), _value(scenario, best, days)))
    before, after = [p[0] for p in pairs], [p[1] for p in pairs]
    gain = difference(before, after)
    better = gain.value + gain.half_width < 0
    mean = len(pairs)
    return Fit(
        best if better else start, better, sum(before) / mean, sum(after) / mean, gain, effort.trials, effort
    )


def _value(scenario: Scenario, weights: RoutingWeights, days: range) -> float:
    names = {*dict(scenario.weights), *TUNED}
    changed = replace(scenario, weights=tuple((name, getattr(weights, name)) for name in sorted(names)))
    return objective(scenario, [World(changed, "recommended", seed).run() for seed in days])


def _changed(weights: RoutingWeights, rng: Random, step: float) -> RoutingWeights:
    changes = {}
    for name in rng.sample(TUNED, CHANGED_AT_ONCE):
        limit = WEIGHT_LIMITS[name]
        value = max(getattr(weights, name), 1e-3) * 2.718281828 ** (step * rng.gauss(0.0, 1.0))
        changes[name] = round(min(limit.high, max(limit.low, value)), 5)
    return replace(weights, **changes)


# --- the file ----------------------------------------------------------------------------------------


def build() -> str:
    """Return version and digest of the core this was run with."""
    import acd.core

    digest = hashlib.sha256()
    for path in sorted(Path(acd.core.__path__[0]).glob("*.py")):
        digest.update(path.read_bytes())
    return f"{__version__}+core.{digest.hexdigest()[:12]}"


def to_yaml(found: Fit, scenario: Scenario, text: bytes) -> str:
    """Return the file's text: verdict, evidence, weights."""
    default = RoutingWeights()
    weights = {name: getattr(found.weights, name) for name in TUNED}
    body = {
        "format": FORMAT,
        "verdict": "fitted" if found.better else "defaults",
        "scenario": scenario.name,
        "scenario_sha256": hashlib.sha256(text).hexdigest(),
        "build": build(),
        "objective": {
            "defaults": round(found.defaults, 6),
            "found": round(found.found, 6),
            "difference": round(found.gain.value, 6),
            "half_width_95": round(found.gain.half_width, 6),
            "blocks": found.effort.blocks,
            "block_days": found.effort.block_days,
            "trials": found.trials,
            "seed": found.effort.seed,
        },
        "weights": {n: v for n, v in weights.items() if found.better and v != getattr(default, n)},
    }
    head = "# Written by `bin/simulate fit`. Do not edit: fit again. acd.yaml: routing: {weights: {auto: true}}\n"
    return head + yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def summary(found: Fit) -> str:
    """Say in one sentence what came of it."""
    gain = f"{found.gain.value:+.5f} ±{found.gain.half_width:.5f}"
    if found.better:
        return f"fitted weights are better on unseen days: {found.defaults:.5f} → {found.found:.5f} ({gain})"
    return f"the defaults stay: no certain gain on unseen days ({found.defaults:.5f} → {found.found:.5f}, {gain})"


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    usual = Effort()
    parser = argparse.ArgumentParser(
        prog="bin/simulate fit", description="Fit the routing weights to a scenario."
    )
    parser.add_argument("scenario", type=Path, help="a scenario file: your centre's callers and agents")
    parser.add_argument("--out", type=Path, default=Path(NAME), help=f"file to write (default {NAME})")
    parser.add_argument("--trials", type=int, default=usual.trials)
    parser.add_argument("--days", type=int, default=usual.days, help="days of the search")
    parser.add_argument("--blocks", type=int, default=usual.blocks, help="blocks of the check")
    parser.add_argument("--block-days", type=int, default=usual.block_days)
    parser.add_argument("--seed", type=int, default=usual.seed)
    args = parser.parse_args(argv)
    if min(args.trials, args.days, args.block_days) < 1 or args.blocks < 2:
        parser.error("trials, days and block-days must be at least 1, blocks at least 2")
    scenario, warnings = load(args.scenario)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    effort = Effort(args.trials, args.days, args.blocks, args.block_days, args.seed)
    found = fit(scenario, effort, lambda text: print(text, file=sys.stderr))
    args.out.write_text(to_yaml(found, scenario, args.scenario.read_bytes()), encoding="utf-8")
    print(f"{summary(found)}; written to {args.out}")
    return 0
