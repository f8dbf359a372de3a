"""From a card's fields to the written message in the subscriber's form. What the agent wrote is never lost.

The agent's page renders the message while it is typed and keeps text and subject in the card's own fields: then
they are sent as they stand. A card filled elsewhere becomes a draft here; where the subscriber's template must
still run, acd.deskside.press has that done, outside of every transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.desk.forms import MESSAGE, MESSAGE_SUBJECT, PLAIN_FORM
from acd.desk.hours import local
from acd.desk.message import one_line

if TYPE_CHECKING:
    from acd.core.card import CallCard
    from acd.desk.project import Project

URGENT = frozenset({"urgent", "срочно"})


@dataclass(frozen=True, slots=True)
class Written:
    """A message ready to be delivered."""

    subject: str
    body: str
    urgency: str
    call_type: str
    plain: str = ""
    """Why the subscriber's template was not used and the plain form stands here; empty: nothing went wrong."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as far as no template is needed: `subject` and `body` are right already, or the plain form."""

    subject: str
    body: str
    urgency: str
    call_type: str
    plain: str
    values: Mapping[str, object]
    """What the templates may use."""
    subject_template: str = ""
    body_template: str = ""

    @property
    def owed(self) -> bool:
        """Tell whether a template must still run."""
        return bool(self.subject_template or self.body_template)

    def written(self, subject: str = "", body: str = "", plain: str = "") -> Written:
        """Return the message, with what the templates made of it; empty parts stay in the plain form."""
        return Written(
            one_line(subject) or self.subject,
            body or self.body,
            self.urgency,
            self.call_type,
            self.plain or plain,
        )


def has_message(project: Project, fields: Mapping[str, str]) -> bool:
    """Tell whether the card says something to the subscriber."""
    if fields.get(MESSAGE, "").strip():
        return True
    return any(f.kind == "lines" and fields.get(f.name, "").strip() for f in project.form.fields)


def draft(project: Project, card: CallCard) -> Draft | None:
    """Return what a card says to the subscriber, None when it is nothing. Never raises for what people typed."""
    fields = dict(card.fields)
    if not has_message(project, fields):
        return None
    urgency = "urgent" if fields.get("urgency", "").strip().lower() in URGENT else "normal"
    values = _values(project, card, fields) | {"urgency": urgency}
    kept = fields.get(MESSAGE, "").strip() and fields[MESSAGE]
    headed = one_line(fields.get(MESSAGE_SUBJECT, "")) if kept else ""
    said = values.get("subject") or values.get("caller_name") or values["card"]
    return Draft(
        subject=headed or one_line(f"{project.name}: {said}"),
        body=kept or _plain(project, card, values),
        urgency=urgency,
        call_type=one_line(fields.get("call_type", ""), 40),
        plain=fields.get(PLAIN_FORM, "") if kept else "",
        values=values,
        subject_template="" if headed else project.form.subject,
        body_template="" if kept else project.form.text,
    )


def _values(project: Project, card: CallCard, fields: Mapping[str, str]) -> dict[str, object]:
    moment = local(card.entered_at, project.hours.zone)
    known = {f.name: fields.get(f.name, "") for f in project.form.fields}
    filled = [
        {"name": f.name, "label": f.label, "value": dict(f.choices).get(fields[f.name], fields[f.name])}
        for f in project.form.fields
        if fields.get(f.name, "").strip()
    ]
    return {
        "subscriber": project.name,
        "card": card.number,
        "caller": card.ani,
        "did": card.did,
        "date": f"{moment:%d.%m.%Y}",
        "time": f"{moment:%H:%M}",
        "agent": card.agent or "",
        "call_type": fields.get("call_type", ""),
        "disposition": fields.get("disposition", ""),
        "caller_name": fields.get("caller_name", ""),
        **known,
        "fields": filled,
    }


def _plain(project: Project, card: CallCard, values: Mapping[str, object]) -> str:
    """The form nobody has to agree on: one line per field."""
    lines = [f"{project.name}", f"{values['date']} {values['time']}, № {card.number}", ""]
    for name, label, value in _filled(values):
        inner = str(value).replace("\r\n", "\n").strip()
        plain = "\n" not in inner
        # text of several lines is indented: no caller's text can look like another field
        shown = inner if plain else "\n" + "\n".join(f"  {line}" for line in inner.split("\n"))
        lines.append(f"{label}: {shown}" if name else shown)
    lines.append(f"{card.ani}" if card.ani else "")
    return "\n".join(lines).rstrip() + "\n"


def _filled(values: Mapping[str, object]) -> list[tuple[str, str, str]]:
    held = values["fields"]
    assert isinstance(held, list)  # noqa: S101 - made above
    return [(str(item["name"]), one_line(str(item["label"])), str(item["value"])) for item in held]
