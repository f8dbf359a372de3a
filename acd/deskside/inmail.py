"""Mails that come back to the desk: a bounce moves the message on, an answer acknowledges it or wakes its case.

A mail acts only by the signed Message-ID it speaks of, and only on that one delivery. The same mail twice changes
nothing more. Who only guesses, forges a sender, or has no reference, is counted and put aside.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import structlog

from acd import unhurried
from acd.adapters.store import case_store, desk_store
from acd.desk import inmail
from acd.desk.case import CaseError, Event
from acd.desk.delivery import State
from acd.desk.inmail import InMail, Kind
from acd.deskside.delivery import acknowledge
from acd.deskside.notices import CASE_PREFIX

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.sqlite import SqliteStore
    from acd.desk.delivery import Delivery
    from acd.deskside.cases import CaseDesk
    from acd.deskside.delivery import DeliveryWorker
    from acd.deskside.links import Links
    from acd.ports import Clock

log = structlog.get_logger("acd.desk")

DIGEST: Final = "digest-"


class InMails:
    """Takes raw mails, from whichever mailbox or listener."""

    def __init__(
        self, store: SqliteStore, clock: Clock, links: Links, worker: DeliveryWorker, cases: CaseDesk
    ) -> None:
        self._store, self._clock, self._links = store, clock, links
        self._worker, self._cases = worker, cases
        self.counters: Counter[str] = Counter()

    async def take(self, raw: bytes) -> str:
        """Do what a mail says; return what it was. Raises PortError: then it is to be shown again later."""
        mail = await unhurried.in_thread(inmail.read, raw)  # anybody may write: the loop goes on meanwhile
        things = [thing for found in mail.references if (thing := self._links.read("mail", found))]
        if not things:
            kind = "forged" if mail.references else "other"
            self.counters[f"mail_{kind}"] += 1
            log.info("mail_put_aside", kind=kind, sender=mail.sender[:80])
            return kind
        deliveries = await self._deliveries(things[0])
        if mail.kind is Kind.BOUNCE:
            why = " ".join(part for part in (mail.status, mail.detail) if part) or "no reason given"
            for one in deliveries:
                await self._worker.bounced(one.id, why)
        elif mail.kind is Kind.REPLY:
            await self._replied(deliveries, mail)
        else:
            await self._noted(deliveries, mail)
        self.counters[f"mail_{mail.kind.value}"] += 1
        log.info("mail_taken", kind=mail.kind.value, about=things[0])
        return mail.kind.value

    async def _deliveries(self, thing: str) -> list[Delivery]:
        async def job(db: aiosqlite.Connection) -> list[Delivery]:
            if thing.startswith(DIGEST):
                ids = await desk_store.of_batch(db, thing.replace("-", ":"))
            else:
                ids = [int(thing)] if thing.isdigit() else []
            found = [await desk_store.get(db, one) for one in ids]
            return [one for one in found if one is not None]

        return await self._store.writer.do(job)

    async def _replied(self, deliveries: list[Delivery], mail: InMail) -> None:
        """A person wrote back: he has it. A client's answer goes to his case instead."""
        for one in deliveries:
            if one.message.startswith(CASE_PREFIX):
                await self._client_answered(one.message.removeprefix(CASE_PREFIX), mail)
                continue
            own = one.recipient.lower() == mail.sender.lower()
            if one.state is not State.ACKNOWLEDGED:
                who = "" if own else mail.sender
                await acknowledge(self._store, one.id, who, self._clock.now())
            if mail.text:
                await self._say_once(one, "replied", f"{mail.sender}: {mail.text}")

    async def _client_answered(self, number: str, mail: InMail) -> None:
        case = await self._store.writer.do(lambda db: case_store.case(db, number))
        answered = Event.CLIENT_ANSWERED
        if case is None or any(
            e.event == answered.value and e.who == mail.sender and e.text == mail.text for e in case.history
        ):
            return
        try:
            await self._cases.change(number, answered, mail.sender, text=mail.text, public=True)
        except CaseError as error:
            log.info("mail_put_aside", kind="case", reason=str(error))

    async def _noted(self, deliveries: list[Delivery], mail: InMail) -> None:
        said = " ".join(part for part in (mail.status, mail.detail or mail.sender) if part)
        for one in deliveries:
            await self._say_once(one, mail.kind.value, said)

    async def _say_once(self, one: Delivery, event: str, detail: str) -> None:
        async def job(db: aiosqlite.Connection) -> None:
            held = await desk_store.log_of(db, one.id)
            if not any((e, d) == (event, detail[:500]) for _, e, d in held):
                await desk_store.note(db, one.id, self._clock.now(), event, detail)

        await self._store.writer.do(job)
