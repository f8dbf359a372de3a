"""The real HTTP edge and page over a scripted centre: any dossier, any form, no switch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from acd.core.ids import AgentId, CallId
from acd.desk.forms import Form, default_form, from_data
from acd.desk.message import About, compose
from tests.adapters.edges_help import ANN, CALL, FakeClock, show, snapshot
from tests.adapters.http.http_help import World

PAGE = Path(__file__).parents[2] / "acd" / "desktop"
NOW = 1_795_330_000_000


@dataclass
class ScriptedDesk:
    """Answers with one form."""

    form: Form
    head: About

    def restore(self, agent: AgentId) -> None:
        return None

    async def message(self, agent: AgentId | None, call: CallId, values: Any) -> Any:
        return compose(self.form, values, self.head), self.form.id

    async def amend(self, call: CallId, fields: Any) -> bool:
        return False

    async def keep_draft(self, call: CallId, fields: Any) -> bool:
        return False

    async def send_now(self, agent: AgentId | None, call: CallId, fields: Any) -> bool:
        return False


@dataclass
class DeskWorld(World):
    """Ann in a call, on her screen this dossier and this form."""

    dossier: dict[str, Any] = field(default_factory=dict)
    form: Form = field(default_factory=lambda: default_form("ru"))
    head: About = field(default_factory=About)

    def __post_init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.view = snapshot(now=NOW)
        wish = replace(show(), ani=self.head.ani or "+79160000001", card_number=self.head.card_number)
        self.pops.show(wish, {**self.dossier, "form": self.form.to_data()}, NOW)
        self.pops._move(ANN, CALL, "talking", None)

    def services(self) -> Any:
        return replace(super().services(), desk=ScriptedDesk(self.form, self.head))


def full_centre(language: str) -> DeskWorld:
    """A law firm's call with everything a dossier may hold: what the pictures in the documents show."""
    ru = language == "ru"

    def say(russian: str, english: str) -> str:
        return russian if ru else english

    firm = say("Адвокаты «Право и дело»", "Hartley & Rowe, Solicitors")
    agent = say("Анна", "Anna")
    fields = [
        {"name": "caller_name", "label": say("Кто звонит", "Who is calling"), "required": True, "prefill": "name"},
        {"name": "callback_number", "label": say("Перезвонить по номеру", "Number to call back"), "kind": "phone",
         "required": True, "prefill": "ani"},
        {"name": "hearing", "label": say("Дата заседания", "Date of the hearing"), "kind": "date"},
        {"name": "subject", "label": say("По какому делу", "Which matter"), "required": True},
        {"name": "note", "label": say("Что передать", "What to pass on"), "kind": "lines", "required": True,
         "phrases": [say("Просит перезвонить до конца дня.", "Asks to be called back today."),
                     say("Прислал документы почтой.", "Has sent the papers by mail.")]},
    ]  # fmt: skip
    dossier = {
        "display_name": firm,
        "greeting": say(f"{firm}, здравствуйте, {agent} слушает", f"{firm}, good day, {agent} speaking"),
        "instructions": [
            say("Господин Орлов в суде до 15:00: срочное — дежурному, Марии Ким",
                "Mr Rowe is in court until 15:00: urgent matters to Maria Kim, on call"),
            say("Ничего не обещать о сроках", "Promise nothing about dates"),
        ],
        "name": say("Елена Воронова", "Helen Marsh"),
        "organisation": say("ООО «Север»", "Marsh Logistics Ltd"),
        "sensitive": {say("Номер договора", "Contract number"): "A-1182", say("Долг", "Balance due"): "14 200"},
        "open": [
            {"kind": say("дело", "case"), "title": say("Иск к перевозчику", "Claim against the carrier"),
             "state": say("ждёт заседания", "awaiting hearing"), "due": say("25 ноября", "25 November"),
             "link": "https://cases.example/1182"},
            {"kind": say("заявка", "ticket"), "title": say("Копия доверенности", "Copy of the power of attorney"),
             "state": say("в работе", "in progress")},
        ],
        "script": [{"stage": stage, "say": text} for stage, text in (
            ("greeting", say("Назвать фирму, представиться", "Name the firm and yourself")),
            ("talk", say("Спросить, по какому делу", "Ask which matter it is about")),
            ("closing", say("Повторить номер вслух", "Read the number back")))],
        "calls": [
            {"at_ms": NOW - 86_400_000, "subject": say("Перенос встречи", "Meeting moved"), "agent": agent},
            {"at_ms": NOW - 6 * 86_400_000, "subject": say("Счёт за консультацию", "Bill for advice"),
             "agent": say("Олег", "Owen")},
        ],
    }  # fmt: skip
    head = About(firm, "1042-7", say("22.11.2026 09:46", "22 Nov 2026 09:46"), agent, "+7 916 000-00-01")
    form = from_data(
        {"id": "law", "title": say("Сообщение", "Message"), "language": language, "fields": fields}
    )
    return DeskWorld(dossier=dossier, form=form, head=head)
