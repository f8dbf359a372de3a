"""The `acd` command. Sub-commands of other rooms are loaded when they are called, so that --help is quick."""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

if TYPE_CHECKING:
    from acd.cli.api import Api

SUB_COMMANDS: dict[str, tuple[str, str]] = {
    "wallboard": ("acd.wallboard.app:run", "Show the centre live in the terminal"),
    "cards": ("acd.cli.cards:app", "List finished calls; JSON and CSV export"),
    "card": ("acd.cli.cards:card_app", "Show one call card by its number"),
    "export": ("acd.cli.cards:export_app", "Export cards as CSV or JSON, or all about one number"),
    "rebuild": ("acd.cli.cards:rebuild_app", "Compare cards with Asterisk's journal, and mend them"),
    "backup": ("acd.cli.cards:backup_app", "Back the database up while the daemon runs"),
    "restore": ("acd.cli.cards:restore_app", "Put a backup in the database's place"),
    "erase": ("acd.cli.cards:erase_app", "Erase what is kept about a number"),
    "callbacks": ("acd.cli.callbacks:app", "Whom we owe a call: list, approve, retry, close (daemon runs)"),
    "outbox": (
        "acd.cli.outbox:app",
        "Cards for the downstream system: how many wait, send again (daemon runs)",
    ),
    "ledger": ("acd.cli.ledger:app", "Missed calls: list, close, approve"),
    "project": ("acd.cli.project:app", "Subscribers' projects: new, check, dry run, versions"),
    "desk": ("acd.cli.desk:app", "The desk: service levels, handling times, deliveries, directory import"),
    "audit": ("acd.cli.ledger:audit_app", "Check the audit log"),
    "agent-password": ("acd.cli.password:app", "Give an agent a new password"),
    "asterisk-files": ("acd.cli.asterisk:app", "Write Asterisk's files about our agents"),
    "agent": ("acd.cli.agent:app", "Show an agent's screen-pops live; log in, pause, resume"),
}
"""name: (module:attribute, help). The attribute is a typer application, or a function to make one of."""


def resolve(target: str) -> Any:
    """Return the command behind ``module:attribute``."""
    module, _, attribute = target.partition(":")
    found: Any = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return get_command(found)
    made = typer.Typer(add_completion=False)
    made.command()(found)
    return get_command(made)


class LazyGroup(TyperGroup):
    """A group that knows the names of `SUB_COMMANDS` and loads one only when it is called.

    Contexts and commands are `Any`: newer typers carry a click of their own, older ones use the common one.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names."""
        return [*super().list_commands(ctx), *SUB_COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one command; for a help page only its name and help."""
        if cmd_name not in SUB_COMMANDS:
            return super().get_command(ctx, cmd_name)
        target, text = SUB_COMMANDS[cmd_name]
        if _only_help(ctx):
            return TyperCommand(cmd_name, help=text)
        command = resolve(target)
        command.name = cmd_name
        return command


def _only_help(ctx: Any) -> bool:
    """True while the group's own help page is being written: then nothing needs to be loaded."""
    return bool(ctx.meta.get("acd.help_page"))


def _help_page(ctx: Any, _option: Any, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.meta["acd.help_page"] = True
        typer.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


app = typer.Typer(cls=LazyGroup, add_completion=False, no_args_is_help=False, rich_markup_mode=None)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="Configuration directory", envvar="ACD_CONFIG")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override, a.b=value; may be repeated")]
UrlOption = Annotated[str | None, typer.Option(help="Daemon's address instead of the configured one")]
TokenOption = Annotated[
    Path | None, typer.Option(help="File with the bearer token instead of the configured one")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs")]

DEFAULT_CONFIG = Path("config")


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    _help: Annotated[
        bool, typer.Option("--help", "-h", is_eager=True, callback=_help_page, help="Show this page")
    ] = False,
) -> None:
    """The call router: run it, check its configuration, look at it."""
    if ctx.invoked_subcommand is None:
        ctx.meta["acd.help_page"] = True
        typer.echo(ctx.get_help())
        raise typer.Exit(2)


def _import_quickly(module: str, *, without: str) -> Any:
    """Import what a start waits for (decision 0230).

    Args:
        module: its name.
        without: a library that others take in only if it can be imported, and which the daemon does not use:
            structlog would draw tracebacks with rich, ours are one line of text (acd.telemetry).
    """
    gc.disable()  # the collector would look through what is being imported again and again
    spared = without not in sys.modules
    if spared:
        sys.modules[without] = None  # type: ignore[assignment]  # documented: its import raises ModuleNotFoundError
    try:
        return importlib.import_module(module)
    finally:
        if spared:
            del sys.modules[without]
        gc.enable()


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG, overrides: SetOption = None) -> None:
    """Run the daemon until it is told to stop."""
    daemon = _import_quickly("acd.daemon", without="rich")
    raise typer.Exit(daemon.run(config, tuple(overrides or ())))


