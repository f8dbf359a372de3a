"""The simulated switch: rings phones, joins callers and agents, and reports what happened as facts.

It carries out the wishes that the daemon's switch adapter would send to Asterisk (`acd.ports.Switch`) in
virtual time. Its notes come in the order of the dialplan's: dialling, ringing, answered, over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.events import (
    AgentRinging,
    CallAnswered,
    CallEnded,
    CallLeftToFallback,
    EndedBy,
    OfferConfirmed,
    OfferEnded,
    OfferOutcome,
)
from acd.core.ids import AgentId
from simulator.callers import LEAVING, OUTSIDE, RINGING, WAITING

if TYPE_CHECKING:
    from acd.core.effects import (
        Announce,
        HangUpStrayLeg,
        MoveToQueue,
        OfferCall,
        OfferCallback,
        SendToFallback,
    )
    from simulator.agents import Person
    from simulator.callers import Caller
    from simulator.world import World


class SimulatedSwitch:
    """Wishes in, facts out."""

    __slots__ = ("_world", "announced", "strays")

    def __init__(self, world: World) -> None:
        self._world = world
        self.announced: dict[str, int] = {}
        """How often each sound was played by rule."""
        self.strays = 0
        """Legs the router wanted hung up: none in a sound world."""

    # --- wishes ---------------------------------------------------------------------------------

    def offer(self, wish: OfferCall) -> None:
        """Ring the agent. The caller may be gone by now: then the dialplan never dials."""
        world = self._world
        caller = world.live.get(wish.call)
        if caller is None or caller.stage != WAITING:
            return
        person = world.people[wish.agent]
        person.account(world.now)
        if person.caller is not None:
            world.soon(self._end_offer, (caller, wish.agent, wish.attempt, OfferOutcome.DOUBLE_BOOKED))
            return
        caller.stage = RINGING
        caller.agent = wish.agent
        caller.attempt = wish.attempt
        caller.offered_at = world.now
        person.caller = caller
        person.crew.times.offers += 1
        world.soon(self._dial, (caller, person, wish.attempt, wish.ring_timeout_ms))

    def _dial(self, what: tuple[Caller, Person, int, int]) -> None:
        caller, person, attempt, timeout = what
        world = self._world
        world.tell(OfferConfirmed(caller.id, person.id, attempt))
        ring, outcome = world.draws.ring(caller, person, attempt)
        if ring <= 0 and outcome is None:
            self._answer((caller, person, attempt))
            return
        world.tell(AgentRinging(caller.id, person.id, attempt))
        if outcome is None and ring <= timeout:
            world.at(world.now + ring, self._answer, (caller, person, attempt))
            return
        end = OfferOutcome.NO_ANSWER if outcome is None else outcome
        after = timeout if end is OfferOutcome.NO_ANSWER else min(ring, timeout)
        world.at(world.now + after, self._end_offer, (caller, person.id, attempt, end))

    def is_answered_now(self, caller: Caller) -> bool:
        """Whether the phone that rings for this caller is lifted at this very instant: patience is no matter."""
        return self._world.people[caller.agent].crew.plain_ms == 0

    def send_to_fallback(self, wish: SendToFallback) -> None:
        """The dialplan takes the caller: a message is left and the line is free again."""
        caller = self._world.live.get(wish.call)
        if caller is not None and caller.stage == WAITING:
            caller.stage = LEAVING
            self._world.soon(self._fall_back, (caller, wish.reason))

    def _fall_back(self, what: tuple[Caller, str]) -> None:
        caller, reason = what
        self._world.tell(CallLeftToFallback(caller.id, reason))
        self._world.crowd.left(caller, "overflowed")
        self._world.tell(CallEnded(caller.id, by=EndedBy.CALLER))

    def move_to_queue(self, wish: MoveToQueue) -> None:
        """A rule moves a waiting caller: he waits on in the other queue."""
        caller = self._world.live.get(wish.call)
        if caller is not None and caller.stage == WAITING:
            caller.stage = LEAVING
            self._world.soon(self._world.crowd.move, (caller, caller.tries, wish.queue))

    def announce(self, wish: Announce) -> None:
        """Virtual callers hear nothing that would change their minds; it is counted."""
        self.announced[wish.sound] = self.announced.get(wish.sound, 0) + 1

    def offer_callback(self, wish: OfferCallback) -> None:
        """Ask the caller now, if this queue has callbacks."""
        caller = self._world.live.get(wish.call)
        if caller is not None:
            self._world.soon(self._world.crowd.ask_callback, (caller, caller.tries))

    def hang_up_stray_leg(self, wish: HangUpStrayLeg) -> None:  # noqa: ARG002 - as the port says
        """Count it: in this world no leg is ever without a caller."""
        self.strays += 1

    # --- what happens on the phones -------------------------------------------------------------

    def _answer(self, what: tuple[Caller, Person, int]) -> None:
        caller, person, attempt = what
        if caller.stage != RINGING or caller.attempt != attempt or person.caller is not caller:
            return
        world = self._world
        world.crowd.answered(caller)
        world.tell(CallAnswered(caller.id, person.id, attempt))
        world.at(world.now + world.draws.talk(caller, person), world.crowd.end_talk, (caller, person))

    def _end_offer(self, what: tuple[Caller, AgentId, int, OfferOutcome]) -> None:
        caller, agent, attempt, outcome = what
        if outcome is OfferOutcome.DOUBLE_BOOKED:
            self._world.tell(OfferEnded(caller.id, agent, attempt, outcome))
            return
        if caller.stage != RINGING or caller.attempt != attempt:
            return
        world = self._world
        person = world.people[agent]
        person.crew.times.unanswered += 1
        world.staffing.release(person)
        caller.stage = WAITING
        world.tell(OfferEnded(caller.id, agent, attempt, outcome))

    def phone_gone(self, person: Person) -> None:
        """The phone that rings for a caller is gone: the caller waits on, at the old place."""
        caller = person.caller
        if caller is not None and caller.stage == RINGING:
            self._end_offer((caller, person.id, caller.attempt, OfferOutcome.UNREACHABLE))

    def hang_up_ringing(self, caller: Caller) -> None:
        """The caller gave up while the phone rang."""
        world = self._world
        person = world.people[caller.agent]
        caller.stage = OUTSIDE
        world.staffing.release(person)
        world.tell(OfferEnded(caller.id, person.id, caller.attempt, OfferOutcome.CALLER_GONE))
