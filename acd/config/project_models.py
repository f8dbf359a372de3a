"""A subscriber's project file as strict models. The keys are explained in config/projects/README.md."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from acd.config.centre import DialledNumber, Identifier, Level, NeedSettings, PromiseSettings, Sound
from acd.config.hours import OpeningHours, days_of, intervals_of
from acd.config.strict_yaml import Flag, Number, Section, Whole, shape
from acd.config.system import Days, Language, Name, Seconds
from acd.desk.forms import RESERVED
from acd.desk.script import VALUES, unknown_values
from acd.deskside.templates import TemplateRefusedError, render

Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=2_000)]
Email: TypeAlias = Annotated[
    str,
    Field(
        pattern=shape(
            r"^[0-9A-Za-z.!#$%&'*+/=?^_{|}~-]{1,64}@[0-9A-Za-z-]{1,63}(\.[0-9A-Za-z-]{1,63})*$",
            "must be an e-mail address such as office@firm.example",
        )
    ),
]
Phone: TypeAlias = Annotated[
    str, Field(pattern=shape(r"^\+?[0-9() -]{3,24}$", "must be a telephone number such as +74951230001"))
]
Link: TypeAlias = Annotated[
    str,
    Field(
        pattern=shape(
            r"^https?://[^\s\"'<>]{1,500}$", "must be an address that begins with https:// or http://"
        )
    ),
]
"""Only http and https: a `javascript:` link never gets onto an agent's screen."""
FieldName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
DayText: TypeAlias = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
_LINK_LIKE = re.compile(r"\b(javascript|data|vbscript)\s*:", re.IGNORECASE)


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date: write 2027-01-01") from None


Day: TypeAlias = Annotated[DayText, Field(description="A date such as 2027-01-01")]


class ProjectHours(OpeningHours):
    """Opening hours as in queues.yaml, and the state's holidays."""

    holidays: Literal["RU", "BY", "KZ"] | None = Field(default=None, description="State whose days off count")
    holiday_hours: str = Field(default="closed", description="Hours on those days")

    @field_validator("holiday_hours")
    @classmethod
    def _hours(cls, value: str) -> str:
        intervals_of(value)
        return value


class When(Section):
    """A time window: days of the week, hours, dates. What is missing does not matter."""

    days: str = Field(default="daily", description="mon-fri, or several with commas")
    hours: str = Field(
        default="00:00-24:00", description="Intervals with commas; 18:00-09:00 runs over midnight"
    )
    first: Day | None = Field(default=None, alias="from", description="First date")
    last: Day | None = Field(default=None, alias="to", description="Last date")

    @model_validator(mode="after")
    def _sound(self) -> When:
        for part in self.days.split(","):
            days_of(part.strip())
        if not intervals_of(self.hours):
            raise ValueError("hours must name at least one interval")
        if self.first and self.last and _day(self.first) > _day(self.last):
            raise ValueError("`from` is after `to`")
        return self


class Phrase(Section):
    """A text with its window."""

    text: Text = Field(description="What is said or told")
    when: When = Field(default=When(), description="When it holds; the narrowest window wins")

    @field_validator("text")
    @classmethod
    def _no_scripts(cls, value: str) -> str:
        if _LINK_LIKE.search(value):
            raise ValueError("links may only be http:// or https://")
        return value


class InstructionEntry(Phrase):
    """What the agent is told."""

    call_type: Name | str = Field(default="", description="Only for calls of this type")
    topic: str = Field(
        default="", max_length=40, description="Of one topic only the narrowest window is shown"
    )


class Condition(Section):
    """Which caller a routing rule or a step of the script speaks of."""

    open: Annotated[str, Field(pattern=r"^[a-z_]{0,20}$")] = Field(
        default="", description="An open matter of this kind"
    )
    state: str = Field(default="", max_length=40, description="State of that matter")
    known: Flag | None = Field(default=None, description="The caller is known, or not")
    hours: Literal["open", "closed"] | None = Field(
        default=None, description="The subscriber is open or closed"
    )
    product: str = Field(default="", max_length=80, description="Product by licence number")


