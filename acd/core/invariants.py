"""What must hold after every step. The engine checks the cheap half itself; this is all of it.

For tests and simulation: a pass costs a look at every call and agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.agent import AgentState
from acd.core.call import CallState, TransferState
from acd.core.errors import ensure
from acd.core.tally import Way

if TYPE_CHECKING:
    from acd.core.agent import Agent
    from acd.core.call import Call
    from acd.core.floor import Floor
    from acd.core.instant import Instant

_WITH_AGENT = (CallState.OFFERING, CallState.TALKING)
_WITH_CALL = (AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING)


def check(floor: Floor, now: Instant) -> None:
    """Raise InvariantBroken naming the first thing that does not hold."""
    for call in floor.calls.values():
        _check_call(floor, call)
    for agent in floor.agents.values():
        _check_agent(floor, agent)
    for call in floor.closed.values():
        ensure(call.state is CallState.ENDED, f"closed call {call.id} is {call.state}")
        ensure(call.leg is None, f"closed call {call.id} still has an agent")
        written = call.card is not None
        ensure(written or call.wrapping > 0 or not call.known, f"ended call {call.id} has no card")
    for queue, line in floor.lines.items():
        gone = sum(line.tally.ways[way] for way in Way)
        in_line = floor.in_line(queue)
        offered = line.tally.offered
        ensure(offered == gone + in_line, f"{queue}: offered {offered}, gone {gone}, in line {in_line}")
    due = floor.deadlines.next()
    ensure(due is None or due >= now, f"deadline {due} is in the past at {now}")


def _check_call(floor: Floor, call: Call) -> None:
    ensure(call.state is not CallState.ENDED, f"ended call {call.id} among the live ones")
    paired = call.state in _WITH_AGENT
    ensure((call.leg is not None) is paired, f"call {call.id} is {call.state} with leg {call.leg}")
    if call.leg is not None:
        agent = floor.agents.get(call.leg.agent)
        ensure(agent is not None and agent.leg is call.leg, f"call {call.id} and its agent disagree")
        talking = agent is not None and agent.state is AgentState.TALKING
        ensure(talking is (call.state is CallState.TALKING), f"{call.id} {call.state}, agent not so")
    if call.state is CallState.WAITING:
        due = floor.deadlines.due(("max_wait", call.id))
        ensure(due is not None, f"call {call.id} waits without an end")
    if call.transfer is TransferState.ASKED:
        ensure(floor.deadlines.due(("transfer", call.id)) is not None, f"{call.id} is asked for for ever")
    ensure(sum(leg.ended_at is None for leg in call.legs) <= 1, f"call {call.id} has two open legs")


def _check_agent(floor: Floor, agent: Agent) -> None:
    if agent.state in _WITH_CALL:
        call = None if agent.call is None else floor.calls.get(agent.call)
        ensure(call is not None and call.leg is agent.leg, f"agent {agent.id} holds a call that is not his")
    elif agent.state is AgentState.WRAP_UP:
        ensure(floor.deadlines.due(("wrap", agent.id)) is not None, f"{agent.id} wraps up for ever")
    else:
        ensure(agent.leg is None and agent.call is None, f"agent {agent.id} is {agent.state} with a call")
    if agent.state in {AgentState.RESERVED, AgentState.RINGING}:
        ensure(floor.deadlines.due(("offer", agent.id)) is not None, f"{agent.id} is reserved for ever")
    else:
        ensure(
            floor.deadlines.due(("offer", agent.id)) is None, f"{agent.id} is not offered, yet a deadline is"
        )
    ensure(agent.offered_ready is agent.ready, f"{agent.id}: the matcher and we disagree on readiness")
    busy = agent.state is AgentState.BUSY_ELSEWHERE
    ensure(not busy or agent.in_own_call, f"{agent.id} is busy elsewhere without an own call")
    ensure(
        not agent.resting or floor.deadlines.due(("rest", agent.id)) is not None, f"{agent.id} rests for ever"
    )
