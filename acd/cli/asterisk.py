"""`acd asterisk-files DIR`: write the agents' files for Asterisk from the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from acd.asterisk_files import DialEntry, agent_files, outside_file
from acd.config.loading import load
from acd.config.strict_yaml import ConfigError
from acd.core.ids import AgentId

app = typer.Typer(add_completion=False)


@app.command()
def write(
    folder: Annotated[Path, typer.Argument(help="Asterisk's configuration folder, as /etc/asterisk.")],
    config: Annotated[Path, typer.Option(envvar="ACD_CONFIG", help="Configuration directory.")] = Path(
        "config"
    ),
) -> None:
    """Write acd-agents.conf, acd-outside.conf and queues-members.conf; then: asterisk -rx 'dialplan reload', 'queue reload all'."""
    try:
        found = load(config)
    except ConfigError as wrong:
        typer.echo(str(wrong), err=True)
        raise typer.Exit(2) from None
    agents = [AgentId(name) for name in found.tree.agents]
    entries = [
        DialEntry(agent, found.dial(agent), found.press_one(agent), found.tree.agents[agent].language or "")
        for agent in agents
    ]
    files = agent_files(entries)
    prefixes, trunk = found.tree.transfers.outside_prefixes, found.tree.asterisk.pstn_trunk
    files["acd-outside.conf"] = outside_file(prefixes if trunk else (), f"PJSIP/{{number}}@{trunk or 'none'}")
    for name, text in files.items():
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as failed:
            typer.echo(f"{folder / name}: {failed.strerror}; may this user write there?", err=True)
            raise typer.Exit(2) from None
        what = f"{len(prefixes)} outside prefixes" if name == "acd-outside.conf" else f"{len(entries)} agents"
        typer.echo(f"{folder / name}: {what}")
