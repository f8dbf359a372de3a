"""The desk's figures: service level of every operation, and average handling time, by subscriber (000-07, 000-20).

Each figure names its formula: a share is met / (met + broken); AHT is (talk + hold + wrap-up) / handled calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acd.adapters.store import desk_store
from acd.desk import operations
from acd.desk.operations import Clock, Level, Operation

if TYPE_CHECKING:
    import aiosqlite

    from acd.core.instant import Instant
    from acd.desk.project import Project


async def callback_clocks(
    db: aiosqlite.Connection, projects: Iterable[Project], since: Instant
) -> list[Clock]:
    """Return the clocks of callbacks from the missed-call ledger: from the first missed call to the talk."""
    found = []
    for project in projects:
        rows = await db.execute_fetchall(
            "SELECT id, opened_at, closed_at, state FROM missed_tasks WHERE subscriber = ? AND opened_at >= ?"
            " AND state <> 'closed' ORDER BY id",
            (project.subscriber, since),
        )
        target = project.targets[Operation.CALLBACK_MADE]
        for row in rows:
            clock = operations.start(
                project.id,
                Operation.CALLBACK_MADE,
                f"task {row['id']}",
                row["opened_at"],
                target,
                project.hours,
            )
            stopped = row["closed_at"] if row["state"] == "recontacted" else None
            found.append(
                Clock(
                    clock.project,
                    clock.operation,
                    clock.object,
                    clock.started_at,
                    clock.due_at,
                    clock.warn_at,
                    stopped,
                )
            )
    return found


async def levels(
    db: aiosqlite.Connection, projects: Mapping[str, Project], since: Instant, now: Instant, only: str = ""
) -> tuple[Level, ...]:
    """Return how every operation stands since an instant."""
    wanted = {name: project for name, project in projects.items() if only in {"", name}}
    clocks = await desk_store.clocks(db, since, only)
    clocks += await callback_clocks(db, wanted.values(), since)
    return operations.levels(clocks, now, {name: dict(project.targets) for name, project in projects.items()})


@dataclass(frozen=True, slots=True)
class Handling:
    """Handling time of one subscriber's calls in one period. Averages in milliseconds; None without calls."""

    subscriber: str
    handled: int
    talk_ms: float | None
    hold_ms: float | None
    acw_ms: float | None

    @property
    def aht_ms(self) -> float | None:
        """Return (talk + hold + wrap-up) / handled."""
        if self.talk_ms is None or self.hold_ms is None or self.acw_ms is None:
            return None
        return self.talk_ms + self.hold_ms + self.acw_ms


async def handling(
    db: aiosqlite.Connection, since: Instant, until: Instant, subscriber: str = ""
) -> dict[str, Handling]:
    """Return handling times by subscriber of calls that entered in a period."""
    rows = await db.execute_fetchall(
        "SELECT subscriber, count(*) AS n, avg(talk_ms) AS talk, avg(hold_ms) AS hold, avg(acw_ms) AS acw FROM cards"
        " WHERE end_reason = 'handled' AND entered_at >= ? AND entered_at < ? AND (? = '' OR subscriber = ?)"
        " GROUP BY subscriber ORDER BY subscriber",
        (since, until, subscriber, subscriber),
    )
    return {
        str(row["subscriber"]): Handling(row["subscriber"], row["n"], row["talk"], row["hold"], row["acw"])
        for row in rows
    }
