"""Put on a daemon's path by the fault injector: its wall clock jumps when the injector says so.

The whole number of seconds in the file ACD_CLOCK_SHIFT is added to time.time and time.time_ns; the
monotonic clock goes on, as on a machine whose clock was set.
"""

from __future__ import annotations

import os
import time

_real, _real_ns, _path = time.time, time.time_ns, os.environ.get("ACD_CLOCK_SHIFT", "")


def _shift_s() -> int:
    try:
        fd = os.open(_path, os.O_RDONLY)
    except OSError:
        return 0
    try:
        return int(os.read(fd, 20) or b"0")
    finally:
        os.close(fd)


if _path:
    time.time = lambda: _real() + _shift_s()
    time.time_ns = lambda: _real_ns() + _shift_s() * 1_000_000_000
