"""`acd agent-password ID`: give an agent a new password for the desk and for screen-pops."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from acd.assembly import agent_hash_file
from acd.config.loading import load
from acd.config.strict_yaml import ConfigError
from acd.credentials import hash_token, new_token

app = typer.Typer(add_completion=False)


@app.command()
def give(
    agent: Annotated[str, typer.Argument(help="Agent's id, as in agents.yaml.")],
    config: Annotated[
        Path, typer.Option("--config", "-c", envvar="ACD_CONFIG", help="Configuration directory.")
    ] = Path("config"),
) -> None:
    """Make a new password, keep only its hash, and print it once. Then: reload the daemon (SIGHUP)."""
    try:
        found = load(config)
    except ConfigError as wrong:
        typer.echo(str(wrong), err=True)
        raise typer.Exit(2) from None
    if agent not in found.tree.agents:
        known = ", ".join(found.tree.agents)
        typer.echo(f"there is no agent {agent!r}; agents.yaml has: {known}", err=True)
        raise typer.Exit(2)
    path = agent_hash_file(found, agent)
    password = new_token()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(hash_token(password))
    except OSError as failed:
        typer.echo(f"{path}: {failed.strerror}; may this user write there?", err=True)
        raise typer.Exit(2) from None
    typer.echo(password)
    typer.echo(f"a new password for agent {agent} was made (above; it is shown only once);", err=True)
    typer.echo(f"its hash is in {path}; tell the daemon: systemctl reload acd (or kill -HUP)", err=True)