class ScriptEntry(Phrase):
    """One thing the agent says."""

    stage: Literal["greeting", "talk", "closing"] = Field(
        default="talk", description="While it rings, while the form is filled, once it is complete"
    )
    note: str = Field(default="", max_length=300, description="For the agent's eyes")
    topic: str = Field(
        default="", max_length=40, description="Of one topic only the first that fits is shown"
    )
    about: Condition = Field(default=Condition(), description="Only to such callers")

    @field_validator("text")
    @classmethod
    def _values(cls, value: str) -> str:
        if odd := unknown_values(value):
            raise ValueError(f"{{{odd[0]}}} is not known: write one of {', '.join(VALUES)}")
        return value


def _phrases(value: Any) -> Any:
    return [{"text": value}] if isinstance(value, str) else value


class PersonEntry(Section):
    """One of the subscriber's key people."""

    name: Name = Field(description="Shown to agents")
    email: Email | Literal[""] = Field(default="", description="For messages")
    phone: Phone | Literal[""] = Field(default="", description="For SMS and calls")
    agent: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{0,16}$")] = Field(
        default="", description="Agent id, if calls can ring here"
    )
    calendar: Annotated[
        str, Field(pattern=r"^(https://[^\s\"'<>]+|[0-9A-Za-z_./-]+\.ics|)$", max_length=500)
    ] = Field(default="", description="iCalendar file beside the project, or https address")
    quiet: str = Field(default="closed", description="Hours in which only urgent messages are sent")

    @field_validator("quiet")
    @classmethod
    def _hours(cls, value: str) -> str:
        intervals_of(value)
        return value


class RotationEntry(Section):
    """People who take turns."""

    people: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=50)] = Field(
        description="In their order"
    )
    starts: Day = Field(description="The day of the first one's first turn")
    every_days: Annotated[Whole, Field(ge=1, le=365)] = Field(default=7, description="Length of a turn")
    hand_over: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = Field(
        default="09:00", description="Local time of the hand-over"
    )
    instead: dict[Day, Identifier] = Field(default_factory=dict, description="Date of a turn: who takes it")


class FormFieldEntry(Section):
    """One field of the message form."""

    label: Name = Field(description="Shown to the agent and in the message")
    kind: Literal[
        "text", "lines", "phone", "email", "number", "date", "time", "datetime", "choice", "yesno"
    ] = Field(default="text", description="What may be typed")
    required: Flag = Field(default=False, description="The card cannot be saved without it")
    choices: dict[Name, Name] = Field(default_factory=dict, description="For kind choice, value: label")
    prefill: Literal["", "ani", "name", "organisation"] = Field(default="", description="What it starts with")
    phrases: Annotated[tuple[Name, ...], Field(max_length=12)] = Field(
        default=(), description="Ready-made texts"
    )

    @model_validator(mode="after")
    def _choices(self) -> FormFieldEntry:
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError("choices belong to kind choice, and it needs them")
        return self


class OutcomeEntry(Section):
    """How a call can end for its client."""

    label: Name = Field(description="Shown to the agent")
    needs_message: Flag = Field(default=False, description="The required fields must be filled")


class FormEntry(Section):
    """The agreed written form."""

    fields: dict[FieldName, FormFieldEntry] = Field(default_factory=dict, description="In their order")
    outcomes: dict[FieldName, OutcomeEntry] = Field(default_factory=dict, description="How a call can end")
    subject: str = Field(default="", max_length=300, description="Template of the subject")
    text: str = Field(default="", max_length=8_000, description="Template; empty = one line per field")

    @field_validator("fields")
    @classmethod
    def _not_the_desks_own(cls, value: dict[str, FormFieldEntry]) -> dict[str, FormFieldEntry]:
        taken = RESERVED & set(value)
        if taken:
            raise ValueError(f"{', '.join(sorted(taken))} is written by the desk itself")
        return value

    @model_validator(mode="after")
    def _renders(self) -> FormEntry:
        sample = dict.fromkeys(self.fields, "sample") | dict.fromkeys(STANDARD_VALUES, "sample")
        for template in (self.subject, self.text):
            try:
                render(template, sample | {"fields": [{"label": "sample", "value": "sample"}]})
            except TemplateRefusedError as error:
                raise ValueError(str(error)) from None
        return self


STANDARD_VALUES = (
    "subscriber", "card", "caller", "caller_name", "did", "date", "time", "agent", "urgency", "call_type", "disposition",
)  # fmt: skip
"""What every template may use besides the form's own fields."""


