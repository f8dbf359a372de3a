"""What links in messages open, for people without a login: acknowledge a message, see a case's state.

The token is the right: it opens exactly one thing. Nothing else of the subscriber or the client is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.adapters.store import case_store, desk_store
from acd.core.instant import HOUR_MS
from acd.desk.case import CaseError, Event
from acd.desk.hours import local
from acd.deskside.delivery import acknowledge

if TYPE_CHECKING:
    from acd.adapters.store.sqlite import SqliteStore
    from acd.config.projects import Projects
    from acd.desk.case import Case
    from acd.deskside.cases import CaseDesk
    from acd.deskside.links import Links
    from acd.ports import Clock

DAY_MS = 24 * HOUR_MS
WORDS = {
    "ru": {
        "title": "Сообщение № {number}", "ask": "Подтвердить получение", "done": "Получение подтверждено: {who}",
        "case": "Обращение № {number}", "state": "Состояние", "open": "принято", "in_work": "в работе",
        "waiting": "ждёт вашего ответа", "resolved": "решено", "closed": "закрыто", "opened": "принято",
        "taken": "взято в работу", "released": "возвращено в очередь", "asked_client": "вопрос к вам", "client_answered": "получен ваш ответ",
        "reopened": "открыто снова", "noted": "запись",
    },
    "en": {
        "title": "Message {number}", "ask": "Acknowledge", "done": "Acknowledged: {who}",
        "case": "Request {number}", "state": "State", "open": "received", "in_work": "in work",
        "waiting": "waits for your answer", "resolved": "resolved", "closed": "closed", "opened": "received",
        "taken": "taken up", "released": "back in the line", "asked_client": "a question to you", "client_answered": "your answer came",
        "reopened": "opened again", "noted": "note",
    },
}  # fmt: skip


def case_data(case: Case) -> dict[str, object]:
    """Return a case as plain data for agents, supervisors and exports."""
    return {
        "number": case.number, "project": case.project, "state": case.state.value, "subject": case.subject,
        "owner": case.owner, "client": case.client, "client_name": case.client_name,
        "client_email": case.client_email, "ticket": case.ticket, "opened_at": case.opened_at,
        "deadline": case.deadline, "resolved_at": case.resolved_at, "calls": list(case.calls),
        "history": [
            {"at": e.at, "who": e.who, "event": e.event, "text": e.text, "public": e.public} for e in case.history
        ],
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """A page as plain text parts; the HTTP edge makes escaped HTML of it."""

    title: str
    lines: tuple[str, ...]
    button: str = ""
    language: str = "en"


class DeskPublic:
    """Answers for the HTTP edge. All raise PortError when the database refuses."""

    def __init__(
        self,
        store: SqliteStore,
        clock: Clock,
        links: Links,
        projects: Callable[[], Projects],
        cases: CaseDesk | None = None,
    ) -> None:
        self._store, self._clock, self._links, self._projects = store, clock, links, projects
        self._cases = cases

    async def case_of(self, number: str) -> dict[str, object] | None:
        """Return the case a number leads to: its own, or that of any card that hangs on it (003-05)."""
        found = await self._store.read(lambda db: case_store.case(db, number))
        return case_data(found) if found else None

    async def change_case(
        self, number: str, event: str, who: str, text: str, *, public: bool
    ) -> dict[str, object] | str | None:
        """Let something happen to a case; a text says why it cannot, None: there is none."""
        if self._cases is None:
            return None
        try:
            found = await self._cases.change(number, Event(event), who, text=text, public=public)
        except CaseError as error:
            return str(error)
        return case_data(found) if found else None

    def _language(self, project: str) -> str:
        owner = self._projects().good.get(project)
        return owner.language if owner and owner.language in WORDS else "en"

    async def message(self, token: str, *, confirm: bool) -> Page | None:
        """Show the acknowledgement page; with `confirm` somebody has the message now. None: not our token."""
        thing = self._links.read("m", token)
        if thing is None or not thing.isdigit():
            return None
        number = int(thing)
        if confirm:
            await acknowledge(self._store, number, "", self._clock.now())
        one = await self._store.writer.do(lambda db: desk_store.get(db, number))
        if one is None:
            return None
        message = await self._store.writer.do(lambda db: desk_store.message(db, one.message, one.version))
        if message is None:
            return None
        language = self._language(one.project)
        words = WORDS[language]
        done = one.acknowledged_at is not None
        who = one.acknowledged_by
        lines = (message.subject, words["done"].format(who=who)) if done else (message.subject,)
        title = words["title"].format(number=message.number)
        return Page(title, lines, "" if done else words["ask"], language)

    async def case(self, token: str) -> Page | None:
        """Show a client the state of his case, and of its history what is public. None: not our token."""
        number = self._links.read("case", token)
        if number is None:
            return None
        case = await self._store.writer.do(lambda db: case_store.case(db, number))
        if case is None or case.number != number:
            return None
        owner = self._projects().good.get(case.project)
        language = self._language(case.project)
        words = WORDS[language]
        lines = [case.subject, f"{words['state']}: {words[case.state.value]}"]
        for entry in case.history:
            if entry.public:
                when = f"{local(entry.at, owner.hours.zone):%d.%m.%Y %H:%M} " if owner else ""
                lines.append(f"{when}{words.get(entry.event, entry.event)}")
        return Page(words["case"].format(number=case.number), tuple(lines), "", language)


def firm_thing(project: str, now: int, days: int) -> str:
    """Return what a subscriber's link stands for: the project, and the last day on which it opens."""
    return f"{project}~{now // DAY_MS + days}"
