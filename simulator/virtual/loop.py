"""An event loop on virtual time, with processes that can be killed and frozen as the kernel does it.

`time()` jumps to the next timer; nothing waits. Whatever runs belongs to the process named in its
context (`PROCESS`). A killed process runs no further line, not even a `finally`: that is `kill -9`. A
frozen one (SIGSTOP, a stalled loop) runs all its late timers when it thaws. Order is by time and then by
serial number, so one seed gives one history, whatever the hash seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("PROCESS", default=None)

TURNS_AT_ONE_INSTANT = 100_000
"""So many turns without time moving: somebody goes in circles."""


class Process:
    """One operating system process of the modelled machine."""

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.name = name
        self.loop = loop
        self.alive = True
        self.frozen = False
        self.on_death: list[Callable[[], None]] = []
        """What the kernel does: sockets are closed."""
        self._parked: deque[asyncio.Handle] = deque()
        self._tasks: list[asyncio.Task[Any]] = []
        self._context = contextvars.copy_context()
        self._context.run(PROCESS.set, self)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine inside this process."""
        task: asyncio.Task[Any] = self._context.copy().run(self.loop.create_task, work)
        self._tasks.append(task)
        if len(self._tasks) > 256:
            self._tasks = [task for task in self._tasks if not task.done()]
        return task

    def run(self, act: Callable[..., Any], *args: Any) -> Any:
        """Run a plain function inside this process now."""
        return self._context.copy().run(act, *args)

    def later(self, delay_s: float, act: Callable[..., Any], *args: Any) -> asyncio.TimerHandle:
        """Run something inside this process later."""
        return self.at(self.loop.time() + delay_s, act, *args)

    def at(self, when_s: float, act: Callable[..., Any], *args: Any) -> asyncio.TimerHandle:
        """Run something inside this process at a moment."""
        return self.loop.call_at(when_s, act, *args, context=self._context)

    def kill(self) -> None:
        """End it at once. Only its sockets notice."""
        if self.alive:
            self.alive = False
            self._parked.clear()
            for act in self.on_death:
                act()

    def freeze(self) -> None:
        """Stop it: SIGSTOP, or a loop that blocks."""
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on with everything that became due meanwhile."""
        if self.frozen:
            self.frozen = False
            self.loop.requeue(self._parked)

    def park(self, handle: asyncio.Handle) -> None:
        """Keep what became due while frozen."""
        self._parked.append(handle)


class StuckError(AssertionError):
    """Time does not move on, or nothing is left to wait for."""


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. `connect` decides what `create_connection` reaches."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_s = 0.0
        self._heap: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._serial = 0
        self._turns = 0
        self._everything: list[asyncio.Task[Any]] = []
        self.connect: Callable[[Callable[[], asyncio.Protocol]], Coroutine[Any, Any, Any]] | None = None
        self.set_task_factory(self._make_task)

    def _make_task(self, loop: Any, coro: Any, **options: Any) -> asyncio.Task[Any]:
        # Tasks of killed processes must live to the end of the run: the garbage collector would run their
        # `finally` blocks at a moment no seed decides.
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **options)
        self._everything.append(task)
        if len(self._everything) > 4_096:
            self._everything = [task for task in self._everything if not task.done()]
        return task

    def time(self) -> float:
        """Return virtual seconds since the start."""
        return self._virtual_s

    def call_soon(  # type: ignore[override]  # typeshed ties the callback to its arguments
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Run at the next turn; asyncio's own way asks four times more whether it is being debugged."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]  # typeshed ties the callback to its arguments
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Plan by time, then by serial number."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._serial += 1
        heapq.heappush(self._heap, (max(when, self._virtual_s), self._serial, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Called by a cancelled timer; it is thrown away when its time comes."""

    def _process_events(self, event_list: Any) -> None:
        """No files, no sockets."""

    def _write_to_self(self) -> None:
        """Nobody wakes us from another thread."""

    def requeue(self, handles: deque[asyncio.Handle]) -> None:
        """Run these at the next turn, before everything else that is ready."""
        self._ready: deque[asyncio.Handle]
        while handles:
            self._ready.append(handles.popleft())

    def _let_time_pass(self) -> None:
        if not self._heap:
            raise StuckError("nothing is ready and no timer runs")
        if self._heap[0][0] > self._virtual_s:
            self._virtual_s, self._turns = self._heap[0][0], 0

    def _run_once(self) -> None:
        heap, ready = self._heap, self._ready
        while heap and heap[0][2]._cancelled:  # noqa: SLF001 - as below
            heapq.heappop(heap)
        if not ready:
            self._let_time_pass()
        self._turns += 1
        if self._turns > TURNS_AT_ONE_INSTANT:
            raise StuckError(f"time stands still at {self._virtual_s:.3f} s")
        while heap and heap[0][0] <= self._virtual_s:
            ready.append(heapq.heappop(heap)[2])
        for _ in range(len(ready)):
            handle: Any = ready.popleft()
            if handle._cancelled:  # noqa: SLF001 - we are the loop; this line and the next run 8,000 times a seed
                continue
            owner = handle._context.get(PROCESS)  # noqa: SLF001 - the only way to know
            if owner is None or (owner.alive and not owner.frozen):
                handle._run()  # noqa: SLF001
            elif owner.alive:
                owner.park(handle)

    async def create_connection(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:  # noqa: ARG002
        """Reach the modelled network."""
        if self.connect is None:
            raise ConnectionRefusedError("no network")
        return await self.connect(protocol_factory)

    def dispose(self) -> None:
        """Throw everything away. What is left unfinished is closed here, where its last words reach nobody."""
        for task in self._everything:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - killed on purpose
                with contextlib.suppress(RuntimeError):  # it may want to await in its `finally`
                    task.get_coro().close()
        self._everything.clear()
        self._heap.clear()
        self._ready.clear()
        if not self.is_closed():
            self.close()
