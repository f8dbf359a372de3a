"""The local directory in SQL: clients, their matters, licences, the register of organisations; project versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.adapters.store import audit
from acd.adapters.store.cards import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import aiosqlite

    from acd.core.instant import Instant

TABLES: dict[str, tuple[str, ...]] = {
    "clients": ("project", "number", "name", "organisation", "taxpayer_number", "person", "priority"),
    "matters": ("project", "number", "kind", "id", "title", "state", "due", "person"),
    "licences": ("licence", "project", "product", "region", "organisation", "taxpayer_number"),
    "register": ("taxpayer_number", "name"),
}
"""What may be imported: kind → columns of directory_<kind>."""


async def put(db: aiosqlite.Connection, kind: str, rows: Sequence[Mapping[str, str]]) -> int:
    """Insert or replace rows of one kind; return how many. Columns that are missing are empty."""
    columns = TABLES[kind]
    marks = ",".join("?" * len(columns))
    values = [
        tuple(
            float(row.get(c) or 1) if c == "priority" else clean(str(row.get(c, "") or ""))[:500]
            for c in columns
        )
        for row in rows
    ]
    sql = f"INSERT OR REPLACE INTO directory_{kind} ({','.join(columns)}) VALUES ({marks})"  # noqa: S608 - from TABLES
    await db.executemany(sql, values)
    return len(values)


async def client(db: aiosqlite.Connection, project: str, number: str) -> dict[str, object]:
    """Return what the local directory knows of a number, in the words of desk.dossier; empty when nothing."""
    rows = list(
        await db.execute_fetchall(
            "SELECT c.*, r.name AS registered FROM directory_clients AS c LEFT JOIN directory_register AS r"
            " ON r.taxpayer_number = c.taxpayer_number AND c.taxpayer_number <> ''"
            " WHERE c.project = ? AND c.number = ?",
            (project, number),
        )
    )
    matters = await db.execute_fetchall(
        "SELECT kind, id, title, state, due, person FROM directory_matters WHERE project = ? AND number = ? LIMIT 50",
        (project, number),
    )
    found: dict[str, object] = {"matters": [dict(row) for row in matters]} if matters else {}
    for row in rows:
        names = ("name", "organisation", "taxpayer_number", "person", "priority")
        found |= {name: row[name] for name in names} | {"registered": row["registered"] is not None}
    return found


async def licence(db: aiosqlite.Connection, text: str) -> dict[str, object]:
    """Return product, project, region and organisation of a licence number (003-12); empty when unknown."""
    rows = list(await db.execute_fetchall("SELECT * FROM directory_licences WHERE licence = ?", (text,)))
    return dict(rows[0]) if rows else {}


async def licences_of(db: aiosqlite.Connection, taxpayer_number: str) -> list[dict[str, object]]:
    """Return the licences of an organisation."""
    rows = await db.execute_fetchall(
        "SELECT * FROM directory_licences WHERE taxpayer_number = ? ORDER BY licence LIMIT 20",
        (taxpayer_number,),
    )
    return [dict(row) for row in rows]


async def keep_version(
    db: aiosqlite.Connection, project: str, digest: str, content: str, now: Instant
) -> int | None:
    """Store a project's content as its next version, audited; return its number, None when it is the last one again."""
    rows = list(
        await db.execute_fetchall(
            "SELECT version, digest FROM project_versions WHERE project = ? ORDER BY version DESC LIMIT 1",
            (project,),
        )
    )
    if rows and rows[0]["digest"] == digest:
        return None
    version = (int(rows[0]["version"]) if rows else 0) + 1
    await db.execute(
        "INSERT INTO project_versions (project, version, digest, content, at) VALUES (?,?,?,?,?)",
        (project, version, digest, clean(content), now),
    )
    await audit.append(db, now, "configuration", "project in force", f"{project} version {version}")
    return version


async def versions(db: aiosqlite.Connection, project: str) -> list[tuple[int, Instant, str]]:
    """Return (version, since, content) of a project, newest first."""
    rows = await db.execute_fetchall(
        "SELECT version, at, content FROM project_versions WHERE project = ? ORDER BY version DESC",
        (project,),
    )
    return [(int(r["version"]), int(r["at"]), str(r["content"])) for r in rows]
