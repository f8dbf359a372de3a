"""What the core is told about call-backs of ours; part of acd.core.events, which names them too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.record import Worded

if TYPE_CHECKING:
    from dataclasses import dataclass

    from acd.core.ids import CallId
    from acd.core.instant import Instant
else:
    from acd.core.record import dataclass


class NumberResult(Worded):
    """What became of the number that is called back."""

    DIALLED = "dialled"
    """The agent has answered and hears it ring."""
    ANSWERED = "answered"
    """Joined with our agent: only now is the call a talk."""
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"
    """The agent hung up first."""
    REFUSED = "refused"
    """The dialplan does not dial this number."""
    NO_AGENT = "no_agent"
    """No agent took the call-back in its time: the number was not dialled."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CallbackBegun:
    """This call is a call-back of ours: nobody waits on the line, and the agent is dialled before the number.

    `missed` is the call that it answers, empty when the switch did not say.
    """

    call: CallId
    missed: CallId
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class NumberCalled:
    """What became of the number we call back, once an agent had taken the call-back."""

    call: CallId
    result: NumberResult
    at: Instant | None = None
