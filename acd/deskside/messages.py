"""From a card's fields to the written message in the subscriber's form. What the agent wrote is never lost.

The agent's page renders the message while it is typed and keeps it in the card's field `message`: then that
text is sent as it stands. A card filled elsewhere is rendered here, by the project's template or line by line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.desk.hours import local
from acd.deskside.templates import TemplateRefusedError, one_line, render

if TYPE_CHECKING:
    from acd.core.card import CallCard
    from acd.desk.project import Project

OWN = frozenset({"message", "form", "identity_confirmed"})
URGENT = frozenset({"urgent", "срочно"})


@dataclass(frozen=True, slots=True)
class Written:
    """A message ready to be delivered."""

    subject: str
    body: str
    urgency: str
    call_type: str


def has_message(project: Project, fields: Mapping[str, str]) -> bool:
    """Tell whether the card says something to the subscriber."""
    if fields.get("message", "").strip():
        return True
    return any(f.kind == "lines" and fields.get(f.name, "").strip() for f in project.form.fields)


def compose(project: Project, card: CallCard) -> Written | None:
    """Return the written message of a card, None when it holds none. Never raises for what people typed."""
    fields = dict(card.fields)
    if not has_message(project, fields):
        return None
    urgency = "urgent" if fields.get("urgency", "").strip().lower() in URGENT else "normal"
    values = _values(project, card, fields) | {"urgency": urgency}
    body = fields.get("message", "").strip() and fields["message"]
    return Written(
        subject=_subject(project, values),
        body=body or _body(project, card, values),
        urgency=urgency,
        call_type=one_line(fields.get("call_type", ""), 40),
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


def _subject(project: Project, values: Mapping[str, object]) -> str:
    if project.form.subject:
        try:
            return one_line(render(project.form.subject, values))
        except TemplateRefusedError:
            pass  # the plain subject is right too; a message is never held up by a template
    said = values.get("subject") or values.get("caller_name") or values["card"]
    return one_line(f"{project.name}: {said}")


def _body(project: Project, card: CallCard, values: Mapping[str, object]) -> str:
    if project.form.text:
        try:
            return render(project.form.text, values)
        except TemplateRefusedError:
            pass
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
