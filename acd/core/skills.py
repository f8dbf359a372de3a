"""Requirement against proficiency: who may take what, at which level, after how long a wait.

Agents with the same skills and the same reserve class form one `Group`; calls of one queue with the
same extra needs and priority form one `Line`. Whether they fit is worked out once per pair and kept,
so that a decision only looks at groups and lines that changed.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, TypeAlias

from acd.core.ewt import ArrivalRate, WaitModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from acd.core.ids import AgentId, SkillId
    from acd.core.instant import Duration, Instant
    from acd.core.matcher import Waiting
    from acd.core.policy import AgentPolicy, QueuePolicy
    from acd.core.reserve import Gate

TOP_LEVEL = 3
"""The level of a pair without any requirement, and the level from which the score counts down."""

Needs: TypeAlias = "tuple[tuple[SkillId, int], ...]"
GroupKey: TypeAlias = "tuple[tuple[tuple[SkillId, int], ...], int]"
LineKey: TypeAlias = "tuple[str, Needs, float, Needs]"
"""Queue, the calls' own needs, priority, and what a rule eased."""
Place: TypeAlias = "tuple[bool, Instant, int]"

MAX_LEVEL = 5
"""Levels above it count as it."""


def pair_level(skills: Mapping[SkillId, int], needs: Needs) -> int:
    """Return the weakest required level the agent has, or 0 when a requirement is not met.

    Without requirements everybody fits at TOP_LEVEL. A requirement of level 0 never excludes; an
    agent who lacks such a skill altogether counts as level 1.
    """
    level = 0
    for skill, least in needs:
        has = skills.get(skill, 0)
        if has < least:
            return 0
        has = max(has, 1)
        level = min(level, has) if level else has
    return min(level, MAX_LEVEL) or TOP_LEVEL


def place_of(call: Waiting) -> Place:
    """Return what a line is sorted by: heads (negative orders) first, then entry, then serial.

    Entry before serial: a call adopted at a sync or returned keeps its original place (002-08).
    """
    return (call.order >= 0, call.entered_at, call.order)


def stages_of(queue: QueuePolicy, extra: Needs, eased: Needs = ()) -> tuple[tuple[Duration, Needs], ...]:
    """Return (from this wait on, these needs) in order of wait; the first starts at 0.

    The call's own needs never relax by time: language and department are not a matter of patience. A rule
    may ease any of them.
    """
    times = sorted({0, *(n.relax_after_ms for n in queue.needs if n.relax_after_ms is not None)})
    stages = []
    for time in times:
        needs: dict[SkillId, int] = {}
        for n in queue.needs:
            relaxed = n.relax_after_ms is not None and time >= n.relax_after_ms
            needs[n.skill] = min(n.relaxed_level, n.min_level) if relaxed else n.min_level
        for skill, least in extra:
            needs[skill] = max(needs.get(skill, 0), least)
        for skill, most in eased:
            if skill in needs:
                needs[skill] = min(most, needs[skill])
        stages.append((time, tuple(needs.items())))
    return tuple(stages)


def needs_at(queue: QueuePolicy, extra: Needs, eased: Needs, waited_ms: Duration | None) -> Needs:
    """Return what an agent must hold after this wait; None: after the longest."""
    found: Needs = ()
    for after, needs in stages_of(queue, extra, eased):
        if waited_ms is None or after <= waited_ms:
            found = needs
    return found


class Group:
    """Agents with one skill profile: those ready now (longest idle first) and how many are busy."""

    __slots__ = ("_unsorted", "busy", "idle", "index", "lines", "members", "queues", "reserve", "skills")

    def __init__(self, index: int, skills: dict[SkillId, int], reserve: int) -> None:
        self.index = index
        self.skills = skills
        self.reserve = reserve
        self.idle: dict[AgentId, Instant] = {}
        self.busy = 0
        self.members = 0
        """How many agents the policy knows with these skills, on duty or not."""
        self.lines: dict[Line, None] = {}
        """Every line this group can serve at some stage."""
        self.queues: list[Line] = []
        """The queues' base lines it can serve from the first second: the price of its agents."""
        self._unsorted = False

    def add(self, agent: AgentId, idle_since: Instant) -> None:
        """Put a ready agent at the place its idle time gives it."""
        if self.idle and idle_since < next(reversed(self.idle.values())):
            self._unsorted = True
        self.idle[agent] = idle_since

    def sort(self) -> None:
        """Bring `idle` into order, longest first, if somebody came with an older time."""
        if self._unsorted:
            self.idle = dict(sorted(self.idle.items(), key=lambda item: item[1]))
            self._unsorted = False

    def longest_idle(self) -> AgentId:
        """Return the agent ready for longest; ties by order of arrival."""
        self.sort()
        return next(iter(self.idle))


