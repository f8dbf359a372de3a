"""Delivery until somebody has it, over a mail server that is down, refuses, or drops the reply (000-11, 002-17).

None lost, none doubled by key: every mail keeps its Message-ID, every post its Idempotency-Key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiosqlite
import httpx
import pytest

from acd.adapters.sms import HttpCourier, sms_body, webhook_body
from acd.adapters.smtp import SmtpCourier, SmtpSettings, compose
from acd.adapters.store import case_store, desk_store, directory_store, retention
from acd.adapters.store.sqlite import SqliteStore
from acd.core.card import CallCard
from acd.core.events import EndedBy, EndReason
from acd.desk.case import State as CaseState
from acd.desk.delivery import Rule
from acd.desk.operations import Operation
from acd.desk.project import Form, FormField, Project
from acd.deskside.cards import DeskCards, Reconciler
from acd.deskside.delivery import STOP_S, DeliveryWorker, acknowledge
from acd.deskside.links import Links
from acd.deskside.public import DeskPublic
from acd.ports import Parcel, PortError
from tests.adapters.mail_help import MailServer
from tests.desk.test_hours import at
from tests.desk.test_project import LAW
from tests.fakes.ports import FakeClock

NOON = at("2026-11-25T12:00")
FORM = Form((FormField("subject", "Subject"), FormField("note", "Message", "lines", required=True)))
FIRM = replace(
    LAW, id="law", language="en", form=FORM, deliver=(Rule("office@law.example"),),
    routing=(), rotations=LAW.rotations,
)  # fmt: skip
DUTY = replace(FIRM, deliver=(Rule("on_call:duty", acknowledge_ms=60_000, rounds=1),))


@dataclass
class Rig:
    store: SqliteStore
    clock: FakeClock
    mail: MailServer
    links: Links = field(default_factory=lambda: Links(b"k" * 32, "https://desk.example"))
    project: Project = FIRM
    good: dict[str, Project] = field(default_factory=dict)
    couriers: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = SmtpSettings(port=self.mail.port, sender="desk@centre.example", timeout_s=3)
        self.couriers.setdefault("email", SmtpCourier(settings, self.clock))
        self.cards = DeskCards(lambda: self, self.links)  # type: ignore[arg-type, return-value]
        self.worker = DeliveryWorker(lambda: self, self.store, self.clock, self.couriers, self.links)  # type: ignore[arg-type, return-value]
        self.cards.attach(self.store)
        self.use(self.project)

    def use(self, project: Project | None) -> None:
        self.good = {} if project is None else {project.id: project}

    def of_queue(self, queue: str) -> Project | None:
        return self.good.get(queue)

    of_subscriber = of_queue

    async def write(self, call: str = "c1", **fields: str) -> None:
        await self.store.write_card(
            card(call, **({"note": f"Please call back, {call}", "subject": "Help"} | fields))
        )

    async def turn(self, ahead_ms: int = 0) -> None:
        self.clock.time += ahead_ms
        await self.worker.turn()
        await self.worker.idle()

    async def states(self, call: str = "c1") -> list[str]:
        found = await self.store.writer.do(lambda db: desk_store.of_call(db, call))
        return [one.state.value for one in found]

    async def clocks(self) -> dict[Operation, bool | None]:
        found = await self.store.writer.do(lambda db: desk_store.clocks(db, 0))
        return {clock.operation: clock.met(self.clock.now()) for clock in found}


def card(call: str, **fields: str) -> CallCard:
    return CallCard(
        call=call, number="", subscriber="law", queue="law", did="7011", ani="+79160000001", entered_at=NOON,  # type: ignore[arg-type]
        answered_at=NOON + 5_000, ended_at=NOON + 60_000, end_reason=EndReason.HANDLED, ended_by=EndedBy.CALLER,
        cause=16, wait_ms=5_000, talk_ms=55_000, hold_ms=0, acw_ms=10_000, agent="a101",  # type: ignore[arg-type]
        fields=tuple(fields.items()),
    )  # fmt: skip


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock = FakeClock(NOON + 70_000)
    store = SqliteStore(tmp_path / "acd.db", clock)
    await store.open()
    mail = await MailServer().start()
    yield Rig(store, clock, mail)
    await mail.stop()
    await store.close()


async def test_a_message_leaves_once_and_the_card_written_again_changes_nothing(rig: Rig) -> None:
    await rig.write()
    await rig.turn()
    await rig.store.write_card(
        replace(card("c1", note="Please call back, c1", subject="Help"), acw_ms=20_000)
    )
    await rig.turn(60_000)
    assert rig.mail.recipients == ["office@law.example"]
    assert "Please call back, c1" in rig.mail.mails[0].get_content()
    assert await rig.states() == ["sent"]
    assert (await rig.clocks())[Operation.MESSAGE_DELIVERED] is True


async def test_a_correction_is_a_new_version_and_the_old_one_does_not_leave_any_more(rig: Rig) -> None:
    await rig.write()
    await rig.write(note="Please call back tomorrow")
    await rig.turn()
    assert await rig.states() == ["settled", "sent"]
    assert [m.get_content().count("tomorrow") for m in rig.mail.mails] == [1]


async def test_a_mail_server_down_for_ten_minutes_loses_nothing_and_doubles_nothing(rig: Rig) -> None:
    """SMTP down for 10 minutes, also over our restart."""
    await rig.mail.stop()
    for n in range(5):
        await rig.write(f"c{n}")
    for _ in range(20):
        await rig.turn(30_000)
    assert not rig.mail.mails
    assert "email" in rig.worker.last_error
    assert rig.worker.last_error["email"]
    rig.worker = DeliveryWorker(lambda: rig, rig.store, rig.clock, rig.couriers, rig.links)  # type: ignore[arg-type, return-value]
    await rig.mail.start()
    for _ in range(5):
        await rig.turn(300_000)
    assert sorted(m.get_content().count("Please call back") for m in rig.mail.mails) == [1] * 5
    assert len(set(rig.mail.ids)) == 5
    assert rig.worker.last_error["email"] == ""


async def test_a_refusal_for_now_is_tried_again_and_one_for_good_raises_the_alarm(rig: Rig) -> None:
    rig.mail.moods = ["451 later", "rcpt 450 busy"]
    await rig.write()
    for _ in range(3):
        await rig.turn(20_000)
    assert await rig.states() == ["sent"]
    rig.mail.moods = ["rcpt 550 no such user"]
    await rig.write("c2")
    await rig.turn()
    assert await rig.states("c2") == ["undelivered"]
    await rig.turn(3_600_000)
    assert rig.worker.undelivered == 1
    assert len(rig.mail.mails) == 1


async def test_a_reply_dropped_after_data_sends_the_same_mail_with_its_old_id(rig: Rig) -> None:
    """Taken but the reply lost: the receiver sees the same Message-ID, so it is one message."""
    rig.mail.moods = ["drop"]
    await rig.write()
    await rig.turn()
    await rig.turn(20_000)
    assert await rig.states() == ["sent"]
    assert len(rig.mail.ids) == 2
    assert len(set(rig.mail.ids)) == 1


async def test_nobody_acknowledges_so_the_next_person_is_asked_until_the_alarm(rig: Rig) -> None:
    rig.use(DUTY)
    await rig.write()
    await rig.turn()
    assert rig.mail.recipients == ["ann@law.example"]
    assert "https://desk.example/m/1." in rig.mail.mails[0].get_content()
    await rig.turn(61_000)
    await rig.turn()
    assert rig.mail.recipients == ["ann@law.example", "bob@law.example"]
    await rig.turn(61_000)
    assert await rig.states() == ["escalated", "undelivered"]
    assert rig.worker.counters["alarms"] == 1
    done = await acknowledge(rig.store, 1, "", rig.clock.now())
    assert done is not None
    assert done.acknowledged_by == "ann"
    assert await rig.states() == ["acknowledged", "settled"], "a late acknowledgement still counts"
    await rig.turn()
    assert rig.worker.undelivered == 0


async def test_an_alarm_that_was_taken_back_with_its_transaction_was_never_raised(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses in the middle of the turn that would have asked the next person."""
    rig.use(DUTY)
    await rig.write()
    await rig.turn()

    async def refuses(*_: object) -> None:
        raise PortError("the disk is full", retryable=True)

    with monkeypatch.context() as patched:
        patched.setattr("acd.adapters.store.desk_store.due_digests", refuses)
        with pytest.raises(PortError):
            await rig.turn(61_000)
    assert rig.worker.counters["escalated"] == 0
    assert await rig.states() == ["unread"]
    await rig.turn()
    assert rig.worker.counters["escalated"] == 1
    assert (await rig.states())[0] == "escalated"


