"""The call-back dialler: what the ledger owes becomes calls, and a person may look, approve, hurry and close.

Order of things, each step safe against our death in the next moment (003-24, failure modes 19 and 38):

1. the rules are asked (acd.desk.ledger.may_dial): do not call, hold for a person, later, or yes;
2. the task is claimed with the call id of the call-back to be, in one committed transaction;
3. Asterisk is told to originate with that id preset. The call-back then waits in the line like a caller, and
   the core gives it an agent; nothing here touches it any more;
4. its card, folded from the dialplan's notes, settles the task inside the card's own transaction.

Nobody is dialled while he is on the line with us by himself, nor before the cards of all talks that ended while we heard
nothing are written: either will settle his task (decision 0241).

A claim whose call nobody knows (we died between 2 and 3, or the command was lost) is given back, after the
journal was read and the switch was asked for its channel.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import uuid
from collections import Counter
from dataclasses import asdict, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import structlog

from acd import durable, numberfacts, unhurried
from acd.adapters.asterisk.link import NoAnswer
from acd.adapters.asterisk.originate import CallbackOrder
from acd.adapters.store import audit, ledger_store
from acd.clockwork import utc
from acd.config.callbacks import Callbacks, ledger_rules
from acd.core.ids import CallId, QueueId
from acd.core.instant import MINUTE_MS
from acd.desk import ledger
from acd.desk.ledger import Dial, MissedTask, TaskState
from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    import aiosqlite

    from acd.adapters.store.ledger_store import Dialling, Origin
    from acd.adapters.store.sqlite import SqliteStore
    from acd.config.loading import Config, Tree
    from acd.core.instant import Instant
    from acd.core.snapshot import CallView, Snapshot
    from acd.desk.ledger import DialVerdict, LedgerRules
    from acd.ports import Clock

T = TypeVar("T")
log = structlog.get_logger("acd.callbacks")

TICK_S: Final = 0.5
KEEP_S: Final = 5.0
"""Who stands by keeps so often that another serves."""
GRACE_MS: Final = 5_000
"""A claim younger than this may still be on its way to the switch."""
LOOK_MS: Final = MINUTE_MS
"""A task that may not be dialled now is looked at again after this."""
TOLD_MS: Final = 2 * MINUTE_MS
"""What the last attempt met is told until the next one, which comes within a minute or is not needed any more."""
BATCH: Final = 50
ENGAGED: Final = frozenset({"offering", "talking", "fallback", "done", "ended"})
"""States of a caller's own call in which not even a kept place is dialled; waiting he may be reached at it.
Ended, his agent wraps up: the card that settles his task comes when he is ready."""
UNANSWERED: Final = frozenset({"new", "waiting", "offering"})
"""States of a call-back in which its number was not rung yet."""
PLACES_AT_ONCE: Final = 200
"""Call-backs of callers who keep their place, under way at once."""


_form = lru_cache(maxsize=4_096)(numberfacts.normalise)
"""Numbers of live calls are asked for twice a second, and a number costs as much as a small query."""


class Caller(Protocol):
    """Makes the switch dial (acd.adapters.asterisk.originate)."""

    async def dial(self, order: CallbackOrder) -> None:
        """Raises NoAnswer in doubt, PortError when it surely was not taken."""


class Line(Protocol):
    """What is known of live calls."""

    def knows(self, call: CallId) -> bool:
        """Whether the core knows the call, live or not yet carded."""

    def call_view(self, call: CallId) -> CallView | None:
        """A live call."""

    def snapshot(self) -> Snapshot:
        """Everything."""

    def wrapping_up(self) -> tuple[CallView, ...]:
        """Ended calls whose card waits for the agent's wrap-up."""

    async def is_up(self, call: str) -> bool:
        """Whether the switch has a channel with this id. Raises PortError when it cannot be asked."""

    async def cancel(self, call: CallId) -> None:
        """Hang up a call-back that no agent has answered. Raises PortError."""


