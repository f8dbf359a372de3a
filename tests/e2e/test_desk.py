"""A real call through the stand-in whose card holds a message ends in a mail on a real SMTP server.

000-09 greeting at answer, 000-10 written message, 000-11 delivery until somebody has it, 003-08 case, 003-09 state.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.adapters.mail_help import MailServer
from tests.e2e.rigs import Behaviour, Rig, StandInSwitch

pytestmark = pytest.mark.e2e

PROJECT = """
extends: answering-on-call
name: ООО «Ромашка»
numbers: ['7001']
greeting: Ромашка, здравствуйте!
needs: [{skill: general}]
opening: always
wrap_up_s: 1
people:
  ann: {name: Ann, email: ann@romashka.example}
  bob: {name: Bob, email: bob@romashka.example}
on_call:
  duty: {people: [ann, bob], starts: 2026-01-01, every_days: 365}
deliver:
  - {to: 'on_call:duty', by: email, acknowledge_s: 3, rounds: 1}
"""


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    server = await MailServer().start()
    yield server
    await server.stop()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(StandInSwitch(), tmp_path)
    rig.project(PROJECT)
    async with rig:
        yield rig


async def test_a_call_becomes_a_message_that_somebody_has(rig: Rig, mail: MailServer) -> None:
    desk = {"smtp": {"port": mail.port, "sender": "desk@centre.example"}}
    await rig.open({"a101": Behaviour(rings_s=0.2, talks_s=1.0)}, projects="projects", desk=desk)
    assert rig.api is not None
    rig.call("+79160000001", "7001")
    await rig.noted("ACDANSWER")
    call = next(iter(rig.journal()))
    pop = await rig.api.get("/agents/a101/pop")
    assert pop["dossier"]["greeting"] == "Ромашка, здравствуйте!"
    assert pop["dossier"]["instructions"]
    assert pop["dossier"]["form"]["fields"][0]["name"] == "caller_name"
    fields = {
        "caller_name": "Ольга", "callback_number": "+79160000001", "subject": "Ремонт\r\nBcc: evil@x.example",
        "note": "Экран разбит.\nКарточка: 666", "urgency": "urgent", "disposition": "ticket",
        "caller_email": "olga@client.example",
    }  # fmt: skip
    kept = await put_message(rig, call, fields)
    card = await rig.card()
    mails = await rig.until(lambda: len(mail.mails) >= 2 and list(mail.mails))
    to_ann = next(m for m in mails if m["To"] == "ann@romashka.example")
    text = to_ann.get_content().replace("\r\n", "\n")
    assert text.startswith(kept.rstrip()), "what was previewed is what is sent"
    assert card["number"] in text
    assert "  Карточка: 666" in text, "a caller's words cannot look like a field of ours"
    assert to_ann["Subject"] == "ООО «Ромашка»: Ремонт Bcc: evil@x.example"
    assert to_ann["Bcc"] is None
    to_client = next(m for m in mails if m["To"] == "olga@client.example")
    page = (await get(link(to_client.get_content(), "case"))).text
    assert "Ремонт" in page
    assert "принято" in page
    await rig.until(lambda: "bob@romashka.example" in mail.recipients, 15)
    ack = link(text, "m")
    assert "Подтвердить получение" in (await get(ack)).text, "looking is no acknowledgement"
    async with httpx.AsyncClient() as client:
        assert (await client.get(ack[:-1] + ("0" if ack[-1] != "0" else "1"))).status_code == 404
        confirmed = await client.post(ack)
    assert "Получение подтверждено: ann" in confirmed.text
    assert len(set(mail.ids)) == len(mail.ids) == 3


async def test_one_click_makes_a_call_back_of_ours_that_a_person_must_approve(rig: Rig) -> None:
    """One click to a callback: the outcome alone makes the task, to the number the agent wrote down, held until a yes."""
    await rig.open({"a101": Behaviour(rings_s=0.2, talks_s=0.5)}, projects="projects")
    rig.call("+79160000001", "7001")
    await rig.noted("ACDANSWER")
    fields = {
        "caller_name": "Ольга", "callback_number": "8 916 000-00-02", "subject": "Ремонт", "note": "Когда готово?",
        "urgency": "normal", "disposition": "we_call_back",
    }  # fmt: skip
    await put_message(rig, next(iter(rig.journal())), fields)
    await rig.card()

    async def owed() -> list[tuple[str, str]]:
        assert rig.api is not None
        found = (await rig.api.get("/callbacks"))["callbacks"]
        return [(task["number"], task["state"]) for task in found]

    await rig.until(owed)
    assert await owed() == [("+79160000002", "held")]


def link(text: str, kind: str) -> str:
    found = re.search(rf"http://\S+/{kind}/\S+", text)
    assert found is not None, text
    return found[0]


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    assert answer.status_code == 200
    return answer


async def put_message(rig: Rig, call: str, fields: dict[str, str]) -> str:
    """Save the message as the agent's page does; return the text it previewed."""
    token = (rig.spec.state_dir / "secrets" / "http-token").read_text(encoding="ascii")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{rig.spec.http_port}/api/v1") as client:
        answer = await client.put(
            f"/calls/{call}/message", json={"fields": fields}, headers={"Authorization": f"Bearer {token}"}
        )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["text"])


async def test_the_case_of_a_call_is_given_as_written_work_and_survives_a_restart(rig: Rig) -> None:
    """001-07, 001-08: asked for over HTTP, seen in the snapshot, told again by a new daemon, given back at logout."""
    await rig.open(
        {"a101": Behaviour(rings_s=0.2, talks_s=0.5)},
        projects="projects",
        routing={"weights": {"blend": 1e6}},
    )
    assert rig.api is not None
    assert rig.daemon is not None
    rig.call("+79160000001", "7001")
    await rig.noted("ACDANSWER")
    fields = {
        "caller_name": "Ольга", "callback_number": "+79160000001", "subject": "Ремонт", "note": "Экран разбит.",
        "urgency": "urgent", "disposition": "ticket",
    }  # fmt: skip
    await put_message(rig, next(iter(rig.journal())), fields)
    card = await rig.card()

    async def given() -> str:
        work = (await next_work(rig))["work"]
        return str(work["number"]) if work else ""

    assert await rig.until(given) == card["number"]
    assert (await rig.agent("a101"))["written"] == 1
    assert (await next_work(rig))["why"] == "full: 1 of 1 in hand"
    await rig.daemon.stop()
    rig.daemon.start()
    await rig.daemon.ready()

    async def in_hand() -> bool:
        return bool((await rig.agent("a101"))["written"] == 1)

    await rig.until(in_hand)
    await rig.api.post("/agents/a101/logout")

    async def given_back() -> bool:
        return not await in_hand()

    await rig.until(given_back)


async def next_work(rig: Rig) -> Any:
    url = f"http://127.0.0.1:{rig.spec.http_port}/api/v1/desk/next-work"
    async with httpx.AsyncClient(auth=("a101", rig.spec.agents_token)) as client:
        return (await client.post(url)).raise_for_status().json()
