"""Speed of the virtual engine: `bin/bench virtual [--json FILE]`, with ACD_FAST=1 for the compiled build.

Four figures, all from one run of this command: a busy day; cost per call from 10 to 1,000 agents; calls per
second against Ciw and SimPy on the same M/M/n+M model; whether two hash seeds, and both builds, give the same
bytes. Times are CPU seconds and the best of several rounds, because a shared machine only ever adds to them.
The report says which build ran; run with the compiled one it measures the plain one as well.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acd.core.instant import HOUR_MS, SECOND_MS
from simulator.accelerator.build import in_use
from simulator.callers import draw_day
from simulator.distributions import Exponential, Lognormal, Uniform
from simulator.experiment import run_one
from simulator.intervals import ratio
from simulator.recursion import first_come_first_served
from simulator.scenario import Arrivals, Group, Queue, Scenario, Shift, single_pool
from simulator.streams import Streams
from simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
DAY_LIMIT_S = 0.5
COST_FACTOR_LIMIT = 3.0
AGENT_COUNTS = (10, 30, 100, 300, 1000)
CALLS_PER_COUNT = 6_000
POOL_AGENTS, POOL_TALK_S, POOL_PATIENCE_S, POOL_LOAD = 20, 120.0, 120.0, 0.9


def busy_day() -> Scenario:
    """Return the ten-hour day of 5,000 calls, 35 agents and 6 skills, everybody with three of them."""
    skills = ("tax", "credit", "cards", "loans", "claims", "english")
    queues = tuple(
        Queue(
            name=skill,
            subscriber=skill,
            arrivals=Arrivals(8 * HOUR_MS, 10 * HOUR_MS, (5000 / 6 / 10,)),
            talk=Lognormal.of_mean(170 * SECOND_MS, 1.0),
            patience=Exponential(345 * SECOND_MS),
            wrap_up=Exponential(20 * SECOND_MS),
            needs=((skill, 1),),
        )
        for skill in skills
    )
    groups = tuple(
        Group(
            name=f"team{skills[number]}",
            count=6 if number < 5 else 5,
            skills=tuple((skills[(number + step) % 6], 3 - step) for step in range(3)),
            shifts=(Shift(8 * HOUR_MS, 18 * HOUR_MS),),
            ring=Uniform(1 * SECOND_MS, 6 * SECOND_MS),
        )
        for number in range(6)
    )
    return Scenario(name="busy day", queues=queues, groups=groups)


def best_cpu(rounds: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least CPU time of several rounds, and the last result."""
    least, result = math.inf, None
    for _ in range(rounds):
        start = time.process_time()
        result = work()
        least = min(least, time.process_time() - start)
    return least, result


def measure_day(policy: str, rounds: int) -> dict[str, Any]:
    """Time the busy day with one policy."""
    scenario = busy_day()
    seconds, run = best_cpu(rounds, partial(run_one, scenario, policy, 1))
    calls = run.tally().arrivals
    return {
        "policy": policy,
        "cpu_s": seconds,
        "calls": calls,
        "steps": run.steps,
        "us_per_call": seconds / calls * 1e6,
        "us_per_step": seconds / run.steps * 1e6,
    }


def measure_growth(policy: str, rounds: int) -> list[dict[str, float]]:
    """Time the same number of calls on centres of growing size at the same occupancy."""
    rows = []
    for agents in AGENT_COUNTS:
        per_hour = agents * POOL_LOAD * 3600 / POOL_TALK_S
        scenario = single_pool(
            per_hour=per_hour,
            agents=agents,
            talk_s=POOL_TALK_S,
            patience_s=POOL_PATIENCE_S,
            hours=CALLS_PER_COUNT / per_hour,
        )
        seconds, run = best_cpu(rounds, partial(run_one, scenario, policy, 1))
        rows.append({"agents": agents, "us_per_call": seconds / run.tally().arrivals * 1e6})
    return rows


# --- the same M/M/n+M elsewhere --------------------------------------------------------------------

RATE_PER_S = POOL_AGENTS * POOL_LOAD / POOL_TALK_S


def run_ours(hours: float, seed: int) -> tuple[int, float]:
    """Return calls and the share lost, through the production router."""
    scenario = single_pool(
        per_hour=RATE_PER_S * 3600,
        agents=POOL_AGENTS,
        talk_s=POOL_TALK_S,
        patience_s=POOL_PATIENCE_S,
        hours=hours,
    )
    total = World(scenario, "fifo", seed).run().tally()
    return total.arrivals, total.abandoned / total.arrivals


