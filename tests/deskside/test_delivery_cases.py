"""What hangs on a message beside its delivery: case, clocks, erasure, retention, and messages before their card (000-07, 000-16)."""

from __future__ import annotations

import asyncio

import aiosqlite
import pytest

from acd.adapters.store import case_store, desk_store, directory_store, retention
from acd.desk.case import State as CaseState
from acd.desk.operations import Operation
from acd.deskside.cards import Reconciler
from acd.deskside.public import DeskPublic
from acd.ports import PortError
from tests.deskside.delivery_rig import FIRM, Rig, card, rig  # noqa: F401 - the fixture


async def test_a_defect_in_the_desk_never_costs_a_card_and_the_sweep_makes_up_for_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    with monkeypatch.context() as patched:
        patched.setattr("acd.deskside.cards.draft", broken)
        await rig.write()
        async with asyncio.timeout(
            20
        ):  # a slow machine needs seconds to print the traceback: spilled meanwhile
            while (await rig.store.get(call="c1")) is None:
                await asyncio.sleep(0.05)
    assert rig.cards.counters["defects"] == 1
    rig.use(None)
    await rig.write("c2")
    rig.use(FIRM)
    reconciler = Reconciler(rig.store, rig.cards)
    assert await reconciler.sweep(rig.clock.now()) == 2
    assert await reconciler.sweep(rig.clock.now()) == 0
    await rig.turn()
    assert len(rig.mail.mails) == 2


async def test_an_unsettled_call_becomes_a_case_with_a_page_and_the_quoted_number_leads_back(
    rig: Rig,
) -> None:
    """003-05, 003-08, 003-09, 001-22."""
    await rig.write(disposition="ticket", caller_email="olga@client.example", caller_name="Olga")
    (case,) = await rig.store.writer.do(lambda db: case_store.cases(db, "law"))
    assert (case.subject, case.owner, case.client, case.state) == (
        "Help",
        "a101",
        "+79160000001",
        CaseState.OPEN,
    )
    await rig.turn()
    mail = next(m for m in rig.mail.mails if m["To"] == "olga@client.example")
    assert f"/case/{case.number}." in mail.get_content()
    await rig.write("c2", disposition="settled", case=f" {case.number[:2]} {case.number[2:]} ")
    (again,) = await rig.store.writer.do(lambda db: case_store.cases(db, "law"))
    assert again.calls == ("c1", "c2")
    assert [e.event for e in again.history] == ["opened", "client_answered"]
    second = await rig.store.get(call="c2")
    assert second is not None
    found = await rig.store.writer.do(lambda db: case_store.case(db, second.card.number))
    assert found == again, "any card's number of the case leads to it"
    public = DeskPublic(rig.store, rig.clock, rig.links, lambda: rig)  # type: ignore[arg-type, return-value]
    page = await public.case(rig.links.url("case", case.number).rpartition("/")[2])
    assert page is not None
    assert page.lines[:2] == ("Help", "State: received")
    assert "a101" not in " ".join(page.lines), "who works here is not the client's business"
    assert await public.case(rig.links.url("m", case.number).rpartition("/")[2]) is None
    assert await public.message("1." + "0" * 32, confirm=True) is None


async def test_clocks_of_answer_card_and_case_start_and_stop(rig: Rig) -> None:
    await rig.write(disposition="ticket")
    met = await rig.clocks()
    assert met[Operation.ANSWER] is True
    assert met[Operation.CARD_FILLED] is True
    assert met[Operation.TICKET_RESOLVED] is None
    later = rig.clock.now() + 10**9
    near = await rig.store.read(lambda db: desk_store.pressing(db, later))
    assert near["ticket_resolved"] == (1, 1)
    assert "answer" not in near, "that clock has stopped"
    warned = await rig.store.writer.do(lambda db: desk_store.take_warnings(db, later))
    assert {c.operation for c in warned} >= {Operation.TICKET_RESOLVED, Operation.FIRST_REPLY}
    assert not await rig.store.writer.do(lambda db: desk_store.take_warnings(db, rig.clock.now() + 10**9))


