"""Distance to the limit: the production score against the exact bound of a two-class pool.

`bin/bench routing-bound --promises 93/15,80/20 --mix 40,60 --agents 12 --load .75 --json FILE`

Every rule is evaluated exactly on the chain of `acd.planning.bound`. In a stationary pool the debt of
the matcher settles on one ratio of prices; "debt only" fits just that ratio to the case, "auto" fits
the age and hard-limit terms and the free rate too, as the `auto` setting does for a centre. "live" is the production
matcher with default weights and its own debt, simulated (`simulator.bench.routing_live`); it aims at every promise kept,
not at the least worst ratio, and may hold an agent back, which the rules behind the bound may not.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acd.core.policy import RoutingWeights
from acd.core.scoring import Score
from acd.planning.bound import Chain, TwoClasses
from simulator.bench import routing_live
from simulator.bench.routing_live import LiveSize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

BAR = 1.05
_FAR_BEHIND = 1e9


@dataclass(frozen=True)
class Fit:
    """Weights and the ratio of prices (log) that suit one case."""

    weights: RoutingWeights
    log_ratio: float
    worst: float


def index_of(case: TwoClasses, weights: RoutingWeights, log_ratio: float) -> Callable[[int, float], float]:
    """Return the production score of a waiting head as index(class, wait in seconds)."""
    score = Score(weights)
    occupancy = min(0.97, sum(case.rates) * case.talk_s / case.agents)
    rate = weights.free_rate * case.agents * occupancy / case.talk_s
    price = (exp(log_ratio), 1.0)
    return lambda c, wait_s: price[c] * score.urgency(wait_s, case.thresholds_s[c], rate)


def baselines(case: TwoClasses) -> dict[str, Callable[[int, float], float]]:
    """Return the plain rules as indexes."""
    tau = case.thresholds_s
    strict = 0 if (1 - case.shares[0]) <= (1 - case.shares[1]) else 1
    return {
        "fifo": lambda _, w: w,
        "strict_tier": lambda c, w: w + (_FAR_BEHIND if c == strict else 0.0),
        "delay_ratio": lambda c, w: w / tau[c],
        "earliest_deadline": lambda c, w: w - tau[c],
    }


def _with(weights: RoutingWeights, name: str, value: float) -> RoutingWeights:
    changes: dict[str, Any] = {name: value}
    return replace(weights, **changes)


class Tuner:
    """Coordinate search over a few weights; a rule seen before is not evaluated twice."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._seen: dict[bytes, float] = {}

    def worst(self, rule: NDArray[Any]) -> float:
        """Return R of a rule, remembered by its table of choices."""
        key = rule.astype("int8").tobytes()
        if key not in self._seen:
            self._seen[key] = self.chain.worst(rule)
        return self._seen[key]

    def value(self, weights: RoutingWeights, log_ratio: float) -> float:
        """Return R of the production score with these weights."""
        return self.worst(self.chain.rule(index_of(self.chain.case, weights, log_ratio)))

    def ratio(self, weights: RoutingWeights) -> Fit:
        """Fit only the ratio of prices: what the debt does by itself."""
        grid = [-3.0 + 0.75 * i for i in range(13)]
        found = min((self.value(weights, r), abs(r), r) for r in grid)
        step = 0.75
        while step > 0.05:
            step /= 2
            near = [(self.value(weights, r), abs(r), r) for r in (found[2] - step, found[2] + step)]
            found = min(found, *near)
        return Fit(weights, found[2], found[0])

    def auto(self, weights: RoutingWeights, bound: float) -> Fit:
        """Fit ratio, age, hard-limit term and free rate until within 1 % of the bound or no better."""
        best = self.ratio(weights)
        for _ in range(2):
            before = best.worst
            for name, values in (
                ("urgency_age", (0.003, 0.03, 0.3, 1.0)),
                ("urgency_hard", (0.0, 0.1, 0.5)),
                ("free_rate", (0.1, 0.3, 1.0, 2.0)),
            ):
                for value in values:
                    if best.worst <= 1.01 * bound:
                        return best
                    tried = _with(best.weights, name, value)
                    worst, ratio = min(
                        (self.value(tried, best.log_ratio + d), best.log_ratio + d) for d in (-0.6, 0.0, 0.6)
                    )
                    if worst < best.worst:
                        best = Fit(tried, ratio, worst)
            if best.worst > 0.999 * before:
                break
        refined = self.ratio(best.weights)
        return min(best, refined, key=lambda fit: fit.worst)


def measure(case: TwoClasses, live: LiveSize | None = None) -> dict[str, Any]:
    """Return bound, every rule and the fitted production score of one case."""
    chain = Chain(case)
    bound, multiplier = chain.bound()
    tuner = Tuner(chain)
    rules = {name: tuner.worst(chain.rule(index)) for name, index in baselines(case).items()}
    debt_only = tuner.ratio(RoutingWeights())
    auto = tuner.auto(RoutingWeights(), bound)
    miss = chain.misses(chain.rule(index_of(case, auto.weights, auto.log_ratio)))
    return {
        "promises": [f"{100 * s:g}/{t:g}" for s, t in zip(case.shares, case.thresholds_s, strict=True)],
        "agents": case.agents,
        "offered_erlang": sum(case.rates) * case.talk_s,
        "patience_s": case.patience_s,
        "bound": bound,
        "multiplier": multiplier,
        "rules": {name: {"worst": r, "ratio": r / bound} for name, r in rules.items()},
        "recommended_debt_only": {"worst": debt_only.worst, "ratio": debt_only.worst / bound},
        "recommended": {
            "worst": auto.worst,
            "ratio": auto.worst / bound,
            "log_price_ratio": auto.log_ratio,
            "urgency_age": auto.weights.urgency_age,
            "urgency_hard": auto.weights.urgency_hard,
            "free_rate": auto.weights.free_rate,
            "on_time": [1 - m for m in miss],
        },
        "bar": BAR,
        "met": auto.worst / bound <= BAR,
        "live": _live(case, bound, live),
    }


