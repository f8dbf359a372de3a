"""The agreed written form: fields in, the message's text out (000-10). Pure: preview and delivery call this.

One line per field, `label: value`; several lines of text stand indented under their label, so that no
caller's text can look like another field, a mail header or a spreadsheet formula. What the agent typed is
never retold or cut: what does not fit the field's type is a problem, named, and the text stays.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from acd.desk.forms import Field, Form

MAX_TEXT = 16_000
"""Characters of a whole message; the card's limit for one field lies above."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PHONE = re.compile(r"^\+?[0-9 ()./-]{2,40}(?:(?:#|доб\.? ?|ext\.? ?)[0-9]{1,6})?$", re.IGNORECASE)
_EMAIL = re.compile(r"^[^\s@<>(),;:\"]{1,64}@[^\s@<>(),;:\"]{1,190}\.[^\s@<>(),;:\".]{2,63}$")
_PHONE_DIGITS = range(3, 21)
_BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_WORDS = {
    "ru": {"for": "Сообщение для", "card": "Карточка", "agent": "Оператор", "yes": "да", "no": "нет",
           "result": "Итог", "from": "Звонок с номера"},
    "en": {"for": "Message for", "card": "Card", "agent": "Agent", "yes": "yes", "no": "no",
           "result": "Outcome", "from": "Called from"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class About:
    """What the desk knows about the call; every part may be empty."""

    subscriber_name: str = ""
    card_number: str = ""
    taken_at: str = ""
    """Local time of the call, ready to print."""
    agent_name: str = ""
    ani: str = ""
    """The number the network told. A hint, and named so."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What keeps a field from being sent.

    `code`: required, too_long, not_a_phone, not_an_email, not_a_number, not_a_date, not_a_time, not_a_choice, too_small,
    too_large or unknown.
    """

    field: str
    code: str


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered message. `ready`: it may be saved; then `problems` is empty."""

    subject: str
    text: str
    fields: tuple[tuple[str, str], ...]
    """What the card keeps: tidy values by name, and `disposition`."""
    problems: tuple[Problem, ...]
    plain: str = ""
    """Why the subscriber's template was not used and the text is in the plain form."""

    @property
    def ready(self) -> bool:
        """Tell whether nothing is missing."""
        return not self.problems


def compose(form: Form, values: Mapping[str, str], about: About) -> Message:
    """Render `values` (by field name, plus `disposition`) in the subscriber's form.

    Never raises for what a person typed: that comes back as problems, and the text shows what there is.
    """
    words = _WORDS.get(form.language, _WORDS["en"])
    problems = _unknown_fields(form, values)
    outcome = next((o for o in form.outcomes if o.value == values.get("disposition", "")), None)
    if outcome is None:
        problems.append(Problem("disposition", "not_a_choice" if values.get("disposition") else "required"))
    needed = outcome is None or outcome.needs_message
    kept: list[tuple[str, str]] = []
    lines: list[str] = []
    for field in form.fields:
        value = tidy(values.get(field.name, ""), lines=field.kind == "lines")
        if not value:
            if field.required and needed:
                problems.append(Problem(field.name, "required"))
            if field.name in values:
                kept.append((field.name, ""))
            continue
        stored, shown, code = _READERS[field.kind](field, value, words, form.language)
        if len(value) > field.max_length:
            code = "too_long"
        if code and (needed or code == "too_long"):
            # Nobody gets a message: half a number is no reason to keep the agent.
            problems.append(Problem(field.name, code))
        kept.append((field.name, stored))
        lines += _entry(field, shown)
    if outcome is not None:
        kept.append(("disposition", outcome.value))
        lines += ["", f"{words['result']}: {line(outcome.label)}"]
    text = "\n".join([*_head(form, about, words), "", *lines]).strip() + "\n"
    if len(text) > MAX_TEXT:
        problems.append(Problem("message", "too_long"))
    return Message(_subject(form, dict(kept), about), text, tuple(kept), tuple(problems))


def tidy(text: str, *, lines: bool = False) -> str:
    """Return the text without control and direction characters; one line unless `lines`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    kept = "".join(c for c in text if c in "\n\t" or not _is_harmful(c))
    if not lines:
        return " ".join(kept.split())
    return "\n".join(part.rstrip() for part in kept.replace("\t", "    ").split("\n")).strip("\n")


def line(text: str) -> str:
    """Return the text as one harmless line."""
    return tidy(text)


def _is_harmful(char: str) -> bool:
    return char in _BIDI or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")


def _unknown_fields(form: Form, values: Mapping[str, str]) -> list[Problem]:
    known = {field.name for field in form.fields} | {"disposition"}
    return [Problem(name[:40], "unknown") for name in values if name not in known]


def _head(form: Form, about: About, words: Mapping[str, str]) -> list[str]:
    """Say whose message this is and which call it came from."""
    head = [f"{words['for']} {line(about.subscriber_name)}" if about.subscriber_name else line(form.title)]
    card = f"{words['card']} {line(about.card_number)}" if about.card_number else ""
    if card or about.taken_at:
        head.append(" · ".join(part for part in (card, line(about.taken_at)) if part))
    if about.ani:
        head.append(f"{words['from']}: {line(about.ani)}")
    if about.agent_name:
        head.append(f"{words['agent']}: {line(about.agent_name)}")
    return head


def _entry(field: Field, shown: str) -> list[str]:
    if field.kind != "lines":
        return [f"{line(field.label)}: {shown}"]
    return [f"{line(field.label)}:", *(f"  {part}" for part in shown.split("\n"))]


def _subject(form: Form, values: Mapping[str, str], about: About) -> str:
    """The one line that stands for the message in a list or a mail's subject."""
    said = values.get("subject") or values.get("caller_name") or form.title
    start = line(about.subscriber_name)
    return f"{start}: {line(said)}"[:200] if start else line(said)[:200]


# --- typed values: (stored, shown, problem) -----------------------------------------------------

Read = tuple[str, str, str]
Words = Mapping[str, str]


def _plain(_field: Field, value: str, _words: Words, _language: str) -> Read:
    return value, value, ""


def _phone(_field: Field, value: str, _words: Words, _language: str) -> Read:
    digits = sum(c.isdigit() for c in value)
    good = _PHONE.match(value) is not None and digits in _PHONE_DIGITS
    return value, value, "" if good else "not_a_phone"


def _email(_field: Field, value: str, _words: Words, _language: str) -> Read:
    return value, value, "" if _EMAIL.match(value) else "not_an_email"


def _number(field: Field, value: str, _words: Words, _language: str) -> Read:
    compact = value.replace(" ", "").replace("\u00a0", "").replace(",", ".")
    try:
        number = float(compact)
    except ValueError:
        return value, value, "not_a_number"
    if not math.isfinite(number) or not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", compact):
        return value, value, "not_a_number"
    if field.minimum is not None and number < field.minimum:
        return compact, value, "too_small"
    if field.maximum is not None and number > field.maximum:
        return compact, value, "too_large"
    return compact, value, ""


def _date(_field: Field, value: str, _words: Words, language: str) -> Read:
    try:
        return value, _say_date(dt.date.fromisoformat(value), language), ""
    except ValueError:
        return value, value, "not_a_date"


def _time(_field: Field, value: str, _words: Words, _language: str) -> Read:
    good = re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value)
    return value, value, "" if good else "not_a_time"


def _datetime(field: Field, value: str, words: Words, language: str) -> Read:
    day, _, clock = value.partition("T")
    said_day, said_clock = _date(field, day, words, language), _time(field, clock, words, language)
    if said_day[2] or said_clock[2]:
        return value, value, "not_a_date"
    return value, f"{said_day[1]} {said_clock[1]}", ""


def _choice(field: Field, value: str, _words: Words, _language: str) -> Read:
    label = dict(field.choices).get(value)
    return (value, line(label), "") if label is not None else (value, value, "not_a_choice")


def _yes_no(_field: Field, value: str, words: Words, _language: str) -> Read:
    return (value, words[value], "") if value in ("yes", "no") else (value, value, "not_a_choice")


def _say_date(day: dt.date, language: str) -> str:
    if language == "ru":
        return f"{day.day:02}.{day.month:02}.{day.year}"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_READERS: dict[str, Callable[[Field, str, Words, str], Read]] = {
    "text": _plain,
    "lines": _plain,
    "phone": _phone,
    "email": _email,
    "number": _number,
    "date": _date,
    "time": _time,
    "datetime": _datetime,
    "choice": _choice,
    "yesno": _yes_no,
}


def one_line(text: str, most: int = 150) -> str:
    """Return a text fit for a header: one line without control characters, cut."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most]
