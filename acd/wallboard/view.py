"""What the wallboard says, as plain rows: no widgets, no colours, no language. Pure.

Alarms are codes (keys of words.py) with a severity; render shows each by colour and by word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from acd.core.ids import CallId
from acd.core.snapshot import AgentView, CallView, QueueView, Snapshot

HARD_LIMIT_MS = 40_000
"""000-08: nobody waits longer than 40 seconds without an alarm."""
NEAR_TARGET = 0.02
"""Two points above the promised share is near enough to look."""
WRAP_UP_ENDING_MS = 15_000
SORTS = ("urgency", "name", "load")
FILTERS = ("all", "alarms", "active")


class Severity(IntEnum):
    """How much a row wants to be seen."""

    NONE = 0
    NOTICE = 1
    WARNING = 2
    ALARM = 3


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that wants to be seen."""

    code: str
    severity: Severity


NO_ALARM = Alarm("", Severity.NONE)


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One subscriber's line. Times in milliseconds, shares 0..1, None = no calls yet."""

    id: str
    name: str
    waiting: int
    longest_ms: int
    offered: int
    answered: int
    abandoned: int
    talking: int
    fallback: int
    service_level: float | None
    target_share: float
    target_ms: int
    asa_ms: float | None
    expected_wait_ms: int | None
    level: Severity
    """Severity of the service level alone."""
    wait: Severity
    """Severity of the longest wait alone."""
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent's line."""

    id: str
    name: str
    status: str
    pause_reason: str
    state: str
    for_ms: int | None
    """How long in this state; None for somebody never seen."""
    call: str
    """Card number, else the start of the call's id; empty when in no call."""
    queue: str
    """Name of the line the call came from."""
    handled: int
    alarm: Alarm
    written: int = 0
    """Pieces of written work in hand."""
    reserve: str = ""
    """A word for an available agent of the reserve: back_office or called; empty for the front line."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole centre in six figures."""

    waiting: int
    longest_ms: int
    talking: int
    ready: int
    on_duty: int
    offered: int
    service_level: float | None
    """sl_of_offered over all queues, each measured against its own threshold."""
    abandoned: int
    level: Severity
    wait: Severity
    answered: int
    fallback: int
    """Served by the PBX alone, a message left on voice mail among them."""


@dataclass(frozen=True, slots=True)
class Board:
    """Everything the wallboard shows."""

    centre: str
    now: int
    synced: bool
    totals: Totals
    queues: tuple[QueueRow, ...]
    agents: tuple[AgentRow, ...]
    alarm: Alarm
    """The centre's own alarm: nobody ready, nobody on duty."""
    degraded: tuple[str, ...]
    counters: tuple[tuple[str, int], ...]
    callbacks_due: int = 0
    """Missed calls to be called back now, or being called back."""
    callbacks_held: int = 0
    """Call-backs that need a person's yes."""

    @property
    def alarms(self) -> int:
        """How many rows are in full alarm."""
        rows: tuple[QueueRow | AgentRow, ...] = (*self.queues, *self.agents)
        return sum(row.alarm.severity is Severity.ALARM for row in rows)


def board(
    snapshot: Snapshot,
    *,
    centre: str = "",
    queue_names: Mapping[str, str] | None = None,
    agent_names: Mapping[str, str] | None = None,
    degraded: Iterable[str] = (),
    callbacks: tuple[int, int] = (0, 0),
) -> Board:
    """Make the board of one snapshot. `callbacks`: how many are due, how many need a person's yes."""
    queue_names = queue_names or {}
    calls = {call.call: call for call in snapshot.calls}
    queues = tuple(_queue_row(queue, queue_names) for queue in snapshot.queues)
    agents = tuple(
        _agent_row(agent, calls, agent_names or {}, queue_names, snapshot.now) for agent in snapshot.agents
    )
    totals = _totals(snapshot, queues)
    return Board(
        centre=centre,
        now=snapshot.now,
        synced=snapshot.synced,
        totals=totals,
        queues=queues,
        agents=agents,
        alarm=_centre_alarm(totals),
        degraded=tuple(degraded),
        callbacks_due=callbacks[0],
        callbacks_held=callbacks[1],
        counters=tuple((name, count) for name, count in snapshot.counters if count),
    )


def arranged_queues(rows: Iterable[QueueRow], sort: str, shown: str) -> tuple[QueueRow, ...]:
    """Filter and sort the subscribers; ties keep the configured order."""
    kept = [row for row in rows if _kept(row.alarm, shown, active=bool(row.waiting or row.talking))]
    if sort == "name":
        kept.sort(key=lambda row: row.name.casefold())
    elif sort == "load":
        kept.sort(key=lambda row: (-row.waiting, -row.talking, -row.offered))
    else:
        kept.sort(key=lambda row: (-row.alarm.severity, -row.longest_ms))
    return tuple(kept)


_STATE_ORDER = ("ringing", "reserved", "talking", "wrap_up", "idle", "busy_elsewhere")


def arranged_agents(rows: Iterable[AgentRow], sort: str, shown: str) -> tuple[AgentRow, ...]:
    """Filter and sort the agents; who is not on duty comes last."""
    kept = [row for row in rows if _kept(row.alarm, shown, active=row.status != "logged_out")]
    if sort == "name":
        kept.sort(key=lambda row: row.name.casefold())
    elif sort == "load":
        kept.sort(key=lambda row: (row.status == "logged_out", -row.handled))
    else:
        kept.sort(
            key=lambda row: (-row.alarm.severity, row.status == "logged_out", _order(row), -(row.for_ms or 0))
        )
    return tuple(kept)


