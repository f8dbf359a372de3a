"""What the dialplan's questions are answered from: the number plan, opening hours, depth, announcements.

Part of the composition root: configuration and core views in, the scripts' own small types out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from acd.clockwork import utc
from acd.core.ids import Ani, CallId, Did, QueueId, SkillId, SubscriberId
from acd.ports import Directory, PortError
from agi_scripts import after_call_survey
from agi_scripts.announce_wait import AnnouncePlan, AnnounceQuestion, WaitView, decide
from agi_scripts.enter_queue import EnterQuestion
from agi_scripts.route_did import NumberPlan, Numbers
from agi_scripts.self_answer import SelfAnswer, Told

if TYPE_CHECKING:
    from acd.adapters.asterisk.fastagi import Script
    from acd.adapters.store.sqlite import SqliteStore
    from acd.config.loading import Config
    from acd.core.snapshot import CallView
    from acd.ports import Clock

TOLD_LIMIT = 1_000
STICKY_MS = 24 * 3_600_000
"""The agent of a talk not older than this is asked first when the client calls again (002-08)."""


def number_plan(config: Config) -> Numbers:
    """Return what each dialled number leads to, in the words of the door's question."""
    return {did: line(config, QueueId(entry.queue), entry.language) for did, entry in config.numbers.items()}


def line(config: Config, name: QueueId, own_language: str | None) -> NumberPlan:
    """Return what a number leads to whose calls wait in this queue. Raises KeyError for an unknown queue.

    `own_language` of the number stands over its queue's and the centre's.
    """
    queue = config.queue(name)
    project = config.projects.of_queue(name)
    spoken = config.tree.announcements.get(queue.announcements or "")
    of_queue = queue.language or config.tree.centre.language
    return NumberPlan(
        queue=name,
        subscriber=SubscriberId(queue.subscriber),
        subscriber_name=queue.display_name,
        greeting=queue.greeting or "",
        music=queue.music,
        ring_s=max(1, round(queue.ring_timeout_s)),
        max_waiting=queue.max_waiting,
        language=own_language or of_queue,
        own_language=own_language or "",
        needs=language_needs(config, own_language, of_queue),
        announce_every_s=spoken.every_s if spoken else 0.0,
        after_hours={"message": "voicemail", "number": "capture"}.get(queue.after_hours, ""),
        capture=queue.fallback == "capture",
        survey=queue.survey or "",
        ask_card=project.ask_card if project and config.tree.desk.case_numbers_keyed else "",
    )


def language_needs(config: Config, of_number: str | None, of_queue: str) -> tuple[tuple[SkillId, int], ...]:
    """Return what a number's own language asks of the agent beyond its queue: the skills of that language."""
    if of_number is None or of_number == of_queue:
        return ()
    return tuple(
        (SkillId(name), 1) for name, skill in config.tree.skills.items() if skill.language == of_number
    )


def announce_plan(config: Config, name: QueueId) -> AnnouncePlan | None:
    """Return what callers of a queue hear; None: nothing at all."""
    queue = config.tree.queues.get(name)
    if queue is None:
        return None
    spoken = config.tree.announcements.get(queue.announcements or "")
    dialled = config.tree.callbacks is not None and config.tree.callbacks.enabled
    beyond = queue.callback_beyond_s if dialled else None
    if spoken is None and beyond is None:
        return None
    return AnnouncePlan(
        position=spoken is not None and spoken.say_position,
        expected_wait=spoken is not None and spoken.say_wait,
        callback_after_ms=round((spoken.callback_after_s or 0) * 1000) if spoken else 0,
        callback_beyond_ms=None if beyond is None else round(beyond * 1000),
    )


