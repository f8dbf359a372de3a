"""Messages, deliveries, cases and operation clocks in SQL. Every function works inside the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from acd.adapters.store.cards import clean
from acd.desk import delivery as machine
from acd.desk.case import Case, Entry
from acd.desk.case import State as CaseState
from acd.desk.delivery import Delivery, Event, State
from acd.desk.operations import Clock, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import aiosqlite

    from acd.core.instant import Instant


@dataclass(frozen=True, slots=True)
class Message:
    """One version of a card's written message."""

    call: str
    version: int
    number: str
    project: str
    urgency: str
    call_type: str
    subject: str
    body: str
    created_at: Instant


async def put_message(db: aiosqlite.Connection, message: Message) -> Message | None:
    """Store a message as the next version of its call's; None when the wording is that of the last version."""
    text = f"{message.subject}\0{message.body}\0{message.urgency}"
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    rows = list(
        await db.execute_fetchall(
            "SELECT version, digest FROM desk_messages WHERE call = ? ORDER BY version DESC LIMIT 1",
            (message.call,),
        )
    )
    if rows and rows[0]["digest"] == digest:
        return None
    made = replace(
        message,
        version=(int(rows[0]["version"]) if rows else 0) + 1,
        subject=clean(message.subject),
        body=clean(message.body),
    )
    await db.execute(
        "INSERT INTO desk_messages (call, version, digest, number, project, urgency, call_type, subject, body,"
        " created_at) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            *(made.call, made.version, digest, made.number, made.project, made.urgency, made.call_type),
            *(made.subject, made.body, made.created_at),
        ),
    )
    return made


async def message(db: aiosqlite.Connection, call: str, version: int = 0) -> Message | None:
    """Return one version of a message; 0 is the last one."""
    rows = list(
        await db.execute_fetchall(
            "SELECT call, version, number, project, urgency, call_type, subject, body, created_at FROM desk_messages"
            " WHERE call = ? AND (? = 0 OR version = ?) ORDER BY version DESC LIMIT 1",
            (call, version, version),
        )
    )
    return Message(*rows[0]) if rows else None


async def messages(db: aiosqlite.Connection, project: str, since: Instant, limit: int = 200) -> list[Message]:
    """Return the messages of a project, newest first."""
    rows = await db.execute_fetchall(
        "SELECT call, version, number, project, urgency, call_type, subject, body, created_at FROM desk_messages"
        " WHERE project = ? AND created_at >= ? ORDER BY created_at DESC, version DESC LIMIT ?",
        (project, since, limit),
    )
    return [Message(*row) for row in rows]


async def cards_without_message(
    db: aiosqlite.Connection, subscribers: Sequence[str], since: Instant, limit: int = 200
) -> list[str]:
    """Return calls whose card carries a message that never became one (a broken project, a defect, a restart)."""
    rows = await db.execute_fetchall(
        "SELECT DISTINCT f.call FROM card_fields AS f JOIN cards AS c ON c.call = f.call"
        " WHERE f.name IN ('message', 'note') AND trim(f.value) <> '' AND c.stored_at >= ?"
        " AND c.subscriber IN (SELECT value FROM json_each(?))"
        " AND NOT EXISTS (SELECT 1 FROM desk_messages AS m WHERE m.call = f.call) LIMIT ?",
        (since, json.dumps(list(subscribers)), limit),
    )
    return [str(row["call"]) for row in rows]


# --- deliveries ------------------------------------------------------------------------------------

_COLUMNS = (
    "call, version, project, rule, channel, recipient, person, urgent, acknowledge_ms, step, digest, state, attempts,"
    " created_at, next_try_at, first_tried_at, sent_at, deadline, acknowledged_at, acknowledged_by, last_error"
)


def _row(one: Delivery) -> tuple[object, ...]:
    return (
        *(
            one.message,
            one.version,
            one.project,
            one.rule,
            one.channel,
            one.recipient,
            one.person,
            int(one.urgent),
        ),
        *(one.acknowledge_ms, one.step, int(one.digest), one.state.value, one.attempts, one.created_at),
        *(one.next_try_at, one.first_tried_at, one.sent_at, one.deadline, one.acknowledged_at),
        *(one.acknowledged_by, clean(one.last_error)),
    )


