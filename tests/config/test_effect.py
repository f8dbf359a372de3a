"""A setting that nothing reads is a false promise to whoever writes it.

Names alone prove nothing: `.language` of one section is not `.language` of another. So mypy, which knows the
type of every expression, writes down each read (reads_plugin.py). A read inside a check of the configuration
has no effect on a call, and does not count.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import os
import pkgutil
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

import acd.config
from acd.config.project_files import QUEUE_KEYS
from acd.config.project_models import Targets
from acd.config.strict_yaml import Section
from acd.core import policy
from acd.desk.operations import Operation

pytestmark = pytest.mark.slow  # mypy without its cache: some fifteen seconds
ROOT = Path(__file__).parents[2]
CHECKS = {f"acd/config/{name}.py" for name in ("relations", "promises", "rule_checks", "reference")}
"""Rooms that only find mistakes."""
NOT_BY_NAME = {
    "system.Weights": "taken whole into RoutingWeights; there each one is checked below",
    "fitted.FittedFile": "what `bin/simulate fit` leaves, not a setting",
    "centre.Number_.note": "for people",
    "centre.Skill.display_name": "for people who read the file",
    "project_models.ProjectFile.extends": "read before there is a model: it says which file to lay beneath",
    "project_models.Targets": "read by the operation's name, see the test below",
    **{
        f"project_models.ProjectFile.{key}": "copied by name into its queue (QUEUE_KEYS)"
        for key in QUEUE_KEYS
    },
}


NOT_IN_THE_CORE = {
    "QueuePolicy.max_waiting": "the door refuses (NumberPlan.max_waiting); the simulator's crowd reads this one",
    "RoutingWeights.auto": "read where the configuration is loaded: then the fitted weights are told",
}


def sections() -> list[str]:
    """Every key of every section, as `module.Class.field`."""
    found = set()
    for info in pkgutil.iter_modules(acd.config.__path__):
        module = importlib.import_module(f"acd.config.{info.name}")
        for made in vars(module).values():
            if isinstance(made, type) and issubclass(made, Section) and made is not Section:
                name = f"{made.__module__}.{made.__name__}"
                if name.removeprefix("acd.config.") not in NOT_BY_NAME:
                    found |= {
                        f"{name}.{field}" for field in made.__annotations__ if field in made.model_fields
                    }
    return sorted(name for name in found if name.removeprefix("acd.config.") not in NOT_BY_NAME)


def policies() -> list[str]:
    """Every field of the core's policy."""
    made = [one for one in vars(policy).values() if dataclasses.is_dataclass(one) and isinstance(one, type)]
    return [
        f"{one.__module__}.{one.__name__}.{field.name}"
        for one in made
        if one.__module__ == policy.__name__
        for field in dataclasses.fields(one)
        if f"{one.__name__}.{field.name}" not in NOT_IN_THE_CORE
    ]


@pytest.fixture(scope="module")
def reads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Full name of an attribute → the files that read it to some effect."""
    folder = tmp_path_factory.mktemp("reads")
    (folder / "mypy.ini").write_text(
        f"[mypy]\nexplicit_package_bases = true\nignore_missing_imports = true\n"
        f"plugins = {Path(__file__).with_name('reads_plugin.py')}\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "mypy", "--config-file", str(folder / "mypy.ini")]
    made = subprocess.run(
        [*command, "--cache-dir", str(folder / "cache"), "acd", "agi_scripts"],
        cwd=ROOT, env={**os.environ, "ACD_READS": str(folder / "reads")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    found: dict[str, set[str]] = defaultdict(set)
    for line in (folder / "reads").read_text(encoding="utf-8").splitlines():
        name, path, number = line.rsplit(" ", 2)
        if path not in CHECKS and int(number) not in validating(path):
            found[name].add(path)
    return found


@cache
def validating(path: str) -> frozenset[int]:
    """Lines of a file inside pydantic's validators."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(
        number
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and "validator" in "".join(map(ast.unparse, node.decorator_list))
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    )


@pytest.mark.parametrize("name", sections())
def test_a_setting_is_read_where_it_has_an_effect(name: str, reads: dict[str, set[str]]) -> None:
    assert reads.get(name), f"nothing reads {name}"


@pytest.mark.parametrize("name", policies())
def test_the_core_reads_every_field_of_its_policy(name: str, reads: dict[str, set[str]]) -> None:
    assert {path for path in reads.get(name, ()) if path.startswith("acd/core/")}, (
        f"the core never reads {name}"
    )


def test_a_project_has_a_target_for_every_operation_and_no_other() -> None:
    assert set(Targets.model_fields) == {operation.value for operation in Operation}
