"""What the page is told: dossier, form, message head, the pop of a talk that outlived a restart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from acd.config.projects import Projects
from acd.core.cards import FIELDS_LIMIT
from acd.core.ids import CallId
from acd.desk.project import Form, FormField
from acd.deskside.press import Press
from acd.deskside.side import DeskSide
from acd.deskside.templates import render
from acd.pops import PopBook
from acd.ports import PortError
from acd.workroom.client import JobRefusedError
from tests.adapters.edges_help import ANI, ANN, BOB, CALL, show, snapshot
from tests.adapters.http.http_help import FakeCards, Stored, card
from tests.fakes.ports import FakeClock

NOW = 1_700_000_000_000


@dataclass
class FakeStore:
    card: Any = None
    written: Any = None
    broken: bool = False
    drafts: list[Any] = field(default_factory=list)

    async def get(self, *, call: str = "") -> Any:
        return self.card

    async def write_card(self, card: Any) -> None:
        self.written = card

    async def keep_draft(self, call: str, fields: Any) -> bool:
        if self.broken:
            raise PortError("the disk is full", retryable=True)
        if len(fields) > FIELDS_LIMIT:
            return False
        self.drafts.append((call, fields))
        return True


def config(language: str = "ru") -> Any:
    queue = SimpleNamespace(display_name="ООО «Ромашка»", language=None)
    return SimpleNamespace(
        projects=Projects(),
        tree=SimpleNamespace(
            queues={"sales": queue},
            agents={"ann": SimpleNamespace(name="Анна")},
            centre=SimpleNamespace(language=language),
            pops=SimpleNamespace(show_ani=True),
        ),
        zone=ZoneInfo("Europe/Moscow"),
    )


def live(call: str) -> Any:
    return next((c for c in snapshot().calls if c.call == call), None)


def side(language: str = "ru", store: Any = None) -> tuple[DeskSide, PopBook]:
    book = PopBook()
    made = DeskSide(lambda: config(language), snapshot, live, book, store or FakeStore(), FakeCards())
    return made, book


def test_the_greeting_is_said_in_the_subscribers_name_by_the_agents():
    """000-09."""
    assert side()[0].dossier(show())["greeting"] == "ООО «Ромашка», здравствуйте, Анна слушает"
    assert side("en")[0].dossier(show())["greeting"] == "ООО «Ромашка», good day, Анна speaking"
    assert side()[0].dossier(show(BOB))["greeting"] == "ООО «Ромашка», здравствуйте"


def test_when_we_call_back_the_agent_is_told_to_say_so():
    """003-24: the agent hears it ring and knows whom and why."""

    def outbound(call: str) -> Any:
        found = live(call)
        return None if found is None else replace(found, outbound=True)

    made = DeskSide(config, snapshot, outbound, PopBook(), FakeStore(), FakeCards())
    told = made.dossier(show())
    assert (told["direction"], told["greeting"]) == (
        "outbound",
        "ООО «Ромашка», здравствуйте, это Анна: вы нам звонили",
    )
    assert "direction" not in side()[0].dossier(show())


def test_the_dossier_brings_the_form_in_the_subscribers_language():
    form = side("en")[0].dossier(show())["form"]
    assert isinstance(form, dict)
    assert (form["language"], form["fields"][0]["name"]) == ("en", "caller_name")


def test_a_talk_that_outlived_our_restart_gets_its_pop_back():
    desk, book = side()
    shown = desk.restore(ANN)
    assert shown is not None
    assert (shown.call, shown.phase, shown.wish.ani) == (CALL, "talking", ANI)
    assert book.current(ANN) == shown
    assert book.may_write_card(ANN, CALL, NOW)
    assert desk.restore(BOB) is None


VALUES = {"subject": "Счёт", "disposition": "settled"}


async def test_the_message_is_the_same_from_pop_live_call_and_stored_card():
    desk, book = side()
    live = await desk.message(ANN, CALL, VALUES)
    book.show(show(), desk.dossier(show()), NOW)
    shown = await desk.message(ANN, CALL, VALUES)
    entered = snapshot().calls[0].entered_at
    other = DeskSide(
        config,
        lambda: snapshot(agents=("bob",)),
        lambda _call: None,
        PopBook(),
        FakeStore(),
        FakeCards([Stored(card(call=CallId("old"), entered_at=entered))]),
    )
    stored = await other.message(ANN, CallId("old"), VALUES)
    assert live == shown == stored
    assert live[0].text.startswith("Сообщение для ООО «Ромашка»\nКарточка 1042-7 · 15.11.2023 01:13\n")


async def test_a_call_nobody_knows_has_the_default_form_and_no_head():
    message, form = await side()[0].message(None, CallId("unknown"), VALUES)
    assert (form, message.text.split("\n")[0]) == ("default", "Сообщение")


def owner(**form: Any) -> Any:
    fields = (FormField("note", "Что передать", "lines", required=True), FormField("mail", "Почта", "email"))
    hours = SimpleNamespace(zone=ZoneInfo("Europe/Moscow"))
    return SimpleNamespace(
        id="romashka", name="Ромашка", language="ru", hours=hours, form=Form(fields, **form)
    )


async def in_process(source: str, values: dict[str, object]) -> str:
    return render(source, values)


async def test_a_template_that_does_not_work_is_seen_in_the_preview_as_what_will_be_sent():
    """Preview is what is sent: also the plain form, and why."""
    desk = DeskSide(
        config,
        snapshot,
        lambda call: next((c for c in snapshot().calls if c.call == call), None),
        PopBook(),
        FakeStore(),
        FakeCards(),
        lambda _queue: owner(text="{{ nobody_knows }}"),
        press=Press(FakeClock(NOW), refusing).print,
    )
    message, _ = await desk.message(ANN, CALL, {"note": "Звонили", "disposition": "message"})
    assert message.ready
    assert "Что передать: Звонили" in message.text
    assert message.plain == "the template is refused: 'nobody_knows' is undefined"


async def refusing(_source: str, _values: dict[str, object]) -> str:
    raise JobRefusedError("'nobody_knows' is undefined")


async def test_a_projects_form_and_template_write_the_message():
    """000-10, 000-17: the agreed form of this subscriber, in the preview as in what is kept."""
    desk = DeskSide(
        config,
        snapshot,
        lambda call: next((c for c in snapshot().calls if c.call == call), None),
        PopBook(),
        FakeStore(),
        FakeCards(),
        lambda _queue: owner(text="Для вас: {{ note }}", subject="№ {{ card }}"),
        press=Press(FakeClock(NOW), in_process).print,
    )
    assert [field.kind for field in desk.form("sales").fields] == ["lines", "email"]
    message, form = await desk.message(ANN, CALL, {"note": "Звонили", "disposition": "message"})
    assert (message.ready, message.text.strip(), message.subject, form) == (
        True,
        "Для вас: Звонили",
        "№ 1042-7",
        "romashka",
    )
    wrong, _ = await desk.message(ANN, CALL, {"mail": "x", "disposition": "message"})
    assert [(p.field, p.code) for p in wrong.problems] == [("note", "required"), ("mail", "not_an_email")]


async def test_accepted_fields_are_durable_before_the_card_or_it_is_said_that_they_are_not():
    store = FakeStore()
    desk, _ = side(store=store)
    assert await desk.keep_draft(CALL, (("note", "x"),))
    assert store.drafts == [(CALL, (("note", "x"),))]
    store.broken = True
    assert not await desk.keep_draft(CALL, (("note", "y"),))


async def test_a_card_that_would_have_too_many_fields_is_refused_whole():
    """What is answered as kept is on the card; nothing is dropped in silence (000-06)."""
    many = tuple((f"f{n}", "x") for n in range(FIELDS_LIMIT + 1))
    store = FakeStore(card=Stored(card(fields=many[:-1])))
    desk, _ = side(store=store)
    with pytest.raises(ValueError, match="at most 100 fields"):
        await desk.keep_draft(CALL, many)
    with pytest.raises(ValueError, match="at most 100 fields"):
        await desk.amend(CALL, (("one_more", "x"),))
    assert (store.drafts, store.written) == ([], None)
    assert await desk.amend(CALL, (("f0", "changed"),))


async def test_late_fields_reach_the_stored_card():
    store = FakeStore(card=Stored(card()))
    desk, _ = side(store=store)
    assert await desk.amend(CALL, (("note", "late"),))
    assert store.written.fields == (("note", "late"),)
    store.card = None
    assert not await desk.amend(CALL, ())
