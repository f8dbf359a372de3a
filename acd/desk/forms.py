"""What an agent fills in while talking: the form of a subscriber's message, as data.

A form is a list of typed fields with required ones and ready-made phrases, and the outcomes a call may
have. `default_form` serves every subscriber who has no form of his own. The page draws a form from
`Form.to_data()`; a project file brings its own through `from_data`, which tells all mistakes at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = ("text", "lines", "phone", "email", "number", "date", "time", "datetime", "choice", "yesno")
"""`text` is one line, `lines` several; `datetime` is local time as YYYY-MM-DDTHH:MM."""
PREFILLS = ("", "ani", "name", "organisation")
"""What a field starts with: the caller's number or what the dossier knows. A hint the agent confirms."""
LANGUAGES = ("ru", "en")

MAX_FIELDS = 30
MAX_PHRASES = 12
MAX_CHOICES = 40
MAX_LINE, MAX_LINES = 300, 4_000
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,39}$")
MESSAGE, MESSAGE_SUBJECT, PLAIN_FORM = "message", "message_subject", "plain_form"
"""What the desk keeps on a card of the message as it was shown: text, head, and why it is in the plain form."""
HANDED_TO = "handed_to"
"""Person of the subscriber to whom the call was handed on: the written message goes to him as well."""
RESERVED = frozenset(
    {"disposition", MESSAGE, MESSAGE_SUBJECT, PLAIN_FORM, HANDED_TO, "form", "identity_confirmed"}
)
"""Names the desk itself writes into the card."""


