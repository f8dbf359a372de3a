"""Which expected wait to tell a caller: the error of every method on virtual days.

`bin/bench ewt --json FILE [--quick]`

At the moment a caller joins a line every method names his wait; when he is answered the truth is known.
Callers who gave up have no truth and are left out, for every method alike.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from acd.core.ewt import METHODS
from acd.core.ids import CallId
from simulator.bench.floor import Floor
from simulator.bench.scenario import centre

if TYPE_CHECKING:
    from collections.abc import Sequence


def errors(matrix: int, load: float, calls: int) -> dict[str, dict[str, float]]:
    """Return root mean square and mean absolute error, bias and the mean wait itself by method, in seconds."""
    base = centre(matrix, load)
    floor = Floor(base)
    ids = [q.id for q in base.policy.queues]
    said: dict[int, dict[str, float]] = {}

    def note(call: int, queue: int) -> None:
        place = floor.matcher.position(CallId(str(call)))
        said[call] = {
            m: (floor.matcher.expected_wait_ms(ids[queue], place, m) or 0) / 1000.0 for m in METHODS
        }

    out = floor.run(base.draw(500 + matrix, calls), keep_waits=True, on_arrival=note)
    truth = {call: waited / 1000.0 for call, _, waited, answered in out.waits if answered and call in said}
    late = [c for c in truth if c > calls // 10]
    waits = np.array([truth[c] for c in late])
    table = {}
    for method in METHODS:
        guess = np.array([said[c][method] for c in late])
        table[method] = {
            "rmse_s": float(np.sqrt(((guess - waits) ** 2).mean())),
            "mae_s": float(np.abs(guess - waits).mean()),
            "bias_s": float((guess - waits).mean()),
            "mean_wait_s": float(waits.mean()),
        }
    return table


def run(*, quick: bool = False) -> dict[str, Any]:
    """Measure at three loads; the best method has the least root mean square error over all."""
    matrices, calls = (2, 4_000) if quick else (4, 12_000)
    loads: dict[str, Any] = {}
    for load in (0.6, 0.75, 0.9):
        runs = [errors(matrix, load, calls) for matrix in range(matrices)]
        loads[f"{load:g}"] = {
            m: {key: float(np.mean([r[m][key] for r in runs])) for key in runs[0][m]} for m in METHODS
        }
    total = {m: float(np.mean([loads[x][m]["rmse_s"] for x in loads])) for m in METHODS}
    best = min(total, key=lambda m: total[m])
    return {"benchmark": "ewt", "loads": loads, "rmse_s": total, "best": best, "met": best == METHODS[0]}


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; exit 1 when the default method is not the best."""
    parser = argparse.ArgumentParser(prog="bin/bench ewt", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    report = run(quick=args.quick)
    for load, table in report["loads"].items():
        mean = table[METHODS[0]]["mean_wait_s"]
        cells = "  ".join(
            f"{m} {r['rmse_s']:.1f}/{r['mae_s']:.1f} ({r['bias_s']:+.1f})" for m, r in table.items()
        )
        print(f"load {load}: mean wait {mean:.1f} s; rms/mean absolute error (bias) in s: {cells}")
    print(f"best: {report['best']}")
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if report["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
