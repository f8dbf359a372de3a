"""Delivery until somebody has it, over a mail server that is down, refuses, or drops the reply (000-11, 002-17).

None lost, none doubled by key: every mail keeps its Message-ID, every post its Idempotency-Key.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from acd.adapters.sms import HttpCourier, sms_body, webhook_body
from acd.adapters.smtp import compose
from acd.desk.delivery import Rule
from acd.desk.operations import Operation
from acd.deskside.delivery import STOP_S, DeliveryWorker
from acd.ports import Parcel, PortError
from tests.desk.test_hours import at
from tests.deskside.delivery_rig import FIRM, Rig, card, rig  # noqa: F401 - the fixture


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


@pytest.mark.slow
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


@pytest.mark.slow
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
