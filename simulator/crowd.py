"""The callers' side of the world: they come, wait, give up, come again, are called back or handed on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from acd.core.events import (
    CallbackChosen,
    CallEnded,
    CallEntered,
    CallQueued,
    CallRefused,
    CallTransferred,
    EndedBy,
    QueuedWhy,
    TalkEnded,
)
from acd.core.ids import Ani, CallId, Did, QueueId, SubscriberId
from simulator.arrivals import day_factor
from simulator.callers import GONE, LEAVING, NO_SHEET, OUTSIDE, RINGING, TALKING, WAITING, Caller, draw_day
from simulator.scenario import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.agents import Person
    from simulator.scenario import Callback, Queue, Scenario
    from simulator.world import World

NO_DID = Did("")
NO_ANI = Ani("")
CALLER = EndedBy.CALLER


class Crowd:
    """Everybody who calls."""

    __slots__ = (
        "_arrivals",
        "_callers_of",
        "_days_left",
        "_numbers",
        "_outside",
        "_queue_ids",
        "_scenario",
        "_subscribers",
        "_world",
        "_wraps_up",
        "day_factors",
        "live",
        "waiting",
    )

    def __init__(
        self, world: World, scenario: Scenario, callers: Callable[[int], list[Caller]] | None = None
    ) -> None:
        self._world = world
        self._scenario = scenario
        self._callers_of = callers or (lambda day: draw_day(scenario, world.streams, day))
        self.live: dict[CallId, Caller] = {}
        """On the line now."""
        self.waiting = [0] * len(scenario.queues)
        """Waiting or ringing, by queue."""
        self.day_factors: list[float] = []
        self._outside = 0
        """Will come again: the run is not over."""
        self._arrivals: deque[Caller] = deque()
        self._days_left = scenario.days
        self._subscribers = [SubscriberId(queue.subscriber) for queue in scenario.queues]
        self._queue_ids = [QueueId(queue.name) for queue in scenario.queues]
        self._wraps_up = [queue.wrap_up.mean_ms > 0 for queue in scenario.queues]
        self._numbers = {queue.name: number for number, queue in enumerate(scenario.queues)}

    @property
    def over(self) -> bool:
        """Whether nobody is here and nobody will come."""
        return not (self.live or self._outside or self._arrivals or self._days_left)

    def start_day(self, day: int) -> None:
        """Midnight: the day's callers are known, to the world alone."""
        self._days_left -= 1
        self.day_factors.append(day_factor(self._scenario, self._world.streams, day))
        late = bool(self._arrivals)
        self._arrivals.extend(self._callers_of(day))
        if late:
            self._arrivals = deque(sorted(self._arrivals, key=lambda c: (c.first_at, c.number)))
        elif self._arrivals:
            self._world.at(self._arrivals[0].first_at, self._arrive, None)

    def _arrive(self, _: None) -> None:
        caller = self._arrivals.popleft()
        if self._arrivals:
            self._world.at(self._arrivals[0].first_at, self._arrive, None)
        self._come(caller)

    def _come_again(self, caller: Caller) -> None:
        self._outside -= 1
        caller.tries += 1
        caller.id = CallId(f"{caller.number}~{caller.tries}")
        self._come(caller)

    def _come(self, caller: Caller) -> None:
        scenario = self._scenario
        caller.entered_at = self._world.now
        if scenario.lines is not None and len(self.live) >= scenario.lines:
            caller.stage = GONE
            self._world.ledger.count(caller, "blocked", 0)
            return
        self._world.tell(CallEntered(caller.id, NO_DID, NO_ANI))
        queue = scenario.queues[caller.queue]
        closed = scenario.closing is not None and scenario.closing.turned_away(self._world.now)
        if closed or self.waiting[caller.queue] >= queue.max_waiting:
            self._world.tell(CallRefused(caller.id, "closed" if closed else "full"))
            self._world.tell(CallEnded(caller.id, by=EndedBy.SYSTEM))
            self._world.ledger.count(caller, "blocked", 0)
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
        self._world.tell(CallQueued(caller.id, queue_id, subscriber, NO_DID, NO_ANI, self._world.now))
        if caller.stage != RINGING or not self._world.switch.is_answered_now(caller):
            self._world.at(self._world.now + caller.patience_ms, self._give_up, (caller, caller.tries))
        if queue.callback is not None and not caller.dials_ms:
            self._world.at(
                self._world.now + queue.callback.after_ms, self.ask_callback, (caller, caller.tries)
            )

    def _give_up(self, what: tuple[Caller, int]) -> None:
        caller, tries = what
        if caller.tries != tries or caller.stage not in (WAITING, RINGING):
            return
        if caller.stage == RINGING:
            self._world.switch.hang_up_ringing(caller)
        self.left(caller, "abandoned")
        self._world.tell(CallEnded(caller.id, by=CALLER))
        retry = self._scenario.queues[caller.queue].retry
        if retry is None or caller.retry_left <= 0:
            return
        caller.retry_left -= 1
        if retry.add_waits:
            caller.waited_before_ms += self._world.now - caller.entered_at
        self._outside += 1
        queue = self._scenario.queues[caller.queue]
        self._world.at(
            self._world.now + self._world.draws.one(retry.after, "retry delay", caller),
            self._come_again,
            caller,
        )
        if not retry.same_patience:
            caller.patience_ms = self._world.draws.one(queue.patience, "patience again", caller)
        if not retry.same_talk:
            caller.talk_ms = self._world.draws.one(queue.talk, "talk again", caller)

    def ask_callback(self, what: tuple[Caller, int]) -> None:
        """Offer the caller a callback; whoever accepts keeps the place in line and hangs up."""
        caller, tries = what
        callback = self._scenario.queues[caller.queue].callback
        if caller.stage != WAITING or caller.tries != tries or callback is None:
            return
        if caller.callback_u >= callback.accept or caller.dials_ms:
            return
        self.choose_callback(caller, callback)

    def choose_callback(self, caller: Caller, callback: Callback) -> None:
        """The caller hangs up and keeps the place in line."""
        self.left(caller, "callbacks")
        self._world.tell(CallbackChosen(caller.id, NO_ANI))
        self._world.tell(CallEnded(caller.id, by=CALLER))
        self._outside += 1
        caller.dials_ms = max(1, self._world.draws.one(callback.dial, "callback dial", caller))
        caller.patience_ms = 365 * DAY_MS
        self._world.soon(self._call_back, caller)

    def _call_back(self, caller: Caller) -> None:
        self._outside -= 1
        caller.tries += 1
        caller.id = CallId(f"{caller.number}~{caller.tries}")
        since = caller.entered_at
        number = caller.queue
        caller.stage = WAITING
        self.live[caller.id] = caller
        self.waiting[number] += 1
        # no CallEntered: a call that we make ourselves does not come through the door
        queue_id, subscriber = self._queue_ids[number], self._subscribers[number]
        self._world.tell(CallQueued(caller.id, queue_id, subscriber, NO_DID, NO_ANI, since))

    def move(self, what: tuple[Caller, int, QueueId]) -> None:
        """A rule moved the caller to another queue; patience and place stay what they are."""
        caller, tries, to = what
        if caller.stage != LEAVING or caller.tries != tries:
            return
        caller.stage = WAITING
        self.waiting[caller.queue] -= 1
        self._world.ledger.count(caller, "overflowed", self._world.now - caller.entered_at)
        caller.queue = number = self._numbers[to]
        self.waiting[number] += 1
        self._world.tell(
            CallQueued(
                caller.id,
                self._queue_ids[number],
                self._subscribers[number],
                NO_DID,
                NO_ANI,
                caller.entered_at,
                QueuedWhy.RETURNED,
            )
        )

    def clear_lines(self, _: None) -> None:
        """Closing time of a centre that disconnects those still waiting."""
        for caller in list(self.live.values()):
            if caller.stage == WAITING:
                self.left(caller, "cleared")
                self._world.tell(CallEnded(caller.id, by=EndedBy.SYSTEM))

    def answered(self, caller: Caller) -> None:
        """Somebody took the call."""
        caller.stage = TALKING
        caller.answered_at = self._world.now
        self.waiting[caller.queue] -= 1

    def left(self, caller: Caller, outcome: str) -> None:
        """Take a caller out of the centre without a talk."""
        caller.stage = OUTSIDE
        self.waiting[caller.queue] -= 1
        self.live.pop(caller.id, None)
        self._world.ledger.count(caller, outcome, self._world.now - caller.entered_at)

    def end_talk(self, what: tuple[Caller, Person]) -> None:
        """Both hang up, or the caller is handed on; the agent writes it up."""
        caller, person = what
        self._world.ledger.count(caller, "served", caller.answered_at - caller.entered_at)
        # a queue has wrap-up or it has none: the engine waits for its end, be it after a millisecond
        wrap = max(1, caller.wrap_ms) if self._wraps_up[caller.queue] else 0
        self._world.staffing.finish_call(person, wrap)
        goes_on = self.goes_on_to(caller)
        if goes_on is None:
            self._world.tell(TalkEnded(caller.id, person.id, caller.attempt, CALLER))
            if caller.id in self.live:
                del self.live[caller.id]
            caller.stage = GONE
            self._world.tell(CallEnded(caller.id, by=CALLER))
        else:
            self._world.tell(CallTransferred(caller.id, person.id, goes_on))
            self._hand_on(caller, goes_on)

    def goes_on_to(self, caller: Caller) -> str | None:
        """Return the queue to which a caller in talk will be handed on, by his own draw; None: the talk is the end."""
        chance = caller.transfer_u
        for transfer in self._scenario.queues[caller.queue].transfers:
            if chance < transfer.probability:
                return transfer.to
            chance -= transfer.probability
        return None

    def _hand_on(self, caller: Caller, to: str) -> None:
        """Wait in the next queue, with patience and talk of that queue, counted from now."""
        caller.queue = self._numbers[to]
        queue = self._scenario.queues[caller.queue]
        caller.tries += 1
        caller.sheet = NO_SHEET
        caller.talk_ms = self._world.draws.one(queue.talk, "talk after transfer", caller)
        caller.wrap_ms = self._world.draws.one(queue.wrap_up, "wrap-up after transfer", caller)
        caller.patience_ms = self._world.draws.one(queue.patience, "patience after transfer", caller)
        caller.transfer_u = self._world.draws.chance("transfer", caller)
        caller.dials_ms = 0
        caller.entered_at = self._world.now
        self._stand(caller, queue)
