"""What a waiting caller is told: place, expected wait, and sometimes the offer to be called back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from acd.core.ids import CallId
from acd.core.instant import MINUTE_MS, Duration
from agi_scripts import dialplan_vars as var
from agi_scripts._session import AgiSession, argument


@dataclass(frozen=True, slots=True)
class AnnouncePlan:
    """What a queue wants its callers to hear. Zero switches a part off."""

    position: bool = True
    max_position: int = 20
    """A longer line is not told: a large number only drives people away."""
    expected_wait: bool = True
    max_wait_min: int = 15
    callback_after_ms: Duration = 0
    """Offer a callback once the caller has waited this long; 0 never."""
    callback_beyond_ms: Duration | None = None
    """Offer one to whom must expect to wait this long yet; None never."""


@dataclass(frozen=True, slots=True)
class WaitView:
    """One waiting call as its caller may know it."""

    position: int
    waited_ms: Duration
    expected_wait_ms: Duration | None = None
    """Remaining; None when no honest estimate exists."""
    callback_offered: bool = False
    plan: AnnouncePlan = AnnouncePlan()


@dataclass(frozen=True, slots=True)
class Announcement:
    """The answer; zeros say nothing."""

    position: int = 0
    wait_min: int = 0
    callback: bool = False


def decide(view: WaitView | None) -> Announcement:
    """Decide what is said. A call we do not know hears nothing: silence is better than a wrong number."""
    if view is None or view.position < 1:
        return Announcement()
    plan = view.plan
    position = view.position if plan.position and view.position <= plan.max_position else 0
    minutes = 0
    if plan.expected_wait and view.expected_wait_ms is not None:
        rounded = -(-max(0, view.expected_wait_ms) // MINUTE_MS)
        minutes = rounded if rounded <= plan.max_wait_min else 0
    return Announcement(position, minutes, _callback_due(view) and not view.callback_offered)


def _callback_due(view: WaitView) -> bool:
    plan, expected = view.plan, view.expected_wait_ms
    if plan.callback_after_ms and view.waited_ms >= plan.callback_after_ms:
        return True
    return (
        plan.callback_beyond_ms is not None and expected is not None and expected >= plan.callback_beyond_ms
    )


@dataclass(frozen=True, slots=True)
class AnnounceQuestion:
    """The shell: `view` finds the waiting call in the core's snapshot, None when it does not wait."""

    view: Callable[[CallId], WaitView | None]

    async def __call__(self, session: AgiSession) -> None:
        """Answer one session; all in one command, so a broken answer says nothing."""
        call = CallId(argument(session, 1) or await session.get(var.ACD_CALL))
        said = decide(self.view(call))
        pairs = [(var.ACD_SAY_POSITION, str(said.position)), (var.ACD_SAY_WAIT_MIN, str(said.wait_min))]
        if said.callback:
            pairs.append((var.ACD_OFFER_CALLBACK, "1"))
        await session.set_all(pairs)
