"""How many agents could take a call: counts by skill profile, kept as agents change.

A question costs a look at the profiles that fit, not at all agents; which fit is worked out once per
set of needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from acd.core.agent import AgentStatus
from acd.core.skills import pair_level

if TYPE_CHECKING:
    from collections.abc import Iterable

    from acd.core.agent import Agent
    from acd.core.ids import AgentId, SkillId
    from acd.core.skills import Needs

_Key: TypeAlias = "tuple[tuple[tuple[SkillId, int], ...], int]"


class Heads(NamedTuple):
    """How many agents who fit are logged in, at work (not paused, phone there), and free now."""

    logged_in: int = 0
    eligible: int = 0
    available: int = 0


_NOBODY = Heads()
_MAX_KEPT = 4096


class Staff:
    """Agents by profile: skills and reserve class."""

    def __init__(self) -> None:
        self._profiles: dict[_Key, list[int]] = {}
        self._known: dict[AgentId, tuple[_Key, Heads]] = {}
        self._fits: dict[Needs, list[tuple[int, list[int]]]] = {}

    def start(self, agents: Iterable[Agent]) -> None:
        """Count anew: a policy was loaded."""
        self._profiles, self._known, self._fits = {}, {}, {}
        for agent in agents:
            self.update(agent)

    def update(self, agent: Agent) -> bool:
        """Take an agent's present state; return whether any count changed."""
        known = self._known.get(agent.id)
        here = _heads(agent)
        if known is None:
            key: _Key = (tuple(sorted(agent.policy.skills)), agent.policy.reserve)
            if key not in self._profiles:
                self._profiles[key] = [0, 0, 0]
                self._fits.clear()
            known = (key, _NOBODY)
        key, before = known
        if before == here:
            return False
        counts = self._profiles[key]
        for place, (old, new) in enumerate(zip(before, here, strict=True)):
            counts[place] += new - old
        self._known[agent.id] = (key, here)
        return True

    def heads(self, needs: Needs, reserve: int) -> Heads:
        """Count the agents who meet these needs; a reserve above the opened class is not available."""
        fits = self._fits.get(needs)
        if fits is None:
            if len(self._fits) >= _MAX_KEPT:
                self._fits.clear()
            fits = self._fits[needs] = [
                (key[1], counts) for key, counts in self._profiles.items() if pair_level(dict(key[0]), needs)
            ]
        logged_in = eligible = available = 0
        for class_, counts in fits:
            logged_in += counts[0]
            eligible += counts[1]
            if class_ <= reserve:
                available += counts[2]
        return Heads(logged_in, eligible, available)


def _heads(agent: Agent) -> Heads:
    if agent.retired or agent.status is AgentStatus.LOGGED_OUT:
        return _NOBODY
    return Heads(1, int(agent.status is AgentStatus.AVAILABLE and agent.reachable), int(agent.ready))
