"""The missed-call ledger in SQL. The rules are acd.desk.ledger; here its tasks are kept and found.

`note_card` runs in the transaction that stores the card, so a missed call and its task are one.
The order in which cards are stored (a replay after trouble may be late) does not change the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from acd.adapters.store import cards, journal_store
from acd.core.events import EndReason
from acd.desk import ledger
from acd.desk.ledger import DialMoment, LedgerRules, MissedCall, MissedTask, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiosqlite

    from acd.core.card import CallCard
    from acd.core.instant import Instant


_COLUMNS = tuple(item.name for item in fields(MissedTask) if item.name != "id")


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks to list, oldest first."""

    only_open: bool = True
    subscriber: str = ""
    since: Instant = 0
    limit: int = 1_000
    states: tuple[TaskState, ...] = field(default=())


async def note_card(
    db: aiosqlite.Connection, card: CallCard, rules: LedgerRules, normalise: Callable[[str], str]
) -> None:
    """Open, extend or finish the task this card concerns.

    A talk that the switch cut off, or after which the caller waited again in vain, is missed all the same.
    """
    caller = normalise(card.ani)
    told = dict(card.fields)
    if told.get("direction") == "outbound":
        await _called_back(db, card, caller, told.get("callback_result", ""), rules)
        return
    talk_at = await _talk_began(db, card)
    if talk_at is not None:
        promised = told.get("disposition") == ledger.PROMISED
        if promised and _is_promise(await _task_of(db, card.call)):
            return  # told again: what a person decided of it meanwhile stands
        kept = await _retract(db, card.call)
        if kept is not None and not promised:
            # being called back: the claim ends with the task, and the dialler lets go of the call
            await save(db, ledger.talked(kept, talk_at, f"call {card.call}"))
        await _talked(db, card, caller, talk_at)
        if promised and kept is None:
            number = normalise(told.get("callback_number", "")) or caller
            at, waited_ms = card.ended_at, 0
            await _missed(
                db, MissedCall(card.call, number, card.subscriber, at, ledger.PROMISED, waited_ms), rules
            )
    elif card.end_reason.value in ledger.MISSED_REASONS:
        keyed_in = normalise(await journal_store.callback_number(db, card.call))
        reason = "callback" if keyed_in else "voicemail" if told.get("voicemail") else card.end_reason.value
        call = MissedCall(
            card.call, keyed_in or caller, card.subscriber, card.ended_at, reason, max(0, card.wait_ms)
        )
        await _missed(db, call, rules)


async def note_again(
    db: aiosqlite.Connection, card: CallCard, rules: LedgerRules, normalise: Callable[[str], str]
) -> None:
    """The journal knows more of a call than when its card was noted: who answered, which number to call.

    A task that was dialled already is never opened anew: the number would be called twice. Nor one that was closed: the
    news may be a line that Asterisk could write only now, and that we had heard.
    """
    kept = await _dialled_task(db, card.call)
    task = await _task_of(db, card.call)
    closed = task is not None and task.state is TaskState.CLOSED
    if kept is None and not (closed or _is_promise(task)):
        await _retract(db, card.call)
    keyed_in = normalise(await journal_store.callback_number(db, card.call))
    if kept is not None and keyed_in and await _open_task(db, keyed_in, kept.subscriber) is None:
        await save(db, replace(kept, number=keyed_in, reason="callback", asked=True))
    await note_card(db, card, rules, normalise)


async def note_spooled(db: aiosqlite.Connection, call: MissedCall, rules: LedgerRules) -> None:
    """Open or extend a task for a number a caller left while the daemon was down."""
    await _missed(db, call, rules)


async def _missed(db: aiosqlite.Connection, call: MissedCall, rules: LedgerRules) -> None:
    if await db.execute_fetchall("SELECT 1 FROM missed_calls WHERE call = ?", (call.call,)):
        return
    later = await _talk_after(db, call)  # it may have been stored before this call
    if later is not None:
        # settled already: it is no part of what is open since, and must not bring its deadline forward
        new = ledger.talked(ledger.missed(None, call, rules), later[1], f"call {later[0]}")
    else:
        new = ledger.missed(await _open_task(db, call.number, call.subscriber), call, rules)
    task_id = await save(db, new)
    await db.execute(
        "INSERT INTO missed_calls (call, task, at) VALUES (?,?,?)", (call.call, task_id, call.at)
    )


async def _talk_began(db: aiosqlite.Connection, card: CallCard) -> Instant | None:
    """Return when somebody of ours began to talk with this caller; None when nobody did, or the switch cut it off."""
    if card.end_reason is EndReason.FALLBACK:
        at = await journal_store.fallback_answered_at(db, card.call)
        return card.ended_at if at is None and dict(card.fields).get("fallback_member") else at
    return card.answered_at if card.end_reason.value in ledger.TALK_REASONS else None


