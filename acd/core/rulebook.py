"""The rules at work: who is due to be looked at, what applies, and the deeds.

Nothing is polled. A rule that speaks of waiting has its moment as a deadline; one that speaks of what
happens (depth, agents, opening hours) is looked at when that happens, for callers whose moment has come.
Changes close together are looked at together, at most every `GAP_MS` for one queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.call import CallState, RuleMarks
from acd.core.effects import Announce, OfferCallback
from acd.core.ids import CallId, QueueId
from acd.core.rules import AGENT_FACTS, LEAVES, MAX_PRIORITY, WINDOW, Deed
from acd.core.skills import needs_at
from acd.core.staff import Staff

if TYPE_CHECKING:
    from collections.abc import Callable

    from acd.core.agent import Agent
    from acd.core.call import Call
    from acd.core.calls import CallFacts
    from acd.core.floor import Floor
    from acd.core.instant import Duration, Instant
    from acd.core.rules import Action, Rule
    from acd.core.skills import Needs

_NOTHING: Needs = ()
GAP_MS = 200
"""Fifty agents logging in at eight o'clock are one look, not fifty."""


class Rulebook:
    """Looks after the rules of every queue. Its floor knows it only while there are rules."""

    __slots__ = (
        "_agents_matter",
        "_armed",
        "_changed",
        "_deeds",
        "_fresh",
        "_lined_up",
        "_looked",
        "_plans",
        "calls",
        "floor",
        "staff",
    )

    def __init__(self, floor: Floor, calls: CallFacts) -> None:
        self.floor = floor
        self.calls = calls
        self.staff = Staff()
        self._plans: dict[QueueId, tuple[Rule, ...]] = {}
        self._agents_matter = False
        self._lined_up: dict[QueueId, dict[CallId, Call]] = {}
        """Callers waiting in queues with rules."""
        self._armed: dict[QueueId, dict[CallId, Call]] = {}
        """Those of them for whom some rule could apply any moment, by what happens."""
        self._fresh: dict[CallId, Call] = {}
        """To be looked at in this step."""
        self._changed: dict[QueueId, None] = {}
        self._looked: dict[QueueId, Instant] = {}
        self._deeds: dict[str, Callable[[Call, Action, Instant], None]] = {
            Deed.ADD_SKILL: self._add_skill,
            Deed.LOWER_SKILL: self._ease_skill,
            Deed.DROP_SKILL: self._ease_skill,
            Deed.SET_PRIORITY: self._set_priority,
            Deed.RAISE_PRIORITY: self._raise_priority,
            Deed.ANNOUNCE: self._announce,
            Deed.OVERFLOW: lambda call, action, now: self.calls.ask_move(call, action.queue, now),
            Deed.VOICEMAIL: lambda call, _, now: self.calls.ask_fallback(call, "voicemail", now),
            Deed.FALLBACK: lambda call, _, now: self.calls.ask_fallback(call, "rule", now),
            Deed.OPEN_RESERVE: self._open_reserve,
        }

    # --- what changed ---------------------------------------------------------------------------

    def set_policy(self) -> None:
        """Start or reload: everybody who waits is looked at by the new rules."""
        floor = self.floor
        self._plans = {q.id: q.rules for q in floor.policy.queues if q.rules}
        floor.rulebook = self if self._plans else None
        conditions = [c.fact for rules in self._plans.values() for rule in rules for c in rule.conditions]
        self._agents_matter = not AGENT_FACTS.isdisjoint(conditions)
        if self._agents_matter:
            self.staff.start(floor.agents.values())
        for lined_up in self._lined_up.values():
            for id_ in lined_up:
                floor.deadlines.cancel(("rule", id_))
        self._lined_up, self._armed, self._fresh, self._changed = {}, {}, {}, {}
        for call in floor.calls.values():
            if call.state is CallState.WAITING and call.fallback_effect is None and call.move_effect is None:
                self.waits(call)

    def waits(self, call: Call) -> None:
        """A caller waits (again) in the line. The rules are about callers, not about call-backs of ours."""
        if call.queue in self._plans and not call.outbound:
            self._lined_up.setdefault(call.queue, {})[call.id] = call
            self._fresh[call.id] = call
            self.queue_changed(call.queue)

    def gone(self, call: Call) -> None:
        """A caller waits no more: offered, moved or gone."""
        lined_up = self._lined_up.get(call.queue)
        if lined_up is None or lined_up.pop(call.id, None) is None:
            return
        self._fresh.pop(call.id, None)
        self._disarm(call)
        self.floor.deadlines.cancel(("rule", call.id))
        self.queue_changed(call.queue)

    def queue_changed(self, queue: QueueId) -> None:
        """Something a rule may speak of changed in this queue."""
        if queue in self._armed:
            self._changed[queue] = None

    def all_changed(self) -> None:
        """Something changed for every queue: the clock, or an agent."""
        if self._armed:
            self._changed.update(dict.fromkeys(self._armed))

    def agent_changed(self, agent: Agent) -> None:
        """An agent logged in or out, paused, or became free or busy."""
        if self._agents_matter and self.staff.update(agent):
            self.all_changed()

    def due(self, call_id: str, now: Instant) -> None:  # noqa: ARG002  same shape as all wakers
        """A rule's moment came for one caller."""
        call = self.floor.calls.get(CallId(call_id))
        if call is not None:
            self._fresh[call.id] = call

    def look_due(self, queue: str, now: Instant) -> None:  # noqa: ARG002  same shape as all wakers
        """Changes that came close together are looked at now."""
        self.queue_changed(QueueId(queue))

    @property
    def pending(self) -> bool:
        """Whether anybody is to be looked at."""
        return bool(self._fresh or self._changed)

    # --- looking --------------------------------------------------------------------------------

    def look(self, now: Instant) -> None:
        """Apply what applies to those for whom something changed."""
        fresh, self._fresh = self._fresh, {}
        changed, self._changed = self._changed, {}
        for call in fresh.values():
            self._try(call, now)
        for queue in changed:
            armed = self._armed.get(queue)
            if not armed:
                continue
            last = self._looked.get(queue)
            if last is not None and now < last + GAP_MS:
                self.floor.deadlines.set(("rules", queue), last + GAP_MS)
                continue
            self._looked[queue] = now
            for call in list(armed.values()):
                self._try(call, now)

    def _try(self, call: Call, now: Instant) -> None:
        rules = self._plans.get(call.queue, ())
        if call.id not in self._lined_up.get(call.queue, ()):
            return
        facts = Facts(self, call, now)
        for rule in rules:
            if self._may_fire(rule, call, now) and rule.applies(facts.of):
                _marks(call).fired[rule] = now
                self.floor.explain(call, f"rule {rule.name} ({rule.text}): {_deeds_text(rule)}")
                if self._carry_out(rule, call, now):
                    return
                facts = Facts(self, call, now)
        self._plan_next(rules, call, now)

    @staticmethod
    def _may_fire(rule: Rule, call: Call, now: Instant) -> bool:
        """Whether its time has come, and it is not used up."""
        last = _fired(call, rule)
        if last is not None and (rule.every_ms is None or now < last + rule.every_ms):
            return False
        waited = now - call.waits_from
        until = rule.until_ms
        return waited >= rule.from_ms and (until is None or waited < until)

    def _carry_out(self, rule: Rule, call: Call, now: Instant) -> bool:
        """Do what the rule says; return whether the caller left the line by it."""
        for action in rule.actions:
            if action.deed == Deed.OFFER_CALLBACK:
                self.floor.out.append(OfferCallback(self.floor.effect(), call.id, rule.name))
                continue
            self._deeds[action.deed](call, action, now)
            if action.deed in LEAVES:
                return True
        return False

    def _plan_next(self, rules: tuple[Rule, ...], call: Call, now: Instant) -> None:
        """Set the next moment at which time alone may make a rule apply; arm what may apply by events."""
        waited = now - call.waits_from
        moments: list[Instant] = []
        armed = False
        for rule in rules:
            last = _fired(call, rule)
            until = rule.until_ms
            if (last is not None and rule.every_ms is None) or (until is not None and waited >= until):
                continue
            again = now if last is None or rule.every_ms is None else last + rule.every_ms
            due = max(call.waits_from + rule.from_ms, again)
            if due > now:
                moments.append(due)
            elif rule.facts:
                armed = True
        if moments:
            self.floor.deadlines.set(("rule", call.id), min(moments))
        else:
            self.floor.deadlines.cancel(("rule", call.id))
        if armed:
            self._armed.setdefault(call.queue, {})[call.id] = call
        else:
            self._disarm(call)

    def _disarm(self, call: Call) -> None:
        armed = self._armed.get(call.queue)
        if armed is not None:
            armed.pop(call.id, None)
            if not armed:
                del self._armed[call.queue]

    def depth(self, queue: QueueId) -> int:
        """Callers waiting in a queue with rules."""
        return len(self._lined_up.get(queue, ()))

    # --- deeds ----------------------------------------------------------------------------------

    def _add_skill(self, call: Call, action: Action, now: Instant) -> None:  # noqa: ARG002
        marks = _marks(call)
        needs = dict(marks.needs)
        needs[action.skill] = int(action.number)
        marks.needs = tuple(needs.items())
        marks.eased = tuple(item for item in marks.eased if item[0] != action.skill)
        self.floor.show(call)

    def _ease_skill(self, call: Call, action: Action, now: Instant) -> None:  # noqa: ARG002
        """Lower to the level given; dropping is lowering to nothing."""
        marks = _marks(call)
        eased = dict(marks.eased)
        eased[action.skill] = int(action.number)
        marks.eased = tuple(eased.items())
        self.floor.show(call)

    def _set_priority(self, call: Call, action: Action, now: Instant) -> None:  # noqa: ARG002
        _marks(call).lift = action.number / max(call.priority, 1e-3)
        self.floor.show(call)

    def _raise_priority(self, call: Call, action: Action, now: Instant) -> None:  # noqa: ARG002
        marks = _marks(call)
        marks.lift = min(marks.lift * action.number, MAX_PRIORITY / max(call.priority, 1e-3))
        self.floor.show(call)

    def _announce(self, call: Call, action: Action, now: Instant) -> None:  # noqa: ARG002
        self.floor.out.append(Announce(self.floor.effect(), call.id, action.name))

    def _open_reserve(self, call: Call, action: Action, now: Instant) -> None:
        self.floor.matcher.open_reserve(call.queue, int(action.number), now)
        self.floor.dirty = True

    # --- questions ------------------------------------------------------------------------------

    def explain(self, call: Call, now: Instant) -> tuple[str, ...]:
        """Say of each rule that may still apply what it waits for."""
        lines = []
        facts = Facts(self, call, now)
        for rule in self._plans.get(call.queue, ()):
            last = _fired(call, rule)
            if last is not None and rule.every_ms is None:
                continue
            due = call.waits_from + rule.from_ms
            if last is not None and rule.every_ms is not None:
                due = max(due, last + rule.every_ms)
            if due > now:
                lines.append(
                    f"rule {rule.name} is looked at in {(due - now) / 1000:.1f} s: {_deeds_text(rule)}"
                )
                continue
            missing = [c.key for c in rule.conditions if not c.holds(facts.of)]
            values = ", ".join(f"{key} is {_value(facts.of(key))}" for key in missing)
            lines.append(f"rule {rule.name} ({rule.text}) does not apply: {values}")
        return tuple(lines)


