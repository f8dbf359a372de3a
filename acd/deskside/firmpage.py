"""A subscriber's own page (003-17): who is on call and swaps of it, cases, messages and who has them, its reports.

The token names project and last day (`romashka~20800`, days since 1970) and opens nothing else: every question to the
database names the project, and a case of another firm is answered like one that does not exist.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from acd.adapters.store import case_store, desk_store
from acd.adapters.store.reader import Reader
from acd.core.instant import HOUR_MS, SECOND_MS
from acd.desk.hours import instant, local
from acd.deskside import reports
from acd.ports import PortError

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.sqlite import SqliteStore
    from acd.config.projects import Projects
    from acd.core.instant import Instant
    from acd.desk.case import Case
    from acd.desk.oncall import Rotation
    from acd.desk.project import Project
    from acd.deskside.links import Links
    from acd.deskside.swaps import Swaps
    from acd.ports import Clock

log = structlog.get_logger("acd.desk")
T = TypeVar("T")

FIRM_DAYS: Final = 31
"""Messages and reports of so many days are shown."""
AHEAD_DAYS: Final = 28
MAX_ASKED: Final = 4
"""Pages asked for at once, of all firms; more are asked to come again."""
DAY_MS: Final = 24 * HOUR_MS
WORDS: Final = {
    "ru": {
        "oncall": "Кто на дежурстве", "now": "сейчас", "from": "с", "person": "Кто", "rotation": "Дежурство",
        "first": "Первый день", "last": "Последний день", "swap": "Заменить дежурного", "cancel": "Отменить замену",
        "cases": "Обращения", "number": "Номер", "subject": "Тема", "state": "Состояние", "opened": "Принято",
        "deadline": "Срок", "messages": "Сообщения", "when": "Когда", "who": "У кого", "reports": "Отчёт за {days} дней",
        "operation": "Операция", "within": "Обещано", "met": "В срок", "broken": "С опозданием", "share": "Доля",
        "aht": "Среднее время обработки", "calls": "принято звонков {n}, разговор {talk} с, после разговора {acw} с",
        "days": "Дни замены неверны: от сегодня, первый не позже последнего, не дальше 92 дней.",
        "unknown": "Такого дежурства или человека нет.", "many": "Слишком много замен: отмените старые.",
        "history": "История", "back": "Назад", "nothing": "нет",
    },
    "en": {
        "oncall": "Who is on call", "now": "now", "from": "from", "person": "Who", "rotation": "Rotation",
        "first": "First day", "last": "Last day", "swap": "Swap", "cancel": "Take the swap back",
        "cases": "Cases", "number": "Number", "subject": "Subject", "state": "State", "opened": "Received",
        "deadline": "Due", "messages": "Messages", "when": "When", "who": "Who has it", "reports": "Report of {days} days",
        "operation": "Operation", "within": "Promised", "met": "In time", "broken": "Late", "share": "Share",
        "aht": "Average handling time", "calls": "{n} calls answered, talk {talk} s, wrap-up {acw} s",
        "days": "These days are not possible: from today, the first not after the last, at most 92 days ahead.",
        "unknown": "There is no such rotation or person.", "many": "Too many swaps: take old ones back first.",
        "history": "History", "back": "Back", "nothing": "none",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, column names, rows of plain text. `links`: for a row, the case number its first cell leads to."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SwapForm:
    """What may be swapped. Pairs are (id, what is shown)."""

    rotations: tuple[tuple[str, str], ...]
    people: tuple[tuple[str, str], ...]
    swaps: tuple[tuple[int, str], ...]
    today: str


@dataclass(frozen=True, slots=True)
class FirmPage:
    """The page as plain parts; the HTTP edge makes escaped HTML of it."""

    title: str
    language: str
    words: dict[str, str]
    tables: tuple[Table, ...]
    swap: SwapForm | None = None
    problem: str = ""


class FirmPages:
    """Answers for the HTTP edge. All raise PortError when the database refuses; None: not for this token."""

    def __init__(
        self, store: SqliteStore, clock: Clock, links: Links, projects: Callable[[], Projects], swaps: Swaps
    ) -> None:
        self._clock, self._links = clock, links
        self._projects, self._swaps = projects, swaps
        self._reader, self._asked = Reader(store.path), 0

    async def _read(self, job: Callable[[aiosqlite.Connection], Coroutine[Any, Any, T]]) -> T:
        """Look something up without standing in the way of cards or callers. Raises PortError when too many ask.

        A busy firm's page takes a third of a second: through the writer eight of them held every card for two.
        """
        if self._asked >= MAX_ASKED:
            raise PortError("too many pages at once", retryable=True)
        self._asked += 1
        try:
            return await self._reader.do(job)
        finally:
            self._asked -= 1

    async def close(self) -> None:
        """Close the connection for reading."""
        await self._reader.close()

    def _owner(self, token: str) -> Project | None:
        thing = self._links.read("firm", token)
        name, _, day = (thing or "").partition("~")
        owner = self._projects().good.get(name)
        if owner is None or not day.isdigit() or self._clock.now() > (int(day) + 1) * DAY_MS:
            log.warning("firm_page_refused", token=token.partition(".")[0][:48])
            return None
        return owner

    async def page(self, token: str, problem: str = "") -> FirmPage | None:
        """Return everything the firm may see."""
        owner = self._owner(token)
        if owner is None:
            return None
        now = self._clock.now()
        since = now - FIRM_DAYS * DAY_MS

        async def job(db: aiosqlite.Connection) -> tuple[Table, ...]:
            cases = await case_store.cases(db, owner.id, only_open=False)
            return (
                self._oncall(owner, now),
                self._cases(owner, cases),
                await self._messages(db, owner, since),
                await self._reports(db, owner, since, now),
            )

        tables = await self._read(job)
        words = _words(owner)
        form = self._form(owner, now) if owner.rotations else None
        return FirmPage(owner.name, owner.language, words, tables, form, words.get(problem, ""))

    async def case(self, token: str, number: str) -> FirmPage | None:
        """Return one case of this firm with its whole history; another firm's is None, and logged."""
        owner = self._owner(token)
        if owner is None:
            return None
        held = await self._read(lambda db: case_store.case(db, number))
        if held is None or held.project != owner.id:
            log.warning("firm_case_refused", project=owner.id, exists=held is not None)
            return None
        words, zone = _words(owner), owner.hours.zone
        history = tuple((_shown(e.at, zone), e.who, e.event, e.text) for e in held.history)
        table = Table(
            f"{words['history']}: {held.subject}",
            (words["when"], words["person"], words["state"], words["subject"]),
            history,
        )
        return FirmPage(f"{owner.name}: {held.number}", owner.language, words, (table,))

    async def swap(self, token: str, wanted: dict[str, str]) -> FirmPage | None:
        """Keep or take back a swap, and return the page with what is now so."""
        owner = self._owner(token)
        if owner is None:
            return None
        who, problem = f"firm {owner.id}", ""
        if wanted.get("cancel"):
            number = wanted["cancel"]
            done = (
                number.isascii()
                and number.isdigit()
                and await self._swaps.remove(owner, int(number[:15]), who)
            )
            problem = "" if done else "unknown"
        else:
            keys = ("rotation", "person", "first", "last")
            rotation, person, first, last = (wanted.get(key, "")[:40] for key in keys)
            problem = await self._swaps.add(owner, rotation, person, first, last, who)
        return await self.page(token, problem)

    # --- parts -----------------------------------------------------------------------------------

    def _oncall(self, owner: Project, now: Instant) -> Table:
        words = _words(owner)
        rows: list[tuple[str, ...]] = []
        for name, rotation in owner.rotations.items():
            for at, who in _turns(owner, rotation, now):
                when = words["now"] if at <= now else f"{words['from']} {_shown(at, owner.hours.zone)}"
                rows.append((name, when, owner.people[who].name if who in owner.people else who))
        return Table(words["oncall"], (words["rotation"], words["when"], words["person"]), tuple(rows))

    def _form(self, owner: Project, now: Instant) -> SwapForm:
        zone = owner.hours.zone
        shown = [
            (
                s.id,
                f"{s.rotation}: {owner.people[s.person].name}, {_shown(s.starts_at, zone)} – {_shown(s.ends_at, zone)}",
            )
            for s in self._swaps.current
            if s.project == owner.id and s.person in owner.people
        ]
        people = tuple((p.id, p.name) for p in owner.people.values())
        rotations = tuple((name, name) for name in owner.rotations)
        return SwapForm(rotations, people, tuple(shown), f"{local(now, zone):%Y-%m-%d}")

    def _cases(self, owner: Project, cases: Sequence[Case]) -> Table:
        words, zone = _words(owner), owner.hours.zone
        rows = tuple(
            (
                c.number, c.subject, c.state.value, _shown(c.opened_at, zone),
                _shown(c.deadline, zone) if c.deadline and c.is_open else "",
            )
            for c in sorted(cases, key=lambda c: (not c.is_open, -c.opened_at))
        )  # fmt: skip
        columns = tuple(words[key] for key in ("number", "subject", "state", "opened", "deadline"))
        return Table(words["cases"], columns, rows, tuple(row[0] for row in rows))

    async def _messages(self, db: aiosqlite.Connection, owner: Project, since: Instant) -> Table:
        words, zone = _words(owner), owner.hours.zone
        rows = []
        for one in await desk_store.messages(db, owner.id, since):
            where = [d for d in await desk_store.of_call(db, one.call) if d.version == one.version]
            held = "; ".join(
                f"{d.acknowledged_by or d.person or d.recipient}: {d.state.value}" for d in where
            )
            rows.append((_shown(one.created_at, zone), one.number, f"{one.subject}\n{one.body}", held))
        columns = tuple(words[key] for key in ("when", "number", "subject", "who"))
        return Table(words["messages"], columns, tuple(rows))

    async def _reports(self, db: aiosqlite.Connection, owner: Project, since: Instant, now: Instant) -> Table:
        words = _words(owner)
        rows = [
            (
                level.operation.value, f"{level.target.within_ms // SECOND_MS} s", str(level.met), str(level.broken),
                "" if level.share is None else f"{level.share:.0%}",
            )
            for level in await reports.levels(db, {owner.id: owner}, since, now)
        ]  # fmt: skip
        found = (await reports.handling(db, since, now, owner.subscriber)).get(owner.subscriber)
        if found is not None and found.aht_ms is not None:
            talk, acw = (found.talk_ms or 0) / SECOND_MS, (found.acw_ms or 0) / SECOND_MS
            said = words["calls"].format(n=found.handled, talk=f"{talk:.0f}", acw=f"{acw:.0f}")
            rows.append((words["aht"], f"{found.aht_ms / SECOND_MS:.0f} s", said, "", ""))
        columns = tuple(words[key] for key in ("operation", "within", "met", "broken", "share"))
        return Table(words["reports"].format(days=FIRM_DAYS), columns, tuple(rows))


def _words(owner: Project) -> dict[str, str]:
    return WORDS.get(owner.language, WORDS["en"])


def _shown(at: Instant, zone: dt.tzinfo) -> str:
    return f"{local(at, zone):%d.%m.%Y %H:%M}"  # type: ignore[arg-type]  # a zone of the project


def _turns(owner: Project, rotation: Rotation, now: Instant) -> list[tuple[Instant, str]]:
    """Who is asked first, from now on; one entry per change at a hand-over."""
    zone = owner.hours.zone
    order = rotation.order(now, zone)
    turns = [(now, order[0])] if order else []
    today = local(now, zone).date()
    for ahead in range(AHEAD_DAYS if turns else 0):
        at = instant(today + dt.timedelta(days=ahead), rotation.hand_over, zone)
        first = rotation.order(at, zone)[0]
        if at > now and first != turns[-1][1]:
            turns.append((at, first))
    return turns
