"""Commands about finished calls: cards, export, rebuild, backup, erasure, audit, missed calls.

They read the database directly, also while the daemon writes. What changes it needs the database for
itself, because only one process may write: then the daemon must be stopped first, and the message says so.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from acd import numberfacts
from acd.adapters.store import audit, audit_notes, backup, cards, rebuild, retention
from acd.adapters.store.connection import reader
from acd.adapters.store.sqlite import SqliteStore
from acd.cards import card_json as cardjson
from acd.cards import export as cardexport
from acd.cards import number as cardnumber
from acd.cli import cardtables
from acd.cli.tables import console
from acd.ports import PortError

if TYPE_CHECKING:
    import aiosqlite

T = TypeVar("T")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="Configuration directory", envvar="ACD_CONFIG")
]
DbOption = Annotated[
    Path | None, typer.Option("--db", help="Database file instead of the configured one", envvar="ACD_DB")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask")]
CONFIG = Path("config")
FOUND_PROBLEMS = 1
MISUSE = 2
WRAPPING_MS = 600_000
"""A call that ended no longer ago may be without a card: it is stored when the wrap-up is over."""


class WallClock:
    """The time of day; a command has no timeline of its own."""

    def now(self) -> int:
        """Return milliseconds since the epoch."""
        return time.time_ns() // 1_000_000


class Misuse(Exception):  # noqa: N818 - it is the person's, said in a sentence
    """What was typed cannot be done; the message says why."""


def _database(config: Path, db: Path | None) -> tuple[Path, str]:
    """Return the database file and the home region of numbers."""
    if db is not None:
        return db, numberfacts.HOME_REGION
    from acd.config.loading import load
    from acd.config.strict_yaml import ConfigError

    try:
        found = load(config)
    except ConfigError as error:
        raise Misuse(f"{error}\nmend the configuration, or name the database with --db") from error
    return found.path(found.tree.store.path), found.tree.centre.region


async def _present(path: Path) -> None:
    """Raise PortError, with what to do, when there is no database yet."""
    if await asyncio.to_thread(path.exists):
        return
    raise PortError(
        f"there is no database at {path}: the first `bin/acd run` makes it"
        " (on a fresh machine `bin/acd make-secrets` comes before that); another place is named with --db",
        retryable=False,
    )


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; every expected trouble becomes one sentence and an exit code."""
    try:
        return asyncio.run(work)
    except (PortError, OSError) as error:
        typer.echo(f"acd: {error}", err=True)
        raise typer.Exit(FOUND_PROBLEMS) from error
    except (Misuse, cardnumber.CardNumberError, ValueError) as error:
        typer.echo(f"acd: {error}", err=True)
        raise typer.Exit(MISUSE) from error


async def _read(config: Path, db: Path | None, question: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
    path, _ = _database(config, db)
    await _present(path)
    async with reader(path) as connection:
        return await question(connection)


async def _change(
    config: Path, db: Path | None, work: Callable[[SqliteStore], Awaitable[T]], *, make: bool = False
) -> T:
    """Work on the database as its one writer. `make`: a directory is imported before the first call ever came."""
    path, region = _database(config, db)
    if make and db is None:
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True, mode=0o700)
    else:
        await _present(path)
    store = SqliteStore(path, WallClock(), normalise=lambda number: numberfacts.normalise(number, region))
    try:
        await store.open()
        # cards set aside long ago keep nobody from working
        if store.writer.strayed or store.writer.trouble or store.cards_wait:
            raise PortError(store.status.words, retryable=True)
        await audit_notes.collect(store.writer, path)
        return await work(store)
    finally:
        await store.close()


def _noted(config: Path, db: Path | None, what: str, obj: str) -> None:
    """Note in the audit log what this command shows, before it shows it: who opened, exported, restored."""

    async def work() -> None:
        audit_notes.leave(_database(config, db)[0], WallClock().now(), _who(), what, obj)

    _run(work())


