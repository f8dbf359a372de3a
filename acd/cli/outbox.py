"""`acd outbox`: cards on their way to the downstream system, through the running daemon."""

from __future__ import annotations

import json

import typer

from acd.cli import cardtables
from acd.cli.api import asked, connect
from acd.cli.main import DEFAULT_CONFIG, ConfigOption, JsonOption, TokenOption, UrlOption

app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def show(
    ctx: typer.Context,
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = None,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count the cards that wait for the downstream system, and those given up."""
    if ctx.invoked_subcommand is not None:
        return
    answer = asked(lambda: connect(config, url, token_file).get("/outbox"))
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=1))
        return
    oldest = answer["oldest_waiting_at"]
    since = f" since {cardtables.local(oldest)}" if oldest is not None else ""
    typer.echo(
        f"{answer['waiting']} wait{since}, {answer['sent']} were taken, {answer['dead']} were given up"
    )
    if answer["dead"]:
        typer.echo("when the receiver is mended: `acd outbox revive`")


@app.command()
def revive(
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = None,
    token_file: TokenOption = None,
) -> None:
    """Send again what was given up; the receiver knows doubles by their key."""
    answer = asked(lambda: connect(config, url, token_file).post("/outbox/revive", {}))
    typer.echo(f"{answer['revived']} are sent again")
