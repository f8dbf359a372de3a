"""What the client is told about his case by itself: that it was received, and each public step after that (003-09).

One mail per state: a step back and forth before the mail left is told once, as the last state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from acd.adapters.store import desk_store
from acd.desk.case import Case, Entry, Event
from acd.desk.delivery import Delivery
from acd.desk.message import one_line

if TYPE_CHECKING:
    import aiosqlite

    from acd.core.instant import Instant
    from acd.desk.project import Project
    from acd.deskside.links import Links

CASE_PREFIX: Final = "case-"
"""Messages to clients about cases are kept under this and the case's number."""
RECEIVED: Final = "opened"
TOLD: Final = frozenset(
    {RECEIVED, *(e.value for e in (Event.TAKEN, Event.ASKED_CLIENT, Event.RESOLVED, Event.REOPENED))}
)
"""Events a client is told of; what is only noted stays in the house."""
SUBJECT: Final = {"ru": "{firm}: обращение {number}", "en": "{firm}: case {number}"}
WORDS: Final = {
    "ru": {
        "opened": "Ваше обращение {number} принято: {subject}",
        "taken": "Ваше обращение {number} взято в работу: {subject}",
        "asked_client": "По вашему обращению {number} нужен ваш ответ: {subject}",
        "resolved": "Ваше обращение {number} решено: {subject}",
        "reopened": "Ваше обращение {number} снова открыто: {subject}",
        "link": "Состояние: {link}",
    },
    "en": {
        "opened": "Your request {number} was received: {subject}",
        "taken": "Your request {number} is being worked on: {subject}",
        "asked_client": "Your request {number} needs your answer: {subject}",
        "resolved": "Your request {number} was resolved: {subject}",
        "reopened": "Your request {number} is open again: {subject}",
        "link": "Its state: {link}",
    },
}


async def tell_client(
    db: aiosqlite.Connection, owner: Project, case: Case, entry: Entry, links: Links, now: Instant
) -> bool:
    """Put a notice about one history entry on its way to the client; False when he is not told of it."""
    if not owner.cases.tell_client or not case.client_email or entry.event not in TOLD:
        return False
    if entry.event != RECEIVED and not entry.public:
        return False
    words = WORDS.get(owner.language, WORDS["en"])
    values = {"firm": owner.name, "number": case.number, "subject": case.subject}
    parts = [words[entry.event].format(**values)]
    if entry.public and entry.text.strip() and entry.event != RECEIVED:
        parts.append(entry.text.strip())
    parts.append(words["link"].format(link=links.url("case", case.number)))
    call = f"{CASE_PREFIX}{case.number}"
    subject = one_line(SUBJECT.get(owner.language, SUBJECT["en"]).format(**values))
    made = await desk_store.put_message(
        db,
        desk_store.Message(
            call, 0, case.number, owner.id, "normal", "", subject, "\n".join(parts) + "\n", now
        ),
    )
    if made is None:
        return False
    if made.version > 1:
        await desk_store.supersede(db, call, made.version, now)
    one = Delivery(call, made.version, owner.id, -1, "email", case.client_email, now, now)
    await desk_store.add(db, one, f"to the client: {entry.event}")
    return True
