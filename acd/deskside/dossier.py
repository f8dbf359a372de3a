"""Who calls: every source asked at once, within the budget; what comes later still reaches the agent's screen.

The Directory port of the door (name, priority, needs, sticky agent), and what the pop carries: greeting,
instructions valid now, form, open matters, last calls.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from stdnum.ru import inn

from acd.adapters.store import case_store, directory_store
from acd.adapters.store.cards import CardFilter
from acd.core.instant import HOUR_MS, MINUTE_MS
from acd.desk import dossier, project
from acd.desk.dossier import Dossier, Matter
from acd.ports import PortError

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.directory import HttpDirectory
    from acd.adapters.store.sqlite import SqliteStore
    from acd.config.projects import Projects
    from acd.core.effects import ShowPop
    from acd.core.ids import Ani, Did
    from acd.core.instant import Instant
    from acd.desk.case import Case
    from acd.desk.oncall import Busy
    from acd.desk.project import Project, Source
    from acd.ports import Clock

log = structlog.get_logger("acd.desk")

LATE_LIMIT_S = 3.0
"""A source later than its budget may still fill the pop for so long; then it is given up."""
STICKY_MS = 24 * HOUR_MS
DEAF_MS = 10 * MINUTE_MS
"""A directory that failed is shown for so long, unless it is asked again: a firm may have no calls for hours."""
NAMED = 3
REMEMBERED = 2_000
LAST_CALLS = 5
FACT_WORDS = {
    "ru": {
        "product": "Продукт", "region": "Регион", "taxpayer": "ИНН", "verified": "(проверен)",
        "unverified": "(не проверен)",
    },
    "en": {
        "product": "Product", "region": "Region", "taxpayer": "Taxpayer number", "verified": "(verified)",
        "unverified": "(unverified)",
    },
}  # fmt: skip


def verified(data: Mapping[str, object]) -> dict[str, object]:
    """Return a source's answer with `verified`: the check digits hold and the register knows the number (003-06)."""
    number = str(data.get("taxpayer_number", ""))
    return dict(data) | {"verified": bool(number) and inn.is_valid(number) and data.get("registered") is True}


