"""The one question at the door: where does this call belong, who calls, what does the caller hear?

Answered in one FastAGI session: route, identify, set the variables, and the verdict last. Whatever fails
before that leaves the verdict empty and the dialplan on its default branch. Nobody is spoken to in here: the dialplan
waits 1.5 s for the answer. A line that wants the number of an earlier card says so (ACD_ASK_CARD); the dialplan
reads the keys and asks once more, with them as argument 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from acd.core.ids import Ani, CallId, Did, QueueId, SkillId
from acd.ports import Directory
from agi_scripts import dialplan_vars as var
from agi_scripts import identify_subscriber, route_did
from agi_scripts._session import AgiSession, argument, plain
from agi_scripts.identify_subscriber import Identity, display_name
from agi_scripts.route_did import NumberPlan, Numbers
from agi_scripts.self_answer import Told

MAX_NEEDS = 16
CARD_DIGITS = 12
TURN_S = 3.0
"""One turn of the dialplan's waiting loop (20-queue.conf)."""


def decide(plan: NumberPlan, identity: Identity, card_number: str) -> tuple[tuple[str, str], ...]:
    """Return the channel variables of a call that goes in, in order; the verdict is not among them."""
    sticky = identity.sticky or ""
    return (
        (var.ACD_QUEUE, plan.queue),
        (var.ACD_SUBSCRIBER, plan.subscriber),
        (var.ACD_CARD, card_number),
        (var.ACD_PRIORITY, _decimal(plan.priority * identity.priority)),
        (var.ACD_NEEDS, format_needs((*plan.needs, *identity.needs))),
        (var.ACD_STICKY, sticky),
        (var.ACD_NAME, display_name(plan.subscriber_name or plan.subscriber, identity.name)),
        (var.ACD_GREETING, plan.greeting),
        (var.ACD_MOH, plan.music),
        (var.ACD_RING_S, str(plan.ring_s)),
        (var.ACD_SURVEY, plan.survey),
        (var.ACD_AFTER, "capture" if plan.capture else "voicemail"),
        *announce_turns(plan.announce_every_s),
    )


def announce_turns(every_s: float) -> tuple[tuple[str, str], ...]:
    """Return the rhythm of announcements in turns of the waiting loop; nothing leaves the dialplan's own."""
    return ((var.ACD_ANNOUNCE_TURNS, str(max(1, round(every_s / TURN_S)))),) if every_s > 0 else ()


def digits(keyed: str) -> str:
    """Return the number of an earlier card as the caller keyed it in, empty when it is none."""
    return keyed if keyed.isascii() and keyed.isdigit() and len(keyed) <= CARD_DIGITS else ""


def format_needs(needs: tuple[tuple[SkillId, int], ...]) -> str:
    """Write `skill:level.skill:level`; of a skill named twice the higher level counts."""
    highest: dict[SkillId, int] = {}
    for skill, level in needs[:MAX_NEEDS]:
        highest[skill] = max(level, highest.get(skill, 0))
    return ".".join(f"{skill}:{level}" for skill, level in highest.items())


def _decimal(value: float) -> str:
    return f"{min(value, 100.0):.3f}".rstrip("0").rstrip(".")


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
    opens: Callable[[QueueId], datetime | None] = lambda _queue: None
    """When a closed queue opens next, in its own time zone."""
    remember: Callable[[CallId, Told], None] | None = None
    """Keeps what a caller is told before anybody is rung (self_answer); None: nobody is told anything."""
    department: Callable[[QueueId, str], NumberPlan | None] = lambda _queue, _own_language: None
    """What a number of its own language (or none) leads to whose calls wait in this queue; None: unknown."""

    async def __call__(self, session: AgiSession) -> None:
        """Answer one session."""
        did = Did(argument(session, 2) or await session.get(var.ACD_DID))
        ani = Ani(argument(session, 3) or await session.get(var.ACD_ANI))
        route = route_did.decide(did, ani, self.numbers(), is_open=self.is_open, waiting=self.waiting)
        if route.plan is None:
            return
        if route.verdict == "queue":
            quoted = digits(argument(session, 5))
            identity = await identify_subscriber.ask(
                self.directory, ani, did, quoted=quoted, call=argument(session, 1)
            )
            plan = self._department(route.plan, identity)
            number = await session.get(var.ACD_CARD) if quoted else self._card_number()
            pairs = decide(plan, identity, number)
            if route.plan.ask_card and not quoted:
                pairs = (*pairs, (var.ACD_ASK_CARD, route.plan.ask_card))
            pairs = (*pairs, *await self._told(session, identity, again=bool(quoted)))
        elif argument(session, 5):
            return  # let in already: what was decided then stands
        else:
            plan = route.plan
            pairs = ((var.ACD_QUEUE, plan.queue), (var.ACD_SUBSCRIBER, plan.subscriber))
            if route.verdict == "closed":
                pairs = (*pairs, *self._after_hours(plan))
        language = argument(session, 4) or plan.language  # the PBX administrator's own choice stands
        spoken = ((var.ACD_LANG, language),) if language else ()
        answer = [*pairs, *spoken, (var.ACD_VERDICT, route.verdict)]
        await session.set_all([(name, plain(value, 200)) for name, value in answer])

    def _after_hours(self, plan: NumberPlan) -> tuple[tuple[str, str], ...]:
        """Return when the line opens, and what the caller may leave meanwhile."""
        said: list[tuple[str, str]] = [(var.ACD_AFTER, plan.after_hours)] if plan.after_hours else []
        opens = self.opens(plan.queue)
        if opens is not None:
            said += [(var.ACD_OPENS, str(int(opens.timestamp()))), (var.ACD_ZONE, str(opens.tzinfo or ""))]
        return tuple(said)

    def _department(self, plan: NumberPlan, identity: Identity) -> NumberPlan:
        """Return the plan as the department's queue has it, unless that one is closed, full or unknown.

        The caller has dialled the same firm: its name, its greeting and the number's own priority stay. What is
        heard and left while he waits, and for how long a phone rings, are the new queue's.
        """
        queue = identity.queue
        there = None if queue in {None, plan.queue} else self.department(queue, plan.own_language)
        if there is None or not self.is_open(there.queue):
            return plan
        if self.waiting(there.queue) >= there.max_waiting:
            return plan
        return replace(
            there,
            subscriber=plan.subscriber,
            subscriber_name=plan.subscriber_name,
            greeting=plan.greeting,
            priority=plan.priority,
        )

    async def _told(
        self, session: AgiSession, identity: Identity, *, again: bool
    ) -> tuple[tuple[str, str], ...]:
        """Keep what the caller is told before anybody is rung; the second answer of a call undoes the first's."""
        if identity.told is None or self.remember is None:
            return ((var.ACD_SELF, ""),) if again else ()
        self.remember(CallId(argument(session, 1) or await session.get(var.ACD_CALL)), identity.told)
        return ((var.ACD_SELF, "1"),)

    def _card_number(self) -> str:
        try:
            return self.next_card_number()
        except Exception:  # noqa: BLE001 - a card without a number is better than a call without an answer
            return ""
