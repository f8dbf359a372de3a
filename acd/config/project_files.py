"""Project files: YAML over a typical project → the desk's pure project; all mistakes at once, with their places.

    config/projects/types/answering-basic.yaml     typical projects
    config/projects/consul.yaml                    one subscriber: `extends: answering-basic` and what differs

A project that was good once is kept (`keep`), and stands in when its file gets broken.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from acd.config.hours import DAYS, days_of, intervals_of
from acd.config.project_models import Condition, DeliveryEntry, ProjectFile, TargetEntry, When
from acd.config.state_days import state_days
from acd.config.strict_yaml import Document, Location, Mark, Problem, check, merge, read
from acd.desk.answers import Answer
from acd.desk.delivery import Rule
from acd.desk.dossier import About
from acd.desk.hours import Hours
from acd.desk.instructions import Instruction, Window
from acd.desk.oncall import Person, Rotation
from acd.desk.operations import DEFAULT_TARGETS, Operation, Target
from acd.desk.project import CasePolicy, Form, FormField, Project, RoutingRule, Source
from acd.desk.script import Step

TYPES = "types"
MAX_EXTENDS = 4
MAX_NAME = 64
"""Of a typical project; a file system refuses longer ones with an error."""
QUEUE_KEYS = ("promise", "needs", "priority", "wrap_up_s", "max_wait_s", "language")
"""Keys of a project that are the same in queues.yaml."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One project file. `project` is None when it is broken and no good version is kept."""

    name: str
    document: Document
    problems: tuple[Problem, ...] = ()
    file: ProjectFile | None = None
    project: Project | None = None
    stale: bool = False
    """The file is broken; this is the last good version."""

    @property
    def digest(self) -> str:
        """Return what a version is known by: the digest of its whole content."""
        return hashlib.sha256(dump(self.document).encode()).hexdigest()


def dump(document: Document) -> str:
    """Return the whole content, with what it extends, as YAML text."""
    return yaml.safe_dump(_simple(document.data), allow_unicode=True, sort_keys=True)


def _simple(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _simple(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_simple(inner) for inner in value]
    return float(value) if isinstance(value, float) else value


def names(folder: Path) -> list[str]:
    """Return the ids of all projects of a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def types(folder: Path) -> list[str]:
    """Return the ids of all typical projects of a folder."""
    return sorted(path.stem for path in (folder / TYPES).glob("*.yaml"))


def read_project(path: Path) -> Document:
    """Return a project file laid over what it extends; mistakes are in `problems`."""
    document, chain = read(path), [path.stem]
    folder = path.parent / TYPES if path.parent.name != TYPES else path.parent
    whole = document
    while isinstance(whole.data, dict) and isinstance(document.data, dict) and document.data.get("extends"):
        base = str(document.data["extends"])
        target = folder / f"{base}.yaml"
        if (
            base in chain[1:]
            or len(chain) > MAX_EXTENDS
            or len(base) > MAX_NAME
            or not base.replace("-", "").isalnum()
            or not target.is_file()
        ):
            known = ", ".join(types(folder.parent)) or "none"
            whole.problems.append(
                document.problem(("extends",), f"no typical project {base[:MAX_NAME]!r}; known: {known}")
            )
            break
        chain.append(base)
        document = read(target)
        whole = _over(document, whole)
    whole.file = str(path)
    if isinstance(whole.data, dict):
        whole.data.pop("extends", None)
    return whole


def _over(base: Document, above: Document) -> Document:
    """Lay a project over what it extends. A week of its own replaces the typical one: days may be grouped anew."""
    opening = [d.data.get("opening") if isinstance(d.data, dict) else None for d in (base, above)]
    if isinstance(opening[0], dict) and isinstance(opening[1], dict) and "week" in opening[1]:
        opening[0].pop("week", None)
    return merge(base, above)


def load_one(path: Path, zone: str = "Europe/Moscow") -> Loaded:
    """Read and check one project file. `zone` is the centre's time zone, for projects that name none."""
    document = read_project(path)
    return build(path.stem, document, zone)


def build(name: str, document: Document, zone: str = "Europe/Moscow") -> Loaded:
    """Check a merged document and make the pure project of it."""
    file, problems = check(ProjectFile, document)
    if file is None:
        return Loaded(name, document, tuple(_unique(problems)))
    problems += [document.problem(*finding) for finding in _relations(file)]
    chosen = file.time_zone if "time_zone" in file.model_fields_set else zone
    try:
        where = ZoneInfo(chosen)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problems.append(document.problem(("time_zone",), f"unknown time zone {chosen!r}"))
        where = ZoneInfo("Europe/Moscow")
    if problems:
        return Loaded(name, document, tuple(_unique(problems)), file)
    return Loaded(name, document, (), file, project_of(name, file, where))


def _unique(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line, p.column))