def run_recursion(hours: float, seed: int) -> tuple[int, float]:
    """Return calls and the share lost by the recursion, on the very callers of `run_ours`."""
    scenario = single_pool(
        per_hour=RATE_PER_S * 3600,
        agents=POOL_AGENTS,
        talk_s=POOL_TALK_S,
        patience_s=POOL_PATIENCE_S,
        hours=hours,
    )
    callers = draw_day(scenario, Streams(seed), 0)
    waits = first_come_first_served(
        [c.first_at for c in callers],
        [c.patience_ms for c in callers],
        [c.talk_ms for c in callers],
        POOL_AGENTS,
    )
    return len(waits), sum(wait < 0 for wait in waits) / len(waits)


def run_ciw(hours: float, seed: int) -> tuple[int, float]:
    """Return calls and the share lost, in Ciw."""
    import ciw

    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(RATE_PER_S)],
        service_distributions=[ciw.dists.Exponential(1 / POOL_TALK_S)],
        number_of_servers=[POOL_AGENTS],
        reneging_time_distributions=[ciw.dists.Exponential(1 / POOL_PATIENCE_S)],
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(hours * 3600)
    records = simulation.get_all_records()
    lost = sum(record.record_type == "renege" for record in records)
    return len(records), lost / len(records)


def run_simpy(hours: float, seed: int) -> tuple[int, float]:
    """Return calls and the share lost, in SimPy, with a record of every call as Ciw and our report have one."""
    import random

    import simpy

    rng = random.Random(seed)
    environment = simpy.Environment()
    agents = simpy.Resource(environment, POOL_AGENTS)
    records: list[tuple[float, float, bool, float]] = []
    """Of every call that is over: when it came, its wait, whether it was served, its talk."""

    def caller() -> Any:
        came = environment.now
        with agents.request() as request:
            patience = environment.timeout(rng.expovariate(1 / POOL_PATIENCE_S))
            got = yield request | patience
            wait = environment.now - came
            if request in got:
                talk = rng.expovariate(1 / POOL_TALK_S)
                yield environment.timeout(talk)
                records.append((came, wait, True, talk))
            else:
                records.append((came, wait, False, 0.0))

    def source() -> Any:
        while True:
            yield environment.timeout(rng.expovariate(RATE_PER_S))
            environment.process(caller())

    environment.process(source())
    environment.run(until=hours * 3600)
    return len(records), sum(not served for _, _, served, _ in records) / len(records)


def run_simpy_counts(hours: float, seed: int) -> tuple[int, float]:
    """Return calls and the share lost, in SimPy, with two counters and nothing else: the least it can do."""
    import random

    import simpy

    rng = random.Random(seed)
    environment = simpy.Environment()
    agents = simpy.Resource(environment, POOL_AGENTS)
    counts = {"calls": 0, "lost": 0}

    def caller() -> Any:
        counts["calls"] += 1
        with agents.request() as request:
            patience = environment.timeout(rng.expovariate(1 / POOL_PATIENCE_S))
            got = yield request | patience
            if request in got:
                yield environment.timeout(rng.expovariate(1 / POOL_TALK_S))
            else:
                counts["lost"] += 1

    def source() -> Any:
        while True:
            yield environment.timeout(rng.expovariate(RATE_PER_S))
            environment.process(caller())

    environment.process(source())
    environment.run(until=hours * 3600)
    return counts["calls"], counts["lost"] / counts["calls"]


def timed(work: Callable[[float, int], tuple[int, float]], hours: float, seed: int) -> tuple[float, float]:
    """Return CPU seconds per call and the share lost."""
    start = time.process_time()
    calls, lost = work(hours, seed)
    return (time.process_time() - start) / calls, lost


def timed_in_plain_python(hours: float, seed: int) -> tuple[float, float]:
    """Return the same for our engine in a process without the accelerator, after one short run to warm up."""
    code = (
        "from simulator.bench.virtual import run_ours, timed;"
        f"run_ours(0.5, 1); print(*timed(run_ours, {hours!r}, {seed!r}))"
    )
    cost, lost = plain_python(code, hash_seed=0).split()
    return float(cost), float(lost)