def _delivery(row: aiosqlite.Row) -> Delivery:
    return Delivery(
        message=row["call"],
        version=row["version"],
        project=row["project"],
        rule=row["rule"],
        channel=row["channel"],
        recipient=row["recipient"],
        person=row["person"],
        urgent=bool(row["urgent"]),
        acknowledge_ms=row["acknowledge_ms"],
        step=row["step"],
        digest=bool(row["digest"]),
        state=State(row["state"]),
        attempts=row["attempts"],
        created_at=row["created_at"],
        next_try_at=row["next_try_at"],
        first_tried_at=row["first_tried_at"],
        sent_at=row["sent_at"],
        deadline=row["deadline"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_by=row["acknowledged_by"],
        last_error=row["last_error"],
        id=row["id"],
    )


async def add(db: aiosqlite.Connection, one: Delivery, detail: str = "") -> bool:
    """Add a delivery; return whether it is new. The same key again is the same delivery."""
    marks = ",".join("?" * 22)
    cursor = await db.execute(
        f"INSERT INTO deliveries (key, {_COLUMNS}) VALUES ({marks}) ON CONFLICT (key) DO NOTHING",  # noqa: S608 - constants
        (one.key, *_row(one)),
    )
    if not cursor.rowcount:
        return False
    await _log(db, cursor.lastrowid or 0, one.created_at, "created", detail)
    return True


async def _log(db: aiosqlite.Connection, delivery: int, at: Instant, event: str, detail: str) -> None:
    await db.execute(
        "INSERT INTO delivery_log (delivery, at, event, detail) VALUES (?,?,?,?)",
        (delivery, at, event, clean(detail)[:500]),
    )


async def save(
    db: aiosqlite.Connection, one: Delivery, before: State, now: Instant, detail: str = ""
) -> bool:
    """Store what became of a delivery; False when its state is no longer `before`: somebody was quicker."""
    names = [name.strip() for name in _COLUMNS.split(",")]
    values = ", ".join(f"{name} = ?" for name in names)
    cursor = await db.execute(
        f"UPDATE deliveries SET {values} WHERE id = ? AND state = ?",  # noqa: S608 - constants
        (*_row(one), one.id, before.value),
    )
    if cursor.rowcount:
        await _log(db, one.id, now, one.state.value, detail or one.last_error)
    return bool(cursor.rowcount)


async def get(db: aiosqlite.Connection, delivery: int) -> Delivery | None:
    """Return one delivery."""
    rows = list(await db.execute_fetchall("SELECT * FROM deliveries WHERE id = ?", (delivery,)))
    return _delivery(rows[0]) if rows else None


async def of_call(db: aiosqlite.Connection, call: str) -> list[Delivery]:
    """Return every delivery of a call's message, in the order they were made."""
    rows = await db.execute_fetchall("SELECT * FROM deliveries WHERE call = ? ORDER BY id", (call,))
    return [_delivery(row) for row in rows]


async def log_of(db: aiosqlite.Connection, delivery: int) -> list[tuple[Instant, str, str]]:
    """Return (when, event, detail) of a delivery."""
    rows = await db.execute_fetchall(
        "SELECT at, event, detail FROM delivery_log WHERE delivery = ? ORDER BY id", (delivery,)
    )
    return [(int(row["at"]), str(row["event"]), str(row["detail"])) for row in rows]


async def due(db: aiosqlite.Connection, now: Instant, limit: int = 50) -> list[Delivery]:
    """Return single deliveries whose time has come, the urgent ones first."""
    rows = await db.execute_fetchall(
        "SELECT * FROM deliveries WHERE state = 'waiting' AND digest = 0 AND next_try_at <= ?"
        " ORDER BY urgent DESC, id LIMIT ?",
        (now, limit),
    )
    return [_delivery(row) for row in rows]


async def due_digests(db: aiosqlite.Connection, now: Instant) -> dict[str, list[Delivery]]:
    """Return digests whose time has come, by batch id. A batch once composed keeps its members over retries."""
    fresh = await db.execute_fetchall(
        "SELECT project, channel, recipient, min(id) AS first FROM deliveries WHERE state = 'waiting' AND digest = 1"
        " AND batch = '' AND next_try_at <= ? GROUP BY project, channel, recipient",
        (now,),
    )
    for row in fresh:
        await db.execute(
            "UPDATE deliveries SET batch = ? WHERE state = 'waiting' AND digest = 1 AND batch = ''"
            " AND next_try_at <= ? AND project = ? AND channel = ? AND recipient = ?",
            (f"digest:{row['first']}", now, row["project"], row["channel"], row["recipient"]),
        )
    rows = await db.execute_fetchall(
        "SELECT * FROM deliveries WHERE state = 'waiting' AND batch <> '' AND next_try_at <= ? ORDER BY id",
        (now,),
    )
    batches: dict[str, list[Delivery]] = {}
    for row in rows:
        batches.setdefault(str(row["batch"]), []).append(_delivery(row))
    return batches


async def overdue(db: aiosqlite.Connection, now: Instant) -> list[Delivery]:
    """Return deliveries nobody acknowledged in time."""
    rows = await db.execute_fetchall(
        "SELECT * FROM deliveries WHERE state = 'unread' AND deadline <= ? ORDER BY id LIMIT 100", (now,)
    )
    return [_delivery(row) for row in rows]


async def settle_others(db: aiosqlite.Connection, one: Delivery, now: Instant, why: str) -> None:
    """Somebody has the message: nobody else of its escalation is asked any more."""
    for other in await of_call(db, one.message):
        same = other.id != one.id and other.version <= one.version and other.acknowledge_ms > 0
        state = machine.move(other, Event.OTHER_ACKNOWLEDGED)
        if same and state is not None:
            await save(db, replace(other, state=state), other.state, now, why)


async def supersede(db: aiosqlite.Connection, call: str, version: int, now: Instant) -> None:
    """A newer version was made: what has not left of the older ones stays here, nobody is asked for an old one."""
    for other in await of_call(db, call):
        state = machine.move(other, Event.OTHER_ACKNOWLEDGED)
        if other.version < version and state is not None:
            await save(db, replace(other, state=state), other.state, now, f"superseded by version {version}")


async def asked(db: aiosqlite.Connection, one: Delivery) -> list[str]:
    """Return who was asked so far about a message by one rule, in order."""
    rows = await db.execute_fetchall(
        "SELECT person FROM deliveries WHERE call = ? AND version = ? AND rule = ? ORDER BY step",
        (one.message, one.version, one.rule),
    )
    return [str(row["person"]) for row in rows]


async def counts(db: aiosqlite.Connection) -> dict[str, int]:
    """Return how many deliveries stand in each state."""
    rows = await db.execute_fetchall("SELECT state, count(*) AS n FROM deliveries GROUP BY state")
    return {str(row["state"]): int(row["n"]) for row in rows}


# --- cases -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ticket:
    """How a case stands with its help desk."""

    number: str
    helpdesk: str
    told_state: str
    next_sync_at: Instant


async def open_case(db: aiosqlite.Connection, case: Case, helpdesk: str, now: Instant) -> bool:
    """Store a new case; False when its number has one already."""
    cursor = await db.execute(
        "INSERT INTO cases (number, project, state, subject, owner, client, client_name, client_email, helpdesk,"
        " ticket, opened_at, deadline, resolved_at, next_sync_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT DO NOTHING",
        (
            *(case.number, case.project, case.state.value, clean(case.subject), case.owner, case.client),
            *(clean(case.client_name), clean(case.client_email), helpdesk, case.ticket, case.opened_at),
            *(case.deadline, case.resolved_at, now),
        ),
    )
    if not cursor.rowcount:
        return False
    await _history(db, case.number, case.history)
    for call in case.calls:
        await link_call(db, case.number, call)
    return True


async def link_call(db: aiosqlite.Connection, number: str, call: str) -> None:
    """Hang one more call on a case."""
    await db.execute(
        "INSERT INTO case_calls (number, call) VALUES (?,?) ON CONFLICT DO NOTHING", (number, call)
    )


async def _history(db: aiosqlite.Connection, number: str, entries: Iterable[Entry]) -> None:
    await db.executemany(
        "INSERT INTO case_history (number, at, who, event, text, public) VALUES (?,?,?,?,?,?)",
        [(number, e.at, clean(e.who), e.event, clean(e.text)[:2_000], int(e.public)) for e in entries],
    )


async def save_case(db: aiosqlite.Connection, case: Case, known: int) -> None:
    """Store a changed case; `known` is how many history entries were stored before."""
    await db.execute(
        "UPDATE cases SET state = ?, owner = ?, ticket = ?, deadline = ?, resolved_at = ? WHERE number = ?",
        (case.state.value, case.owner, case.ticket, case.deadline, case.resolved_at, case.number),
    )
    await _history(db, case.number, case.history[known:])


async def case(db: aiosqlite.Connection, number: str) -> Case | None:
    """Return one case by its number, or by the number of any card that hangs on it."""
    rows = list(
        await db.execute_fetchall(
            "SELECT * FROM cases WHERE number = ? OR number IN (SELECT k.number FROM case_calls AS k"
            " JOIN cards AS c ON c.call = k.call WHERE c.number = ?) LIMIT 1",
            (number, number),
        )
    )
    return (await _cases(db, rows))[0] if rows else None


async def cases(
    db: aiosqlite.Connection, project: str, *, client: str = "", only_open: bool = True, limit: int = 100
) -> list[Case]:
    """Return the cases of a project, newest first."""
    rows = list(
        await db.execute_fetchall(
            "SELECT * FROM cases WHERE project = ? AND (? = '' OR client = ?)"
            " AND (? = 0 OR state IN ('open', 'in_work', 'waiting')) ORDER BY opened_at DESC LIMIT ?",
            (project, client, client, int(only_open), limit),
        )
    )
    return await _cases(db, rows)


async def _cases(db: aiosqlite.Connection, rows: Sequence[aiosqlite.Row]) -> list[Case]:
    found = []
    for row in rows:
        number = row["number"]
        history = await db.execute_fetchall(
            "SELECT at, who, event, text, public FROM case_history WHERE number = ? ORDER BY id", (number,)
        )
        calls = await db.execute_fetchall(
            "SELECT call FROM case_calls WHERE number = ? ORDER BY call", (number,)
        )
        found.append(
            Case(
                number=number,
                project=row["project"],
                opened_at=row["opened_at"],
                deadline=row["deadline"],
                subject=row["subject"],
                state=CaseState(row["state"]),
                owner=row["owner"],
                client=row["client"],
                client_name=row["client_name"],
                client_email=row["client_email"],
                ticket=row["ticket"],
                history=tuple(
                    Entry(h["at"], h["who"], h["event"], h["text"], bool(h["public"])) for h in history
                ),
                calls=tuple(str(c["call"]) for c in calls),
                resolved_at=row["resolved_at"],
            )
        )
    return found


async def to_sync(db: aiosqlite.Connection, now: Instant, limit: int = 20) -> list[Ticket]:
    """Return cases with a help desk that are to be told there or asked about now."""
    rows = await db.execute_fetchall(
        "SELECT number, helpdesk, told_state, next_sync_at FROM cases WHERE helpdesk <> '' AND next_sync_at <= ?"
        " AND (state <> told_state OR state <> 'closed') ORDER BY next_sync_at LIMIT ?",
        (now, limit),
    )
    return [Ticket(*row) for row in rows]


async def synced(
    db: aiosqlite.Connection, number: str, *, ticket: str, told_state: str, next_at: Instant, error: str = ""
) -> None:
    """Note how the last talk with the help desk went; a ticket once known stays."""
    await db.execute(
        "UPDATE cases SET ticket = CASE WHEN ? <> '' THEN ? ELSE ticket END, told_state = ?, next_sync_at = ?,"
        " sync_error = ? WHERE number = ?",
        (ticket, ticket, told_state, next_at, error[:300], number),
    )


# --- operation clocks ------------------------------------------------------------------------------


async def start_clock(db: aiosqlite.Connection, clock: Clock) -> None:
    """Start a clock; one about the same thing runs already: nothing changes."""
    await db.execute(
        "INSERT INTO operation_clocks (project, operation, object, started_at, warn_at, due_at, stopped_at)"
        " VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
        (
            *(clock.project, clock.operation.value, clock.object, clock.started_at, clock.warn_at),
            *(clock.due_at, clock.stopped_at),
        ),
    )


async def stop_clock(
    db: aiosqlite.Connection, project: str, operation: Operation, thing: str, at: Instant
) -> None:
    """Stop a clock; a stopped one keeps its time."""
    await db.execute(
        "UPDATE operation_clocks SET stopped_at = ? WHERE project = ? AND operation = ? AND object = ?"
        " AND stopped_at IS NULL",
        (at, project, operation.value, thing),
    )


async def clocks(db: aiosqlite.Connection, since: Instant, project: str = "") -> list[Clock]:
    """Return the clocks started since an instant."""
    rows = await db.execute_fetchall(
        "SELECT * FROM operation_clocks WHERE started_at >= ? AND (? = '' OR project = ?) ORDER BY started_at",
        (since, project, project),
    )
    return [_clock(row) for row in rows]


def _clock(row: aiosqlite.Row) -> Clock:
    return Clock(
        row["project"],
        Operation(row["operation"]),
        row["object"],
        row["started_at"],
        row["due_at"],
        row["warn_at"],
        row["stopped_at"],
    )


async def take_warnings(db: aiosqlite.Connection, now: Instant) -> list[Clock]:
    """Return running clocks that are about to break and were not warned about; each is returned once."""
    rows = await db.execute_fetchall(
        "SELECT * FROM operation_clocks WHERE stopped_at IS NULL AND warned = 0 AND warn_at <= ? LIMIT 100",
        (now,),
    )
    found = [_clock(row) for row in rows]
    for clock in found:
        await db.execute(
            "UPDATE operation_clocks SET warned = 1 WHERE project = ? AND operation = ? AND object = ?",
            (clock.project, clock.operation.value, clock.object),
        )
    return found
