"""One running Asterisk with its own folder and ports; several run side by side.

The instance folder is mounted at its own path inside the tree, in a mount namespace that ends with the
process: after `down` nothing of it remains.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from simulator.lab.agents import Agent, write_agents_conf
from simulator.lab.errors import LabError
from simulator.lab.ports import free_port, free_rtp_ports, give_back
from simulator.lab.render import write_configuration, write_tone
from simulator.lab.tree import Tree, find_tree, lab_folder, locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BOOT_S = 30.0
STOP_S = 5.0
TRUNK_HOST = "127.0.0.2"
"""Callers come from this loopback address: an address is how Asterisk knows a trunk."""

_START = """
set -e
ulimit -n 16384 2>/dev/null || true
mount --bind "$RUN" "$ROOT$RUN"
mount --bind /dev "$ROOT/dev"
mount -t proc proc "$ROOT/proc" 2>/dev/null || mount --rbind /proc "$ROOT/proc"
exec chroot "$ROOT" /usr/sbin/asterisk -f $PRIORITY -C "$RUN/etc/asterisk.conf"
"""


RTP_COUNT = 400


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one instance, all on 127.0.0.1. `agi` is where the daemon must listen."""

    sip: int
    ami: int
    agi: int
    ws: int
    rtp_first: int
    rtp_count: int = RTP_COUNT

    @classmethod
    def free(cls, **fixed: int | None) -> Ports:
        """Choose free ports; those given are taken as they are."""
        given = {name: port for name, port in fixed.items() if port}
        count = given.pop("rtp_count", 0) or RTP_COUNT
        rtp = given.pop("rtp_first", 0) or free_rtp_ports(count)
        for name in ("sip", "ami", "agi", "ws"):
            if name not in given:
                given[name] = free_port()
        return cls(rtp_first=rtp, rtp_count=count, **given)