def load_all(
    folder: Path,
    kept: Path | None = None,
    zone: str = "Europe/Moscow",
    replaced: Iterable[str] = (),
    left_out: Iterable[str] = (),
) -> dict[str, Loaded]:
    """Read every project of a folder.

    One that is broken, or named in `replaced`, is replaced by its last good version; one of `left_out` by nothing.
    """
    found: dict[str, Loaded] = {}
    taken: dict[str, str] = {}
    for name in names(folder):
        loaded = load_one(folder / f"{name}.yaml", zone)
        problems = [*loaded.problems, *_doubled(loaded, taken)]
        if name in set(left_out):
            loaded = Loaded(name, loaded.document, tuple(problems))
        elif problems or name in set(replaced):
            loaded = _last_good(name, loaded, problems, kept, zone)
        found[name] = loaded
        if loaded.file is not None and loaded.project is not None:
            taken.update({_digits(number): name for number in loaded.file.numbers})
    return found


def _doubled(loaded: Loaded, taken: Mapping[str, str]) -> Iterator[Problem]:
    if loaded.file is None:
        return
    for index, number in enumerate(loaded.file.numbers):
        other = taken.get(_digits(number))
        if other is not None:
            yield loaded.document.problem(("numbers", index), f"{number} is project {other}'s number already")


def _digits(number: str) -> str:
    """Return what makes two writings of a number the same: +7 and 8 before a Russian number do not."""
    digits = "".join(c for c in number if c.isdigit())
    return digits[-10:]


def _last_good(name: str, broken: Loaded, problems: list[Problem], kept: Path | None, zone: str) -> Loaded:
    path = kept / f"{name}.yaml" if kept else None
    if path is not None and path.is_file():
        old = build(name, read(path), zone)
        if old.project is not None:
            return Loaded(name, old.document, tuple(problems), old.file, old.project, stale=True)
    return Loaded(name, broken.document, tuple(problems))


def keep(loaded: Loaded, kept: Path) -> bool:
    """Remember a good version; return whether it is a new one. A stale or broken one changes nothing."""
    if loaded.project is None or loaded.stale:
        return False
    kept.mkdir(parents=True, exist_ok=True, mode=0o750)
    path, text = kept / f"{loaded.name}.yaml", dump(loaded.document)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    fresh = path.with_suffix(f".{get_ident()}.new")  # a reload and the desk's own round may keep at once
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
    return True


# --- relations inside one file ---------------------------------------------------------------------


def _relations(file: ProjectFile) -> Iterator[tuple[Location, str]]:
    yield from _rotation_faults(file)
    for index, rule in enumerate(file.deliver):
        yield from ((("deliver", index, "to"), fault) for fault in _recipient_faults(file, rule))
        if rule.acknowledge_s and rule.digest:
            yield ("deliver", index, "digest"), "a digest cannot wait for an acknowledgement"
    for index, entry in enumerate(file.routing):
        if entry.person not in {"", "responsible"} and entry.person not in file.people:
            yield ("routing", index, "person"), f"no person {entry.person!r} under people"
    if file.cases.owner and file.cases.owner not in file.people and not file.cases.owner.isalnum():
        yield ("cases", "owner"), f"no person {file.cases.owner!r} under people"


def _rotation_faults(file: ProjectFile) -> Iterator[tuple[Location, str]]:
    for name, turn in file.on_call.items():
        places: list[tuple[Location, str]] = [
            *((("on_call", name, "people", index), person) for index, person in enumerate(turn.people)),
            *((("on_call", name, "instead", day), person) for day, person in turn.instead.items()),
        ]
        for place, person in places:
            if person not in file.people:
                yield place, f"no person {person!r} under people"


