"""Bounces and answers over a real LMTP conversation: moved on, acknowledged, or put aside (000-11, 002-17, 003-09)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from acd.adapters.lmtp import MailDoor
from acd.adapters.store import case_store, desk_store
from acd.desk.case import Case, State
from acd.desk.delivery import Rule
from acd.deskside.cases import CaseDesk
from acd.deskside.inmail import InMails
from acd.ports import PortError
from tests.adapters.mail_help import bounce, free_port, hand_over, reply
from tests.deskside.delivery_rig import DUTY, FIRM, Rig, card, rig

__all__ = ["rig"]


class Inbox:
    """The desk's inbox behind a listener on loopback."""

    def __init__(self, rig: Rig) -> None:
        cases = CaseDesk(
            rig.store, rig.clock, {}, lambda _name: 60_000, lambda name: (rig.good[name], rig.links)
        )
        self.mails = InMails(rig.store, rig.clock, rig.links, rig.worker, cases)
        self.port = free_port()

    @contextlib.asynccontextmanager
    async def open(self, take: Callable[[bytes], Awaitable[str]] | None = None) -> AsyncIterator[None]:
        door = MailDoor("127.0.0.1", self.port, take or self.mails.take)
        task = asyncio.create_task(door.run())
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                break
            await asyncio.sleep(0.01)
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def put(self, raw: bytes) -> str:
        """Hand a mail over as a mail server does; return the last answer."""
        return (await hand_over(self.port, [raw]))[0]


def message_id(mail: EmailMessage) -> str:
    return str(mail["Message-ID"])


async def log(rig: Rig, delivery: int) -> list[str]:
    return [event for _, event, _ in await rig.store.writer.do(lambda db: desk_store.log_of(db, delivery))]


async def case(rig: Rig, number: str) -> Case:
    found = await rig.store.writer.do(lambda db: case_store.case(db, number))
    assert found is not None
    return found


async def test_a_bounce_moves_an_urgent_message_on_to_the_next_person(rig: Rig) -> None:
    rig.use(replace(DUTY, deliver=(replace(DUTY.deliver[0], rounds=2),)))
    inbox = Inbox(rig)
    await rig.write(disposition="ticket")
    await rig.turn()
    async with inbox.open():
        raw = bounce(message_id(rig.mail.mails[0]), "ann@law.example")
        assert (await inbox.put(raw)).startswith("250")
        assert (await inbox.put(raw)).startswith("250"), "the same bounce twice changes nothing"
    await rig.turn()
    assert rig.mail.recipients == ["ann@law.example", "bob@law.example"]
    assert await rig.states() == ["escalated", "unread"]
    assert (await log(rig, 1)).count("bounced") == 1
    await rig.turn(61_000)
    await rig.turn()
    assert rig.mail.recipients[2:] == ["bob@law.example"], (
        "round two does not write to the dead address again"
    )


async def test_a_bounce_with_nobody_left_is_an_alarm_and_stands_on_the_case(rig: Rig) -> None:
    inbox = Inbox(rig)
    rig.use(replace(FIRM, deliver=(Rule("office@law.example"),)))
    await rig.write()
    opened = Case("123459", "law", rig.clock.now(), None, "Help", calls=("c1",))
    await rig.store.writer.do(lambda db: case_store.open_case(db, opened, "", rig.clock.now()))
    await rig.turn()
    async with inbox.open():
        await inbox.put(bounce(message_id(rig.mail.mails[0]), "office@law.example"))
    assert await rig.states() == ["undelivered"]
    assert rig.worker.counters["alarms"] == 1
    events = [(e.event, e.public) for e in (await case(rig, "123459")).history]
    assert events == [("bounced", False), ("undelivered", False)]


async def test_an_unread_deadline_is_an_event_on_the_case(rig: Rig) -> None:
    rig.use(DUTY)
    await rig.write()
    opened = Case("123459", "law", rig.clock.now(), None, "Help", calls=("c1",))
    await rig.store.writer.do(lambda db: case_store.open_case(db, opened, "", rig.clock.now()))
    await rig.turn()
    await rig.turn(61_000)
    (entry,) = (await case(rig, "123459")).history
    assert (entry.event, entry.text) == ("not_read", "email to ann: not acknowledged in time")


async def test_a_late_mail_is_only_noted(rig: Rig) -> None:
    rig.use(DUTY)
    inbox = Inbox(rig)
    await rig.write()
    await rig.turn()
    async with inbox.open():
        await inbox.put(bounce(message_id(rig.mail.mails[0]), "ann@law.example", "delayed", "4.4.1"))
    assert await rig.states() == ["unread"]
    assert (await log(rig, 1))[-1] == "delayed"


async def test_an_answer_acknowledges_and_an_absence_note_does_not(rig: Rig) -> None:
    rig.use(DUTY)
    inbox = Inbox(rig)
    await rig.write()
    await rig.turn()
    about = message_id(rig.mail.mails[0])
    async with inbox.open():
        await inbox.put(reply(about, "ann@law.example", extra="Auto-Submitted: auto-replied\n"))
        assert await rig.states() == ["unread"]
        await inbox.put(reply(about, "ann@law.example"))
        await inbox.put(reply(about, "ann@law.example"))
    assert await rig.states() == ["acknowledged"]
    assert (await log(rig, 1)).count("replied") == 1
    await rig.turn(600_000)
    assert rig.mail.recipients == ["ann@law.example"], "nobody else is asked any more"


