"""Members of enumerations by plain name, for the functions that every call goes through.

To read `CallState.WAITING` costs 100 ns and more in Python 3.11, where the metaclass is asked first; a
module's name costs nothing. Decision 0150.
"""

from __future__ import annotations

from typing import Final

from acd.core.agent import AgentSignal, AgentState, AgentStatus
from acd.core.call import CallSignal, CallState
from acd.core.events import EndedBy, EndReason, OfferOutcome, QueuedWhy
from acd.core.tally import Way

AGENT_IDLE: Final = AgentState.IDLE
AGENT_ON_ANSWERED: Final = AgentSignal.ANSWERED
AGENT_ON_OWN_CALL: Final = AgentSignal.OWN_CALL
AGENT_ON_RELEASED: Final = AgentSignal.RELEASED
AGENT_ON_RESERVED: Final = AgentSignal.RESERVED
AGENT_ON_RINGING: Final = AgentSignal.RINGING
AGENT_ON_TALK_OVER: Final = AgentSignal.TALK_OVER
AGENT_ON_WRAP_UP_OVER: Final = AgentSignal.WRAP_UP_OVER
BY_UNKNOWN: Final = EndedBy.UNKNOWN
CALL_DONE: Final = CallState.DONE
CALL_ENDED: Final = CallState.ENDED
CALL_FALLBACK: Final = CallState.FALLBACK
CALL_OFFERING: Final = CallState.OFFERING
CALL_ON_AGENT_LOST: Final = CallSignal.AGENT_LOST
CALL_ON_ANSWERED: Final = CallSignal.ANSWERED
CALL_ON_ENDED: Final = CallSignal.ENDED
CALL_ON_GONE_SOON: Final = CallSignal.GONE_SOON
CALL_ON_QUEUED: Final = CallSignal.QUEUED
CALL_ON_RESERVED: Final = CallSignal.RESERVED
CALL_ON_RETURNED: Final = CallSignal.RETURNED
CALL_ON_TALK_OVER: Final = CallSignal.TALK_OVER
CALL_TALKING: Final = CallState.TALKING
CALL_WAITING: Final = CallState.WAITING
END_ABANDONED: Final = EndReason.ABANDONED
END_FALLBACK: Final = EndReason.FALLBACK
END_HANDLED: Final = EndReason.HANDLED
END_NOT_REACHED: Final = EndReason.NOT_REACHED
OUTCOME_CALLER_GONE: Final = OfferOutcome.CALLER_GONE
OUTCOME_DOUBLE_BOOKED: Final = OfferOutcome.DOUBLE_BOOKED
STATUS_LOGGED_OUT: Final = AgentStatus.LOGGED_OUT
WAY_ABANDONED: Final = Way.ABANDONED
WAY_ANSWERED: Final = Way.ANSWERED
WAY_FALLBACK: Final = Way.FALLBACK
WAY_OVERFLOWED: Final = Way.OVERFLOWED
WHY_HEAD: Final = QueuedWhy.HEAD
WHY_NEW: Final = QueuedWhy.NEW
