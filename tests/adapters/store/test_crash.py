"""Failure mode 32: killed at every point, the file stays sound and every acknowledged row is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).with_name("crash_child.py")
ROUNDS = int(os.environ.get("ACD_CRASH_ROUNDS", "0"))


@pytest.mark.timeout(0 if ROUNDS else 240)
@pytest.mark.parametrize(
    ("mode", "rounds", "least_killed"),
    [
        pytest.param("fresh", 60, 60, id="each_of_the_first_statements_of_a_new_database"),
        pytest.param("statements", 80, 80, id="each_statement_of_a_database_that_was_killed_before"),
        pytest.param("time", 60, 20, id="random_moments"),
    ],
)
def test_killed_anywhere_nothing_acknowledged_is_lost(tmp_path, mode, rounds, least_killed):
    rounds = ROUNDS or rounds
    done = subprocess.run(
        [sys.executable, str(CHILD), str(tmp_path), mode, str(rounds), "7"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=None if ROUNDS else 230,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert report["rounds"] == rounds
    if not ROUNDS:
        assert report["killed"] >= least_killed
        assert report["safe"] > 0 or mode == "fresh"
