"""The press: a subscriber's template runs in its own process, and its message goes out whatever becomes of it.

000-10 (the agreed form), 000-06 (no loss); bad input of the issue: hostile templates. The limits themselves are tested
in tests/workroom.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from acd.adapters.store import case_store, desk_store
from acd.desk.project import CasePolicy
from acd.deskside.press import REST_MS, OwedMessages, Press
from acd.workroom.client import JobRefusedError, JobStoppedError
from tests.deskside.delivery_rig import FIRM, Rig, card, rig  # noqa: F401 - the fixture

FORMED = replace(FIRM, form=replace(FIRM.form, subject="For {{ subscriber }}", text="Said: {{ note|upper }}"))


@dataclass
class Hands:
    """A renderer that does what it is told."""

    error: Exception | None = None
    done: list[str] = field(default_factory=list)
    meanwhile: Any = None

    async def __call__(self, source: str, values: dict[str, object]) -> str:
        self.done.append(source)
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.error is not None:
            raise self.error
        return f"printed {source}: {values['note']}"


def owed(rig: Rig, press: Press) -> OwedMessages:
    return OwedMessages(rig.store, rig.clock, press, rig.cards)


async def messages(rig: Rig) -> list[desk_store.Message]:
    return await rig.store.writer.do(lambda db: desk_store.messages(db, "law", 0))


@pytest.fixture
async def press(rig: Rig) -> AsyncIterator[Press]:
    made = Press(rig.clock)
    yield made
    await made.bench.close()


async def test_a_template_is_printed_in_the_workroom_and_delivered(rig: Rig, press: Press) -> None:
    rig.use(FORMED)
    await rig.write()
    assert await messages(rig) == []  # no transaction waits for a foreign template
    assert rig.cards.owes
    assert await owed(rig, press).turn() == 1
    assert await owed(rig, press).turn() == 0
    (made,) = await messages(rig)
    assert (made.subject, made.body) == ("For " + FIRM.name, "Said: PLEASE CALL BACK, C1")
    await rig.turn()
    assert len(rig.mail.mails) == 1


async def test_text_and_head_that_the_agent_saw_are_sent_as_they_stand(rig: Rig) -> None:
    """Preview is what is sent: nothing is rendered again, though the template has changed meanwhile."""
    rig.use(FORMED)
    await rig.write(message="as previewed", message_subject="Head as previewed")
    (made,) = await messages(rig)
    assert (made.subject, made.body) == ("Head as previewed", "as previewed")
    assert await rig.store.read(desk_store.owed) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (JobStoppedError("it took more than 5 s"), "the template was stopped: it took more than 5 s"),
        (JobRefusedError("'x' is undefined"), "the template is refused: 'x' is undefined"),
    ],
)
async def test_what_cannot_be_printed_goes_out_in_the_plain_form_and_the_case_says_why(
    rig: Rig,
    error: Exception,
    words: str,
) -> None:
    rig.use(replace(FORMED, cases=CasePolicy(dispositions=("ticket",))))
    press = Press(rig.clock, Hands(error))
    await rig.write(disposition="ticket")
    await owed(rig, press).turn()
    await rig.turn()
    (mail,) = rig.mail.mails
    assert "Please call back, c1" in mail.get_content()
    (case,) = await rig.store.writer.do(lambda db: case_store.cases(db, "law"))
    told = await rig.store.writer.do(lambda db: case_store.case(db, case.number))
    assert told is not None
    assert [entry.text for entry in told.history if entry.event == "plain_form"] == [words]
    (one,) = await rig.store.writer.do(lambda db: desk_store.of_call(db, "c1"))
    log = await rig.store.writer.do(lambda db: desk_store.log_of(db, one.id))
    assert any(f"in the plain form: {words}" in detail for _, _, detail in log)
    assert press.troubles(rig) == {"law": words}  # type: ignore[arg-type]
    rig.use(FIRM)
    assert press.troubles(rig) == {}  # type: ignore[arg-type]  # the template is no longer in force


async def test_a_template_that_was_stopped_rests_and_one_that_is_refused_costs_nothing(rig: Rig) -> None:
    hands = Hands(JobStoppedError("it took more than 5 s"))
    press = Press(rig.clock, hands)
    rig.use(FORMED)
    for call in ("c1", "c2"):
        await rig.write(call)
        await owed(rig, press).turn()
    assert len(hands.done) == 2  # head and text, once each
    rig.clock.time += REST_MS
    hands.error = None
    await rig.write("c3")
    await owed(rig, press).turn()
    assert [m.body for m in await messages(rig) if m.call == "c3"] == [
        "printed Said: {{ note|upper }}: Please call back, c3"
    ]
    assert press.troubles(rig) == {}  # type: ignore[arg-type]


async def test_a_card_changed_while_it_was_printed_is_printed_anew_and_sent_once(rig: Rig) -> None:
    rig.use(FORMED)
    hands = Hands()

    async def change() -> None:
        hands.meanwhile = None
        await rig.write(note="the last word")

    hands.meanwhile = change
    press = Press(rig.clock, hands)
    await rig.write(note="the first word")
    await owed(rig, press).turn()
    assert await messages(rig) == []
    await owed(rig, press).turn()
    assert [m.body for m in await messages(rig)] == ["printed Said: {{ note|upper }}: the last word"]


async def test_a_death_between_card_and_message_loses_nothing(rig: Rig) -> None:
    """000-06: what is owed stands in the database; the next life prints it, once."""
    rig.use(FORMED)
    await rig.write()
    again = OwedMessages(rig.store, rig.clock, Press(rig.clock, Hands()), rig.cards)
    assert await again.turn() == 1
    assert len(await messages(rig)) == 1


async def test_the_press_hears_of_it_when_it_is_committed_and_not_before(rig: Rig) -> None:
    """Told inside the transaction it looked in vain, and the message waited for the next sweep, 30 s."""
    rig.use(FORMED)
    inside: list[bool] = []

    async def look(*_: Any) -> None:
        inside.append(rig.cards.owes)

    rig.store.watchers.append(look)
    await rig.write()
    assert (inside, rig.cards.owes) == ([False], True)
    assert await rig.store.read(desk_store.owed) == ["c1"]


@pytest.mark.slow
async def test_what_stays_owed_keeps_no_other_firms_message_back(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """000-06: more than one reading of the table may be stuck before the message that can be printed."""
    rig.use(FORMED)
    for n in range(101):
        await rig.store.writer.do(partial(desk_store.owe, call=f"stuck{n:03}", now=n))
    await rig.write()
    paid = desk_store.paid

    async def refuse(db: Any, call: str) -> None:
        if call.startswith("stuck"):
            raise sqlite3.IntegrityError("refused by the test")
        await paid(db, call)

    monkeypatch.setattr(desk_store, "paid", refuse)
    hands = Hands()
    worker = owed(rig, Press(rig.clock, hands))
    assert await worker.turn() == 102
    assert [m.call for m in await messages(rig)] == ["c1"]
    assert await worker.turn() == 0  # they rest
    rig.clock.time += REST_MS
    assert await worker.turn() == 101
    monkeypatch.undo()
    rig.clock.time += REST_MS
    assert await worker.turn() == 101
    assert await rig.store.read(desk_store.owed) == []


async def test_a_project_that_is_broken_for_the_moment_keeps_its_message_owed(rig: Rig) -> None:
    rig.use(FORMED)
    hands = Hands()

    async def broken() -> None:
        rig.use(None)

    hands.meanwhile = broken
    await rig.write()
    await owed(rig, Press(rig.clock, hands)).turn()
    assert await rig.store.read(desk_store.owed) == ["c1"]
    rig.use(FORMED)
    hands.meanwhile = None
    await owed(rig, Press(rig.clock, hands)).turn()
    assert len(await messages(rig)) == 1


async def test_a_hostile_template_is_stopped_while_the_loop_goes_on(rig: Rig, press: Press) -> None:
    """What the rules of syntax would let through by a mistake of theirs: refused or ended, never in our loop."""
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    task = asyncio.create_task(beat())
    for source in ("{{ 'a' * 10**9 }}", "{{ ().__class__ }}", "{% for a in note %}" * 2 + "x" * 9_000):
        sheet = SimpleNamespace(
            owed=True, subject_template="", body_template=source, values={"note": "n" * 4_000},
            written=lambda subject, body, plain: (body, plain),
        )  # fmt: skip
        begun = time.monotonic()
        body, why = await press.print(FORMED, sheet)  # type: ignore[arg-type, misc]
        assert (body, why[:24]) == ("", "the template is refused:")
        assert time.monotonic() - begun < 20
    task.cancel()
    assert beats > 0


async def test_press_and_preview_read_the_same_card(rig: Rig, tmp_path: Path) -> None:
    """The draft of the preview and the one of the stored card ask the same of the template."""
    from acd.deskside.messages import draft

    seen = card("c1", note="text", subject="s")
    kept = replace(seen, talk_ms=seen.talk_ms + 1, acw_ms=5)
    assert draft(FORMED, seen) == draft(FORMED, kept)