class Line:
    """Waiting calls of one queue with equal needs and priority, in order."""

    __slots__ = (
        "able",
        "arrivals",
        "busy",
        "calls",
        "gate",
        "groups",
        "home",
        "idle",
        "key",
        "levels",
        "places",
        "policy",
        "price",
        "priority",
        "pull",
        "reserve_open",
        "reserves",
        "scale",
        "serial",
        "stages",
        "threshold_s",
        "value",
        "waits",
    )

    def __init__(self, key: LineKey, policy: QueuePolicy, serial: int, home: Line | None) -> None:
        self.key = key
        self.policy = policy
        self.serial = serial
        self.priority = key[2]
        self.home = home or self
        """The queue's own line, which keeps price, counts and reserve for all lines of the queue."""
        self.stages = stages_of(policy, key[1], key[3])
        self.groups: list[list[tuple[Group, int]]] = [[] for _ in self.stages]
        self.levels: list[dict[Group, int]] = [{} for _ in self.stages]
        self.places: list[Place] = []
        self.calls: dict[Place, Waiting] = {}
        self.arrivals = ArrivalRate()
        self.waits = WaitModel()
        self.idle = 0
        self.busy = 0
        self.able = 0
        """Agents who fit from the first second, on duty or not; `idle` of them ready, `busy` talking."""
        self.threshold_s = max(policy.promise.threshold_ms, 1) / 1000.0
        self.price = 1.0
        self.scale = 0.0
        self.value = 0.0
        self.pull = 1.0
        self.reserves = 0
        """The highest reserve class among agents who fit."""
        self.reserve_open = 0
        """The class that is open for this queue (acd.core.reserve)."""
        self.gate: Gate | None = None

    def fit(self, groups: Iterable[Group]) -> None:
        """Work out which of these groups fit at which stage, and tell those that do."""
        for group in groups:
            fits = False
            for stage, (_, needs) in enumerate(self.stages):
                level = pair_level(group.skills, needs)
                if level:
                    fits = True
                    self.groups[stage].append((group, level))
                    self.levels[stage][group] = level
                    self.reserves = max(self.reserves, group.reserve)
                    if stage == 0 and self.home is self and not group.reserve:
                        group.queues.append(self)
                        self.idle += len(group.idle)
                        self.busy += group.busy
                        self.able += group.members
            if fits:
                group.lines[self] = None

    def stage(self, waited_ms: Duration) -> int:
        """Return the index of the stage a call has reached."""
        stages = self.stages
        if len(stages) == 1:
            return 0
        found = 0
        for i, (after, _) in enumerate(stages):
            if waited_ms >= after:
                found = i
        return found

    def add(self, call: Waiting) -> Place:
        """Put a call at its place and return the place."""
        place = place_of(call)
        there = self.calls.get(place)
        if there is not None and there.call != call.call:
            raise ValueError(f"two calls at one place: entered {call.entered_at}, order {call.order}")
        if there is None:
            places = self.places
            if places and place < places[-1]:
                insort(places, place)
            else:
                places.append(place)
        self.calls[place] = call
        return place

    def remove(self, place: Place) -> None:
        """Take a call out."""
        del self.calls[place]
        places = self.places
        del places[0 if places[0] is place else bisect_left(places, place)]

    def head(self) -> Waiting:
        """Return the call that has waited longest."""
        return self.calls[self.places[0]]

    def before(self, place: Place) -> int:
        """Return how many calls of this line stand before this place."""
        return bisect_left(self.places, place)


class Skills:
    """All groups, and the agents' place in them."""

    def __init__(self) -> None:
        self.groups: dict[GroupKey, Group] = {}
        self.group_of: dict[AgentId, Group] = {}
        self._holders: dict[SkillId, list[Group]] = {}

    def set_agents(self, agents: tuple[AgentPolicy, ...]) -> None:
        """Build the groups anew; the caller moves ready agents over."""
        self.groups = {}
        self.group_of = {}
        self._holders = {}
        for agent in agents:
            key: GroupKey = (tuple(sorted(agent.skills)), agent.reserve)
            group = self.groups.get(key)
            if group is None:
                group = self.groups[key] = Group(len(self.groups), dict(agent.skills), agent.reserve)
                for skill in group.skills:
                    self._holders.setdefault(skill, []).append(group)
            group.members += 1
            self.group_of[agent.id] = group

    def candidates(self, line: Line) -> list[Group]:
        """Return the groups that may fit the line at some stage: the holders of a skill it never waives."""
        last = line.stages[-1][1]
        hard = [self._holders.get(skill, []) for skill, least in last if least > 0]
        return min(hard, key=len) if hard else list(self.groups.values())
