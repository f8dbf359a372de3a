"""What one routing decision costs: microseconds by size of the centre, bytes per waiting call.

`bin/bench decision --json FILE [--quick]`

A decision is everything the engine asks of the matcher for one event: the change itself, the pass,
the outcome booked and the next check, with the reasons that stay with the card; `explain` says what these add, by
turns in the same run. The bar is measured there too: what parsing the manager events of one call costs. Two regimes: *ready* (calls arrive, three agents in ten are
ready) and *busy* (agents become free while calls wait in line).
"""

from __future__ import annotations

import argparse
import json
import tracemalloc
from pathlib import Path
from statistics import median, quantiles
from sys import getsizeof
from time import perf_counter_ns, process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from acd.core.ids import AgentId, CallId, QueueId, SkillId, SubscriberId
from acd.core.matcher import Waiting
from acd.core.policy import AgentPolicy, Policy, Promise, QueuePolicy, SkillNeed
from acd.core.weighted import WeightedMatcher
from simulator.bench import ami_parse
from simulator.bench.floor import Floor
from simulator.bench.scenario import centre

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acd.core.candidates import Candidates
    from acd.core.matcher import Assignment

ROUNDS = 5
"""Turns of everything that is compared: the machine is shared, and medians bear that."""
SIZES = ((24, 12, 10), (200, 50, 50), (1000, 100, 400), (5000, 500, 2000))
"""(agents, queues, waiting calls)"""
_PROMISES = (Promise(0.93, 15_000), Promise(0.80, 20_000), Promise(0.95, 40_000))


def big_policy(agents: int, queues: int, skills: int = 6, seed: int = 1) -> Policy:
    """Return a centre of this size: every agent has `skills` random queues at levels 3, 2, 1, 1 ..."""
    rng = np.random.default_rng(seed)
    lines = tuple(
        QueuePolicy(
            QueueId(f"q{i:03d}"),
            SubscriberId(f"s{i:03d}"),
            _PROMISES[i % 3],
            (SkillNeed(SkillId(f"k{i:03d}")),),
            expected_calls_per_s=0.7 * agents / 150.0 / queues,
        )
        for i in range(queues)
    )
    people = tuple(
        AgentPolicy(
            AgentId(f"a{i:04d}"),
            tuple(
                (SkillId(f"k{int(q):03d}"), max(1, 3 - place))
                for place, q in enumerate(rng.choice(queues, min(skills, queues), replace=False))
            ),
        )
        for i in range(agents)
    )
    return Policy(lines, people)


