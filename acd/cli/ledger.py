"""Commands about missed calls and the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acd.adapters.store import audit, audit_notes, ledger_store
from acd.cli import cardtables
from acd.cli.cards import (
    CONFIG,
    FOUND_PROBLEMS,
    ConfigOption,
    DbOption,
    JsonOption,
    Misuse,
    Since,
    WallClock,
    _change,
    _database,
    _print_json,
    _read,
    _run,
    _who,
    moment,
)
from acd.cli.tables import console
from acd.desk import ledger
from acd.desk.ledger import MissedTask, TaskState

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.sqlite import SqliteStore

app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)
audit_app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

TaskId = Annotated[int, typer.Argument(help="Task id, as `acd ledger` shows it")]


def _data(task: MissedTask, now: int) -> dict[str, object]:
    return {**asdict(task), "state": task.state.value, "lost": task.is_lost(now)}


@app.callback()
def show(
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also finished tasks")] = False,
    held: Annotated[bool, typer.Option("--held", help="Only those that need a person's yes")] = False,
    subscriber: Annotated[str, typer.Option(help="Only this subscriber")] = "",
    since: Since = None,
    config: ConfigOption = CONFIG,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List missed calls that still have to be recontacted or closed."""
    if ctx.invoked_subcommand is not None:
        return

    async def work(connection: aiosqlite.Connection) -> list[MissedTask]:
        wanted = ledger_store.TaskFilter(
            only_open=not everything,
            subscriber=subscriber,
            since=moment(since) or 0,
            states=(TaskState.HELD,) if held else (),
        )
        return await ledger_store.find(connection, wanted)

    found, now = _run(_read(config, db, work)), WallClock().now()
    tally = ledger.tally(found, now)
    if as_json:
        _print_json({"tasks": [_data(task, now) for task in found], "tally": asdict(tally)})
    else:
        cardtables.tasks(found, tally, now, console())


def _task_changed(
    task_id: int,
    what: str,
    config: ConfigOption,
    db: DbOption,
    change: Callable[[MissedTask, int], MissedTask],
) -> None:
    async def job(connection: aiosqlite.Connection) -> str:
        now = WallClock().now()
        task = await ledger_store.get(connection, task_id)
        if task is None:
            return f"there is no task {task_id}"
        try:
            changed = change(task, now)
        except ledger.LedgerError as error:
            return str(error)
        await ledger_store.save(connection, changed)
        await audit.append(connection, now, _who(), what, f"task {task_id}")
        return ""

    async def work(store: SqliteStore) -> None:
        refusal = await store.writer.do(job)
        if refusal:
            raise Misuse(refusal)

    _run(_change(config, db, work))
    typer.echo(f"task {task_id}: {what}")


@app.command()
def close(
    task: TaskId,
    reason: Annotated[str, typer.Option(help="Why nobody will be called back")],
    config: ConfigOption = CONFIG,
    db: DbOption = None,
) -> None:
    """Close a task by hand, with a reason. The daemon must be stopped; else use the desktop."""
    _task_changed(task, "closed", config, db, lambda found, now: ledger.closed(found, now, _who(), reason))


@app.command()
def approve(task: TaskId, config: ConfigOption = CONFIG, db: DbOption = None) -> None:
    """Say yes to a call back that the rules hold: foreign, premium or one-ring numbers."""
    _task_changed(task, "approved", config, db, lambda found, now: ledger.approved(found, _who(), now))


@audit_app.callback()
def _audit() -> None:
    """Who opened, exported, erased."""


@audit_app.command(name="list")
def list_rows(
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest last")] = 50,
    config: ConfigOption = CONFIG,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who opened, listed, exported, restored or erased what, who logged in, and what was changed."""
    rows = _run(_read(config, db, lambda found: audit.rows(found, moment(since) or 0, limit)))
    if as_json:
        _print_json([dict(zip(("at", "who", "what", "object"), row, strict=True)) for row in rows])
    else:
        for at, who, what, obj in rows:
            typer.echo(f"{cardtables.local(at)}  {who}  {what}  {obj}")
    if left := len(audit_notes.waiting(_run(_file(config, db)))):
        typer.echo(f"acd: {left} more wait for the daemon, which writes them down", err=True)


async def _file(config: Path, db: Path | None) -> Path:
    return _database(config, db)[0]


@audit_app.command()
def verify(config: ConfigOption = CONFIG, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Check the audit log's chain. Keep the head elsewhere: rows cut off at the end change only it."""
    report = _run(_read(config, db, audit.verify))
    if as_json:
        _print_json(
            {"ok": report.ok, "rows": report.rows, "head": report.head, "first_bad": report.first_bad}
        )
    elif report.ok:
        typer.echo(f"{report.rows} rows, unbroken; head {report.head}")
    else:
        typer.echo(
            f"row {report.first_bad} was tampered with; {report.rows} rows before it are sound", err=True
        )
    raise typer.Exit(0 if report.ok else FOUND_PROBLEMS)
