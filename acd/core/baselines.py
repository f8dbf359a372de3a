"""The rules others use, for comparison on the same calls and as a choice in configuration.

Each rule is two keys, smaller is better: which waiting call, which ready agent. They never hold a
call back. The strategies of app_queue order agents by penalty first (penalty = 5 - level), as
Asterisk's own metric does, and serve calls by the queue's weight, then by age.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from acd.core.ids import AgentId
    from acd.core.instant import Instant
    from acd.core.matcher import Waiting
    from acd.core.skills import Line

Key: TypeAlias = tuple[float, ...]

_PENALTY = 1_000_000.0


def _hash(serial: int, salt: int) -> int:
    """Return 31 well-mixed bits: a fair lot that is the same on every run."""
    x = (serial * 0x9E3779B1 + salt * 0x85EBCA6B + 0xC2B2AE35) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x2C1B3C6D) & 0xFFFFFFFF
    x = ((x ^ (x >> 12)) * 0x297A2D39) & 0xFFFFFFFF
    return (x ^ (x >> 15)) >> 1


class History:
    """What the rules remember about agents: place in configuration, calls taken, last turn."""

    def __init__(self) -> None:
        self.place: dict[AgentId, int] = {}
        self.taken: dict[AgentId, int] = {}
        self.turn: dict[str, int] = {}
        self.serial = 0

    def set_agents(self, agents: tuple[AgentId, ...]) -> None:
        """Take the order of configuration; counts of agents that stay are kept."""
        self.place = {agent: i for i, agent in enumerate(agents)}
        self.taken = {agent: self.taken.get(agent, 0) for agent in agents}

    def record(self, agent: AgentId, queue: str) -> None:
        """Note one assignment."""
        self.serial += 1
        self.taken[agent] = self.taken.get(agent, 0) + 1
        self.turn[queue] = self.place.get(agent, 0) + 1


# --- which call ------------------------------------------------------------------------------------


def _age(line: Line, call: Waiting, level: int, now: Instant) -> Key:
    del line, level, now
    return (call.entered_at, call.order)


def _weight_then_age(line: Line, call: Waiting, level: int, now: Instant) -> Key:
    """app_queue: an agent of several queues is left to the one of greatest `weight`, a whole number."""
    del level, now
    return (-round(line.priority), call.entered_at, call.order)


def _level_then_age(line: Line, call: Waiting, level: int, now: Instant) -> Key:
    del line, now
    return (-level, call.entered_at, call.order)


def _tier_then_age(line: Line, call: Waiting, level: int, now: Instant) -> Key:
    del level, now
    promise = line.policy.promise
    return (-promise.share, promise.threshold_ms, call.entered_at, call.order)


def _delay_ratio(line: Line, call: Waiting, level: int, now: Instant) -> Key:
    del level
    return (-(now - call.entered_at) / (line.threshold_s * 1000.0), call.entered_at, call.order)


def _deadline(line: Line, call: Waiting, level: int, now: Instant) -> Key:
    del level, now
    return (call.entered_at + line.policy.promise.threshold_ms, call.order)


# --- which agent -----------------------------------------------------------------------------------


def _longest_idle(history: History, queue: str, agent: AgentId, level: int, since: Instant) -> Key:
    del history, queue, agent, level
    return (since,)


def _best_level(history: History, queue: str, agent: AgentId, level: int, since: Instant) -> Key:
    del history, queue, agent
    return (-level, since)


def _fewest_calls(history: History, queue: str, agent: AgentId, level: int, since: Instant) -> Key:
    del queue
    return ((5 - level) * _PENALTY + history.taken.get(agent, 0), since)


def _round_robin(history: History, queue: str, agent: AgentId, level: int, since: Instant) -> Key:
    del since
    size = len(history.place) or 1
    return ((5 - level) * _PENALTY + (history.place.get(agent, 0) - history.turn.get(queue, 0)) % size,)


def _linear(history: History, queue: str, agent: AgentId, level: int, since: Instant) -> Key:
    del queue, since
    return ((5 - level) * _PENALTY + history.place.get(agent, 0),)


def _random(history: History, queue: str, agent: AgentId, level: int, since: Instant) -> Key:
    del queue, since
    return ((5 - level) * _PENALTY + _hash(history.serial, history.place.get(agent, 0)) % 1000,)


def _weighted_random(history: History, queue: str, agent: AgentId, level: int, since: Instant) -> Key:
    del queue, since
    lot = _hash(history.serial, history.place.get(agent, 0))
    return (float(lot % ((1 + max(0, 5 - level)) * 1000)),)


CallKey: TypeAlias = "Callable[[Line, Waiting, int, Instant], Key]"
AgentKey: TypeAlias = "Callable[[History, str, AgentId, int, Instant], Key]"

RULES: dict[str, tuple[CallKey, AgentKey]] = {
    "fifo": (_age, _longest_idle),
    "level_first": (_level_then_age, _best_level),
    "strict_tier": (_tier_then_age, _longest_idle),
    "delay_ratio": (_delay_ratio, _longest_idle),
    "earliest_deadline": (_deadline, _longest_idle),
    "leastrecent": (_weight_then_age, _best_level),
    "fewestcalls": (_weight_then_age, _fewest_calls),
    "rrmemory": (_weight_then_age, _round_robin),
    "random": (_weight_then_age, _random),
    "linear": (_weight_then_age, _linear),
    "ringall": (_weight_then_age, _linear),
    "wrandom": (_weight_then_age, _weighted_random),
}
"""ringall rings everybody of the lowest penalty and the first to lift takes the call: here the first."""

BY_IDLENESS: frozenset[AgentKey] = frozenset({_longest_idle, _best_level})
"""Of two agents of one level these take the one ready for longer: the front of a group is enough to look at."""
