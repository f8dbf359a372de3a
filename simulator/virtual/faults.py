"""What goes wrong, when and for how long: a plan drawn from the seed, and the hands that carry it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.virtual.world import World


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the plan. Times in seconds from the start."""

    at_s: float
    kind: str
    for_s: float
    strength: float


KINDS: dict[str, tuple[float, float, float]] = {
    # kind: (weight, shortest, longest duration in seconds)
    "daemon_kill": (3.0, 0.1, 4.0),
    "daemon_dead_long": (0.4, 9.0, 14.0),
    "daemon_freeze": (1.5, 0.2, 6.0),
    "ami_cut": (2.0, 0.0, 0.0),
    "ami_black_hole": (1.0, 0.5, 8.0),
    "ami_refuse": (0.7, 0.5, 5.0),
    "events_dropped": (2.0, 0.5, 10.0),
    "events_doubled": (1.0, 0.5, 10.0),
    "events_late": (2.0, 0.5, 10.0),
    "actions_late": (1.0, 0.5, 8.0),
    "redirects_lost": (1.0, 0.5, 8.0),
    "redirects_late": (1.0, 0.5, 8.0),
    "redirects_refused": (1.0, 0.5, 8.0),
    "redirects_doubled": (1.0, 0.5, 8.0),
    "agi_dies": (0.7, 0.5, 6.0),
    "asterisk_kill": (0.7, 0.3, 3.0),
    "phone_gone": (1.0, 0.5, 8.0),
    "leg_dies": (1.0, 0.0, 0.0),
    "store_refuses": (0.7, 0.2, 5.0),
    "store_slow": (0.7, 0.2, 5.0),
    "journal_slow": (0.7, 0.2, 5.0),
    "second_daemon": (0.4, 2.0, 15.0),
}


def draw_plan(chance: Random, until_s: float) -> tuple[Fault, ...]:
    """Draw a plan: few or many faults, of few or many kinds. Everything ends before `until_s`."""
    some = chance.sample(sorted(KINDS), chance.randint(1, len(KINDS)))
    weights = [KINDS[kind][0] for kind in some]
    plan = []
    for _ in range(chance.choice((1, 2, 4, 8, 14))):
        kind = chance.choices(some, weights)[0]
        _, shortest, longest = KINDS[kind]
        at = chance.uniform(1.0, until_s - 1.0)
        lasts = min(chance.uniform(shortest, longest), until_s - at)
        plan.append(Fault(at, kind, lasts, chance.random()))
    return tuple(sorted(plan, key=lambda fault: (fault.at_s, fault.kind)))


class Hands:
    """Begin and end each fault."""

    def __init__(self, world: World, chance: Random) -> None:
        self.world, self._chance = world, chance
        self._table: dict[str, Callable[[Fault], Callable[[], None] | None]] = {
            "daemon_kill": self._daemon_kill,
            "daemon_dead_long": self._daemon_kill,
            "daemon_freeze": self._daemon_freeze,
            "ami_cut": self._ami_cut,
            "ami_black_hole": lambda f: self._weather("black_hole", bad=True, good=False),  # noqa: ARG005
            "ami_refuse": self._ami_refuse,
            "events_dropped": lambda f: self._weather("drop", bad=f.strength * 0.6, good=0.0),
            "events_doubled": lambda f: self._weather("double", bad=f.strength, good=0.0),
            "events_late": self._events_late,
            "actions_late": self._actions_late,
            "redirects_lost": lambda f: self._odds("lost", f.strength),
            "redirects_late": lambda f: self._odds("late", f.strength),
            "redirects_refused": lambda f: self._odds("refused", f.strength),
            "redirects_doubled": lambda f: self._odds("doubled", f.strength),
            "agi_dies": lambda f: self._odds("agi_dies", f.strength),
            "asterisk_kill": self._asterisk_kill,
            "phone_gone": self._phone_gone,
            "leg_dies": self._leg_dies,
            "store_refuses": self._store_refuses,
            "store_slow": self._store_slow,
            "journal_slow": self._journal_slow,
            "second_daemon": self._second_daemon,
        }

    def begin(self, fault: Fault) -> None:
        """Do it, and plan its end."""
        self.world.count(f"fault_{fault.kind}")
        self.world.say(f"fault {fault.kind} for {fault.for_s:.2f} s, strength {fault.strength:.2f}")
        undo = self._table[fault.kind](fault)
        if undo is not None:
            self.world.later(fault.for_s, undo)

    def _weather(self, name: str, *, bad: object, good: object) -> Callable[[], None]:
        setattr(self.world.weather, name, bad)
        return lambda: setattr(self.world.weather, name, good)

    def _odds(self, name: str, strength: float) -> Callable[[], None]:
        setattr(self.world.odds, name, strength * 0.8)
        return lambda: setattr(self.world.odds, name, 0.0)

    def _events_late(self, fault: Fault) -> Callable[[], None]:
        weather = self.world.weather
        weather.delay, weather.delay_most_s = fault.strength, 0.05 + 3.0 * fault.strength**3
        return lambda: setattr(weather, "delay", 0.0)

    def _actions_late(self, fault: Fault) -> Callable[[], None]:
        weather = self.world.weather
        weather.action_delay, weather.action_delay_most_s = fault.strength, 0.05 + 3.0 * fault.strength**2
        return lambda: setattr(weather, "action_delay", 0.0)

    def _ami_refuse(self, fault: Fault) -> Callable[[], None]:
        self._ami_cut(fault)
        return self._weather("refuse", bad=True, good=False)

    def _ami_cut(self, fault: Fault) -> None:  # noqa: ARG002
        switch = self.world.switch
        if switch is not None:
            for session in list(switch.sessions):
                session.wire.cut()

    def _daemon_kill(self, fault: Fault) -> None:
        self.world.kill_daemon()
        self.world.later(fault.for_s, self.world.start_daemon)

    def _daemon_freeze(self, fault: Fault) -> Callable[[], None] | None:  # noqa: ARG002
        daemon = self.world.daemon
        if daemon is None or not daemon.process.alive:
            return None
        daemon.process.freeze()
        return daemon.process.thaw

    def _asterisk_kill(self, fault: Fault) -> None:
        self.world.kill_switch()
        self.world.later(fault.for_s, self.world.start_switch)

    def _phone_gone(self, fault: Fault) -> Callable[[], None]:  # noqa: ARG002
        phone = self.world.phones[self._chance.choice(sorted(self.world.phones))]
        self.world.register(phone, there=False)
        return lambda: self.world.register(phone, there=True)

    def _leg_dies(self, fault: Fault) -> None:  # noqa: ARG002
        switch = self.world.switch
        walks = [walk for walk in switch.walks.values() if walk.leg is not None] if switch else []
        if walks:
            self._chance.choice(walks).leg_event("dead")

    def _store_refuses(self, fault: Fault) -> Callable[[], None]:  # noqa: ARG002
        self.world.disk.refuses = True
        return lambda: setattr(self.world.disk, "refuses", False)

    def _store_slow(self, fault: Fault) -> Callable[[], None]:
        self.world.disk.slow_s = fault.strength
        return lambda: setattr(self.world.disk, "slow_s", 0.0)

    def _journal_slow(self, fault: Fault) -> Callable[[], None]:  # noqa: ARG002
        self.world.journal.slow = True
        return lambda: setattr(self.world.journal, "slow", False)

    def _second_daemon(self, fault: Fault) -> Callable[[], None]:  # noqa: ARG002
        return self.world.start_rival()
