"""Commands about subscribers' projects: make one from a typical one, check, try a call without making it.

A new subscriber: `acd project new NAME --from TYPE`, edit the file, `check`, `dry-run`, reload the daemon.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
import yaml
from pydantic import TypeAdapter, ValidationError

from acd.cli.cards import (
    CONFIG,
    MISUSE,
    ConfigOption,
    DbOption,
    JsonOption,
    Misuse,
    WallClock,
    _print_json,
    _read,
    _run,
)
from acd.config import project_files
from acd.config.loading import load
from acd.config.numbers import bare
from acd.config.project_models import Email
from acd.config.strict_yaml import ConfigError
from acd.desk import project as pure
from acd.desk.dossier import Dossier

if TYPE_CHECKING:
    from acd.config.loading import Config
    from acd.desk.oncall import Busy
    from acd.desk.project import Project

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

NAME = re.compile(r"[0-9A-Za-z_-]{1,32}")
NameArgument = Annotated[str, typer.Argument(help="Project id: the file's name without .yaml")]


def _folder(config: Path) -> Path:
    """Return the directory of projects, also while the rest of the configuration has mistakes."""
    try:
        named = yaml.safe_load((config / "acd.yaml").read_text(encoding="utf-8")).get("projects")
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise Misuse(f"{config / 'acd.yaml'}: {error}") from error
    if not isinstance(named, str):
        raise Misuse(f"{config / 'acd.yaml'} names no directory: write `projects: projects`")
    return config / named


def _fail(error: Exception) -> typer.Exit:
    typer.echo(f"acd: {error}", err=True)
    return typer.Exit(MISUSE)


@app.command()
def new(
    name: NameArgument,
    from_type: Annotated[str, typer.Option("--from", help="Typical project; see `acd project types`")],
    title: Annotated[str, typer.Option("--title", help="The firm's name")] = "",
    number: Annotated[
        list[str] | None, typer.Option("--number", help="Dialled number; may be repeated")
    ] = None,
    email: Annotated[str, typer.Option("--email", help="Where messages go")] = "",
    config: ConfigOption = CONFIG,
) -> None:
    """Make a project file that extends a typical one; refuse to overwrite."""
    try:
        folder = _folder(config)
        if not NAME.fullmatch(name):
            raise Misuse("an id has 1 to 32 letters, digits, dashes and underscores")  # noqa: TRY301
        if from_type not in project_files.types(folder):
            known = ", ".join(project_files.types(folder)) or "none"
            raise Misuse(f"no typical project {from_type!r}; known: {known}")  # noqa: TRY301
        if (folder / f"{name}.yaml").exists():
            raise Misuse(  # noqa: TRY301
                f"there is a project {name!r} already: edit {folder / f'{name}.yaml'}, or take another id"
            )
        _usable_address(email)
        _free_numbers(config, number or [])
    except Misuse as error:
        raise _fail(error) from error
    firm = title or name
    content = {
        "extends": from_type,
        "name": firm,
        "numbers": number or [_free_number(config, folder)],
        "greeting": f"{firm}, здравствуйте!",
        "deliver": [{"to": email or f"office@{name.replace('_', '-')}.example", "by": "email"}],
    }
    path = folder / f"{name}.yaml"
    try:
        with path.open("x", encoding="utf-8") as stream:
            yaml.safe_dump(content, stream, allow_unicode=True, sort_keys=False)
    except OSError as error:
        raise _fail(error) from error
    typer.echo(f"{path}\nnext: edit it, then  acd project check {name}  and  acd project dry-run {name}")


def _usable_address(email: str) -> None:
    """Refuse what is no e-mail address; none is fine. Raises Misuse."""
    try:
        TypeAdapter(Email).validate_python(email or "office@firm.example")
    except ValidationError:
        raise Misuse(
            f"--email {email!r} is no e-mail address: write one such as office@firm.example"
        ) from None


def _free_numbers(config: Path, wanted: list[str]) -> None:
    """Refuse what is no telephone number, and numbers that lead to somebody already. Raises Misuse."""
    try:
        whole = load(config) if wanted else None
    except ConfigError:
        whole = None  # its mistakes are shown by `check`; only the form can be judged
    for text in wanted:
        try:
            bare(text)
        except ValueError as error:
            raise Misuse(f"--number {text!r}: {error}") from None
        held = whole.route(text) if whole else None
        if held is not None:
            raise Misuse(
                f"--number {text!r} leads to {held[1].queue!r} already: take another, or change it there"
            )


def _free_number(config: Path, folder: Path) -> str:
    """Return a short number nobody has, for trials inside the house, until the firm's own is known."""
    files = [config / "numbers.yaml", *folder.glob("*.yaml")]
    taken = " ".join(path.read_text(encoding="utf-8") for path in files if path.is_file())
    return next(str(number) for number in range(7001, 8000) if not re.search(rf"\b{number}\b", taken))