def _print_json(data: object) -> None:
    json.dump(data, sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def moment(text: str | None) -> int | None:
    """Read a point in time: `2026-11-22`, `2026-11-22T09:00`, or `24h`, `7d` ago. Raises Misuse."""
    if text is None:
        return None
    unit = {"h": "hours", "d": "days", "m": "minutes"}.get(text[-1:])
    if unit and text[:-1].isascii() and text[:-1].isdigit() and len(text) <= len("9999d"):
        ago = timedelta(**{unit: int(text[:-1])})
        return int((datetime.now(UTC) - ago).timestamp() * 1000)
    try:
        found = datetime.fromisoformat(text)
        return int((found if found.tzinfo else found.astimezone()).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Misuse(f"{text!r} is no time: write 2026-11-22, 2026-11-22T09:00, 24h or 7d") from error


Since = Annotated[str | None, typer.Option(help="From then on: 2026-11-22, 2026-11-22T09:00, 24h, 7d")]
Until = Annotated[str | None, typer.Option(help="Before then")]
Subscriber = Annotated[str, typer.Option(help="Only this subscriber")]
Number = Annotated[str, typer.Option("--ani", help="Only this caller's number, in any spelling")]
Reason = Annotated[str, typer.Option(help="Only this end: handled, abandoned, fallback, refused ...")]
Limit = Annotated[int, typer.Option(min=1, max=cards.LIST_LIMIT, help="At most so many, newest first")]


async def _find(
    config: Path, db: Path | None, since: str | None, until: str | None, wanted: cards.CardFilter
) -> list[cards.StoredCard]:
    path, region = _database(config, db)
    ani = numberfacts.normalise(wanted.ani, region) if wanted.ani else ""
    full = cards.CardFilter(
        moment(since),
        moment(until),
        wanted.subscriber,
        wanted.queue,
        wanted.agent,
        ani,
        wanted.reason,
        wanted.limit,
    )
    await _present(path)
    async with reader(path) as connection:
        return await cards.find(connection, full)


def list_cards(
    since: Since = None,
    until: Until = None,
    subscriber: Subscriber = "",
    ani: Number = "",
    reason: Reason = "",
    limit: Limit = 50,
    config: ConfigOption = CONFIG,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List finished calls, newest first."""
    wanted = cards.CardFilter(subscriber=subscriber, ani=ani, reason=reason, limit=limit)
    found = _run(_find(config, db, since, until, wanted))
    _noted(config, db, "list", f"{len(found)} cards")
    if as_json:
        _print_json([{**cardjson.to_data(item.card), "version": item.version} for item in found])
    else:
        cardtables.cards([item.card for item in found], console())


def show_card(
    number: Annotated[
        str, typer.Argument(help="Card number, with or without spaces, or the call's id or its beginning")
    ],
    config: ConfigOption = CONFIG,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one call card: who, what, how long, by whom, and every step of the way."""

    async def work(connection: aiosqlite.Connection) -> cards.StoredCard | list[str]:
        found = await cards.get(connection, call=number)
        if found is None and cardnumber.is_card_number(number):
            found = await cards.get(connection, number=cardnumber.parse(number))
        meant = await cards.calls_beginning(connection, number) if found is None else []
        if len(meant) == 1:
            found = await cards.get(connection, call=meant[0])
        if found is None and not meant:
            cardnumber.parse(number)  # says what is wrong with it
        return found or meant

    found = _run(_read(config, db, work))
    if isinstance(found, list) and found:
        typer.echo(f"acd: several calls begin with {number}: {', '.join(found)}", err=True)
        raise typer.Exit(FOUND_PROBLEMS)
    if isinstance(found, list):
        typer.echo(f"acd: there is no card {cardnumber.spoken(cardnumber.parse(number))}", err=True)
        raise typer.Exit(FOUND_PROBLEMS)
    _noted(config, db, "open", f"card {found.card.number or found.card.call}")
    if as_json:
        _print_json({**cardjson.to_data(found.card), "version": found.version, "stored_at": found.stored_at})
    else:
        cardtables.card(found, console())


def export(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; absent = the terminal")] = None,
    as_json: JsonOption = False,
    since: Since = None,
    until: Until = None,
    subscriber: Subscriber = "",
    number: Annotated[str, typer.Option(help="Everything kept about this number, as JSON")] = "",
    config: ConfigOption = CONFIG,
    db: DbOption = None,
) -> None:
    """Export cards as CSV for spreadsheets, or as JSON; or all that is kept about one number."""
    if number:
        data: Any = _run(_read(config, db, lambda connection: retention.about(connection, number)))
    else:
        wanted = cards.CardFilter(subscriber=subscriber, limit=cards.LIST_LIMIT)
        found = _run(_find(config, db, since, until, wanted))
        if len(found) == cards.LIST_LIMIT:
            typer.echo(f"acd: only the newest {cards.LIST_LIMIT}; use --since and --until", err=True)
        data = [cardjson.to_data(item.card) for item in found]
    _noted(config, db, "export", "all about one number" if number else f"{len(data)} cards")
    try:
        with out.open("w", encoding="utf-8", newline="") if out else _Terminal() as file:
            if number or as_json:
                json.dump(data, file, ensure_ascii=False, indent=1)
                file.write("\n")
            else:
                cardexport.write_csv((cardjson.from_data(item) for item in data), file)
    except OSError as error:
        typer.echo(f"acd: {error}", err=True)
        raise typer.Exit(FOUND_PROBLEMS) from error


class _Terminal:
    """Standard output as a file that is not closed."""

    def __enter__(self) -> Any:
        return sys.stdout

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()


def rebuild_cards(
    check: Annotated[bool, typer.Option("--check", help="Only compare; change nothing")] = False,
    since: Since = None,
    config: ConfigOption = CONFIG,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every card with Asterisk's journal, field by field; without --check, mend what differs."""

    async def mend(store: SqliteStore) -> int:
        wanted = await store.writer.do(lambda db: rebuild.rebuilt(db, moment(since) or 0))
        for card in wanted:
            await store.write_card(card)
        await store.writer.do(
            lambda db: audit.append(db, WallClock().now(), _who(), "rebuild", f"{len(wanted)} cards")
        )
        return len(wanted)

    async def look(connection: aiosqlite.Connection) -> rebuild.RebuildReport:
        return await rebuild.check(connection, moment(since) or 0, WallClock().now() - WRAPPING_MS)

    mended = 0 if check else _run(_change(config, db, mend))
    report = _run(_read(config, db, look))
    if as_json:
        _print_json({**cardtables.rebuild_data(report), "mended": mended})
    else:
        cardtables.rebuilt(report, mended, console())
    raise typer.Exit(0 if report.ok else FOUND_PROBLEMS)


def make_backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where backups lie")],
    keep: Annotated[int, typer.Option(min=0, help="Remove all but the newest N; 0 = none")] = 0,
    config: ConfigOption = CONFIG,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back the database up, also while the daemon runs; the copy is checked before it gets its name."""

    async def work() -> backup.BackupReport:
        return await backup.backup(_database(config, db)[0], folder, _stamp(), keep=keep)

    report = _run(work())
    if as_json:
        _print_json({"path": str(report.path), "bytes": report.bytes, "cards": report.cards})
    else:
        typer.echo(f"{report.path}: {report.cards} cards, {report.bytes / 1e6:.1f} MB, checked")


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A backup")],
    yes: YesOption = False,
    config: ConfigOption = CONFIG,
    db: DbOption = None,
) -> None:
    """Put a backup in the database's place; the replaced one is kept beside it. The daemon must be stopped."""

    async def work() -> Path | None:
        path, _ = _database(config, db)
        if not yes and not typer.confirm(f"replace {path} by {source}?"):
            raise Misuse("nothing was changed")
        return await backup.restore(source, path, _stamp())

    aside = _run(work())
    _noted(config, db, "restore", source.name)
    typer.echo(f"restored{f'; the former database is {aside}' if aside else ''}")


def erase(
    number: Annotated[str, typer.Argument(help="The number, in any spelling")],
    yes: YesOption = False,
    config: ConfigOption = CONFIG,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase what is kept about a number; the calls' counts and times stay. The daemon must be stopped."""
    if not yes and not typer.confirm("erase for good all that is kept about this number?"):
        raise typer.Exit(MISUSE)

    async def work(store: SqliteStore) -> tuple[retention.Erased, bool]:
        retention.needle(number)  # a number too short is a mistake of the person, said as one
        done = await store.writer.do(lambda db: retention.erase(db, number, WallClock().now(), _who()))
        return done, await store.wipe_traces()

    done, clean = _run(_change(config, db, work))
    aside = _files_aside(_database(config, db)[0])
    if as_json:
        figures = {"cards": done.cards, "journal_rows": done.journal_rows, "tasks": done.tasks}
        _print_json({**figures, "clean": clean, "set_aside": [str(file) for file in aside]})
    else:
        typer.echo(f"erased from {done.cards} calls, {done.journal_rows} journal rows, {done.tasks} tasks")
        typer.echo("not reached: Asterisk's own log files, recordings, and backups made before now")
        for file in aside:
            typer.echo(f"not reached: {file}; read it, then remove it")
    if not clean:
        typer.echo("acd: traces may remain in the log of the database; run it again", err=True)
        raise typer.Exit(FOUND_PROBLEMS)


def _files_aside(database: Path) -> list[Path]:
    """Files of ours that may name callers: replaced databases, cards and spool files that could never be taken."""
    folder, name = database.parent, database.name
    found = (
        *folder.glob(f"{name}.replaced-*"),
        *folder.glob(f"{name}.rejected"),
        *folder.glob("spool/bad/*"),
    )
    return sorted(file for file in found if not file.name.endswith(("-wal", "-shm")))


def command(function: Callable[..., None]) -> typer.Typer:
    """Return an application of one command."""
    made = typer.Typer(add_completion=False, rich_markup_mode=None)
    made.command()(function)
    return made


app = command(list_cards)
card_app = command(show_card)
export_app = command(export)
rebuild_app = command(rebuild_cards)
backup_app = command(make_backup)
restore_app = command(restore)
erase_app = command(erase)