def _recipient_faults(file: ProjectFile, rule: DeliveryEntry) -> Iterator[str]:
    kind, _, target = rule.to.partition(":")
    if kind == "on_call" and target not in file.on_call:
        yield f"no rotation {target!r} under on_call"
    elif kind == "person" and target not in file.people:
        yield f"no person {target!r} under people"
    elif kind not in {"on_call", "person"}:
        yield from _address_fault(rule.to, rule.by)
    else:
        for who in file.on_call[target].people if kind == "on_call" else (target,):
            person = file.people.get(who)
            if person is not None and not _reach(person.email, person.phone, rule.by):
                yield f"{who} cannot be reached by {rule.by}"


def _reach(email: str, phone: str, channel: str) -> str:
    return {"email": email, "sms": phone, "call": phone}.get(channel, "")


def _address_fault(address: str, channel: str) -> Iterator[str]:
    fits = {
        "email": "@" in address and "://" not in address,
        "sms": address.lstrip("+").isdigit(),
        "call": address.lstrip("+").isdigit(),
        "webhook": address.startswith(("http://", "https://")),
    }
    if not fits[channel]:
        yield f"{address!r} is no address for {channel}"


# --- into the desk's words -------------------------------------------------------------------------


def project_of(name: str, file: ProjectFile, zone: ZoneInfo) -> Project:
    """Return the pure project of a checked file."""
    targets = dict(DEFAULT_TARGETS)
    targets[Operation.ANSWER] = Target(_ms(file.promise.threshold_s), share=file.promise.share)
    for operation in Operation:
        entry: TargetEntry | None = getattr(file.targets, operation.value)
        if entry is not None:
            targets[operation] = Target(
                _ms(entry.within_s), working_time=entry.working_time, share=entry.share
            )
    return Project(
        id=name,
        name=file.name,
        queue=file.queue or name,
        subscriber=file.subscriber or name,
        numbers=file.numbers,
        language=file.language,
        greeting=tuple(Instruction(p.text, _window(p.when)) for p in file.greeting),
        hours=_hours(file, zone),
        people={
            key: Person(key, p.name, p.email, p.phone, p.agent, p.calendar, intervals_of(p.quiet))
            for key, p in file.people.items()
        },
        rotations={
            key: Rotation(
                key, r.people, dt.date.fromisoformat(r.starts), r.every_days, _minutes(r.hand_over),
                {dt.date.fromisoformat(day): who for day, who in r.instead.items()},
            )
            for key, r in file.on_call.items()
        },
        instructions=tuple(Instruction(i.text, _window(i.when), i.call_type, i.topic) for i in file.instructions),
        script=tuple(
            Step(s.text, s.stage, s.note, About(**_about(s.about)), _window(s.when), s.topic) for s in file.script
        ),
        form=Form(
            tuple(
                FormField(key, f.label, f.kind, f.required, tuple(f.choices.items()), f.prefill, f.phrases)
                for key, f in file.form.fields.items()
            ),
            file.form.subject,
            file.form.text,
            tuple((key, o.label, o.needs_message) for key, o in file.form.outcomes.items()),
        ),
        deliver=tuple(_rules(file)),
        routing=tuple(_routing(file)),
        answers=tuple(_answers(file)),
        always_taken=file.calls == "always",
        sources=tuple(Source(s.kind, s.url, s.token_file, s.mapping, s.matter) for s in file.dossier),
        cases=CasePolicy(
            frozenset(file.cases.dispositions), file.cases.owner, file.cases.helpdesk, file.cases.tell_client
        ),
        targets=targets,
        retention_days=file.retention_days,
        ask_card=file.ask_card_sound or "",
    )  # fmt: skip


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _window(when: When) -> Window:
    days = frozenset(DAYS.index(day) for part in when.days.split(",") for day in days_of(part.strip()))
    first, last = (dt.date.fromisoformat(d) if d else None for d in (when.first, when.last))
    return Window(days, intervals_of(when.hours), first, last)


def _rules(file: ProjectFile) -> Iterator[Rule]:
    for r in file.deliver:
        yield Rule(
            to=r.to,
            by=r.by,
            urgency=r.urgency,
            hours=intervals_of(r.hours),
            when_open=None if r.when is None else r.when == "open",
            call_types=frozenset(r.call_types),
            acknowledge_ms=_ms(r.acknowledge_s),
            rounds=r.rounds,
            digest=tuple(map(_minutes, r.digest)),
            quiet=intervals_of(r.quiet),
        )


