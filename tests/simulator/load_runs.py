"""What the tests of whole load runs share: the live engines, and one scenario through virtual time and a live one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.load.__main__ import main

LIVE_ENGINES = pytest.mark.parametrize(
    "engine",
    [pytest.param("stand-in", marks=pytest.mark.slow), pytest.param("real", marks=pytest.mark.e2e)],
)


def run(folder: Path, scenario: str, engine: str, *words: str) -> dict[str, Any]:
    """Run a scenario's text through one engine, which must end well; return its JSON."""
    path, out = folder / "scenario.yaml", folder / f"{engine}.json"
    path.write_text(scenario, encoding="utf-8")
    assert main([str(path), "--engine", engine, *words, "--json", str(out)]) == 0
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def run_beside_virtual(folder: Path, scenario: str, engine: str, *words: str) -> dict[str, dict[str, Any]]:
    """Run it through virtual time and then through this engine; return both, by the engine's name."""
    return {name: run(folder, scenario, name, *words) for name in ("virtual", engine)}