async def _talk_after(db: aiosqlite.Connection, missed: MissedCall) -> tuple[str, Instant] | None:
    """Return the first talk with this number since it was missed, by call and beginning."""
    rows = await db.execute_fetchall(
        "SELECT call FROM cards WHERE caller = ? AND caller <> '' AND ended_at >= ?"
        " AND (answered_at >= ? OR end_reason = ?) AND (subscriber = ? OR subscriber = '' OR ? = '')",
        (
            missed.number,
            missed.at,
            missed.at,
            EndReason.FALLBACK.value,
            missed.subscriber,
            missed.subscriber,
        ),
    )
    talks: list[tuple[Instant, str]] = []
    for row in rows:
        stored = await cards.get(db, call=row["call"])
        began = None if stored is None else await _talk_began(db, stored.card)
        if began is not None and began >= missed.at:
            talks.append((began, row["call"]))
    return min(talks)[::-1] if talks else None


async def _task_of(db: aiosqlite.Connection, call: str) -> MissedTask | None:
    """Return the task of this missed call, or of this talk's promise to call back."""
    rows = list(
        await db.execute_fetchall(
            "SELECT t.* FROM missed_calls c JOIN missed_tasks t ON t.id = c.task WHERE c.call = ?", (call,)
        )
    )
    return _task(rows[0]) if rows else None


def _is_promise(task: MissedTask | None) -> bool:
    """Tell whether this talk's promise to call back has its task already."""
    return task is not None and task.reason == ledger.PROMISED


async def _dialled_task(db: aiosqlite.Connection, call: str) -> MissedTask | None:
    """Return the open task of this missed call if its number was dialled, or is being dialled now."""
    rows = list(
        await db.execute_fetchall(
            "SELECT t.* FROM missed_calls c JOIN missed_tasks t ON t.id = c.task"
            " WHERE c.call = ? AND t.closed_at IS NULL"
            " AND EXISTS (SELECT 1 FROM missed_dials d WHERE d.task = t.id)",
            (call,),
        )
    )
    return _task(rows[0]) if rows else None


async def _retract(db: aiosqlite.Connection, call: str) -> MissedTask | None:
    """Take back that this call was missed; an open task that has no other call goes with it.

    A task that was dialled stays, with its dials, and is returned: the caller of this decides what became of it.
    """
    kept = await _dialled_task(db, call)
    if kept is not None:
        return kept
    for row in await db.execute_fetchall("DELETE FROM missed_calls WHERE call = ? RETURNING task", (call,)):
        await db.execute(
            "DELETE FROM missed_tasks WHERE id = ? AND closed_at IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM missed_calls WHERE task = ?)",
            (row["task"], row["task"]),
        )
        await db.execute("UPDATE missed_tasks SET missed = missed - 1 WHERE id = ?", (row["task"],))
    return None


async def _called_back(
    db: aiosqlite.Connection, card: CallCard, caller: str, result: str, rules: LedgerRules
) -> None:
    """A call back of ours is over: only a talk with the number settles its task.

    Told again with other words (late news from the journal), a talk still settles it; a failure counts once.
    """
    rows = list(
        await db.execute_fetchall("SELECT task, outcome FROM missed_dials WHERE call = ?", (card.call,))
    )
    task = await get(db, rows[0]["task"]) if rows else None
    reached = card.end_reason.value in ledger.TALK_REASONS
    outcome = "answered" if reached else result if result not in ("", "answered") else "no_agent"
    if rows:
        await db.execute("UPDATE missed_dials SET outcome = ? WHERE call = ?", (outcome, card.call))
    if reached:
        if task is not None and task.is_open and task.last_missed_at <= card.ended_at:
            await save(db, ledger.talked(task, card.ended_at, f"call {card.call}"))
        await _talked(db, card, caller, card.answered_at or card.ended_at)
    elif task is not None and task.state is TaskState.DIALLING and not rows[0]["outcome"]:
        await save(db, _not_reached(task, outcome, card.ended_at, rules))


def _not_reached(task: MissedTask, outcome: str, at: Instant, rules: LedgerRules) -> MissedTask:
    if outcome == "no_agent":
        return ledger.postponed(task, at, rules, "no agent had time")
    if outcome == "refused":
        return ledger.held(task, "the switch does not dial this number (ACD_OUT_ALLOWED)")
    return ledger.dial_failed(task, at, rules, outcome.replace("_", " "))


