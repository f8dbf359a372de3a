"""The child: limits first, then one job after the other from the pipe, each with its own second of processor time.

It opens nothing, writes no file and knows no secret: it is started without the daemon's environment. It ends when
its parent does, whatever it is doing: by the closed pipe, by the parent's death signal, by its processor limit.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import math
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any

HEAD = struct.Struct(">I")
_PR_SET_PDEATHSIG = 1


def _limit(memory: int) -> None:
    """Give up what no job needs. The parent's death is ours (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _allow(cpu_s: float) -> None:
    """Let this job have so much processor time more; then the kernel ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime + cpu_s)
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def _work(work: Callable[[dict[str, Any]], object], job: dict[str, Any], most: int) -> dict[str, object]:
    try:
        answer = work(job)
        if len(json.dumps(answer)) > most:
            return {"refused": f"the result is longer than {most} bytes"}
    except ValueError as refused:
        return {"refused": str(refused)[:500] or type(refused).__name__}
    except MemoryError:
        return {"spent": "memory"}
    except Exception as defect:  # noqa: BLE001 - foreign text fails in every way; the parent tells its author
        return {"refused": f"{type(defect).__name__}: {defect}"[:500]}
    return {"answer": answer}


def main(trade: str, memory: str, cpu_s: str, most: str) -> None:
    """Serve jobs from standard input until it closes. `trade`: the module whose `work` does them."""
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not garble the answers
    work: Callable[[dict[str, Any]], object] = importlib.import_module(trade).work
    _limit(int(memory))

    def say(answer: dict[str, object]) -> None:
        body = json.dumps(answer).encode()
        outward.write(HEAD.pack(len(body)) + body)
        outward.flush()

    say({"ready": os.getpid()})
    while len(head := inward.read(HEAD.size)) == HEAD.size:
        job = json.loads(inward.read(HEAD.unpack(head)[0]))
        _allow(float(cpu_s))
        answer = _work(work, job, int(most))
        say(answer)
        if "spent" in answer:
            sys.exit(3)  # what is left of the memory is nobody's foundation
