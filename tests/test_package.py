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


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed; its libraries are those of the test run."""
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
        timeout=110,
    )
    return target


def python(site: Path, folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_an_installed_wheel_answers_help(site: Path, tmp_path: Path) -> None:
    done = python(site, tmp_path, "from acd.cli.main import main; main()", "--help")
    assert done.returncode == 0, done.stderr
    assert "check-config" in done.stdout


WITHOUT_EXTRAS = """
import importlib, pathlib, pkgutil, re, sys
from importlib import metadata

wanted, known = ["acd-router"], set()
while wanted:  # what the wheel asks for, without any extra, and what that asks for
    name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
    if name in known:
        continue
    known.add(name)
    try:
        needs = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        continue
    for need in needs:
        other, extra = re.match(r"[A-Za-z0-9._-]+", need).group(), re.search(r"extra *==", need)
        if not extra or name == "uvicorn":  # uvicorn[standard]
            wanted.append(other)
foreign = {
    top
    for top, names in metadata.packages_distributions().items()
    if not {re.sub(r"[-_.]+", "-", n).lower() for n in names} & known
}
assert {"pytest", "hypothesis", "matplotlib", "smpplib", "playwright"} <= foreign, foreign

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in foreign:
            raise ModuleNotFoundError(f"{name} is no library of the wheel", name=name)

sys.meta_path.insert(0, Wall())
import acd, agi_scripts
modules = [m.name for p in (acd, agi_scripts) for m in pkgutil.walk_packages(p.__path__, p.__name__ + ".")]
assert len(modules) > 150, modules
for module in modules:
    if not module.endswith("__main__"):
        importlib.import_module(module)
import simulator.__main__
data = pathlib.Path(acd.__file__).parent / "_data" / "config"
sys.argv = ["acd", "check-config", "--config", str(data)]
from acd.cli.main import main
main()
"""


def test_an_installed_wheel_runs_without_the_libraries_of_its_extras(site: Path, tmp_path: Path) -> None:
    """Every module of the product and the sample configuration, with pytest, matplotlib, smpplib and the like out of reach."""
    done = python(site, tmp_path, WITHOUT_EXTRAS)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "is fine" in done.stdout
