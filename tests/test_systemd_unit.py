"""The shipped unit and the shipped configuration fit each other."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from acd.config.loading import Config, load

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "config" / "systemd" / "acd.service"


def unit() -> dict[str, list[str]]:
    """Every key of the unit with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def writable() -> list[Path]:
    """Where the unit lets the daemon write."""
    paths = [Path("/var/lib") / name for value in unit()["StateDirectory"] for name in value.split()]
    return paths + [Path(name.lstrip("-")) for value in unit()["ReadWritePaths"] for name in value.split()]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The sample configuration as /etc/acd, with what the unit's page says."""
    etc = tmp_path_factory.mktemp("etc")
    shutil.copytree(ROOT / "config", etc / "acd")
    (etc / "acd" / "conf.d").mkdir()
    shutil.copy(ROOT / "config" / "systemd" / "10-service.yaml", etc / "acd" / "conf.d")
    return load(etc / "acd")


def test_everything_the_daemon_writes_lies_where_the_unit_lets_it_write(config: Config) -> None:
    tree = config.tree
    written = {
        "state_dir": config.state_dir,
        "store.path": config.path(tree.store.path),
        "store.fact_log": config.path(tree.store.fact_log),
        "asterisk.spool": config.path(tree.asterisk.spool),
        "recording.directory": config.path(tree.recording.directory),
    }
    outside = {
        name: str(path)
        for name, path in written.items()
        if not any(path.is_relative_to(top) for top in writable())
    }
    assert unit()["ProtectSystem"] == ["strict"]
    assert not outside


def test_every_credential_that_is_named_is_loaded(config: Config) -> None:
    loaded = {value.partition(":")[0] for value in unit()["LoadCredential"]}
    assert config.tree.asterisk.ami.secret.credential in loaded


def test_the_sample_alone_would_be_read_only_under_the_unit() -> None:
    """Why 10-service.yaml is needed: `../var` of /etc/acd is /etc/var."""
    assert "state_dir: ../var" in (ROOT / "config" / "acd.yaml").read_text(encoding="utf-8")
    assert not any(Path("/etc/var").is_relative_to(top) for top in writable())


def test_systemd_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    """`systemd-analyze verify` knows every key, its section and its values. Machines without it check the keys above only."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        assert unit()["Type"] == ["notify"]
        return
    shutil.copy(UNIT, tmp_path / "acd.service")
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / "acd.service")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    said = [line for line in (done.stdout + done.stderr).splitlines() if "acd.service" in line]
    assert not said