def _live(case: TwoClasses, bound: float, size: LiveSize | None) -> dict[str, Any]:
    """Return the live matcher's figures with their verdicts."""
    found = routing_live.measure(case, bound, size)
    got = found["recommended"]
    found["every_promise_kept"] = got["worst"] + got["half"] <= 1.0
    found["within_bar"] = got["ratio"] <= BAR
    return found


def named_cases(*, quick: bool = False) -> dict[str, TwoClasses]:
    """Return V1 and V2 of the design and cases that played no part in choosing the defaults."""

    def case(
        load: float, mix: tuple[float, float], agents: int, promises: Any, talk: float = 120.0
    ) -> TwoClasses:
        return TwoClasses.at_load(load, mix, agents, talk_s=talk, patience_s=120.0, promises=promises)

    cases = {
        "V1": case(0.75, (40, 60), 12, ((0.93, 15.0), (0.80, 20.0))),
        "V2": case(0.83, (40, 60), 24, ((0.93, 15.0), (0.80, 20.0))),
    }
    if not quick:
        cases["deadlines"] = case(0.75, (50, 50), 12, ((0.90, 10.0), (0.90, 60.0)))
        cases["shares"] = case(0.85, (30, 70), 10, ((0.95, 40.0), (0.80, 20.0)), 180.0)
        cases["small"] = case(0.6, (20, 80), 6, ((0.93, 15.0), (0.95, 40.0)))
    return cases


def run(
    cases: dict[str, TwoClasses] | None = None, *, quick: bool = False, live: LiveSize | None = None
) -> dict[str, Any]:
    """Measure the cases; `met`: the fitted score within the bar, `live_met`: the live matcher too."""
    measured = {name: measure(case, live) for name, case in (cases or named_cases(quick=quick)).items()}
    return {
        "benchmark": "routing-bound",
        "cases": measured,
        "met": all(c["met"] for c in measured.values()),
        "live_met": all(c["live"]["within_bar"] for c in measured.values()),
    }


def parse_promises(text: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Read `93/15,80/20`; raises ValueError with the reason."""
    parts = [part.split("/") for part in text.split(",")]
    if len(parts) != 2 or any(len(p) != 2 for p in parts):
        raise ValueError(f"two promises like 93/15,80/20 are needed, not {text!r}")
    first, second = ((float(share) / 100.0, float(threshold)) for share, threshold in parts)
    for share, threshold in (first, second):
        if not (0.0 < share < 1.0 and 0.0 < threshold <= 110.0):
            raise ValueError(f"share must be in 0..100 and threshold in 0..110 s in {text!r}")
    return first, second


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="bin/bench routing-bound", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--promises", help="two promises, e.g. 93/15,80/20")
    parser.add_argument("--mix", default="50,50", help="shares of calls, e.g. 40,60")
    parser.add_argument("--agents", type=int, default=12)
    parser.add_argument("--load", type=float, default=0.75, help="offered erlang per agent")
    parser.add_argument("--aht", type=float, default=120.0)
    parser.add_argument("--patience", type=float, default=120.0)
    parser.add_argument("--quick", action="store_true", help="V1 and V2 only")
    parser.add_argument(
        "--published",
        action="store_true",
        help="nobody behind the first gives up, as in the published figures",
    )
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    cases = None
    if args.promises:
        try:
            first, second = (float(x) for x in args.mix.split(","))
            promises = parse_promises(args.promises)
        except ValueError as error:
            parser.error(str(error))
        if min(first, second, args.agents, args.load, args.aht, args.patience) <= 0:
            parser.error("mix, agents, load, aht and patience must be positive")
        cases = {
            "case": TwoClasses.at_load(
                args.load,
                (first, second),
                args.agents,
                talk_s=args.aht,
                patience_s=args.patience,
                promises=promises,
            )
        }
    if args.published:
        chosen = cases or named_cases(quick=args.quick)
        cases = {name: replace(case, thin=False) for name, case in chosen.items()}
    report = run(cases, quick=args.quick)
    for name, c in report["cases"].items():
        rules = "  ".join(f"{rule} {r['ratio']:.3f}" for rule, r in c["rules"].items())
        got = c["recommended"]
        print(
            f"{name}: bound R* {c['bound']:.4f}; R/R*: recommended {got['ratio']:.3f} "
            f"(debt only {c['recommended_debt_only']['ratio']:.3f})  {rules}"
        )
        live = c["live"]
        own = live["recommended"]
        kept = "every promise kept" if live["every_promise_kept"] else "not every promise kept"
        print(
            f"  live matcher, default weights: R {own['worst']:.3f} +- {own['half']:.3f}, {own['ratio']:.3f} of the bound, "
            f"{kept}; never holding back {live['never_held_back']['ratio']:.3f}, FIFO {live['fifo']['ratio']:.3f}"
        )
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if report["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
