"""`acd callbacks`: missed calls and the call-backs they are owed, through the running daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from acd.cli import cardtables
from acd.cli.api import asked, connect
from acd.cli.main import DEFAULT_CONFIG, ConfigOption, JsonOption, TokenOption, UrlOption
from acd.cli.tables import console

app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)

TaskId = Annotated[int, typer.Argument(min=1, help="Task, as `acd callbacks` shows it")]


@app.callback()
def show(
    ctx: typer.Context,
    held: Annotated[bool, typer.Option("--held", help="Only those that need a person's yes")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also settled ones")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = None,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """List whom we owe a call, oldest first."""
    if ctx.invoked_subcommand is not None:
        return
    query = {"held": str(held).lower(), "everything": str(everything).lower()}
    answer = asked(lambda: connect(config, url, token_file).get("/callbacks", **query))
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=1))
    else:
        cardtables.callbacks(answer["callbacks"], console())


def _act(
    task: int, action: str, config: Path, url: str | None, token_file: Path | None, reason: str = ""
) -> None:
    body: dict[str, object] = {"reason": reason} if reason else {}
    asked(lambda: connect(config, url, token_file).post(f"/callbacks/{task}/{action}", body))
    typer.echo(f"task {task}: {action} done")


@app.command()
def approve(
    task: TaskId,
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = None,
    token_file: TokenOption = None,
) -> None:
    """Say yes to a held call-back: foreign, premium, one-ring, or often tried numbers."""
    _act(task, "approve", config, url, token_file)


@app.command()
def retry(
    task: TaskId,
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = None,
    token_file: TokenOption = None,
) -> None:
    """Have one tried at once instead of after its pause."""
    _act(task, "retry", config, url, token_file)


@app.command()
def close(
    task: TaskId,
    reason: Annotated[str, typer.Option(help="Why nobody will be called back")],
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = None,
    token_file: TokenOption = None,
) -> None:
    """Close one by hand, with a reason."""
    _act(task, "close", config, url, token_file, reason)
