"""Immutable views of the core for wallboard, HTTP and tests. `Snapshot.line()` reads like a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.ids import AgentId, Ani, CallId, Did, QueueId, SubscriberId

if TYPE_CHECKING:
    from dataclasses import dataclass

    from acd.core.instant import Duration, Instant
else:
    from acd.core.record import dataclass


@dataclass(frozen=True, slots=True)
class CallView:
    """One live call."""

    call: CallId
    state: str
    """new, waiting, offering, talking, fallback, done (talk over, channel still up)"""
    queue: QueueId
    subscriber: SubscriberId
    did: Did
    ani: Ani
    card_number: str
    entered_at: Instant
    waited_ms: Duration
    agent: AgentId | None
    attempt: int
    position: int
    """Place in its own queue, 1 is next; 0 when not waiting."""
    expected_wait_ms: Duration | None = None
    outbound: bool = False
    """A call-back of ours: `ani` is the number we call, and nobody waits on the line."""


@dataclass(frozen=True, slots=True)
class AgentView:
    """One agent."""

    agent: AgentId
    status: str
    """logged_out, available, paused"""
    pause_reason: str
    state: str
    """idle, reserved, ringing, talking, wrap_up, busy_elsewhere"""
    state_since: Instant
    reachable: bool
    call: CallId | None
    handled: int
    rna: int
    wrap_up_until: Instant | None = None
    reserve: int = 0
    """0 front line; 1, 2 reserve or back office, called upon by load (001-08)."""
    written: int = 0
    """Pieces of written work in hand."""
    called: bool = False
    """Of the reserve: a queue calls upon this agent now."""
    ready_ms: Duration = 0
    """Available and idle in the interval."""
    busy_ms: Duration = 0
    """Ring, talk, hold and wrap-up in the interval; occupancy = busy / (busy + ready)."""
    transfer: str = ""
    """How far handing on the call in talk is: asked, consulting, consult_talk; empty: not at all."""
    transfer_to: str = ""
    """agent_<id>, queue_<id> or out_<number>."""
    held_since: Instant | None = None
    """In talk, and the caller hears music since then: held by the agent's phone, or while somebody is asked."""


@dataclass(frozen=True, slots=True)
class QueueView:
    """One waiting line and its counters of the current interval (the local day by default)."""

    queue: QueueId
    subscriber: SubscriberId
    open: bool
    waiting: int
    longest_wait_ms: Duration
    offered: int
    answered: int
    answered_in_target: int
    abandoned: int
    abandoned_short: int
    fallback: int
    handled: int
    talking: int
    sum_wait_answered_ms: Duration
    sum_talk_ms: Duration
    sum_acw_ms: Duration
    target_share: float
    target_threshold_ms: Duration
    expected_wait_ms: Duration | None = None
    sum_hold_ms: Duration = 0
    reserve_open: int = 0
    """The reserve class called upon for this queue now, 0 none."""
    reserve_why: str = ""
    """What opened or closed the reserve last."""
    left_otherwise: int = 0
    """Overflowed, callback, refused after queueing or lost with the PBX: with answered, abandoned,
    fallback and those still in the line this adds up to offered."""

    @property
    def sl_of_offered(self) -> float | None:
        """Answered within the threshold / offered; None before the first offered call."""
        return self.answered_in_target / self.offered if self.offered else None

    @property
    def asa_ms(self) -> float | None:
        """Average wait of answered calls."""
        return self.sum_wait_answered_ms / self.answered if self.answered else None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole centre at one instant."""

    now: Instant
    synced: bool
    calls: tuple[CallView, ...]
    agents: tuple[AgentView, ...]
    queues: tuple[QueueView, ...]
    counters: tuple[tuple[str, int], ...] = ()
    """Anomalies by name: illegal transitions, late outcomes, drift."""

    def line(self) -> str:
        """Return one readable line: `calls 2 waiting 1 offering 0 talking | agents 3 idle ...`."""
        parts = [f"{sum(c.state == s for c in self.calls)} {s}" for s in ("waiting", "offering", "talking")]
        states = ("idle", "reserved", "ringing", "talking", "wrap_up", "busy_elsewhere")
        on_duty = [a for a in self.agents if a.status != "logged_out"]
        agents = [f"{n} {s}" for s in states if (n := sum(a.state == s for a in on_duty))]
        return f"calls {' '.join(parts)} | agents {' '.join(agents) or 'none'}"
