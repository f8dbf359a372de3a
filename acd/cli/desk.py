"""Commands about the desk: service levels of every operation, handling times, deliveries, cases, directory import."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from acd import numberfacts
from acd.adapters.store import audit, case_store, desk_store, directory_store
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
    _print_json,
    _read,
    _run,
    _who,
    moment,
)
from acd.cli.cardtables import brief
from acd.cli.tables import console, table
from acd.config.loading import load
from acd.config.strict_yaml import ConfigError
from acd.core.instant import HOUR_MS
from acd.wallboard.render import duration

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.sqlite import SqliteStore
    from acd.desk.operations import Level
    from acd.desk.project import Project

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

DAY_MS = 24 * HOUR_MS
MAX_ROWS = 200_000
ProjectOption = Annotated[str, typer.Option("--project", help="Only this project")]


def _projects(config: Path) -> dict[str, Project]:
    try:
        return load(config).projects.good
    except ConfigError as error:
        typer.echo(f"acd: {error}", err=True)
        raise typer.Exit(2) from error


def _moment(text: str | None) -> int | None:
    try:
        return moment(text)
    except Misuse as error:
        typer.echo(f"acd: {error}", err=True)
        raise typer.Exit(2) from error


def _local(at: int | None) -> str:
    return "" if at is None else f"{datetime.fromtimestamp(at / 1000).astimezone():%Y-%m-%d %H:%M:%S}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


@app.command()
def operations(
    project: ProjectOption = "",
    since: Since = None,
    config: ConfigOption = CONFIG,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show for every subscriber and operation: target, share met, what runs and what is about to break.

    The share is met / (met + broken). Exit status 1 when a promise is broken.
    """
    from acd.deskside import reports as desk_reports

    known, now = _projects(config), WallClock().now()
    begin = _moment(since) or now - DAY_MS
    found = _run(_read(config, db, lambda c: desk_reports.levels(c, known, begin, now, project)))
    if as_json:
        _print_json({"since_ms": begin, "now_ms": now, "levels": [_level(one) for one in found]})
    else:
        heads = (
            "project", "operation!", "target>", "?promised>", "met>", "broken>", "share>", "?running>", "?warned>",
        )  # fmt: skip
        rows = [
            (
                one.project, one.operation.value, duration(one.target.within_ms), f"{100 * one.target.share:g} %",
                one.met, one.broken, _share(one.share), one.running, one.warnings,
            )
            for one in found
        ]  # fmt: skip
        out = console()
        out.print(table("", heads, rows, out.width))
    raise typer.Exit(FOUND_PROBLEMS if any(one.kept is False for one in found) else 0)


def _level(one: Level) -> dict[str, object]:
    return {
        "project": one.project, "operation": one.operation.value, "within_ms": one.target.within_ms,
        "working_time": one.target.working_time, "promised_share": one.target.share, "met": one.met,
        "broken": one.broken, "running": one.running, "warnings": one.warnings, "share": one.share,
        "kept": one.kept,
    }  # fmt: skip


