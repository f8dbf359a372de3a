"""The `auto` setting: fit the weights to one centre's own scenario with the simulator.

`bin/bench fit --load .7 --matrix 0 --json FILE` shows it on the multi-skill scenario; `fit(centre)` is what a
configuration with `auto: true` calls for its own queues and agents. Weights are changed a few at a time
by factors; every trial meets the same calls as the defaults (paired), and the winner must also win on
calls it was not chosen on, else the defaults stay.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.bench.floor import Calls, Centre, Floor
from simulator.bench.routing import measure
from simulator.bench.scenario import centre

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acd.core.policy import RoutingWeights

TUNED = (
    "urgency_hard",
    "urgency_age",
    "free_rate",
    "lost_cost",
    "debt_step",
    "level",
    "level_low",
    "opportunity",
    "opportunity_decay",
    "opportunity_allowance",
    "hold_back",
    "level_pickup",
)


@dataclass(frozen=True)
class Fitted:
    """What a search found; both objectives are of calls the search did not see."""

    weights: RoutingWeights
    objective: float
    objective_of_defaults: float
    trials: int


def objective(floor: Centre, runs: Sequence[Calls]) -> float:
    """Return shortfall of promises plus a third of the share of lost calls, over some drawn runs."""
    got = [measure(floor, Floor(floor).run(calls)) for calls in runs]
    return float(np.mean([m["shortfall"] + m["lost"] / 3.0 for m in got]))


def _with(floor: Centre, weights: RoutingWeights) -> Centre:
    return replace(floor, policy=replace(floor.policy, weights=weights))


def fit(floor: Centre, *, trials: int = 40, calls: int = 4_000, seed: int = 1) -> Fitted:
    """Search around the configured weights and return the better of them and the best found."""
    rng = np.random.default_rng(seed)
    train = [floor.draw(70_000 + seed, calls), floor.draw(71_000 + seed, calls)]
    check = [floor.draw(72_000 + seed + i, calls) for i in range(2)]
    start = floor.policy.weights
    best, least = start, objective(floor, train)
    step = 0.7
    for _ in range(trials):
        names = rng.choice(TUNED, 3, replace=False)
        factors = np.exp(step * rng.standard_normal(3))
        changes: dict[str, Any] = {
            str(n): float(getattr(best, n) * f) for n, f in zip(names, factors, strict=True)
        }
        if "opportunity_decay" in changes:
            changes["opportunity_decay"] = min(0.95, changes["opportunity_decay"])
        tried = replace(best, **changes)
        value = objective(_with(floor, tried), train)
        if value < least:
            best, least = tried, value
        else:
            step = max(0.15, step * 0.97)
    of_defaults, of_best = objective(floor, check), objective(_with(floor, best), check)
    if of_best >= of_defaults:
        return Fitted(start, of_defaults, of_defaults, trials)
    return Fitted(best, of_best, of_defaults, trials)


def run(*, load: float = 0.7, matrix: int = 0, trials: int = 40) -> dict[str, Any]:
    """Fit one centre of the multi-skill scenario."""
    found = fit(centre(matrix, load), trials=trials)
    return {"benchmark": "fit", "load": load, "matrix": matrix, **asdict(found)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="bin/bench fit", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--load", type=float, default=0.7)
    parser.add_argument("--matrix", type=int, default=0)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    report = run(load=args.load, matrix=args.matrix, trials=args.trials)
    print(f"defaults {report['objective_of_defaults']:.4f}, fitted {report['objective']:.4f} on unseen calls")
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
