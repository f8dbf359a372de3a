"""Must show of the desk: mail server down, gateway answering 500 or taking and dropping the reply: nothing lost or doubled.

The real daemon, real SMTP and HTTP servers, real calls through the stand-in. Ten minutes of outage are ten seconds
here, and the pauses between tries are shortened by the same factor of sixty (`desk.retry_first_s`, `desk.retry_longest_s`); the ten
real minutes run in virtual time in tests/deskside/test_delivery.py. 000-06, 000-11, 002-17.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.centre import day_story
from tests.adapters.gateway_help import Gateway
from tests.adapters.mail_help import MailServer
from tests.e2e.rigs import Behaviour, Rig, StandInSwitch
from tests.e2e.test_desk import put_message

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CALLERS = tuple(f"+7916000000{n}" for n in range(1, 6))
OUTAGE_S = 10.0
FACTOR = 60
PACE = {"retry_first_s": 2 / FACTOR, "retry_longest_s": 600 / FACTOR}
TO = {"email": "office@romashka.example", "sms": "+79160009999", "webhook": ""}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    made = await Gateway().start()
    yield made
    await made.stop()


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    server = MailServer()  # not started: it is down
    yield server
    await server.stop()


@pytest.fixture
async def rig(tmp_path: Path, gateway: Gateway) -> AsyncIterator[Rig]:
    rig = Rig(StandInSwitch(), tmp_path)
    rig.project(
        f"""
extends: answering-on-call
name: ООО «Ромашка»
numbers: ['7001']
needs: [{{skill: general}}]
opening: always
wrap_up_s: 1
deliver:
  - {{to: {TO["email"]}, by: email}}
  - {{to: '{TO["sms"]}', by: sms}}
  - {{to: 'http://127.0.0.1:{gateway.port}/hook', by: webhook}}
"""
    )
    async with rig:
        yield rig


async def take_messages(rig: Rig) -> None:
    """Every caller is served, and his message saved as the page does it."""
    for n, ani in enumerate(CALLERS):
        rig.call(ani)
        card = await rig.card(ani)
        fields = {
            "caller_name": f"Client {n}", "callback_number": ani, "subject": f"Matter {n}", "note": f"Text {n}",
            "urgency": "normal", "disposition": "message",
        }  # fmt: skip
        await put_message(rig, card["call"], fields)


def states(rig: Rig) -> Counter[tuple[str, str]]:
    rows = day_story.rows(rig.spec.state_dir / "acd.db", "SELECT channel, state FROM deliveries")
    return Counter((row["channel"], row["state"]) for row in rows)


async def test_ten_minutes_without_mail_server_and_with_a_lying_gateway_lose_and_double_nothing(
    rig: Rig, mail: MailServer, gateway: Gateway
) -> None:
    gateway.mood = "500"
    desk = {
        "smtp": {"port": mail.port, "sender": "desk@centre.example", "timeout_s": 5},
        "sms": {"url": f"http://127.0.0.1:{gateway.port}/sms", "timeout_s": 5},
        **PACE,
    }
    await rig.open({"a101": Behaviour(rings_s=0.1, talks_s=0.3)}, projects="projects", desk=desk)
    assert rig.daemon is not None
    began = asyncio.get_running_loop().time()
    await take_messages(rig)
    assert not mail.mails
    assert len(gateway.asked) > 2 * len(CALLERS), "it is tried again and again"
    rig.daemon.kill()  # kill -9 in the middle of it
    rig.daemon.start()
    await rig.daemon.ready()
    gateway.mood = "drop"
    await asyncio.sleep(max(2.0, OUTAGE_S - (asyncio.get_running_loop().time() - began)))
    assert states(rig) == {(channel, "waiting"): len(CALLERS) for channel in TO}
    mail.moods = ["451 later", "drop", "drop"]
    await mail.start()
    gateway.mood = ""
    await rig.until(
        lambda: states(rig) == {(channel, "sent"): len(CALLERS) for channel in TO},
        2.5 * PACE["retry_longest_s"],
    )
    await asyncio.sleep(1.0)
    told = sorted(f"Text {n}" for n in range(len(CALLERS)))
    # what a person sees: mails are one by Message-ID, messages of the gateway one by their key
    by_id = {str(m["Message-ID"]): m for m in mail.mails}
    assert sorted(text_of(m.get_content()) for m in by_id.values()) == told
    assert set(mail.recipients) == {TO["email"]}
    assert len(mail.mails) == len(CALLERS) + 2, (
        "each reply that was dropped cost one more mail with its old id"
    )
    for way in ("sms", "webhook"):
        got = {key: body["text"] for key, body in gateway.taken if f":{way}:" in key}
        assert sorted(text_of(text) for text in got.values()) == told
    assert max(Counter(gateway.answered).values()) == 1, "nothing is sent again once it was heard to be taken"
    assert len(gateway.answered) == 2 * len(CALLERS)


def text_of(message: str) -> str:
    """The one line that the caller dictated."""
    return next(
        word.strip()
        for line in message.splitlines()
        for word in [line.partition(": ")[2] or line]
        if "Text " in word
    )