async def _talked(db: aiosqlite.Connection, card: CallCard, caller: str, at: Instant) -> None:
    """A talk finishes the open tasks of this number whose calls were all missed before it began."""
    if not caller:
        return
    rows = await db.execute_fetchall(
        "SELECT * FROM missed_tasks WHERE number = ? AND closed_at IS NULL AND last_missed_at <= ?"
        " AND (subscriber = ? OR subscriber = '' OR ? = '')",
        (caller, at, card.subscriber, card.subscriber),
    )
    for row in rows:
        await save(db, ledger.talked(_task(row), at, f"call {card.call}"))


async def _open_task(db: aiosqlite.Connection, number: str, subscriber: str) -> MissedTask | None:
    if not number:
        return None  # withheld numbers cannot be told apart: each call is a task of its own
    rows = list(
        await db.execute_fetchall(
            "SELECT * FROM missed_tasks WHERE number = ? AND subscriber = ? AND closed_at IS NULL",
            (number, subscriber),
        )
    )
    return _task(rows[0]) if rows else None


async def get(db: aiosqlite.Connection, task: int) -> MissedTask | None:
    """Return one task by its id."""
    rows = list(await db.execute_fetchall("SELECT * FROM missed_tasks WHERE id = ?", (task,)))
    return _task(rows[0]) if rows else None


async def find(db: aiosqlite.Connection, wanted: TaskFilter) -> list[MissedTask]:
    """Return the tasks that match, oldest first."""
    conditions: list[str] = ["opened_at >= ?"]
    values: list[object] = [wanted.since]
    if wanted.only_open:
        conditions.append("closed_at IS NULL")
    if wanted.subscriber:
        conditions.append("subscriber = ?")
        values.append(wanted.subscriber)
    if wanted.states:
        conditions.append(f"state IN ({','.join('?' * len(wanted.states))})")
        values.extend(state.value for state in wanted.states)
    sql = f"SELECT * FROM missed_tasks WHERE {' AND '.join(conditions)} ORDER BY opened_at, id LIMIT ?"  # noqa: S608
    return [_task(row) for row in await db.execute_fetchall(sql, (*values, wanted.limit))]


async def due(db: aiosqlite.Connection, now: Instant, limit: int) -> list[MissedTask]:
    """Return open tasks with a number whose next attempt has come, those asked for first; `may_dial` decides."""
    rows = await db.execute_fetchall(
        "SELECT * FROM missed_tasks WHERE closed_at IS NULL AND state = 'open' AND number <> ''"
        " AND next_try_at <= ? ORDER BY asked DESC, opened_at, id LIMIT ?",
        (now, limit),
    )
    return [_task(row) for row in rows]


async def moment(
    db: aiosqlite.Connection, task: MissedTask, now: Instant, local: tuple[int, int], midnight: Instant
) -> DialMoment:
    """Return what `may_dial` asks: `local` is the subscriber's weekday and minute, `midnight` the day's start."""
    rows = list(
        await db.execute_fetchall(
            "SELECT coalesce(sum(t.number = ?), 0), coalesce(sum(t.subscriber = ?), 0), count(*)"
            " FROM missed_dials AS d JOIN missed_tasks AS t ON t.id = d.task"
            " WHERE d.at >= ? AND d.outcome <> 'no_agent'",
            (task.number, task.subscriber, midnight),
        )
    )
    return DialMoment(now, *local, *rows[0])


async def start_dial(
    db: aiosqlite.Connection, task: int, now: Instant, call: str, *, seen: MissedTask | None = None
) -> MissedTask | None:
    """Claim a task for dialling as `call`, once: None when it is gone, finished, held or being dialled already.

    Also None when it is no longer as it was `seen` by who decided.

    Also None while a call-back of the same number is not over, for another subscriber or for a task that a talk has
    settled meanwhile: one telephone is rung once at a time.
    Committed before the switch is told, so a crash in between cannot dial twice.
    """
    found = await get(db, task)
    if found is None or found.state is not TaskState.OPEN or (seen is not None and found != seen):
        return None
    if await db.execute_fetchall(
        "SELECT 1 FROM missed_dials AS d JOIN missed_tasks AS t ON t.id = d.task"
        " WHERE t.number = ? AND d.outcome = '' AND d.call <> ''",
        (found.number,),
    ):
        return None
    claimed = ledger.dial_started(found)
    await save(db, claimed)
    await db.execute("INSERT INTO missed_dials (task, at, call) VALUES (?,?,?)", (task, now, call))
    return claimed


@dataclass(frozen=True, slots=True)
class Dialling:
    """A call back under way as far as the ledger knows."""

    task: MissedTask
    call: str
    since: Instant
    known: bool
    """The journal has its entry: the switch did take it, and its end will come from there."""