HOUR_MS = 3_600_000


async def test_a_clock_put_right_keeps_no_message_for_the_wrong_hour(rig: Rig) -> None:
    """As the outbox (tests/adapters/store/test_outbox): the daemon that wrote it was an hour ahead, this one is not."""
    rig.clock.time += HOUR_MS
    await rig.write()
    await rig.turn(-HOUR_MS)
    assert rig.mail.recipients == ["office@law.example"]


async def test_a_clock_put_right_gives_whoever_was_asked_his_time_and_no_hour_more(rig: Rig) -> None:
    rig.use(DUTY)
    rig.clock.time += HOUR_MS
    await rig.write()
    await rig.turn()
    await rig.turn(-HOUR_MS)
    await rig.turn(59_000)
    assert rig.mail.recipients == ["ann@law.example"]
    await rig.turn(2_000)
    await rig.turn()
    assert rig.mail.recipients == ["ann@law.example", "bob@law.example"]


async def test_whoever_acknowledges_ends_the_asking(rig: Rig) -> None:
    rig.use(replace(DUTY, deliver=(*DUTY.deliver, Rule("office@law.example"))))
    await rig.write()
    await rig.turn()
    await acknowledge(rig.store, 1, "", rig.clock.now())
    await rig.turn(600_000)
    assert sorted(rig.mail.recipients) == ["ann@law.example", "office@law.example"]
    assert await rig.states() == ["acknowledged", "sent"]
    assert (await rig.clocks())[Operation.MESSAGE_ACKNOWLEDGED] is True
    assert (await acknowledge(rig.store, 1, "x", 5)).acknowledged_by == "ann"  # type: ignore[union-attr]
    assert await acknowledge(rig.store, 99, "x", 5) is None


