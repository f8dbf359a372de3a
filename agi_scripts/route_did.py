"""Which line does the dialled number lead to, and may the call go in?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from acd.core.ids import Ani, Did, QueueId, SkillId, SubscriberId

ANY: Final = Did("")
"""Key of the line for numbers that are not listed, if there is one."""


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """What one dialled number leads to. Durations in seconds, as the dialplan wants them."""

    queue: QueueId
    subscriber: SubscriberId
    subscriber_name: str = ""
    priority: float = 1.0
    """Of this number alone; the queue's own is multiplied by the router."""
    needs: tuple[tuple[SkillId, int], ...] = ()
    """Requirements of this number beyond those of its queue, for example its language."""
    greeting: str = ""
    music: str = "acd"
    ring_s: int = 12
    max_waiting: int = 200
    blocked: frozenset[Ani] = frozenset()
    language: str = ""
    """Of the prompts, `ru` or `en`; empty leaves the channel's own."""
    own_language: str = ""
    """Of this very number, if it has one: it stands over that of whatever queue the call waits in."""
    announce_every_s: float = 0.0
    """Rhythm of the announcements; 0 leaves the dialplan's global."""
    capture: bool = False
    """Whom nobody could serve leaves a number to be called back instead of a message."""
    survey: str = ""
    """Sound that asks for a rating after the talk; empty: nobody is asked."""
    after_hours: str = ""
    """Who calls a closed line leaves: `voicemail`, `capture` (a number), nothing when empty."""
    ask_card: str = ""
    """Sound that asks for the number of an earlier card, to be keyed in; empty: callers are not asked."""


Numbers: TypeAlias = Mapping[Did, NumberPlan]


@dataclass(frozen=True, slots=True)
class Route:
    """The decision. `verdict`: queue, closed, full, refused; empty leaves the dialplan on its own."""

    verdict: str
    plan: NumberPlan | None = None


def find(did: Did, numbers: Numbers) -> NumberPlan | None:
    """Find a number with or without its plus, else the line for all others."""
    for key in (did, Did(f"+{did}"), Did(did.removeprefix("+"))):
        if key != ANY and key in numbers:
            return numbers[key]
    return numbers.get(ANY)


def decide(
    did: Did,
    ani: Ani,
    numbers: Numbers,
    *,
    is_open: Callable[[QueueId], bool],
    waiting: Callable[[QueueId], int],
) -> Route:
    """Decide about one call. An unknown number gets no verdict: the dialplan's default serves it."""
    plan = find(did, numbers)
    if plan is None:
        return Route("")
    if ani and ani in plan.blocked:
        return Route("refused", plan)
    if not is_open(plan.queue):
        return Route("closed", plan)
    if waiting(plan.queue) >= plan.max_waiting:
        return Route("full", plan)
    return Route("queue", plan)