@app.command(name="check-config")
def check_config(
    config: ConfigOption = DEFAULT_CONFIG, overrides: SetOption = None, as_json: JsonOption = False
) -> None:
    """Check the configuration: all problems at once, each with file, line and column."""
    from acd.cli import check

    raise typer.Exit(check.check_config(config, overrides or [], as_json=as_json))


@app.command(name="make-secrets")
def make_secrets(config: ConfigOption = DEFAULT_CONFIG, overrides: SetOption = None) -> None:
    """Create the secret files the configuration names and that are missing."""
    from acd.cli import check
    from acd.config.loading import load
    from acd.config.strict_yaml import ConfigError

    try:
        made = check.make_secrets(load(config, overrides or []))
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    except OSError as error:
        typer.echo(f"acd: {error}", err=True)
        raise typer.Exit(1) from error
    for path in made:
        typer.echo(f"created {path}")
    if not made:
        typer.echo("nothing to create")


def _show(api: Callable[[], Api], path: str, show: Callable[[Any], None], *, as_json: bool) -> None:
    """Ask the daemon and print, as JSON or for people."""
    from acd.cli.api import ApiError, asked, fail

    answer = asked(lambda: api().get(path))
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=1))
        return
    try:
        show(answer)
    except ValueError as error:
        raise fail(
            ApiError(f"not an answer of ours: {error}", "command line and daemon of one version?")
        ) from error


def _snapshot_command(
    name: str, config: Path, url: str | None, token_file: Path | None, *, as_json: bool
) -> None:
    from acd.cli import tables
    from acd.cli.api import connect
    from acd.snapshot_json import decode

    printer = getattr(tables, name)
    # people get tables from the snapshot, which has the names; programs get the resource itself
    path = f"/{'snapshot' if name == 'status' or not as_json else name}"
    _show(
        lambda: connect(config, url, token_file),
        path,
        lambda answer: printer(decode(answer), tables.console()),
        as_json=as_json,
    )


@app.command()
def status(
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = None,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the state of the centre: queues, service level, what does not work."""
    _snapshot_command("status", config, url, token_file, as_json=as_json)


@app.command()
def calls(
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = None,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the live calls."""
    _snapshot_command("calls", config, url, token_file, as_json=as_json)


@app.command()
def agents(
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = None,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the agents: status, state, since when, call."""
    _snapshot_command("agents", config, url, token_file, as_json=as_json)


@app.command()
def explain(
    call: Annotated[str, typer.Argument(help="Call id as `acd calls` shows it, channel, or card number")],
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = None,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a call waits, or why it got its agent."""
    from acd.cli import tables
    from acd.cli.api import connect, segment

    _show(
        lambda: connect(config, url, token_file),
        f"/calls/{segment(call)}/explain",
        lambda answer: tables.explanation(answer, tables.console()),
        as_json=as_json,
    )


def main() -> None:
    """Entry point of the `acd` command."""
    try:
        app(prog_name="acd")
    except BrokenPipeError:  # `acd calls | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
