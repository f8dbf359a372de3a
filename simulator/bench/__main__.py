"""`bin/bench NAME ...`: a table of benchmarks by name; each module has `run(...)` and `main(argv)`."""

from __future__ import annotations

import sys
from importlib import import_module

TABLE = {
    "calls": "simulator.bench.calls",
    "capacity": "simulator.bench.capacity",
    "routing": "simulator.bench.routing",
    "routing-bound": "simulator.bench.routing_bound",
    "decision": "simulator.bench.decision",
    "desktop": "simulator.bench.desktop",
    "ewt": "simulator.bench.ewt",
    "fit": "simulator.bench.fit",
    "start": "simulator.bench.start",
    "virtual": "simulator.bench.virtual",
    "bank": "simulator.bench.bank",
}


def main(argv: list[str] | None = None) -> int:
    """Run the named benchmark with the remaining arguments."""
    args = sys.argv[1:] if argv is None else argv
    if not args or args[0] not in TABLE:
        print("usage: bench NAME [options]   one of: " + ", ".join(TABLE), file=sys.stderr)
        return 2
    return int(import_module(TABLE[args[0]]).main(args[1:]))


if __name__ == "__main__":
    raise SystemExit(main())
