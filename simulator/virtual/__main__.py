"""python -m simulator.virtual --seeds N --start K [--json FILE]; --trace SEED tells one seed's story."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from simulator.virtual.batch import run, run_seed
from simulator.virtual.world import SeedResult


def main() -> int:
    """Run; the exit status is 1 when a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m simulator.virtual", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--start", type=int, default=1, help="the first")
    parser.add_argument("--limit-s", type=float, help="stop after so many seconds of wall time")
    parser.add_argument("--nice", type=int, default=10, help="be polite to others on the machine")
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--trace", type=int, metavar="SEED", help="tell the story of one seed")
    options = parser.parse_args()
    if options.trace is not None:
        return tell(run_seed(options.trace, trace=True))
    report = run(
        range(options.start, options.start + options.seeds),
        limit_s=options.limit_s,
        nice=options.nice,
        progress=show,
    )
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(
        f"{report['seeds']} seeds, {report['calls']} calls, {sum(report['virtual_faults'].values())} faults in"
        f" {report['seconds']} s ({report['seeds_per_s']} seeds/s): {report['failed']} failed"
    )
    return 1 if report["failed"] else 0


def show(result: SeedResult) -> None:
    """Print a failing seed as it comes."""
    if result.problems:
        print(f"seed {result.seed} failed; repeat: python -m simulator.virtual --trace {result.seed}")
        for problem in result.problems[:5]:
            print(f"    {problem}")
        sys.stdout.flush()


def tell(result: SeedResult) -> int:
    """Print one story."""
    for line in result.trace:
        print(line)
    print(f"digest {result.digest}")
    for problem in result.problems:
        print(f"PROBLEM {problem}")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
