"""A subscriber's project: everything that makes this firm's calls its own, and the dry run of one call.

A project is a typical one plus what differs (000-17). `dry_run` tells step by step what would happen to a
call, from the dialled number to who gets the message, with the same functions the running desk uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from acd.core.instant import HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from acd.desk import delivery, instructions, oncall
from acd.desk import script as talk
from acd.desk.answers import Answer, Spoken, spoken
from acd.desk.delivery import Rule
from acd.desk.dossier import About, Dossier
from acd.desk.hours import Hours, local
from acd.desk.instructions import Instruction
from acd.desk.oncall import Busy, Person, Rotation
from acd.desk.operations import DEFAULT_TARGETS, Operation, Target

URGENCIES: Final = ("normal", "urgent")


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of the message form the agent fills while talking (000-10)."""

    name: str
    label: str
    kind: str = "text"
    """text, lines, phone, email, number, date, time, datetime, choice, yesno."""
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    """(value, label)."""
    prefill: str = ""
    """What the field starts with: ani, name, organisation."""
    phrases: tuple[str, ...] = ()
    """Ready-made texts."""


@dataclass(frozen=True, slots=True)
class Form:
    """The agreed written form. `text` and `subject` are templates; empty means one line per field."""

    fields: tuple[FormField, ...] = ()
    subject: str = ""
    text: str = ""
    outcomes: tuple[tuple[str, str, bool], ...] = ()
    """(value, label, needs a message)."""

    def missing(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the labels of required fields that are empty."""
        return tuple(f.label for f in self.fields if f.required and not values.get(f.name, "").strip())


@dataclass(frozen=True, slots=True)
class RoutingRule(About):
    """If the caller is like this, the call needs that (002-03, 002-11)."""

    name: str
    needs: tuple[tuple[str, int], ...] = ()
    queue: str = ""
    """Another department's waiting line; empty: the project's own."""
    person: str = ""
    """Person id, or `responsible`: the one of the open matter, or the client's own manager."""
    priority: float = 1.0
    otherwise: str = "message"
    """What happens when the person is not free: queue, message or escalate."""


@dataclass(frozen=True, slots=True)
class CasePolicy:
    """When a call becomes a case, and who keeps it."""

    dispositions: frozenset[str] = frozenset({"case", "ticket", "unsettled"})
    """Values of the card's field `disposition` that open a case."""
    owner: str = ""
    helpdesk: str = ""
    """Id of a help desk in the configuration; empty: cases stay here."""
    tell_client: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """One place to ask about a caller: local, http or licences."""

    kind: str
    url: str = ""
    token_file: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """Our name → path in the answer, such as `name: client.full_name`, `matters: orders`."""
    matter: Mapping[str, str] = field(default_factory=dict)
    """Our name → path inside one matter; `kind` may be a fixed word after `=`."""


@dataclass(frozen=True, slots=True)
class Project:
    """One subscriber's project."""

    id: str
    name: str
    queue: str
    subscriber: str
    numbers: tuple[str, ...] = ()
    language: str = "ru"
    greeting: tuple[Instruction, ...] = ()
    hours: Hours = field(default_factory=Hours)
    people: Mapping[str, Person] = field(default_factory=dict)
    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    instructions: tuple[Instruction, ...] = ()
    script: tuple[talk.Step, ...] = ()
    form: Form = field(default_factory=Form)
    deliver: tuple[Rule, ...] = ()
    routing: tuple[RoutingRule, ...] = ()
    answers: tuple[Answer, ...] = ()
    """What callers are told before anybody is rung; the first that fits counts."""
    sources: tuple[Source, ...] = ()
    cases: CasePolicy = field(default_factory=CasePolicy)
    targets: Mapping[Operation, Target] = field(default_factory=lambda: dict(DEFAULT_TARGETS))
    retention_days: int = 365
    always_taken: bool = False
    """Calls are taken around the clock; `hours` are the firm's, not the line's."""
    ask_card: str = ""
    """Sound that asks callers for the number of an earlier card."""

    def greeting_at(self, at: Instant) -> str:
        """Return the phrase the agent answers with now; the most specific window wins."""
        found = instructions.valid(self.greeting, at, self.hours.zone)
        return found[0].text if found else self.name

    def told(self, at: Instant, call_type: str = "") -> tuple[Instruction, ...]:
        """Return the instructions valid now."""
        return instructions.valid(self.instructions, at, self.hours.zone, call_type)

    def lines(self, at: Instant, dossier: Dossier) -> tuple[talk.Line, ...]:
        """Return what to say to this caller now, by stage of the call."""
        return talk.lines(self.script, dossier, at, self.hours.zone, is_open=self.hours.is_open(at))

    def answer_to(self, at: Instant, dossier: Dossier) -> Spoken | None:
        """Return what this caller is told before anybody is rung; None: nothing."""
        return spoken(self.answers, dossier, self.hours.zone, is_open=self.hours.is_open(at))

    def people_of(self, rule: Rule, at: Instant) -> tuple[str, ...]:
        """Return whom a rule asks, in order: person ids, or one plain address."""
        kind, _, name = rule.to.partition(":")
        if kind == "on_call" and name in self.rotations:
            return self.rotations[name].order(at, self.hours.zone)
        return (name,) if kind == "person" else (rule.to,)

    def address(self, who: str, channel: str) -> str:
        """Return the address of a person by a channel; an address stays itself, empty when there is none."""
        person = self.people.get(who)
        return person.address(channel) if person else who

    def agent_of(self, who: str) -> str:
        """Return the agent a person is, empty when he is none of ours; an agent's id stays itself."""
        person = self.people.get(who)
        return person.agent if person else who


@dataclass(frozen=True, slots=True)
class Choice:
    """What routing decided before anyone answers."""

    needs: tuple[tuple[str, int], ...] = ()
    queue: str = ""
    """Department: another waiting line than the number's own; the first one named wins."""
    person: str = ""
    agent: str = ""
    """Ring this agent first."""
    priority: float = 1.0
    do: str = "queue"
    """queue, ring, message or escalate."""
    away: str = ""
    """Why the person's calendar says that he is not free; empty: he is, or nobody was asked for."""
    why: tuple[str, ...] = ()


def choose(
    project: Project, dossier: Dossier, at: Instant, busy: Mapping[str, tuple[Busy, ...]] | None = None
) -> Choice:
    """Apply every rule that fits, in order: needs add up, the first person named wins."""
    is_open = project.hours.is_open(at)
    choice = Choice(priority=dossier.priority)
    for rule in project.routing:
        if not rule.fits(dossier, is_open=is_open):
            continue
        needs = dict(choice.needs)
        for skill, level in rule.needs:
            needs[skill] = max(level, needs.get(skill, 0))
        choice = replace(
            choice,
            needs=tuple(needs.items()),
            queue=choice.queue or rule.queue,
            priority=min(100.0, choice.priority * rule.priority),
            why=(*choice.why, f"rule {rule.name}"),
        )
        person = _responsible(rule, dossier) if rule.person == "responsible" else rule.person
        if person and not choice.person:
            choice = _with_person(project, choice, rule, person, at, busy or {})
    return choice


def _responsible(rule: RoutingRule, dossier: Dossier) -> str:
    of_matter = (m.person for m in dossier.open_matters() if m.person and rule.open_kind in {"", m.kind})
    return next(of_matter, dossier.person)


def _with_person(
    project: Project,
    choice: Choice,
    rule: RoutingRule,
    who: str,
    at: Instant,
    busy: Mapping[str, tuple[Busy, ...]],
) -> Choice:
    person = project.people.get(who)
    away = oncall.reason(busy.get(who, ()), at)
    agent = project.agent_of(who)
    shown = person.name if person else who
    if away:
        why = f"{shown} is not free ({away}): {rule.otherwise}"
        return replace(choice, person=who, do=rule.otherwise, away=away, why=(*choice.why, why))
    if not agent:
        return replace(choice, person=who, do="ring", why=(*choice.why, f"{shown} may be called"))
    return replace(choice, person=who, agent=agent, do="ring", why=(*choice.why, f"{shown} is asked first"))


@dataclass(frozen=True, slots=True)
class Planned:
    """One delivery a message would cause."""

    rule: int
    channel: str
    person: str
    recipient: str
    at: Instant
    acknowledge_ms: int
    digest: bool


def plan(project: Project, urgency: str, call_type: str, at: Instant) -> tuple[Planned, ...]:
    """Return which deliveries a message stored now causes, and when each leaves.

    An address that several rules name gets the message once, by the first of them.
    """
    zone, urgent = project.hours.zone, urgency == "urgent"
    is_open, minute = project.hours.is_open(at), delivery.minute_of(at, zone)
    found: dict[tuple[str, str], Planned] = {}
    for number, rule in enumerate(project.deliver):
        if not rule.fits(urgency=urgency, minute=minute, is_open=is_open, call_type=call_type):
            continue
        for who in project.people_of(rule, at)[:1]:
            person = project.people.get(who)
            recipient = project.address(who, rule.by)
            leaves = delivery.first_try(rule, at, zone, person.quiet if person else (), urgent=urgent)
            one = Planned(
                number, rule.by, who if person else "", recipient, leaves, rule.acknowledge_ms,
                digest=bool(rule.digest) and not urgent,
            )  # fmt: skip
            if recipient:
                found.setdefault((rule.by, recipient), one)
    return tuple(found.values())


# --- the dry run ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that would happen."""

    what: str
    detail: str


def dry_run(
    project: Project,
    at: Instant,
    ani: str,
    dossier: Dossier,
    busy: Mapping[str, tuple[Busy, ...]] | None = None,
    call_type: str = "",
) -> tuple[Step, ...]:
    """Return step by step what would happen to a call from `ani` at an instant."""
    hours, zone = project.hours, project.hours.zone
    is_open, why = hours.is_open(at), hours.why(at)
    moment = local(at, zone)
    opens = None if is_open else hours.next_open(at)
    closed = "closed" + (f", opens {local(opens, zone):%d.%m.%Y %H:%M}" if opens else ", never opens")
    steps = [
        Step("call", f"{ani or 'number withheld'} at {moment:%d.%m.%Y %H:%M} {moment.tzname()}"),
        Step("number", f"{', '.join(project.numbers) or 'none'} → queue {project.queue}"),
        Step("hours", ("open" if is_open else closed) + (f" ({why})" if why else "")),
        *_door(project, is_open=is_open),
        Step("caller", _caller(dossier)),
        *(
            Step("open matter", f"{m.kind} {m.id} {m.title} {m.state}".strip())
            for m in dossier.open_matters()
        ),
    ]
    choice = choose(project, dossier, at, busy)
    needs = ", ".join(f"{skill} ≥ {level}" for skill, level in choice.needs) or "as the queue"
    who = f", person {choice.person}" if choice.person else ""
    who += f", queue {choice.queue}" if choice.queue else ""
    steps.append(Step("routing", f"{choice.do}: needs {needs}{who}, priority × {choice.priority:g}"))
    steps += [Step("because", reason) for reason in choice.why]
    if project.ask_card:
        steps.append(Step("asked", f"for the number of an earlier card ({project.ask_card})"))
    if told := project.answer_to(at, dossier):
        said = " ".join(value for _, value in told.parts)
        steps.append(Step("told", f"before anybody is rung ({told.name}): {said}; 1 or silence: a person"))
    steps.append(Step("greeting", project.greeting_at(at)))
    steps += [
        Step("instruction", f"[{i.call_type}] {i.text}" if i.call_type else i.text)
        for i in project.told(at, call_type)
    ]
    steps += [Step(f"says ({line.stage})", line.say) for line in project.lines(at, dossier)]
    steps.append(Step("form", ", ".join(f.name + ("*" if f.required else "") for f in project.form.fields)))
    for urgency in URGENCIES:
        steps += _delivery_steps(project, urgency, call_type, at)
    steps += [
        Step("target", f"{operation.value} within {_length(target)}")
        for operation, target in project.targets.items()
    ]
    return tuple(steps)


def _door(project: Project, *, is_open: bool) -> list[Step]:
    """A closed line takes no calls: the rest of the run is then what would happen if it did."""
    if is_open:
        return []
    if project.always_taken:
        return [Step("taken", "around the clock")]
    return [
        Step("taken", "NO: the caller hears that it is closed and nobody is rung (calls: always takes them)")
    ]


def _caller(dossier: Dossier) -> str:
    if not dossier.known:
        return "not known"
    firm = dossier.organisation
    proof = "" if not firm else " (verified)" if dossier.verified else " (unverified)"
    return ", ".join(part for part in (dossier.name, firm + proof) if part) or "known"


def _delivery_steps(project: Project, urgency: str, call_type: str, at: Instant) -> list[Step]:
    zone = project.hours.zone
    steps = []
    for planned in plan(project, urgency, call_type, at):
        rule = project.deliver[planned.rule]
        when = "at once" if planned.at <= at else f"at {local(planned.at, zone):%d.%m. %H:%M}"
        text = f"{planned.channel} to {planned.person or planned.recipient} {when}"
        if planned.acknowledge_ms:
            order = project.people_of(rule, at)
            then = f", then {', '.join(order[1:])}" if len(order) > 1 else ""
            text += f", to be acknowledged within {planned.acknowledge_ms // SECOND_MS} s{then}, else alarm"
        steps.append(Step(f"message ({urgency})", text))
    return steps or [Step(f"message ({urgency})", "NOBODY gets it: no delivery rule fits")]


def _length(target: Target) -> str:
    within = target.within_ms
    shown = (
        f"{within / HOUR_MS:g} h" if within >= HOUR_MS
        else f"{within / MINUTE_MS:g} min" if within >= MINUTE_MS
        else f"{within / SECOND_MS:g} s"
    )  # fmt: skip
    return shown + (" of working time" if target.working_time else "")