async def test_erasure_reaches_messages_deliveries_cases_and_directory(rig: Rig) -> None:
    """152-FZ: what is erased must not leave any more either."""
    await rig.store.writer.do(
        lambda db: directory_store.put(
            db, "clients", [{"project": "law", "number": "+79160000001", "name": "Olga"}]
        )
    )
    await rig.write(disposition="ticket", caller_email="olga@client.example", caller_name="Olga")
    await rig.store.writer.do(lambda db: retention.erase(db, "+79160000001", rig.clock.now(), "test"))
    await rig.turn(60_000)
    assert not rig.mail.mails
    dump = []

    async def read(db: aiosqlite.Connection) -> None:
        for table in (
            "desk_messages",
            "deliveries",
            "delivery_log",
            "cases",
            "case_history",
            "directory_clients",
            "card_fields",
        ):
            dump.extend([tuple(row) for row in await db.execute_fetchall(f"SELECT * FROM {table}")])  # noqa: S608

    await rig.store.writer.do(read)
    text = repr(dump)
    for trace in ("Olga", "olga@client", "9160000001", "call back"):
        assert trace not in text
    assert "settled" in text


async def test_what_a_project_keeps_no_longer_is_removed_but_nothing_that_is_still_under_way(
    rig: Rig,
) -> None:
    await rig.write("c1")
    await rig.turn()
    rig.mail.moods = ["451 later"]
    await rig.write("c2")
    await rig.turn()
    assert await rig.store.writer.do(lambda db: desk_store.expire(db, "law", rig.clock.now() + 1)) > 0
    assert await rig.states("c1") == []
    assert await rig.states("c2") == ["waiting"]
    await rig.turn(60_000)
    assert "c2" in rig.mail.mails[-1].get_content()


async def test_an_urgent_message_leaves_before_its_card_and_only_once(rig: Rig) -> None:
    """000-11: the firm has it during the wrap-up; the card brings the same wording later, or a new version."""
    shown = {"note": "Fire", "message": "Fire in the office", "message_subject": "Fire", "urgency": "urgent"}
    early = card("c1", **shown)
    assert await rig.cards.send_now(rig.store, early, rig.clock.now())
    await rig.turn()
    assert [m["Subject"] for m in rig.mail.mails] == ["Fire"]
    assert rig.cards.early == {"c1": ("+79160000001", "7011")}
    await rig.store.write_card(early)
    await rig.turn(60_000)
    assert len(rig.mail.mails) == 1
    await rig.store.write_card(card("c1", **(shown | {"message": "Fire in the yard"})))
    await rig.turn(60_000)
    assert [m.get_content().strip() for m in rig.mail.mails] == ["Fire in the office", "Fire in the yard"]
    calm = card("c2", note="Later", message="Later", message_subject="Later")
    assert not await rig.cards.send_now(rig.store, calm, rig.clock.now())
    assert await rig.states("c2") == []


async def test_a_disk_that_stands_still_keeps_no_agents_page_waiting(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fields are accepted: that the message cannot leave yet is said in time, and it leaves with its card."""
    monkeypatch.setattr("acd.adapters.store.sqlite.CARD_LIMIT_S", 0.05)

    async def stalled(*_: object, **__: object) -> None:
        await asyncio.sleep(5)

    shown = {"note": "Fire", "message": "Fire in the office", "message_subject": "Fire", "urgency": "urgent"}
    with monkeypatch.context() as patched:
        patched.setattr(rig.store.writer, "do", stalled)
        async with asyncio.timeout(2):
            with pytest.raises(PortError, match="did not answer"):
                await rig.cards.send_now(rig.store, card("c1", **shown), rig.clock.now())
    await rig.store.write_card(card("c1", **shown))
    await rig.turn()
    assert [m["Subject"] for m in rig.mail.mails] == ["Fire"]
