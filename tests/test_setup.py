"""bin/setup: shows its progress, does nothing the second time, and says what to do when something is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKED = sum("==" in line for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines())
PIP = """#!/bin/sh
echo "$@" >>"$0.asked"
[ -n "$FAILS" ] && { echo "ERROR: no route to the index"; exit 1; }
n=0; while [ $n -lt 45 ]; do n=$((n + 1)); echo "Collecting package-$n==1"; done
echo "Installing collected packages: package-1"
"""
PROGRAMS = (
    "bash",
    "sh",
    "dirname",
    "readlink",
    "sha256sum",
    "cut",
    "cat",
    "mkdir",
    "flock",
    "grep",
    "tail",
    "env",
)


def setup(venv: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "bin" / "setup")],
        env={**os.environ, "ACD_VENV": str(venv), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """An environment whose Python only plays pip."""
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PIP, encoding="utf-8")
    python.chmod(0o755)
    return tmp_path / "venv"


def asked(venv: Path) -> int:
    path = venv / "bin" / "python.asked"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


@pytest.mark.slow
def test_progress_is_shown_and_a_second_call_does_nothing_and_says_nothing(venv: Path) -> None:
    first = setup(venv)
    assert first.returncode == 0
    for line in (
        "locked packages",
        f"fetched 20 of {LOCKED}",
        f"fetched 40 of {LOCKED}",
        "unpacking",
        "ready",
    ):
        assert line in first.stderr
    assert "--require-hashes" in (venv / "bin" / "python.asked").read_text(encoding="utf-8")
    before = sorted(
        (path, path.stat().st_mtime_ns) for path in venv.rglob("*") if path.name != ".acd-setup.lock"
    )
    second = setup(venv)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert asked(venv) == 1
    assert (
        sorted((path, path.stat().st_mtime_ns) for path in venv.rglob("*") if path.name != ".acd-setup.lock")
        == before
    )


@pytest.mark.slow
def test_another_lock_is_installed_anew(venv: Path) -> None:
    setup(venv)
    (venv / ".acd-lock").write_text("of an older checkout", encoding="utf-8")
    assert setup(venv).returncode == 0
    assert asked(venv) == 2


@pytest.mark.slow
def test_without_an_index_it_says_so_and_the_next_call_tries_again(venv: Path) -> None:
    failed = setup(venv, FAILS="1")
    assert failed.returncode == 2
    assert "no route to the index" in failed.stderr
    assert "is a package index reachable?" in failed.stderr
    assert setup(venv).returncode == 0


def test_without_a_python_of_ours_it_says_which(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    old = programs / "python3"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    said = setup(tmp_path / "venv", PATH=str(programs), PYTHON="")
    assert said.returncode == 2
    assert "needs Python 3.11, 3.12 or 3.13 (set PYTHON=" in said.stderr
