"""`python -m simulator.accelerator build|where`: used by bin/setup --fast and, under ACD_FAST=1, by bin/_python."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from simulator.accelerator.build import BuildError, build, folder, is_built


def main(argv: list[str] | None = None) -> int:
    """Print the folder to put first on the path; 2 when there is none."""
    parser = argparse.ArgumentParser(prog="accelerator", description=__doc__)
    parser.add_argument("what", choices=("build", "where"))
    parser.add_argument(
        "--optional",
        action="store_true",
        help="where: print the folder and a colon, or nothing when none fits; always 0",
    )
    parser.add_argument("--base", type=Path, default=Path(sys.prefix) / "acd-fast")
    options = parser.parse_args(argv)
    if options.what == "where":
        place = folder(options.base)
        if options.optional:
            if is_built(place):
                print(f"{place}:")
            else:
                print(
                    "the compiled core is of other sources: plain Python; renew it with  bin/setup --fast",
                    file=sys.stderr,
                )
            return 0
        if not is_built(place):
            print("ACD_FAST: no accelerator for the present sources; run  bin/setup --fast", file=sys.stderr)
            return 2
        print(place)
        return 0
    start = time.monotonic()
    try:
        print(build(options.base))
    except BuildError as error:
        print(f"accelerator: {error}", file=sys.stderr)
        return 2
    print(f"accelerator: ready after {time.monotonic() - start:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
