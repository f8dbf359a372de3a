"""Real-time priorities of a measurement, where the machine grants them.

Debian's own service runs Asterisk so (`asterisk -p`, which is SCHED_RR 10), and our unit gives the router's loop one
more (ACD_LOOP_PRIORITY, config/systemd/acd.service). SIPp stands for phones and callers on other machines: it comes
first, so that its stamps tell when a message arrived and not when a core was free.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import Final

ASTERISK: Final = 10
ROUTER: Final = 11
SIPP: Final = 12


def granted() -> bool:
    """Whether this process may use them: root, CAP_SYS_NICE, or a high enough RLIMIT_RTPRIO."""
    if not shutil.which("chrt"):
        return False
    return subprocess.run([*chrt(SIPP), "true"], capture_output=True, check=False).returncode == 0


def chrt(priority: int) -> tuple[str, ...]:
    """Words before a command that give it this priority."""
    return "chrt", "--rr", str(priority)
