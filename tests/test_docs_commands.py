"""Every command a page names exists: a newcomer copies lines from there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from acd.cli.main import SUB_COMMANDS, app, resolve

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path for path in ROOT.rglob("*.md") if not {".venv", ".git"} & set(path.relative_to(ROOT).parts)
)
PROGRAM = re.compile(r"(?<![\w./-])bin/([a-z][\w-]*)")
ACD = re.compile(r"(?:(?<![\w./-])bin/acd|`acd) ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?")


def acd_commands() -> dict[str, set[str]]:
    """Each command of `acd`, with its own commands."""
    found: dict[str, set[str]] = {name: set() for name in get_command(app).commands}  # type: ignore[attr-defined]
    for name, (target, _) in SUB_COMMANDS.items():
        found[name] = set(getattr(resolve(target), "commands", {}))
    return found


def strangers(text: str, known: dict[str, set[str]]) -> list[str]:
    """Return what a page names and nobody has."""
    wrong = [f"bin/{name}" for name in PROGRAM.findall(text) if not (ROOT / "bin" / name).exists()]
    for command, inner in ACD.findall(text):
        if command not in known:
            wrong.append(f"acd {command}")
        elif command != "agent" and known[command] and inner and inner not in known[command]:  # agent ID WORD
            wrong.append(f"acd {command} {inner}")
    return wrong


def test_every_command_on_every_page_exists() -> None:
    assert len(PAGES) > 20
    known = acd_commands()
    wrong = {
        str(page.relative_to(ROOT)): strangers(page.read_text(encoding="utf-8"), known) for page in PAGES
    }
    assert {page: names for page, names in wrong.items() if names} == {}


@pytest.mark.parametrize("text", ["`bin/acd telephone`", "run bin/nothing", "`acd callbacks bless TASK`"])
def test_a_command_that_does_not_exist_is_found(text: str) -> None:
    assert strangers(text, acd_commands())
