"""The real daemon as a child process: start, wait until it serves, kill hard, stop gently."""

from __future__ import annotations

import asyncio
import compileall
import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from simulator.centre.config import CentreSpec

ROOT = Path(__file__).resolve().parents[2]


class DaemonProcess:
    """One daemon. `log` keeps what it wrote, over restarts too."""

    def __init__(self, spec: CentreSpec, config: Path) -> None:
        self.spec = spec
        self.config = config
        self.log = spec.directory / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.environment: dict[str, str] = {}
        """Added to ours; its PYTHONPATH comes before the project's."""

    def start(self) -> None:
        """Start it; returns at once."""
        _bytecode()
        path = os.pathsep.join(filter(None, (self.environment.get("PYTHONPATH"), str(ROOT))))
        environment = {**os.environ, **self.environment, "PYTHONPATH": path}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "acd", "run", "--config", str(self.config)],
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.spec.directory,
            )
        self.starts += 1

    async def ready(self, timeout_s: float = 60.0) -> float:
        """Wait until it is synced with the switch; return the seconds that took."""
        begun = time.monotonic()
        async with httpx.AsyncClient(timeout=2.0) as client:
            while time.monotonic() - begun < timeout_s:
                if self.process is None or self.process.poll() is not None:
                    break
                try:
                    answer = await client.get(f"http://127.0.0.1:{self.spec.http_port}/readyz")
                    if answer.status_code == httpx.codes.OK:
                        return time.monotonic() - begun
                except httpx.HTTPError:
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.03)
        raise RuntimeError(
            f"the daemon did not become ready within {timeout_s:g} s; its log ends:\n{self.tail()}"
        )

    def tail(self, lines: int = 15) -> str:
        """Return the end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """Kill -9, and reap."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def wait(self, timeout_s: float) -> int | None:
        """Wait for its own end; return the exit status, None when it still runs."""
        end = time.monotonic() + timeout_s
        while (  # noqa: ASYNC110 - a bounded wait for a process
            self.process is not None and self.process.poll() is None and time.monotonic() < end
        ):
            await asyncio.sleep(0.05)
        return None if self.process is None else self.process.returncode

    async def stop(self, timeout_s: float = 15.0) -> int:
        """SIGTERM and wait; kill after the limit. Return the exit status."""
        if self.process is None:
            return 0
        self.signal(signal.SIGTERM)
        end = time.monotonic() + timeout_s
        while self.process.poll() is None:
            if time.monotonic() > end:
                self.kill()
                break
            await asyncio.sleep(0.05)
        return int(self.process.returncode)

    def usage(self) -> dict[str, float]:
        """Return CPU seconds used and resident memory in MiB, from /proc."""
        if self.process is None or self.process.poll() is not None:
            return {}
        proc = Path("/proc") / str(self.process.pid)
        fields = (proc / "stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        ticks = os.sysconf("SC_CLK_TCK")
        rss_pages = int((proc / "statm").read_text(encoding="ascii").split()[1])
        return {
            "cpu_s": (int(fields[11]) + int(fields[12])) / ticks,
            "rss_mib": rss_pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            "descriptors": len(list((proc / "fd").iterdir())),
        }


@cache
def _bytecode() -> None:
    """Compile the daemon's modules once, as installing them does: else each start would, where Python may not keep it."""
    for package in ("acd", "agi_scripts"):
        compileall.compile_dir(ROOT / package, quiet=2)


class Api:
    """The daemon's HTTP interface with the supervisor's token."""

    def __init__(self, spec: CentreSpec, timeout_s: float = 5.0) -> None:
        token = (spec.state_dir / "secrets" / "http-token").read_text(encoding="ascii").strip()
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{spec.http_port}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout_s,
        )

    async def get(self, path: str) -> Any:
        """GET and decode; raises on an error status."""
        answer = await self._client.get(path)
        answer.raise_for_status()
        return answer.json()

    async def post(
        self, path: str, body: dict[str, object] | None = None, who: tuple[str, str] | None = None
    ) -> Any:
        """POST and decode; raises on an error status. `who`: an agent's name and password instead of the token."""
        answer = await self._client.post(
            path,
            content=json.dumps(body or {}),
            headers={"Content-Type": "application/json"},
            auth=who or httpx.USE_CLIENT_DEFAULT,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