class Dossiers:
    """Gathers dossiers and remembers them until the pop is shown."""

    def __init__(
        self,
        projects: Callable[[], Projects],
        store: SqliteStore,
        clock: Clock,
        http: HttpDirectory,
        *,
        project_of: Callable[[Did], Project | None],
        busy: Callable[[str], Mapping[str, tuple[Busy, ...]]],
        state_dir: Path,
        budget_ms: int,
        normalise: Callable[[str], str] = str,
    ) -> None:
        self._projects, self._store, self._clock, self._http = projects, store, clock, http
        self._project_of, self._busy, self._state_dir = project_of, busy, state_dir
        self._budget_s, self._normalise = budget_ms / 1000, normalise
        self._known: OrderedDict[tuple[str, str], Dossier] = OrderedDict()
        """By project and number, or by project and call where a card was quoted: whoever calls from a hidden or a
        firm's number next has not quoted it."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.counters: Counter[str] = Counter()
        self._deaf: dict[str, tuple[Instant, str]] = {}
        """By project: when its own directory failed or was late, and how; until it answers in time."""

    @property
    def trouble(self) -> str:
        """Which subscribers' directories are slow or silent, in plain words; calls go on without what they know."""
        since = self._clock.now() - DEAF_MS
        deaf = [f"{name} {words}" for name, (at, words) in sorted(self._deaf.items()) if at >= since]
        if not deaf:
            return ""
        more = f" and {len(deaf) - NAMED} more" if len(deaf) > NAMED else ""
        return f"directories: {'; '.join(deaf[:NAMED])}{more}; calls go on without what they know"

    # --- asking ----------------------------------------------------------------------------------

    async def find(self, ani: Ani, did: Did, quoted: str = "", call: str = "") -> Mapping[str, object]:
        """Return name, priority, needs and sticky agent; empty for a number without a project."""
        owner = self._project_of(did)
        if owner is None:
            return {}
        found = await self.gather(owner, ani, quoted, call)
        choice = project.choose(owner, found, self._clock.now(), self._busy(owner.id))
        own = self._case_owner(owner, found) or owner.agent_of(found.person)  # else the client's own manager
        sticky = choice.agent if choice.person else own
        last = self._last_talk(found)
        return {
            "name": found.name or found.organisation,
            "priority": choice.priority,
            "needs": dict(choice.needs),
            "queue": choice.queue,
            "sticky": sticky or ("" if choice.person else last),
            **self._told(owner, found),
        }

    def _told(self, owner: Project, found: Dossier) -> dict[str, object]:
        """Return what the caller hears before anybody is rung, in the door's own plain words (002-18)."""
        told = owner.answer_to(self._clock.now(), found)
        return {} if told is None else {"told": (told.name, told.parts, told.person, owner.hours.zone.key)}

    def _last_talk(self, found: Dossier) -> str:
        """Return the agent of the last talk, when it is not long ago (002-08)."""
        since = self._clock.now() - STICKY_MS
        talks = (c for c in found.last_calls if c["end"] == "handled" and int(str(c["at_ms"])) >= since)
        return next((str(call["agent"]) for call in talks), "")

    @staticmethod
    def _case_owner(owner: Project, found: Dossier) -> str:
        """Return the agent of the newest open case: nobody tells his story twice (002-08, 003-05)."""
        who = next((m.person for m in found.open_matters() if m.kind == "case" and m.person), "")
        return owner.agent_of(who)

    async def gather(self, owner: Project, ani: str, quoted: str = "", call: str = "") -> Dossier:
        """Ask every source within the budget. What is late is named, and joins the remembered dossier when it comes."""
        whose = call if quoted and call else ani
        tasks = {asyncio.create_task(self._own(owner, ani, quoted)): "desk"}
        for source in owner.sources:
            tasks[asyncio.create_task(self._ask(owner, source, ani))] = source.kind
        done, late = await asyncio.wait(tasks, timeout=self._budget_s)
        order = list(tasks)
        parts = [part for task in order if task in done and (part := self._result(task, tasks[task]))]
        found = dossier.join(parts)
        self._hear(owner, {tasks[task]: task for task in done}, {tasks[task] for task in late})
        if late:
            found = replace(found, late=tuple(tasks[task] for task in order if task in late))
            self.counters["late"] += len(late)
            self._later(owner, whose, found, late)
        self._remember(owner, whose, found)
        return found

    def _hear(self, owner: Project, done: Mapping[str, asyncio.Task[Dossier]], late: set[str]) -> None:
        """Remember whether this subscriber's own system answered in time."""
        if "http" in late:
            self._deaf[owner.id] = self._clock.now(), f"did not answer within {self._budget_s * 1000:.0f} ms"
        elif "http" in done:
            failure = done["http"].exception()
            if failure is None:
                self._deaf.pop(owner.id, None)
            else:
                words = str(failure) if isinstance(failure, PortError) else "failed by a defect of ours"
                self._deaf[owner.id] = self._clock.now(), words

    def _result(self, task: asyncio.Task[Dossier], name: str) -> Dossier | None:
        failure = task.exception()
        if failure is None:
            return task.result()
        self.counters[f"failed_{name}"] += 1
        if not isinstance(failure, PortError):
            log.error("dossier_defect", source=name, error=repr(failure))
        return None

    def _later(self, owner: Project, whose: str, found: Dossier, late: set[asyncio.Task[Dossier]]) -> None:
        async def wait() -> None:
            done, lost = await asyncio.wait(late, timeout=LATE_LIMIT_S)
            for task in lost:
                task.cancel()
            if lost:
                await asyncio.wait(lost)
            parts = [part for task in done if (part := self._result(task, "late"))]
            self._remember(owner, whose, dossier.join([replace(found, late=()), *parts]))

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _remember(self, owner: Project, whose: str, found: Dossier) -> None:
        self._known[owner.id, whose] = found
        self._known.move_to_end((owner.id, whose))
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _ask(self, owner: Project, source: Source, ani: str) -> Dossier:
        number = self._normalise(ani) if ani else ""
        if not number:
            return Dossier()
        if source.kind == "http":
            token = await asyncio.to_thread(self._token, source.token_file) if source.token_file else ""
            return dossier.part(verified(await self._http.find(source, number, token)))
        data = await self._store.read(lambda db: directory_store.client(db, owner.id, number))
        if source.kind == "local":
            return dossier.part(verified(data))
        held = str(data.get("taxpayer_number") or "")
        if not held:
            return Dossier()
        licences = await self._store.read(lambda db: directory_store.licences_of(db, held))
        first = next((one for one in licences if one["project"] in {"", owner.id}), {})
        return dossier.part({name: first.get(name) for name in ("product", "region")})

    def _token(self, name: str) -> str:
        path = (self._state_dir / name).resolve()
        if not path.is_relative_to(self._state_dir.resolve()):
            raise PortError("a token file must lie in the state directory", retryable=False)
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeError) as error:
            raise PortError(f"the directory's token cannot be read: {error}", retryable=True) from error

    async def _own(self, owner: Project, ani: str, quoted: str) -> Dossier:
        """Return what we know ourselves: open cases, the quoted one first, and the last calls."""
        number = self._normalise(ani) if ani else ""

        async def job(db: aiosqlite.Connection) -> list[Case]:
            held = await case_store.cases(db, owner.id, client=number, limit=10) if number else []
            named = await case_store.case(db, quoted) if quoted else None
            if named is not None and named.project == owner.id:
                held = [named, *(one for one in held if one.number != named.number)]
            return held

        cases = await self._store.read(job)
        wanted = CardFilter(subscriber=owner.subscriber, ani=number, limit=LAST_CALLS)
        cards = await self._store.find(wanted) if number else []
        calls = []
        for stored in cards:
            fields = dict(stored.card.fields)
            calls.append(
                {
                    "at_ms": stored.card.entered_at,
                    "number": stored.card.number,
                    "agent": stored.card.agent or "",
                    "end": stored.card.end_reason.value,
                    "subject": dossier.text(fields.get("subject", "")),
                    "answer": dossier.text(fields.get("answer", "")),
                }
            )
        names = (dict(stored.card.fields).get("caller_name", "") for stored in cards)
        return Dossier(
            name=dossier.text(next((name for name in names if name), ""), 80),
            matters=tuple(
                Matter("case", c.number, dossier.text(c.subject), c.state.value, person=c.owner)
                for c in cases
            ),
            last_calls=tuple(calls),
        )

    # --- showing ---------------------------------------------------------------------------------

    def pop(self, wish: ShowPop) -> Mapping[str, object]:
        """Return what the pop carries of project and dossier; at once, from what is known now."""
        owner = self._projects().of_queue(wish.queue) or self._projects().of_subscriber(wish.subscriber)
        if owner is None:
            return {}
        now = self._clock.now()
        found = self._known.get((owner.id, wish.call)) or self._known.get((owner.id, wish.ani), Dossier())
        choice = project.choose(owner, found, now, self._busy(owner.id))
        body: dict[str, object] = {
            "greeting": owner.greeting_at(now),
            "instructions": [{"text": i.text, "call_type": i.call_type} for i in owner.told(now)],
            "script": [
                {"stage": line.stage, "say": line.say, "note": line.note} for line in owner.lines(now, found)
            ],
            "form": form_data(owner),
            "open_matters": [],
            "last_calls": [],
        }
        person = owner.people.get(choice.person)
        if choice.person:
            name = person.name if person else choice.person
            body["person"] = {"name": name, "do": choice.do, "away": choice.away}
        # The values lie in the book of pops; they leave it only after the agent confirmed (acd.topics, HTTP views).
        known = dossier.shown(found, confirmed=True) | _facts(owner, found)
        return body | {"routing": list(choice.why)} | known

    async def close(self) -> None:
        """Give up what is still asked."""
        for task in self._tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)


