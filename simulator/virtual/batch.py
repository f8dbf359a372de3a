"""Many seeds, one report."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import structlog

from simulator.cores import on_cores
from simulator.virtual.world import SeedResult, World

SHOWN_FAILURES = 50
PART = 100
"""Seeds that a process takes at a time."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the daemon's logs: in a run of thousands of faults every line of them is expected."""
    before = structlog.get_config()
    logger = logging.getLogger("acd.asterisk")
    level = logger.level
    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=silent, processors=[_drop])
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        structlog.configure(**before)
        logger.setLevel(level)


def _drop(_logger: Any, _name: str, _event: Any) -> Any:
    raise structlog.DropEvent


def run_seed(seed: int, *, trace: bool = False, guard: bool = True) -> SeedResult:
    """Run one seed to its end."""
    with quiet():
        return World(seed, trace=trace, guard=guard).run()


def run(
    seeds: Sequence[int] | range,
    *,
    limit_s: float | None = None,
    progress: Callable[[SeedResult], None] | None = None,
    nice: int = 0,
) -> dict[str, Any]:
    """Run seeds in order; stop early after `limit_s` seconds of wall time.

    Returns a dictionary: `seeds` and `seconds` actually run, `seeds_per_s`, `calls`, `steps`,
    `virtual_faults` by kind, `ended` by reason, `counts` of everything else, `failed` (the number of
    failing seeds) and `failures` (the first of them, with their problems).
    """
    if nice:
        os.nice(nice)
    begun = time.monotonic()
    total: Counter[str] = Counter()
    failures: list[SeedResult] = []
    failed = done = 0
    for seed in seeds:
        result = run_seed(seed)
        done += 1
        total.update(result.counts)
        if result.problems:
            failed += 1
            if len(failures) < SHOWN_FAILURES:
                failures.append(result)
        if progress is not None:
            progress(result)
        if done % 50 == 0:
            gc.collect()
        if limit_s is not None and time.monotonic() - begun > limit_s:
            break
    seconds = time.monotonic() - begun
    return {
        "seeds": done,
        "first_seed": seeds[0] if len(seeds) else None,
        "seconds": round(seconds, 1),
        "seeds_per_s": round(done / seconds, 2) if seconds else 0.0,
        "calls": total.pop("calls", 0),
        "steps": total.pop("steps", 0),
        "virtual_faults": _part(total, "fault_"),
        "ended": _part(total, "ended_"),
        "counts": dict(sorted(total.items())),
        "failed": failed,
        "failures": [{"seed": one.seed, "problems": one.problems} for one in failures],
    }


def run_on_cores(
    seeds: range,
    jobs: int,
    *,
    progress: Callable[[int, int], None] = lambda _seeds, _failed: None,
    nice: int = 0,
    part: int = PART,
) -> dict[str, Any]:
    """Run seeds in `jobs` processes; the report is that of `run`, and `seconds` is the wall time of all.

    `progress` is called with (seeds done, failed) of each part as it ends. The parts come back in their own
    order: the report does not depend on the number of processes.
    """
    begun = time.monotonic()
    parts = [seeds[at : at + part] for at in range(0, len(seeds), part)]
    reports: list[dict[str, Any]] = []
    with on_cores(jobs, nice) as pool:
        for report in pool.map(run, parts):
            reports.append(report)
            progress(report["seeds"], report["failed"])
    whole = merge(reports)
    whole["seconds"] = round(time.monotonic() - begun, 1)
    whole["seeds_per_s"] = round(whole["seeds"] / whole["seconds"], 2) if whole["seconds"] else 0.0
    return whole


def merge(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add reports of `run` up; the times are the caller's to fill in."""
    whole: dict[str, Any] = {
        "seeds": 0,
        "first_seed": reports[0]["first_seed"] if reports else None,
        "seconds": 0.0,
        "seeds_per_s": 0.0,
    }
    for name in ("seeds", "calls", "steps", "failed"):
        whole[name] = sum(one[name] for one in reports)
    for name in ("virtual_faults", "ended", "counts"):
        whole[name] = dict(sorted(sum((Counter(one[name]) for one in reports), Counter()).items()))
    whole["failures"] = [failure for one in reports for failure in one["failures"]][:SHOWN_FAILURES]
    return whole


def _part(total: Counter[str], prefix: str) -> dict[str, int]:
    found = {name: number for name, number in sorted(total.items()) if name.startswith(prefix)}
    for name in found:
        del total[name]
    return {name.removeprefix(prefix): number for name, number in found.items()}
