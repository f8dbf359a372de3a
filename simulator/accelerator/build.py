"""Builds and finds the accelerator: one folder per state of the sources, beside the virtual environment.

The folder mirrors `acd` and `simulator`: links to the sources, and beside the links the compiled modules, which
Python prefers. Put first on the path it is the accelerator; taken off the path it is nothing.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

from simulator.accelerator.expand import expand

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("acd", "simulator")
OF_THE_CORE = (
    "agent",
    "agents",
    "baselines",
    "call",
    "calls",
    "candidates",
    "card",
    "cards",
    "deadlines",
    "debt",
    "effects",
    "engine",
    "errors",
    "events",
    "ewt",
    "floor",
    "ids",
    "indexes",
    "instant",
    "matcher",
    "names",
    "offers",
    "policy",
    "scoring",
    "simple_matcher",
    "skills",
    "tally",
    "waitlog",
    "weighted",
)
OF_THE_WORLD = (
    "agents",
    "callers",
    "crowd",
    "draws",
    "group_router",
    "ledger",
    "results",
    "scenario",
    "staffing",
    "streams",
    "switch",
    "world",
)
"""What every simulated call goes through, decision 0151. The rest stays plain and works with it."""

COMPILE = """
import sys
from mypyc.build import mypycify
from setuptools import setup
modules = mypycify(["--config-file", "pyproject.toml", "--follow-imports=silent", *sys.argv[1:]], opt_level="3", debug_level="0")
setup(name="acd-accelerator", packages=[], ext_modules=modules, script_args=["--quiet", "build_ext", "--inplace"])
"""


OURS_ALONE = "-fno-semantic-interposition"
"""Nobody else's library may step between our own functions: so the compiler may put one into another."""


class BuildError(Exception):
    """The accelerator could not be built; the text says what to do."""


def sources() -> list[Path]:
    """Return the modules that are compiled, relative to the project's root."""
    core = [Path("acd/core") / f"{name}.py" for name in OF_THE_CORE]
    return [*core, *(Path("simulator") / f"{name}.py" for name in OF_THE_WORLD)]


def folder(base: Path) -> Path:
    """Return where the accelerator of the present sources stands, built or not."""
    text = hashlib.sha256(f"{sys.version} mypyc {version('mypy')} {ROOT}".encode())
    for path in (*sources(), Path("simulator/accelerator/expand.py"), Path("simulator/accelerator/build.py")):
        text.update(str(path).encode() + b"\0" + (ROOT / path).read_bytes())
    return base / text.hexdigest()[:16]


def is_built(place: Path) -> bool:
    """Return whether a build was finished there."""
    return (place / "built").exists()


def build(base: Path) -> Path:
    """Compile into a folder under `base` unless that is done; return the folder to put first on the path.

    Raises:
        BuildError: without a C compiler or Python's headers, or when the compiler refuses a module.
    """
    place = folder(base)
    if is_built(place):
        return place
    _check_tools()
    work = base / f"work-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        _copy_sources(work)
        _compile(work)
        fresh = base / f"new-{os.getpid()}"
        shutil.rmtree(fresh, ignore_errors=True)
        _lay_out(work, fresh)
        shutil.rmtree(place, ignore_errors=True)
        fresh.rename(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


def _check_tools() -> None:
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        raise BuildError(
            f"needs a C compiler, {compiler} is not there: on Debian, apt-get install gcc libc6-dev"
        )
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        raise BuildError("needs Python's headers: on Debian, apt-get install python3-dev")


def _copy_sources(work: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, work / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", work)
    for path in sources():
        (work / path).write_text(expand((ROOT / path).read_text(encoding="utf-8")), encoding="utf-8")


def _compile(work: Path) -> None:
    command = [sys.executable, "-c", COMPILE, *map(str, sources())]
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONSAFEPATH"}}
    environment["CFLAGS"] = f"{environment.get('CFLAGS', '')} {OURS_ALONE}".strip()
    environment["LDFLAGS"] = f"{environment.get('LDFLAGS', '')} -Wl,-Bsymbolic-functions".strip()
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"the compiler refused:\n{(done.stdout + done.stderr)[-3000:]}")


def _lay_out(work: Path, place: Path) -> None:
    """Make the folder: links for everything, compiled modules beside the links of their sources."""
    place.mkdir(parents=True)
    opened = {Path(package) for package in PACKAGES} | {path.parent for path in sources()}
    for room in sorted(opened):
        (place / room).mkdir(parents=True, exist_ok=True)
        for item in (ROOT / room).iterdir():
            if item.name != "__pycache__" and room / item.name not in opened:
                (place / room / item.name).symlink_to(item)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for path in sources():
        shutil.copy(work / path.with_suffix(suffix), place / path.with_suffix(suffix))
    for shared in work.glob(f"*{suffix}"):
        shutil.copy(shared, place / shared.name)
    (place / "built").write_text("".join(f"{path}\n" for path in sources()), encoding="utf-8")


def in_use() -> str:
    """Return what this process runs: `compiled` or `pure Python`."""
    from acd.core import engine

    return "pure Python" if engine.__file__.endswith(".py") else "compiled"