def _facts(owner: Project, found: Dossier) -> dict[str, object]:
    """Return what the page lists beside the name: product, region, and whether the organisation is proven."""
    words = FACT_WORDS.get(owner.language, FACT_WORDS["en"])
    facts = {words["product"]: found.product, words["region"]: found.region}
    if found.organisation:
        proof = words["verified" if found.verified else "unverified"]
        facts[words["taxpayer"]] = f"{found.taxpayer_number} {proof}".strip()
    kept = {name: value for name, value in facts.items() if value}
    return {"facts": kept} if kept else {}


def form_data(owner: Project) -> dict[str, object]:
    """Return a project's form as plain data for the agent's page."""
    fields = [
        {
            "name": f.name,
            "label": f.label,
            "kind": f.kind,
            "required": f.required,
            "max_length": 4_000 if f.kind == "lines" else 300,
            **({"choices": [list(pair) for pair in f.choices]} if f.choices else {}),
            **({"prefill": f.prefill} if f.prefill else {}),
            **({"phrases": list(f.phrases)} if f.phrases else {}),
        }
        for f in owner.form.fields
    ]
    outcomes = [
        {"value": value, "label": label, "needs_message": needed}
        for value, label, needed in owner.form.outcomes
    ]
    return {
        "id": owner.id, "title": owner.name, "language": owner.language, "fields": fields, "outcomes": outcomes,
    }  # fmt: skip
