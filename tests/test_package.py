"""The package installs as a wheel: console scripts, the dialplan and the sample configuration inside."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=110,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_scripts_dialplan_configuration_and_the_desktop(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    wanted = (
        "acd/_data/dialplan/10-inbound.conf",
        "acd/_data/config/acd.yaml",
        "acd/adapters/store/migrations/0001.sql",
        "acd/schemas/pop.json",
        "agi_scripts/enter_queue.py",
    )
    for name in wanted:
        assert name in names or any(n.endswith(name) for n in names), name
    scripts = next(n for n in names if n.endswith("entry_points.txt"))
    text = zipfile.ZipFile(wheel).read(scripts).decode()
    for command in ("acd =", "acd-wallboard =", "acd-simulate =", "acd-lab ="):
        assert command in text


def test_every_library_is_pinned_and_known_by_its_hash() -> None:
    """Security row 25."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    entries = [line for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(entries) > 30
    for entry in entries:
        assert re.match(r"[a-zA-Z0-9._-]+==[^ ]+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


def test_an_installed_wheel_answers_help(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
        timeout=110,
    )
    done = subprocess.run(
        [sys.executable, "-c", "from acd.cli.main import main; main()", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "check-config" in done.stdout
