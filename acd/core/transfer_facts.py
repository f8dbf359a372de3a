"""Facts about handing a call on: what the agent asked for, and what the dialplan says became of it.

Part of acd.core.events (`Fact`); `at` means the same there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.ids import AgentId, CallId
from acd.core.record import Worded

if TYPE_CHECKING:
    from dataclasses import dataclass

    from acd.core.instant import Instant
else:
    from acd.core.record import dataclass


class TransferHow(Worded):
    """What the agent at the desk wants done with the call in hand."""

    BLIND = "blind"
    CONSULT = "consult"
    """Ask the target first, the caller hears music."""
    COMPLETE = "complete"
    """The target takes the caller."""
    BACK = "back"
    """Let the target go, take the caller again."""


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """The agent at the desk asked for it; `to` is agent_<id>, queue_<id> or out_<number>, or empty."""

    call: CallId
    agent: AgentId
    how: TransferHow
    to: str = ""
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class ConsultStarted:
    """The agent rings somebody while the caller hears music."""

    call: CallId
    agent: AgentId
    to: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class ConsultAnswered:
    """The one who is asked speaks with the agent. `agent`: either of them, as their channel is named."""

    call: CallId
    agent: AgentId
    to: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class ConsultEnded:
    """Agent and caller are joined again. `outcome`: the dialplan's word, as BUSY or RETURNED."""

    call: CallId
    agent: AgentId
    to: str
    outcome: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class TransferEnded:
    """Whom the call was handed to could not take it, or (OVER) an outside person's talk ended."""

    call: CallId
    to: str
    outcome: str
    at: Instant | None = None
