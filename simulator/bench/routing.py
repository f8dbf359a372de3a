"""Every policy on the same calls: shortfall, lost calls, promises kept and fairness, with intervals.

`bin/bench routing --json FILE [--quick | --full]`

All policies meet the same drawn calls. The unit of every interval is the skill matrix (runs with
several seeds are averaged first): it says what to expect on another centre, not on another day.
`verdict` of a bar is `met` when the whole interval is on the right side, `met in the mean` when only the mean is.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from acd.core.baselines import RULES
from simulator import intervals
from simulator.bench.clairvoyant import on_time_bound
from simulator.bench.floor import Centre, Floor, Outcome
from simulator.bench.scenario import centre, pooled, with_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acd.core.policy import RoutingWeights

Metrics = dict[str, float]
SHORTFALL_BARS = {0.6: 0.15, 0.7: 0.25, 0.8: 1.0, 0.9: 1.0}
LOST_BARS = {0.6: 1.2, 0.7: 1.2}
CLAIRVOYANT_BAR = 0.92


@dataclass(frozen=True)
class Size:
    """How much to simulate."""

    loads: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9)
    matrices: int = 6
    seeds: int = 2
    calls: int = 20_000
    other_seeds: int = 1
    other_calls: int = 8_000
    windows: int = 6


QUICK = Size((0.6, 0.7), 3, 1, 10_000, 1, 3_000, 2)
FULL = Size(seeds=3, calls=40_000, other_calls=20_000, windows=16)


def measure(floor: Centre, out: Outcome) -> Metrics:
    """Return the figures of one run. Shares are `sl_of_offered`."""
    offered, hit = np.array(out.offered, float), np.array(out.on_time, float)
    share = hit / np.maximum(offered, 1)
    target = np.array([q.promise.share for q in floor.policy.queues])
    busy = np.array(list(out.busy_ms.values())) / out.span_ms
    return {
        "on_time": float(hit.sum() / offered.sum()),
        "lost": float(sum(out.lost) / offered.sum()),
        "worst_miss_over_allowance": float(((1 - share) / (1 - target)).max()),
        "shortfall": float((np.maximum(target - share, 0) * offered).sum() / offered.sum()),
        "targets_met": float((share >= target).sum()),
        "occupancy_spread": float(busy.std()),
        "occupancy": float(busy.mean()),
        "max_wait_s": out.max_wait_ms / 1000.0,
    }


def interval(values: Sequence[float]) -> dict[str, float]:
    """Return mean and 95 % half-width over matrices."""
    found = intervals.ratio(values)
    return {"mean": found.value, "half": found.half_width}


def ratio(top: Sequence[float], bottom: Sequence[float]) -> dict[str, float]:
    """Return the ratio of means and its 95 % half-width over paired matrices."""
    if not any(bottom):
        return {"mean": float("inf") if any(top) else 0.0, "half": 0.0}
    found = intervals.ratio(top, bottom)
    return {"mean": found.value, "half": found.half_width}


def judge(found: dict[str, float], bar: float, *, at_most: bool = True) -> dict[str, Any]:
    """Return a figure with its bar and verdict: `met`, `met in the mean` (the interval crosses the bar), `missed`."""
    sign = 1.0 if at_most else -1.0
    within = sign * found["mean"] <= sign * bar
    whole = sign * found["mean"] + found["half"] <= sign * bar
    verdict = "met" if whole else "met in the mean" if within else "missed"
    return {**found, "bar": bar, "met": whole, "verdict": verdict}


def play(floor: Centre, matrix: int, seeds: int, calls: int) -> Metrics:
    """Return the mean figures of one centre over some seeds."""
    runs = [
        measure(floor, Floor(floor).run(floor.draw(1000 * matrix + seed, calls))) for seed in range(seeds)
    ]
    return {key: float(np.mean([r[key] for r in runs])) for key in runs[0]}


def compare(
    load: float, size: Size, weights: RoutingWeights | None, names: Sequence[str]
) -> dict[str, list[Metrics]]:
    """Return figures by policy, one entry per matrix."""
    table: dict[str, list[Metrics]] = {name: [] for name in names}
    main = {"recommended", "level_first", "fifo"}
    for matrix in range(size.matrices):
        base = centre(matrix, load, weights)
        for name in names:
            floor = pooled(base) if name == "pooled_bound" else with_policy(base, name)
            seeds, calls = (size.seeds, size.calls) if name in main else (size.other_seeds, size.other_calls)
            table[name].append(play(floor, matrix, seeds, calls))
    return table


def _load_report(load: float, table: dict[str, list[Metrics]]) -> dict[str, Any]:
    def column(name: str, key: str) -> list[float]:
        return [m[key] for m in table[name]]

    policies = {name: {key: interval(column(name, key)) for key in rows[0]} for name, rows in table.items()}
    against = {
        key: ratio(column("recommended", key), column("level_first", key)) for key in ("shortfall", "lost")
    }
    bars = {"shortfall": SHORTFALL_BARS.get(load), "lost": LOST_BARS.get(load)}
    checks = {key: judge(against[key], bar) for key, bar in bars.items() if bar is not None}
    return {"policies": policies, "against_level_first": against, "checks": checks}


def clairvoyant(size: Size, load: float = 0.7, calls: int = 400) -> dict[str, Any]:
    """Return the clairvoyant bound on short windows that start empty, and what the rules reach there."""
    bounds = []
    reached: dict[str, list[float]] = {"recommended": [], "level_first": [], "fifo": []}
    for window in range(size.windows):
        base = centre(window % size.matrices, load)
        drawn = base.draw(90_000 + window, calls)
        bounds.append(on_time_bound(base, drawn))
        for name, shares in reached.items():
            floor = with_policy(base, name)
            shares.append(measure(floor, Floor(floor).run(drawn))["on_time"])
    against = ratio(reached["recommended"], bounds)
    return {
        "load": load,
        "bound": interval(bounds),
        "reached": {name: interval(shares) for name, shares in reached.items()},
        "recommended_over_bound": judge(against, CLAIRVOYANT_BAR, at_most=False),
    }


def run(
    size: Size | None = None, weights: RoutingWeights | None = None, *, others: bool = True
) -> dict[str, Any]:
    """Measure; `met`: every bar by its whole interval, `met_in_the_mean`: at least by the mean."""
    size = size or Size()
    names = ["recommended", "level_first", "fifo"]
    if others:
        names += [*(n for n in RULES if n not in names), "pooled_bound"]
    loads = {f"{load:g}": _load_report(load, compare(load, size, weights, names)) for load in size.loads}
    report: dict[str, Any] = {"benchmark": "routing", "size": vars(size), "loads": loads}
    if others:
        report["clairvoyant"] = clairvoyant(size)
    checks = [c for load in loads.values() for c in load["checks"].values()]
    if others:
        checks.append(report["clairvoyant"]["recommended_over_bound"])
    report["met"] = all(c["met"] for c in checks)
    report["met_in_the_mean"] = all(c["verdict"] != "missed" for c in checks)
    return report


def text(report: dict[str, Any]) -> str:
    """Return the report as a table."""
    out = []
    for load, part in report["loads"].items():
        out.append(f"load {load}   on time   lost    worst R  shortfall        met  occ.spread  max wait")
        for name, m in part["policies"].items():
            out.append(
                f"  {name:18s} {m['on_time']['mean']:.4f}  {m['lost']['mean']:.4f}  "
                f"{m['worst_miss_over_allowance']['mean']:6.2f}  "
                f"{m['shortfall']['mean']:.4f}+-{m['shortfall']['half']:.4f}  {m['targets_met']['mean']:4.1f}  "
                f"{m['occupancy_spread']['mean']:.3f}  {m['max_wait_s']['mean']:6.0f} s"
            )
        for key, r in part["against_level_first"].items():
            bar = part["checks"].get(key)
            verdict = f"  bar {bar['bar']:g}: {bar['verdict']}" if bar else ""
            out.append(f"  {key} / level_first: {r['mean']:.3f} +- {r['half']:.3f}{verdict}")
    if "clairvoyant" in report:
        c = report["clairvoyant"]
        got = c["recommended_over_bound"]
        out.append(
            f"clairvoyant bound at {c['load']}: {c['bound']['mean']:.3f}; recommended/bound "
            f"{got['mean']:.3f} +- {got['half']:.3f} (bar {got['bar']}: {got['verdict']})"
        )
    return "\n".join(out)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; exit 1 when a bar is missed even in the mean."""
    parser = argparse.ArgumentParser(prog="bin/bench routing", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="two loads, three matrices, short runs")
    parser.add_argument("--full", action="store_true", help="3 seeds of 40 000 calls per matrix")
    parser.add_argument("--main-only", action="store_true", help="recommended, level_first and fifo only")
    parser.add_argument("--matrices", type=int, help="number of skill matrices; more narrow the intervals")
    parser.add_argument("--load", type=float, action="append", help="only this load; repeatable")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    size = QUICK if args.quick else FULL if args.full else Size()
    if args.load:
        size = replace(size, loads=tuple(args.load))
    if args.matrices is not None:
        if args.matrices < 2:
            parser.error("at least two matrices: the interval is over them")
        size = replace(size, matrices=args.matrices)
    report = run(size, others=not args.main_only)
    print(text(report))
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if report["met_in_the_mean"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
