"""The virtual centre: callers, agents and a switch around the production engine, on virtual time.

No shortcuts: every change is told to `Engine.step` as a fact, every decision comes back as a wish, and
the deadlines the engine names are kept. Items due at the same instant happen in the order in which they
were planned; what happens outside at an instant comes before a deadline of the same instant.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from acd.core.effects import (
    CloseWrapUp,
    HangUpStrayLeg,
    KeepAgentStatus,
    OfferCall,
    OfferCallback,
    SendToFallback,
)
from acd.core.engine import Engine
from acd.core.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPaused,
    AgentResumed,
    CallbackChosen,
    CallEnded,
    CallEntered,
    CallQueued,
    CallRefused,
    CallTransferred,
    DeadlinePassed,
    EndedBy,
    Fact,
    LiveAgent,
    QueueOpened,
    TalkEnded,
    WorldSynced,
    WrapUpDone,
)
from acd.core.ids import Ani, CallId, Did, QueueId, SubscriberId
from simulator.agents import Crew, Person, agent_ids, shift_plan, staff_plan
from simulator.callers import GONE, NO_SHEET, OUTSIDE, RINGING, WAITING, Caller, draw_day
from simulator.clock import VirtualClock
from simulator.draws import Draws
from simulator.policies import build_matcher, build_policy
from simulator.results import CallRecord, GroupTimes, RunResult, Tally
from simulator.scenario import DAY_MS
from simulator.streams import Streams
from simulator.switch import SimulatedSwitch

if TYPE_CHECKING:
    from collections.abc import Callable

    from acd.core.effects import Effect
    from acd.core.ids import AgentId
    from acd.core.instant import Instant
    from simulator.scenario import Queue, Scenario

    Act: TypeAlias = Callable[[Any], None]
    Watcher: TypeAlias = Callable[["World", Fact, tuple[Effect, ...]], None]

STUCK_AFTER = 10_000
"""So many deadlines at one instant without anything else happening: the engine is going in circles."""


class StuckError(AssertionError):
    """The engine names deadlines that do not move time forward."""


class World:
    """One run: one scenario, one policy, one seed.

    Args:
        scenario: the centre.
        policy: a name of simulator.policies; None takes the scenario's.
        seed: all randomness follows from it.
        watchers: called after every step with the fact and the wishes: checkers, recorders.
        digest: compute a digest of all wishes.
        keep_calls: keep one record per call.
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
    ) -> None:
        self.scenario = scenario
        self.policy_name = policy or scenario.policy
        self.seed = seed
        self.streams = Streams(seed)
        self.clock = VirtualClock()
        self.now: Instant = 0
        self.policy = build_policy(self.policy_name, scenario)
        self.matcher = build_matcher(self.policy_name, scenario, self.streams)
        self.engine = Engine(self.policy, self.matcher)
        self.switch = SimulatedSwitch(self)
        self.draws = Draws(scenario, self.streams)
        self.crews = [Crew(n, group, agent_ids(group)) for n, group in enumerate(scenario.groups)]
        self.people: dict[AgentId, Person] = {p.id: p for crew in self.crews for p in crew.people}
        self.live: dict[CallId, Caller] = {}
        self.waiting = [0] * len(scenario.queues)
        self.steps = 0
        self._outside = 0
        """Callers who will come again: the run is not over."""
        self._heap: list[tuple[Instant, int, Act, Any]] = []
        self._serial = 0
        self._soon: deque[tuple[Act, Any]] = deque()
        self._watchers = watchers
        self._hash = hashlib.blake2b() if digest else None
        self._acts: dict[type, Act] = {
            OfferCall: self.switch.offer,
            SendToFallback: self.switch.send_to_fallback,
            OfferCallback: self.switch.offer_callback,
            HangUpStrayLeg: self.switch.hang_up_stray_leg,
            CloseWrapUp: self._wrap_up_closed,
            KeepAgentStatus: self._status_kept,
        }
        self._subscribers = [SubscriberId(queue.subscriber) for queue in scenario.queues]
        self._queue_ids = [QueueId(queue.name) for queue in scenario.queues]
        self._queue_numbers = {queue.name: number for number, queue in enumerate(scenario.queues)}
        self._thresholds = [queue.threshold_ms for queue in scenario.queues]
        periods = scenario.periods.count
        self._tallies = [[Tally() for _ in range(periods)] for _ in scenario.queues]
        self._waits: list[list[int]] = [[] for _ in scenario.queues]
        self._records: list[CallRecord] | None = [] if keep_calls else None
        self._before_warm: list[GroupTimes] = [GroupTimes() for _ in self.crews]
        self._arrivals: deque[Caller] = deque()
        self._factors: list[float] = []
        self._days_left = scenario.days
        self._last_plan: Instant = 0

    # --- the loop -------------------------------------------------------------------------------

    def at(self, due: Instant, act: Act, what: Any) -> None:
        """Plan something."""
        self._serial += 1
        heapq.heappush(self._heap, (due, self._serial, act, what))

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
            act = acts.get(wish.__class__)
            if act is not None:
                act(wish)
        for watcher in self._watchers:
            watcher(self, fact, wishes)

    def run(self) -> RunResult:
        """Run to the end of the last day and of the last caller."""
        self._open()
        soon, heap = self._soon, self._heap
        stuck = 0
        while True:
            while soon:
                act, what = soon.popleft()
                act(what)
            if not heap or self._over():
                break
            due = heap[0][0]
            deadline = self.engine.next_deadline()
            if deadline is not None and deadline < due:
                stuck = stuck + 1 if deadline <= self.now else 0
                if stuck > STUCK_AFTER:
                    raise StuckError(f"deadline {deadline} at {self.now} does not go away, seed {self.seed}")
                self._jump(max(deadline, self.now))
                self.tell(DeadlinePassed())
                continue
            stuck = 0
            _, _, act, what = heapq.heappop(heap)
            self._jump(due)
            act(what)
        return self._close()

    def _jump(self, instant: Instant) -> None:
        self.clock.jump(instant)
        self.now = instant

    def _over(self) -> bool:
        callers = self.live or self._outside or self._arrivals or self._days_left
        return not callers and self.now >= self._last_plan

    def _open(self) -> None:
        agents = tuple(LiveAgent(person.id, logged_in=False) for person in self.people.values())
        self.tell(WorldSynced(agents=agents))
        for queue in self._queue_ids:
            self.tell(QueueOpened(queue))
        scenario = self.scenario
        for crew in self.crews:
            crew.times.planned_ms = scenario.planned_ms(crew.group)
            for when, count in staff_plan(scenario, crew.group):
                self._last_plan = max(self._last_plan, when)
                self.at(when, self._set_staff, (crew, count))
            for when, number, what, length in shift_plan(scenario, crew.group):
                self.at(when, self._shift_event, (crew.people[number], what, length))
        periods = scenario.periods
        last_midnight = (scenario.days - 1) * DAY_MS
        if periods.count > 1:
            self._last_plan = max(self._last_plan, last_midnight + periods.start_ms + periods.length_ms * periods.count)
        if scenario.warm_up_ms:
            self.at(scenario.warm_up_ms, self._warm, None)
        for day in range(scenario.days):
            self.at(day * DAY_MS, self._start_day, day)
            if scenario.closing is not None:
                self.at(day * DAY_MS + scenario.closing.at_ms, self._clear_lines, None)
        self._last_plan = max(self._last_plan, last_midnight)
        self.at(self._last_plan, self._nothing, None)

    def _nothing(self, _: None) -> None:
        """Keep the run alive until here."""

    def _warm(self, _: None) -> None:
        for crew, before in zip(self.crews, self._before_warm, strict=True):
            for person in crew.people:
                person.account(self.now)
            before.busy_ms, before.staffed_ms = crew.times.busy_ms, crew.times.staffed_ms
            before.offers, before.unanswered = crew.times.offers, crew.times.unanswered

    def _close(self) -> RunResult:
        for person in self.people.values():
            person.account(self.now)
        snapshot = self.engine.snapshot(self.now)
        return RunResult(
            seed=self.seed,
            policy=self.policy_name,
            tallies=self._tallies,
            groups=[c.times.minus(b) for c, b in zip(self.crews, self._before_warm, strict=True)],
            waits=self._waits,
            day_factors=self._factors,
            horizon_ms=self.now - self.scenario.warm_up_ms,
            counters={name: count for name, count in snapshot.counters if count},
            steps=self.steps,
            digest=self._hash.hexdigest() if self._hash is not None else "",
            calls=self._records or [],
        )

    # --- callers --------------------------------------------------------------------------------

    def _start_day(self, day: int) -> None:
        from simulator.arrivals import day_factor

        self._days_left -= 1
        self._factors.append(day_factor(self.scenario, self.streams, day))
        late = bool(self._arrivals)
        self._arrivals.extend(self.callers_of(day))
        if late:
            self._arrivals = deque(sorted(self._arrivals, key=lambda c: (c.first_at, c.number)))
        elif self._arrivals:
            self.at(self._arrivals[0].first_at, self._arrive, None)

    def callers_of(self, day: int) -> list[Caller]:
        """Return the day's callers; a replay overrides this with recorded ones."""
        return draw_day(self.scenario, self.streams, day)

    def _arrive(self, _: None) -> None:
        caller = self._arrivals.popleft()
        if self._arrivals:
            self.at(self._arrivals[0].first_at, self._arrive, None)
        self._come(caller)

    def _come_again(self, caller: Caller) -> None:
        self._outside -= 1
        caller.tries += 1
        caller.id = CallId(f"{caller.number}~{caller.tries}")
        self._come(caller)

    def _come(self, caller: Caller) -> None:
        scenario = self.scenario
        caller.entered_at = self.now
        if scenario.lines is not None and len(self.live) >= scenario.lines:
            caller.stage = GONE
            self._count(caller, "blocked", 0)
            return
        self.tell(CallEntered(caller.id, Did(""), Ani("")))
        queue = scenario.queues[caller.queue]
        if self.waiting[caller.queue] >= queue.max_waiting:
            self.tell(CallRefused(caller.id, "full"))
            self.tell(CallEnded(caller.id, by=EndedBy.SYSTEM))
            self._count(caller, "blocked", 0)
            caller.stage = GONE
            return
        self.live[caller.id] = caller
        self._stand(caller, queue)

    def _stand(self, caller: Caller, queue: Queue) -> None:
        """Enter the line of the caller's queue."""
        number = caller.queue
        caller.stage = WAITING
        self.waiting[number] += 1
        queue_id, subscriber = self._queue_ids[number], self._subscribers[number]
        self.tell(CallQueued(caller.id, queue_id, subscriber, Did(""), Ani(""), self.now, priority=queue.priority))
        self.at(self.now + caller.patience_ms, self._give_up, (caller, caller.id))
        if queue.callback is not None and not caller.dials_ms:
            self.at(self.now + queue.callback.after_ms, self.ask_callback, (caller, caller.tries))

    def _give_up(self, what: tuple[Caller, CallId]) -> None:
        caller, stay = what
        if caller.id != stay or caller.stage not in {WAITING, RINGING}:
            return
        if caller.stage == RINGING:
            self.switch.hang_up_ringing(caller)
        self.left(caller, "abandoned")
        self.tell(CallEnded(stay, by=EndedBy.CALLER))
        retry = self.scenario.queues[caller.queue].retry
        if retry is None or caller.retry_left <= 0:
            return
        caller.retry_left -= 1
        if retry.add_waits:
            caller.waited_before_ms += self.now - caller.entered_at
        self._outside += 1
        queue = self.scenario.queues[caller.queue]
        self.at(self.now + self.draws.one(retry.after, "retry delay", caller), self._come_again, caller)
        if not retry.same_patience:
            caller.patience_ms = self.draws.one(queue.patience, "patience again", caller)
        if not retry.same_talk:
            caller.talk_ms = self.draws.one(queue.talk, "talk again", caller)

    def ask_callback(self, what: tuple[Caller, int]) -> None:
        """Offer the caller a callback; whoever accepts keeps the place in line and hangs up."""
        caller, tries = what
        callback = self.scenario.queues[caller.queue].callback
        if caller.stage != WAITING or caller.tries != tries or callback is None:
            return
        if caller.callback_u >= callback.accept or caller.dials_ms:
            return
        self.tell(CallbackChosen(caller.id, Ani("")))
        self.left(caller, "callbacks")
        self.tell(CallEnded(caller.id, by=EndedBy.CALLER))
        self._outside += 1
        caller.dials_ms = max(1, self.draws.one(callback.dial, "callback dial", caller))
        caller.patience_ms = 365 * DAY_MS
        self.soon(self._call_back, caller)

    def _call_back(self, caller: Caller) -> None:
        self._outside -= 1
        caller.tries += 1
        caller.id = CallId(f"{caller.number}~{caller.tries}")
        since = caller.entered_at
        number = caller.queue
        caller.stage = WAITING
        self.live[caller.id] = caller
        self.waiting[number] += 1
        self.tell(CallEntered(caller.id, Did(""), Ani("")))
        queue_id, subscriber = self._queue_ids[number], self._subscribers[number]
        self.tell(CallQueued(caller.id, queue_id, subscriber, Did(""), Ani(""), since))

    def _clear_lines(self, _: None) -> None:
        for caller in list(self.live.values()):
            if caller.stage == WAITING:
                self.left(caller, "cleared")
                self.tell(CallEnded(caller.id, by=EndedBy.SYSTEM))

    def left(self, caller: Caller, outcome: str) -> None:
        """Take a caller out of the centre without a talk."""
        caller.stage = OUTSIDE
        self.waiting[caller.queue] -= 1
        self.live.pop(caller.id, None)
        self._count(caller, outcome, self.now - caller.entered_at)

    # --- talk -----------------------------------------------------------------------------------

    def end_talk(self, what: tuple[Caller, Person]) -> None:
        """Both hang up, or the caller is handed on; the agent writes it up."""
        caller, person = what
        self.waiting[caller.queue] -= 1
        self._count(caller, "served", caller.answered_at - caller.entered_at)
        wrap = caller.wrap_ms
        person.account(self.now)
        person.caller = None
        if wrap > 0 and person.on_duty:
            person.wrapping = True
            person.wrap_serial += 1
            self.at(self.now + wrap, self._wrap_up_done, (person, person.wrap_serial))
        else:
            self._leave_if_due(person)
        goes_on = self._transfer_of(caller)
        if goes_on is None:
            self.tell(TalkEnded(caller.id, person.id, caller.attempt, EndedBy.CALLER))
            self.live.pop(caller.id, None)
            caller.stage = GONE
            self.tell(CallEnded(caller.id, by=EndedBy.CALLER))
        else:
            self.tell(CallTransferred(caller.id, person.id, goes_on))
            self._hand_on(caller, goes_on)

    def _transfer_of(self, caller: Caller) -> str | None:
        chance = caller.transfer_u
        for transfer in self.scenario.queues[caller.queue].transfers:
            if chance < transfer.probability:
                return transfer.to
            chance -= transfer.probability
        return None

    def _hand_on(self, caller: Caller, to: str) -> None:
        """Wait in the next queue, with patience and talk of that queue, counted from now."""
        caller.queue = self._queue_numbers[to]
        queue = self.scenario.queues[caller.queue]
        caller.tries += 1
        caller.sheet = NO_SHEET
        caller.talk_ms = self.draws.one(queue.talk, "talk after transfer", caller)
        caller.wrap_ms = self.draws.one(queue.wrap_up, "wrap-up after transfer", caller)
        caller.patience_ms = self.draws.one(queue.patience, "patience after transfer", caller)
        caller.transfer_u = self.draws.chance("transfer", caller)
        caller.dials_ms = 0
        caller.entered_at = self.now
        self._stand(caller, queue)

    def _wrap_up_done(self, what: tuple[Person, int]) -> None:
        person, serial = what
        if person.wrapping and person.wrap_serial == serial:
            self._stop_wrapping(person)
            self._leave_if_due(person)
            if person.on_duty:
                self.tell(WrapUpDone(person.id))

    def _stop_wrapping(self, person: Person) -> None:
        person.account(self.now)
        person.wrapping = False

    def _wrap_up_closed(self, wish: CloseWrapUp) -> None:
        """The system ended the wrap-up: the time for the card is over."""
        person = self.people[wish.agent]
        if person.wrapping:
            self._stop_wrapping(person)
            if person.crew.excess > 0:
                self.soon(self._leave_if_due, person)

    def release(self, person: Person) -> None:
        """The phone stopped ringing: the agent is free, or leaves if that was due."""
        person.account(self.now)
        person.caller = None
        self._leave_if_due(person)

    # --- staff ----------------------------------------------------------------------------------

    def _leave_if_due(self, person: Person) -> None:
        if person.crew.excess > 0 and person.on_duty and not person.busy:
            person.crew.excess -= 1
            self._log_out(person)

    def _set_staff(self, what: tuple[Crew, int]) -> None:
        crew, target = what
        for person in crew.coming(target):
            self._log_in(person)
        for person in crew.leaving(target):
            self._log_out(person)

    def _log_in(self, person: Person) -> None:
        person.account(self.now)
        person.on_duty = True
        person.on_break = False
        self.tell(AgentLoggedIn(person.id))

    def _log_out(self, person: Person) -> None:
        person.account(self.now)
        person.on_duty = False
        if person.wrapping:
            person.wrapping = False
        self.tell(AgentLoggedOut(person.id))

    def _shift_event(self, what: tuple[Person, str, int]) -> None:
        person, kind, length = what
        if kind == "in":
            self._log_in(person)
        elif kind == "out":
            if person.on_duty:
                self._log_out(person)
        elif person.on_duty:
            self._go_away(person, "break", length)

    def _go_away(self, person: Person, reason: str, length: int) -> None:
        """Pause; the time away counts from the end of the call in hand."""
        person.account(self.now)
        person.on_break = True
        person.away_until = self.now + length
        self.tell(AgentPaused(person.id, reason))
        self.at(person.away_until, self._come_back, (person, length))

    def _come_back(self, what: tuple[Person, int]) -> None:
        person, length = what
        if not person.on_duty or not person.on_break or self.now < person.away_until:
            return
        if person.busy:
            person.away_until = self.now + length
            self.at(person.away_until, self._come_back, what)
            return
        person.account(self.now)
        person.on_break = False
        self.tell(AgentResumed(person.id))

    def _status_kept(self, wish: KeepAgentStatus) -> None:
        """The system paused somebody who did not answer: back at the desk after a while."""
        person = self.people[wish.agent]
        if wish.paused_reason == "RNA" and person.on_duty and not person.on_break:
            person.account(self.now)
            person.on_break = True
            length = person.crew.group.back_after_ms
            person.away_until = self.now + length
            self.at(person.away_until, self._come_back, (person, length))

    # --- counting -------------------------------------------------------------------------------

    def _count(self, caller: Caller, outcome: str, wait_here: int) -> None:
        """Count one finished stay. Calls that came during the warm-up do not count."""
        if caller.entered_at < self.scenario.warm_up_ms:
            return
        number = caller.queue
        tally = self._tallies[number][caller.period]
        wait = wait_here + caller.waited_before_ms
        tally.arrivals += 1
        if caller.tries == 0:
            tally.first_calls += 1
        elif "~" in caller.id:
            if caller.dials_ms:
                tally.called_back += 1
            else:
                tally.retries += 1
        else:
            tally.transferred_in += 1
        setattr(tally, outcome, getattr(tally, outcome) + 1)
        tally.wait_all_ms += wait
        if wait > 0:
            tally.waited += 1
        within = wait <= self._thresholds[number]
        if outcome == "served":
            self._count_served(tally, caller, wait, within=within)
        elif outcome == "abandoned":
            tally.within_target += within
            tally.abandoned_late += not within
            tally.abandoned_short += wait <= self.scenario.queues[number].short_abandon_ms
        if self._records is not None:
            self._record(caller, outcome, wait, in_target=outcome == "served" and within)

    def _count_served(self, tally: Tally, caller: Caller, wait: int, *, within: bool) -> None:
        number = caller.queue
        tally.wait_served_ms += wait
        tally.in_target += within
        tally.within_target += within
        tally.talk_ms += self.now - caller.answered_at
        tally.wrap_ms += caller.wrap_ms
        self._waits[number].append(wait)
        times = self.people[caller.agent].crew.times  # type: ignore[index]  # AgentId over text
        times.handled[number] = times.handled.get(number, 0) + 1
        times.wait_ms[number] = times.wait_ms.get(number, 0) + wait

    def _record(self, caller: Caller, outcome: str, wait: int, *, in_target: bool) -> None:
        if self._records is None:
            return
        served = outcome == "served"
        self._records.append(
            CallRecord(
                caller.id,
                caller.queue,
                caller.period,
                caller.entered_at,
                wait,
                outcome,
                caller.agent if served else "",
                self.now - caller.answered_at if served else 0,
                caller.wrap_ms if served else 0,
                in_target,
            )
        )