def _order(row: AgentRow) -> int:
    return _STATE_ORDER.index(row.state) if row.state in _STATE_ORDER else len(_STATE_ORDER)


def _kept(alarm: Alarm, shown: str, *, active: bool) -> bool:
    if shown == "alarms":
        return alarm.severity >= Severity.WARNING
    return active or alarm.severity >= Severity.WARNING if shown == "active" else True


def _queue_row(queue: QueueView, names: Mapping[str, str]) -> QueueRow:
    level = _level(queue.sl_of_offered, queue.target_share)
    wait = _wait(queue)
    return QueueRow(
        id=queue.queue,
        name=names.get(queue.queue, queue.queue),
        waiting=queue.waiting,
        longest_ms=queue.longest_wait_ms,
        offered=queue.offered,
        answered=queue.answered,
        abandoned=queue.abandoned,
        talking=queue.talking,
        fallback=queue.fallback,
        service_level=queue.sl_of_offered,
        target_share=queue.target_share,
        target_ms=queue.target_threshold_ms,
        asa_ms=queue.asa_ms,
        expected_wait_ms=queue.expected_wait_ms,
        level=level,
        wait=wait,
        alarm=_queue_alarm(queue, level, wait),
    )


def _level(share: float | None, target: float) -> Severity:
    if share is None:
        return Severity.NONE
    if share < target:
        return Severity.ALARM
    return Severity.NOTICE if share < target + NEAR_TARGET else Severity.NONE


def _wait(queue: QueueView) -> Severity:
    if not queue.waiting:
        return Severity.NONE
    if queue.longest_wait_ms > HARD_LIMIT_MS:
        return Severity.ALARM
    return Severity.WARNING if queue.longest_wait_ms > queue.target_threshold_ms else Severity.NONE


def _queue_alarm(queue: QueueView, level: Severity, wait: Severity) -> Alarm:
    """A caller who waits now comes before a figure of the whole day."""
    if wait is Severity.ALARM:
        return Alarm("over_limit", wait)
    if wait is Severity.WARNING:
        return Alarm("past_promise", wait)
    if not queue.open:
        return Alarm("closed", Severity.NOTICE)
    if queue.reserve_open:
        return Alarm("reserve_open", Severity.NOTICE)
    if level is Severity.ALARM:
        return Alarm("below_target", level)
    return Alarm("near_target", level) if level is Severity.NOTICE else NO_ALARM


def _agent_row(
    agent: AgentView,
    calls: Mapping[CallId, CallView],
    names: Mapping[str, str],
    queue_names: Mapping[str, str],
    now: int,
) -> AgentRow:
    call = calls.get(agent.call) if agent.call else None
    return AgentRow(
        id=agent.agent,
        name=names.get(agent.agent, agent.agent),
        status=agent.status,
        pause_reason=agent.pause_reason,
        state=agent.state,
        for_ms=max(0, now - agent.state_since) if agent.state_since > 0 else None,
        call=(call.card_number if call and call.card_number else (agent.call or "")[:8]),
        queue=queue_names.get(call.queue, call.queue) if call else "",
        handled=agent.handled,
        alarm=_agent_alarm(agent, now),
        reserve=_reserve(agent),
        written=agent.written,
    )


def _reserve(agent: AgentView) -> str:
    """What an available agent of the reserve is for now: the back office, or the phones."""
    if not agent.reserve or agent.status != "available":
        return ""
    return "called" if agent.called else "back_office"


def _agent_alarm(agent: AgentView, now: int) -> Alarm:
    if agent.status == "logged_out" and agent.state == "idle":
        return NO_ALARM
    if not agent.reachable:
        return Alarm("unreachable", Severity.ALARM)
    if agent.status == "paused" and agent.pause_reason.casefold() == "rna":
        return Alarm("paused_rna", Severity.ALARM)
    if agent.state == "wrap_up" and agent.wrap_up_until is not None:
        if now > agent.wrap_up_until:
            return Alarm("wrap_up_over", Severity.ALARM)
        if agent.wrap_up_until - now <= WRAP_UP_ENDING_MS:
            return Alarm("wrap_up_ending", Severity.NOTICE)
    return NO_ALARM


def _totals(snapshot: Snapshot, rows: tuple[QueueRow, ...]) -> Totals:
    offered = sum(queue.offered for queue in snapshot.queues)
    in_time = sum(queue.answered_in_target for queue in snapshot.queues)
    promised = sum(queue.offered * queue.target_share for queue in snapshot.queues)
    on_duty = [agent for agent in snapshot.agents if agent.status != "logged_out"]
    share = in_time / offered if offered else None
    return Totals(
        waiting=sum(row.waiting for row in rows),
        longest_ms=max((row.longest_ms for row in rows if row.waiting), default=0),
        talking=sum(call.state == "talking" for call in snapshot.calls),
        ready=sum(
            a.status == "available" and a.state == "idle" and a.reachable and (a.called or not a.reserve)
            for a in on_duty
        ),
        on_duty=len(on_duty),
        offered=offered,
        service_level=share,
        abandoned=sum(row.abandoned for row in rows),
        level=_level(share, promised / offered) if offered else Severity.NONE,
        wait=max((row.wait for row in rows), default=Severity.NONE),
        answered=sum(row.answered for row in rows),
        fallback=sum(row.fallback for row in rows),
    )


def _centre_alarm(totals: Totals) -> Alarm:
    if not totals.on_duty:
        return Alarm("nobody_on_duty", Severity.ALARM if totals.waiting else Severity.WARNING)
    if totals.waiting and not totals.ready:
        return Alarm("nobody_ready", Severity.WARNING)
    return NO_ALARM
