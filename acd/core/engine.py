"""The engine: one fact in, wishes out. The only way into the core.

    engine = Engine(policy)
    wishes = engine.step(fact, now)       # never waits, never raises but for a broken invariant
    engine.next_deadline()                # when to tell it DeadlinePassed
    engine.snapshot(now)                  # immutable view

Every step ends in the one assignment pass; nothing else gives a call to an agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from acd.core import callback_events, events, invariants, transfer_facts
from acd.core.agents import AgentFacts
from acd.core.call import CallState
from acd.core.callbacks import CallbackFacts
from acd.core.calls import CallFacts
from acd.core.capacity import Room, room_for
from acd.core.card import told
from acd.core.cards import Cards
from acd.core.floor import Floor
from acd.core.ids import AgentId, CallId, QueueId
from acd.core.offers import Offers
from acd.core.rulebook import Rulebook
from acd.core.simple_matcher import SimpleMatcher
from acd.core.sync import Sync
from acd.core.views import call_view, take_snapshot, waiting_in, wrapping_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from acd.core.effects import Effect
    from acd.core.instant import Instant
    from acd.core.matcher import Matcher
    from acd.core.policy import Policy
    from acd.core.snapshot import CallView, Snapshot


class Engine:
    """The routing core. Not thread-safe: one driver calls it, one step at a time."""

    def __init__(self, policy: Policy, matcher: Matcher | None = None) -> None:
        """Start un-synced: nothing is offered before the first `WorldSynced`.

        Raises PolicyError when an id stands twice in the policy.
        """
        self._floor = Floor(policy, SimpleMatcher() if matcher is None else matcher)
        cards = Cards(self._floor)
        self._offers = Offers(self._floor, cards)
        self._calls = CallFacts(self._floor, self._offers, cards)
        self._callbacks = CallbackFacts(self._floor, cards)
        self._agents = AgentFacts(self._floor, self._offers)
        self._sync = Sync(self._floor, self._offers, self._calls)
        self._rulebook = Rulebook(self._floor, self._calls)
        self._rulebook.set_policy()
        self._cards = cards
        self._check: Instant | None = None
        self._handlers = self._dispatch_table()
        self._wakers: dict[str, Callable[[Any, Instant], None]] = {
            "offer": self._agents.offer_deadline,
            "wrap": self._agents.wrap_up_deadline,
            "rest": self._agents.rested,
            "max_wait": self._calls.waited_too_long,
            "skip": self._calls.may_be_offered_to_all,
            "look_again": self._sync.look_again,
            "move": self._calls.not_moved,
            "transfer": self._calls.transfers.overdue,
            "rule": self._rulebook.due,
            "rules": self._rulebook.look_due,
        }

    def _dispatch_table(self) -> dict[type, Callable[[Any, Instant], None]]:
        """Which method understands which fact. A fact without an entry is a programmer's error."""
        calls, agents, sync = self._calls, self._agents, self._sync
        transfers = calls.transfers
        callbacks = self._callbacks
        return {
            events.CallEntered: calls.entered,
            events.CallQueued: calls.queued,
            events.CallRefused: calls.refused,
            events.CallSelfServed: calls.self_served,
            events.OfferConfirmed: calls.offer_confirmed,
            events.AgentRinging: calls.offer_confirmed,
            events.CallAnswered: calls.answered,
            events.OfferEnded: calls.offer_ended,
            events.TalkEnded: calls.talk_ended,
            events.HoldStarted: transfers.hold_started,
            events.HoldEnded: transfers.hold_ended,
            transfer_facts.TransferAsked: transfers.asked,
            transfer_facts.ConsultStarted: transfers.consult_started,
            transfer_facts.ConsultAnswered: transfers.consult_answered,
            transfer_facts.ConsultEnded: transfers.consult_ended,
            events.CallTransferred: transfers.transferred,
            transfer_facts.TransferEnded: transfers.ended,
            events.CallLeftToFallback: calls.left_to_fallback,
            events.CallbackChosen: calls.callback_chosen,
            callback_events.CallbackBegun: callbacks.begun,
            callback_events.NumberCalled: callbacks.number_called,
            events.CallEnded: calls.ended,
            events.CardFilled: calls.card_filled,
            events.AgentLoggedIn: agents.logged_in,
            events.AgentLoggedOut: agents.logged_out,
            events.AgentPaused: agents.paused,
            events.AgentResumed: agents.resumed,
            events.WrapUpDone: agents.wrap_up_done,
            events.WrapUpExtended: agents.wrap_up_extended,
            events.OwnCallStarted: agents.own_call_started,
            events.OwnCallEnded: agents.own_call_ended,
            events.WorkTaken: agents.work_taken,
            events.WorkDone: agents.work_done,
            events.DeviceReachable: agents.reachable,
            events.DeviceUnreachable: agents.unreachable,
            events.PolicyChanged: self._policy_changed,
            events.QueueOpened: self._queue_opened,
            events.QueueClosed: self._queue_closed,
            events.ClockWindow: self._clock_window,
            events.DeadlinePassed: self._deadline_passed,
            events.IntervalStarted: self._interval_started,
            events.WishFailed: self._wish_failed,
            events.LinkLost: sync.link_lost,
            events.WorldSynced: sync.synced,
        }

    # --- the contract ---------------------------------------------------------------------------

    def step(self, fact: events.Fact, now: Instant) -> tuple[Effect, ...]:
        """Take one fact at `now` (milliseconds) and return the wishes that follow from it, in order.

        Raises InvariantBroken only; a peer's nonsense is counted in the snapshot's counters.
        """
        floor = self._floor
        if floor.out:
            floor.out = []
        self._handlers[type(fact)](fact, now)
        if floor.leaving:
            floor.drop_lines()
        if floor.synced and (floor.dirty or (self._check is not None and self._check <= now)):
            self._assign(now)
        if floor.rulebook is not None and floor.rulebook.pending and floor.synced:
            self._apply_rules(floor.rulebook, now)
        return tuple(floor.out)

    def _assign(self, now: Instant) -> None:
        matcher = self._floor.matcher
        self._floor.dirty = False
        for assignment in matcher.assign(now):
            self._offers.begin(assignment, now)
        check = matcher.next_check(now)
        self._check = check if check is None or check > now else now + 1

    def _apply_rules(self, rulebook: Rulebook, now: Instant) -> None:
        """Rules come after the agents: what an agent takes at once needs no rule. What they ease is tried."""
        floor = self._floor
        rulebook.look(now)
        if floor.dirty:
            self._assign(now)

    def next_deadline(self) -> Instant | None:
        """Return the earliest instant at which the core wants to be told `DeadlinePassed`, or None."""
        due = self._floor.deadlines.next()
        check = self._check if self._floor.synced else None
        if due is None or (check is not None and check < due):
            return check
        return due

    def snapshot(self, now: Instant) -> Snapshot:
        """Return an immutable view of the whole centre."""
        return take_snapshot(self._floor, now)

    def call_view(self, call: CallId, now: Instant) -> CallView | None:
        """Return the view of one live call without looking at the others; None if it is not live."""
        known = self._floor.calls.get(call)
        return None if known is None else call_view(self._floor, known, now)

    def wrapping_up(self, now: Instant) -> tuple[CallView, ...]:
        """Calls that a talk ended and whose card waits for the agent's wrap-up: nobody else knows of that talk yet."""
        return wrapping_up(self._floor, now)

    def waiting(self, queue: QueueId) -> int:
        """Return how many calls of this queue wait or are being offered; 0 for unknown queues."""
        return waiting_in(self._floor, queue)

    def explain(self, call: CallId, now: Instant) -> tuple[str, ...]:
        """Why this call is where it is: past decisions, then why it waits now; empty if unknown."""
        known = self._floor.find_call(call)
        if known is None:
            return ()
        if known.state is not CallState.WAITING:
            return told(known)
        waits = self._floor.matcher.explain(call, now)
        return (*told(known), *waits, *self._rulebook.explain(known, now))

    def room_for(self, agent: AgentId, channel: str) -> Room:
        """Whether this agent may be given one more piece of work of a channel (`calls`, `written`), and why.

        Raises ValueError for an unknown channel.
        """
        known = self._floor.agents.get(agent)
        if known is None:
            return Room(allowed=False, why="unknown agent")
        matcher = self._floor.matcher
        return room_for(known, channel, matcher.demand(agent), self._floor.policy.weights.blend)

    def knows(self, call: CallId) -> bool:
        """Whether this call is live, or ended so lately that its card may still change here."""
        return self._floor.find_call(call) is not None

    def is_live(self, call: CallId) -> bool:
        """Whether this call's channel is up, as far as we know."""
        return call in self._floor.calls

    def keeps_card(self, call: CallId) -> bool:
        """Whether the core writes this call's card, or wrote it; not if it heard only of the call's end."""
        known = self._floor.find_call(call)
        return known is not None and known.known

    def check(self, now: Instant) -> None:
        """Raise InvariantBroken if anything does not hold that must hold after every step.

        For tests and simulation; it looks at every call and agent.
        """
        invariants.check(self._floor, now)

    # --- facts about the centre -----------------------------------------------------------------

    def _deadline_passed(self, fact: events.DeadlinePassed, now: Instant) -> None:  # noqa: ARG002
        for kind, subject in self._floor.deadlines.pop_due(now):
            self._wakers[kind](subject, now)
        self._cards.forget_old(now)

    def _policy_changed(self, fact: events.PolicyChanged, now: Instant) -> None:
        self._floor.set_policy(fact.policy, now)
        self._rulebook.set_policy()

    def _queue_opened(self, fact: events.QueueOpened, now: Instant) -> None:  # noqa: ARG002
        self._floor.line(fact.queue).open = True
        self._rulebook.queue_changed(fact.queue)

    def _queue_closed(self, fact: events.QueueClosed, now: Instant) -> None:  # noqa: ARG002
        """No new calls come (the door asks); those waiting stay, by rule."""
        self._floor.line(fact.queue).open = False
        self._rulebook.queue_changed(fact.queue)

    def _clock_window(self, fact: events.ClockWindow, now: Instant) -> None:  # noqa: ARG002
        self._floor.windows[fact.window] = fact.inside
        self._rulebook.all_changed()

    def _interval_started(self, fact: events.IntervalStarted, now: Instant) -> None:  # noqa: ARG002
        self.start_interval(now)

    def start_interval(self, now: Instant) -> None:
        """Begin all tallies again from zero (what the fact IntervalStarted does)."""
        floor = self._floor
        for queue, line in floor.lines.items():
            line.tally.start_interval(floor.in_line(queue))
        for agent in floor.agents.values():
            agent.start_interval(now)

    def _wish_failed(self, fact: events.WishFailed, now: Instant) -> None:
        self._calls.wish_failed(fact.effect, fact.reason, now)
