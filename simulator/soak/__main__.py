"""python -m simulator.soak --hours 24 --calls 30000: prints one JSON line per virtual hour, then the result."""

from simulator.soak.jump import Busy, JumpClock

CLOCK, BUSY = JumpClock(), Busy()
if __name__ == "__main__":
    CLOCK.install()  # before anything takes the real clock for itself

    from simulator.soak.day import main

    raise SystemExit(main(CLOCK, BUSY))