async def dialling(db: aiosqlite.Connection) -> list[Dialling]:
    """Return the call backs whose outcome is not known yet, and those cancelled by a talk or a person."""
    rows = await db.execute_fetchall(
        "SELECT t.*, d.call AS call, d.at AS dialled_at, EXISTS (SELECT 1 FROM journal_rows AS j"
        " WHERE j.call = d.call AND j.kind = 'ACDENTER') AS known"
        " FROM missed_dials AS d JOIN missed_tasks AS t ON t.id = d.task WHERE d.outcome = '' AND d.call <> ''"
    )
    return [Dialling(_task(row), row["call"], row["dialled_at"], bool(row["known"])) for row in rows]


async def abandon_dial(
    db: aiosqlite.Connection, call: str, now: Instant, rules: LedgerRules, why: str
) -> bool:
    """The switch never took this call back: put its task back; False when its outcome is known by now."""
    rows = list(
        await db.execute_fetchall(
            "UPDATE missed_dials SET outcome = 'no_agent' WHERE call = ? AND outcome = '' RETURNING task",
            (call,),
        )
    )
    if not rows:
        return False
    task = await get(db, rows[0]["task"])
    if task is not None and task.state is TaskState.DIALLING:
        await save(db, ledger.postponed(task, now, rules, why))
    return True


@dataclass(frozen=True, slots=True)
class Origin:
    """The last missed call of a task: where a call back of it belongs."""

    call: str
    queue: str
    did: str
    entered_at: Instant
    ended_at: Instant
    asked: bool
    """The caller chose to be called back: by his card or, where its end had to be guessed, by the journal."""
    needs: str = ""
    sticky: str = ""
    priority: float = 1.0


async def origin(db: aiosqlite.Connection, task: int) -> Origin | None:
    """Return the last missed call of a task; None when only a number was left, or its card is erased."""
    rows = list(
        await db.execute_fetchall(
            "SELECT c.call, c.queue, c.did, c.entered_at, c.ended_at, c.end_reason FROM missed_calls AS m"
            " JOIN cards AS c ON c.call = m.call WHERE m.task = ? ORDER BY m.at DESC, m.call LIMIT 1",
            (task,),
        )
    )
    if not rows:
        return None
    queued = [r for r in await journal_store.rows_of(db, rows[0]["call"]) if r.kind == "ACDQUEUED"]
    last = queued[-1].fields if queued else {}
    call, queue, did, entered_at, ended_at, reason = rows[0]
    asked = reason == EndReason.CALLBACK.value or await journal_store.callback_number(db, call) != ""
    needs, sticky = last.get("needs", ""), last.get("sticky", "")
    place = last.get("enter_ms", "")
    if place.isascii() and place.isdigit():
        entered_at = int(place)  # where he stood; the card goes by the note of the entry, a moment later
    try:
        priority = float(last.get("priority", "") or 1)
    except ValueError:
        priority = 1.0
    return Origin(call, queue, did, entered_at, ended_at, asked, needs, sticky, priority)


async def counts(db: aiosqlite.Connection, now: Instant) -> dict[str, int]:
    """Count open tasks: `open`, `held`, `dialling`, and `due`, those whose next attempt has come."""
    rows = list(
        await db.execute_fetchall(
            "SELECT coalesce(sum(state = 'open'), 0) AS open, coalesce(sum(state = 'held'), 0) AS held,"
            " coalesce(sum(state = 'dialling'), 0) AS dialling,"
            " coalesce(sum(state = 'open' AND number <> '' AND next_try_at <= ?), 0) AS due"
            " FROM missed_tasks WHERE closed_at IS NULL",
            (now,),
        )
    )
    return dict(rows[0])


async def save(db: aiosqlite.Connection, task: MissedTask) -> int:
    """Store a task made or changed by one of the functions of acd.desk.ledger; return its id."""
    values = [getattr(task, name) for name in _COLUMNS]
    plain = [value.value if isinstance(value, TaskState) else value for value in values]
    if task.id:
        assignments = ", ".join(f"{name} = ?" for name in _COLUMNS)
        await db.execute(f"UPDATE missed_tasks SET {assignments} WHERE id = ?", (*plain, task.id))  # noqa: S608
        return task.id
    marks = ",".join("?" * len(_COLUMNS))
    cursor = await db.execute(
        f"INSERT INTO missed_tasks ({', '.join(_COLUMNS)}) VALUES ({marks})",  # noqa: S608
        plain,
    )
    return int(cursor.lastrowid or 0)


def _task(row: aiosqlite.Row) -> MissedTask:
    values = {name: row[name] for name in _COLUMNS}
    values["state"] = TaskState(values["state"])
    values["asked"] = bool(values["asked"])
    return MissedTask(id=row["id"], **values)
