"""The matcher of the house: every choice is the largest of one score (acd.core.scoring)."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from acd.core.baselines import BY_IDLENESS
from acd.core.candidates import HELD, LONGEST, MOST_NAMED, Candidates
from acd.core.indexes import Indexes
from acd.core.matcher import Assignment
from acd.core.scoring import IDLE_SCALE_MS
from acd.core.waitlog import Decision

if TYPE_CHECKING:
    from acd.core.candidates import Rival
    from acd.core.ids import AgentId, CallId
    from acd.core.instant import Duration, Instant
    from acd.core.matcher import Waiting
    from acd.core.skills import Group, Line, Place

Rank: TypeAlias = "float | tuple[float, ...]"


@dataclass(slots=True)
class _Pair:
    """A call and the agent it would get."""

    rank: Rank
    """Smaller is served first."""
    line: Line
    place: Place
    group: Group
    agent: AgentId
    level: int
    cost: float
    """What it costs to let the call wait on."""
    price: float
    """What taking the agent costs the other queues."""
    rivals: list[Rival] | None = None
    """The first of every ready group, while more than one group fits."""


_MAX_EXPLAINED = 60
_FAIR = 1e9
_HELD_BACK = "held back beside a ready agent whom others need more"
_STALE_EVERY = 64


class WeightedMatcher(Indexes):
    """Implements `acd.core.matcher.Matcher`.

    Deterministic; ties go to the line that came first, then to the longer wait. A pass looks only at
    lines with a new call, lines whose agents became ready and lines held back.
    """

    # --- the pass ---------------------------------------------------------------------------------

    def assign(self, now: Instant) -> tuple[Assignment, ...]:  # noqa: C901 -- the pass stays in one piece
        """Decide. The assigned calls and agents are removed from the indexes."""
        if self._loaded or self._gates_due:
            self._tend_gates(now)
        due = self._due
        if not (self._touched or self._woken or self._held or (due and due[0][0] <= now)):
            self._retest_at = None
            return ()
        active = self._active(now)
        self._retest_at = None
        if not active:
            return ()
        if len(active) == 1:
            line = next(iter(active))
            out = []
            while line.calls and (pair := self._best(line, now)) is not None:
                out.append(self._take(pair, now))
            self._schedule(now)
            return tuple(out)
        heap: list[tuple[Rank, int, Place, _Pair]] = []
        for line in active:
            pair = self._best(line, now)
            if pair is not None:
                heap.append((pair.rank, line.serial, pair.place, pair))
        heapify(heap)
        out = []
        while heap:
            pair = heappop(heap)[3]
            line = pair.line
            if pair.agent in pair.group.idle:
                out.append(self._take(pair, now, heap[0][3] if heap else None))
            again = self._best(line, now) if line.calls else None
            if again is not None:
                heappush(heap, (again.rank, line.serial, again.place, again))
        self._schedule(now)
        return tuple(out)

    def _active(self, now: Instant) -> dict[Line, None]:
        """Return the lines whose head must be looked at, in a fixed order."""
        active = self._touched
        self._touched = {}
        if self._held:
            active.update(self._held)
            self._held = {}
        due = self._due
        while due and due[0][0] <= now:
            line = heappop(due)[2]
            if line.calls:
                active[line] = None
        if self._woken:
            for group in self._woken:
                if group.idle:
                    self._wake(group, active)
            self._woken.clear()
        return active

    def _wake(self, group: Group, active: dict[Line, None]) -> None:
        """Add the lines with callers that this group can serve, over the shorter of the two lists."""
        if len(self._waiting) < len(group.lines):
            for line in self._waiting:
                if line in group.lines:
                    active[line] = None
        else:
            for line in group.lines:
                if line.calls:
                    active[line] = None

    def _schedule(self, now: Instant) -> None:
        if self._held:
            self._retest_at = now + self._weights.hold_check_ms

    def _take(self, pair: _Pair, now: Instant, then: _Pair | None = None) -> Assignment:
        """Carry out one decision in the indexes and say why. `then`: the pair that comes next."""
        line, group, agent = pair.line, pair.group, pair.agent
        call = line.calls[pair.place]
        since = group.idle[agent]
        over = self._candidates(pair, call, then) if self._explains else None
        entry_s = self._entry_s.get(call.call)
        if entry_s is not None and now > call.entered_at:
            line.home.waits.answered(now - call.entered_at, entry_s)
        self.remove_call(call.call)
        if line in self._touched:
            del self._touched[line]
        del group.idle[agent]
        self._count(group, -1, 1)
        self._busy[agent] = (now, int(self._talk_s * 1000))
        self._decisions += 1
        if not self._decisions % _STALE_EVERY:
            self._forget_stale(now)
        home = line.home
        if self._rule is not None:
            self._history.record(agent, home.policy.id)
            if not self._explains:
                return Assignment(call.call, agent, "")
            waited = now - call.entered_at
            return Assignment(
                call.call,
                agent,
                f"{agent}: {self._weights.policy}, waited {waited} ms, level {pair.level}, idle {now - since} ms",
                over,
            )
        if not self._explains:
            if now > call.entered_at:
                self._wait_log.release(call.call, now)
            return Assignment(call.call, agent, "")
        why = (
            f"wait {(now - call.entered_at) / 1000:.1f}/{line.threshold_s:g} s cost {pair.cost:.3g} "
            f"(debt x{home.price:.3g}); level {pair.level} idle {(now - since) / 1000:.0f} s "
            f"price {pair.price:.3g} ready {home.idle + 1}"
        )
        kind = "sticky, " if agent == call.sticky else ""
        self._wait_log.decided(Decision(now, call.call, agent, call.entered_at, pair.cost))
        if now > call.entered_at:
            self._wait_log.release(call.call, now)
            why = f"{why}; {self._story(line, call, now)}"
        return Assignment(call.call, agent, f"{agent}: {kind}{why}", over)

    def _candidates(self, pair: _Pair, call: Waiting, then: _Pair | None) -> Candidates:
        """Keep who else could have taken this call; before the indexes change."""
        group, agent, home = pair.group, pair.agent, pair.line.home
        same: tuple[AgentId, ...] = ()
        alike = len(group.idle) - 1
        if alike and call.skip:  # they are named with a reason of their own
            alike -= len((group.idle.keys() & call.skip) - {agent})
        if alike:
            same = tuple(
                [
                    other
                    for other in islice(group.idle, MOST_NAMED)
                    if other != agent and other not in call.skip
                ]
            )
        because = LONGEST
        if self._rule is not None:
            because = f"later by the rule {self._weights.policy}"
        elif agent == call.sticky:
            because = f"{agent} is the call's own agent"
        away = max(0, home.able - home.idle - home.busy)
        over = Candidates(pair.rivals, agent, same, alike, home.busy, away, because)
        if call.skip:
            over.skipped = tuple([other for other in call.skip if other != agent])
        if home.reserves > home.reserve_open:
            over.reserve = home.reserves
        if then is not None and then.agent == agent and then.line is not pair.line:
            over.instead_of = (then.line.calls[then.place].call, then.line.policy.id, then.cost)
        return over

    def tell_wait(self, call: CallId, now: Instant) -> str:
        """Where this call's wait went so far, for a caller who leaves without an agent."""
        found = self._where.get(call)
        if found is None or self._rule is not None or not self._explains:
            return ""
        line, place = found
        waiting = line.calls[place]
        return self._story(line, waiting, now) if now > waiting.entered_at else ""

    def _story(self, line: Line, call: Waiting, now: Instant) -> str:
        """Say where the call's wait went, and who was served before it."""
        able = line.levels[line.stage(now - call.entered_at)]
        group_of = self._skills.group_of
        return self._wait_log.story(
            call.call, call.entered_at, now, lambda agent: agent in group_of and group_of[agent] in able
        )

    def _best(self, line: Line, now: Instant) -> _Pair | None:
        """Return the pair for the first call of the line that can be served now, or None."""
        for place in line.places:
            call = line.calls[place]
            if call.sticky is None and not call.skip:
                return self._pick(line, place, call, now)
            if call.sticky is not None and self._waits_for_sticky(line, call, now):
                self._held[line] = None
                self._wait_log.keep(call.call, f"kept for {call.sticky}", now)
                continue
            pair = self._pick(line, place, call, now)
            if pair is not None:
                return pair
        return None

    def _pick(  # noqa: C901, PLR0912 -- the hottest function of the core stays in one piece
        self, line: Line, place: Place, call: Waiting, now: Instant
    ) -> _Pair | None:
        """Choose the agent for a call, or None: nobody fits, or it is better held back."""
        if self._rule is not None:
            return self._pick_by_rule(line, place, call, now)
        waited = now - call.entered_at
        home, score = line.home, self._score
        fair = waited >= self._weights.fair_wait_ms or call.order < 0
        cost = self._cost(line, waited)
        kept = score.hold_back and not fair and waited < self._weights.hold_most_ms
        limit = cost / score.hold_back if kept else inf
        plain = call.sticky is None and not call.skip
        best, found, held = -inf, None, False
        beside: tuple[AgentId, float, float] | None = None
        groups = line.groups[line.stage(waited) if len(line.stages) > 1 else 0]
        rivals: list[Rival] | None = [] if len(groups) > 1 and self._explains else None
        for group, level in groups:
            if not group.idle or group.reserve > home.reserve_open:
                continue
            price = 0.0  # as _price_for_others, inlined: this is the hottest line of the core
            for queue in group.queues:
                if queue is not home:
                    price += queue.value
            agent = group.longest_idle() if plain else self._agent_of(group, line, call)
            if agent is None:
                continue
            since = now - group.idle[agent]
            if price > limit and agent != call.sticky:
                held = True
                if beside is None:
                    beside = (agent, price, limit)
                if rivals is not None:
                    rivals.append((HELD, agent, level, price, since))
                continue
            idle = min(since, IDLE_SCALE_MS)
            value = score.idle * idle - score.level_costs[level] - score.opportunity * price
            if group.reserve or not plain:
                value += self._sticky_and_reserve(group, agent, level, call)
            if rivals is not None:
                rivals.append((value, agent, level, price, since))
            if value > best:
                best, found = value, (group, agent, level, price)
        if found is None:
            if held:
                self._held[line] = None
                self._wait_log.keep(call.call, _HELD_BACK, now, beside)
            elif self._wait_log.running:
                self._wait_log.release(call.call, now)
            return None
        group, agent, level, price = found
        rank = -(_FAIR + waited) if fair else -cost * score.pickup[level]
        return _Pair(rank, line, place, group, agent, level, cost, price, rivals)

    def _agent_of(self, group: Group, line: Line, call: Waiting) -> AgentId | None:
        """Return the group's agent for a call with a sticky agent or with agents to avoid."""
        if call.sticky in group.idle:
            return call.sticky
        skip = call.skip if call.skip and not self._only_skipped(line, call) else ()
        if not skip:
            return group.longest_idle()
        group.sort()
        return next((agent for agent in group.idle if agent not in skip), None)

    def _sticky_and_reserve(self, group: Group, agent: AgentId, level: int, call: Waiting) -> float:
        """Who has the case is preferred whatever his level: the others would have it told again (002-08, 003-05)."""
        bonus = self._weights.sticky + self._score.level_costs[level] if agent == call.sticky else 0.0
        return bonus - self._weights.reserve * group.reserve

    @staticmethod
    def _price_for_others(group: Group, home: Line) -> float:
        return sum(queue.value for queue in group.queues if queue is not home)

    def _cost(self, line: Line, waited: Duration) -> float:
        """Return what it costs to let this line's head wait for the next free agent."""
        home = line.home
        rate = self._rate(home)
        score = self._score
        urgency = score.urgency(waited / 1000.0, line.threshold_s, rate)
        return line.priority * (home.price * home.pull * urgency + score.lost(rate))

    def _pick_by_rule(  # noqa: C901 -- the hottest function of a rule stays in one piece
        self, line: Line, place: Place, call: Waiting, now: Instant
    ) -> _Pair | None:
        if self._rule is None:
            return None
        call_key, agent_key = self._rule
        waited = now - call.entered_at
        skip = call.skip if call.skip and not self._only_skipped(line, call) else ()
        found: tuple[tuple[float, ...], int, AgentId, Group, int] | None = None
        by_idleness = agent_key in BY_IDLENESS
        history, places, queue = self._history, self._history.place, line.policy.id
        for group, level in line.groups[line.stage(waited)]:
            if group.reserve > line.home.reserve_open:
                continue
            if by_idleness:
                group.sort()
            first: Instant | None = None
            for agent, since in group.idle.items():
                if agent in skip:
                    continue
                if by_idleness:
                    if first is not None and since > first:
                        break  # the rest of the group is ready for a shorter time
                    first = since
                key = agent_key(history, queue, agent, level, since)
                if found is None or key < found[0] or (key == found[0] and places.get(agent, 0) < found[1]):
                    found = (key, places.get(agent, 0), agent, group, level)
        if found is None:
            return None
        _, _, agent, group, level = found
        return _Pair(call_key(line, call, level, now), line, place, group, agent, level, 0.0, 0.0)

    # --- exceptions to the plain score ------------------------------------------------------------

    def _only_skipped(self, line: Line, call: Waiting) -> bool:
        """Return whether everybody on duty for this call already let it ring: then they are asked again."""
        if line.home.busy:
            return False
        groups = line.groups[-1]
        return all(agent in call.skip for group, _ in groups for agent in group.idle)

    def _waits_for_sticky(self, line: Line, call: Waiting, now: Instant) -> bool:
        """Return whether the call is kept for its busy sticky agent: only while the promise allows."""
        if call.sticky is None or call.sticky not in self._busy or self._rule is not None:
            return False
        group = self._skills.group_of.get(call.sticky)
        waited = now - call.entered_at
        if group is None or group not in line.levels[line.stage(waited)]:
            return False
        left = min(line.policy.promise.threshold_ms, line.policy.sticky_wait_ms) - waited
        since, expected = self._busy[call.sticky]
        remaining = max(expected - (now - since), expected // 10)
        return left > 0 and remaining <= self._weights.sticky_share * left

    # --- questions --------------------------------------------------------------------------------

    def next_check(self, now: Instant) -> Instant | None:
        """When a call held back, or a requirement about to relax, wants to be tested again."""
        due = self._due
        if not due and not self._held and not self._gates_due:
            return None
        while due and (due[0][0] <= now or not due[0][2].calls):
            heappop(due)
        first = due[0][0] if due else None
        if self._held and self._retest_at is not None and (first is None or self._retest_at < first):
            first = max(self._retest_at, now)
        if self._gates_due:
            gates = min(self._gates_due.values())
            first = gates if first is None or gates < first else first
        return first

    def position(self, call: CallId) -> int:
        """Place of the call in its own queue, 1 is next; 0 when it does not wait."""
        found = self._where.get(call)
        if found is None:
            return 0
        line, place = found
        number = 1 + line.before(place)
        for other in self._lines.values():
            if other is not line and other.home is line.home and other.calls:
                number += other.before(place)
        return number

    def explain(self, call: CallId, now: Instant) -> tuple[str, ...]:
        """Why this call waits: one line per candidate agent and reason, promise and debt first; () if not."""
        found = self._where.get(call)
        if found is None:
            return ()
        line, place = found
        waiting = line.calls[place]
        waited = now - waiting.entered_at
        home = line.home
        cost = self._cost(line, waited)
        lines = [
            (
                f"place {self.position(call)} in {line.policy.id}, waited {waited} ms of "
                f"{line.policy.promise.threshold_ms} ms, cost of waiting {cost:.3g}, debt x{home.price:.3g}, "
                f"{home.idle} ready and {home.busy} busy agents"
            )
        ]
        if waited and self._rule is None:
            lines.append(self._story(line, waiting, now))
        if self._waits_for_sticky(line, waiting, now):
            lines.append(f"kept for {waiting.sticky}, who should be free within the promise")
        if home.gate is not None:
            state = f"reserve {home.reserve_open} is open" if home.reserve_open else "reserve is closed"
            lines.append(f"{state}; last {home.gate.why}" if home.gate.why else state)
        levels = line.levels[line.stage(waited)]
        for agent, group in self._skills.group_of.items():
            if len(lines) >= _MAX_EXPLAINED:
                lines.append("more agents are not listed")
                break
            lines.append(f"{agent}: {self._why_not(agent, group, levels.get(group, 0), waiting, cost)}")
        return tuple(lines)

    def _why_not(self, agent: AgentId, group: Group, level: int, call: Waiting, cost: float) -> str:
        """Return why this agent does not take this call now."""
        home = self._where[call.call][0].home
        price = self._price_for_others(group, home)
        limit = self._score.hold_back * price if self._rule is None else 0.0
        reasons = (
            (not level, "lacks a required skill or level"),
            (agent in self._busy, f"busy with a call, level {level}"),
            (agent not in group.idle, f"not ready, level {level}"),
            (group.reserve > home.reserve_open, f"reserve {group.reserve} is not opened"),
            (agent in call.skip, "let this call ring before"),
            (cost < limit, f"held for others: their price {limit:.3g} exceeds the cost of waiting"),
        )
        ready = f"ready, level {level}, price {price:.3g}: others come first"
        return next((text for applies, text in reasons if applies), ready)
