"""How much of what one agent may have in hand: calls one at a time, written work up to a number.

Voice is exclusive: an agent in a call takes nothing else, and written work in hand never keeps a call away. Whether a
free agent may be given written work is the blending question of 001-07 and 001-08: only while the phones can
spare him, a threshold on his opportunity cost (Bhulai and Koole; Gans and Zhou 2003).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from acd.core.agent import AgentState, AgentStatus

if TYPE_CHECKING:
    from acd.core.agent import Agent
    from acd.core.matcher import Demand

VOICE, WRITTEN = "calls", "written"
CHANNELS = (VOICE, WRITTEN)


@dataclass(frozen=True, slots=True)
class Capacity:
    """Most pieces of each channel in hand at once."""

    calls: int = 1
    """One: voice is exclusive. Here so that the shape says so."""
    written: int = 1
    """E-mails, messages, cases; 0 for who only answers the phone."""


@dataclass(frozen=True, slots=True)
class Room:
    """Whether one more piece of work may be given, and why or why not, in words."""

    allowed: bool
    why: str
    code: str = ""
    """The reason in one word, for pages in other languages: status, voice, full, called, needed; empty: allowed."""
    left: int = 0
    """Pieces of written work he could have in hand beside what he has, whether he would be given one now or not."""


def room_for(agent: Agent, channel: str, demand: Demand, blend: float) -> Room:
    """Say whether the agent may be given one more piece of this channel.

    Args:
        agent: as known now.
        channel: `calls` or `written`; another is a ValueError.
        demand: how much the phones need the agent (`Matcher.demand`).
        blend: theta_b: written work only while the opportunity cost is below this.
    """
    if channel not in CHANNELS:
        raise ValueError(f"unknown channel {channel!r}; known: {', '.join(CHANNELS)}")
    left = max(0, agent.policy.capacity.written - len(agent.written))
    return replace(_now(agent, channel, demand, blend), left=left)


def _now(agent: Agent, channel: str, demand: Demand, blend: float) -> Room:
    if agent.status is not AgentStatus.AVAILABLE:
        return Room(allowed=False, why=agent.status.value, code="status")
    if agent.state is not AgentState.IDLE:
        return Room(allowed=False, why=f"voice is exclusive: {agent.state.value}", code="voice")
    return _for_a_call(agent, demand) if channel == VOICE else _for_writing(agent, demand, blend)


def _for_writing(agent: Agent, demand: Demand, blend: float) -> Room:
    most = agent.policy.capacity.written
    if len(agent.written) >= most:
        return Room(allowed=False, why=f"full: {len(agent.written)} of {most} in hand", code="full")
    if demand.called_by is not None:
        return Room(allowed=False, why=f"called to the phones by {demand.called_by}", code="called")
    if demand.price >= blend:
        why = f"needed on the phones: opportunity cost {demand.price:.3g}, written work below {blend:g}"
        return Room(allowed=False, why=why, code="needed")
    why = f"{len(agent.written)} of {most} in hand, opportunity cost {demand.price:.3g}"
    return Room(allowed=True, why=why)


def _for_a_call(agent: Agent, demand: Demand) -> Room:
    if not agent.ready:
        return Room(allowed=False, why="the phone is not reachable or rests")
    if agent.policy.reserve and demand.called_by is None:
        return Room(allowed=False, why=f"reserve {agent.policy.reserve} is not called upon")
    return Room(allowed=True, why="ready")
