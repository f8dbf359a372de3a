"""Write the configuration of a centre for the demo, the tests and the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from acd.credentials import hash_token, new_token
from simulator.lab.ports import free_port

FIRMS = (
    ("romashka", "ООО «Ромашка»", 0.80, 20),
    ("nadezhda", "Страховая «Надежда»", 0.93, 15),
    ("vektor", "Банк «Вектор»", 0.93, 15),
    ("northwind", "Northwind Trading", 0.80, 20),
    ("klinika", "Клиника «Здоровье»", 0.95, 40),
    ("masterok", "Ремонт «Мастерок»", 0.95, 40),
)
"""(id, display name, promised share, within seconds): unlike small firms sharing one pool of agents."""


ZONE = "Europe/Moscow"
"""The centre's clock: opening hours go by it."""


@dataclass(slots=True)
class CentreSpec:
    """What differs between centres. Everything listens on 127.0.0.1."""

    directory: Path
    agents: int = 8
    firms: int = len(FIRMS)
    ami_port: int = field(default_factory=free_port)
    ami_user: str = "acd"
    ami_secret: str = ""
    agi_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    mqtt_port: int = field(default_factory=free_port)
    queue_log: Path = Path()
    cel: Path | None = None
    spool: Path | None = None
    wrap_up_s: float = 1.0
    ring_timeout_s: float = 12.0
    max_wait_s: float = 600.0
    callback_secret: str = ""
    """Of the originate user; not empty: the daemon calls back, at once and quickly."""
    webhook: str = ""
    ballast_mib: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    """Laid over everything, as conf.d/99-extra.yaml."""

    @property
    def agent_ids(self) -> list[str]:
        """Agents are named a101, a102 ...; their devices have the same names."""
        return [f"a{101 + n}" for n in range(self.agents)]

    @property
    def state_dir(self) -> Path:
        """Where the daemon keeps its data."""
        return self.directory / "state"

    @property
    def agents_token(self) -> str:
        """The one password of all agents of this centre."""
        return (self.state_dir / "secrets" / "agents-token").read_text(encoding="ascii")

    @property
    def dids(self) -> list[str]:
        """The numbers callers dial, one per firm."""
        return [str(7001 + n) for n in range(self.firms)]


def write(spec: CentreSpec) -> Path:
    """Write every file of the configuration; return its directory. Repeated calls overwrite."""
    target = spec.directory / "config"
    (target / "conf.d").mkdir(parents=True, exist_ok=True)
    keep_secrets(spec)
    firms = FIRMS[: spec.firms]
    files: dict[str, dict[str, Any]] = {
        "acd.yaml": _system(spec),
        "skills.yaml": {"skills": {"general": {"display_name": "General"}}},
        "queues.yaml": {
            "queue_defaults": {
                "needs": [{"skill": "general", "min_level": 1}],
                "wrap_up_s": spec.wrap_up_s,
                "ring_timeout_s": spec.ring_timeout_s,
                "max_wait_s": spec.max_wait_s,
            },
            "queues": {
                name: {
                    "subscriber": name,
                    "display_name": display,
                    "promise": {"share": share, "threshold_s": within},
                }
                for name, display, share, within in firms
            },
        },
        "agents.yaml": {
            "agents": {
                agent: {
                    "name": f"Agent {agent}",
                    "device": agent,
                    "skills": {"general": 1 + n % 5},
                    "password_hash": {"file": "secrets/agents-hash"},
                }
                for n, agent in enumerate(spec.agent_ids)
            }
        },
        "numbers.yaml": {"numbers": {did: firm[0] for did, firm in zip(spec.dids, firms, strict=True)}},
        "announcements.yaml": {"announcements": {"standard": {"every_s": 30}}},
        "conf.d/99-extra.yaml": spec.extra,
    }
    for name, content in files.items():
        if content:
            text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
            (target / name).write_text(text, encoding="utf-8")
    return target


def _system(spec: CentreSpec) -> dict[str, Any]:
    journal: dict[str, Any] = {"queue_log": str(spec.queue_log)}
    if spec.cel is not None:
        journal["cel"] = str(spec.cel)
    asterisk: dict[str, Any] = {
        "ami": {"port": spec.ami_port, "user": spec.ami_user, "secret": {"file": "secrets/ami"}},
        "agi": {"port": spec.agi_port},
        "journal": journal,
    }
    if spec.spool is not None:
        asterisk["spool"] = str(spec.spool)
    system: dict[str, Any] = {
        "state_dir": str(spec.state_dir),
        "centre": {"name": "Demo centre", "time_zone": ZONE, "language": "ru", "region": "RU"},
        "asterisk": asterisk,
        "mqtt": {"port": spec.mqtt_port, "password": {"file": "secrets/mqtt"}},
        "store": {"ballast_mib": spec.ballast_mib},
        "http": {"port": spec.http_port, "token": {"file": "secrets/http-token"}},
    }
    if spec.webhook:
        system["webhook"] = {"url": spec.webhook}
    return system


def keep_secrets(spec: CentreSpec) -> None:
    """Write every secret a centre needs; those that are there stay."""
    folder = spec.state_dir / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    given = {"ami": spec.ami_secret, "ami-callback": spec.callback_secret}
    for name in ("ami", "ami-callback", "mqtt", "http-token"):
        path = folder / name
        if given.get(name) or not path.exists():
            _keep(path, given.get(name) or new_token())
    if not (folder / "agents-token").exists():
        token = new_token()
        _keep(folder / "agents-token", token)
        _keep(folder / "agents-hash", hash_token(token))


def _keep(path: Path, secret: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(secret, encoding="ascii")
