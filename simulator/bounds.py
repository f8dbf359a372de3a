"""What no policy can exceed on a scenario's own calls: two outer bounds as rows beside the policies.

`pooled_bound` is a run like any other, of a kinder centre: every agent may take every call at the best speed, picks up
at once, and the earliest deadline is served first. `clairvoyant` is a calculation: whoever knew all calls beforehand
could answer at most this share within the threshold. A call on time surely occupies one agent of some capable group from
arrival + threshold to arrival + talk + wrap-up, and no more of them can overlap than agents were on duty since the
longest call began; the linear relaxation of that packing is solved over all calls of a run, window by window (design
of routing, 1.2). Windows start empty, breaks and refusals do not exist: looser, still a bound.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simulator.agents import shift_plan, staff_plan
from simulator.callers import draw_day
from simulator.distributions import Fixed
from simulator.draws import speeds_of
from simulator.scenario import can_serve
from simulator.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acd.core.instant import Instant
    from simulator.callers import Caller
    from simulator.scenario import Group, Scenario

POOLED, CLAIRVOYANT = "pooled_bound", "clairvoyant"
BOUNDS = (POOLED, CLAIRVOYANT)
WINDOW = 600
"""Calls of one linear programme."""


class NoBoundError(ValueError):
    """The scenario has something the bound does not cover, or nothing is there to compare it with; the text says what."""


def simulated(policies: Sequence[str]) -> list[str]:
    """Return the names that stand for runs: not the bound that is calculated.

    Raises:
        NoBoundError: no other name is there.
    """
    runs = [policy for policy in policies if policy != CLAIRVOYANT]
    if not runs:
        raise NoBoundError(f"{CLAIRVOYANT} is a bound to compare a policy with: name a policy too")
    return runs


def pooled(scenario: Scenario) -> Scenario:
    """Return the kinder centre: one pool, best speed, phones picked up at once, no rules.

    Raises:
        NoBoundError: talk times differ by group in ways that have no best.
    """
    if any(queue.talk_by_group for queue in scenario.queues):
        raise NoBoundError(f"{POOLED}: talk_by_group has no best group for all calls")
    most = max((level for queue in scenario.queues for _, level in queue.needs), default=1)
    best = max(most, max((level for group in scenario.groups for _, level in group.skills), default=1))
    skills = tuple(sorted({(skill, best) for queue in scenario.queues for skill, _ in queue.needs}))
    fastest = min(min(row) for row in speeds_of(scenario).values())
    groups = tuple(
        replace(
            group,
            skills=skills,
            ring=Fixed(0.0),
            no_answer=0.0,
            refuse=0.0,
            talk_factor=fastest,
            reserve=0,
            prefers=(),
        )
        for group in scenario.groups
    )
    queues = tuple(replace(queue, served_by=(), rules=()) for queue in scenario.queues)
    return replace(scenario, queues=queues, groups=groups, level_talk_factor=())


def clairvoyant(scenario: Scenario, seed: int) -> tuple[float, int]:
    """Return (most calls answered within the threshold, calls) of one run. Needs scipy (the test extra).

    Raises:
        NoBoundError: callers come again, are called back or transferred: their later calls depend on the policy.
    """
    for queue in scenario.queues:
        for what, there in (
            ("retry", queue.retry),
            ("callback", queue.callback),
            ("transfers", queue.transfers),
        ):
            if there:
                raise NoBoundError(f"{CLAIRVOYANT}: {queue.name} has {what}, which depend on the policy")
    streams = Streams(seed)
    callers = [caller for day in range(scenario.days) for caller in draw_day(scenario, streams, day)]
    callers = [caller for caller in callers if caller.first_at >= scenario.warm_up_ms]
    packing = _Packing(scenario, callers)
    hits = sum(packing.most(callers[start : start + WINDOW]) for start in range(0, len(callers), WINDOW))
    return hits, len(callers)


class _Packing:
    """The linear programme of one window of calls."""

    def __init__(self, scenario: Scenario, callers: list[Caller]) -> None:
        self._queues = scenario.queues
        self._groups = scenario.groups
        self._speeds = speeds_of(scenario)
        self._capable = [
            [n for n, group in enumerate(scenario.groups) if can_serve(group, queue)]
            for queue in scenario.queues
        ]
        longest = max((self._busy_ms(c, n) for c in callers for n in self._capable[c.queue]), default=0)
        self._staff = [_most_on_duty(scenario, group, longest) for group in scenario.groups]

    def _busy_ms(self, caller: Caller, group: int) -> int:
        """Return talk and wrap-up of this caller with an agent of that group."""
        name, queue = self._groups[group].name, self._queues[caller.queue]
        talks = caller.sheet.talks.get(name)
        talk = caller.talk_ms if talks is None else talks[caller.row]
        wrap = min(caller.wrap_ms, queue.wrap_up_limit_ms)
        return round(talk * self._speeds[name][caller.queue]) + wrap

    def most(self, callers: list[Caller]) -> float:
        """Return the most of these calls that could be answered within their threshold."""
        from scipy.optimize import linprog
        from scipy.sparse import csr_matrix

        rows: list[int] = []
        cols: list[int] = []
        limits: list[float] = [1.0] * len(callers)
        spans: list[list[tuple[int, int, int]]] = [[] for _ in self._groups]
        variables = 0
        for number, caller in enumerate(callers):
            threshold = self._queues[caller.queue].threshold_ms
            for group in self._capable[caller.queue]:
                if not self._staff[group].anybody(caller.first_at, caller.first_at + threshold):
                    continue
                begin, end = caller.first_at + threshold, caller.first_at + self._busy_ms(caller, group)
                spans[group].append((begin, end, variables))
                rows.append(number)
                cols.append(variables)
                variables += 1
        if not variables:
            return 0.0
        for group, held in enumerate(spans):
            for start, end, _ in held:
                if end <= start:
                    continue
                covered = [v for s, e, v in held if s <= start < e]
                rows += [len(limits)] * len(covered)
                cols += covered
                limits.append(float(self._staff[group].at(start)))
        matrix = csr_matrix((np.ones(len(rows)), (rows, cols)), shape=(len(limits), variables))
        solved = linprog(-np.ones(variables), A_ub=matrix, b_ub=limits, bounds=(0, 1), method="highs")
        return float(-solved.fun)


class _OnDuty:
    """The most agents of a group who could be busy at an instant, by steps."""

    def __init__(self, steps: list[tuple[Instant, int]], longest_ms: int) -> None:
        self._times = [when for when, _ in steps]
        self._counts = [count for _, count in steps]
        self._longest = longest_ms

    def _most(self, since: Instant, until: Instant) -> int:
        first = max(0, bisect_right(self._times, since) - 1)
        return max(self._counts[first : max(first + 1, bisect_right(self._times, until))], default=0)

    def at(self, when: Instant) -> int:
        """Return the largest head count since the longest call could have begun: who leaves ends his call."""
        return self._most(when - self._longest, when)

    def anybody(self, since: Instant, until: Instant) -> bool:
        """Return whether anybody was on duty between these instants."""
        return self._most(since, until) > 0


def _most_on_duty(scenario: Scenario, group: Group, longest_ms: int) -> _OnDuty:
    """Return the group's head counts over the run; breaks do not count."""
    steps = [(-1, 0), *staff_plan(scenario, group)]
    count = 0
    changes = [
        (when, 1 if what == "in" else -1)
        for when, _, what, _ in shift_plan(scenario, group)
        if what != "break"
    ]
    for when, change in sorted(changes):
        count += change
        steps.append((when, count))
    return _OnDuty(sorted(steps, key=lambda step: step[0]), longest_ms)