@app.command()
def types(config: ConfigOption = CONFIG) -> None:
    """List the typical projects."""
    try:
        folder = _folder(config)
    except Misuse as error:
        raise _fail(error) from error
    for name in project_files.types(folder):
        first = (folder / project_files.TYPES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
        typer.echo(f"{name:24} {first.lstrip('# ')}")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="Project id; none = all")] = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say everything that is wrong, each with file, line and column. Exit status 2 if anything is."""
    try:
        problems = list(load(config).projects.problems)
    except (Misuse, ConfigError) as error:
        raise _fail(error) from error
    found = _folder(config)
    if name and name not in project_files.names(found):
        raise _fail(Misuse(f"no project {name!r}; known: {', '.join(project_files.names(found))}"))
    if name:
        own = {m.file for m in project_files.read_project(found / f"{name}.yaml").values.values()}
        own.add(str(found / f"{name}.yaml"))
        problems = [problem for problem in problems if problem.file in own]
    if as_json:
        _print_json({"ok": not problems, "problems": [dataclasses.asdict(p) for p in problems]})
    else:
        for problem in problems:
            typer.echo(str(problem), err=True)
        if not problems:
            typer.echo(f"{name or 'all projects'}: fine")
    raise typer.Exit(2 if problems else 0)


def _project(config: Config, name: str) -> Project:
    loaded = config.projects.loaded.get(name)
    if loaded is None:
        raise Misuse(f"no project {name!r}; known: {', '.join(config.projects.loaded) or 'none'}")
    if loaded.problems or loaded.project is None:
        raise ConfigError(loaded.problems or config.projects.problems)
    return loaded.project


def instant_of(text: str, zone: ZoneInfo) -> int:
    """Read a local time such as 2027-01-02T20:00; empty is now. Raises Misuse."""
    if not text:
        return WallClock().now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misuse(f"{text!r} is no time: write 2027-01-02T20:00") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)


@app.command(name="dry-run")
def dry_run(
    name: NameArgument,
    at: Annotated[str, typer.Option("--at", help="Local time, 2027-01-02T20:00; none = now")] = "",
    number: Annotated[str, typer.Option("--from", help="The caller's number")] = "",
    call_type: Annotated[str, typer.Option("--type", help="Type of call")] = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Tell step by step what would happen to this call; nothing is dialled, sent or written."""
    try:
        whole = load(config)
        project = _project(whole, name)
        moment = instant_of(at, project.hours.zone)
        known, busy = asyncio.run(_trial(whole, project, number, moment))
    except (Misuse, ConfigError) as error:
        raise _fail(error) from error
    steps = pure.dry_run(project, moment, number, known, busy, call_type)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(step) for step in steps], ensure_ascii=False, indent=1))
        return
    width = max(len(step.what) for step in steps)
    for step in steps:
        typer.echo(f"{step.what:{width}}  {step.detail}")


async def _trial(
    config: Config, project: Project, number: str, at: int
) -> tuple[Dossier, dict[str, tuple[Busy, ...]]]:
    from acd.deskside.trial import calendars, gather

    return await gather(config, project, number), await calendars(config, project, at)


@app.command()
def versions(
    name: NameArgument,
    show: Annotated[int, typer.Option("--show", help="Print the content of this version")] = 0,
    config: ConfigOption = CONFIG,
    db: DbOption = None,
) -> None:
    """List every version of a project that was in force, newest first."""
    from acd.adapters.store import directory_store

    found = _run(_read(config, db, lambda connection: directory_store.versions(connection, name)))
    if show:
        content = next((text for version, _, text in found if version == show), None)
        if content is None:
            raise _fail(Misuse(f"there is no version {show}"))
        typer.echo(content, nl=False)
        return
    for version, since, _ in found:
        typer.echo(
            f"{version:4}  since {datetime.fromtimestamp(since / 1000).astimezone():%Y-%m-%d %H:%M:%S %z}"
        )


@app.command(name="test-call")
def call_for_trial(
    name: NameArgument,
    number: Annotated[str, typer.Option("--from", help="The caller's number")] = "+79160000001",
    config: ConfigOption = CONFIG,
) -> None:
    """Make one real call to a project on a lab Asterisk beside this one; nothing leaves the machine."""
    import subprocess
    import sys

    # the simulator is a program of its own: nothing of the daemon depends on it
    command = [
        sys.executable,
        "-m",
        "simulator.centre.trial_call",
        name,
        "--from",
        number,
        "--config",
        str(config),
    ]
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - our own program, no shell
