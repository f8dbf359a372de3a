"""The bank of 004: the fewest agents by hour that keep 93 % within 15 s, by simulation and by Erlang A.

`bin/bench bank --json FILE`

7,000 calls a month, then 9,000, around the clock; the shape of the day is that of one month of call records of a bank
(routing design, section 5), a day has gamma variation (shape 84). The records begin at 7 h: the month's calls are spread
over the hours they know, and the night comes on top with assumed weights, marked so in every row. Talk and card take 180 s on average,
lognormal with the measured variation 1.23; patience 345 s. The simulation is the production matcher on one
pool; its share has a 95 % half-width, and an agent is added until the lower end keeps the promise.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from acd.core.ids import AgentId, QueueId, SkillId, SubscriberId
from acd.core.policy import AgentPolicy, Policy, Promise, QueuePolicy, SkillNeed
from acd.planning.erlang import ErlangA, agents_for
from simulator.bench.floor import Centre, Floor

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARE, THRESHOLD_S = 0.93, 15.0
AHT_S, AHT_CV, PATIENCE_S = 180.0, 1.23, 345.0
DAYS = 30
DAY_SHAPE = 84.0
BY_HOUR = (39, 93, 106, 121, 109, 91, 102, 113, 111, 114, 84, 77, 65, 57, 60, 51, 39)
"""Calls of a weekday in the hours 7 to 24."""
FIRST_HOUR = 7
BY_NIGHT = (24, 15, 9, 6, 6, 9, 18)
"""Assumed for the hours 0 to 7: down from the last recorded hour (39) to a sixth of it, and up to the first (39)."""


def pool(agents: int, calls_per_s: float) -> Centre:
    """Return one queue with this many agents."""
    skill = SkillId("bank")
    promise = Promise(SHARE, int(THRESHOLD_S * 1000))
    queue = QueuePolicy(QueueId("bank"), SubscriberId("bank"), promise, (SkillNeed(skill),))
    people = tuple(AgentPolicy(AgentId(f"a{i:02d}"), ((skill, 3),)) for i in range(agents))
    return Centre(Policy((queue,), people), (1.0,), calls_per_s, AHT_S, AHT_CV, PATIENCE_S)


def simulate(agents: int, calls_per_s: float, *, days: int, calls: int) -> tuple[float, float]:
    """Return share within the threshold and its 95 % half-width over days of different gamma factors."""
    rng = np.random.default_rng([agents, int(calls_per_s * 1e6)])
    factors = rng.gamma(DAY_SHAPE, 1 / DAY_SHAPE, days)
    base = pool(agents, calls_per_s)
    hit, offered = [], []
    for day, factor in enumerate(factors):
        floor = replace(base, calls_per_s=calls_per_s * float(factor))
        count = max(50, int(calls * factor))
        out = Floor(floor).run(floor.draw(day, count))
        hit.append(out.on_time[0])
        offered.append(out.offered[0])
    top, bottom = np.array(hit, float), np.array(offered, float)
    share = float(top.sum() / bottom.sum())
    half = 2.0 * float((top - share * bottom).std(ddof=1)) / len(top) ** 0.5 / float(bottom.mean())
    return share, half


def hour(calls_per_s: float, *, days: int, calls: int) -> dict[str, Any]:
    """Return the fewest agents of one hour by both methods."""
    erlang = agents_for(SHARE, THRESHOLD_S, calls_per_s, AHT_S, PATIENCE_S)
    agents = max(1, erlang - 1)
    while True:
        share, half = simulate(agents, calls_per_s, days=days, calls=calls)
        if share - half >= SHARE or agents > erlang + 5:
            break
        agents += 1
    return {
        "calls_per_h": calls_per_s * 3600,
        "erlang_a": erlang,
        "erlang_a_share": ErlangA(erlang, calls_per_s, AHT_S, PATIENCE_S).sl_of_offered(THRESHOLD_S),
        "simulated": agents,
        "share": share,
        "half": half,
    }


def run(*, quick: bool = False) -> dict[str, Any]:
    """Measure both volumes."""
    days, calls = (6, 800) if quick else (12, 2_000)
    months: dict[str, Any] = {}
    for volume in (7_000, 9_000):
        per_day = volume / DAYS
        hours = {}
        for clock, weight in enumerate((*BY_NIGHT, *BY_HOUR)):
            rate = per_day * weight / sum(BY_HOUR) / 3600.0
            hours[str(clock)] = {**hour(rate, days=days, calls=calls), "assumed": clock < FIRST_HOUR}
        months[str(volume)] = {
            "hours": hours,
            "agent_hours_erlang_a": sum(h["erlang_a"] for h in hours.values()),
            "agent_hours_simulated": sum(h["simulated"] for h in hours.values()),
            "agent_hours_recorded": sum(h["simulated"] for h in hours.values() if not h["assumed"]),
        }
    return {"benchmark": "bank", "promise": f"{100 * SHARE:g}/{THRESHOLD_S:g}", "months": months}


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="bin/bench bank", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    report = run(quick=args.quick)
    for volume, month in report["months"].items():
        print(f"{volume} calls a month: hour, calls, agents by Erlang A, by simulation (share within 15 s)")
        for name, h in month["hours"].items():
            print(
                f"  {name:>2s} h  {h['calls_per_h']:5.1f}  {h['erlang_a']:2d}  {h['simulated']:2d}  "
                f"{h['share']:.3f} +- {h['half']:.3f}{'  assumed' if h['assumed'] else ''}"
            )
        print(
            f"  agent hours around the clock: {month['agent_hours_erlang_a']} and {month['agent_hours_simulated']}, "
            f"of which 7 to 24 h {month['agent_hours_recorded']}"
        )
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