def measure_rivals(rounds: int, hours: float) -> list[dict[str, Any]]:
    """Time the same model in each simulator, round after round with a new seed, each beginning with another one.

    The machine's mood changes within seconds, so a factor is the mean over rounds of what two simulators cost in
    the same round, on the scale of logarithms, with Student's interval.
    """
    rivals: dict[str, Callable[[float, int], tuple[float, float]]] = {
        "ours": partial(timed, run_ours),
        "recursion": partial(timed, run_recursion),
        "ciw": partial(timed, run_ciw),
        "simpy": partial(timed, run_simpy),
        "simpy, counts only": partial(timed, run_simpy_counts),
    }
    if in_use() == "compiled":
        rivals["ours in plain Python"] = timed_in_plain_python
    names = list(rivals)
    for name in names:
        rivals[name](0.5, 1)  # imports and first times are nobody's cost per call
    costs: dict[str, list[float]] = {name: [] for name in names}
    lost: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            cost, share = rivals[name](hours, turn + 1)
            costs[name].append(cost)
            lost[name].append(share)
    return [
        {
            "simulator": name,
            "us_per_call": min(costs[name]) * 1e6,
            "us_per_call_each_round": [round(cost * 1e6, 2) for cost in costs[name]],
            "lost_share": sum(lost[name]) / rounds,
            "times_the_cost_of_ours": factor(costs[name], costs["ours"]),
            "times_the_cost_of_the_recursion": factor(costs[name], costs["recursion"])["factor"],
        }
        for name in names
    ]


def factor(costs: list[float], of: list[float]) -> dict[str, float]:
    """Return the geometric mean of the quotients, round by round, and the ends of its 95 % interval."""
    log = ratio([math.log(mine / theirs) for mine, theirs in zip(costs, of, strict=True)])
    low, high = log.value - log.half_width, log.value + log.half_width
    return {"factor": math.exp(log.value), "low": math.exp(low), "high": math.exp(high)}


DIGEST = (
    "from simulator.bench.virtual import busy_day; from simulator.world import World;"
    "print(World(busy_day(), 'recommended', 1, digest=True).run().digest)"
)
"""Prints the digest of all wishes of the busy day."""


def output_of(code: str, hash_seed: int, path: str) -> str:
    """Return what a fresh process with this hash seed and Python path prints."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def this_build(code: str, hash_seed: int) -> str:
    """Return what a process with the build of this one prints."""
    return output_of(code, hash_seed, os.pathsep.join([*filter(None, sys.path), str(ROOT)]))


def plain_python(code: str, hash_seed: int) -> str:
    """Return what a process without the accelerator prints."""
    return output_of(code, hash_seed, str(ROOT))


def run(rounds: int = 10, hours: float = 8.0) -> dict[str, Any]:
    """Measure everything; see the module's text."""
    days = [measure_day(policy, max(3, rounds // 2)) for policy in ("fifo", "recommended")]
    growth = measure_growth("recommended", max(2, rounds // 4))
    costs = [row["us_per_call"] for row in growth]
    digests = [this_build(DIGEST, 1), this_build(DIGEST, 2), plain_python(DIGEST, 3)]
    rivals = measure_rivals(rounds, hours)
    return {
        "build": in_use(),
        "busy_day": days,
        "busy_day_limit_s": DAY_LIMIT_S,
        "busy_day_ok": all(day["cpu_s"] < DAY_LIMIT_S for day in days),
        "growth": growth,
        "growth_factor": max(costs) / min(costs),
        "growth_ok": max(costs) / min(costs) <= COST_FACTOR_LIMIT,
        "rivals": rivals,
        "faster_than": [row["simulator"] for row in rivals if row["times_the_cost_of_ours"]["low"] > 1.0],
        "digests": digests,
        "same_under_two_hash_seeds": digests[0] == digests[1],
        "same_in_plain_python": digests[0] == digests[2],
    }


def main(argv: list[str] | None = None) -> int:
    """Print the measurements; 1 when a promise of the issue is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the result here as well")
    parser.add_argument("--rounds", type=int, default=10, help="seeds of the comparison, at least 2")
    options = parser.parse_args(argv)
    result = run(options.rounds)
    text = json.dumps(result, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    promises = ("busy_day_ok", "growth_ok", "same_under_two_hash_seeds", "same_in_plain_python")
    return 0 if all(result[promise] for promise in promises) else 1


if __name__ == "__main__":
    sys.exit(main())
