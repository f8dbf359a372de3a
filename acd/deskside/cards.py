"""What a stored card sets going: the message with its deliveries, a case, the clocks; one transaction with the card.

A defect here must never cost a card: everything runs inside a savepoint, and what failed is found again by the
sweep (`Reconciler.sweep`), so no message is lost either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from acd.adapters.store import cards, case_store, desk_store
from acd.core.card import handed_to
from acd.core.events import EndReason
from acd.core.instant import HOUR_MS, Duration, Instant
from acd.desk import operations, project
from acd.desk.case import Case as DeskCase
from acd.desk.case import CaseError, Entry, Event, happen
from acd.desk.delivery import Delivery
from acd.desk.forms import HANDED_TO
from acd.desk.message import one_line
from acd.desk.oncall import dialled
from acd.desk.operations import Operation
from acd.deskside.messages import Written, draft
from acd.deskside.notices import tell_client

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.sqlite import SqliteStore
    from acd.config.projects import Projects
    from acd.core.card import CallCard
    from acd.desk.oncall import Person
    from acd.desk.project import Project
    from acd.deskside.links import Links

log = structlog.get_logger("acd.desk")

NO_RULE = -1
"""In place of a rule's index: nobody is asked next when this delivery fails."""
EARLY_LIMIT = 1_000
SWEEP_BACK_MS: Duration = 7 * 24 * HOUR_MS


async def also_to(
    db: aiosqlite.Connection, message: desk_store.Message, person: Person, now: Instant, why: str
) -> bool:
    """Send a message to one more person, by mail, else by SMS, at once; False: no address, or he has it anyway."""
    channel = "email" if person.email else "sms"
    address = person.address(channel)
    if not address:
        return False
    extra = Delivery(
        message.call, message.version, message.project, NO_RULE, channel, address, now, now, person=person.id,
        urgent=message.urgency == "urgent",
    )  # fmt: skip
    return await desk_store.add(db, extra, why)


