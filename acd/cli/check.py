"""`acd check-config` and `acd make-secrets`: everything about the configuration that needs no Asterisk."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from pydantic import BaseModel

from acd.config.strict_yaml import ConfigError, Problem

if TYPE_CHECKING:
    from acd.config.loading import Config
    from acd.config.system import SecretReference

SECRET_BYTES = 32


def secret_references(
    section: BaseModel, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every secret reference below a section, with its path."""
    from acd.config.system import SecretReference

    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, SecretReference):
            yield (*path, name), value
        elif isinstance(value, BaseModel):
            yield from secret_references(value, (*path, name))
        elif isinstance(value, dict):
            for key, inner in value.items():
                if isinstance(inner, BaseModel):
                    yield from secret_references(inner, (*path, name, key))


def absent_secrets(config: Config) -> list[Problem]:
    """Return a warning for each secret that cannot be read now; the daemon needs them, this check does not."""
    from acd.config.system import SecretUnavailableError

    found = []
    for path, reference in secret_references(config.tree):
        try:
            reference.resolve(config.state_dir)
        except SecretUnavailableError as error:
            found.append(config.document.problem(path, f"{error}; `bin/acd make-secrets` creates files"))
    return found


def summary(config: Config) -> dict[str, int | str]:
    """Return the figures a person checks first."""
    tree = config.tree
    return {
        "centre": tree.centre.name,
        "subscribers": len({queue.subscriber for queue in tree.queues.values()}),
        "queues": len(tree.queues),
        "agents": len(tree.agents),
        "skills": len(tree.skills),
        "numbers": len(config.numbers),
    }


def check_config(directory: Path, overrides: list[str], *, as_json: bool) -> int:
    """Print every problem, or a summary. Returns the exit code: 0 fine (warnings allowed), 2 errors."""
    from acd.config.loading import load

    errors: tuple[Problem, ...] = ()
    warnings: list[Problem] = []
    figures: dict[str, int | str] = {}
    try:
        config = load(directory, overrides)
    except ConfigError as error:
        errors = error.problems
    else:
        warnings = [*config.warnings, *absent_secrets(config)]
        figures = summary(config)
    if as_json:
        answer = {
            "ok": not errors,
            "errors": [dataclasses.asdict(problem) for problem in errors],
            "warnings": [dataclasses.asdict(problem) for problem in warnings],
            "summary": figures,
        }
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=1))
        return 2 if errors else 0
    for problem in errors:
        typer.echo(str(problem), err=True)
    for problem in warnings:
        typer.echo(f"warning: {problem}", err=True)
    if errors:
        typer.echo(f"\n{len(errors)} problem{'s' if len(errors) > 1 else ''} in {directory}", err=True)
        return 2
    typer.echo(
        ", ".join(f"{value} {name}" if name != "centre" else str(value) for name, value in figures.items())
    )
    typer.echo(f"{directory} is fine" + (f", {len(warnings)} warnings" if warnings else ""))
    return 0


def make_secrets(config: Config) -> list[Path]:
    """Create the missing secret files with random content, mode 0600. Existing ones stay. Returns the new ones.

    Password hashes are left alone: a random one would only lock the agent out without a word.
    """
    made: list[Path] = []
    for path, reference in secret_references(config.tree):
        target = _target(reference, config.state_dir)
        if target is None or path[-1] == "password_hash" or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
        made.append(target)
    return made


def _target(reference: SecretReference, state_dir: Path) -> Path | None:
    return reference.path(state_dir) if reference.file is not None else None