class Facts:
    """What is true of one caller now, each fact worked out when asked for, once."""

    __slots__ = ("_book", "_call", "_known", "_now")

    def __init__(self, book: Rulebook, call: Call, now: Instant) -> None:
        self._book, self._call, self._now = book, call, now
        self._known: dict[str, float | None] = {}

    def of(self, name: str) -> float | None:
        """Return a fact's value; None where nobody knows it."""
        if name not in self._known:
            self._known[name] = self._look(name)
        return self._known[name]

    def _look(self, name: str) -> float | None:
        call, floor = self._call, self._book.floor
        if name.startswith(WINDOW):
            return float(floor.windows.get(name[len(WINDOW) + 1 :], False))
        if name in AGENT_FACTS:
            return self._heads(name)
        if name == "expected_wait_ms":
            return floor.matcher.expected_wait_ms(call.queue, floor.matcher.position(call.id))
        lift = 1.0 if call.marks is None else call.marks.lift
        simple: dict[str, Callable[[], float]] = {
            "waited_ms": lambda: self._now - call.waits_from,
            "depth": lambda: self._book.depth(call.queue),
            "position": lambda: floor.matcher.position(call.id),
            "priority": lambda: floor.lines[call.queue].policy.priority * call.priority * lift,
            "open": lambda: float(floor.lines[call.queue].open),
        }
        return simple[name]()

    def _heads(self, name: str) -> float:
        """Count agents: those logged in by what will do after the longest wait, the others by what will do now."""
        call, book = self._call, self._book
        waited: Duration | None = None if name == "logged_in" else self._now - call.waits_from
        extra, eased = call.needs, _NOTHING
        if call.marks is not None:
            extra, eased = (*call.needs, *call.marks.needs), call.marks.eased
        needs = needs_at(book.floor.lines[call.queue].policy, extra, eased, waited)
        heads = book.staff.heads(needs, book.floor.matcher.reserve_open(call.queue))
        return float(getattr(heads, name))


def _marks(call: Call) -> RuleMarks:
    if call.marks is None:
        call.marks = RuleMarks()
    return call.marks


def _fired(call: Call, rule: Rule) -> Instant | None:
    return None if call.marks is None else call.marks.fired.get(rule)


def _deeds_text(rule: Rule) -> str:
    return ", ".join(map(str, rule.actions))


def _value(value: float | None) -> str:
    return "not known" if value is None else f"{value:g}"
