"""Messages, deliveries and operation clocks in SQL. Every function works inside the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from acd.adapters.store.cards import clean
from acd.desk import delivery as machine
from acd.desk.delivery import Delivery, Event, State
from acd.desk.operations import Clock, Operation

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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


async def owe(db: aiosqlite.Connection, call: str, now: Instant) -> None:
    """Note that a call's message is still to be printed."""
    await db.execute("INSERT OR IGNORE INTO desk_owed (call, since) VALUES (?,?)", (call, now))


async def owed(db: aiosqlite.Connection, but: Collection[str] = (), limit: int = 100) -> list[str]:
    """Return calls whose message is still to be printed, the oldest first; none of `but`."""
    rows = await db.execute_fetchall(
        "SELECT call FROM desk_owed WHERE call NOT IN (SELECT value FROM json_each(?)) ORDER BY since, call LIMIT ?",
        (json.dumps(sorted(but)), limit),
    )
    return [str(row["call"]) for row in rows]


async def paid(db: aiosqlite.Connection, call: str) -> None:
    """Forget that a message was still to be printed."""
    await db.execute("DELETE FROM desk_owed WHERE call = ?", (call,))


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


async def put_right(db: aiosqlite.Connection, now: Instant) -> None:
    """What was made or tried in our future was so under a clock that was ahead: nobody waits for that wrong hour.

    A message meant at once, or for another try, is due; whoever was asked has his whole time to answer from now. Times
    of day (quiet hours, digests) stand as they are.
    """
    await db.execute(
        "UPDATE deliveries SET next_try_at = ?1, created_at = min(created_at, ?1), first_tried_at = min(first_tried_at, ?1)"
        " WHERE state = 'waiting' AND next_try_at > ?1"
        " AND (first_tried_at > ?1 OR (created_at > ?1 AND next_try_at <= created_at))",
        (now,),
    )
    await db.execute(
        "UPDATE deliveries SET deadline = ?1 + acknowledge_ms, sent_at = ?1 WHERE state = 'unread' AND sent_at > ?1",
        (now,),
    )


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


async def note(db: aiosqlite.Connection, delivery: int, at: Instant, event: str, detail: str) -> None:
    """Log something about a delivery that does not change its state."""
    await _log(db, delivery, at, event, detail)


async def of_batch(db: aiosqlite.Connection, batch: str) -> list[int]:
    """Return the ids of a digest's members."""
    rows = await db.execute_fetchall("SELECT id FROM deliveries WHERE batch = ? ORDER BY id", (batch,))
    return [int(row["id"]) for row in rows]


async def bounced(db: aiosqlite.Connection, one: Delivery) -> set[str]:
    """Return the addresses at which one rule's message came back, however often it was sent there."""
    rows = await db.execute_fetchall(
        "SELECT DISTINCT d.recipient FROM deliveries AS d JOIN delivery_log AS l ON l.delivery = d.id"
        " WHERE d.call = ? AND d.version = ? AND d.rule = ? AND l.event = 'bounced'",
        (one.message, one.version, one.rule),
    )
    return {str(row["recipient"]) for row in rows}


async def counts(db: aiosqlite.Connection) -> dict[str, int]:
    """Return how many deliveries stand in each state."""
    rows = await db.execute_fetchall("SELECT state, count(*) AS n FROM deliveries GROUP BY state")
    return {str(row["state"]): int(row["n"]) for row in rows}


# --- erasure and retention -------------------------------------------------------------------------


async def erase(db: aiosqlite.Connection, calls: Sequence[str], like: str) -> None:
    """Remove what the desk keeps of these calls and of a number (SQL pattern); counts and times stay."""
    held = json.dumps(list(calls))
    mine = "SELECT value FROM json_each(:calls)"
    cases_of = (
        f"SELECT number FROM cases WHERE client LIKE :like OR number IN (SELECT number FROM case_calls"  # noqa: S608 - constants
        f" WHERE call IN ({mine}))"
    )
    about = f"call IN ({mine}) OR call IN (SELECT 'case-' || number FROM ({cases_of}))"  # noqa: S608
    jobs = (
        f"DELETE FROM delivery_log WHERE delivery IN (SELECT id FROM deliveries WHERE {about})",  # noqa: S608
        # a message that has not left yet must not leave any more
        (
            "UPDATE deliveries SET recipient = '', last_error = '', batch = '', key = 'erased:' || id,"  # noqa: S608
            f" state = CASE WHEN state IN ('waiting', 'unread') THEN 'settled' ELSE state END WHERE {about}"
        ),
        f"DELETE FROM desk_messages WHERE {about}",  # noqa: S608
        f"DELETE FROM desk_owed WHERE call IN ({mine})",  # noqa: S608
        f"DELETE FROM case_history WHERE number IN ({cases_of})",  # noqa: S608
        (
            "UPDATE cases SET subject = '', client_name = '', client_email = '', sync_error = '', client = ''"  # noqa: S608
            f" WHERE number IN ({cases_of})"
        ),
        "DELETE FROM directory_matters WHERE number LIKE :like",
        "DELETE FROM directory_clients WHERE number LIKE :like",
    )
    for sql in jobs:
        await db.execute(sql, {"calls": held, "like": like})


async def expire(db: aiosqlite.Connection, project: str, before: Instant) -> int:
    """Remove a project's finished messages and cases older than an instant; return how many."""
    old = "SELECT call FROM desk_messages WHERE project = :project AND created_at < :before"
    done = "state NOT IN ('waiting', 'unread')"
    jobs = (
        f"DELETE FROM deliveries WHERE {done} AND call IN ({old})",  # noqa: S608 - constants
        (
            "DELETE FROM desk_messages WHERE project = :project AND created_at < :before"
            " AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.call = desk_messages.call)"
        ),
        "DELETE FROM cases WHERE project = :project AND resolved_at < :before AND state IN ('resolved', 'closed')",
        "DELETE FROM operation_clocks WHERE project = :project AND started_at < :before AND stopped_at IS NOT NULL",
    )
    removed = 0
    for sql in jobs:
        removed += (await db.execute(sql, {"project": project, "before": before})).rowcount
    return removed


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


async def pressing(db: aiosqlite.Connection, now: Instant) -> dict[str, tuple[int, int]]:
    """Return by operation how many running clocks were or are to be warned of, and how many of them are overdue."""
    rows = await db.execute_fetchall(
        "SELECT operation, COUNT(*) AS near, SUM(due_at <= ?) AS late FROM operation_clocks"
        " WHERE stopped_at IS NULL AND warn_at <= ? GROUP BY operation ORDER BY operation",
        (now, now),
    )
    return {row["operation"]: (row["near"], row["late"]) for row in rows}


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
