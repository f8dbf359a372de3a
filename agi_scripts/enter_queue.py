"""The one question at the door: where does this call belong, who calls, what does the caller hear?

Answered in one FastAGI session: route, identify, set the variables, and the verdict last. Whatever fails
before that leaves the verdict empty and the dialplan on its default branch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from acd.core.ids import Ani, Did, QueueId, SkillId
from acd.ports import Directory
from agi_scripts import dialplan_vars as var
from agi_scripts import identify_subscriber, route_did
from agi_scripts._session import AgiSession, argument, plain
from agi_scripts.identify_subscriber import Identity, display_name
from agi_scripts.route_did import NumberPlan, Numbers

MAX_NEEDS = 16


def decide(plan: NumberPlan, card_number: str) -> tuple[tuple[str, str], ...]:
    """Return the channel variables the number alone decides, in order."""
    return (
        (var.ACD_QUEUE, plan.queue),
        (var.ACD_SUBSCRIBER, plan.subscriber),
        (var.ACD_CARD, card_number),
        (var.ACD_GREETING, plan.greeting),
        (var.ACD_MOH, plan.music),
        (var.ACD_RING_S, str(plan.ring_s)),
    )


def decide_caller(plan: NumberPlan, identity: Identity) -> tuple[tuple[str, str], ...]:
    """Return the channel variables that also depend on who calls."""
    return (
        (var.ACD_PRIORITY, _decimal(plan.priority * identity.priority)),
        (var.ACD_NEEDS, format_needs((*plan.needs, *identity.needs))),
        (var.ACD_STICKY, identity.sticky or ""),
        (var.ACD_NAME, display_name(plan.subscriber_name or plan.subscriber, identity.name)),
    )


def format_needs(needs: tuple[tuple[SkillId, int], ...]) -> str:
    """Write `skill:level.skill:level`; of a skill named twice the higher level counts."""
    highest: dict[SkillId, int] = {}
    for skill, level in needs[:MAX_NEEDS]:
        highest[skill] = max(level, highest.get(skill, 0))
    return ".".join(f"{skill}:{level}" for skill, level in highest.items())


def _decimal(value: float) -> str:
    return f"{min(value, 100.0):.3f}".rstrip("0").rstrip(".")


async def _set_all(session: AgiSession, variables: tuple[tuple[str, str], ...]) -> None:
    for name, value in variables:
        await session.set(name, plain(value, 200))


@dataclass(frozen=True, slots=True)
class EnterQuestion:
    """The shell: everything the decision needs, given by the daemon.

    `numbers`, `is_open` and `waiting` are asked anew for each call, so a reload counts at once.
    """

    numbers: Callable[[], Numbers]
    directory: Directory
    next_card_number: Callable[[], str]
    is_open: Callable[[QueueId], bool] = lambda _queue: True
    waiting: Callable[[QueueId], int] = lambda _queue: 0

    async def __call__(self, session: AgiSession) -> None:
        """Answer one session."""
        did = Did(argument(session, 2) or await session.get(var.ACD_DID))
        ani = Ani(argument(session, 3) or await session.get(var.ACD_ANI))
        route = route_did.decide(did, ani, self.numbers(), is_open=self.is_open, waiting=self.waiting)
        if route.plan is None:
            return
        if route.verdict == "queue":
            # The directory may take most of the time we have, so the rest is done meanwhile.
            asking = asyncio.ensure_future(identify_subscriber.ask(self.directory, ani, did))
            try:
                await _set_all(session, decide(route.plan, self._card_number()))
                await _set_all(session, decide_caller(route.plan, await asking))
            finally:
                asking.cancel()
        else:
            await session.set(var.ACD_QUEUE, route.plan.queue)
            await session.set(var.ACD_SUBSCRIBER, route.plan.subscriber)
        await session.set(var.ACD_VERDICT, route.verdict)

    def _card_number(self) -> str:
        try:
            return self.next_card_number()
        except Exception:  # noqa: BLE001 - a card without a number is better than a call without an answer
            return ""