async def test_who_answers_from_another_address_is_named(rig: Rig) -> None:
    rig.use(DUTY)
    inbox = Inbox(rig)
    await rig.write()
    await rig.turn()
    async with inbox.open():
        await inbox.put(reply(message_id(rig.mail.mails[0]), "ann.home@x.example"))
    one = await rig.store.writer.do(lambda db: desk_store.get(db, 1))
    assert one is not None
    assert one.acknowledged_by == "ann.home@x.example"


async def test_a_guessed_reference_does_nothing(rig: Rig) -> None:
    rig.use(DUTY)
    inbox = Inbox(rig)
    await rig.write()
    await rig.turn()
    async with inbox.open():
        for forged in (f"<1.{'0' * 32}@centre.example>", "<1@centre.example>"):
            await inbox.put(bounce(forged, "ann@law.example"))
            await inbox.put(reply(forged, "ann@law.example"))
        link = rig.links.token("m", "1")
        await inbox.put(reply(f"<{link}@x.example>", "ann@law.example"))
    assert await rig.states() == ["unread"]
    assert inbox.mails.counters["mail_forged"] == 3


async def test_a_digest_that_bounces_is_an_alarm_for_each_of_its_messages(rig: Rig) -> None:
    rig.use(replace(FIRM, deliver=(Rule("office@law.example", digest=(13 * 60,)),)))
    inbox = Inbox(rig)
    await rig.write("c1")
    await rig.write("c2")
    await rig.turn(3_600_000)
    assert len(rig.mail.mails) == 1
    async with inbox.open():
        await inbox.put(bounce(message_id(rig.mail.mails[0]), "office@law.example"))
    assert await rig.states("c1") == await rig.states("c2") == ["undelivered"]


async def test_a_clients_answer_wakes_his_case_and_progress_is_told_to_him(rig: Rig) -> None:
    form = replace(FIRM.form, outcomes=(("ticket", "Ticket", True),))
    rig.use(replace(FIRM, form=form))
    inbox = Inbox(rig)
    rig.cards._projects = lambda: rig  # type: ignore[assignment, return-value]
    written = {
        "disposition": "ticket",
        "caller_email": "olga@client.example",
        "subject": "Help",
        "note": "Broken",
    }
    await rig.store.write_card(replace(card("c1", **written), number="123459"))
    await rig.turn()
    first = next(m for m in rig.mail.mails if m["To"] == "olga@client.example")
    assert "was received" in first.get_content()
    await inbox.mails._cases.change("123459", _event("asked_client"), "bob", text="Which model?", public=True)
    await rig.turn()
    asked = rig.mail.mails[-1]
    assert (asked["To"], "Which model?" in asked.get_content()) == ("olga@client.example", True)
    async with inbox.open():
        await inbox.put(reply(message_id(asked), "olga@client.example", "Model 7"))
        await inbox.put(reply(message_id(asked), "olga@client.example", "Model 7"))
    held = await case(rig, "123459")
    assert held.state is State.OPEN, "nobody has it in hand: it is for the next one"
    assert [e.text for e in held.history if e.event == "client_answered"] == ["Model 7"]
    await inbox.mails._cases.change("123459", _event("resolved"), "bob", public=True)
    await rig.turn()
    assert "was resolved" in rig.mail.mails[-1].get_content()
    assert len(set(rig.mail.ids)) == len(rig.mail.ids) == 4


def _event(name: str):  # type: ignore[no-untyped-def]
    from acd.desk.case import Event

    return Event(name)


async def test_what_cannot_be_stored_stays_with_the_mail_server(rig: Rig) -> None:
    inbox = Inbox(rig)

    async def refuses(_raw: bytes) -> str:
        raise PortError("full", retryable=True)

    async with inbox.open(refuses):
        assert (await inbox.put(reply("<x@y>", "a@b.example"))).startswith("451")


async def test_strangers_and_floods_are_turned_away(rig: Rig, tmp_path: Path) -> None:
    inbox = Inbox(rig)
    with pytest.raises(ValueError, match="loopback"):
        MailDoor("0.0.0.0", inbox.port, inbox.mails.take)
    async with inbox.open():
        links = [await asyncio.open_connection("127.0.0.1", inbox.port) for _ in range(40)]
        turned_away = 0
        for reader, _ in links:
            with contextlib.suppress(ConnectionError):
                turned_away += not await asyncio.wait_for(reader.readline(), 5)
        for _, writer in links:
            writer.close()
        assert turned_away >= 15
        with pytest.raises((aiosmtplib.SMTPException, OSError)):
            await aiosmtplib.send(
                b"Subject: x\r\n\r\nx", sender="a@b.example", recipients=["c@d.example"], hostname="127.0.0.1",
                port=inbox.port, timeout=2,
            )  # fmt: skip
