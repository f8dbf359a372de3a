"""Processes for work on every core, which end with the program that wanted it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor


def on_cores(jobs: int, nice: int = 0) -> ProcessPoolExecutor:
    """Return a pool of `jobs` fresh processes at this niceness: a fork would copy the progress bar's thread in mid-flight.

    Killed, a program closes no pool, and a worker that waits for work holds both ends of its queue: without a look at
    its parent it would wait for ever.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(nice,))


def _begin(nice: int) -> None:
    os.nice(nice)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