class CallbackDialler:
    """One task of the daemon. Without a `caller` it only counts what is owed."""

    def __init__(
        self,
        config: Callable[[], Config],
        store: SqliteStore,
        clock: Clock,
        line: Line,
        released: asyncio.Event,
        caller: Caller | None,
        new_call: Callable[[], str] = lambda: str(uuid.uuid4()),
        told: Callable[[], bool] = lambda: True,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.owed: Mapping[str, int] = {}
        """Open tasks by what they wait for: due, open, held, dialling."""
        self.trouble = ""
        """Why call-backs are not dialled, in plain words."""
        self._config, self._store, self._clock = config, store, clock
        self._line, self._released, self._caller = line, released, caller
        self._new_call, self._told = new_call, told
        self._shared_until: Instant = 0
        """Until then another daemon served, whose ledger we do not know."""
        self._dialled_at: Instant = 0
        self._shared_file: Path | None = None
        self._shared_kept = True
        self._read: tuple[Tree, LedgerRules] | None = None
        """The configuration the rules were last made of, and the rules: four times a second they are the same."""

    async def run(self) -> None:
        """Dial until cancelled; a database or switch that refuses is asked again."""
        waits = ""
        while True:
            await self._serving()
            try:
                await self.tick()
            except PortError as failed:
                self.counters["failed_ticks"] += 1
                self.trouble = waits = f"call-backs wait: {failed}"
            else:
                if self.trouble == waits:  # also when nothing was due: the database answers again
                    self.trouble = ""
            await asyncio.sleep(TICK_S)

    def remember(self, path: Path) -> None:
        """Learn from this file until when another daemon served, and keep it there."""
        self._shared_file = path
        with contextlib.suppress(OSError, ValueError):
            self._shared_until = int(path.read_text(encoding="ascii"))

    def another_served(self) -> None:
        """Another daemon served until now: whom it has reached stands in its ledger, not in ours (decision 0232)."""
        self._shared_until, self._shared_kept = self._clock.now(), False

    async def _serving(self) -> None:
        """Return when we serve; who stands by keeps that another does, for a life that begins with nobody there."""
        while not self._released.is_set():
            with contextlib.suppress(PortError):  # asked again, and before anybody is dialled it must succeed
                await self._keep_shared()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(KEEP_S):
                    await self._released.wait()

    async def _keep_shared(self) -> None:
        """On the disk before anybody is dialled: after a restart we know as much."""
        if not self._shared_kept and self._shared_file is not None:
            until = self._shared_until
            try:
                await unhurried.in_thread(durable.write, self._shared_file, f"{until}\n")
            except OSError as full:
                raise PortError(f"{self._shared_file.name}: {full.strerror}", retryable=True) from full
            self._shared_kept = until == self._shared_until

    async def tick(self) -> None:
        """Look once at what is under way and what is due. Raises PortError."""
        await self._keep_shared()
        rules, settings = self._rules()
        now = self._clock.now()
        under_way = await self._do(ledger_store.dialling)
        self.owed = await self._do(lambda db: ledger_store.counts(db, now))
        present = self._present() if under_way or self.owed["due"] else {}
        for one in under_way:
            await self._follow(one, rules, present)
        if now - self._dialled_at > TOLD_MS:
            self.trouble = ""
        if self._caller is None or settings is None or not settings.enabled or not self.owed["due"]:
            return
        if not self._told():
            return
        self.trouble = ""
        busy = sum(one.task.state is TaskState.DIALLING for one in under_way)
        room = self._has_room()  # once a tick: it looks at the whole centre
        for task in await self._do(lambda db: ledger_store.due(db, now, BATCH)):
            free = room and busy < settings.at_once and task.number not in present
            if (task.asked or free) and present.get(task.number) not in ENGAGED:
                busy += await self._consider(task, busy, rules, settings, free=free)

    def _rules(self) -> tuple[LedgerRules, Callbacks | None]:
        tree = self._config().tree
        if self._read is None or self._read[0] is not tree:  # a reload brings another one
            self._read = tree, ledger_rules(tree.callbacks, tree.centre.region)
        return self._read[1], tree.callbacks

    async def _do(self, job: Callable[[aiosqlite.Connection], Coroutine[Any, Any, T]]) -> T:
        return await self._store.write(job)

    # --- what is under way -----------------------------------------------------------------------

    def _present(self) -> dict[str, str]:
        """Return the numbers of callers who are, or just were, on the line by themselves, with the state of their calls."""
        region = self._config().tree.centre.region
        seen = (*self._line.snapshot().calls, *self._line.wrapping_up())
        calls = [call for call in seen if call.ani and not call.outbound]
        # of two calls of one number the engaged one counts
        calls.sort(key=lambda call: call.state in ENGAGED)
        return {_form(call.ani, region): call.state for call in calls}

    async def _follow(self, one: Dialling, rules: LedgerRules, present: Mapping[str, str]) -> None:
        """Give back a claim that came to nothing; hang up a call-back that nobody needs any more."""
        call, now = CallId(one.call), self._clock.now()
        view = self._line.call_view(call)
        if view is not None:
            needless = one.task.state is not TaskState.DIALLING or present.get(one.task.number) in ENGAGED
            if needless and view.state in UNANSWERED:
                self.counters["cancelled"] += 1
                await self._line.cancel(call)
            return
        if one.known or self._line.knows(call) or now - one.since < GRACE_MS:
            return  # its card comes from the core or from the journal
        if await self._line.is_up(one.call):
            return
        why = "the switch did not take it"
        if await self._do(lambda db: ledger_store.abandon_dial(db, one.call, now, rules, why)):
            self.counters["given_back"] += 1
            log.warning("callback_given_back", task=one.task.id, call=one.call)

    # --- what is due -----------------------------------------------------------------------------

    async def _consider(
        self, task: MissedTask, busy: int, rules: LedgerRules, settings: Callbacks, *, free: bool
    ) -> bool:
        """Dial one task, or say why not; return whether it is under way now.

        `free`: a missed call may be answered now; who keeps his place does not need it.
        """
        now = self._clock.now()
        origin = await self._do(lambda db: ledger_store.origin(db, task.id))
        queue = self._queue_of(origin)
        if queue is None or origin is None:
            await self._hold(task, "nobody knows which queue it belongs to")
            return False
        if task.last_missed_at <= self._shared_until and not task.approved_by:
            await self._hold(task, "another daemon served then and may have called back; its own ledger says")
            return False
        keeps = _keeps_place(task, origin, now, rules)
        if not self._config().queue(queue).callbacks and not task.asked:
            await self._hold(task, "this subscriber's callers are called back by hand")
            return False
        verdict = await self._verdict(task, queue, rules, keeps=keeps)
        if verdict.dial is Dial.ASK:
            await self._hold(task, verdict.why)
        elif verdict.dial is Dial.NEVER:
            await self._refuse(task, verdict.why, rules)
        elif verdict.dial is Dial.LATER:
            await self._change(task, replace(task, next_try_at=now + LOOK_MS, why=verdict.why))
        elif (busy < PLACES_AT_ONCE) if keeps else free:
            return await self._dial(task, origin, queue, settings, rules, keeps=keeps)
        return False

    def _queue_of(self, origin: Origin | None) -> QueueId | None:
        if origin is None:
            return None
        config = self._config()
        if origin.queue in config.tree.queues:
            return QueueId(origin.queue)
        route = config.route(origin.did)
        return None if route is None else QueueId(route[1].queue)

    async def _verdict(
        self, task: MissedTask, queue: QueueId, rules: LedgerRules, *, keeps: bool
    ) -> DialVerdict:
        config, now = self._config(), self._clock.now()
        zone = config.projects.zone(queue) or config.zone
        local = utc(now).astimezone(zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(dt.UTC)
        moment = await self._do(
            lambda db: ledger_store.moment(
                db,
                task,
                now,
                (local.weekday(), local.hour * 60 + local.minute),
                round(midnight.timestamp() * 1000),
            )
        )
        facts = numberfacts.facts(task.number, config.tree.centre.region)
        verdict = ledger.may_dial(task, facts, rules, replace(moment, keeps_place=keeps))
        if verdict.dial is Dial.YES and not keeps and not config.is_open(queue, utc(now)):
            return ledger.DialVerdict(Dial.LATER, "outside the subscriber's opening hours")
        return verdict

    def _has_room(self) -> bool:
        """Whether a missed call may be answered now: callers come first, and somebody must be free."""
        seen = self._line.snapshot()
        if any(view.waiting for view in seen.queues):
            return False
        return any(a.status == "available" and a.state == "idle" and a.reachable for a in seen.agents)

    async def _dial(
        self,
        task: MissedTask,
        origin: Origin,
        queue: QueueId,
        settings: Callbacks,
        rules: LedgerRules,
        *,
        keeps: bool,
    ) -> bool:
        call, now = self._new_call(), self._clock.now()
        self._dialled_at = now
        claimed = await self._do(lambda db: ledger_store.start_dial(db, task.id, now, call, seen=task))
        if claimed is None:
            return False
        order = self._order(call, claimed, origin, queue, settings, keeps=keeps)
        try:
            await self._caller.dial(order)  # type: ignore[union-attr]  # tick() looked
            self.counters["dialled"] += 1
            log.info("callback_dialled", task=task.id, call=call, keeps_place=keeps)
        except NoAnswer as doubt:  # the switch is asked for the call's channel a little later
            self.counters["in_doubt"] += 1
            self.trouble = f"call-backs: {doubt}"
        except PortError as failed:
            self.counters["refused"] += 1
            self.trouble = f"call-backs are not dialled: {failed}"
            log.warning("callback_not_dialled", task=task.id, reason=str(failed))
            why = str(failed)
            await self._do(lambda db: ledger_store.abandon_dial(db, call, now, rules, why))
            return False
        return True

    def _order(
        self,
        call: str,
        task: MissedTask,
        origin: Origin,
        queue: QueueId,
        settings: Callbacks,
        *,
        keeps: bool,
    ) -> CallbackOrder:
        known = self._config().queue(queue)
        longest = int(known.max_wait_s) if keeps else int(settings.in_line_s)
        return CallbackOrder(
            call=call,
            number=task.number,
            did=origin.did,
            queue=queue,
            subscriber=known.subscriber,
            missed=origin.call,
            place_at=origin.entered_at if keeps else None,
            priority=origin.priority if keeps else settings.priority,
            needs=origin.needs,
            sticky=origin.sticky,
            agent_ring_s=max(1, round(known.ring_timeout_s)),
            number_ring_s=settings.ring_s,
            in_line_s=longest,
            approved=bool(task.approved_by),
            card=self._store.next_card_number(),
        )

    # --- decisions kept --------------------------------------------------------------------------

    async def _hold(self, task: MissedTask, why: str) -> None:
        self.counters["held"] += 1
        await self._change(task, ledger.held(task, why))

    async def _refuse(self, task: MissedTask, why: str, rules: LedgerRules) -> None:
        """Never: a number on the do-not-call list is settled by that; the others a person must look at."""
        if task.number in rules.do_not_call:
            await self._change(task, ledger.closed(task, self._clock.now(), ledger.BY_RULE, why))
        else:
            await self._hold(task, why)

    async def _change(self, seen: MissedTask, decided: MissedTask) -> None:
        """Store a decision, unless anything happened to the task since it was `seen`: then it is decided again."""

        async def job(db: aiosqlite.Connection) -> None:
            if await ledger_store.get(db, seen.id) == seen:
                await ledger_store.save(db, decided)

        await self._do(job)

    # --- for people ------------------------------------------------------------------------------

    async def tasks(self, *, everything: bool = False, held: bool = False) -> list[dict[str, object]]:
        """Return the tasks, oldest first. Raises PortError."""
        wanted = ledger_store.TaskFilter(only_open=not everything, states=(TaskState.HELD,) if held else ())
        now = self._clock.now()
        found = await self._do(lambda db: ledger_store.find(db, wanted))
        return [{**asdict(task), "state": task.state.value, "lost": task.is_lost(now)} for task in found]

    async def act(self, task_id: int, action: str, who: str, reason: str = "") -> str | None:
        """Approve, retry or close a task by a person's word; audited.

        Returns: None when done, else why not; "" when there is no such task.

        Raises:
            PortError: the database refuses.
        """
        now = self._clock.now()
        deeds: dict[str, Callable[[MissedTask], MissedTask]] = {
            "approve": lambda task: ledger.approved(task, who, now),
            "retry": lambda task: ledger.retried(task, now),
            "close": lambda task: ledger.closed(task, now, who, reason),
        }

        async def job(db: aiosqlite.Connection) -> str | None:
            task = await ledger_store.get(db, task_id)
            if task is None:
                return ""
            try:
                await ledger_store.save(db, deeds[action](task))
            except ledger.LedgerError as refused:
                return str(refused)
            await audit.append(db, now, who, f"callback {action}", f"task {task_id}")
            return None

        return await self._do(job)


def _keeps_place(task: MissedTask, origin: Origin, now: Instant, rules: LedgerRules) -> bool:
    """Whether the caller has just left the line for this call-back: then it stands where he stood."""
    return origin.asked and task.attempts == 0 and now - origin.ended_at <= rules.keep_place_ms