class DeskCards:
    """The watcher of stored cards."""

    def __init__(
        self, projects: Callable[[], Projects], links: Links, normalise: Callable[[str], str] = str
    ) -> None:
        self._projects, self._links, self._normalise = projects, links, normalise
        self.counters: Counter[str] = Counter()
        self.early: dict[str, tuple[str, str]] = {}
        """Caller's and dialled number by call, of messages sent before their card: a person rung hears who called."""
        self.owes = False
        """Some message is committed that is still to be printed; unset by the press (acd.deskside.press)."""
        self._owes_inside = False  # the same, not committed yet: set in the database's thread

    def attach(self, store: SqliteStore) -> None:
        """Watch the cards of a store from now on."""
        store.watchers.append(self.watch)
        store.writer.committed.append(self._committed)

    def _committed(self) -> None:
        """Tell the press only now: what it was told inside the transaction, it would look for in vain."""
        if self._owes_inside:
            self._owes_inside, self.owes = False, True

    def project_of(self, card: CallCard) -> Project | None:
        """Return the project a card belongs to."""
        projects = self._projects()
        return projects.of_queue(card.queue) or projects.of_subscriber(card.subscriber)

    def subscribers(self) -> list[str]:
        """Return the subscribers that have a project in force."""
        return sorted({owner.subscriber for owner in self._projects().good.values()})

    async def watch(self, db: aiosqlite.Connection, card: CallCard, now: Instant) -> None:
        """Do everything a card sets going; never raise for what is in it."""
        owner = self.project_of(card)
        if owner is None:
            return
        await db.execute("SAVEPOINT desk")
        try:
            await self._clocks(db, owner, card, now)
            case = await self._case(db, owner, card, now)
            await self._message(db, owner, card, now)
            if case is not None:
                await tell_client(db, owner, case, case.history[0], self._links, now)
        except Exception as defect:
            await db.execute("ROLLBACK TO desk")
            await db.execute("RELEASE desk")
            if _is_database_trouble(defect):
                raise
            self.counters["defects"] += 1
            log.exception("desk_defect", call=card.call)
            return
        await db.execute("RELEASE desk")

    # --- clocks ----------------------------------------------------------------------------------

    @staticmethod
    async def _clocks(db: aiosqlite.Connection, owner: Project, card: CallCard, now: Instant) -> None:
        if card.end_reason is EndReason.SELF_SERVED:
            return  # he wanted nobody: no promise of an answer was broken
        target = owner.targets[Operation.ANSWER]
        since = card.answered_at - card.wait_ms if card.answered_at is not None else card.entered_at
        await desk_store.start_clock(
            db, operations.start(owner.id, Operation.ANSWER, card.call, since, target, owner.hours)
        )
        if card.answered_at is None:
            return
        await desk_store.stop_clock(db, owner.id, Operation.ANSWER, card.call, card.answered_at)
        ends = [part.ended_at for part in card.segments if part.ended_at is not None]
        talked = max(ends, default=card.ended_at)
        filled = operations.start(
            owner.id,
            Operation.CARD_FILLED,
            card.call,
            talked,
            owner.targets[Operation.CARD_FILLED],
            owner.hours,
        )
        await desk_store.start_clock(db, filled)
        if card.fields:
            await desk_store.stop_clock(
                db, owner.id, Operation.CARD_FILLED, card.call, min(now, talked + card.acw_ms)
            )

    # --- message ---------------------------------------------------------------------------------

    async def _message(self, db: aiosqlite.Connection, owner: Project, card: CallCard, now: Instant) -> None:
        sheet = draft(owner, card)
        if sheet is None:
            return
        if sheet.owed:  # a foreign template may take seconds or die: no transaction waits for it
            await desk_store.owe(db, card.call, now)
            self._owes_inside = True
            return
        await desk_store.paid(db, card.call)
        await self.put(db, owner, card, sheet.written(), now)

    async def send_now(self, store: SqliteStore, card: CallCard, now: Instant) -> bool:
        """Send the urgent message of a card that is not stored yet; False: it has none.

        Raises PortError, on a disk that stands still too: an agent's page waits for it.
        """
        owner = self.project_of(card)
        sheet = None if owner is None else draft(owner, card)
        if owner is None or sheet is None or sheet.owed or sheet.urgency != "urgent":
            return False
        self.early[card.call] = (card.ani, card.did)
        while len(self.early) > EARLY_LIMIT:
            del self.early[next(iter(self.early))]
        await store.write(lambda db: self.put(db, owner, card, sheet.written(), now))
        return True

    async def put(
        self, db: aiosqlite.Connection, owner: Project, card: CallCard, written: Written, now: Instant
    ) -> None:
        """Store a message and plan its deliveries; the same wording again changes nothing."""
        made = await desk_store.put_message(
            db,
            desk_store.Message(
                card.call, 0, card.number, owner.id, written.urgency, written.call_type, written.subject,
                written.body, now,
            ),
        )  # fmt: skip
        await self._to_whom_it_was_handed(db, owner, made, card, now)
        if made is None:
            return
        if made.version > 1:
            await desk_store.supersede(db, card.call, made.version, now)
        if written.plain:
            told = Entry(now, "", "plain_form", written.plain)
            await case_store.note_of_call(db, card.call, told)
            self.counters["plain_forms"] += 1
        await self._deliver(db, owner, made, now, written.plain)
        self.counters["messages"] += 1

    async def _deliver(
        self, db: aiosqlite.Connection, owner: Project, message: desk_store.Message, now: Instant, plain: str
    ) -> None:
        planned = project.plan(owner, message.urgency, message.call_type, now)
        urgent = message.urgency == "urgent"
        for one in planned:
            rule = owner.deliver[one.rule]
            await desk_store.add(
                db,
                Delivery(
                    message.call, message.version, owner.id, one.rule, one.channel, one.recipient, one.at, now,
                    person=one.person, urgent=urgent, acknowledge_ms=one.acknowledge_ms, digest=one.digest,
                ),
                f"rule {one.rule + 1}: {rule.to}" + (f"; in the plain form: {plain}" if plain else ""),
            )  # fmt: skip
        thing = f"{message.call}:{message.version}"
        if not planned:
            self.counters["without_recipient"] += 1
            log.error("message_without_recipient", project=owner.id, card=message.number)
        leaves = min((one.at for one in planned), default=now)
        await self._start(db, owner, Operation.MESSAGE_DELIVERED, thing, leaves)
        if any(one.acknowledge_ms for one in planned):
            await self._start(db, owner, Operation.MESSAGE_ACKNOWLEDGED, thing, leaves)

    @staticmethod
    async def _to_whom_it_was_handed(
        db: aiosqlite.Connection,
        owner: Project,
        made: desk_store.Message | None,
        card: CallCard,
        now: Instant,
    ) -> None:
        """A warm patch takes the written message along; it may have left already when the call was handed on."""
        people = _handed_to(owner, card)
        message = made or await desk_store.message(db, card.call) if people else None
        if message is not None:
            for person in people:
                await also_to(db, message, person, now, "the call was handed to him")

    @staticmethod
    async def _start(
        db: aiosqlite.Connection, owner: Project, operation: Operation, thing: str, at: Instant
    ) -> None:
        clock = operations.start(owner.id, operation, thing, at, owner.targets[operation], owner.hours)
        await desk_store.start_clock(db, clock)

    # --- case ------------------------------------------------------------------------------------

    async def _case(
        self, db: aiosqlite.Connection, owner: Project, card: CallCard, now: Instant
    ) -> DeskCase | None:
        """Open a case, or hang the call on the one that was quoted; return a case only when it is new."""
        fields = dict(card.fields)
        quoted = "".join(c for c in fields.get("case", "") if c.isdigit())
        held = await case_store.case(db, quoted) if quoted else None
        if held is not None and held.project == owner.id:
            if card.call not in held.calls:
                await self._called_again(db, held, card, now)
            return None
        if fields.get("disposition", "") not in owner.cases.dispositions or not card.number:
            return None
        case = self._new_case(owner, card, fields, now)
        if not await case_store.open_case(db, case, owner.cases.helpdesk, now):
            return None
        await self._start(db, owner, Operation.TICKET_RESOLVED, case.number, now)
        await self._start(db, owner, Operation.FIRST_REPLY, case.number, now)
        self.counters["cases"] += 1
        return case

    def _new_case(self, owner: Project, card: CallCard, fields: dict[str, str], now: Instant) -> DeskCase:
        target = owner.targets[Operation.TICKET_RESOLVED]
        due = operations.start(
            owner.id, Operation.TICKET_RESOLVED, card.number, now, target, owner.hours
        ).due_at
        subject = one_line(fields.get("subject", "") or fields.get("note", "") or card.number)
        return DeskCase(
            number=card.number,
            project=owner.id,
            opened_at=now,
            deadline=due,
            subject=subject,
            owner=owner.cases.owner or (card.agent or ""),
            client=self._normalise(card.ani) if card.ani else "",
            client_name=one_line(fields.get("caller_name", ""), 80),
            client_email=one_line(fields.get("caller_email", ""), 200),
            history=(Entry(now, card.agent or "", "opened", subject, public=True),),
            calls=(card.call,),
        )

    @staticmethod
    async def _called_again(db: aiosqlite.Connection, held: DeskCase, card: CallCard, now: Instant) -> None:
        await case_store.link_call(db, held.number, card.call)
        try:
            changed = happen(
                held, Event.CLIENT_ANSWERED, now, card.agent or "", text=f"call, card {card.number}"
            )
        except CaseError:
            return
        await case_store.save_case(db, changed, len(held.history))


