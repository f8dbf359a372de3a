"""bin/demo as a person runs it, small: its exit status, every key of the issue, and sums that agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEYS = {
    "offered", "answered", "abandoned", "fallback", "lost", "cards", "pops_before_answer", "enter_to_ring_ms",
    "free_to_ring_ms", "service_level", "asterisk_version",
}  # fmt: skip

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("switch", ["stand-in", "asterisk"])
def test_the_demo_shows_the_main_job_and_its_figures_agree(switch: str, tmp_path: Path) -> None:
    """Issue 2, item 10: the same keys on both; nobody lost, a card for everybody, the pop before every hello."""
    options = [
        "--headless",
        "--calls",
        "6",
        "--rate",
        "2",
        "--agents",
        "4",
        "--json",
        str(tmp_path / "out.json"),
    ]
    if switch == "asterisk":
        options.append("--asterisk")
    done = subprocess.run(
        [sys.executable, "-m", "simulator.centre.demo", *options],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert told.keys() >= KEYS
    assert told["offered"] == told["cards"] == 6
    assert told["lost"] == 0
    assert told["answered"] + told["abandoned"] + told["fallback"] == 6
    assert told["answered"] > 0
    assert told["pops_before_answer"] == told["answered"]
    for figure in ("enter_to_ring_ms", "free_to_ring_ms"):
        assert {"p50", "p99"} <= told[figure].keys()
    assert "answered within the queue's threshold / offered" in told["service_level"]["formula"]
    assert told["asterisk_version"]