def _about(given: Condition) -> dict[str, Any]:
    """The fields of a condition, as rules and steps of the script have them."""
    return {
        "open_kind": given.open,
        "open_state": given.state,
        "known": given.known,
        "when_open": None if given.hours is None else given.hours == "open",
        "product": given.product,
    }


def _routing(file: ProjectFile) -> Iterator[RoutingRule]:
    for r in file.routing:
        yield RoutingRule(
            name=r.name,
            **_about(r.when),
            needs=tuple(r.needs.items()),
            queue=r.queue,
            person=r.person,
            priority=r.priority,
            otherwise=r.otherwise,
        )


def _answers(file: ProjectFile) -> Iterator[Answer]:
    for a in file.answers:
        yield Answer(
            name=a.name,
            **_about(a.when),
            person=a.person,
            before=a.before or "",
            number=a.number,
            after=a.after or "",
            date=a.date,
        )


def special_days(file: ProjectFile) -> dict[str, tuple[str, str]]:
    """Return date → (hours, why): the state's days, then the project's own exceptions, which win."""
    found: dict[str, tuple[str, str]] = {}
    if file.opening.holidays is not None:
        today = dt.datetime.now(tz=dt.UTC).date()
        state = state_days(file.opening.holidays, range(today.year - 1, today.year + 3))
        found = {day.isoformat(): (file.opening.holiday_hours, why) for day, why in state.off.items()}
        friday = next((text for days, text in file.opening.week.items() if "fri" in days_of(days)), None)
        if friday is not None:
            found |= {day.isoformat(): (friday, "working day by decree") for day in state.worked}
    return found | {day: (text, "exception") for day, text in file.opening.exceptions.items()}


def _hours(file: ProjectFile, zone: ZoneInfo) -> Hours:
    special = special_days(file)
    monday = dt.date(2001, 1, 1)
    plain = file.opening.model_copy(update={"exceptions": {}})
    return Hours(
        week=tuple(plain.on(monday + dt.timedelta(days=day)) for day in range(7)),
        zone=zone,
        special={dt.date.fromisoformat(day): intervals_of(text) for day, (text, _) in special.items()},
        names={dt.date.fromisoformat(day): why for day, (_, why) in special.items()},
    )


# --- into the configuration ------------------------------------------------------------------------


def overlay(loaded: Loaded) -> Document:
    """Return the queue and the numbers of a project as sections of the configuration, each at its own place."""
    file, source = loaded.file, loaded.document
    assert file is not None  # noqa: S101 - only good projects are laid over
    queue = file.queue or loaded.name
    entry: dict[str, Any] = {
        "subscriber": file.subscriber or loaded.name,
        "display_name": file.name,
    }
    for key in QUEUE_KEYS:
        if isinstance(source.data, dict) and key in source.data:
            entry[key] = source.data[key]
    if file.greeting_sound:
        entry["greeting"] = file.greeting_sound
    if file.calls == "always":
        entry["opening"] = "always"  # the firm's hours still steer instructions, routing and delivery
    elif "opening" in file.model_fields_set:
        special = {day: hours for day, (hours, _) in special_days(file).items()}
        entry["opening"] = (
            {"week": dict(file.opening.week), "except": special} if file.opening.week
            else {"always": True, "except": special}
        )  # fmt: skip
    made = Document(source.file, {"queues": {queue: entry}, "numbers": dict.fromkeys(file.numbers, queue)})
    _mark(made, source, queue, file)
    return made


def _mark(made: Document, source: Document, queue: str, file: ProjectFile) -> None:
    top = source.mark(())
    for place in ((), ("queues",), ("queues", queue), ("numbers",)):
        made.values[place] = made.keys[place] = Mark(source.file, top.line, top.column)
    for key in made.data["queues"][queue]:
        made.values["queues", queue, key] = source.mark((key,))
        made.keys["queues", queue, key] = source.key_mark((key,))
    for location, mark in source.values.items():
        if location and location[0] in QUEUE_KEYS:
            made.values["queues", queue, *location] = mark
            made.keys["queues", queue, *location] = source.key_mark(location)
    for index, number in enumerate(file.numbers):
        made.values["numbers", number] = made.keys["numbers", number] = source.mark(("numbers", index))
