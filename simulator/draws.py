"""Random choices made in the course of a run, each from a stream named after whom it concerns.

So a choice depends on the seed, the caller and the attempt, and on nothing that a policy decides
before it. First attempts use what the caller carries since arrival; only later ones need a stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.events import OfferOutcome
from simulator.distributions import Fixed

if TYPE_CHECKING:
    from simulator.agents import Person
    from simulator.callers import Caller
    from simulator.distributions import Distribution
    from simulator.scenario import Scenario
    from simulator.streams import Streams


def speeds_of(scenario: Scenario) -> dict[str, list[float]]:
    """Return the factor on the talk, by group and number of the queue."""
    levels = dict(scenario.level_talk_factor)
    found: dict[str, list[float]] = {}
    for group in scenario.groups:
        held = dict(group.skills)
        speeds = found[group.name] = []
        for queue in scenario.queues:
            level = min((held.get(skill, 0) for skill, _ in queue.needs), default=0)
            speeds.append(group.talk_factor * levels.get(level, 1.0))
    return found


class Draws:
    """Ring delays, refusals, talk times by agent, retries."""

    __slots__ = ("_speeds", "_streams")

    def __init__(self, scenario: Scenario, streams: Streams) -> None:
        self._streams = streams
        self._speeds = speeds_of(scenario)

    def ring(self, caller: Caller, person: Person, attempt: int) -> tuple[int, OfferOutcome | None]:
        """Return how long the phone rings, and why it is not answered (None: it is)."""
        group, plain = person.crew.group, person.crew.plain_ms
        if plain is not None:
            return plain, None
        sheet = caller.sheet
        if attempt == 1 and not caller.tries and group.name in sheet.rings:
            chance, ring = sheet.chances[caller.row], sheet.rings[group.name][caller.row]
        else:
            rng = self._streams.vector("ring", caller.id, attempt)
            chance, ring = rng.random(), round(float(group.ring.draw(rng, 1)[0]))
        if chance < group.no_answer:
            return ring, OfferOutcome.NO_ANSWER
        return ring, OfferOutcome.REFUSED if chance < group.no_answer + group.refuse else None

    def talk(self, caller: Caller, person: Person) -> int:
        """Return how long these two talk, the time to reach a called-back caller included."""
        group = person.crew.group.name
        talk = caller.talk_ms
        if caller.sheet.talks and group in caller.sheet.talks:
            talk = caller.sheet.talks[group][caller.row]
        speed = self._speeds[group][caller.queue]
        return caller.dials_ms + (talk if speed == 1.0 else round(talk * speed))

    def one(self, distribution: Distribution, purpose: str, caller: Caller) -> int:
        """Return a duration for one caller and attempt."""
        if isinstance(distribution, Fixed):
            return round(distribution.mean_ms)
        rng = self._streams.vector(purpose, caller.number, caller.tries)
        return round(float(distribution.draw(rng, 1)[0]))

    def chance(self, purpose: str, caller: Caller) -> float:
        """Return a uniform number for one caller and attempt."""
        return self._streams.single(purpose, caller.number, caller.tries).random()
