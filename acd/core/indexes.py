"""What the matcher knows: who waits, who is ready, who is busy, and what each costs.

Every method does work in proportion to what changed: the queues one agent serves, not all queues.
"""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING

from acd.core.baselines import RULES, History
from acd.core.debt import Debts
from acd.core.ewt import ArrivalRate, WaitModel
from acd.core.ids import SubscriberId
from acd.core.instant import MINUTE_MS
from acd.core.matcher import Demand, Matcher
from acd.core.policy import Policy, QueuePolicy
from acd.core.reserve import FrontLine, Gate
from acd.core.scoring import Score
from acd.core.skills import Group, Line, LineKey, Place, Skills
from acd.core.waitlog import WaitLog

if TYPE_CHECKING:
    from acd.core.ids import AgentId, CallId, QueueId
    from acd.core.instant import Duration, Instant
    from acd.core.matcher import Waiting

_MAX_IDLE_LINES = 512
_STALE_MS = 20 * MINUTE_MS
LEAST_BUSY = 0.5
"""So that a queue whose agents are all ready still has a rate at which they become free."""


class Indexes(Matcher):
    """Waiting calls by line, ready agents by group, prices and rates by queue; kept as facts come in."""

    def __init__(self, policy: Policy | None = None, *, explain: bool = True) -> None:
        """Start empty. `explain`: virtual time says False when nobody will read the cards; the daemon never does."""
        self._explains = explain
        self._skills = Skills()
        self._debts = Debts()
        self._history = History()
        self._queues: dict[QueueId, Line] = {}
        self._lines: dict[LineKey, Line] = {}
        self._where: dict[CallId, tuple[Line, Place]] = {}
        self._busy: dict[AgentId, tuple[Instant, Duration]] = {}
        self._arrivals: dict[QueueId, ArrivalRate] = {}
        self._waits: dict[QueueId, WaitModel] = {}
        self._waiting: dict[Line, None] = {}
        self._touched: dict[Line, None] = {}
        self._woken: dict[Group, None] = {}
        self._held: dict[Line, None] = {}
        self._due: list[tuple[Instant, int, Line]] = []
        self._open: dict[QueueId, int] = {}
        self._gates: dict[QueueId, Gate] = {}
        """Of queues some reserve can serve; they survive a reload."""
        self._loaded: dict[Line, None] = {}
        """Queues with a reserve whose front line changed."""
        self._gates_due: dict[Line, Instant] = {}
        self._dues = 0
        self._entry_s: dict[CallId, float] = {}
        """What the rate of free agents promised each waiting call at its entry."""
        self._wait_log = WaitLog()
        self._retest_at: Instant | None = None
        self._served = 0
        self._decisions = 0
        self._talk_s = 150.0
        self.set_policy(policy or Policy())

    # --- policy -----------------------------------------------------------------------------------

    def set_policy(self, policy: Policy) -> None:
        """Start or reload; waiting calls and ready agents stay."""
        weights = policy.weights
        if weights.policy != "recommended" and weights.policy not in RULES:
            known = ", ".join(("recommended", *RULES))
            raise ValueError(f"unknown routing policy {weights.policy!r}; known: {known}")
        idle = {a: since for g in self._skills.groups.values() for a, since in g.idle.items()}
        calls = [line.calls[place] for line, place in self._where.values()]
        kept = {line.policy.id: line.policy for line in self._queues.values()}
        self._policy = policy
        self._weights = weights
        self._score = Score(weights)
        self._rule = RULES.get(weights.policy)
        self._debts.set_policy(policy.queues, weights)
        self._history.set_agents(tuple(a.id for a in policy.agents))
        self._skills.set_agents(policy.agents)
        self._open = {q: line.reserve_open for q, line in self._queues.items() if line.reserve_open}
        self._queues = {}
        self._lines = {}
        self._where = {}
        for index in (self._waiting, self._touched, self._held, self._loaded, self._gates_due):
            index.clear()
        self._woken.clear()
        self._due = []
        if policy.queues and not self._served:
            self._talk_s = sum(q.expected_talk_ms for q in policy.queues) / len(policy.queues) / 1000.0
        for queue in policy.queues:
            self._add_queue(queue)
        for call in calls:
            if call.queue not in self._queues:
                self._add_queue(kept[call.queue])
            self.add_call(call)
        self._busy = {a: b for a, b in self._busy.items() if a in self._skills.group_of}
        for agent in self._busy:
            self._count(self._skills.group_of[agent], 0, 1)
        for agent, since in idle.items():
            self.add_agent(agent, since)

    def _add_queue(self, queue: QueuePolicy) -> Line:
        line = Line((queue.id, (), queue.priority, ()), queue, len(self._lines), None)
        self._lines[line.key] = line
        self._queues[queue.id] = line
        line.fit(self._skills.candidates(line))
        line.arrivals = self._arrivals.setdefault(queue.id, line.arrivals)
        line.waits = self._waits.setdefault(queue.id, line.waits)
        line.pull = self._score.pull(queue)
        line.scale = self._score.scale(queue)
        line.price = self._debts.price(queue.id)
        self._revalue(line)
        if line.reserves:
            self._set_gate(line, queue)
        return line

    def _set_gate(self, line: Line, queue: QueuePolicy) -> None:
        old = self._gates.get(queue.id)
        gate = self._gates[queue.id] = old or Gate(line.reserves, queue.promise.threshold_ms)
        gate.reserves, gate.threshold_ms = line.reserves, queue.promise.threshold_ms
        line.gate = gate
        line.reserve_open = min(self._open.get(queue.id, 0), line.reserves)
        self._loaded[line] = None

    def _line(self, call: Waiting) -> Line:
        home = self._queues.get(call.queue)
        if home is None:
            home = self._add_queue(QueuePolicy(call.queue, SubscriberId(call.queue)))
        priority = home.policy.priority * call.priority
        if not call.needs and priority == home.policy.priority and not call.eased:
            return home
        key: LineKey = (call.queue, call.needs, priority, call.eased)
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) > len(self._queues) + _MAX_IDLE_LINES:
                self._forget_empty_lines()
            line = self._lines[key] = Line(key, home.policy, len(self._lines), home)
            line.fit(self._skills.candidates(line))
        return line

    def _forget_empty_lines(self) -> None:
        for key, line in list(self._lines.items()):
            if line.home is not line and not line.calls:
                del self._lines[key]
                self._held.pop(line, None)
                self._touched.pop(line, None)
                for group in self._skills.groups.values():
                    group.lines.pop(line, None)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._policy

    def explain_debt(self, queue: QueueId) -> float:
        """Return what one more miss of this queue costs; 1 is neutral, more is behind its promise."""
        return self._debts.price(queue)

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._where)

    # --- who waits --------------------------------------------------------------------------------

    def add_call(self, call: Waiting) -> None:
        """A call starts (or again starts) to wait. A call id that waits already is replaced."""
        self.remove_call(call.call)
        line = self._line(call)
        self._where[call.call] = (line, line.add(call))
        self._waiting[line] = None
        self._touched[line] = None
        if line.home.gate is not None:
            self._loaded[line.home] = None
        if line.home.arrivals.add(call.entered_at, call.order) and self._rule is None:
            self._revalue(line.home)
        if not line.home.idle:
            self._entry_s[call.call] = len(line.places) / self._free_per_s(line.home)
        if len(line.stages) > 1:
            for after, _ in line.stages[1:]:
                self._look_again(call.entered_at + after, line)

    def _look_again(self, due: Instant, line: Line) -> None:
        """Look at this line's head at that instant."""
        self._dues += 1
        heappush(self._due, (due, self._dues, line))

    def remove_call(self, call: CallId) -> None:
        """It no longer waits: assigned, gone or left. Unknown ids are harmless."""
        found = self._where.get(call)
        if found is None:
            return
        del self._where[call]
        if call in self._entry_s:
            del self._entry_s[call]
        line, place = found
        line.remove(place)
        if line.home.gate is not None:
            self._loaded[line.home] = None
        if not line.calls:
            for index in (self._waiting, self._held, self._touched):
                if line in index:
                    del index[line]
        else:
            self._touched[line] = None

    # --- who is ready -----------------------------------------------------------------------------

    def add_agent(self, agent: AgentId, idle_since: Instant) -> None:
        """The agent is ready: available and idle and reachable. Unknown agents are ignored."""
        group = self._skills.group_of.get(agent)
        if group is None:
            return
        self._no_longer_busy(agent, group)
        known = agent in group.idle
        if known:
            del group.idle[agent]
        group.add(agent, idle_since)
        if not known:
            self._count(group, 1, 0)
        self._woken[group] = None

    def remove_agent(self, agent: AgentId) -> None:
        """The agent is not ready any more. Unknown ids are harmless."""
        group = self._skills.group_of.get(agent)
        if group is not None and group.idle.pop(agent, None) is not None:
            self._count(group, -1, 0)

    def _count(self, group: Group, ready: int, busy: int) -> None:
        group.busy += busy
        priced = self._rule is None
        for line in group.queues:
            line.idle += ready
            line.busy += busy
            if line.gate is not None:
                self._loaded[line] = None
            if priced:
                self._revalue(line)

    def _forget_stale(self, now: Instant) -> None:
        """Drop agents busy for implausibly long: they paused or left without a talk to record."""
        longest = int(max(_STALE_MS, 8000 * self._talk_s))
        for agent in [a for a, (since, _) in self._busy.items() if now - since > longest]:
            self._no_longer_busy(agent, self._skills.group_of[agent])

    def _no_longer_busy(self, agent: AgentId, group: Group) -> None:
        if agent in self._busy:
            del self._busy[agent]
            self._count(group, 0, -1)

    # --- what happened ----------------------------------------------------------------------------

    def record_outcome(self, queue: QueueId, waited_ms: Duration, *, answered: bool) -> None:
        """A call left the line: feeds the service-level debt and the arrival estimate."""
        line = self._queues.get(queue)
        if line is not None:
            missed = not answered or waited_ms > line.policy.promise.threshold_ms
            line.price = self._debts.record(queue, missed=missed)
            if self._rule is None:
                self._revalue(line)

    def record_talk(self, queue: QueueId, agent: AgentId, busy_ms: Duration) -> None:
        """An agent finished talk and wrap-up: feeds the rate at which agents become free."""
        del queue
        group = self._skills.group_of.get(agent)
        if group is not None:
            self._no_longer_busy(agent, group)
        self._served += 1
        self._talk_s += (max(busy_ms, 1000) / 1000.0 - self._talk_s) / min(self._served + 20, 500)

    def _rate(self, home: Line) -> float:
        """Return k: agents of this queue becoming free, per second."""
        return self._weights.free_rate * self._free_per_s(home)

    def _free_per_s(self, home: Line) -> float:
        return max(home.busy, LEAST_BUSY) / self._talk_s

    def open_reserve(self, queue: QueueId, upto: int, now: Instant) -> None:
        """A rule opens this queue's reserve up to that class; it closes by load like any other."""
        home = self._queues.get(queue)
        if home is not None and home.gate is not None and min(upto, home.reserves) > home.reserve_open:
            home.reserve_open = home.gate.open_by_rule(upto, now)
            self._loaded[home] = None
            self._touch(home)

    def _touch(self, home: Line) -> None:
        """Look at every line of a queue in the next pass."""
        self._touched.update((line, None) for line in self._waiting if line.home is home)

    def _tend_gates(self, now: Instant) -> None:
        """Open or close reserves where the front line changed, or time has come."""
        tended, self._loaded = self._loaded, {}
        tended.update((home, None) for home, due in self._gates_due.items() if due <= now)
        for home in tended:
            gate = home.gate
            if gate is None:
                continue
            opened = gate.step(home.reserve_open, self._front(home, now), self._weights, now)
            if opened > home.reserve_open:
                self._touch(home)
            home.reserve_open = opened
            if gate.due is None:
                self._gates_due.pop(home, None)
            else:
                self._gates_due[home] = gate.due

    def _front(self, home: Line, now: Instant) -> FrontLine:
        heads = [now - line.head().entered_at for line in self._waiting if line.home is home]
        waits = sum(len(line.places) for line in self._waiting if line.home is home)
        empty = not home.busy and not waits  # nobody at work and nobody calls: no load at all
        predicted = 0.0 if home.idle or empty else 1000.0 * (waits + 1) / self._free_per_s(home)
        return FrontLine(home.idle, max(heads, default=None), predicted)

    def reserve_open(self, queue: QueueId) -> int:
        """Return the highest reserve class that is open for this queue, 0 none."""
        home = self._queues.get(queue)
        return 0 if home is None else home.reserve_open

    def demand(self, agent: AgentId) -> Demand:
        """How much the phones need this agent: the prices of his queues, or the queue that calls upon him."""
        group = self._skills.group_of.get(agent)
        if group is None:
            return Demand()
        if group.reserve:
            callers = (line.home for line in group.lines if line.home.reserve_open >= group.reserve)
            home = next(callers, None)
            return Demand(0.0, None if home is None else home.policy.id)
        if self._rule is not None:
            for queue in group.queues:
                self._revalue(queue)  # the rules of others look at no prices, so nobody kept them
        return Demand(self._weights.opportunity * sum(queue.value for queue in group.queues))

    def explain_reserve(self, queue: QueueId) -> str:
        """Say what opened or closed this queue's reserve last; empty if nothing did."""
        gate = self._gates.get(queue)
        return "" if gate is None else gate.why

    def expected_wait_ms(self, queue: QueueId, place: int, method: str = "calibrated") -> Duration | None:
        """Return the wait to expect at this place of the queue (1 is next); None for unknown queues.

        The default method had the least error on virtual days (decision 0103).
        """
        home = self._queues.get(queue)
        if home is None:
            return None
        if home.idle and place <= 1:
            return 0
        return int(1000 * home.waits.estimate_s(max(place, 1), self._free_per_s(home), method))

    def _revalue(self, line: Line) -> None:
        """Work out the price of this queue's next ready agent, for the others."""
        decay = self._score.decay(line.idle) if line.idle else 0.0
        if decay:
            calls_per_s = line.policy.expected_calls_per_s or line.arrivals.per_s
            coming = calls_per_s * self._talk_s / max(line.busy, LEAST_BUSY)
            line.value = line.price * line.scale * coming * decay
        else:
            line.value = 0.0
