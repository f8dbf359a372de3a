"""An agent and the transition table. Only this file assigns an agent's state.

*Status* is the person's choice, *state* is what we know. Ready = available, idle, reachable, and not
resting after a failed phone.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from acd.core.call import Leg
    from acd.core.ids import AgentId, CallId
    from acd.core.instant import Duration, Instant
    from acd.core.policy import AgentPolicy


class AgentStatus(Enum):
    """What the agent chose."""

    LOGGED_OUT = "logged_out"
    AVAILABLE = "available"
    PAUSED = "paused"


class AgentState(Enum):
    """What the system knows."""

    __hash__ = object.__hash__  # by identity: the tables are looked up thousands of times a second

    IDLE = "idle"
    RESERVED = "reserved"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap_up"
    BUSY_ELSEWHERE = "busy_elsewhere"


class AgentSignal(Enum):
    """What can happen to an agent."""

    __hash__ = object.__hash__  # by identity: the tables are looked up thousands of times a second

    RESERVED = "reserved"
    RINGING = "dialled or ringing"
    ANSWERED = "answered"
    RELEASED = "offer ended or given up"
    TALK_OVER = "talk over"
    WRAP_UP_OVER = "wrap-up done or deadline"
    OWN_CALL = "own call started"
    OWN_CALL_OVER = "own call ended"
    FOUND_RINGING = "found ringing by a sync or late news"
    FOUND_WRAP_UP = "wrap-up kept over our restart"


_S, _E = AgentState, AgentSignal

AGENT_TRANSITIONS: dict[tuple[AgentState, AgentSignal], AgentState] = {
    (_S.IDLE, _E.RESERVED): _S.RESERVED,
    (_S.IDLE, _E.OWN_CALL): _S.BUSY_ELSEWHERE,
    (_S.IDLE, _E.FOUND_RINGING): _S.RINGING,
    (_S.IDLE, _E.FOUND_WRAP_UP): _S.WRAP_UP,
    (_S.RESERVED, _E.RINGING): _S.RINGING,
    (_S.RESERVED, _E.ANSWERED): _S.TALKING,
    (_S.RESERVED, _E.RELEASED): _S.IDLE,
    (_S.RINGING, _E.ANSWERED): _S.TALKING,
    (_S.RINGING, _E.RELEASED): _S.IDLE,
    (_S.TALKING, _E.TALK_OVER): _S.WRAP_UP,
    (_S.WRAP_UP, _E.WRAP_UP_OVER): _S.IDLE,
    (_S.BUSY_ELSEWHERE, _E.OWN_CALL_OVER): _S.IDLE,
    (_S.BUSY_ELSEWHERE, _E.FOUND_RINGING): _S.RINGING,
}

_MOVES: Final[dict[AgentState, dict[AgentSignal, AgentState]]] = {
    state: {signal: to for (at, signal), to in AGENT_TRANSITIONS.items() if at is state}
    for state in AgentState
}
"""The table by state, as that of the calls."""

_IN_HAND: Final = frozenset({AgentState.RINGING, AgentState.TALKING, AgentState.WRAP_UP})
# Members by name: to read an Enum's attribute costs 100 ns and more in Python 3.11 (decision 0150).
_IDLE: Final = AgentState.IDLE
_AVAILABLE: Final = AgentStatus.AVAILABLE


class Agent:
    """One agent, as configured, as chosen and as known."""

    __slots__ = (
        "_accounted",
        "busy_ms",
        "call",
        "device",
        "handled",
        "id",
        "in_own_call",
        "leg",
        "offered_ready",
        "pause_reason",
        "policy",
        "reachable",
        "ready_ms",
        "resting",
        "retired",
        "rna",
        "rna_streak",
        "since",
        "state",
        "status",
        "status_known",
        "status_since",
        "wrap_up_until",
        "written",
    )

    def __init__(self, policy: AgentPolicy, now: Instant) -> None:
        self.id: AgentId = policy.id
        self.policy = policy
        self.status = AgentStatus.LOGGED_OUT
        self.status_known = False
        """Told by a fact, decided by us or read from the store: from then on the store is behind us."""
        self.status_since: Instant = now
        self.pause_reason = ""
        self.device = ""
        self.state = AgentState.IDLE
        self.since: Instant = now
        self.reachable = True
        self.in_own_call = False
        self.resting = False
        """The phone failed or was busy: left alone for a moment, or one bad phone would eat every offer."""
        self.retired = False
        """No longer in the policy; leaves as soon as idle."""
        self.call: CallId | None = None
        self.leg: Leg | None = None
        self.wrap_up_until: Instant | None = None
        self.written: dict[str, Instant] = {}
        """Written work in hand: its id, and since when."""
        self.handled = 0
        self.rna = 0
        self.rna_streak = 0
        self.offered_ready = False
        """Whether the matcher knows this agent as ready."""
        self.ready_ms: Duration = 0
        self.busy_ms: Duration = 0
        self._accounted: Instant = now

    @property
    def ready(self) -> bool:
        """May be offered a call."""
        return (
            self.state is _IDLE
            and self.status is _AVAILABLE
            and self.reachable
            and not self.resting
            and not self.retired
        )

    def apply(self, signal: AgentSignal, now: Instant) -> bool:
        """Move to the next state; False, and nothing changed, when the table has no such pair."""
        following = _MOVES[self.state].get(signal)
        if following is None:
            return False
        spent = now - self._accounted  # as account(), without the calls: five times in every call
        if spent:
            if self.state in _IN_HAND:
                self.busy_ms += spent
            elif self.state is _IDLE and self.status is _AVAILABLE and self.reachable:
                self.ready_ms += spent
            self._accounted = now
        self.state = following
        self.since = now
        return True

    def choose(self, status: AgentStatus, reason: str, now: Instant) -> None:
        """Set what the person chose."""
        self.account(now)
        self.status_known = True
        self.status = status
        self.status_since = now
        self.pause_reason = reason

    def accounted(self, now: Instant) -> tuple[Duration, Duration]:
        """Return (ready, busy) time of the interval up to now; pauses and unreachable phones are neither."""
        spent = now - self._accounted
        if self.state in _IN_HAND:
            return self.ready_ms, self.busy_ms + spent
        if self.state is _IDLE and self.status is _AVAILABLE and self.reachable:
            return self.ready_ms + spent, self.busy_ms
        return self.ready_ms, self.busy_ms

    def account(self, now: Instant) -> None:
        """Add the time since the last change to ready or busy time: to be called before any change."""
        self.ready_ms, self.busy_ms = self.accounted(now)
        self._accounted = now

    def start_interval(self, now: Instant) -> None:
        """Counters from zero; what runs goes on."""
        self.account(now)
        self.ready_ms = self.busy_ms = 0
        self.handled = self.rna = 0
