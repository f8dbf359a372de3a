"""Cases in SQL, and how they stand with their help desks. Every function works inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.adapters.store.cards import clean
from acd.desk.case import Case, Entry, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import aiosqlite

    from acd.core.instant import Instant


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


async def note_of_call(db: aiosqlite.Connection, call: str, entry: Entry) -> None:
    """Put an event about a call's message on the cases it belongs to; a notice to a client has its case's number."""
    await db.execute(
        "INSERT INTO case_history (number, at, who, event, text, public)"
        " SELECT number, ?, ?, ?, ?, ? FROM cases WHERE 'case-' || number = ?"
        " OR number IN (SELECT number FROM case_calls WHERE call = ?)",
        (entry.at, clean(entry.who), entry.event, clean(entry.text)[:2_000], int(entry.public), call, call),
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


async def next_open(db: aiosqlite.Connection, agent: str, projects: Sequence[str]) -> Case | None:
    """Return the case of these projects an agent should take next: his own first, then the soonest deadline."""
    marks = ",".join("?" * len(projects))
    rows = list(
        await db.execute_fetchall(
            f"SELECT * FROM cases WHERE state = 'open' AND project IN ({marks})"  # noqa: S608 - marks only
            " ORDER BY owner = ? DESC, deadline IS NULL, deadline, opened_at, number LIMIT 1",
            (*projects, agent),
        )
    )
    return (await _cases(db, rows))[0] if rows else None


async def in_work(db: aiosqlite.Connection) -> list[Case]:
    """Return every case somebody has in hand, oldest first."""
    rows = list(await db.execute_fetchall("SELECT * FROM cases WHERE state = 'in_work' ORDER BY opened_at"))
    return await _cases(db, rows)


async def in_hand(db: aiosqlite.Connection, who: str) -> list[Case]:
    """Return what somebody has in hand, cases that wait for their client among them, oldest first."""
    rows = list(
        await db.execute_fetchall(
            "SELECT * FROM cases WHERE state IN ('in_work', 'waiting') AND number IN"
            " (SELECT number FROM case_history WHERE who = ? AND event = 'taken') ORDER BY opened_at",
            (who,),
        )
    )
    return [case for case in await _cases(db, rows) if case.hand == who]


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
                state=State(row["state"]),
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


async def wake_sync(db: aiosqlite.Connection, number: str, now: Instant) -> None:
    """The case changed: its help desk is to be told at the next turn."""
    await db.execute("UPDATE cases SET next_sync_at = min(next_sync_at, ?) WHERE number = ?", (now, number))


async def synced(
    db: aiosqlite.Connection, number: str, *, ticket: str, told_state: str, next_at: Instant, error: str = ""
) -> None:
    """Note how the last talk with the help desk went; a ticket once known stays."""
    await db.execute(
        "UPDATE cases SET ticket = CASE WHEN ? <> '' THEN ? ELSE ticket END, told_state = ?, next_sync_at = ?,"
        " sync_error = ? WHERE number = ?",
        (ticket, ticket, told_state, next_at, error[:300], number),
    )