class DeliveryEntry(Section):
    """Which message goes to whom, how. All conditions given must hold."""

    to: Annotated[
        str, Field(pattern=r"^((on_call|person):[0-9A-Za-z_-]{1,32}|[^\s:\"'<>]+|https?://[^\s\"'<>]+)$")
    ] = Field(description="on_call:ROTATION, person:ID or an address")
    by: Literal["email", "sms", "webhook", "call"] = Field(default="email", description="Channel")
    urgency: Literal["", "normal", "urgent"] = Field(default="", description="Only such messages")
    hours: str = Field(default="00:00-24:00", description="Only at these local hours")
    when: Literal["open", "closed"] | None = Field(
        default=None, description="Only while the subscriber is open, closed"
    )
    call_types: tuple[Name, ...] = Field(default=(), description="Only these types of call")
    acknowledge_s: Annotated[Number, Field(ge=0, le=86_400)] = Field(
        default=0.0, description="Somebody must acknowledge within this; then the next person is asked"
    )
    rounds: Annotated[Whole, Field(ge=1, le=10)] = Field(
        default=2, description="How often everybody is asked"
    )
    digest: tuple[Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")], ...] = Field(
        default=(), description="Local times at which what came is sent as one"
    )
    quiet: str = Field(default="closed", description="Hours in which nothing that is not urgent leaves")

    @model_validator(mode="after")
    def _a_call_is_answered_by_a_key(self) -> DeliveryEntry:
        if self.by == "call" and (not self.acknowledge_s or self.digest):
            raise ValueError("a message by phone is acknowledged by a key: give acknowledge_s, and no digest")
        return self

    @field_validator("hours", "quiet")
    @classmethod
    def _hours(cls, value: str) -> str:
        intervals_of(value)
        return value


class RoutingEntry(Section):
    """If the caller is like this, the call needs that."""

    name: Name = Field(description="Shown in the explanation")
    when: Condition = Field(default=Condition(), description="Conditions; all must hold")
    needs: dict[Identifier, Level] = Field(default_factory=dict, description="Skill: level")
    queue: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{0,32}$")] = Field(
        default="", description="Another department's queue"
    )
    person: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{0,32}$")] = Field(
        default="", description="Person id, or `responsible`"
    )
    priority: Annotated[Number, Field(gt=0, le=100)] = Field(default=1.0, description="Multiplier")
    otherwise: Literal["queue", "message", "escalate"] = Field(
        default="message", description="When the person's calendar says no"
    )


class AnswerEntry(Section):
    """What a caller is told before anybody is rung, when this is all that is open of him."""

    name: Name = Field(description="Shown on the card")
    when: Condition = Field(description="Of which open matter; `open` is needed")
    before: Sound | None = Field(default=None, description="Sound before the number")
    number: Flag = Field(default=False, description="Say the digits of the matter's number")
    after: Sound | None = Field(default=None, description="Sound after the number, before the date")
    date: Flag = Field(default=False, description="Say the matter's date")
    person: Sound = Field(description="Sound: press 1 for a person, or hang up")

    @model_validator(mode="after")
    def _about_something(self) -> Self:
        if not self.when.open:
            raise ValueError("say of which open matter: when: {open: order}")
        if not (self.before or self.number or self.after or self.date):
            raise ValueError("nothing is said: give before, number, after or date")
        return self


class SourceEntry(Section):
    """One place to ask about a caller."""

    kind: Literal["local", "licences", "http"] = Field(description="Where")
    url: Link | Literal[""] = Field(default="", description="http: address with {number} in it")
    token_file: Annotated[str, Field(pattern=r"^[0-9A-Za-z_./-]{0,200}$")] = Field(
        default="", description="File in the state directory with the bearer token"
    )
    mapping: dict[FieldName, str] = Field(default_factory=dict, description="Our name: path in the answer")
    matter: dict[FieldName, str] = Field(
        default_factory=dict, description="Our name: path in one matter, or =word"
    )

    @model_validator(mode="after")
    def _address(self) -> SourceEntry:
        if (self.kind == "http") != bool(self.url):
            raise ValueError("`url` belongs to kind http, and http needs it")
        if self.url and ("{" in self.url.split("/", 3)[2] or "{number}" not in self.url):
            raise ValueError("the url must hold {number}, and not in the host's name")
        return self