class Lab:
    """A real Asterisk. `with Lab(...) as lab:` or up() and down().

    `settings` change values of the sample configuration: language, record (1 or 0), announce_turns,
    fallback_s, verbose, rtp_timeout, out_port (where called numbers answer), spool_agi. `die_with_parent`: Asterisk is
    killed when this process dies, for tests. `real_time`: with real-time priority (`asterisk -p`), as Debian's own
    service runs it. Raises LabError when it cannot be had.
    """

    def __init__(
        self,
        name: str = "default",
        *,
        agents: Iterable[Agent] = (),
        ports: Ports | None = None,
        settings: Mapping[str, str] | None = None,
        die_with_parent: bool = False,
        real_time: bool = False,
        folder: Path | None = None,
    ) -> None:
        if not name.isalnum() or len(name) > 24:
            raise LabError("a lab's name is 1 to 24 letters and digits")
        self.name = name
        self.agents = tuple(agents)
        self.folder = (folder or lab_folder()).resolve()
        self.run = self.folder / "run" / name
        self.ports = ports or Ports.free()
        self.router_user, self.router_secret = "acd-router", secrets.token_hex(16)
        self.callback_user, self.callback_secret = "acd-callback", secrets.token_hex(16)
        self._settings = dict(settings or {})
        self._die_with_parent = die_with_parent
        self._priority = ["-p"] if real_time else []
        self._tree: Tree | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._born = ""
        self._version = ""
        if len(str(self.run / "run" / "asterisk.ctl")) > 100:
            raise LabError(
                f"{self.run} is too long for a control socket: set ACD_LAB_DIR to a shorter folder"
            )

    # --- where things are ----------------------------------------------------------------------

    @property
    def etc(self) -> Path:
        """Asterisk's configuration folder."""
        return self.run / "etc"

    @property
    def queue_log(self) -> Path:
        """The journal."""
        return self.run / "log" / "queue_log"

    @property
    def cel_csv(self) -> Path:
        """Channel events, one CSV line each."""
        return self.run / "log" / "cel-custom" / "Master.csv"

    @property
    def recordings(self) -> Path:
        """Folder of MixMonitor's files."""
        return self.run / "var" / "spool" / "monitor"

    def setting(self, name: str) -> str:
        """A value given in `settings`; empty when the default stands."""
        return self._settings.get(name, "")

    @property
    def pid(self) -> int:
        """Asterisk's process id, 0 when it does not run."""
        return self._pid if self._pid and _birth(self._pid) == self._born else 0

    def describe(self) -> dict[str, object]:
        """What another program needs to use this instance (`bin/lab up --json`)."""
        return {
            "name": self.name,
            "pid": self.pid,
            "version": self._version,
            "ports": asdict(self.ports),
            "trunk_host": TRUNK_HOST,
            "router_user": self.router_user,
            "router_secret_file": str(self.run / "router.secret"),
            "callback_user": self.callback_user,
            "callback_secret_file": str(self.run / "callback.secret"),
            "queue_log": str(self.queue_log),
            "cel_csv": str(self.cel_csv),
            "etc": str(self.etc),
            "recordings": str(self.recordings),
            "agents": [agent.id for agent in self.agents],
        }

    # --- life ----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> Lab:
        """Start it and wait until it is fully booted; nothing happens if it runs already."""
        self._tree = find_tree(self.folder)
        with locked(self.folder):
            if not self.pid:
                self._prepare()
                self._start()
        return self

    def down(self, *, keep: bool = False) -> None:
        """Stop it: ask, then insist. The instance folder goes too unless `keep`."""
        if self.pid:
            self._signal(signal.SIGTERM)
            if not self._gone_within(STOP_S):
                self._signal(signal.SIGKILL)
                if not self._gone_within(STOP_S):
                    raise LabError(f"Asterisk {self._pid} does not die")
        self._pid = 0
        if not keep:
            give_back(self.ports.rtp_first, self.ports.rtp_count)
            shutil.rmtree(self.run, ignore_errors=True)
            mount_point = self.folder / "tree" / str(self.run).lstrip("/")
            with suppress(OSError):
                mount_point.rmdir()  # only ever empty: what was mounted there ended with the process

    def kill_hard(self) -> None:
        """Kill -9, as in failure-modes row 26. Files stay; `up` starts the same instance again."""
        if self.pid:
            self._signal(signal.SIGKILL)
            self._gone_within(STOP_S)
        self._pid = 0

    def console(self, command: str) -> str:
        """Run one console command and return what it prints. Raises LabError when it cannot."""
        if not self.pid:
            raise LabError(f"lab {self.name} does not run: bin/lab --name {self.name} up")
        words = ["asterisk", "-C", str(self.etc / "asterisk.conf"), "-rx", command]
        if self._tree is None or self._tree.root is not None:
            words = ["nsenter", "--target", str(self.pid), "--mount", "--root", "--wd=/", *words]
        result = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=20, errors="replace"
        )
        if result.returncode:
            raise LabError(f"console: {result.stdout}{result.stderr}")
        return result.stdout

    def write_agents(self, agents: Iterable[Agent]) -> None:
        """Replace the agents and, when running, reload what reads them."""
        self.agents = tuple(agents)
        write_agents_conf(self.agents, self.etc)
        if self.pid:
            for command in ("dialplan reload", "module reload res_pjsip.so", "queue reload all"):
                self.console(command)

    @classmethod
    def attach(cls, name: str = "default", folder: Path | None = None) -> Lab | None:
        """Find an instance that `up` left running in another process; None if there is none."""
        lab = cls(name, folder=folder)
        state = lab.run / "lab.json"
        if not state.exists():
            return None
        data = json.loads(state.read_text(encoding="utf-8"))
        lab.ports = Ports(**data["ports"])
        lab.agents = tuple(Agent(**agent) for agent in data["agents"])
        lab._settings = data["settings"]
        lab._pid, lab._born, lab._version = data["pid"], data["born"], data["version"]
        lab.router_secret = (lab.run / "router.secret").read_text(encoding="utf-8").strip()
        lab.callback_secret = (lab.run / "callback.secret").read_text(encoding="utf-8").strip()
        return lab

    # --- inside --------------------------------------------------------------------------------

    def _prepare(self) -> None:
        tree = self._need_tree()
        for part in (
            "etc",
            "run",
            "log/cel-custom",
            "var/lib/keys",
            "var/spool/monitor",
            "var/spool/acd-voicemail",
        ):
            (self.run / part).mkdir(parents=True, exist_ok=True)
        values = {
            "system_name": f"{self.name}{secrets.token_hex(6)}",
            "etc": str(self.etc),
            "run": str(self.run / "run"),
            "log": str(self.run / "log"),
            "var": str(self.run / "var"),
            "data": str(self.run / "data"),
            "modules": tree.modules,
            "language": "ru",
            "record": "1",
            "announce_turns": "10",
            "fallback_s": "60",
            "verbose": "0",
            "rtp_timeout": "0",
            "trunk_host": TRUNK_HOST,
            "out_port": "5060",
            "spool_agi": "",
            "router_secret": self.router_secret,
            "callback_secret": self.callback_secret,
            "rtp_last": str(self.ports.rtp_first + self.ports.rtp_count - 1),
            **{f"{key}_port": str(getattr(self.ports, key)) for key in ("sip", "ami", "agi", "ws")},
            "rtp_first": str(self.ports.rtp_first),
            **self._settings,
        }
        write_configuration(self.etc, values)
        write_agents_conf(self.agents, self.etc)
        self._prepare_sounds(tree)
        for name, secret in (("router", self.router_secret), ("callback", self.callback_secret)):
            path = self.run / f"{name}.secret"
            path.touch(mode=0o600)
            path.write_text(secret + "\n", encoding="utf-8")

    def _prepare_sounds(self, tree: Tree) -> None:
        """Give the instance its own data folder: the Russian set has a long voice name in Debian."""
        sounds = self.run / "data" / "sounds"
        sounds.mkdir(parents=True, exist_ok=True)
        links = {self.run / "data" / "documentation": f"{tree.data}/documentation"}
        for language, names in (("en", ("en", "en_US_f_Allison")), ("ru", ("ru", "ru_RU_f_IvrvoiceRU"))):
            for name in names:
                folder = f"{tree.data}/sounds/{name}"
                if os.path.lexists(tree.path(folder)):
                    links[sounds / language] = folder
                    break
        for link, target in links.items():
            if not link.is_symlink():
                link.symlink_to(target)
        write_tone(self.run / "data" / "moh" / "acd" / "tone.wav")

    def _start(self) -> None:
        tree = self._need_tree()
        self._version = ".".join(map(str, tree.version))
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "RUN": str(self.run)}
        if tree.root is None:
            command = ["asterisk", "-f", *self._priority, "-C", str(self.etc / "asterisk.conf")]
            environment["PATH"] = os.environ.get("PATH", environment["PATH"])
        else:
            tree.path(str(self.run)).mkdir(parents=True, exist_ok=True)
            environment["ROOT"] = str(tree.root)
            environment["PRIORITY"] = " ".join(self._priority)
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _START]
        if self._die_with_parent:
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        with (self.run / "log" / "stderr.log").open("ab") as out:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment,
                start_new_session=True,
            )
        self._pid = self._process.pid
        self._born = _birth(self._pid)
        self._remember()
        self._wait_for_boot()

    def _wait_for_boot(self) -> None:
        end = time.monotonic() + BOOT_S
        while time.monotonic() < end:
            if self._process is not None and self._process.poll() is not None:
                break
            # the journal too: whoever tails it should find it
            if self.queue_log.exists() and self._fully_booted():
                return
            time.sleep(0.1)
        tail = (self.run / "log" / "stderr.log").read_text(encoding="utf-8", errors="replace")[-1500:]
        ended = None if self._process is None else self._process.poll()
        what = f"did not come up within {BOOT_S:.0f} s" if ended is None else f"ended with status {ended}"
        self.kill_hard()
        raise LabError(f"Asterisk {what}; {self.run}/log has more:\n{tail}")

    def _fully_booted(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.ports.ami), timeout=1) as link:
            link.settimeout(1)
            login = f"Action: Login\r\nUsername: {self.router_user}\r\nSecret: {self.router_secret}\r\n\r\n"
            link.sendall(login.encode())
            seen = b""
            while b"FullyBooted" not in seen:
                data = link.recv(4096)
                if not data:
                    return False
                seen += data
            return True
        return False

    def _remember(self) -> None:
        state = {
            "pid": self._pid,
            "version": self._version,
            "born": self._born,
            "ports": asdict(self.ports),
            "agents": [asdict(agent) for agent in self.agents],
            "settings": self._settings,
        }
        (self.run / "lab.json").write_text(json.dumps(state), encoding="utf-8")

    def _need_tree(self) -> Tree:
        if self._tree is None:
            self._tree = find_tree(self.folder)
        return self._tree

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def _gone_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.pid:
                if self._process is not None:
                    self._process.wait(1)  # our own child: take it off the process table
                return True
            time.sleep(0.02)
        return False


def _birth(pid: int) -> str:
    """The start time of a process: a pid alone may have been given to somebody else meanwhile."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
