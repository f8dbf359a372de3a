"""The world's own books: every finished stay in a queue is counted once, as it truly happened.

Kept apart from the engine's tallies on purpose: the one checks the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.results import CallRecord, Tally

if TYPE_CHECKING:
    from simulator.callers import Caller
    from simulator.results import GroupTimes
    from simulator.scenario import Scenario
    from simulator.world import World


class Ledger:
    """Counts by queue and period; single calls if wanted."""

    __slots__ = ("_queues", "_records", "_warm_up_ms", "_world", "records", "tallies", "waits")

    def __init__(self, world: World, scenario: Scenario, *, keep_calls: bool) -> None:
        self._world = world
        self._queues = scenario.queues
        self._warm_up_ms = scenario.warm_up_ms
        self._records = keep_calls
        periods = range(scenario.periods.count)
        self.tallies = [[Tally() for _ in periods] for _ in scenario.queues]
        self.waits: list[list[int]] = [[] for _ in scenario.queues]
        self.records: list[CallRecord] = []

    def count(self, caller: Caller, outcome: str, wait_here: int) -> None:
        """Count one finished stay. Calls that came during the warm-up do not count.

        Args:
            caller: in the queue that is left, before anything about the caller is changed.
            outcome: a name of `simulator.results.COUNTS`.
            wait_here: wait of this stay; waits of earlier attempts are added where the scenario says so.
        """
        if caller.entered_at < self._warm_up_ms:
            return
        number = caller.queue
        queue = self._queues[number]
        tally = self.tallies[number][caller.period]
        wait = wait_here + caller.waited_before_ms
        tally.arrivals += 1
        if caller.tries == 0:
            tally.first_calls += 1
        elif caller.id == caller.number:
            tally.transferred_in += 1
        elif caller.dials_ms:
            tally.called_back += 1
        else:
            tally.retries += 1
        tally.wait_all_ms += wait
        if wait > 0:
            tally.waited += 1
        within = wait <= queue.threshold_ms
        if outcome == "served":
            tally.served += 1
            self._count_served(tally, caller, wait, within=within)
        elif outcome == "abandoned":
            tally.abandoned += 1
            tally.within_target += within
            tally.abandoned_late += not within
            tally.abandoned_short += wait <= queue.short_abandon_ms
        else:
            setattr(tally, outcome, getattr(tally, outcome) + 1)
        if self._records:
            self._record(caller, outcome, wait, in_target=outcome == "served" and within)

    def _count_served(self, tally: Tally, caller: Caller, wait: int, *, within: bool) -> None:
        number, world = caller.queue, self._world
        tally.wait_served_ms += wait
        tally.in_target += within
        tally.within_target += within
        tally.talk_ms += world.now - caller.answered_at
        tally.wrap_ms += caller.wrap_ms
        self.waits[number].append(wait)
        times: GroupTimes = world.people[caller.agent].crew.times
        times.handled[number] = times.handled.get(number, 0) + 1
        times.wait_ms[number] = times.wait_ms.get(number, 0) + wait

    def _record(self, caller: Caller, outcome: str, wait: int, *, in_target: bool) -> None:
        served = outcome == "served"
        self.records.append(
            CallRecord(
                caller.id,
                caller.queue,
                caller.period,
                caller.entered_at,
                wait,
                outcome,
                caller.agent if served else "",
                self._world.now - caller.answered_at if served else 0,
                caller.wrap_ms if served else 0,
                in_target,
                self._world.now,
            )
        )