class FormError(ValueError):
    """The data are not a form. `problems` holds every mistake, each with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to ask for."""

    name: str
    label: str
    kind: str = "text"
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    """(value, label) of a `choice`."""
    phrases: tuple[str, ...] = ()
    """Ready-made texts, put in by one key."""
    help: str = ""
    prefill: str = ""
    minimum: float | None = None
    maximum: float | None = None

    @property
    def max_length(self) -> int:
        """Characters this field holds."""
        return MAX_LINES if self.kind == "lines" else MAX_LINE


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the call ended for its client. `needs_message`: the required fields must be filled."""

    value: str
    label: str
    needs_message: bool = True


@dataclass(frozen=True, slots=True)
class Form:
    """The agreed form of one subscriber. `language` is that of the written message."""

    id: str
    title: str
    language: str
    fields: tuple[Field, ...]
    outcomes: tuple[Outcome, ...]

    def to_data(self) -> dict[str, Any]:
        """Return what the page reads: plain lists and mappings."""
        return {
            "id": self.id,
            "title": self.title,
            "language": self.language,
            "fields": [_field_data(field) for field in self.fields],
            "outcomes": [
                {"value": o.value, "label": o.label, "needs_message": o.needs_message} for o in self.outcomes
            ],
        }


def _field_data(field: Field) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": field.name,
        "label": field.label,
        "kind": field.kind,
        "required": field.required,
        "max_length": field.max_length,
    }
    if field.choices:
        data["choices"] = [list(pair) for pair in field.choices]
    if field.phrases:
        data["phrases"] = list(field.phrases)
    for key in ("help", "prefill", "minimum", "maximum"):
        if getattr(field, key) not in ("", None):
            data[key] = getattr(field, key)
    return data


# --- the form every subscriber has before his own ----------------------------------------------

_DEFAULT_WORDS = {
    "ru": {
        "title": "Сообщение",
        "caller_name": "Кто звонит",
        "callback_number": "Перезвонить по номеру",
        "subject": "Тема",
        "note": "Сообщение",
        "urgency": "Срочность",
        "normal": "обычная",
        "today": "сегодня",
        "urgent": "срочно",
        "callback_help": "Повторите номер вслух",
        "phrases": ("Просит перезвонить.", "Уточняет состояние заказа.", "Перезвонит сам позже."),
        "out_message": "Передать сообщение",
        "out_callback": "Просит перезвонить",
        "out_ticket": "Нужна заявка",
        "out_settled": "Решено в разговоре",
        "out_transferred": "Переведён",
        "out_cut": "Связь прервалась",
        "out_wrong": "Ошиблись номером",
    },
    "en": {
        "title": "Message",
        "caller_name": "Who is calling",
        "callback_number": "Number to call back",
        "subject": "Subject",
        "note": "Message",
        "urgency": "Urgency",
        "normal": "normal",
        "today": "today",
        "urgent": "urgent",
        "callback_help": "Read the number back",
        "phrases": ("Asks to be called back.", "Asks about the state of an order.", "Will call again."),
        "out_message": "Pass the message on",
        "out_callback": "Wants a callback",
        "out_ticket": "Needs a ticket",
        "out_settled": "Settled in the call",
        "out_transferred": "Transferred",
        "out_cut": "Line was cut",
        "out_wrong": "Wrong number",
    },
}


def default_form(language: str) -> Form:
    """Return the form of a subscriber without one of his own; an unknown language gets English."""
    known = language if language in LANGUAGES else "en"
    words: Mapping[str, Any] = _DEFAULT_WORDS[known]
    urgency = tuple((value, str(words[value])) for value in ("normal", "today", "urgent"))
    return Form(
        id="default",
        title=str(words["title"]),
        language=known,
        fields=(
            Field("caller_name", str(words["caller_name"]), required=True, prefill="name"),
            Field(
                "callback_number",
                str(words["callback_number"]),
                "phone",
                required=True,
                help=str(words["callback_help"]),
                prefill="ani",
            ),
            Field("urgency", str(words["urgency"]), "choice", choices=urgency),
            Field("subject", str(words["subject"]), required=True),
            Field("note", str(words["note"]), "lines", required=True, phrases=tuple(words["phrases"])),
        ),
        outcomes=default_outcomes(known),
    )


def default_outcomes(language: str) -> tuple[Outcome, ...]:
    """Return the outcomes used where a form names none."""
    words: Mapping[str, Any] = _DEFAULT_WORDS[language if language in LANGUAGES else "en"]
    with_message = ("message", "callback", "ticket")
    without = ("settled", "transferred", "cut", "wrong")
    return tuple(
        Outcome(value, str(words[f"out_{value}"]), needs_message=value in with_message)
        for value in (*with_message, *without)
    )


# --- reading -----------------------------------------------------------------------------------


def from_data(data: object, *, id: str = "", language: str = "ru") -> Form:  # noqa: A002 - the form's own word
    """Read a form from plain data (a project file, a dossier); a bare list means its fields.

    Raises FormError with every problem.
    """
    if isinstance(data, list | tuple):
        data = {"fields": data}
    if not isinstance(data, Mapping):
        raise FormError(["a form is a mapping with `fields`, or a list of fields"])
    problems = _unknown(data, {"id", "title", "language", "fields", "outcomes"}, "form")
    spoken = _text(data, "language", language, 10, "form", problems)
    if spoken not in LANGUAGES:
        problems.append(f"form.language: one of {', '.join(LANGUAGES)}")
    fields = _fields(data.get("fields"), problems)
    outcomes = _outcomes(data.get("outcomes"), spoken, problems)
    form = Form(
        id=_text(data, "id", id or "form", 64, "form", problems),
        title=_text(
            data, "title", str(_DEFAULT_WORDS.get(spoken, {}).get("title", "")), 100, "form", problems
        ),
        language=spoken,
        fields=fields,
        outcomes=outcomes,
    )
    if problems:
        raise FormError(problems)
    return form


def _fields(data: object, problems: list[str]) -> tuple[Field, ...]:
    if not isinstance(data, list | tuple) or not 0 < len(data) <= MAX_FIELDS:
        problems.append(f"fields: a list of 1 to {MAX_FIELDS}")
        return ()
    found = [_field(entry, f"fields[{n}]", problems) for n, entry in enumerate(data)]
    names = [field.name for field in found if field is not None]
    problems += [
        f"fields: {name} stands there twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    return tuple(field for field in found if field is not None)


def _field(data: object, where: str, problems: list[str]) -> Field | None:
    if not isinstance(data, Mapping):
        problems.append(f"{where}: a mapping")
        return None
    allowed = {
        "name", "label", "kind", "required", "choices", "phrases", "help", "prefill", "minimum", "maximum",
        "max_length",
    }  # fmt: skip
    problems += _unknown(data, allowed, where)
    name = _text(data, "name", "", 40, where, problems)
    if not _NAME.match(name):
        problems.append(f"{where}.name: lower-case letters, digits, underscore; a letter first")
    if name in RESERVED:
        problems.append(f"{where}.name: {name} is written by the desk itself")
    kind = _one_of(data, "kind", "text", KINDS, where, problems)
    choices = _choices(data.get("choices", ()), where, problems)
    if (kind == "choice") != bool(choices):
        problems.append(f"{where}.choices: needed by a choice, and only by it")
    required = data.get("required", False)
    if not isinstance(required, bool):
        problems.append(f"{where}.required: true or false")
    return Field(
        name=name,
        label=_text(data, "label", name, 100, where, problems),
        kind=kind,
        required=required is True,
        choices=choices,
        phrases=_phrases(data.get("phrases", ()), where, problems),
        help=_text(data, "help", "", 300, where, problems),
        prefill=_one_of(data, "prefill", "", PREFILLS, where, problems),
        minimum=_number(data, "minimum", where, problems),
        maximum=_number(data, "maximum", where, problems),
    )


def _choices(data: object, where: str, problems: list[str]) -> tuple[tuple[str, str], ...]:
    """A list of texts, of [value, label], or a mapping value: label."""
    if isinstance(data, Mapping):
        data = list(data.items())
    if not isinstance(data, list | tuple) or len(data) > MAX_CHOICES:
        problems.append(f"{where}.choices: a list of at most {MAX_CHOICES}")
        return ()
    pairs = []
    for entry in data:
        pair = [entry, entry] if isinstance(entry, str) else entry
        good = isinstance(pair, list | tuple) and len(pair) == 2 and all(_is_line(part) for part in pair)  # noqa: PLR2004 - a pair
        if not good:
            problems.append(f"{where}.choices: each is a text, or a value with its label")
            return ()
        pairs.append((str(pair[0]), str(pair[1])))
    return tuple(pairs)


def _phrases(data: object, where: str, problems: list[str]) -> tuple[str, ...]:
    if not isinstance(data, list | tuple) or len(data) > MAX_PHRASES or not all(_is_line(p) for p in data):
        problems.append(f"{where}.phrases: at most {MAX_PHRASES} texts of one line")
        return ()
    return tuple(data)


def _outcomes(data: object, language: str, problems: list[str]) -> tuple[Outcome, ...]:
    if data is None:
        return default_outcomes(language)
    if not isinstance(data, list | tuple) or not 0 < len(data) <= MAX_CHOICES:
        problems.append(f"outcomes: a list of 1 to {MAX_CHOICES}")
        return ()
    found = []
    for n, entry in enumerate(data):
        where = f"outcomes[{n}]"
        if not isinstance(entry, Mapping):
            problems.append(f"{where}: a mapping")
            continue
        problems += _unknown(entry, {"value", "label", "needs_message"}, where)
        value = _text(entry, "value", "", 40, where, problems)
        if not _NAME.match(value):
            problems.append(f"{where}.value: lower-case letters, digits, underscore; a letter first")
        needs = entry.get("needs_message", True)
        if not isinstance(needs, bool):
            problems.append(f"{where}.needs_message: true or false")
        found.append(Outcome(value, _text(entry, "label", value, 100, where, problems), needs is True))
    return tuple(found)


def _unknown(data: Mapping[Any, Any], known: set[str], where: str) -> list[str]:
    return [f"{where}: unknown key {str(key)[:40]!r}" for key in data if key not in known]


def _is_line(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_LINE and value.isprintable()


def _text(
    data: Mapping[Any, Any], key: str, default: str, limit: int, where: str, problems: list[str]
) -> str:
    value = data.get(key, default)
    if not isinstance(value, str) or len(value) > limit or not value.isprintable():
        problems.append(f"{where}.{key}: one line of at most {limit} characters")
        return default
    return value


def _one_of(
    data: Mapping[Any, Any], key: str, default: str, allowed: Sequence[str], where: str, problems: list[str]
) -> str:
    value = data.get(key, default)
    if value not in allowed:
        problems.append(f"{where}.{key}: one of {', '.join(filter(None, allowed))}")
        return default
    return str(value)


def _number(data: Mapping[Any, Any], key: str, where: str, problems: list[str]) -> float | None:
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        problems.append(f"{where}.{key}: a number")
        return None
    return float(value)
