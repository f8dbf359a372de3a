"""What must hold in every centre at every moment, looked at from outside the engine.

A `Checkers` object is a watcher of `simulator.world.World`. The engine's own invariants are asked for as
well. On by default in tests; in long runs `bin/simulate --check` switches it on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from acd.core.effects import OfferCall, WriteCallCard
from acd.core.events import CallEnded, EndReason
from acd.core.rules import Deed
from simulator.callers import WAITING
from simulator.scenario import can_serve

if TYPE_CHECKING:
    from acd.core.card import CallCard
    from acd.core.effects import Effect
    from acd.core.events import Fact
    from acd.core.ids import AgentId, CallId
    from simulator.world import World


class CheckFailedError(AssertionError):
    """Something that must hold does not; the message names the seed and the moment."""


_OUTCOMES = {
    "served": {EndReason.HANDLED, EndReason.TRANSFERRED},
    "abandoned": {EndReason.ABANDONED},
    "cleared": {EndReason.ABANDONED},
    "overflowed": {EndReason.FALLBACK, EndReason.OVERFLOWED},
    "callbacks": {EndReason.CALLBACK},
}


class Checkers:
    """Checks after every step, and once more at the end."""

    def __init__(self) -> None:
        self.cards: dict[CallId, CallCard] = {}
        self.ended: set[CallId] = set()
        self.offered: dict[tuple[CallId, int], AgentId] = {}
        self._serves: dict[tuple[int, int], bool] = {}
        self.steps = 0

    def __call__(self, world: World, fact: Fact, wishes: tuple[Effect, ...]) -> None:
        """Check one step."""
        self.steps += 1
        world.engine.check(world.now)
        if isinstance(fact, CallEnded):
            self.ended.add(fact.call)
        for wish in wishes:
            if isinstance(wish, OfferCall):
                self._offer(world, wish)
            elif isinstance(wish, WriteCallCard):
                self.cards[wish.card.call] = wish.card
        self._nobody_idle(world)
        if world.switch.strays:
            self._fail(world, "the router found a leg without a caller")

    def _fail(self, world: World, what: str) -> None:
        place = f"{world.scenario.name}, policy {world.policy_name}, seed {world.seed}, at {world.now} ms"
        raise CheckFailedError(f"{place}: {what}")

    def _may(self, world: World, group: int, queue: int) -> bool:
        key = (group, queue)
        if key not in self._serves:
            self._serves[key] = can_serve(world.scenario.groups[group], world.scenario.queues[queue])
        return self._serves[key]

    def _may_by_rule(self, world: World, group: int, queue: int) -> bool:
        """Whether the group's agents may take the queue's calls once every rule has eased what it eases."""
        line = world.scenario.queues[queue]
        needs = dict(line.needs)
        for rule in line.rules:
            for action in rule.actions:
                if action.deed in {Deed.DROP_SKILL, Deed.LOWER_SKILL} and action.name in needs:
                    needs[action.name] = min(needs[action.name], int(action.number))
        return can_serve(world.scenario.groups[group], replace(line, needs=tuple(needs.items())))

    def _offer(self, world: World, wish: OfferCall) -> None:
        caller = world.live.get(wish.call)
        person = world.people[wish.agent]
        if caller is None:
            self._fail(world, f"{wish.agent} is offered {wish.call}, who is gone")
            return
        if not self._may_by_rule(world, person.crew.index, caller.queue):
            self._fail(world, f"{wish.agent} is offered {wish.call} without the skill")
        if person.caller is not caller:
            self._fail(world, f"{wish.agent} is offered {wish.call} while busy with another call")
        if person.away:
            self._fail(world, f"{wish.agent} is offered {wish.call} while away")
        if (wish.call, wish.attempt) in self.offered:
            self._fail(world, f"attempt {wish.attempt} of {wish.call} was offered twice")
        self.offered[wish.call, wish.attempt] = wish.agent

    def _nobody_idle(self, world: World) -> None:
        """No ready agent beside a waiting call he may take, unless the policy names when it looks again."""
        if not any(world.crowd.waiting) or world.matcher.next_check(world.now) is not None:
            return
        queues = world.scenario.queues
        stricter = {
            number
            for number, queue in enumerate(queues)
            if any(action.deed == Deed.ADD_SKILL for rule in queue.rules for action in rule.actions)
        }
        waiting = [
            caller
            for caller in world.live.values()
            if caller.stage == WAITING and caller.queue not in stricter
        ]
        if not waiting:
            return
        for person in world.people.values():
            if person.away or person.busy or person.crew.group.reserve:
                continue  # when a reserve is opened is the policy's affair
            for caller in waiting:
                if not self._may(world, person.crew.index, caller.queue) or self._skipped(
                    caller.id, person.id
                ):
                    continue
                self._fail(world, f"{person.id} is idle and {caller.id} waits")

    def _skipped(self, call: CallId, agent: AgentId) -> bool:
        """Whether this agent already let this call ring; the engine tries others first for a while."""
        attempt = 1
        while (call, attempt) in self.offered:
            if self.offered[call, attempt] == agent:
                return True
            attempt += 1
        return False

    def finish(self, world: World) -> None:
        """Check what must hold once everybody is gone.

        Raises:
            CheckFailedError: a call unaccounted for, a card missing or in contradiction with what happened.
        """
        result = world.result
        if result is None:
            self._fail(world, "the run is not over")
            return
        for queue, row in zip(world.scenario.queues, result.tallies, strict=True):
            for tally in row:
                if tally.accounted != tally.arrivals:
                    self._fail(world, f"{queue.name}: {tally.arrivals} came, {tally.accounted} accounted for")
        missing = self.ended - self.cards.keys()
        if missing:
            self._fail(world, f"{len(missing)} ended calls without a card, such as {min(missing)}")
        if result.counters:
            self._fail(world, f"the engine counted anomalies: {result.counters}")
        last = {
            record.call: record for record in result.calls
        }  # a transferred call has several stays, one card
        talked = {record.call for record in result.calls if record.outcome == "served"}
        for record in last.values():
            card = self.cards.get(record.call)  # type: ignore[call-overload]  # CallId over text
            if card is None or record.outcome == "blocked":
                continue
            handled = card.end_reason is EndReason.HANDLED and record.call in talked
            if card.end_reason not in _OUTCOMES[record.outcome] and not handled:
                self._fail(
                    world, f"{record.call} was {record.outcome}, its card says {card.end_reason.value}"
                )
