"""What became of every second a call waited, and who was served instead: always on, paid when asked for.

Being held back, or kept for one agent, is booked when it begins and ends; both are rare. Whoever was served meanwhile
is found in a short log of decisions when somebody asks, or when the call is served after a wait.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

# read at run time: the compiler takes the types of a named tuple when the module is loaded
from acd.core.ids import AgentId, CallId
from acd.core.instant import Duration, Instant

if TYPE_CHECKING:
    from collections.abc import Callable

LOG_LENGTH = 2_000
LOOK_BACK = 200
"""Decisions looked at for one story: a big centre makes so many in a few seconds."""
MOST_KEPT = 4_096
"""Calls whose held time is remembered; the oldest goes first."""


class Decision(NamedTuple):
    """One call given to one agent."""

    at: Instant
    call: CallId
    agent: AgentId
    entered_at: Instant
    cost: float


class _Kept:
    """Why one call waited beside a ready agent, and how long."""

    __slots__ = ("beside", "since", "spans", "why")

    def __init__(self) -> None:
        self.beside: tuple[AgentId, float, float] | None = None
        self.spans: dict[str, Duration] = {}
        self.why = ""
        self.since: Instant = 0

    def close(self, now: Instant) -> None:
        """End the running span."""
        if self.why:
            self.spans[self.why] = self.spans.get(self.why, 0) + max(0, now - self.since)
            self.why = ""


class WaitLog:
    """Of one matcher."""

    __slots__ = ("_decisions", "_kept", "running")

    def __init__(self) -> None:
        self._decisions: deque[Decision] = deque(maxlen=LOG_LENGTH)
        self._kept: dict[CallId, _Kept] = {}
        self.running: set[CallId] = set()
        """Calls whose span is open: only membership is asked."""

    def keep(
        self, call: CallId, why: str, now: Instant, beside: tuple[AgentId, float, float] | None = None
    ) -> None:
        """From now on the call waits for this reason, beside a ready agent; told again it changes nothing.

        `beside`: the first such agent, what taking him would cost others, and the most this call may cost them.
        """
        kept = self._kept.get(call)
        if kept is None:
            if len(self._kept) >= MOST_KEPT:
                oldest = next(iter(self._kept))
                del self._kept[oldest]
                self.running.discard(oldest)
            kept = self._kept[call] = _Kept()
            kept.beside = beside
        if kept.why != why:
            kept.close(now)
            kept.why, kept.since = why, now
        self.running.add(call)

    def release(self, call: CallId, now: Instant) -> None:
        """No longer: taken, or nobody is ready any more."""
        if call in self.running:
            self.running.discard(call)
            self._kept[call].close(now)

    def decided(self, decision: Decision) -> None:
        """Remember one decision."""
        self._decisions.append(decision)

    def story(self, call: CallId, entered_at: Instant, now: Instant, could: Callable[[AgentId], bool]) -> str:
        """Say where the wait went. `could`: whether an agent may take this call as things stand."""
        kept = self._kept.get(call)
        spans = dict(kept.spans) if kept else {}
        if kept and kept.why:
            spans[kept.why] = spans.get(kept.why, 0) + now - kept.since
        rest = max(0, now - entered_at - sum(spans.values()))
        parts = [f"{ms / 1000:.1f} s {why}" for why, ms in spans.items() if ms]
        if parts and kept and kept.beside:
            agent, price, limit = kept.beside
            parts[0] += f" (first {agent}, price {price:.3g} against {limit:.3g})"
        parts.append(f"{rest / 1000:.1f} s with nobody ready who may take it")
        return f"waited {', '.join(parts)}{self._passed_over(call, entered_at, could)}"

    def _passed_over(self, call: CallId, entered_at: Instant, could: Callable[[AgentId], bool]) -> str:
        others = []
        for seen, decision in enumerate(reversed(self._decisions)):
            if seen >= LOOK_BACK or decision.at < entered_at:
                break
            if decision.entered_at > entered_at and decision.call != call and could(decision.agent):
                others.append(decision)
        if not others:
            return ""
        last = others[0]
        return (
            f"; {len(others)} later callers were served before it by agents who could have, last {last.call} "
            f"by {last.agent} at +{(last.at - entered_at) / 1000:.1f} s, whose waiting cost {last.cost:.3g}"
        )
