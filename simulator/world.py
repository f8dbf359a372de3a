"""The virtual centre: callers, agents and a switch around the production engine, on virtual time.

No shortcuts: every change is told to `Engine.step` as a fact, every decision comes back as a wish, and
the deadlines the engine names are kept. Items due at the same instant happen in the order in which they
were planned; what happens outside at an instant comes before a deadline of the same instant.
"""

from __future__ import annotations

import gc
import hashlib
from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, TypeAlias

from acd.core.deadlines import SERIAL_BITS
from acd.core.effects import (
    Announce,
    CloseWrapUp,
    HangUpStrayLeg,
    KeepAgentStatus,
    MoveToQueue,
    OfferCall,
    OfferCallback,
    SendToFallback,
)
from acd.core.engine import Engine
from acd.core.events import ClockWindow, DeadlinePassed, Fact, LiveAgent, QueueOpened, WorldSynced
from acd.core.ids import QueueId
from simulator.bounds import POOLED, pooled
from simulator.crowd import Crowd
from simulator.draws import Draws
from simulator.file_rules import window_edges
from simulator.ledger import Ledger
from simulator.policies import build_matcher, build_policy
from simulator.results import RunResult
from simulator.scenario import DAY_MS
from simulator.staffing import Staffing
from simulator.streams import Streams
from simulator.switch import SimulatedSwitch

if TYPE_CHECKING:
    from collections.abc import Callable

    from acd.core.effects import Effect
    from acd.core.instant import Instant
    from simulator.callers import Caller
    from simulator.scenario import Scenario

    Act: TypeAlias = Callable[[Any], None]
    Watcher: TypeAlias = Callable[["World", Fact, tuple[Effect, ...]], None]

STUCK_AFTER = 10_000
"""So many deadlines at one instant without anything else happening: the engine is going in circles."""

COLLECT_AFTER = 500_000
"""Objects made, less those let go, before the collector looks: 700 is Python's own."""


class StuckError(Exception):
    """The engine names deadlines that do not move time forward."""


