"""The house rules as a test: who may import whom, how long a function may be, what is banned."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("acd", "agi_scripts", "simulator")
TOP_LEVEL = {"acd", "agi_scripts", "dialplan", "config", "simulator", "bin", "tests", "pyproject.toml"}

STDLIB = sys.stdlib_module_names
CORE_STDLIB = {
    "__future__", "abc", "dataclasses", "enum", "typing", "collections", "heapq", "math", "bisect", "operator",
    "itertools", "functools",
}  # fmt: skip

CONFIG = {
    "acd.config",
    "acd.core.policy",
    "acd.core.rules",
    "acd.core.capacity",
    "acd.core.ids",
    "acd.desk",
    "acd.snapshot_json",
    "acd.deskside.templates",
}

# room -> what it may import besides the standard library (prefix match); "std" rules below.
# The longest matching room decides.
ROOMS: dict[str, set[str]] = {
    "acd.core": {"acd.core"},
    "acd.wire": {"acd.wire"},
    "acd.desk": {"acd.desk", "acd.core.instant", "acd.core.ids"},
    "acd.ports": {"acd.core"},
    "acd.runner": {"acd.core", "acd.ports", "acd.factlog", "structlog"},
    "acd.factlog": {"acd.core"},
    "acd.planning": {"acd.planning", "acd.core", "numpy"},
    "acd.telemetry": {"structlog"},
    "acd.config.yaml_reader": {"yaml"},
    "acd.config.strict_yaml": {"pydantic", "acd.config.yaml_reader"},
    "acd.config": {"pydantic", *CONFIG},
    "acd.config.project_files": {"yaml", *CONFIG},
    "acd.deskside.templates": {"jinja2"},
    "acd.workroom": {"acd.workroom"},
    "acd.workroom.rendering": {"acd.deskside.templates"},
    "acd.workroom.ical": {"acd.desk.oncall", "icalendar", "recurring_ical_events"},
    "acd.config.state_days": {"holidays"},
    "acd.config.numbers": {"phonenumbers", "acd.core.ids"},
    "acd.wallboard.words": set(),
    "acd.wallboard.view": {"acd.core.snapshot", "acd.core.ids"},
    "acd.wallboard.render": {"acd.wallboard.view", "acd.wallboard.words"},
}
NEVER_ASYNC = ("acd.core", "acd.wire", "acd.desk", "acd.planning")
NO_CLOCK = ("acd.core", "acd.desk", "acd.wire")
BANNED_CLOCKS = {"time", "random", "os", "logging", "asyncio", "socket"}

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 500
LONG_FUNCTIONS: dict[str, str] = {}
"""Exceptions with their reason; this list may only shrink."""
LONG_FILES: dict[str, str] = {}


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    for top in SOURCES:
        for path in sorted((ROOT / top).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield name, path, ast.parse(path.read_text(encoding="utf-8"))


ALL = list(modules())


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            yield node.module or ""


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def room_of(name: str) -> str | None:
    found = [room for room in ROOMS if within(name, room)]
    return max(found, key=len) if found else None


def test_top_level_is_the_one_agreed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tops = {line.split("/")[0] for line in tracked.splitlines()}
    extra = {"README.md", "CHANGELOG.md", "LICENSE", "requirements.lock", ".gitignore", ".ci"}
    assert not tops - TOP_LEVEL - extra


@pytest.mark.parametrize(("name", "tree"), [(n, t) for n, _, t in ALL if room_of(n)])
def test_room_imports_only_what_the_house_allows(name: str, tree: ast.Module) -> None:
    room = room_of(name)
    assert room is not None
    for wanted in imports(tree):
        top = wanted.split(".")[0]
        if top in STDLIB:
            if room == "acd.core":
                assert top in CORE_STDLIB, f"{name} imports {wanted}"
            continue
        assert any(within(wanted, allowed) for allowed in ROOMS[room]), f"{name} imports {wanted}"


@pytest.mark.parametrize(("name", "tree"), [(n, t) for n, _, t in ALL])
def test_pure_rooms_read_no_clock_and_no_loop(name: str, tree: ast.Module) -> None:
    wanted = {w.split(".")[0] for w in imports(tree)}
    if any(within(name, room) for room in NO_CLOCK):
        assert not wanted & BANNED_CLOCKS, name
    if any(within(name, room) for room in NEVER_ASYNC):
        assert "asyncio" not in wanted, name


@pytest.mark.parametrize(("name", "tree"), [(n, t) for n, _, t in ALL if within(n, "acd.adapters")])
def test_an_adapter_knows_no_other_adapter_no_engine_no_runner(name: str, tree: ast.Module) -> None:
    family = ".".join(name.split(".")[:3])
    for wanted in imports(tree):
        if within(wanted, "acd.adapters"):
            assert within(wanted, family) or wanted == "acd.adapters", f"{name} imports {wanted}"
        assert not within(wanted, "acd.core.engine"), name
        assert not within(wanted, "acd.runner"), name


def test_nobody_imports_a_composition_root() -> None:
    roots = ("acd.daemon", "acd.wallboard.app", "simulator.__main__")
    launchers = ("acd.__main__", "acd.cli", "simulator")
    for name, _, tree in ALL:
        for wanted in imports(tree):
            for root in roots:
                if within(wanted, root):
                    assert any(within(name, ok) for ok in launchers), f"{name} imports {wanted}"


SIMULATOR_DRIVERS = {"simulator.__main__"}
"""Flat modules of the simulator are pure: what opens sockets or starts programs has a room of its own."""
DRIVING = (
    "acd.adapters", "acd.daemon", "acd.house", "acd.cli", "simulator.lab", "simulator.centre", "simulator.load",
    "simulator.faults", "simulator.standin", "simulator.virtual", "asyncio", "socket", "subprocess",
)  # fmt: skip


def test_the_simulator_proper_is_pure() -> None:
    for name, path, tree in ALL:
        if path.parent != ROOT / "simulator" or name in SIMULATOR_DRIVERS:
            continue
        for wanted in imports(tree):
            assert not any(within(wanted, room) for room in DRIVING), f"{name} imports {wanted}"


def functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def test_functions_fit_on_a_screen() -> None:
    long = {
        f"{name}.{function}": lines
        for name, _, tree in ALL
        for function, lines in functions(tree)
        if lines > MAX_FUNCTION_LINES
    }
    assert not set(long) - set(LONG_FUNCTIONS), long
    assert not set(LONG_FUNCTIONS) - set(long), "an exception is no longer needed: delete it"


def test_files_have_one_subject() -> None:
    long = {}
    for name, path, _ in ALL:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_FILE_LINES:
            long[name] = lines
    assert not set(long) - set(LONG_FILES), long
    assert not set(LONG_FILES) - set(long), "an exception is no longer needed: delete it"


BANNED_WORDS = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")


@pytest.mark.parametrize("path", [p for _, p, _ in ALL], ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_left_for_later(path: Path) -> None:
    assert not BANNED_WORDS.search(path.read_text(encoding="utf-8"))


def test_the_mirror_every_core_and_wire_module_has_its_own_test_file() -> None:
    without_logic = {
        "acd.core.ids",
        "acd.core.instant",
        "acd.core.events",
        "acd.core.effects",
        "acd.core.names",
    }
    for room in ("core", "wire", "desk", "planning"):
        for path in sorted((ROOT / "acd" / room).glob("*.py")):
            name = f"acd.{room}.{path.stem}"
            if path.stem == "__init__" or name in without_logic:
                continue
            assert (ROOT / "tests" / room / f"test_{path.stem}.py").exists(), f"no test file for {name}"


def test_no_adapter_waits_with_wait_for():
    """Before Python 3.12 wait_for can swallow a cancellation, and what should end runs on: asyncio.timeout."""
    found = [
        f"{path.name}:{number}"
        for path in (ROOT / "acd" / "adapters").rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "asyncio.wait_for(" in line
    ]
    assert not found


def test_every_decision_is_in_the_list_under_its_own_title() -> None:
    """The message is the list as it should be: copy the missing line."""
    folder = ROOT / "acd" / "decisions"
    wanted = []
    for page in sorted(folder.glob("[0-9]*.md")):
        first = page.read_text(encoding="utf-8").partition("\n")[0]
        wanted.append(f"- [{page.name[:4]}]({page.name}) {re.sub(r'^# *[0-9]+[.:]? *', '', first)}")
    listed = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in listed if line.startswith("- ")] == wanted, "\n" + "\n".join(wanted)