class CaseEntry(Section):
    """When a call becomes a case."""

    dispositions: tuple[Name, ...] = Field(
        default=("case", "ticket", "unsettled"), description="Outcomes of a call that open a case"
    )
    owner: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{0,32}$")] = Field(
        default="", description="Person or agent id"
    )
    helpdesk: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{0,32}$")] = Field(
        default="", description="Id under desk.helpdesks"
    )
    tell_client: Flag = Field(default=True, description="E-mail the client a link to the state page")


class TargetEntry(Section):
    """Service level of one operation."""

    within_s: Annotated[Number, Field(gt=0, le=30 * 86_400)] = Field(description="Target")
    working_time: Flag = Field(
        default=False, description="The clock stands still while the subscriber is closed"
    )
    share: Annotated[Number, Field(gt=0, le=1)] = Field(default=0.95, description="Share promised")


class Targets(Section):
    """Service levels by operation; what is missing has the product's default."""

    answer: TargetEntry | None = None
    card_filled: TargetEntry | None = None
    message_delivered: TargetEntry | None = None
    message_acknowledged: TargetEntry | None = None
    first_reply: TargetEntry | None = None
    callback_made: TargetEntry | None = None
    ticket_resolved: TargetEntry | None = None


class ProjectFile(Section):
    """One subscriber's project, after what it extends was laid under it."""

    extends: Identifier | None = Field(default=None, description="Typical project in types/")
    name: Name = Field(description="The firm's name")
    subscriber: Identifier | None = Field(default=None, description="Id; absent = the file's name")
    queue: Identifier | None = Field(default=None, description="Waiting line; absent = the file's name")
    numbers: Annotated[tuple[DialledNumber, ...], Field(min_length=1, max_length=200)] = Field(
        description="Dialled numbers that are this firm's"
    )
    language: Language = Field(default="ru", description="Language of the firm's callers")
    time_zone: str = Field(default="Europe/Moscow", description="Where the firm is")
    greeting: Annotated[tuple[Phrase, ...], BeforeValidator(_phrases)] = Field(
        default=(), description="Phrase the agent answers with, or several with windows"
    )
    ask_card_sound: Sound | None = Field(
        default=None, description="Sound that asks callers for an earlier card's number; absent = not asked"
    )
    greeting_sound: Sound | None = Field(default=None, description="Sound played before waiting")
    promise: PromiseSettings = Field(default=PromiseSettings(), description="Service level of answering")
    needs: tuple[NeedSettings, ...] = Field(default=(), description="Skills of the agents")
    priority: Annotated[Number, Field(gt=0, le=100)] = Field(default=1.0, description="Multiplier on urgency")
    wrap_up_s: Annotated[Number, Field(ge=0, le=3_600)] = Field(
        default=120.0, description="Time for the card"
    )
    max_wait_s: Seconds = Field(default=600.0, description="Then the call goes to fallback")
    opening: ProjectHours = Field(default=ProjectHours(), description="When the firm works")
    calls: Literal["open", "always"] = Field(
        default="open", description="When its calls are taken: while the firm works, or around the clock"
    )
    people: dict[Identifier, PersonEntry] = Field(default_factory=dict, description="Key people by id")
    on_call: dict[Identifier, RotationEntry] = Field(default_factory=dict, description="Rotations by id")
    instructions: tuple[InstructionEntry, ...] = Field(default=(), description="What agents are told")
    script: Annotated[tuple[ScriptEntry, ...], Field(max_length=60)] = Field(
        default=(), description="What the agent says, stage by stage"
    )
    form: FormEntry = Field(default=FormEntry(), description="The written message")
    deliver: tuple[DeliveryEntry, ...] = Field(default=(), description="Who gets messages")
    routing: tuple[RoutingEntry, ...] = Field(default=(), description="Rules by what is open")
    answers: Annotated[tuple[AnswerEntry, ...], Field(max_length=20)] = Field(
        default=(), description="What callers are told before anybody is rung; the first that fits"
    )
    dossier: tuple[SourceEntry, ...] = Field(
        default=(SourceEntry(kind="local"),), description="Where to ask who calls"
    )
    cases: CaseEntry = Field(default=CaseEntry(), description="What is not settled")
    targets: Targets = Field(default=Targets(), description="Service levels of every operation")
    retention_days: Days = Field(default=365, description="Messages and cases are kept for so long")
