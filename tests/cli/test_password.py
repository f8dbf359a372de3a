"""An agent gets a password with one command, and only its hash is kept."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from acd import assembly
from acd.cli.password import app
from acd.config.loading import load
from acd.credentials import verify
from simulator.centre.config import CentreSpec, write


def test_a_new_password_opens_the_door_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    """Security row 19: secrets never stand in a file in clear."""
    without = {"agents": {"a101": {"password_hash": None}}}
    config = write(CentreSpec(tmp_path, agents=2, queue_log=tmp_path / "q", extra=without))
    result = CliRunner().invoke(app, ["a101", "--config", str(config)])
    assert result.exit_code == 0, result.output
    password = result.stdout.splitlines()[0]
    found = load(config)
    kept = assembly.agent_hash_file(found, "a101")
    assert password not in kept.read_text(encoding="ascii")
    assert kept.stat().st_mode & 0o077 == 0
    people = {p.name: p for p in assembly.principals(found)}
    assert verify(people["a101"].secret_hash, password)


def test_an_unknown_agent_is_named_with_those_there_are(tmp_path: Path) -> None:
    config = write(CentreSpec(tmp_path, agents=2, queue_log=tmp_path / "q"))
    result = CliRunner().invoke(app, ["nobody", "--config", str(config)])
    assert result.exit_code == 2
    assert "a101" in result.output
