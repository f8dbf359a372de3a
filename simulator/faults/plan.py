"""Which fault when, drawn by seed. Pure: the same seed gives the same plan on every machine."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """What may fail. The numbers are the rows of the table of failure modes."""

    KILL = "kill -9 of the daemon"
    DEAD = "daemon dead for long"
    STOP = "SIGSTOP of the daemon"
    AMI_CUT = "AMI cut"
    AMI_BLACK_HOLE = "AMI black hole"
    AMI_DROPS = "AMI frames dropped"
    AGI_OFF = "FastAGI off"
    AGI_MUTE = "FastAGI accepts and is silent"
    PBX_KILL = "kill -9 of Asterisk"
    RELOAD = "dialplan reload"
    BROKER = "broker down"
    TICKETS_500 = "webhook answers 500"
    TICKETS_LOSE = "webhook loses replies"
    DISK_FULL = "disk full"
    CLOCK = "clock jump"
    PHONES = "phones unregistered"
    TWINS = "two daemons"
    CANCELS = "callers cancel around the answer"


HOLD_S: dict[Kind, tuple[float, float]] = {
    Kind.KILL: (0.1, 1.5),
    Kind.DEAD: (13.0, 15.0),
    Kind.STOP: (0.5, 6.0),
    Kind.AMI_CUT: (0.0, 1.5),
    Kind.AMI_BLACK_HOLE: (2.0, 8.0),
    Kind.AMI_DROPS: (4.0, 8.0),
    Kind.AGI_OFF: (1.0, 9.0),
    Kind.AGI_MUTE: (1.0, 9.0),
    Kind.PBX_KILL: (0.2, 1.0),
    Kind.RELOAD: (0.0, 0.0),
    Kind.BROKER: (1.0, 6.0),
    Kind.TICKETS_500: (2.0, 6.0),
    Kind.TICKETS_LOSE: (2.0, 6.0),
    Kind.DISK_FULL: (3.0, 8.0),
    Kind.CLOCK: (3.0, 6.0),
    Kind.PHONES: (2.0, 6.0),
    Kind.TWINS: (3.0, 6.0),
    Kind.CANCELS: (0.0, 0.0),
}
"""How long each lasts, seconds from-to."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `at_s` counts from the first call; `size` in [0, 1) is for the kind to interpret."""

    kind: Kind
    at_s: float
    hold_s: float
    size: float


def draw(rng: random.Random, kind: Kind, at_s: float) -> Fault:
    """Draw duration and size of one fault."""
    return Fault(kind, at_s, rng.uniform(*HOLD_S[kind]), rng.random())


def kills(count: int, span_s: float, seed: int) -> list[Fault]:
    """`count` kills at uniform moments of the span, and in its middle a daemon that stays dead."""
    if not count:
        return []
    rng = random.Random(f"kills {seed}")
    moments = sorted(rng.uniform(0.5, max(1.0, span_s - 2.0)) for _ in range(count))
    plan = [draw(rng, Kind.KILL, at) for at in moments]
    return sorted([*plan, draw(rng, Kind.DEAD, span_s * rng.uniform(0.3, 0.6))], key=lambda fault: fault.at_s)


GAP_S = (2.0, 6.0)
"""Seconds of peace between two faults, from-to."""
DENSE_GAP_S = (0.5, 3.0)
DENSE_HOLD = 0.5


def dense_mix(kinds: Sequence[Kind], span_s: float, seed: int) -> list[Fault]:
    """Twice as many faults in the same time: shorter, closer together, most of them before the last one has healed.

    A daemon that stays dead keeps its length: it must be long enough for the fallback.
    """
    return mix(kinds, span_s, seed, DENSE_GAP_S, DENSE_HOLD)


def mix(
    kinds: Sequence[Kind],
    span_s: float,
    seed: int,
    gap_s: tuple[float, float] = GAP_S,
    hold: float = 1.0,
) -> list[Fault]:
    """Fill the span with faults one after another: every kind once in random order, then by lot.

    Between two faults lie `gap_s` seconds of peace, sometimes shorter than a recovery: faults may pile up.
    `hold` multiplies the length of every kind but DEAD.
    """
    rng = random.Random(f"mix {seed}")
    first = list(kinds)
    rng.shuffle(first)
    plan: list[Fault] = []
    at = rng.uniform(*gap_s)
    while at < span_s:
        kind = first.pop() if first else rng.choice(kinds)
        fault = draw(rng, kind, at)
        if kind is not Kind.DEAD:
            fault = replace(fault, hold_s=fault.hold_s * hold)
        plan.append(fault)
        at += fault.hold_s + rng.uniform(*gap_s)
    return plan
