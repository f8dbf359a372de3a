"""Sends what is due, asks the next person when nobody acknowledges, and says when nobody is left (000-11).

One task per delivery, a few at a time per channel, so that a hanging mail server holds up no SMS. What became
of a delivery is written before the next one of its message; a crash in between sends again with the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from acd.adapters.store import case_store, desk_store
from acd.desk import delivery as machine
from acd.desk import oncall
from acd.desk.case import Entry
from acd.desk.delivery import CHANNELS, Delivery, Event, State
from acd.desk.hours import local
from acd.desk.operations import Operation
from acd.ports import Courier, Parcel, PortError

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.sqlite import SqliteStore
    from acd.config.projects import Projects
    from acd.desk.project import Project
    from acd.deskside.links import Links
    from acd.ports import Clock

log = structlog.get_logger("acd.desk")

News: TypeAlias = list[Delivery | None]
"""What a transaction decided: deliveries that nobody has, and None for each next person asked. Said once it is committed."""

POLL_S = 0.25
TROUBLE_PAUSE_S = 1.0
STOP_S = 2.0
"""What is under way may finish for so long at the end."""
LANES = 4
LIMIT_S = 60.0
"""No attempt lasts longer, whatever a courier does."""
ACK_WORDS = {
    "ru": "\n--\nПодтвердите получение: {link}\n",
    "en": "\n--\nPlease acknowledge: {link}\n",
}
DIGEST_WORDS = {"ru": "{firm}: сообщения, {n}", "en": "{firm}: messages, {n}"}


class DeliveryWorker:
    """The worker. `run()` until cancelled; `counters` and `undelivered` for alarms."""

    def __init__(
        self,
        projects: Callable[[], Projects],
        store: SqliteStore,
        clock: Clock,
        couriers: Mapping[str, Courier],
        links: Links,
        pace: machine.Pace = machine.USUAL,
    ) -> None:
        self._pace = pace
        self._projects, self._store, self._clock = projects, store, clock
        self._couriers, self._links = couriers, links
        self._lanes = {channel: asyncio.Semaphore(LANES) for channel in CHANNELS}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self.counters: Counter[str] = Counter()
        self.undelivered = 0
        """Messages nobody has and nobody is asked for any more: an alarm."""
        self.last_error: dict[str, str] = {}
        """By channel; empty when its last attempt went well."""

    async def run(self) -> None:
        """Work for ever. A refusing database pauses the work; nothing is forgotten."""
        try:
            while True:
                pause_s = POLL_S
                try:
                    await self.turn()
                except PortError as error:
                    log.warning("desk_store_refuses", reason=str(error))
                    pause_s = TROUBLE_PAUSE_S
                await asyncio.sleep(pause_s)
        finally:
            if self._under_way:  # what was taken meanwhile is noted, else it would be sent once more
                await asyncio.wait(set(self._under_way.values()), timeout=STOP_S)
            for task in self._under_way.values():
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def turn(self) -> None:
        """Start what is due, escalate what is overdue. Raises PortError."""
        now = self._clock.now()

        async def job(
            db: aiosqlite.Connection,
        ) -> tuple[list[Delivery], dict[str, list[Delivery]], dict[str, int], News]:
            news: News = []
            await desk_store.put_right(db, now)
            for one in await desk_store.overdue(db, now):
                news += await self._ask_next(db, one, now, "not acknowledged in time")
            return (
                await desk_store.due(db, now),
                await desk_store.due_digests(db, now),
                await desk_store.counts(db),
                news,
            )

        single, digests, counts, news = await self._store.writer.do(job)
        self._tell(news)
        self.undelivered = counts.get(State.UNDELIVERED.value, 0)
        for one in single:
            self._start(one.key, [one])
        for batch, members in digests.items():
            self._start(batch, members)

    def _start(self, key: str, members: Sequence[Delivery]) -> None:
        if key in self._under_way:
            return
        task = asyncio.get_running_loop().create_task(self._guarded(key, members), name=f"deliver {key}")
        self._under_way[key] = task
        task.add_done_callback(lambda _: self._under_way.pop(key, None))

    async def idle(self) -> None:
        """Wait until what was started is done."""
        while self._under_way:
            await asyncio.wait(set(self._under_way.values()))

    # --- one attempt -----------------------------------------------------------------------------

    async def _guarded(self, key: str, members: Sequence[Delivery]) -> None:
        channel = members[0].channel
        try:
            async with self._lanes[channel]:
                await self._attempt(key, members)
        except PortError as error:  # the store: the delivery stays as it was and comes again with its key
            log.warning("delivery_not_noted", key=key, reason=str(error))
        except Exception:
            self.counters["defects"] += 1
            log.exception("delivery_defect", key=key)
            await asyncio.sleep(TROUBLE_PAUSE_S)

    async def _attempt(self, key: str, members: Sequence[Delivery]) -> None:
        channel, failure = members[0].channel, None
        try:
            parcel = await self._parcel(key, members)
            courier = self._couriers.get(channel)
            if courier is None:
                raise PortError(f"no {channel} is configured", retryable=True)  # noqa: TRY301
            async with asyncio.timeout(getattr(courier, "limit_s", LIMIT_S)):
                await courier.send(parcel)
        except TimeoutError:
            failure = PortError("no answer in time", retryable=True)
        except PortError as error:
            failure = error
        now = self._clock.now()
        self.last_error[channel] = "" if failure is None else str(failure)
        self.counters["sent" if failure is None else "failed"] += 1
        if failure is not None:
            log.warning("delivery_failed", key=key, reason=str(failure))

        async def job(db: aiosqlite.Connection) -> News:
            return [word for one in members for word in await self._note(db, one, failure, now)]

        await self._note_surely(job)

    async def _note_surely(self, job: Callable[[aiosqlite.Connection], Coroutine[Any, Any, News]]) -> None:
        """Write what happened, also when the database refuses for a while: else it would be sent once more."""
        while True:
            try:
                news = await self._store.writer.do(job)
            except PortError as error:
                if not error.retryable:
                    raise
                await asyncio.sleep(TROUBLE_PAUSE_S)
            else:
                self._tell(news)
                return

    async def _note(
        self, db: aiosqlite.Connection, one: Delivery, failure: PortError | None, now: int
    ) -> News:
        fresh = await desk_store.get(db, one.id)
        if fresh is None or fresh.state is not State.WAITING:
            return []  # acknowledged or superseded while it was under way
        if failure is None:
            await desk_store.save(db, machine.taken(fresh, now), fresh.state, now)
            thing = f"{one.message}:{one.version}"
            await desk_store.stop_clock(db, one.project, Operation.MESSAGE_DELIVERED, thing, now)
            return []
        after = machine.failed(
            fresh, str(failure), now, retryable=failure.retryable,
            retry_after_ms=getattr(failure, "retry_after_ms", 0), pace=self._pace,
        )  # fmt: skip
        if after.state is State.UNDELIVERED and after.acknowledge_ms:
            return await self._ask_next(db, replace(after, state=fresh.state), now, str(failure))
        await desk_store.save(db, after, fresh.state, now)
        return [after] if after.state is State.UNDELIVERED else []

    # --- escalation ------------------------------------------------------------------------------

    async def _ask_next(self, db: aiosqlite.Connection, one: Delivery, now: int, why: str) -> News:
        """Nobody has it: ask the next person; when nobody is left, an alarm. The case is told.

        Returns: what is to be counted and said once this is committed; it may still be taken back.
        """
        owner = self._projects().good.get(one.project)
        rule = owner.deliver[one.rule] if owner is not None and 0 <= one.rule < len(owner.deliver) else None
        following = None
        if owner is not None and rule is not None:
            order = owner.people_of(rule, now)
            asked = [who or one.recipient for who in await desk_store.asked(db, one)]
            gone = await desk_store.bounced(db, one)
            following = self._reachable(owner, order, asked, rule.rounds, one.channel, gone)
        state = machine.move(one, Event.NOBODY_LEFT if following is None else Event.ESCALATED)
        if state is None or not await desk_store.save(db, replace(one, state=state), one.state, now, why):
            return []
        told = (
            "undelivered" if following is None else "not_read" if one.state is State.UNREAD else "passed_on"
        )
        who = one.person or one.recipient
        await case_store.note_of_call(db, one.message, Entry(now, "", told, f"{one.channel} to {who}: {why}"))
        if following is None or owner is None:
            return [one]
        who, address = following
        person = owner.people.get(who)
        await desk_store.add(
            db,
            Delivery(
                one.message, one.version, one.project, one.rule, one.channel, address, now, now,
                person=who if person else "", urgent=one.urgent, acknowledge_ms=one.acknowledge_ms, step=one.step + 1,
            ),
            why,
        )  # fmt: skip
        return [None]

    @staticmethod
    def _reachable(
        owner: Project, order: Sequence[str], asked: list[str], rounds: int, channel: str, gone: set[str]
    ) -> tuple[str, str] | None:
        """Return who is asked next and where.

        People without an address by this channel are passed over, and addresses at which the message came back.
        """
        reachable = [who for who in order if owner.address(who, channel) not in {"", *gone}]
        who = oncall.next_person(reachable, asked, rounds)
        return None if who is None else (who, owner.address(who, channel))

    def _tell(self, news: News) -> None:
        """Count and say what a committed transaction decided."""
        for one in news:
            if one is None:
                self.counters["escalated"] += 1
                continue
            self.undelivered += 1
            self.counters["alarms"] += 1
            log.error("message_undelivered", project=one.project, call=one.message, reason=one.last_error)

    async def bounced(self, delivery: int, detail: str) -> bool:
        """A message came back: note it, ask the next person. The same news again changes nothing. Raises PortError."""

        async def job(db: aiosqlite.Connection) -> News | None:
            now, one = self._clock.now(), await desk_store.get(db, delivery)
            if one is None or any(
                event == "bounced" for _, event, _ in await desk_store.log_of(db, delivery)
            ):
                return None
            await desk_store.note(db, delivery, now, "bounced", detail)
            entry = Entry(now, "", "bounced", f"{one.channel} to {one.person or one.recipient}: {detail}")
            await case_store.note_of_call(db, one.message, entry)
            if one.state in {State.WAITING, State.SENT, State.UNREAD}:
                return await self._ask_next(
                    db, replace(one, last_error=detail[:500]), now, f"came back: {detail}"
                )
            return []

        news = await self._store.writer.do(job)
        self._tell(news or [])
        self.counters["bounced"] += news is not None
        return news is not None

    # --- composing -------------------------------------------------------------------------------

    async def _parcel(self, key: str, members: Sequence[Delivery]) -> Parcel:
        async def job(db: aiosqlite.Connection) -> list[desk_store.Message]:
            found = [await desk_store.message(db, one.message, one.version) for one in members]
            return [message for message in found if message is not None]

        messages = await self._store.writer.do(job)
        if not messages:
            raise PortError("the message was erased", retryable=False)
        owner = self._projects().good.get(members[0].project)
        language = owner.language if owner else "en"
        first, message = members[0], messages[0]
        facts = (
            ("card", message.number), ("project", message.project), ("urgency", message.urgency),
            ("version", str(message.version)),
        )  # fmt: skip
        if not first.digest:
            body = message.body
            if first.acknowledge_ms:
                link = self._links.url("m", str(first.id))
                body = body.rstrip("\n") + "\n" + ACK_WORDS.get(language, ACK_WORDS["en"]).format(link=link)
            mark = self._links.token("mail", str(first.id))
            return Parcel(key, first.recipient, message.subject, body, facts, mark)
        firm = owner.name if owner else message.project
        subject = DIGEST_WORDS.get(language, DIGEST_WORDS["en"]).format(firm=firm, n=len(messages))
        parts = []
        for one in messages:
            moment = f"{local(one.created_at, owner.hours.zone):%d.%m.%Y %H:%M}" if owner else ""
            parts.append(f"=== {moment} · {one.subject}\n\n{one.body.rstrip()}\n")
        return Parcel(
            key,
            first.recipient,
            subject,
            "\n".join(parts),
            (),
            self._links.token("mail", key.replace(":", "-")),
        )


async def acknowledge(store: SqliteStore, delivery: int, who: str, now: int) -> Delivery | None:
    """Somebody has the message: note it, and ask nobody else. Repeats change nothing. Raises PortError.

    Returns the delivery as it now stands, None when there is none.
    """

    async def job(db: aiosqlite.Connection) -> Delivery | None:
        one = await desk_store.get(db, delivery)
        if one is None:
            return None
        state = machine.move(one, Event.ACKNOWLEDGED)
        if state is None:
            return one
        after = replace(
            one, state=state, acknowledged_at=now, acknowledged_by=who or one.person or one.recipient
        )
        if await desk_store.save(db, after, one.state, now, after.acknowledged_by):
            await desk_store.settle_others(db, after, now, f"acknowledged by {after.acknowledged_by}")
            thing = f"{one.message}:{one.version}"
            for operation in (Operation.MESSAGE_ACKNOWLEDGED, Operation.MESSAGE_DELIVERED):
                await desk_store.stop_clock(db, one.project, operation, thing, now)
        return after

    return await store.writer.do(job)