class Load:
    """A matcher under a steady stream of events."""

    def __init__(self, agents: int, queues: int, waiting: int, *, explain: bool = True) -> None:
        self.policy = big_policy(agents, queues)
        self.matcher = WeightedMatcher(self.policy, explain=explain)
        self._rng = np.random.default_rng(7)
        self._serial = 0
        self._now = 1_000_000
        self._busy: list[AgentId] = []
        self._waiting_target = waiting

    def _call(self) -> Waiting:
        self._serial += 1
        queue = self.policy.queues[int(self._rng.integers(len(self.policy.queues)))]
        return Waiting(CallId(f"c{self._serial}"), queue.id, self._now, self._serial)

    def _settle(self, made: Sequence[Any]) -> None:
        for assignment in made:
            self._busy.append(assignment.agent)

    def ready(self, events: int) -> list[int]:
        """Return nanoseconds per arrival while three agents in ten are ready."""
        people = [a.id for a in self.policy.agents]
        order = self._rng.permutation(len(people))
        for place, i in enumerate(order):
            self.matcher.add_agent(people[i], self._now - 1000 - place)
        while len(self._busy) < 0.7 * len(people):
            self.matcher.add_call(self._call())
            self._settle(self.matcher.assign(self._now))
            self._now += 10
        spent = []
        for _ in range(events):
            call = self._call()
            self._now += 50
            start = perf_counter_ns()
            self.matcher.add_call(call)
            made = self.matcher.assign(self._now)
            for _ in made:
                self.matcher.record_outcome(call.queue, 100, answered=True)
            self.matcher.next_check(self._now)
            spent.append(perf_counter_ns() - start)
            self._settle(made)
            if made:
                agent = self._busy.pop(int(self._rng.integers(len(self._busy))))
                self.matcher.record_talk(call.queue, agent, 150_000)
                self.matcher.add_agent(agent, self._now)
        return spent

    def busy(self, events: int) -> list[int]:
        """Return nanoseconds per freed agent while the line is kept at its length."""
        for person in self.policy.agents:
            self.matcher.remove_agent(person.id)
        while self.matcher.waiting < self._waiting_target:
            self.matcher.add_call(self._call())
        self.matcher.assign(self._now)
        spent = []
        people = [a.id for a in self.policy.agents]
        for _ in range(events):
            self._now += 50
            agent = people[int(self._rng.integers(len(people)))]
            queue = self.policy.queues[0].id
            start = perf_counter_ns()
            self.matcher.record_talk(queue, agent, 150_000)
            self.matcher.add_agent(agent, self._now)
            made = self.matcher.assign(self._now)
            for _ in made:
                self.matcher.record_outcome(queue, 30_000, answered=True)
            self.matcher.next_check(self._now)
            spent.append(perf_counter_ns() - start)
            self.matcher.remove_agent(agent)
            for _ in made:
                self.matcher.add_call(self._call())
            self.matcher.assign(self._now)
        return spent