class Door:
    """Answers the two questions; asks for configuration and views anew each time."""

    def __init__(
        self,
        config: Callable[[], Config],
        call_view: Callable[[CallId], CallView | None],
        waiting: Callable[[QueueId], int],
        clock: Clock,
        directory: Directory,
        next_card_number: Callable[[], str],
    ) -> None:
        self._config, self._call_view, self._waiting, self._clock = config, call_view, waiting, clock
        self._directory, self._next_card_number = directory, next_card_number
        self._plans: tuple[Config | None, Numbers] = (None, {})
        self._offered: set[CallId] = set()
        self._told: OrderedDict[CallId, Told] = OrderedDict()

    def routes(self) -> dict[str, Script]:
        """Return path → script, as the dialplan asks (dialplan_vars.QUESTIONS)."""
        return {
            "enter_queue": EnterQuestion(
                numbers=self.numbers,
                directory=self._directory,
                next_card_number=self._next_card_number,
                is_open=lambda queue: self._config().is_open(queue, utc(self._clock.now())),
                waiting=self._waiting,
                opens=self._opens,
                remember=self._remember_told,
                department=self._department,
            ),
            "announce_wait": AnnounceQuestion(self._view),
        }

    def talks(self) -> dict[str, Script]:
        """Return path → script of talks with prompts, which may take their time."""
        return {
            "after_call_survey": after_call_survey.ask,
            "self_answer": SelfAnswer(lambda call: self._told.pop(call, None)),
        }

    def _remember_told(self, call: CallId, told: Told) -> None:
        """Keep it for the moment after the greeting; who hung up during that is forgotten by number."""
        self._told[call] = told
        while len(self._told) > TOLD_LIMIT:
            self._told.popitem(last=False)

    def _opens(self, queue: QueueId) -> datetime | None:
        """Return when a closed queue opens, in the time zone of its callers."""
        config = self._config()
        change = config.next_change(queue, utc(self._clock.now()))
        return None if change is None else change.astimezone(config.projects.zone(queue) or config.zone)

    def _department(self, queue: QueueId, own_language: str) -> NumberPlan | None:
        """Return what a call hears that waits in this queue instead of its number's own; None: no such queue."""
        config = self._config()
        return line(config, queue, own_language or None) if queue in config.tree.queues else None

    def numbers(self) -> Numbers:
        """Return the number plan of the present configuration."""
        config = self._config()
        if self._plans[0] is not config:
            self._plans = (config, number_plan(config))
        return self._plans[1]

    def _view(self, call: CallId) -> WaitView | None:
        view = self._call_view(call)
        if view is None or view.state != "waiting":
            return None
        config = self._config()
        plan = announce_plan(config, view.queue)
        if plan is None:
            return None
        seen = WaitView(
            position=view.position,
            waited_ms=view.waited_ms,
            expected_wait_ms=view.expected_wait_ms,
            callback_offered=call in self._offered,
            plan=plan,
        )
        if decide(seen).callback:
            self._remember_offer(call)
        return seen

    def _remember_offer(self, call: CallId) -> None:
        if call not in self._offered:
            self._offered = {c for c in self._offered if self._call_view(c) is not None} | {call}


class LastTalks:
    """The nearest directory: our own cards. Who called before is known by name and gets the same agent."""

    def __init__(self, store: SqliteStore, clock: Clock, numbers: Callable[[], Numbers]) -> None:
        self._store, self._clock, self._numbers = store, clock, numbers

    async def find(self, ani: Ani, did: Did, quoted: str = "", call: str = "") -> Mapping[str, object]:  # noqa: ARG002 - cases are the desk's
        """Return name and sticky agent from the last card of this caller with this subscriber."""
        from acd.adapters.store.cards import CardFilter
        from agi_scripts.route_did import find

        plan = find(did, self._numbers())
        if not ani or plan is None:
            return {}
        wanted = CardFilter(
            since=self._clock.now() - STICKY_MS,
            subscriber=plan.subscriber,
            ani=ani,
            reason="handled",
            limit=1,
        )
        try:
            cards = await self._store.find(wanted)
        except PortError:
            return {}
        if not cards:
            return {}
        card = cards[0].card
        return {"name": dict(card.fields).get("caller_name", ""), "sticky": card.agent or ""}