def _handed_to(owner: Project, card: CallCard) -> list[Person]:
    """Return the firm's people to whom the agent handed this call or whom he asked, whether or not they picked up.

    The agent's page notes his wish on the card (HANDED_TO). That note can be lost: a full card, a store that refuses,
    our death just after the caller was sent on. So the switch's own steps count as well: who was rung gets it. Of people
    who share a telephone the note names the one: the others were not asked, and the message may not be for them.
    """
    rung = {target.removeprefix("out_") for target in handed_to(card) if target.startswith("out_")} - {""}
    noted = owner.people.get(dict(card.fields).get(HANDED_TO, ""))
    if noted is not None:
        rung.discard(dialled(noted.phone))
    return [person for person in owner.people.values() if person is noted or dialled(person.phone) in rung]


def _is_database_trouble(defect: Exception) -> bool:
    """Tell whether the database itself refuses: then the card must go to the spill file as a whole."""
    import sqlite3

    return isinstance(defect, sqlite3.OperationalError | sqlite3.DatabaseError) and not isinstance(
        defect, sqlite3.IntegrityError | sqlite3.ProgrammingError
    )


class Reconciler:
    """Finds messages that never became one: while a project was broken, or after a defect."""

    def __init__(self, store: SqliteStore, watcher: DeskCards) -> None:
        self._store, self._watcher = store, watcher

    async def sweep(self, now: Instant) -> int:
        """Make up for what is missing; return how many cards were looked at. Raises PortError."""
        subscribers = self._watcher.subscribers()
        calls = await self._store.writer.do(
            lambda db: desk_store.cards_without_message(db, subscribers, now - SWEEP_BACK_MS)
        )

        async def job(db: aiosqlite.Connection) -> int:
            found = 0
            for call in calls:
                stored = await cards.get(db, call=call)
                if stored is not None and self._watcher.project_of(stored.card) is not None:
                    await self._watcher.watch(db, stored.card, now)
                    found += 1
            return found

        return await self._store.writer.do(job) if calls else 0