class World:
    """One run: one scenario, one policy, one seed.

    Args:
        scenario: the centre.
        policy: a name of simulator.policies; None takes the scenario's.
        seed: all randomness follows from it.
        watchers: called after every step with the fact and the wishes: checkers, recorders.
        digest: compute a digest of all wishes. Only for these two is said why each agent was chosen: no figure
            depends on it.
        keep_calls: keep one record per call.
        callers: gives the callers of each day, in the order of arrival; None draws them.
    """

    def __init__(
        self,
        scenario: Scenario,
        policy: str | None = None,
        seed: int = 1,
        *,
        watchers: tuple[Watcher, ...] = (),
        digest: bool = False,
        keep_calls: bool = False,
        callers: Callable[[int], list[Caller]] | None = None,
    ) -> None:
        self.policy_name = policy or scenario.policy
        if self.policy_name == POOLED:
            scenario = pooled(scenario)
        self.scenario = scenario
        self.seed = seed
        self.streams = Streams(seed)
        self.now: Instant = 0
        self.matcher = build_matcher(
            self.policy_name, scenario, self.streams, explain=digest or bool(watchers)
        )
        self.engine = Engine(build_policy(self.policy_name, scenario), self.matcher)
        self.switch = SimulatedSwitch(self)
        self.draws = Draws(scenario, self.streams)
        self.ledger = Ledger(self, scenario, keep_calls=keep_calls)
        self.staffing = Staffing(self, scenario)
        self.people = self.staffing.people
        self.crowd = Crowd(self, scenario, callers)
        self.live = self.crowd.live
        self.steps = 0
        self._heap: list[int] = []
        """Stamps: the instant and behind it a serial, as in acd.core.deadlines."""
        self._planned: dict[int, tuple[Act, Any]] = {}
        """What is to be done at each stamp."""
        self._serial = 0
        self._soon: deque[tuple[Act, Any]] = deque()
        self._watchers = watchers
        self._hash = hashlib.blake2b() if digest else None
        self._acts: dict[type, Act] = {
            OfferCall: self.switch.offer,
            SendToFallback: self.switch.send_to_fallback,
            MoveToQueue: self.switch.move_to_queue,
            Announce: self.switch.announce,
            OfferCallback: self.switch.offer_callback,
            HangUpStrayLeg: self.switch.hang_up_stray_leg,
            CloseWrapUp: self.staffing.wrap_up_closed,
            KeepAgentStatus: self.staffing.status_kept,
        }
        self._last_plan: Instant = 0
        self.result: RunResult | None = None

    # --- for the world's parts ------------------------------------------------------------------

    def at(self, due: Instant, act: Act, what: Any) -> None:
        """Plan something."""
        self._serial += 1
        stamp = (due << SERIAL_BITS) + self._serial
        self._planned[stamp] = (act, what)
        heappush(self._heap, stamp)

    def soon(self, act: Act, what: Any) -> None:
        """Do something at this same instant, after what is going on now."""
        self._soon.append((act, what))

    def tell(self, fact: Fact) -> None:
        """Tell the engine and carry out its wishes."""
        wishes = self.engine.step(fact, self.now)
        self.steps += 1
        if self._hash is not None:
            self._hash.update(repr(wishes).encode())
        acts = self._acts
        for wish in wishes:
            act = acts.get(type(wish))
            if act is not None:
                act(wish)
        if self._watchers:
            for watcher in self._watchers:
                watcher(self, fact, wishes)

    # --- the loop -------------------------------------------------------------------------------

    def run(self) -> RunResult:
        """Run to the end of the last day and of the last caller."""
        # The collector looks for rings of garbage; a run makes none to speak of, and each look costs.
        usual = gc.get_threshold()
        gc.set_threshold(COLLECT_AFTER, *usual[1:])
        try:
            self._open()
            self._go_on()
            self.result = self._close()
        finally:
            gc.set_threshold(*usual)
        return self.result

    def _go_on(self) -> None:
        soon, heap, planned = self._soon, self._heap, self._planned
        stuck = 0
        while True:
            while soon:
                act, what = soon.popleft()
                act(what)
            if not heap or self._over():
                break
            due = heap[0] >> SERIAL_BITS
            deadline = self.engine.next_deadline()
            if deadline is not None and deadline < due:
                stuck = stuck + 1 if deadline <= self.now else 0
                if stuck > STUCK_AFTER:
                    raise StuckError(f"deadline {deadline} at {self.now} does not go away, seed {self.seed}")
                self._jump(max(deadline, self.now))
                self.tell(DeadlinePassed())
                continue
            stuck = 0
            stamp = heappop(heap)
            act, what = planned[stamp]
            del planned[stamp]
            self._jump(due)
            act(what)

    def _over(self) -> bool:
        return self.crowd.over and not self.staffing.wrapping and self.now >= self._last_plan

    def _jump(self, instant: Instant) -> None:
        if instant < self.now:
            raise ValueError(f"virtual time cannot step back from {self.now} to {instant}")
        self.now = instant

    def _open(self) -> None:
        scenario = self.scenario
        self.tell(WorldSynced(agents=tuple(LiveAgent(agent, logged_in=False) for agent in self.people)))
        for queue in scenario.queues:
            self.tell(QueueOpened(QueueId(queue.name)))
        for due, window, inside in window_edges(scenario):
            self.at(due, self._window, ClockWindow(window, inside))
        last_midnight = (scenario.days - 1) * DAY_MS
        self._last_plan = max(self.staffing.plan(), last_midnight)
        periods = scenario.periods
        if periods.count > 1:
            last_period = last_midnight + periods.start_ms + periods.length_ms * periods.count
            self._last_plan = max(self._last_plan, last_period)
        if scenario.warm_up_ms:
            self.at(scenario.warm_up_ms, self._warm, None)
        for day in range(scenario.days):
            self.at(day * DAY_MS, self.crowd.start_day, day)
            if scenario.closing is not None:
                self.at(day * DAY_MS + scenario.closing.at_ms, self.crowd.clear_lines, None)
        self.at(self._last_plan, self._nothing, None)

    def _window(self, fact: ClockWindow) -> None:
        self.tell(fact)

    def _nothing(self, _: None) -> None:
        """Keep the run alive until here."""

    def _warm(self, _: None) -> None:
        self.staffing.end_warm_up()

    def _close(self) -> RunResult:
        snapshot = self.engine.snapshot(self.now)
        return RunResult(
            seed=self.seed,
            policy=self.policy_name,
            tallies=self.ledger.tallies,
            groups=self.staffing.times(),
            waits=self.ledger.waits,
            day_factors=self.crowd.day_factors,
            horizon_ms=self.now - self.scenario.warm_up_ms,
            counters={name: count for name, count in snapshot.counters if count},
            steps=self.steps,
            digest=self._hash.hexdigest() if self._hash is not None else "",
            calls=self.ledger.records,
        )
