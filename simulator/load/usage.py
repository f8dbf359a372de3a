"""What processes cost: CPU and memory from /proc, by name."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """CPU seconds used so far by named processes, and by the whole machine, at one moment."""

    at_s: float
    cpu_s: dict[str, float]
    rss_mib: dict[str, float]
    machine_busy_s: float


def sample(processes: dict[str, int]) -> Sample:
    """Read /proc for each process id and for the machine; a process that is gone is left out."""
    cpu, rss = {}, {}
    for name, pid in processes.items():
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        except OSError:
            continue
        fields = text.rsplit(")", 1)[1].split()
        cpu[name] = (int(fields[11]) + int(fields[12])) / TICKS
        rss[name] = int(pages) * PAGE / 2**20
    first = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _wait, irq, soft, stolen = map(int, first)
    return Sample(time.monotonic(), cpu, rss, (user + nice + system + irq + soft + stolen) / TICKS)


def shares(before: Sample, after: Sample) -> dict[str, float]:
    """Return the share of one core that each process used between two samples; `machine` is all of it."""
    span = max(after.at_s - before.at_s, 1e-9)
    found = {
        name: round((used - before.cpu_s[name]) / span, 3)
        for name, used in after.cpu_s.items()
        if name in before.cpu_s
    }
    found["machine"] = round((after.machine_busy_s - before.machine_busy_s) / span / (os.cpu_count() or 1), 3)
    return found
