"""Threads for work no caller waits for and which may take long: reading a configuration, strangers' mail, mail servers.

The loop's other helpers (`asyncio.to_thread`: a look at the spool, at the disk's room) have real-time priority with it
when the service's unit asks for that (acd/adapters/service.py). Long work has none: it would keep every ordinary
program of the machine waiting, and the kernel ends a process whose real-time thread computes too long without a pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_THREADS_MOST: Final = 8
"""A few silent mail servers, each holding one for minutes, must leave room for a reload."""


def ordinary() -> None:
    """Leave real-time priority in this thread; one made by a thread that has it inherits it."""
    with contextlib.suppress(OSError, AttributeError):
        if os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK != os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


_THREADS = ThreadPoolExecutor(_THREADS_MOST, "unhurried", initializer=ordinary)


async def in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the call as `asyncio.to_thread` does, at ordinary priority. Raises what it raises."""
    context = contextvars.copy_context()
    work = partial(context.run, call, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
