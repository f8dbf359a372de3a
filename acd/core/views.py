"""From the floor to the immutable snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.agent import AgentState
from acd.core.call import CallState
from acd.core.snapshot import AgentView, CallView, QueueView, Snapshot
from acd.core.tally import Way

if TYPE_CHECKING:
    from acd.core.agent import Agent
    from acd.core.call import Call
    from acd.core.floor import Floor, Line
    from acd.core.ids import QueueId
    from acd.core.instant import Duration, Instant
    from acd.core.matcher import Matcher

_IN_LINE = (CallState.WAITING, CallState.OFFERING)
_OTHERWISE = (Way.OVERFLOWED, Way.CALLBACK, Way.REFUSED, Way.PBX_FAILED)


def take_snapshot(floor: Floor, now: Instant) -> Snapshot:
    """Look at everything once."""
    waiting: dict[QueueId, int] = {}
    longest: dict[QueueId, Duration] = {}
    talking: dict[QueueId, int] = {}
    without_agent: dict[QueueId, int] = {}
    for call in floor.calls.values():
        if call.outbound:
            continue  # a place in the line, but nobody on the line: no figure of the queue's service
        if call.state in _IN_LINE:
            waiting[call.queue] = waiting.get(call.queue, 0) + 1
            longest[call.queue] = max(longest.get(call.queue, 0), now - call.entered_at)
            if call.state is CallState.WAITING:
                without_agent[call.queue] = without_agent.get(call.queue, 0) + 1
        elif call.state is CallState.TALKING:
            talking[call.queue] = talking.get(call.queue, 0) + 1
    return Snapshot(
        now=now,
        synced=floor.synced,
        calls=tuple(call_view(floor, call, now) for call in floor.calls.values()),
        agents=tuple(_agent_view(floor, agent, now) for agent in floor.agents.values()),
        queues=tuple(
            _queue_view(
                id_,
                line,
                waiting.get(id_, 0),
                longest.get(id_, 0),
                talking.get(id_, 0),
                # for whoever came now: behind those without an agent; an offered caller has his
                floor.matcher.expected_wait_ms(id_, without_agent.get(id_, 0) + 1),
                floor.matcher,
            )
            for id_, line in floor.lines.items()
        ),
        counters=tuple(sorted(floor.counters.items())),
    )


def waiting_in(floor: Floor, queue: QueueId) -> int:
    """How many calls of this queue wait or are being offered, as `QueueView.waiting` says."""
    return sum(
        call.queue == queue and call.state in _IN_LINE and not call.outbound for call in floor.calls.values()
    )


def call_view(floor: Floor, call: Call, now: Instant) -> CallView:
    """Look at one live call."""
    moments = (call.answered_at, call.left_at, now)
    waited_to = next(moment for moment in moments if moment is not None)
    position, expected = 0, None
    if call.state is CallState.WAITING:
        position = floor.matcher.position(call.id)
        if position > 0:  # 0: asked into fallback, nobody is meant to take it
            expected = floor.matcher.expected_wait_ms(call.queue, position)
    return CallView(
        call=call.id,
        state=call.state.value,
        queue=call.queue,
        subscriber=call.subscriber,
        did=call.did,
        ani=call.ani,
        card_number=call.card_number,
        entered_at=call.entered_at,
        waited_ms=max(0, waited_to - call.entered_at),
        agent=None if call.leg is None else call.leg.agent,
        attempt=call.attempt,
        position=position,
        expected_wait_ms=expected,
        outbound=call.outbound,
    )


def wrapping_up(floor: Floor, now: Instant) -> tuple[CallView, ...]:
    """Look at the ended calls whose card waits for an agent's wrap-up; their state is `ended`."""
    calls = (floor.closed.get(agent.call) for agent in floor.agents.values() if agent.call is not None)
    return tuple(call_view(floor, call, now) for call in calls if call is not None and call.wrapping > 0)


def _agent_view(floor: Floor, agent: Agent, now: Instant) -> AgentView:
    call = floor.calls.get(agent.call) if agent.call is not None else None
    talk = call if call is not None and call.leg is agent.leg and agent.state is AgentState.TALKING else None
    ready_ms, busy_ms = agent.accounted(now)
    return AgentView(
        agent=agent.id,
        status=agent.status.value,
        pause_reason=agent.pause_reason,
        state=agent.state.value,
        state_since=agent.since,
        reachable=agent.reachable,
        call=agent.call,
        handled=agent.handled,
        rna=agent.rna,
        wrap_up_until=agent.wrap_up_until,
        ready_ms=ready_ms,
        busy_ms=busy_ms,
        transfer="" if talk is None else talk.transfer.value,
        transfer_to="" if talk is None else _without_number(talk.transfer_to),
        held_since=None if talk is None or talk.leg is None else talk.leg.hold_since,
        reserve=agent.policy.reserve,
        written=len(agent.written),
        called=agent.policy.reserve > 0 and floor.matcher.demand(agent.id).called_by is not None,
    )


def _without_number(target: str) -> str:
    """An outside person's number is nobody's business but the switch's: the state is retained by brokers."""
    return "out" if target.startswith("out_") else target


def _queue_view(
    id_: QueueId,
    line: Line,
    waiting: int,
    longest: Duration,
    talking: int,
    expected: Duration | None,
    matcher: Matcher,
) -> QueueView:
    tally = line.tally
    return QueueView(
        queue=id_,
        subscriber=line.policy.subscriber,
        open=line.open,
        waiting=waiting,
        longest_wait_ms=longest,
        offered=tally.offered,
        answered=tally.ways[Way.ANSWERED],
        answered_in_target=tally.answered_in_target,
        abandoned=tally.ways[Way.ABANDONED],
        abandoned_short=tally.short,
        fallback=tally.ways[Way.FALLBACK],
        handled=tally.handled,
        talking=talking,
        sum_wait_answered_ms=tally.sum_wait_answered_ms,
        sum_talk_ms=tally.sum_talk_ms,
        sum_acw_ms=tally.sum_acw_ms,
        target_share=line.policy.promise.share,
        target_threshold_ms=line.policy.promise.threshold_ms,
        expected_wait_ms=expected,
        reserve_open=matcher.reserve_open(id_),
        reserve_why=matcher.explain_reserve(id_),
        sum_hold_ms=tally.sum_hold_ms,
        left_otherwise=sum(tally.ways[way] for way in _OTHERWISE),
    )