def bytes_per_waiting_call(count: int = 2000) -> float:
    """Return memory of one more waiting call, its own record included."""
    load = Load(200, 50, 0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(count):
        load.matcher.add_call(load._call())  # noqa: SLF001 -- the benchmark's own class
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / count


def day_seconds() -> float:
    """Return CPU seconds of a simulated day: 5000 calls, 35 agents, 6 queues, matcher and bare floor."""
    base = centre(0, 0.7, agents=35, promises=((0.80, 20),) * 6)
    drawn = base.draw(1, 5_000)
    start = process_time()
    Floor(base).run(drawn)
    return process_time() - start


def _medians(agents: int, queues: int, waiting: int, events: int, *, explain: bool) -> dict[str, float]:
    """Return the median of each regime with or without reasons."""
    found = {}
    for regime in ("ready", "busy"):
        load = Load(agents, queues, waiting, explain=explain)
        found[regime] = median(getattr(load, regime)(events)) / 1000
    return found


def explain_cost(events: int) -> dict[str, Any]:
    """Return what the reasons add to a decision at 200 x 50, by turns, and what reading one costs later."""
    turns: dict[bool, list[dict[str, float]]] = {True: [], False: []}
    for _ in range(ROUNDS):
        for explain, found in turns.items():
            found.append(_medians(*SIZES[1], events, explain=explain))
    result: dict[str, Any] = {}
    for regime in ("ready", "busy"):
        on, off = (median(turn[regime] for turn in turns[explain]) for explain in (True, False))
        result[regime] = {"on_us": on, "off_us": off, "added_us": on - off}
    return {**result, **_kept_reason()}


def _kept_reason() -> dict[str, float]:
    """Return bytes of one decision's candidates and microseconds to write them out as text."""
    load = Load(*SIZES[1])
    kept: list[Candidates] = []
    assign = load.matcher.assign

    def keep(now: int) -> tuple[Assignment, ...]:
        made = assign(now)
        kept.extend(one.over for one in made if one.over is not None)
        return made

    load.matcher.assign = keep  # type: ignore[method-assign]  # only to look at what passes
    load.ready(300)
    start = perf_counter_ns()
    texts = [str(over) for over in kept]
    spent = (perf_counter_ns() - start) / 1000 / len(texts)
    return {
        "bytes_kept": median(_size(over) for over in kept),
        "text_bytes": median(map(len, texts)),
        "write_out_us": spent,
    }


def _size(over: Candidates) -> int:
    """Return the bytes only this record holds: ids and levels belong to the policy."""
    own = getsizeof(over) + getsizeof(over.rivals) + getsizeof(over.same)
    return own + sum(getsizeof(rival) + 2 * getsizeof(0.0) + getsizeof(1 << 20) for rival in over.rivals)


def parse_cost(*, quick: bool) -> dict[str, float]:
    """Return CPU microseconds of parsing one call's manager events: tight reference, ours, ours filtered."""
    found = ami_parse.run(100 if quick else 300, ROUNDS)
    per_call = {
        key: found[key] * ami_parse.EVENTS_PER_CALL for key in ("tight_us", "ours_us", "ours_filtered_us")
    }
    return {"events_per_call": ami_parse.EVENTS_PER_CALL, **per_call}


def run(*, quick: bool = False) -> dict[str, Any]:
    """Measure all sizes; `met`: median under the cheapest parse at 200 x 50, growth at most linear in agents."""
    events = 300 if quick else 1500
    parse = parse_cost(quick=quick)
    rows = []
    for agents, queues, waiting in SIZES:
        row: dict[str, Any] = {"agents": agents, "queues": queues, "waiting": waiting}
        for regime in ("ready", "busy"):
            load = Load(agents, queues, waiting)
            spent = [ns / 1000 for ns in getattr(load, regime)(events)]
            row[regime] = {"median_us": median(spent), "p99_us": quantiles(spent, n=100)[98]}
        rows.append(row)
    base, largest = rows[1], rows[-1]
    grown = {r: largest[r]["median_us"] / base[r]["median_us"] for r in ("ready", "busy")}
    linear = largest["agents"] / base["agents"]
    worst = max(base["ready"]["median_us"], base["busy"]["median_us"])
    bar = min(parse[key] for key in ("tight_us", "ours_us", "ours_filtered_us"))
    return {
        "benchmark": "decision",
        "rows": rows,
        "day_of_5000_calls_s": day_seconds(),
        "bytes_per_waiting_call": bytes_per_waiting_call(),
        "growth": {**grown, "bar": linear},
        "median_us_at_200x50": worst,
        "parse_of_one_call": parse,
        "bar_us": bar,
        "decision_over_parse": worst / bar,
        "explain": explain_cost(events),
        "met": worst <= bar and max(grown.values()) <= linear,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="bin/bench decision", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    report = run(quick=args.quick)
    for row in report["rows"]:
        parts = [f"{r} {row[r]['median_us']:.1f} us (p99 {row[r]['p99_us']:.1f})" for r in ("ready", "busy")]
        print(
            f"{row['agents']:5d} agents {row['queues']:4d} queues {row['waiting']:5d} waiting: {'  '.join(parts)}"
        )
    growth = report["growth"]
    print(
        f"growth 200 -> 5000 agents: ready x{growth['ready']:.2f}, busy x{growth['busy']:.2f} "
        f"(linear x{growth['bar']:.0f}); {report['bytes_per_waiting_call']:.0f} bytes per waiting call; "
        f"a day of 5000 calls {report['day_of_5000_calls_s']:.2f} s"
    )
    parse, explain = report["parse_of_one_call"], report["explain"]
    print(
        f"parsing one call's {parse['events_per_call']} events: {parse['tight_us']:.0f} us tight, {parse['ours_us']:.0f} us "
        f"ours, {parse['ours_filtered_us']:.0f} us filtered; a decision at 200 x 50 is "
        f"{report['decision_over_parse']:.2f} of the cheapest"
    )
    print(
        f"reasons kept at 200 x 50 add {explain['ready']['added_us']:.1f} us to {explain['ready']['off_us']:.1f} (ready) and "
        f"{explain['busy']['added_us']:.1f} us to {explain['busy']['off_us']:.1f} (busy); candidates {explain['bytes_kept']:.0f} "
        f"bytes, {explain['write_out_us']:.1f} us to write out"
    )
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if report["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