async def test_a_person_who_cannot_be_reached_is_passed_over(rig: Rig) -> None:
    rig.use(DUTY)
    rig.mail.moods = ["rcpt 550 gone"]
    await rig.write()
    await rig.turn()
    await rig.turn()
    assert rig.mail.recipients == ["bob@law.example"]
    assert await rig.states() == ["escalated", "unread"]


async def test_a_digest_is_one_mail_and_keeps_its_members_over_a_failure(rig: Rig) -> None:
    rig.use(replace(FIRM, deliver=(Rule("office@law.example", digest=(1020,)),)))
    for n in range(3):
        await rig.write(f"c{n}")
    await rig.turn()
    assert not rig.mail.mails
    rig.mail.moods = ["drop"]
    await rig.turn(at("2026-11-25T17:00") - rig.clock.time)
    await rig.write("c9")
    await rig.turn(20_000)
    (first, second) = rig.mail.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_content() == second.get_content()
    assert [f"c{n}" in first.get_content() for n in (0, 1, 2, 9)] == [True, True, True, False]
    assert await rig.states("c9") == ["waiting"]


async def test_an_sms_gateway_that_answers_500_or_takes_and_drops_gets_the_same_key_again(rig: Rig) -> None:
    seen: list[httpx.Request] = []
    moods = ["500", "drop", "ok"]

    def gateway(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        mood = moods.pop(0)
        if mood == "drop":
            raise httpx.ReadError("connection lost")
        return httpx.Response(500 if mood == "500" else 200)

    rig.couriers["sms"] = HttpCourier(
        sms_body, url="https://sms.example/send", transport=httpx.MockTransport(gateway)
    )
    rig.use(replace(FIRM, deliver=(Rule("+79160000002", by="sms"),)))
    await rig.write(note="я" * 5_000)
    for _ in range(4):
        await rig.turn(30_000)
    assert await rig.states() == ["sent"]
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 1
    body = json.loads(seen[0].content)
    assert body["to"] == "+79160000002"
    assert len(body["text"]) == 600
    await rig.couriers["sms"].close()


async def test_a_webhook_that_says_never_is_an_alarm_and_tells_the_facts(rig: Rig) -> None:
    replies = [httpx.Response(410), httpx.Response(204)]
    seen: list[dict[str, Any]] = []

    def hook(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return replies.pop(0)

    rig.couriers["webhook"] = HttpCourier(webhook_body, transport=httpx.MockTransport(hook))
    rig.use(replace(FIRM, deliver=(Rule("https://firm.example/hook", by="webhook"),)))
    await rig.write()
    await rig.turn()
    assert await rig.states() == ["undelivered"]
    await rig.write("c2", urgency="urgent")
    await rig.turn()
    assert (seen[1]["urgency"], seen[1]["project"]) == ("urgent", "law")
    with pytest.raises(PortError, match="not an http address"):
        await rig.couriers["webhook"].send(Parcel("k", "javascript:alert(1)", "s", "t"))
    await rig.couriers["webhook"].close()


async def test_a_channel_nobody_configured_waits_and_says_so_while_others_go_on(rig: Rig) -> None:
    rig.use(replace(FIRM, deliver=(Rule("+79160000002", by="sms"), Rule("office@law.example"))))
    await rig.write()
    await rig.turn()
    assert await rig.states() == ["waiting", "sent"]
    assert rig.worker.last_error["sms"] == "no sms is configured"


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


async def test_a_hanging_courier_holds_up_neither_others_nor_the_end(rig: Rig) -> None:
    class Hanging:
        async def send(self, parcel: Parcel) -> None:
            await asyncio.Event().wait()

    rig.couriers["sms"] = Hanging()
    rig.use(replace(FIRM, deliver=(Rule("+79160000002", by="sms"), Rule("office@law.example"))))
    await rig.write()
    running = asyncio.create_task(rig.worker.run())
    async with asyncio.timeout(5):
        while "sent" not in await rig.states():
            await asyncio.sleep(0.02)
    running.cancel()
    async with asyncio.timeout(
        2 * STOP_S
    ):  # what was taken is noted, so it is not sent again after the start
        await asyncio.gather(running, return_exceptions=True)
    assert await rig.states() == ["waiting", "sent"]


@pytest.mark.parametrize("address", ["", "a b@c", "a@b, c@d", "x", "a@b\r\nBcc: c@d"])
def test_an_address_that_is_none_is_refused_for_good(address: str) -> None:
    with pytest.raises(PortError) as refused:
        compose(Parcel("k", address, "s", "t"), "desk@x.example", 0)
    assert not refused.value.retryable


def test_no_subject_can_add_a_header() -> None:
    mail = compose(Parcel("k", "a@b.example", "x\r\nBcc: evil@x.example", "text \ud800"), "desk@x.example", 0)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "x Bcc: evil@x.example"
    assert (
        mail["Message-ID"] == compose(Parcel("k", "c@d.example", "", ""), "desk@x.example", 9)["Message-ID"]
    )


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


async def test_whom_the_call_was_handed_to_gets_the_message_in_writing_once(rig: Rig) -> None:
    """A warm patch takes the case along (002-08), also when the message had left before the call was handed on."""
    await rig.write()
    await rig.write(handed_to="bob")
    await rig.write(handed_to="bob")
    await rig.write("c2", handed_to="nobody known")
    await rig.turn()
    assert sorted(rig.mail.recipients) == ["bob@law.example", "office@law.example", "office@law.example"]
    assert await rig.states() == ["sent", "sent"]


async def test_who_heard_his_answer_at_the_door_breaks_no_promise_of_an_answer(rig: Rig) -> None:
    """002-18: nobody was to answer him; who hung up waiting was to be answered."""
    served = replace(
        card("c1", self_answer="order ready"), answered_at=None, agent=None, end_reason=EndReason.SELF_SERVED
    )
    await rig.store.write_card(served)
    assert await rig.clocks() == {}
    await rig.store.write_card(replace(served, call="c2", end_reason=EndReason.ABANDONED))  # type: ignore[arg-type]
    assert list(await rig.clocks()) == [Operation.ANSWER]


@pytest.mark.parametrize(
    "step",
    [
        "a101 asks out_+79160000002",
        "transferred to out_+79160000002",
        "out_+79160000002: BUSY",
    ],
)
async def test_a_lost_note_costs_whom_the_call_was_handed_to_no_message(rig: Rig, step: str) -> None:
    """000-06: the page's note is lost (a full card, a store that refuses, our death); the switch's own steps are not.

    Asked only, handed on, or rung in vain: he gets it in writing, once; who has another number gets nothing.
    """
    bob = replace(FIRM.people["bob"], phone="+7 (916) 000-00-02")
    rig.use(replace(FIRM, people={"bob": bob, "ann": replace(FIRM.people["ann"], phone="+7 916 000-00-03")}))
    shown = card("c1", note="Please call back", subject="Help")
    rung = replace(shown, history=((NOON + 9_000, "talking", step),))
    await rig.store.write_card(rung)
    await rig.store.write_card(replace(rung, fields=(*rung.fields, ("handed_to", "bob"))))
    elsewhere = replace(
        card("c2", note="Later"), history=((NOON, "done", "transferred to out_+79990000000"),)
    )
    await rig.store.write_card(elsewhere)
    await rig.turn()
    assert sorted(rig.mail.recipients) == ["bob@law.example", "office@law.example", "office@law.example"]
