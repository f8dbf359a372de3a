"""What the core does when told something about a call-back of ours.

To everything else a call-back is a call that waits, is offered, answered and carded. It differs in three
things: nobody waits on its line, so it counts in no queue's figures and no rule is about it; its place may
be that of a caller who left; and only the number's answer makes it a talk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.call import CALLBACK_RESULT, CallState
from acd.core.callback_events import NumberResult
from acd.core.events import EndReason
from acd.core.floor import happened

if TYPE_CHECKING:
    from acd.core.call import Call
    from acd.core.callback_events import CallbackBegun, NumberCalled
    from acd.core.cards import Cards
    from acd.core.floor import Floor
    from acd.core.ids import CallId
    from acd.core.instant import Instant


def mark_outbound(call: Call, missed: CallId) -> None:
    """Say on call and card that it is a call-back, and of which call."""
    call.missed = missed
    call.fields["direction"] = "outbound"
    if missed:
        call.fields["callback_of"] = missed


class CallbackFacts:
    """Handlers of facts about call-backs."""

    __slots__ = ("cards", "floor")

    def __init__(self, floor: Floor, cards: Cards) -> None:
        self.floor = floor
        self.cards = cards

    def begun(self, fact: CallbackBegun, now: Instant) -> None:  # noqa: ARG002  same shape as all
        """The call is one of ours to a number that we owe a call."""
        call = self._known(fact.call)
        if call is None or call.outbound:
            return
        mark_outbound(call, fact.missed)
        self.cards.write_if_due(call)

    def number_called(self, fact: NumberCalled, now: Instant) -> None:
        """What became of the number: an answer outdoes every other news, told late it corrects the end."""
        call = self._known(fact.call)
        if call is None or call.reached:
            return
        if fact.result is NumberResult.DIALLED and CALLBACK_RESULT in call.fields:
            return
        call.fields[CALLBACK_RESULT] = fact.result.value
        if call.state is not CallState.ENDED:
            self.floor.note(call, happened(fact, now), f"number {fact.result.value}")
            return
        if call.reached and call.reason is EndReason.NOT_REACHED and not call.reason_given:
            call.reason = EndReason.HANDLED
        self.cards.write_if_due(call)

    def _known(self, id: CallId) -> Call | None:  # noqa: A002
        call = self.floor.find_call(id)
        if call is None:
            self.floor.count("unknown_calls")
        return call