@app.command()
def aht(
    subscriber: Annotated[str, typer.Option(help="Only this subscriber")] = "",
    since: Since = None,
    split: Annotated[str, typer.Option(help="Compare before and after this time, such as 2026-11-20")] = "",
    config: ConfigOption = CONFIG,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show average handling times by subscriber: (talk + hold + wrap-up) / handled; with --split before and after."""
    from acd.deskside import reports as desk_reports

    now = WallClock().now()
    begin = _moment(since) or 0
    cut = _moment(split) if split else None

    async def work(connection: aiosqlite.Connection) -> list[dict[str, desk_reports.Handling]]:
        periods = [(begin, now)] if cut is None else [(begin, cut), (cut, now)]
        return [await desk_reports.handling(connection, a, b, subscriber) for a, b in periods]

    periods = _run(_read(config, db, work))
    names = sorted({name for period in periods for name in period})
    if as_json:
        body = [
            {name: {"handled": h.handled, "aht_ms": h.aht_ms, "talk_ms": h.talk_ms, "acw_ms": h.acw_ms}
             for name, h in period.items()}
            for period in periods
        ]  # fmt: skip
        _print_json({"periods": body})
        return
    columns = ["subscriber"]
    for label in [""] if cut is None else ["before ", "after "]:
        columns += [f"{label}handled", f"{label}AHT s", f"{label}wrap-up s"]
    shown = Table(*columns, *(["change"] if cut is not None else []))
    for name in names:
        cells, times = [name], []
        for period in periods:
            one = period.get(name)
            times.append(one.aht_ms if one else None)
            acw = one.acw_ms if one else None
            cells += [str(one.handled) if one else "0", _seconds(times[-1]), _seconds(acw)]
        if cut is not None:
            before, after = times
            cells.append(f"{100 * (after / before - 1):+.0f} %" if before and after is not None else "-")
        shown.add_row(*cells)
    console().print(shown)


def _seconds(ms: float | None) -> str:
    return "-" if ms is None else f"{ms / 1000:.1f}"


@app.command()
def deliveries(
    card: Annotated[str, typer.Argument(help="Card number")],
    config: ConfigOption = CONFIG,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what became of a card's message: every recipient, attempt, acknowledgement."""
    from acd.adapters.store import cards
    from acd.cards import number as cardnumber

    async def work(connection: aiosqlite.Connection) -> list[dict[str, object]]:
        stored = await cards.get(connection, number=cardnumber.parse(card))
        if stored is None:
            raise Misuse(f"there is no card {card}")
        return [
            {
                "version": one.version, "channel": one.channel, "recipient": one.recipient,
                "person": one.person, "state": one.state.value, "attempts": one.attempts,
                "acknowledged_by": one.acknowledged_by, "error": one.last_error,
                "log": await desk_store.log_of(connection, one.id),
            }
            for one in await desk_store.of_call(connection, stored.card.call)
        ]  # fmt: skip

    found = _run(_read(config, db, work))
    if as_json:
        _print_json(found)
        return
    for one in found:
        typer.echo(
            f"v{one['version']} {one['channel']} {one['recipient']} {one['person']}: {one['state']}".rstrip()
        )
        log = one["log"]
        for at, event, detail in log if isinstance(log, list) else []:
            typer.echo(f"   {_local(at)}  {event} {detail}".rstrip())


@app.command()
def cases(
    project: Annotated[str, typer.Argument(help="Project id")],
    everything: Annotated[bool, typer.Option("--all", help="Also finished ones")] = False,
    config: ConfigOption = CONFIG,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the cases of a project that somebody still has to finish."""
    from acd.deskside import public as desk_public

    found = _run(_read(config, db, lambda c: case_store.cases(c, project, only_open=not everything)))
    if as_json:
        _print_json([desk_public.case_data(one) for one in found])
        return
    heads = ("case!", "state!", "opened!", "due!", "?owner", "?ticket", "subject")
    rows = [
        (
            one.number, one.state.value, brief(one.opened_at), brief(one.deadline), one.owner, one.ticket,
            one.subject,
        )
        for one in found
    ]  # fmt: skip
    out = console()
    out.print(table("", heads, rows, out.width))


@app.command(name="import")
def import_(
    kind: Annotated[str, typer.Argument(help="clients, matters, licences or register")],
    file: Annotated[Path, typer.Argument(help="CSV with a heading line", exists=True, dir_okay=False)],
    project: ProjectOption = "",
    config: ConfigOption = CONFIG,
    db: DbOption = None,
) -> None:
    """Import a CSV file into the local directory; rows known already are replaced. The daemon must be stopped."""
    try:
        rows = read_csv(kind, file, project)
    except (Misuse, UnicodeDecodeError, csv.Error) as error:
        typer.echo(f"acd: {error}", err=True)
        raise typer.Exit(2) from error

    async def work(store: SqliteStore) -> int:
        async def job(connection: aiosqlite.Connection) -> int:
            await audit.append(connection, WallClock().now(), _who(), f"import {kind}", f"{len(rows)} rows")
            return await directory_store.put(connection, kind, rows)

        return await store.writer.do(job)

    typer.echo(f"{_run(_change(config, db, work, make=True))} rows imported into {kind}")


def read_csv(kind: str, file: Path, project: str) -> list[dict[str, str]]:
    """Read and check a CSV file. Raises Misuse naming the line."""
    columns = directory_store.TABLES.get(kind)
    if columns is None:
        raise Misuse(f"{kind!r} is none of {', '.join(directory_store.TABLES)}")
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        unknown = set(reader.fieldnames or ()) - set(columns)
        if unknown or not reader.fieldnames:
            raise Misuse(f"{file}: unknown columns {', '.join(sorted(unknown))}; known: {', '.join(columns)}")
        rows = []
        for line, row in enumerate(reader, 2):
            if line > MAX_ROWS:
                raise Misuse(f"{file}: more than {MAX_ROWS} rows")
            rows.append(_row(kind, file, line, row, project))
    return rows


def _row(kind: str, file: Path, line: int, row: dict[str, str], project: str) -> dict[str, str]:
    from stdnum.ru import inn

    if None in row or None in row.values():
        raise Misuse(f"{file}:{line}: not as many values as columns")
    if "project" in directory_store.TABLES[kind]:
        row["project"] = row.get("project") or project
        if not row["project"] and kind != "licences":
            raise Misuse(f"{file}:{line}: no project; name one with --project")
    if "number" in row:
        row["number"] = numberfacts.normalise(row["number"])
    taxpayer = row.get("taxpayer_number", "")
    if taxpayer and not inn.is_valid(taxpayer):
        raise Misuse(f"{file}:{line}: the check digits of taxpayer number {taxpayer} are wrong")
    if row.get("priority") and not _is_priority(row["priority"]):
        raise Misuse(f"{file}:{line}: priority is a number above 0, at most 100")
    return row


def _is_priority(text: str) -> bool:
    try:
        return 0 < float(text) <= 100  # noqa: PLR2004 - percent of nothing, the core's limit
    except ValueError:
        return False


@app.command()
def link(
    project: Annotated[str, typer.Argument(help="Project id")],
    days: Annotated[int, typer.Option(help="The link opens for so many days", min=1, max=366)] = 31,
    config: ConfigOption = CONFIG,
) -> None:
    """Make a link to a subscriber's own page: its messages and open cases, nobody else's."""
    from acd.deskside.house import LINKS_SECRET
    from acd.deskside.links import Links, read_secret
    from acd.deskside.public import firm_thing

    whole = load(config)
    if project not in whole.projects.good:
        typer.echo(f"acd: no project {project!r}", err=True)
        raise typer.Exit(2)
    http = whole.tree.http
    links = Links(
        read_secret(whole.state_dir / LINKS_SECRET), http.public_url or f"http://{http.host}:{http.port}"
    )
    typer.echo(links.url("firm", firm_thing(project, WallClock().now(), days)))
